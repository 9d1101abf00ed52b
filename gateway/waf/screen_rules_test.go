package waf

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/debuglog"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"

	"noren/gateway/waf/screen"
)

// FuzzScreenOfOtherRules holds the property of the screen for rules that nobody
// wrote: chains, counts, captures, variables that rules set, rules that skip
// others or take them away. Small alphabets make them meet.
func FuzzScreenOfOtherRules(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { otherRules(t, seed) })
}

// markings is how many of so many runs mark r: the order in which the engine
// takes values is chance.
func markings(t *testing.T, w *WAF, r *Request, idle []int, runs int) (n int) {
	t.Helper()
	for range runs {
		res, err := w.run(r, idle, 0)
		if err != nil {
			t.Fatal(err)
		}
		if marked(res) {
			n++
		}
	}
	return n
}

// otherRules makes rules and requests from a seed and compares. It returns how
// many requests the screen passed.
func otherRules(t *testing.T, seed uint64) (passed int) {
	g := ruleMaker{Rand: rand.New(rand.NewPCG(seed, 9))}
	text := setupConf + g.rules()
	s, err := screen.New(coreruleset.FS, screen.NewPatterns(), text, zoneVariable)
	if err != nil {
		return 0 // every request goes to the engine
	}
	engine, err := coraza.NewWAF(coraza.NewWAFConfig().WithDebugLogger(debuglog.Noop()).WithDirectives(text))
	if err != nil {
		return 0
	}
	w := &WAF{engine: engine, log: slog.New(slog.DiscardHandler), running: &running{}, budget: time.Hour}
	v, err := sieveOf(s)
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		r := g.request()
		said, err := v.judge(r)
		if err != nil {
			t.Fatal(err)
		}
		if !said.Clean {
			if all, fewer := markings(t, w, r, nil, 3), markings(t, w, r, said.Idle, 3); all == 3 && fewer == 0 && markings(t, w, r, said.Idle, 60) == 0 {
				t.Fatalf("seed %d: without the rules %d the engine marks nothing any more\n%s\n%s %s\n%q\n%s", seed, said.Idle, text[len(setupConf):], r.Method, r.URI, r.Header, r.Body)
			}
			continue
		}
		passed++
		if markings(t, w, r, nil, 3) > 0 {
			t.Fatalf("seed %d: the screen says clean, the engine marks\n%s\n%s %s\n%q\n%s", seed, text[len(setupConf):], r.Method, r.URI, r.Header, r.Body)
		}
	}
	return passed
}

type ruleMaker struct {
	*rand.Rand
	id int
}

func (g *ruleMaker) of(list ...string) string { return list[g.IntN(len(list))] }

func (g *ruleMaker) rules() string {
	var b strings.Builder
	for range 4 + g.IntN(8) {
		if g.IntN(6) == 0 {
			fmt.Fprintf(&b, "SecMarker M%d\n", g.IntN(2))
		}
		g.id++
		b.WriteString(g.rule())
	}
	return b.String() + "SecMarker M0\nSecMarker M1\n"
}

func (g *ruleMaker) rule() string {
	links := 1 + max(0, g.IntN(5)-2)
	mark := g.IntN(2) == 0
	head := fmt.Sprintf("id:%d,phase:%d,tag:'t%d'", 200000+g.id, 1+g.IntN(2), g.IntN(2))
	if mark {
		head += g.of(",block,severity:'CRITICAL'", ",deny,status:403", ",block,setvar:tx.inbound_anomaly_score_pl1=+5")
	} else {
		head += ",pass,nolog" + g.of("", "", ",skip:1", ",skipAfter:M0", ",skipAfter:M1", fmt.Sprintf(",ctl:ruleRemoveById=%d", 200001+g.IntN(10)),
			fmt.Sprintf(",ctl:ruleRemoveTargetById=%d;ARGS:a", 200001+g.IntN(10)), ",ctl:ruleRemoveTargetByTag=t1;ARGS")
	}
	if g.IntN(12) == 0 && !mark {
		return fmt.Sprintf("SecAction \"%s%s\"\n", head, g.sets())
	}
	var b strings.Builder
	for i := range links {
		actions := g.transforms() + g.of("", ",capture", ",multiMatch") + g.sets()
		if i == 0 {
			actions = head + actions
		}
		if i < links-1 {
			actions += ",chain"
		}
		fmt.Fprintf(&b, "SecRule %s \"%s\" \"%s\"\n", g.variables(i > 0), g.operator(), strings.TrimPrefix(actions, ","))
	}
	return b.String()
}

func (g *ruleMaker) variables(link bool) string {
	list := []string{"ARGS", "ARGS_NAMES", "REQUEST_HEADERS:X-A", "REQUEST_HEADERS", "REQUEST_COOKIES", "&ARGS", "&ARGS:a", "ARGS:a", "ARGS:/^b/", "ARGS|!ARGS:a",
		"ARGS|!ARGS:/^b/", "REQUEST_METHOD", "REQUEST_FILENAME", "TX:v1", "&TX:v1", "TX:/^v/", "TX:v2", "REQUEST_BODY", "XML:/*", "ARGS_COMBINED_SIZE", "REQUEST_HEADERS:X-A|ARGS_GET"}
	if link {
		list = append(list, "MATCHED_VAR", "MATCHED_VARS", "TX:0", "TX:1", "TX:v1", "TX:/^v/", "MATCHED_VAR")
	}
	return g.of(list...)
}

func (g *ruleMaker) operator() string {
	return g.of("", "", "!") + g.of("@rx ^(a|b)(.*)$", "@rx a", "@rx (?i)[ab]c", "@rx ^$", "@streq ab", "@contains b", "@eq 1", "@gt 1", "@lt 2", "@ge 0", "@pm ab ca",
		"@within %{tx.v1}", "@within ab abc b", "@beginsWith %{tx.1}", "@endsWith %{matched_var}", "@streq %{tx.v1}", "@eq %{tx.v2}", "@unconditionalMatch",
		"@contains %{request_headers.x-a}", "@validateByteRange 97-99", "@validateUrlEncoding", `@rx \xff`)
}

func (g *ruleMaker) transforms() string {
	out := ",t:none"
	for range g.IntN(3) {
		out += ",t:" + g.of("lowercase", "urlDecodeUni", "length", "removeWhitespace", "htmlEntityDecode", "hexEncode", "cmdLine", "trim")
	}
	return out
}

func (g *ruleMaker) sets() string {
	if g.IntN(2) == 0 {
		return ""
	}
	return ",setvar:'" + g.of("tx.v1=ab", "tx.v1=%{matched_var}", "tx.v1=%{tx.1}", "tx.v2=+1", "tx.v2=1", "tx.v%{tx.1}=b", "tx.v1=%{tx.v2}", "tx.v2=-1", "tx.v1=%{request_headers.x-a}", "tx.v1=%{matched_var_name}") + "'"
}

func (g *ruleMaker) word() string {
	out := ""
	for range g.IntN(4) {
		out += g.of("a", "b", "c", "A", " ", "%", "1", "\xff", "&#97;")
	}
	return out
}

func (g *ruleMaker) request() *Request {
	form := func() string {
		out := ""
		for range g.IntN(4) {
			out += g.of("a", "b", "bb", "v1", "") + "=" + url.QueryEscape(g.word()) + "&"
		}
		return out
	}
	body := ""
	if g.IntN(2) == 0 {
		body = form()
	}
	r := request(g.of("GET", "POST", "a"), "/"+g.of("", "a", "ab")+"?"+form(), body)
	if g.IntN(3) > 0 {
		r.Header["X-A"] = []string{g.word()}
		if g.IntN(3) == 0 {
			r.Header["X-A"] = append(r.Header["X-A"], g.word())
		}
	}
	if g.IntN(3) == 0 {
		r.Header["Cookie"] = []string{"a=" + g.word() + "; b=" + g.word()}
	}
	if g.IntN(6) == 0 && body != "" {
		r.Header["Content-Type"], r.Body = []string{"text/xml"}, []byte("<a>"+g.word()+"</a>")
	}
	return r
}
