package waf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"

	"noren/gateway/waf/screen"
)

// bare is the engine without the screen: what is right.
var bare = sync.OnceValues(func() (*WAF, error) { return New(Options{Slots: 64, NoScreen: true, Budget: time.Hour}) })

// TestMain makes that engine before any other puts our operators into Coraza's
// registry, so that it stays Coraza's own.
func TestMain(m *testing.M) {
	if _, err := bare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// oracle runs r through the engine alone.
func oracle(t testing.TB, r *Request) Result {
	t.Helper()
	w, err := bare()
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.Inspect(context.Background(), r)
	if err != nil {
		t.Fatalf("Inspect: %v", err)
	}
	return res
}

func marked(res Result) bool { return res.Score > 0 || res.Blocked || len(res.Hits) > 0 }

// tally compares the screen with the engine.
type tally struct{ requests, marked, clean, left, idle int }

func (c *tally) add(t testing.TB, name string, r *Request) {
	t.Helper()
	v := engine(t).sieve
	if v == nil {
		t.Fatal("there is no screen")
	}
	said, err := v.judge(r)
	if err != nil {
		t.Fatalf("%s: the screen: %v", name, err)
	}
	res := oracle(t, r)
	if !said.Clean {
		c.sameVerdict(t, name, r, said, res)
	}
	c.requests++
	switch {
	case said.Clean && marked(res):
		t.Errorf("%s: the screen says clean, the engine: %+v\n%s %q\n%q\n%q", name, res, r.Method, r.URI, r.Header, r.Body)
	case marked(res):
		c.marked++
	case said.Clean:
		c.clean++
	default:
		c.left++
		t.Logf("%s is left to the engine for rule %d", name, said.Rule)
	}
}

// sameVerdict holds that the engine comes to the same verdict without the rules that
// the screen knows to be idle.
func (c *tally) sameVerdict(t testing.TB, name string, r *Request, said screen.Verdict, want Result) {
	t.Helper()
	got, err := engine(t).run(r, said.Idle, 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c.idle += len(said.Idle)
	if diff := cmp.Diff(verdictOf(want), verdictOf(got)); diff != "" {
		t.Errorf("%s: without %d idle rules (-all +fewer):\n%s", name, len(said.Idle), diff)
	}
}

// verdictOf leaves out what is chance in the engine: which of several values of
// a request a rule names.
func verdictOf(res Result) any {
	v := struct {
		Score, Status int
		Blocked       bool
		Rules         []int
	}{Score: res.Score, Status: res.Status, Blocked: res.Blocked}
	for _, h := range res.Hits {
		v.Rules = append(v.Rules, h.Rule)
	}
	slices.Sort(v.Rules)
	v.Rules = slices.Compact(v.Rules)
	return v
}

func (c *tally) String() string {
	return fmt.Sprintf("%d requests: %d marked by the engine and none of them passed by the screen; of %d others the screen passed %d (%.1f %%); %d rules left out of each of the rest",
		c.requests, c.marked, c.clean+c.left, c.clean, 100*float64(c.clean)/float64(max(1, c.clean+c.left)), c.idle/max(1, c.marked+c.left))
}

// TestScreenNeverPassesWhatTheEngineMarks is the property of the screen, over
// the rules' own tests, our lines in every place, and a shop's traffic.
func TestScreenNeverPassesWhatTheEngineMarks(t *testing.T) {
	t.Run("suite", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes about ten seconds")
		}
		var c tally
		for _, s := range suite(t) {
			c.add(t, s.name, s.r)
		}
		t.Log(&c)
		if c.requests < 4600 || c.clean < 1600 {
			t.Errorf("fewer requests than before: %+v", c)
		}
	})
	t.Run("lines", func(t *testing.T) {
		var c tally
		for _, file := range []string{"attacks.tsv", "benign_more.tsv", "benign_paths.tsv", "ja_waf_attack.tsv", "ja_waf_benign.tsv"} {
			for i, l := range lines(t, file) {
				for k, r := range everywhere(file, l) {
					c.add(t, fmt.Sprintf("%s:%d/%d", file, i+1, k), r)
				}
			}
		}
		t.Log(&c)
	})
	t.Run("traffic", func(t *testing.T) {
		const seed, n = 20261127, 1500
		s, c := newShop(t, seed), tally{}
		for i := range n {
			c.add(t, fmt.Sprintf("seed %d request %d", seed, i), s.any())
		}
		t.Log(&c)
		if share := float64(c.clean) / float64(c.clean+c.left); share < 0.95 {
			t.Errorf("the screen passes %.3f of clean traffic, want 0.95", share)
		}
	})
}

// everywhere puts a line of our corpora into every place of a request.
func everywhere(file string, l []string) []*Request {
	if file == "attacks.tsv" {
		method, target, _ := strings.Cut(l[0], " ")
		if method == "POST" {
			return []*Request{request(method, target, l[1])}
		}
		return []*Request{request(method, target, "")}
	}
	if file == "benign_paths.tsv" {
		return []*Request{request("GET", l[0], "")}
	}
	raw, escaped := l[0], url.QueryEscape(l[0])
	if file == "ja_waf_attack.tsv" {
		raw, escaped = Unescape(l[0]), l[0]
	}
	var out []*Request
	for _, f := range benignForms {
		if f.form == "" {
			out = append(out, request("GET", f.path+escaped, ""))
			continue
		}
		out = append(out, request("POST", f.path, f.form+escaped))
	}
	header := request("GET", "/", "")
	header.Header = http.Header{"Referer": {"https://a.example/?q=" + escaped}, "User-Agent": {raw}, "Cookie": {"a=" + strings.ReplaceAll(raw, ";", "%3B")}}
	json := request("POST", "/api", fmt.Sprintf(`{"a":[{"b":%q}]}`, raw))
	json.Header["Content-Type"] = []string{"application/json"}
	xml := request("POST", "/api", "<a b='c'>"+raw+"</a>")
	xml.Header["Content-Type"] = []string{"text/xml"}
	part := request("POST", "/u", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\""+strings.ReplaceAll(raw, `"`, "")+"\"\r\n\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n"+raw+"\r\n--x--\r\n")
	part.Header["Content-Type"] = []string{"multipart/form-data; boundary=x"}
	return append(out, header, json, xml, part, request("GET", "/item/"+url.PathEscape(raw), ""), request("GET", "/?"+escaped+"=1", ""))
}

// The screen reads the shop's own rules too, and what it cannot read makes
// requests slow and lets none pass.
func TestScreenReadsOwnRules(t *testing.T) {
	w, err := New(Options{Rules: []RuleFile{{"own.conf", []byte(`
SecRule ARGS:voucher "@rx ^[0-9]{4}$" "id:1,phase:2,deny,status:403,chain"
    SecRule REQUEST_HEADERS:User-Agent "@contains vouchertool"
SecRule ARGS:odd "@strmatch x" "id:2,phase:2,deny,status:403"
SecRule REQUEST_HEADERS:X-Count "@gt 3" "id:3,phase:1,pass,nolog,setvar:tx.many=%{matched_var}"
SecRule TX:many "@ge 7" "id:4,phase:2,deny,status:403"
`)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tool, many, few := request("POST", "/cart", "voucher=1234"), request("GET", "/", ""), request("GET", "/", "")
	tool.Header["User-Agent"] = []string{"vouchertool/1"}
	many.Header["X-Count"], few.Header["X-Count"] = []string{"8"}, []string{"2"}
	for name, tt := range map[string]struct {
		r     *Request
		clean bool
	}{
		"a chain that matches":         {tool, false},
		"a chain that matches half":    {request("POST", "/cart", "voucher=1234"), true},
		"an operator it does not know": {request("GET", "/?odd=1", ""), false},
		"without the field of that":    {request("GET", "/?even=1", ""), true},
		"a variable set by a rule":     {many, false},
		"a variable that is not set":   {few, true},
		"anything else":                {request("GET", "/", ""), true},
	} {
		said, err := w.sieve.judge(tt.r)
		if err != nil {
			t.Fatal(err)
		}
		if said.Clean != tt.clean {
			t.Errorf("%s: clean is %v (rule %d)", name, said.Clean, said.Rule)
		}
	}
}

// Rules that the screen cannot read at all switch it off, and say so.
func TestScreenThatCannotReadIsOff(t *testing.T) {
	var log bytes.Buffer
	w, err := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Rules: []RuleFile{{"own.conf",
		[]byte(`SecRule TIME_HOUR "@ge 0" "id:1,phase:2,pass,nolog"`)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if w.Screening().On || !strings.Contains(log.String(), "the slow way") {
		t.Errorf("screening %+v, log %q", w.Screening(), log.String())
	}
	if res, err := w.Inspect(t.Context(), request("GET", "/?q=<script>alert(1)</script>", "")); err != nil || !res.Blocked {
		t.Errorf("an attack: %+v, %v", res, err)
	}
}

// A screen that is wrong is found by comparison, not believed, and off at once.
func TestScreenThatIsWrongIsSwitchedOff(t *testing.T) {
	var log bytes.Buffer
	w, err := New(Options{Compare: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	lame, err := screen.New(coreruleset.FS, screen.NewPatterns(), setupConf, zoneVariable) // it lacks the rules
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := sieveOf(lame)
	if err != nil {
		t.Fatal(err)
	}
	wrong.every = 1
	w.sieve = wrong
	attack := request("GET", "/?q=<script>alert('secret')</script>", "")
	res, err := w.Inspect(t.Context(), attack)
	if err != nil || !res.Blocked {
		t.Errorf("the attack that was compared: %+v, %v", res, err)
	}
	if s := w.Screening(); s.On || s.Disagreed != 1 {
		t.Errorf("screening: %+v", s)
	}
	if !strings.Contains(log.String(), "rule=100220") || strings.Contains(log.String(), "secret") {
		t.Errorf("log: %q", log.String())
	}
	if res, err := w.Inspect(t.Context(), attack); err != nil || !res.Blocked {
		t.Errorf("the next one: %+v, %v", res, err)
	}
}

func TestScreenThatPanicsLeavesTheRequestToTheEngine(t *testing.T) {
	w, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.sieve.screen = nil
	if res, err := w.Inspect(t.Context(), request("GET", "/?q=<script>alert(1)</script>", "")); err != nil || !res.Blocked {
		t.Errorf("an attack: %+v, %v", res, err)
	}
	if s := w.Screening(); s.Failed != 1 || s.Engine != 1 {
		t.Errorf("screening: %+v", s)
	}
}

// While attacks hold every place, ordinary visitors are still inspected.
func TestOrdinaryVisitorsNeedNoPlace(t *testing.T) {
	w, err := New(Options{Slots: 1, Wait: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	leave, err := w.light.enter(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if _, err := w.Inspect(t.Context(), request("GET", "/?q=<script>", "")); !errors.Is(err, ErrOverload) {
		t.Errorf("an attack: %v, want ErrOverload", err)
	}
	if res, err := w.Inspect(t.Context(), request("GET", "/products/list?name=%E8%B5%A4", "")); err != nil || marked(res) {
		t.Errorf("a visitor: %+v, %v", res, err)
	}
}

// What holds the engine's place for heavy requests keeps no ordinary order or
// upload waiting, and a long cookie is as heavy as a long body.
func TestOrdinaryHeavyRequestsNeedNoEngine(t *testing.T) {
	w, err := New(Options{Slots: 1, Wait: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	leave, err := w.heavy.enter(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	long := strings.Repeat("%E8%8C%B6+", 1200)
	if res, err := w.Inspect(t.Context(), request("POST", "/contact", "note="+long)); err != nil || marked(res) {
		t.Errorf("a long letter: %+v, %v", res, err)
	}
	for name, r := range map[string]*Request{
		"a long attack":           request("POST", "/contact", "q=%3Cscript%3Ealert(1)%3C/script%3E&note="+long),
		"an attack with a cookie": request("GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", ""),
	} {
		if len(r.Body) == 0 {
			r.Header["Cookie"] = []string{"a=" + long}
		}
		if _, err := w.Inspect(t.Context(), r); !errors.Is(err, ErrOverload) {
			t.Errorf("%s: %v, want ErrOverload", name, err)
		}
	}
}

// Many requests share the automata and the memo; run with -race.
func TestScreenIsSharedByManyRequests(t *testing.T) {
	const seed = 5
	s := newShop(t, seed)
	var reqs []*Request
	var want []bool
	for range 60 {
		r := s.any()
		reqs, want = append(reqs, r), append(want, marked(oracle(t, r)))
	}
	attack := request("GET", "/?q=<script>alert(1)</script>", "")
	reqs, want = append(reqs, attack), append(want, true)
	w, err := New(Options{}) // one whose automata are empty
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range reqs {
				k := (i*7 + g*13) % len(reqs)
				said, err := w.sieve.judge(reqs[k])
				if err != nil || said.Clean && want[k] {
					t.Errorf("seed %d request %d: clean %v (rule %d), %v; the engine marks it: %v", seed, k, said.Clean, said.Rule, err, want[k])
				}
			}
		})
	}
	wg.Wait()
}

// A rule that counts what is not there is asked although there is nothing to
// remember it by.
func TestScreenCountsWhatIsNotThere(t *testing.T) {
	w, err := New(Options{Rules: []RuleFile{{"own.conf", []byte(`
SecRule &REQUEST_COOKIES_NAMES "@eq 0" "id:5,phase:2,deny,status:403,setvar:tx.none_seen=1,chain"
    SecRule TX:/^none_/ "@eq 1"
`)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	with := request("GET", "/", "")
	with.Header["Cookie"] = []string{"a=b"}
	for range 2 { // the second time from memory
		if res, err := w.Inspect(t.Context(), request("GET", "/", "")); err != nil || !res.Blocked {
			t.Errorf("no cookie: %+v, %v", res, err)
		}
		if res, err := w.Inspect(t.Context(), with); err != nil || res.Blocked {
			t.Errorf("a cookie: %+v, %v", res, err)
		}
	}
}
