package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"noren/gateway"
	"noren/policy"
)

// Every key that noren.yaml may have has its row in the reference, with a meaning.
func TestReferenceNamesEveryKey(t *testing.T) {
	rows := map[string]string{} // key without []: its meaning
	for line := range strings.Lines(string(configPage())) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") {
			key := strings.ReplaceAll(strings.Trim(cells[0], "| `"), "[]", "")
			rows[key] = strings.TrimRight(cells[len(cells)-1], " |\n")
		}
	}
	keys := schemaKeys(t, "", keysOf(t)["properties"].(map[string]any))
	if len(keys) < 100 {
		t.Fatalf("only %d keys found in the schema", len(keys))
	}
	for _, key := range keys {
		meaning, ok := rows[key]
		switch {
		case !ok:
			t.Errorf("%s has no row", key)
		case meaning == "":
			t.Errorf("%s has no meaning", key)
		}
	}
	for _, key := range []string{"sites.trusted_proxies", "sites.upstream", "sites.upstream.url", "sites.upstream.backup"} {
		if rows[key] == "" {
			t.Errorf("%s has no row", key)
		}
	}
	for _, name := range gateway.PresetNames() {
		if !strings.Contains(rows["sites.preset"], name) {
			t.Errorf("the row of preset does not name %s", name)
		}
	}
}

// keysOf is the schema as editors get it, with its definitions filled in.
func keysOf(t *testing.T) map[string]any {
	t.Helper()
	b, err := json.Marshal(configSchema())
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	defs, _ := s["$defs"].(map[string]any)
	return fillIn(s, defs).(map[string]any)
}

func fillIn(v any, defs map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		if ref, ok := v["$ref"].(string); ok {
			out = fillIn(defs[strings.TrimPrefix(ref, "#/$defs/")], defs).(map[string]any)
		}
		for key, inner := range v {
			if key != "$defs" {
				out[key] = fillIn(inner, defs)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = fillIn(v[i], defs)
		}
	}
	return v
}

// schemaKeys are the keys that hold no others, and those that do.
func schemaKeys(t *testing.T, prefix string, properties map[string]any) (keys []string) {
	for key, v := range properties {
		key = prefix + key
		inner := keysWithin(v)
		for _, within := range inner {
			keys = append(keys, schemaKeys(t, key+".", within)...)
		}
		if len(inner) == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// keysWithin are the properties that a value may have, itself or in a list.
func keysWithin(v any) (all []map[string]any) {
	s, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if p, ok := s["properties"].(map[string]any); ok {
		return []map[string]any{p}
	}
	all = keysWithin(s["items"])
	list, _ := s["anyOf"].([]any)
	for _, one := range list {
		all = append(all, keysWithin(one)...)
	}
	return all
}

// A comma in a description is written \\, in the tag: an unescaped one ends it, and
// what comes after would be missing in the schema and in the reference.
func TestDescriptionsAreNotCut(t *testing.T) {
	keyword := regexp.MustCompile(`^(required|(enum|description|default|type|minItems|maxItems|minimum|maximum|maxLength|pattern)=.+)$`)
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			for _, part := range strings.Split(strings.ReplaceAll(f.Tag.Get("jsonschema"), `\,`, ";"), ",") {
				if part != "" && !keyword.MatchString(part) {
					t.Errorf("%s.%s: the description ends before %q", typ, f.Name, part)
				}
			}
			walk(f.Type)
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[eventShape](), reflect.TypeFor[policy.File]()} {
		walk(typ)
	}
	if !seen[reflect.TypeFor[gateway.Site]()] {
		t.Error("the walk did not come to the sites")
	}
}

// The first pages show HTTPS as the program has it: what they give as YAML can be used.
func TestFirstPagesShowHTTPS(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range []string{"README.md", "README.ja.md"} {
		text, err := os.ReadFile("../../docs/start/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(m[1], "listen:") {
				continue
			}
			c, err := parseConfig(file, []byte("version: 1\n"+m[1]))
			if err != nil {
				t.Errorf("%s: %v\n%s", file, err, m[1])
				continue
			}
			s := c.Sites[0]
			found = found || s.HTTPSOnly && s.TLS != nil && s.TLS.ACME && c.ACME != nil
		}
		if !found {
			t.Errorf("%s does not show certificates by ACME and https_only", file)
		}
		if !strings.Contains(string(text), "](../operate/tls.md)") {
			t.Errorf("%s does not lead to the page about HTTPS", file)
		}
	}
}

// What check says to put into access.yaml can be put there as it stands.
func TestAccessLinesCanBeUsed(t *testing.T) {
	var zones []string
	for _, z := range gateway.StaffZones() {
		zones = append(zones, string(z))
	}
	rules, err := gateway.ParseAccess("access.yaml", []byte(accessLines(zones)))
	if err != nil || len(rules) != 1 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
}
