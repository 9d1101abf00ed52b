package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"noren"
	"noren/gateway"
	"noren/kv"
	"noren/orient"
	"noren/policy"
	"noren/staff"
)

// docsCmd writes docs/reference from the Go types, so that it cannot differ
// from the program. Hidden: it is for those who change Noren.
type docsCmd struct {
	Dir   string `default:"docs/reference" help:"Where to write."`
	Check bool   `help:"Write nothing; exit 1 when a page differs."`
}

func (c docsCmd) Run(e *env) error {
	pages, err := referencePages()
	if err != nil {
		return err
	}
	var stale []string
	for _, name := range sortedKeys(pages) {
		path := filepath.Join(c.Dir, name)
		have, err := os.ReadFile(path)
		if err == nil && bytes.Equal(have, pages[name]) {
			continue
		}
		if c.Check {
			stale = append(stale, path)
			continue
		}
		if err := os.WriteFile(path, pages[name], 0o644); err != nil {
			return err
		}
	}
	if len(stale) > 0 {
		fmt.Fprintf(e.io.err, "out of date: %s; run: make docs\n", strings.Join(stale, " "))
		return errFindings
	}
	return nil
}

func referencePages() (map[string][]byte, error) {
	o, err := orient.New(orient.Options{KV: kv.NewMemory(0), Sources: sources(), Sequences: policy.DeclaredSequences(policy.Shipped())})
	if err != nil {
		return nil, err
	}
	set, err := policy.Load(policy.Shipped(), o.Catalogue())
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"README.md":   indexPage(),
		"events.md":   eventsPage(),
		"facts.md":    factsPage(o.Catalogue()),
		"zones.md":    zonesPage(),
		"policies.md": policiesPage(set),
		"config.md":   configPage(),
		"personal.md": personalPage(),
	}, nil
}

// page collects Markdown.
type page struct{ bytes.Buffer }

func newPage(title, intro string) *page {
	p := &page{}
	fmt.Fprintf(p, "# %s\n\n<!-- Written by `make docs` from the Go types; change those instead. -->\n\n%s\n", title, intro)
	return p
}

func (p *page) table(head ...string) {
	fmt.Fprintf(p, "\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
}

func (p *page) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.ReplaceAll(c, "|", "\\|"), "\n", " ")
	}
	fmt.Fprintf(p, "| %s |\n", strings.Join(cells, " | "))
}

func indexPage() []byte {
	p := newPage("Reference", "Generated from the program.")
	for _, l := range [][2]string{
		{"events.md", "kinds of events with their payloads, deadlines and failure sides"},
		{"facts.md", "what policies can ask"},
		{"zones.md", "zones of a shop and the presets that place paths in them"},
		{"policies.md", "the shipped policies"},
		{"config.md", "noren.yaml"},
		{"personal.md", "fields with personal data"},
	} {
		fmt.Fprintf(p, "- [%s](%s): %s\n", strings.TrimSuffix(l[0], ".md"), l[0], l[1])
	}
	fmt.Fprint(p, "\nJSON Schemas come from the program: `noren config schema`, `noren replay --schema`. Every command has `--help`.\n")
	return p.Bytes()
}

func eventsPage() []byte {
	p := newPage("Events", "Each kind declares how long a decision may take, what is answered when it cannot be made, and how it is recorded (`kind.go`).")
	p.table("kind", "meaning", "half", "deadline", "failure side", "recorded")
	for _, k := range noren.Kinds() {
		p.row("`"+string(k.Kind)+"`", k.Meaning.En+" / "+k.Meaning.Ja, string(k.Half), k.Deadline.String(), string(k.Side), string(k.Recording))
	}
	for _, k := range noren.Kinds() {
		fmt.Fprintf(p, "\n## %s\n", k.Kind)
		p.table("payload field", "type", "personal")
		for _, f := range fieldsOf(reflect.TypeOf(k.NewPayload()).Elem(), "") {
			p.row("`"+f.name+"`", f.typ, f.personal)
		}
	}
	return p.Bytes()
}

type field struct{ name, typ, personal string }

// fieldsOf lists the JSON fields of a payload, nested ones with their path.
func fieldsOf(t reflect.Type, prefix string) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			out = append(out, fieldsOf(f.Type, prefix)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner, list := f.Type, ""
		if inner.Kind() == reflect.Slice {
			inner, list = inner.Elem(), "[]"
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[noren.Time]() {
			out = append(out, fieldsOf(inner, prefix+name+list+".")...)
			continue
		}
		out = append(out, field{prefix + name + list, inner.Name(), f.Tag.Get("personal")})
	}
	return out
}

func factsPage(c *noren.Catalogue) []byte {
	p := newPage("Facts", "What a policy's `when` can ask. A fact that is not known has the zero value of its type: missing is unknown, not suspicious.")
	p.table("fact", "type", "unit", "meaning", "kinds")
	for _, f := range c.All() {
		kinds := "all"
		if len(f.Kinds) > 0 {
			kinds = ""
			for _, k := range f.Kinds {
				kinds += "`" + string(k) + "` "
			}
		}
		p.row("`"+f.Name+"`", string(f.Type), f.Unit, f.Meaning.En+" / "+f.Meaning.Ja, strings.TrimSpace(kinds))
	}
	fmt.Fprint(p, "\n## Families\n\nMade on demand; entities are the built-in ones and those a policy file declares under `entities:`.\n")
	p.table("pattern", "example", "meaning")
	for _, f := range c.Families() {
		p.row("`"+f.Pattern+"`", "`"+f.Example+"`", f.Meaning.En+" / "+f.Meaning.Ja)
	}
	return p.Bytes()
}

func zonesPage() []byte {
	p := newPage("Zones", "Every request is put into one zone; when several readings of its path disagree, the strictest wins. Presets: `"+strings.Join(gateway.PresetNames(), "` `")+"`.")
	p.table("zone", "strictness", "meaning", "never challenged")
	for _, z := range noren.Zones() {
		never := ""
		if z.Machine || z.Payment {
			never = "yes"
		}
		p.row("`"+string(z.Zone)+"`", fmt.Sprint(z.Strict), z.Meaning.En+" / "+z.Meaning.Ja, never)
	}
	return p.Bytes()
}

func policiesPage(s *policy.Set) []byte {
	p := newPage("Shipped policies", "What a new instance starts with (`noren settings export DIR` writes the files). Version "+s.Version()+".")
	p.table("policy", "mode", "kinds", "when", "then", "reason")
	for _, i := range s.Policies() {
		kinds := make([]string, len(i.Kinds))
		for j, k := range i.Kinds {
			kinds[j] = string(k)
		}
		then := string(i.Then)
		if i.Ban != nil {
			then += fmt.Sprintf(", ban %s for %s", i.Ban.Entity, i.Ban.For)
		}
		p.row("`"+i.Name+"`", string(i.Mode), strings.Join(kinds, " "), "`"+i.When+"`", then, i.Reason.En+" / "+i.Reason.Ja)
	}
	return p.Bytes()
}

func configPage() []byte {
	p := newPage("noren.yaml", "*[日本語: よく使う行](config.ja.md)*\n\nStrict: an unknown key is an error with its line. Six lines suffice (README). Secrets stand as `file:` or `env:` references only.")
	p.table("key", "type", "default", "meaning")
	s := configSchema()
	configRows(p, s, s, "")
	return p.Bytes()
}

// configRows writes a row for every key: of a block that says what it is for its
// own, then those of the keys in it.
func configRows(p *page, root, s *jsonschema.Schema, prefix string) {
	if s.Properties == nil {
		return
	}
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		v, name := pair.Value, prefix+pair.Key
		inner, suffix := unpack(root, v)
		own := suffix // of the key by itself, which may also be no list
		if len(resolve(root, v).AnyOf) > 0 {
			own = ""
		}
		block := inner.Properties != nil
		if !block || v.Description != "" {
			def := ""
			if v.Default != nil {
				def = fmt.Sprintf("`%v`", v.Default)
			}
			p.row("`"+name+own+"`", typeName(root, v), def, v.Description)
		}
		if block {
			configRows(p, root, inner, name+suffix+".")
		}
	}
}

// unpack is what a key holds: of a list what it lists, of several shapes the one
// that has keys of its own.
func unpack(root, v *jsonschema.Schema) (inner *jsonschema.Schema, suffix string) {
	v = resolve(root, v)
	if v.Items != nil {
		inner, _ = unpack(root, v.Items)
		return inner, "[]"
	}
	for _, one := range v.AnyOf {
		if inner, suffix = unpack(root, one); inner.Properties != nil {
			return inner, suffix
		}
	}
	return v, ""
}

// typeName is what may stand at a key: "string or list", "string: on, shadow, off".
func typeName(root, v *jsonschema.Schema) string {
	v = resolve(root, v)
	var names []string
	for _, one := range v.AnyOf {
		names = append(names, typeName(root, one))
	}
	if len(names) > 0 {
		return strings.Join(names, " or ")
	}
	if v.Items != nil {
		if v.Items.Ref != "" || v.Items.AnyOf != nil {
			return "list"
		}
		return v.Items.Type // the key's [] says that it is a list
	}
	for _, one := range v.Enum {
		names = append(names, fmt.Sprint(one))
	}
	if len(names) > 0 {
		return v.Type + ": " + strings.Join(names, ", ")
	}
	return v.Type
}

func resolve(root, s *jsonschema.Schema) *jsonschema.Schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return root.Definitions[name]
	}
	return s
}

func personalPage() []byte {
	p := newPage("Personal data", "Fields of events that hold personal data. In the journal the whole event is sealed with the key of its subject, these and all others; see docs/operate/privacy.md.")
	p.table("kind", "field", "what it is")
	var lines []string
	for _, k := range noren.Kinds() {
		for _, f := range fieldsOf(reflect.TypeOf(k.NewPayload()).Elem(), "") {
			if f.personal != "" {
				lines = append(lines, fmt.Sprintf("%s\x00%s\x00%s", k.Kind, f.name, f.personal))
			}
		}
	}
	for _, l := range lines {
		c := strings.Split(l, "\x00")
		p.row("`"+c[0]+"`", "`"+c[1]+"`", c[2])
	}
	p.row("all", "`entities`", "account, device, address, session and other parties")
	fmt.Fprint(p, "\nOf the shop's own people, sealed in tables of their own (docs/operate/staff.md):\n")
	p.table("table", "field", "what it is")
	for _, f := range fieldsOf(reflect.TypeFor[staff.Person](), "") {
		if f.personal != "" {
			p.row("`staff_people`", "`"+f.name+"`", f.personal)
		}
	}
	p.row("`staff_sessions`", "`address`, `browser`", "where a person signed in from, and with what")
	p.row("`staff_links`", "`mail`", "whom an invitation was made for")
	notifyPersonal(p)
	return p.Bytes()
}

// sortedKeys lists a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
