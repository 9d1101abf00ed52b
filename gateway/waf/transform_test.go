package waf

import (
	"slices"
	"testing"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/debuglog"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

	"noren/gateway/waf/screen"
)

// transformationNames are those that the screen has of its own.
var transformationNames = []string{
	"none", "lowercase", "uppercase", "urlDecodeUni", "urlDecode", "htmlEntityDecode", "jsDecode", "cssDecode", "utf8toUnicode",
	"removeNulls", "replaceNulls", "removeWhitespace", "compressWhitespace", "cmdLine", "replaceComments", "removeCommentsChar",
	"normalizePath", "normalisePath", "normalizePathWin", "normalisePathWin", "base64Decode", "hexEncode", "length", "trim", "trimLeft", "trimRight",
}

// watcher is an operator that writes down what it is asked of.
type watcher struct{ seen []string }

func (w *watcher) Evaluate(_ plugintypes.TransactionState, v string) bool {
	w.seen = append(w.seen, v)
	return false
}

// transformer runs the engine's own transformation.
type transformer struct {
	waf     coraza.WAF
	watcher *watcher
}

func transformers(t testing.TB) map[string]transformer {
	t.Helper()
	out := map[string]transformer{}
	var now *watcher
	plugins.RegisterOperator("norenwatch", func(plugintypes.OperatorOptions) (plugintypes.Operator, error) { return now, nil })
	for _, name := range transformationNames {
		now = &watcher{}
		waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithDebugLogger(debuglog.Noop()).WithDirectives(`SecRuleEngine On
SecRule ARGS_GET:x "@norenwatch" "id:1,phase:1,pass,t:none,t:` + name + `"
SecRule ARGS_GET:x "@norenwatch" "id:2,phase:1,pass,t:none,t:` + name + `,multiMatch"`))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = transformer{waf, now}
	}
	return out
}

// run returns what a rule sees, and what it sees with multiMatch.
func (e transformer) run(v string) (out string, multi []string) {
	tx := e.waf.NewTransaction()
	defer tx.Close()
	e.watcher.seen = nil
	tx.AddGetRequestArgument("x", v)
	tx.ProcessRequestHeaders()
	return e.watcher.seen[0], e.watcher.seen[1:]
}

func compareTransformation(t *testing.T, e transformer, name, v string) {
	t.Helper()
	want, multi := e.run(v)
	got, changed, known := screen.Transform(name, v)
	seen := []string{v}
	if changed {
		seen = append(seen, got)
	}
	if !known || got != want || !slices.Equal(seen, multi) {
		t.Errorf("%s(%q) = %q, the engine's is %q; with multiMatch %q, the engine sees %q", name, v, got, want, seen, multi)
	}
}

// Every transformation gives what the engine's gives: over all values of the
// rules' own tests and our lines, and what the fuzzer makes of them.
func FuzzTransformationsAreTheEngines(f *testing.F) {
	engines := transformers(f)
	m := mutator{base: suite(f)}
	for _, file := range []string{"attacks.tsv", "benign_more.tsv", "ja_waf_attack.tsv"} {
		for _, l := range lines(f, file) {
			f.Add(l[0])
			f.Add(Unescape(l[0]))
		}
	}
	for i, s := range m.base {
		if i%10 == 0 {
			f.Add(string(s.r.Body))
			f.Add(Unescape(s.r.URI))
		}
	}
	for _, v := range []string{
		"", "\\", "\\u", "\\u{", "\\u{41", "\\u{0ff1c}", "\\uff1c\\uFF41\\x3", "\\777\\400\\12\\8", "\\0 \\00003c x\\g\\\n", "%u", "%uff1c%u2019%uZZ%", "%+%4", "&lt&#x3c;&#60&amp;lt;&nbsp;&#0;&#128;&bogus;",
		"a \xa0\x85\u0085\u00a0\u3000b\tc", "\xe3\x83", "😀\xf0\x9f", "a /*b*/ c/*d", "/**/*/", "<!-- --> -- # -->", "../a/./b//c/", "..\\..\\a\\", "C:\\x\\y.txt::$DATA", "a. /b . ./ /c...", "//:x/",
		"aGVsbG8=", "aGVsb\r\nG8 x", "a", "ab", "abc", "a-_b", "\x00a\x00", " \t\n\v\f\ra ", "\"a' ^\\ ,; (/ A", "ſKÅ", "İ",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, name := range transformationNames {
			compareTransformation(t, engines[name], name, v)
		}
	})
}
