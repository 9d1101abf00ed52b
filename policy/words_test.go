package policy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"noren"
)

var japanese = regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)

// faultsOf are all that is said about files that do not load.
func faultsOf(t *testing.T, err error) (out []noren.Text) {
	t.Helper()
	faults, rest := Faults(err)
	for _, f := range faults {
		out = append(out, f.Text())
	}
	return append(out, rest...)
}

// everyFault raises what can be wrong with policies, sequences, bans and files.
func everyFault(t *testing.T) (out []noren.Text) {
	t.Helper()
	load := func(files ...File) {
		_, err := Load(files, testCatalogue())
		out = append(out, faultsOf(t, err)...)
	}
	for _, b := range brokenPolicies() {
		load(file(b.file))
	}
	const rows = "[{fires: true}, {fires: false}]"
	for _, more := range []map[string]string{
		{"reason": "{ja: 理由, en: " + strings.Repeat("x", MaxReason+1) + "}"},
		{"name": "p", "zones": "[login, login]"}, {"alarm": "loud"},
		{"tests": "[" + strings.Repeat("{fires: true}, ", MaxRows) + "{fires: false}]"},
		{"ban": "{entity: address, for: 10m, forget: 7d}"}, {"ban": "{entity: net, for: 10m, up_to: 1h}"}, {"ban": "{entity: address, for: 10m, up_to: 5m}"}, {"ban": "{entity: address, for: 10m, up_to: 7d}"},
		{"ban": "{entity: session, for: 10m}"}, {"ban": "{entity: address, for: 10m, up_to: 24h, forget: 48h}", "kinds": "[http.request]"},
		{"when": "session.logins_failed_10m >= 20", "ban": "{entity: address, for: 10m}", "tests": rows},
		{"when": "request.path.matches(1)", "kinds": "[http.request]", "tests": rows},
		{"when": "address.listed[9] == 'x'", "tests": rows}, {"when": "double('x') > 1.0", "tests": rows},
	} {
		load(file(more))
	}
	for _, change := range [][2]string{
		{"name: two", "name: Two"}, {"by: address", "by: planet"}, {"within: 1h", "within: 1s"}, {`request.probe == "scan"`, "address.blocked_10m > 3"}, {"gap: 10m", "gap: 2h"}, {"name: first", "name: First\n        gap: 1m"},
		{"      - name: second\n        kinds: [http.blocked, http.answered]\n        when: request.probe == \"web_shell\"\n        gap: 10m\n        tests: [{facts: {request.probe: web_shell}, fires: true}, {fires: false}]\n", ""},
	} {
		load(File{Name: "f.yaml", Data: []byte(strings.Replace(sequenceFile, change[0], change[1], 1))})
	}
	load(File{Name: "a.yaml", Data: []byte(sequenceFile)}, File{Name: "b.yaml", Data: []byte(sequenceFile)})
	out = append(out, faultsOf(t, SameSequences([]File{{Name: "a.yaml", Data: []byte(sequenceFile)}, {Name: "b.yaml", Data: []byte(strings.Replace(sequenceFile, "within: 1h", "within: 2h", 1))}}))...)
	var many, dear, words strings.Builder
	many.WriteString("version: 1\nsequences:\n")
	for i := range MaxSequences + 1 {
		fmt.Fprintf(&many, "  - {name: s%d}\n", i)
	}
	many.WriteString("policies:\n" + strings.Repeat("  - {}\n", MaxPolicies+1))
	words.WriteString("version: 1\nentities: [for, Bad")
	for i := range maxEntities + 1 {
		fmt.Fprintf(&words, ", e%d", i)
	}
	words.WriteString("]\n")
	dear.WriteString("version: 1\npolicies:\n")
	for i := range 10 {
		fmt.Fprintf(&dear, "  - {name: p%d, kinds: [account.changed], zones: [profile_change], mode: shadow, when: 'change.fields.exists(f, f == \"mail\" || f == \"pass\")', then: review, reason: {ja: a, en: b}, tests: [{facts: {change.fields: [mail]}, fires: true}, {fires: false}]}\n", i)
	}
	for _, text := range []string{many.String(), words.String(), dear.String(), strings.ReplaceAll(dear.String(), ", zones: [profile_change]", "")} {
		load(File{Name: "f.yaml", Data: []byte(text)})
	}
	load(make([]File, MaxFiles+1)...)
	_, err := Load([]File{file(map[string]string{"when": "zone == 'x'", "ban": "{entity: address, for: 10m}", "tests": "[{facts: {zone: x}, fires: true}, {fires: false}]"})}, noren.NewCatalogue(noren.EventFacts(), nil))
	out = append(out, faultsOf(t, err)...) // nobody counts who is behind an address
	f := file(map[string]string{})
	for _, err := range []error{second(SetMode(f, "p", "x")), second(SetMode(f, "nobody", On)), second(SetMode(File{Name: "f.yaml", Data: []byte("version: 1\npolicies:\n  - {name: p, \"mo\\u0064e\": on}\n")}, "p", Off))} {
		out = append(out, faultsOf(t, err)...)
	}
	return out
}

func second[T any](_ T, err error) error { return err }

// Whoever edits policies in the Japanese console reads Japanese, whatever is wrong:
// every sentence of this package is raised here, and each has both languages.
func TestEveryFaultIsSaidInJapanese(t *testing.T) {
	said := everyFault(t)
	for _, s := range said {
		if !japanese.MatchString(s.Ja) || s.En == "" || japanese.MatchString(plainPart(s.En)) {
			t.Errorf("said as\n  %q\n  %q", s.Ja, s.En)
		}
		if strings.Contains(s.Ja, "英語の説明") || strings.Contains(s.Ja+s.En, "%!") {
			t.Errorf("not in words: %q (%q)", s.Ja, s.En)
		}
	}
	// What cannot come about by any file: the compiler's own insides.
	never := map[string]string{
		"the condition cannot be prepared: %s":    "CEL makes a program of every condition that it has checked",
		"the pattern of matches() must be a text": "a pattern of another type is refused first, as no constant text",
	}
	for en, where := range sentences(t) {
		if never[en] != "" {
			continue
		}
		form := regexp.QuoteMeta(en)
		form = regexp.MustCompile(`%(\\\[\d\\\])?[a-zA-Z]`).ReplaceAllString(form, `(?s:.*)`)
		re := regexp.MustCompile(form)
		found := false
		for _, s := range said {
			found = found || re.MatchString(s.En)
		}
		if !found {
			t.Errorf("%s: nothing here raises %q", where, en)
		}
	}
}

// plainPart is a sentence without what it quotes.
func plainPart(s string) string {
	return regexp.MustCompile("(?s)[\"'`].*[\"'`]").ReplaceAllString(s, "")
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
			if !ok || len(call.Args) < 2 {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "Textf" {
				return true
			}
			ja, okJa := call.Args[0].(*ast.BasicLit)
			en, okEn := call.Args[1].(*ast.BasicLit)
			if !okJa || !okEn {
				t.Errorf("%s: a sentence that is no literal", set.Position(call.Pos()))
				return true
			}
			jaText, _ := strconv.Unquote(ja.Value)
			enText, _ := strconv.Unquote(en.Value)
			if enText != "%v" && enText != "%d" && !japanese.MatchString(jaText) {
				t.Errorf("%s: %q is not Japanese", set.Position(call.Pos()), jaText)
			}
			out[enText] = set.Position(call.Pos()).String()
			return true
		})
	}
	if len(out) < 50 {
		t.Fatalf("only %d sentences found", len(out))
	}
	return out
}

// What CEL says is said in Japanese too, at the same place.
func TestCELIsSaidInJapanese(t *testing.T) {
	for when, want := range map[string]string{
		"zone >= 3": "「>=」は (文字, 整数) には使えません", "zone == 'a' && address.asn": "true/falseが要るところに整数があります", "address.asn >= && 3": "式として読めません: ここに「&&」は書けません",
		"now() > 3": "「now」という名前や関数はありません", "address.asn > ": "式として読めません: 式が途中で終わっています", "address.asn > 3)": "式として読めません: ここに「)」は書けません", "(address.asn > 3": "式として読めません: 式が途中で終わっています",
		"address.asn > 99999999999999999999": "この数は大きすぎるか、書き方が正しくありません", "zone.exists(x, x == 'a')": "文字の中を一つずつ調べることはできません。一覧の事実に使ってください", "address.asn = 3": "という文字は使えません", "zone == 'a": "」という文字は使えません",
		"address.listed.exists(x.y, true)": "関数の使い方が正しくありません", "zone.foo() > 1": "「foo」という名前や関数はありません", "if == 1": "名前には使えません", "zone == 名前": "という文字は使えません",
		strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100): "入れ子が深すぎます", "[" + strings.Repeat("1,", 600) + "1].size() > 0": "条件が長すぎます",
	} {
		_, err := Load([]File{file(map[string]string{"when": strconv.Quote(when), "tests": "[{fires: true}, {fires: false}]"})}, testCatalogue())
		var all []string
		for _, s := range faultsOf(t, err) {
			all = append(all, s.Ja)
			if strings.Contains(s.Ja, "英語の説明") {
				t.Errorf("%.40s: %q has no words (%q)", when, s.Ja, s.En)
			}
		}
		if got := strings.Join(all, "|"); !strings.Contains(got, want) {
			t.Errorf("%.40s: %q, want %q", when, got, want)
		}
	}
}
