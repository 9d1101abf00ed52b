package waf

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/debuglog"
	"github.com/corazawaf/coraza/v3/types"
)

// suiteApart are the tests of paranoia level 1 that fail here and not with plain
// Coraza, and why each is meant to.
var suiteApart = map[string]string{
	"920350-1/0 of 920350":  hostByAddress,
	"920350-3/0 of 920350":  hostByAddress,
	"920350-4/0 of 920350":  hostByAddress,
	"920350-5/0 of 920350":  hostByAddress,
	"920350-6/0 of 920350":  hostByAddress,
	"941310-1/0 of 941310":  "read as US-ASCII by views.go and stopped by another rule",
	"941310-2/0 of 941310":  "the same",
	"941310-3/0 of 941310":  "the same",
	"941310-12/0 of 941310": givenUp["941310-12/0"],
	"933100-33/0 of 933100": "&lt;? is read as a shop would that decodes it; the test wants it not to be",
}

const hostByAddress = "an address in Host is the owner's choice: other hosts are answered with 421"

// TestSuiteAsPlainCoraza holds the rules' own regression tests: of what they
// expect of rules of paranoia level 1, nothing fails here that does not fail with
// plain Coraza, its recommended configuration and our settings (setup.conf), but
// for what suiteApart names. The rules module ships no list of tests to be left
// out, so nothing is left out for either.
//
// A rule that a package replaces counts where the one in its place matched.
// Which tests a replaced rule has, and which of them come out otherwise, is
// printed with -v.
func TestSuiteAsPlainCoraza(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about half a minute")
	}
	plain, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDebugLogger(debuglog.Noop()).
		WithDirectives("Include @coraza.conf-recommended\nSecRuleEngine On\n" + setupConf + "\nInclude @owasp_crs/*.conf"))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := New(Options{Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	level1, inPlace := levelOne(t), inPlaceOf(t)
	type tally struct{ tests, plain, ours int }
	var total tally
	byRule, differ := map[int]*tally{}, []string{}
	for _, s := range suite(t) {
		theirs := plainMatches(t, plain, s.r)
		mine := ourMatches(t, ours, s.r, inPlace)
		for _, want := range []struct {
			ids   []int
			match bool
		}{{s.expect, true}, {s.expectNot, false}} {
			for _, id := range want.ids {
				if !level1[id] {
					continue
				}
				if byRule[id] == nil {
					byRule[id] = &tally{}
				}
				for _, c := range []*tally{&total, byRule[id]} {
					c.tests++
					if theirs[id] != want.match {
						c.plain++
					}
					if mine[id] != want.match {
						c.ours++
					}
				}
				if mine[id] != want.match && theirs[id] == want.match {
					differ = append(differ, s.name+" of "+strconv.Itoa(id))
				}
			}
		}
	}
	t.Logf("%d expectations of paranoia level 1: plain Coraza fails %d, Noren %d; of these alone: %q", total.tests, total.plain, total.ours, differ)
	for _, id := range slices.Sorted(maps.Values(inPlace)) {
		if c := byRule[id]; c != nil {
			t.Logf("rule %d, narrowed: %d tests, plain fails %d, Noren %d", id, c.tests, c.plain, c.ours)
		}
	}
	for _, name := range differ {
		if suiteApart[name] == "" {
			t.Errorf("%s fails here and not with plain Coraza", name)
		}
	}
	if total.ours > total.plain+len(suiteApart) {
		t.Errorf("%d tests of the suite fail, with plain Coraza %d", total.ours, total.plain)
	}
}

// levelOne are the request rules of paranoia level 1.
func levelOne(t *testing.T) map[int]bool {
	t.Helper()
	out := map[int]bool{}
	for _, f := range ruleFiles {
		text, err := fs.ReadFile(coreruleset.FS, "@owasp_crs/REQUEST-"+f+".conf")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range directiveLines(string(text)) {
			if id := idAction.FindStringSubmatch(d); id != nil && strings.Contains(d, "paranoia-level/1'") {
				n, _ := strconv.Atoi(id[1])
				out[n] = true
			}
		}
	}
	return out
}

var (
	idAction = regexp.MustCompile(`id:(\d+)`)
	narrowed = regexp.MustCompile(`id:(\d+).*tag:'crs/(\d+)'`)
)

// inPlaceOf are our rules that stand for one of the set.
func inPlaceOf(t *testing.T) map[int]int {
	t.Helper()
	text, err := expand(coreruleset.FS, packages())
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]int{100930: 930110, 100932: 932130, 100253: 931120}
	for _, d := range directiveLines(text) {
		if m := narrowed.FindStringSubmatch(d); m != nil {
			ours, _ := strconv.Atoi(m[1])
			theirs, _ := strconv.Atoi(m[2])
			out[ours] = theirs
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d rules are narrowed", len(out))
	}
	return out
}

func ourMatches(t *testing.T, w *WAF, r *Request, inPlace map[int]int) map[int]bool {
	t.Helper()
	tx := w.engine.NewTransaction()
	defer tx.Close()
	if err := process(tx, r); err != nil {
		t.Fatal(err)
	}
	out := matchedIDs(tx)
	for ours, theirs := range inPlace {
		out[theirs] = out[theirs] || out[ours]
	}
	return out
}

// plainMatches gives a request to an engine as a web server does.
func plainMatches(t *testing.T, w coraza.WAF, r *Request) map[int]bool {
	t.Helper()
	tx := w.NewTransaction()
	defer tx.Close()
	tx.ProcessConnection(r.Addr.Addr().String(), int(r.Addr.Port()), "", 0)
	tx.ProcessURI(r.URI, r.Method, r.Proto)
	for name, values := range r.Header {
		for _, v := range values {
			tx.AddRequestHeader(name, v)
		}
	}
	tx.AddRequestHeader("Host", r.Host)
	tx.SetServerName(r.Host)
	if err := feedBody(tx, r); err != nil {
		t.Fatal(err)
	}
	return matchedIDs(tx)
}

func matchedIDs(tx types.Transaction) map[int]bool {
	out := map[int]bool{}
	for _, m := range tx.MatchedRules() {
		out[m.Rule().ID()] = true
	}
	return out
}
