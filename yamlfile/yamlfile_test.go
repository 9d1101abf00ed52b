package yamlfile

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
)

type shop struct {
	Version int               `yaml:"version"`
	Name    string            `yaml:"name"`
	Open    bool              `yaml:"open"`
	Share   float64           `yaml:"share"`
	Small   int8              `yaml:"small"`
	Every   time.Duration     `yaml:"every"`
	Net     netip.Prefix      `yaml:"net"`
	Hosts   []string          `yaml:"hosts"`
	Labels  map[string]string `yaml:"labels"`
	Text    noren.Text        `yaml:"text"`
	TLS     *tls              `yaml:"tls"`
	Rows    []row             `yaml:"rows"`
	Any     map[string]any    `yaml:"any"`
	Common  common            `yaml:",inline"`
	Hidden  string            `yaml:"-"`
}

type tls struct {
	Cert string `yaml:"cert"`
}

type row struct {
	When string `yaml:"when"`
}

type common struct {
	Preset string `yaml:"preset"`
}

func TestDecode(t *testing.T) {
	const file = `# a shop
version: 1
name: 007
open: true
share: 0.5
small: -3
every: 7d
net: 192.0.2.0/24
hosts: [a.example.jp, "b.example.jp"]
labels: &l {area: 東京}
text:
  ja: はい
  en: 'it''s'
tls:
  cert: |
    one
    two
rows:
  - when: a &&
      b
preset: generic
any:
  n: 1
  f: 1.5
  s: x
  l: [1, a]
  m: *l
  z: ~
`
	var got shop
	if _, err := Decode("shop.yaml", []byte(file), &got); err != nil {
		t.Fatal(err)
	}
	want := shop{
		Version: 1, Name: "007", Open: true, Share: 0.5, Small: -3, Every: 7 * 24 * time.Hour,
		Net: netip.MustParsePrefix("192.0.2.0/24"), Hosts: []string{"a.example.jp", "b.example.jp"},
		Labels: map[string]string{"area": "東京"}, Text: noren.Text{Ja: "はい", En: "it's"},
		TLS: &tls{Cert: "one\ntwo\n"}, Rows: []row{{When: "a && b"}}, Common: common{Preset: "generic"},
		Any: map[string]any{"n": int64(1), "f": 1.5, "s": "x", "l": []any{int64(1), "a"}, "m": map[string]any{"area": "東京"}, "z": nil},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeFaults(t *testing.T) {
	deep := strings.Repeat("[", 20_000)
	tests := []struct{ name, in, want string }{
		{"a tab", "tls:\n\tcert: x\n", "f.yaml:2:1: not YAML: a tab stands here; use spaces"},
		{"unknown key", "version: 1\nnmae: x\n", `f.yaml:2:1: unknown key "nmae"; did you mean "name"?`},
		{"nested unknown key", "tls:\n  zert: x\n", `f.yaml:2:3: unknown key "zert"; did you mean "cert"?`},
		{"nothing near", "tls: {q: x}\n", `f.yaml:1:7: unknown key "q"; keys here are cert`},
		{"text for a number", "version: one\n", "f.yaml:1:10: version must be a whole number, not a text"},
		{"list for a text", "name: [a]\n", "f.yaml:1:7: name must be a text, not a list"},
		{"yes is a text", "open: yes\n", "f.yaml:1:7: open must be true or false, not a text"},
		{"true is not a text", "name: true\n", "f.yaml:1:7: name must be a text, not true"},
		{"text for a list", "hosts: a\n", "f.yaml:1:8: hosts must be a list, not a text"},
		{"list for a map", "labels: []\n", "f.yaml:1:9: labels must be a map, not a list"},
		{"too big", "small: 128\n", "f.yaml:1:8: small: 128 is out of range"},
		{"octal", "version: 01\n", "f.yaml:1:10: version: 01 is not a whole number in range"},
		{"fraction", "version: 1.0\n", "f.yaml:1:10: version: 1.0 is not a whole number in range"},
		{"not finite", "share: .inf\n", "f.yaml:1:8: share: .inf is not a number in range"},
		{"duration", "every: soon\n", `f.yaml:1:8: every: "soon" is not a duration such as 30s, 10m, 24h or 7d`},
		{"bare duration", "every: 30\n", "f.yaml:1:8: every must be a duration such as 30s, 10m, 24h or 7d, not the number 30"},
		{"text type", "net: 192.0.2.0\n", `f.yaml:1:6: net: netip.ParsePrefix("192.0.2.0"): no '/'`},
		{"empty element", "hosts:\n  - a\n  -\n", "f.yaml:3:5: hosts has an empty element"},
		{"key twice", "name: a\nopen: true\nname: b\n", `f.yaml:3:1: key "name" stands twice; it is first in line 1`},
		{"all at once", "nmae: x\nversion: a\n", "f.yaml:1:1: unknown key \"nmae\"; did you mean \"name\"?\nf.yaml:2:10: version must be a whole number, not a text"},
		{"syntax", "name: \"a\n", "f.yaml:1:7: not YAML: could not find end character of double-quoted text"},
		{"not a map", "- a\n", "f.yaml:1:1: the file is a list, not a map of keys"},
		{"two documents", "name: a\n---\nname: b\n", "f.yaml:3:5: a second document; a file holds one"},
		{"merge key", "a: &a {name: x}\ntls:\n  <<: *a\n", "f.yaml:3:3: merge keys (<<) are not supported; write the keys out"},
		{"tag", "name: !!binary aGVsbG8=\n", "f.yaml:1:7: tags (!) are not supported"},
		{"unknown alias", "name: *a\n", "f.yaml:1:7: no anchor &a stands above this alias"},
		{"anchor twice", "name: &a x\nhosts: [&a y]\n", "f.yaml:2:9: anchor &a is defined twice"},
		{"alias of itself", "labels: &a\n  b: *a\n", "f.yaml:2:6: no anchor &a stands above this alias"},
		{"Shift_JIS", "name: \x93\xfa\x96{\n", "f.yaml:1:7: not valid UTF-8; save the file as UTF-8"},
		{"control character", "name: a\x00b\n", "f.yaml:1:8: control character U+0000 is not allowed"},
		{"deep", deep, "f.yaml:1:33: nested too deeply"},
		{"deep block", strings.Repeat("- ", 5_000), "f.yaml:1:101: nested too deeply"},
		{"directive", "%YAML 1.1\n---\nname: a\n", "f.yaml:1:1: directives (a line beginning with %) are not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var into shop
			_, err := Decode("f.yaml", []byte(tt.in), &into)
			if err == nil {
				t.Fatal("no fault reported")
			}
			if err.Error() != tt.want {
				t.Errorf("fault\n got: %v\nwant: %s", err, tt.want)
			}
			if noren.CodeOf(err) != noren.Invalid {
				t.Errorf("code %q, want invalid", noren.CodeOf(err))
			}
			if _, ok := errors.AsType[*Fault](err); !ok {
				t.Error("the error holds no *Fault")
			}
		})
	}
}

func TestDecodeWindowsFile(t *testing.T) {
	var got shop
	_, err := Decode("f.yaml", []byte("\ufeffversion: 1\r\nname: a\r\nhosts:\r\n  - b\r\n  - [c]\r\n"), &got)
	want := "f.yaml:5:5: hosts must be a text, not a list"
	if err == nil || err.Error() != want {
		t.Errorf("fault %v, want %s", err, want)
	}
	if got.Name != "a" {
		t.Errorf("name %q, want a", got.Name)
	}
}

// A file that would take minutes or gigabytes to expand is refused at once.
func TestDecodeBombs(t *testing.T) {
	laughs := "any:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		n, prev := string(rune('1'+i)), string(rune('0'+i))
		laughs += "  a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+prev+", ", 10), ", ") + "]\n"
	}
	var many strings.Builder
	for i := range 100_000 {
		many.WriteString("k" + strings.Repeat("x", i%3) + ": 1\n")
	}
	tests := map[string]string{
		"billion laughs": laughs,
		"many keys":      many.String(),
		"many tokens":    "any: {a: [" + strings.Repeat("1,", 200_000) + "1]}",
		"many anchors":   "any: {a: " + strings.Repeat("&a ", 100_000) + "}",
		"many colons":    strings.Repeat(": ", 70_000),
		"many questions": strings.Repeat("? ", 70_000),
		"staircase":      staircase(),
		"flow maps":      strings.Repeat("{a: ", 50_000),
		"too long":       strings.Repeat("#", MaxBytes+1),
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var into shop
			if _, err := Decode("f.yaml", []byte(in), &into); err == nil {
				t.Error("accepted")
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func staircase() string {
	var b strings.Builder
	for i := range 1_000 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestAt(t *testing.T) {
	const file = "version: 1\nrows:\n  - when: a\n  -\n    when: b\nhosts: [x, y]\n"
	var into shop
	doc, err := Decode("f.yaml", []byte(file), &into)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path []any
		want Pos
	}{
		{nil, Pos{1, 1}},
		{[]any{"version"}, Pos{1, 1}},
		{[]any{"rows"}, Pos{2, 1}},
		{[]any{"rows", 0}, Pos{3, 5}},
		{[]any{"rows", 0, "when"}, Pos{3, 5}},
		{[]any{"rows", 1, "when"}, Pos{5, 5}},
		{[]any{"hosts", 1}, Pos{6, 12}},
		{[]any{"rows", 1, "then"}, Pos{5, 5}},
		{[]any{"rows", 7}, Pos{2, 1}},
		{[]any{"tls", "cert"}, Pos{1, 1}},
	}
	for _, tt := range tests {
		if got := doc.At(tt.path...); got != tt.want {
			t.Errorf("At(%v) = %v, want %v", tt.path, got, tt.want)
		}
	}
	if got, want := doc.Fault("wrong", "hosts", 0).Error(), "f.yaml:6:9: wrong"; got != want {
		t.Errorf("Fault = %q, want %q", got, want)
	}
}

// Inside finds the # however the text around it is written.
func TestInside(t *testing.T) {
	tests := []struct {
		name, in string
		want     Pos
	}{
		{"plain", "name: abc #not\nrows: [{when: a #x\n}]\n", Pos{0, 0}},
		{"plain", "rows:\n  - when: 日本 >= ＃ && b\n", Pos{2, 17}},
		{"plain over lines", "rows:\n  - when: aa &&\n      bb &&\n      ＃\n", Pos{4, 7}},
		{"double quotes", "rows:\n  - when: \"a\\u0041\\\"\\n ＃\"\n", Pos{2, 24}},
		{"double quotes over lines", "rows:\n  - when: \"a \\\n      b\n      ＃\"\n", Pos{4, 7}},
		{"single quotes", "rows:\n  - when: 'it''s ＃'\n", Pos{2, 18}},
		{"literal", "rows:\n  - when: |\n      a\n\n      b ＃\n", Pos{5, 9}},
		{"folded", "rows:\n  - when: >-\n      a &&\n      b &&\n      ＃\n", Pos{5, 7}},
		{"flow", "rows: [{when: 'a ＃'}]\n", Pos{1, 18}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var into shop
			doc, err := Decode("f.yaml", []byte(tt.in), &into)
			if tt.want == (Pos{}) {
				return // a comment cuts the text short: nothing to find
			}
			if err != nil {
				t.Fatal(err)
			}
			offset := strings.Index(into.Rows[0].When, "＃")
			if offset < 0 {
				t.Fatalf("decoded %q", into.Rows[0].When)
			}
			if got := doc.Inside(offset, "rows", 0, "when"); got != tt.want {
				t.Errorf("Inside = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCheckVersion(t *testing.T) {
	tests := []struct{ in, want string }{
		{"version: 1\n", ""},
		{"name: a\n", `f.yaml:1:1: version is missing; write "version: 1" at the top`},
		{"", `f.yaml:1:1: version is missing; write "version: 1" at the top`},
		{"name: a\nversion: 2\n", "f.yaml:2:1: version the number 2 is not known; this program reads version 1"},
	}
	for _, tt := range tests {
		var into shop
		doc, err := Decode("f.yaml", []byte(tt.in), &into)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := doc.CheckVersion(1); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzDecode holds that any input ends, soon, in a document or faults that
// point into the file, and that every place of the tree can be asked for.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"version: 1\nname: a\nrows:\n  - when: |\n      x\n", "any: &a {b: [1, 2.5, ~]}\nlabels: {x: 'y'}\n",
		"a: *b\n", "? a\n: b\n", "- - - a", "{a: {b: [}", "name: >-\n  a\n\n  b\n", "\"\\", "a: !x", "&a", "%YAML", "--- |\n", "a:\n\t b",
		"hosts: [a, [b], {c: d}]", "net: ::1/0", "every: 1d", "name: \"\\x41\\\n  b\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		var into shop
		doc, err := Decode("f", data, &into)
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
		lines := strings.Count(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n") + strings.Count(string(data), "\r") + 2
		check := func(p Pos) {
			if p.Line < 1 || p.Col < 1 || p.Line > lines {
				t.Fatalf("position %v is not in a file of %d lines", p, lines)
			}
		}
		if err != nil {
			for _, e := range faultsOf(t, err) {
				check(Pos{e.Line, e.Col})
			}
		}
		check(doc.At("rows", 0, "when"))
		for i := range into.Rows {
			check(doc.Inside(len(into.Rows[i].When)/2, "rows", i, "when"))
		}
	})
}

func faultsOf(t *testing.T, err error) []*Fault {
	t.Helper()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("%T is not joined faults", err)
	}
	var out []*Fault
	for _, e := range joined.Unwrap() {
		f, ok := e.(*Fault)
		if !ok {
			t.Fatalf("%T is not a fault", e)
		}
		out = append(out, f)
	}
	return out
}
