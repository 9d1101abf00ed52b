package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"noren"
	"noren/yamlfile"
)

const tried = `version: 1
policies:
  - name: big-order
    kinds: [order.placed]
    mode: on # ふだんは
    when: order.total >= 50000
    then: review
    reason: {ja: 高い, en: big}
    tests:
      - {name: big, facts: {order.total: 50000}, fires: true}
      - {name: wrong, facts: {order.total: 60000}, fires: false}
      - {facts: {order.total: 1}, fires: false}
`

func TestTrySaysHowEachRowWent(t *testing.T) {
	set, rows, err := Try([]File{{Name: "policies/a.yaml", Data: []byte(tried)}}, testCatalogue())
	if set != nil || err == nil {
		t.Fatalf("set %v, error %v; want the row that does not hold", set, err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprintf("%s:%d %s fires=%v held=%v", r.Policy, r.Line, r.Row, r.Fires, r.Held))
	}
	want := "big-order:10 big fires=true held=true|big-order:11 wrong fires=false held=false|big-order:12 3 fires=false held=true"
	if strings.Join(got, "|") != want {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "|"), want)
	}
	faults, rest := Faults(fmt.Errorf("outside: %w", errors.Join(err, noren.Errorf(noren.Invalid, "something else"))))
	if len(faults) != 1 || faults[0].Line != 11 || len(rest) != 1 || rest[0].En != "something else" {
		t.Errorf("faults %+v and %q", faults, rest)
	}
}

func english(texts []noren.Text) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = t.En
	}
	return strings.Join(out, "|")
}

func TestFaultsOfOtherErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("a"), "a"},
		{fmt.Errorf("b: %w", errors.New("a")), "b: a"},
		{noren.Errorf(noren.Invalid, "c"), "c"},
		{errors.Join(errors.New("a"), errors.New("b")), "a|b"},
		{yamlfile.Join(errors.New("a")), "a"},
	} {
		if faults, rest := Faults(tt.err); len(faults) > 0 || english(rest) != tt.want {
			t.Errorf("%v: %v %q, want %q", tt.err, faults, rest, tt.want)
		}
	}
}

// Every shipped policy takes every mode, and nothing else changes.
func TestSetMode(t *testing.T) {
	n := 0
	for _, f := range Shipped() {
		var d Document
		if _, err := yamlfile.Decode(f.Name, f.Data, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Policies {
			for _, m := range []Mode{Off, Shadow, On} {
				text, err := SetMode(f, p.Name, m)
				if err != nil {
					t.Errorf("%s to %s: %v", p.Name, m, err)
					continue
				}
				back, err := SetMode(File{f.Name, text}, p.Name, p.Mode)
				if err != nil || string(back) != string(f.Data) {
					t.Errorf("%s to %s and back is another text (%v)", p.Name, m, err)
				}
				n++
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d were tried", n)
	}
}

func TestSetModeKeepsAllElse(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a comment behind it", "  - name: x\n    mode: on # 夜だけ\n", "  - name: x\n    mode: shadow # 夜だけ\n"},
		{"quoted", "  - name: x\n    mode: 'on'\n", "  - name: x\n    mode: 'shadow'\n"},
		{"on one line", "  - {name: x, mode: off, reason: {ja: 日本語, en: e}}\n", "  - {name: x, mode: shadow, reason: {ja: 日本語, en: e}}\n"},
		{"behind Japanese on one line", "  - {reason: {ja: 日本語, en: e}, name: x, mode: off}\n", "  - {reason: {ja: 日本語, en: e}, name: x, mode: shadow}\n"},
		{"Windows line ends", "  - name: x\r\n    mode: on\r\n", "  - name: x\r\n    mode: shadow\r\n"},
		{"no mode", "  - name: x\n", ""},
		{"a mode that is none", "  - name: x\n    mode: onward\n", ""},
		{"by an anchor", "  - name: y\n    mode: &m on\n  - name: x\n    mode: *m\n", ""},
		{"another policy", "  - name: z\n    mode: on\n", ""},
	} {
		got, err := SetMode(File{"policies/a.yaml", []byte("version: 1\npolicies:\n" + tt.in)}, "x", Shadow)
		switch {
		case tt.want == "" && (err == nil || got != nil):
			t.Errorf("%s: %q, %v; want an error", tt.name, got, err)
		case tt.want != "" && (err != nil || string(got) != "version: 1\npolicies:\n"+tt.want):
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}
