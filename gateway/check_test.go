package gateway

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
)

// challenged is a gateway whose policies challenge every page, with a clock of
// its own.
type challenged struct {
	*standing
	now atomic.Int64 // seconds after noon
}

func standChallenged(t *testing.T, change func(*Options)) *challenged {
	t.Helper()
	c := &challenged{}
	c.standing = stand(t, func(o *Options) {
		o.Secrets = func(context.Context) ([][]byte, error) { return [][]byte{[]byte("key of the test")}, nil }
		o.Now = func() time.Time { return noon.Add(time.Duration(c.now.Load()) * time.Second) }
		if change != nil {
			change(o)
		}
	})
	c.loop.answer = verdict(noren.HTTPRequest, noren.Challenge)
	return c
}

var formField = regexp.MustCompile(`name="(\w+)" value="([^"]*)"`)

// fields are the hidden fields of the check page.
func fields(page string) url.Values {
	v := url.Values{}
	for _, m := range formField.FindAllStringSubmatch(page, -1) {
		v.Set(m[1], strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(m[2]))
	}
	return v
}

func cookieOf(res *http.Response) string {
	for _, c := range res.Cookies() {
		if strings.HasSuffix(c.Name, passCookie) {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

func TestCheckIsPassedByWork(t *testing.T) {
	c := standChallenged(t, nil)
	res, page := c.do("GET", "/products/list?name=a&b=c", "")
	if res.StatusCode != 403 || !strings.Contains(page, `id="check"`) || !strings.Contains(page, "受付番号") {
		t.Fatalf("%d %.300s", res.StatusCode, page)
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "form-action") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	f := fields(page)
	if f.Get("back") != "/products/list?name=a&b=c" {
		t.Errorf("back %q", f.Get("back"))
	}
	f.Set("proof", solve(f.Get("puzzle"), puzzleBits))
	res, _ = c.do("POST", checkPath, f.Encode())
	pass := cookieOf(res)
	if res.StatusCode != 303 || res.Header.Get("Location") != "/products/list?name=a&b=c" || pass == "" {
		t.Fatalf("%d to %q with %q", res.StatusCode, res.Header.Get("Location"), pass)
	}
	if set := res.Header.Get("Set-Cookie"); !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") {
		t.Errorf("Set-Cookie: %s", set)
	}
	res, got := c.do("GET", "/products/list", "", "Cookie: a=1; "+pass+"; eccube=xyz")
	if res.StatusCode != 200 || strings.Contains(got, passCookie) {
		t.Errorf("with the pass: %d\n%s", res.StatusCode, got)
	}
	if p := c.loop.of(noren.HTTPRequest); !p[len(p)-1].Payload.(*noren.Request).Passed {
		t.Error("the event does not tell that the visitor has passed")
	}
	if b := c.loop.of(noren.HTTPBlocked); len(b) != 1 || b[0].Payload.(*noren.Blocked).Cause != noren.CauseChallenge {
		t.Errorf("blocked: %+v", b)
	}
	c.now.Store(int64((passFor + time.Minute) / time.Second))
	if res, _ := c.do("GET", "/", "", "Cookie: "+pass); res.StatusCode != 403 {
		t.Errorf("after its time the pass opens: %d", res.StatusCode)
	}
}

func TestCheckIsPassedByWaiting(t *testing.T) {
	c := standChallenged(t, nil)
	_, page := c.do("GET", "/", "", "Accept-Language: en")
	f := fields(page)
	res, early := c.do("POST", checkPath, f.Encode(), "Accept-Language: en")
	if res.StatusCode != 403 || !strings.Contains(early, "a little early") || fields(early).Get("puzzle") != f.Get("puzzle") {
		t.Errorf("at once: %d %.400s", res.StatusCode, early)
	}
	c.now.Store(9)
	res, _ = c.do("POST", checkPath, f.Encode())
	if res.StatusCode != 303 || cookieOf(res) == "" {
		t.Errorf("after nine seconds: %d", res.StatusCode)
	}
	c.now.Store(int64(puzzleFor / time.Second))
	if res, late := c.do("POST", checkPath, f.Encode()); res.StatusCode != 403 || !strings.Contains(late, "期限") {
		t.Errorf("after its time: %d", res.StatusCode)
	}
}

// Waiting costs a script nothing, so one connection cannot do it without end.
func TestWaitingIsLimited(t *testing.T) {
	c := standChallenged(t, nil)
	passed := 0
	for range 2 * waitRate.Capacity() {
		_, page := c.do("GET", "/", "")
		c.now.Add(9)
		if res, _ := c.do("POST", checkPath, fields(page).Encode()); res.StatusCode == 303 {
			passed++
		}
	}
	if n := int(waitRate.Capacity()); passed < n || passed > n+10 {
		t.Errorf("%d passes by waiting, want about %d", passed, n)
	}
}

func TestCheckRefusesForgeries(t *testing.T) {
	c := standChallenged(t, nil)
	_, page := c.do("GET", "/", "")
	f := fields(page)
	c.now.Store(9)
	for name, change := range map[string]func(url.Values) []string{
		"another form": func(url.Values) []string {
			return []string{"Content-Type: multipart/form-data; boundary=x", "Sec-Fetch-Site: cross-site"}
		},
		"wrong proof":  func(v url.Values) []string { v.Set("proof", "1,2,3,4"); return nil },
		"no puzzle":    func(v url.Values) []string { v.Del("puzzle"); return nil },
		"other agent":  func(url.Values) []string { return []string{"User-Agent: curl/8"} },
		"foreign page": func(url.Values) []string { return []string{"Sec-Fetch-Site: cross-site"} },
		"large form":   func(v url.Values) []string { v.Set("x", strings.Repeat("x", 8<<10)); return nil },
	} {
		v := url.Values{}
		for k := range f {
			v.Set(k, f.Get(k))
		}
		header := change(v)
		if res, _ := c.do("POST", checkPath, v.Encode(), header...); res.StatusCode != 403 || cookieOf(res) != "" {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	f.Set("back", "//evil.example/")
	if res, _ := c.do("POST", checkPath, f.Encode()); res.Header.Get("Location") != "/" {
		t.Errorf("sent to %q", res.Header.Get("Location"))
	}
}

// Who is never asked: who pays, machines, what a page loads; programs are told
// where a person can pass.
func TestWhoIsNotAsked(t *testing.T) {
	c := standChallenged(t, nil)
	for _, target := range []string{"/shopping", "/shopping/confirm"} {
		if res, _ := c.do("GET", target, ""); res.StatusCode != 200 {
			t.Errorf("%s: %d", target, res.StatusCode)
		}
	}
	res, body := c.do("GET", "/", "", "Accept: application/json")
	if res.StatusCode != 403 || !strings.Contains(body, `"check":"/.noren/check"`) {
		t.Errorf("a program: %d %s", res.StatusCode, body)
	}
	if res, body := c.do("GET", "/a.png", "", "Accept: image/*", "Sec-Fetch-Dest: image"); res.StatusCode != 429 || strings.Contains(body, "check") {
		t.Errorf("a picture: %d %s", res.StatusCode, body)
	}
	res, page := c.do("POST", "/contact", "a=b", "Referer: "+c.url+"/contact?x=1")
	if res.StatusCode != 403 || fields(page).Get("back") != "/contact?x=1" || !strings.Contains(page, "もう一度送信") {
		t.Errorf("a form that was sent: %d back to %q", res.StatusCode, fields(page).Get("back"))
	}
	if res, js := c.do("GET", scriptPath, ""); res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Type"), "javascript") || len(js) == 0 {
		t.Errorf("the script: %d", res.StatusCode)
	}
}

// Without keys nobody can be given a pass: visitors wait, and the shop stays.
func TestCheckWithoutKeys(t *testing.T) {
	c := standChallenged(t, func(o *Options) {
		o.Secrets = func(context.Context) ([][]byte, error) {
			return nil, noren.Errorf(noren.Unavailable, "the vault is away")
		}
	})
	if res, _ := c.do("GET", "/", ""); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("status %d, want 429", res.StatusCode)
	}
}

func TestTakeCookieLeavesTheRest(t *testing.T) {
	for _, tt := range []struct{ in, want, value string }{
		{"a=1; noren_pass=x; b=2", "a=1; b=2", "x"},
		{"noren_pass=x; b=2", "b=2", "x"},
		{"a=1;noren_pass=x", "a=1", "x"},
		{"noren_pass=x", "", "x"},
		{"my_noren_pass=x; a=\"q;uoted\"", "my_noren_pass=x; a=\"q;uoted\"", ""},
		{"a=1;  b = 2;;c", "a=1;  b = 2;;c", ""},
		{"noren_pass=x; noren_pass=y", "", "x"},
	} {
		h := http.Header{"Cookie": {tt.in}}
		if got := takeCookie(h, passCookie); got != tt.value || h.Get("Cookie") != tt.want {
			t.Errorf("%q: %q and %q, want %q and %q", tt.in, got, h.Get("Cookie"), tt.value, tt.want)
		}
	}
}

// The script reads the puzzle and its difficulty from the page.
func TestPuzzleLevelStandsInThePage(t *testing.T) {
	c := standChallenged(t, nil)
	_, page := c.do("GET", "/", "")
	if !strings.Contains(page, `data-level="`+strconv.Itoa(puzzleBits)+`" data-parts="`+strconv.Itoa(proofs)+`"`) {
		t.Errorf("page: %.600s", page)
	}
}

// TestLimitThatAsksForTheCheck: people without a session share the bucket of their
// address; once it is used up, each can earn one of their own.
func TestLimitThatAsksForTheCheck(t *testing.T) {
	c := standChallenged(t, func(o *Options) {
		o.Settings.Limits = []Limit{{Name: "narrow", By: BySession, Rate: Rate{2, time.Minute}, Then: Steps{ThenCheck}}}
	})
	c.loop.answer = nil
	for range 2 {
		if res, _ := c.do("GET", "/", ""); res.StatusCode != 200 {
			t.Fatalf("within the limit: %d", res.StatusCode)
		}
	}
	earn := func() string {
		res, page := c.do("GET", "/", "")
		if res.StatusCode != 403 || !strings.Contains(page, `id="check"`) {
			t.Fatalf("over the limit: %d", res.StatusCode)
		}
		f := fields(page)
		f.Set("proof", solve(f.Get("puzzle"), puzzleBits))
		res, _ = c.do("POST", checkPath, f.Encode())
		return cookieOf(res)
	}
	for who := range 2 {
		pass := earn()
		for i, want := range []int{200, 200, 429} {
			if res, _ := c.do("GET", "/", "", "Cookie: "+pass); res.StatusCode != want {
				t.Errorf("visitor %d, request %d with a pass: %d, want %d", who, i, res.StatusCode, want)
			}
		}
	}
	if b := c.loop.of(noren.HTTPBlocked); len(b) == 0 || b[0].Payload.(*noren.Blocked).Cause != noren.CauseLimit {
		t.Errorf("recorded: %+v", b)
	}
}
