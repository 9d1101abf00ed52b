package yamlfile

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"noren"
)

var japanese = regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)

type picky struct{}

func (*picky) UnmarshalText([]byte) error { return errors.New("no such thing") }

type wordy struct{}

func (*wordy) UnmarshalText([]byte) error {
	return noren.Say(noren.Invalid, noren.Text{Ja: "ありません", En: "none"})
}

type everything struct {
	Version int               `yaml:"version"`
	Text    string            `yaml:"text"`
	Flag    bool              `yaml:"flag"`
	Small   int8              `yaml:"small"`
	Float   float64           `yaml:"float"`
	Time    time.Duration     `yaml:"time"`
	List    []string          `yaml:"list"`
	Map     map[string]string `yaml:"map"`
	Any     any               `yaml:"any"`
	Picky   picky             `yaml:"picky"`
	Wordy   wordy             `yaml:"wordy"`
}

// Whoever edits a file in the Japanese console reads Japanese, whatever is wrong with
// the YAML: every sentence of this package is raised here.
func TestEveryFaultIsSaidInJapanese(t *testing.T) {
	bomb := "any:\n  a: &a [1]\n  b: &b [" + strings.TrimSuffix(strings.Repeat("*a, ", 400), ", ") + "]\n  c: [" + strings.TrimSuffix(strings.Repeat("*b, ", 500), ", ") + "]\n"
	var said []noren.Text
	for _, text := range []string{
		"", "version: 2", "version: [1]", "- 1", "text", "text: [a]", "flag: maybe", "small: 999", "small: x", "small: 1.5", "float: x", "float: .nan", "time: 3", "time: soon", "time: [1]", "list: x", "list:\n  -\n", "map: x", "text: a\ntext: b", "txet: a", "zzzzzzzzzz: 1", "map: {a: []}", "small: true", "small: {a: 1}", "picky: x", "wordy: x",
		"text: \xff", "text: \x01", "% x", "%YAML 1.2\n---\ntext: a", "text: a\n---\ntext: b", "text: *none", "text: !!str a", "text: &a x\nlist: &a y", "a: : b", "<<: {a: 1}", "? [a]\n: b", "text: &a", "[1]: 2", "text:\n\t- a", "list: [a", "map: {a: b", "list: a]", "text: 'a", "text: \"a", "text: \"\\q\"", "text: @a", "text: a: b",
		strings.Repeat("[", 40), strings.Repeat("a: &x b\n", 1001), strings.Repeat(" ", 200) + "a: b", "text: " + strings.Repeat("x", MaxBytes), strings.Repeat("a, ", 200_000), bomb, "map:\n" + strings.Repeat("  k: v\n", maxSiblings+1), "list: [" + strings.Repeat("a,", 80_000) + "]", "text: |9x\n a", "any: [1, {a: 01}]", "any: 0x1g",
	} {
		var into everything
		doc, err := Decode("f.yaml", []byte(text), &into)
		for _, e := range []error{err, doc.CheckVersion(1)} {
			if e == nil {
				continue
			}
			words := Words(unjoined(e))
			said = append(said, words)
			for line := range strings.Lines(words.Ja) {
				if !japanese.MatchString(line) || strings.Contains(line, "%!") {
					t.Errorf("%.40q is said as %q (%q)", text, line, words.En)
				}
			}
		}
	}
	// The library refuses these first; ours are for a version of it that does not.
	never := map[string]bool{"a key must be a plain word": true, "anchor &%s has no value": true, "a key without a value": true, "a list element has no value": true, "this kind of value is not supported": true}
	for en, where := range sentences(t) {
		form := regexp.MustCompile(`%(\[\d\])?[0-9]*[a-zA-Z]`).ReplaceAllString(regexp.QuoteMeta(en), `(?s:.*)`)
		found := never[en]
		for _, s := range said {
			found = found || regexp.MustCompile(form).MatchString(s.En)
		}
		if !found {
			t.Errorf("%s: nothing here raises %q", where, en)
		}
	}
}

// unjoined takes the error of Join off.
func unjoined(err error) error {
	if e, ok := err.(*noren.Error); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// sentences are the English forms of all that this package says, by where.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch fun := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = fun.Sel.Name
			case *ast.Ident:
				name = fun.Name
			}
			if name != "Textf" && name != "fault" && name != "at" {
				return true
			}
			for i := 0; i+1 < len(call.Args); i++ {
				ja, okJa := call.Args[i].(*ast.BasicLit)
				en, okEn := call.Args[i+1].(*ast.BasicLit)
				if okJa && okEn && ja.Kind == token.STRING && en.Kind == token.STRING {
					jaText, _ := strconv.Unquote(ja.Value)
					enText, _ := strconv.Unquote(en.Value)
					if !japanese.MatchString(jaText) && strings.Trim(enText, "%sv: ") != "" {
						t.Errorf("%s: %q is not Japanese", set.Position(call.Pos()), jaText)
					}
					out[enText] = set.Position(call.Pos()).String()
				}
			}
			return true
		})
	}
	if len(out) < 30 {
		t.Fatalf("only %d sentences found", len(out))
	}
	return out
}
