package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/staff"
)

func TestJudge(t *testing.T) {
	do := deed{noren.Text{Ja: "見る"}, "/x"}
	alert, check, advice, plain := matter{Key: "a", Tone: ui.Alert, Do: do}, matter{Key: "c", Tone: ui.Check, Do: do}, matter{Key: "d", Tone: ui.Calm, Do: do}, matter{Key: "p", Tone: ui.Check}
	for _, tt := range []struct {
		name          string
		ms            []matter
		tone          ui.Tone
		reasons, todo string
		more          int
	}{
		{"nothing", nil, ui.Good, "", "", 0},
		{"advice leaves a shop safe", []matter{advice}, ui.Good, "", "d", 0},
		{"a check", []matter{advice, check}, ui.Check, "c", "cd", 0},
		{"the gravest first", []matter{check, advice, alert}, ui.Alert, "ac", "acd", 0},
		{"without a button it is a reason only", []matter{plain}, ui.Check, "p", "", 0},
		{"at most three", []matter{check, check, check, check, advice}, ui.Check, "ccc", "ccc", 2},
	} {
		got := judge(tt.ms)
		if got.Tone != tt.tone || keys(got.Reasons) != tt.reasons || keys(got.Todo) != tt.todo || got.More != tt.more {
			t.Errorf("%s: %s, reasons %q, to do %q and %d more; want %s, %q, %q, %d", tt.name, got.Tone, keys(got.Reasons), keys(got.Todo), got.More, tt.tone, tt.reasons, tt.todo, tt.more)
		}
	}
}

func keys(ms []matter) (s string) {
	for _, m := range ms {
		s += m.Key
	}
	return s
}

func TestTodayCountsWhatWasStopped(t *testing.T) {
	w := openWorld(t)
	for i := range 12 {
		w.stopped(t, noren.CauseWAF, time.Now().Add(-time.Duration(i)*time.Minute))
	}
	w.stopped(t, noren.CauseLimit, time.Now())
	w.owner().get("/s/shop/").says(t, "止めた通信", `<span class="figure">13<small> 件`, "攻撃の文字列", ">12件<", "復旧用紙を印刷していません")
}

func (w *world) stopped(t testing.TB, cause noren.Cause, at time.Time) {
	t.Helper()
	ev := noren.Event{Kind: noren.HTTPBlocked, At: noren.At(at), Site: shopSite, Zone: noren.ZoneStorefront, Entities: noren.Entities{noren.EntityAddress: "203.0.113.7"},
		Payload: &noren.Blocked{Request: noren.Request{Method: "GET", Path: "/x"}, Cause: cause, Ticket: noren.NewTicket(), Status: 403}}
	ev.ID = noren.NewID(at)
	if _, err := w.journal.Append(t.Context(), noren.Entry{Event: ev, Decision: noren.Decision{EventID: ev.ID, Verdict: noren.Block}, Count: 1, Rule: string(cause)}); err != nil {
		t.Fatal(err)
	}
}

// Whoever is not signed in sees the sign-in and nothing else, and comes back to
// where they wanted to go.
func TestNobodySeesAnything(t *testing.T) {
	w := openWorld(t)
	stranger := &browser{w: w, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for _, r := range w.console.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if r.need == anybody || strings.Contains(path, "{$}") && path == "/{$}" {
			continue
		}
		path = strings.NewReplacer("{site}", shopSite, "{$}", "").Replace(path)
		req, _ := http.NewRequest(method, w.url+path, nil)
		got := stranger.do(req)
		if to := got.header.Get("Location"); got.status != http.StatusSeeOther || !strings.HasPrefix(to, "/signin") {
			t.Errorf("%s %s: %d to %q, want the sign-in", method, path, got.status, to)
		}
	}
}

// A site is not there for people without a role in it, and roles hold per site.
func TestEveryRouteKnowsItsSite(t *testing.T) {
	w := openWorld(t)
	b := w.as(staff.Grants{otherSite: staff.Owner})
	for _, r := range w.console.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if !strings.Contains(path, "{site}") {
			continue
		}
		for _, site := range []string{shopSite, "nowhere"} {
			path := strings.NewReplacer("{site}", site, "{$}", "").Replace(path)
			var got answer
			if method == "GET" {
				got = b.get(path)
			} else {
				got = b.post(path)
			}
			if got.status != http.StatusNotFound {
				t.Errorf("%s %s: %d, want 404", method, path, got.status)
			}
		}
	}
	viewer := w.as(staff.Grants{shopSite: staff.Viewer})
	for _, r := range w.console.routes() {
		if method, path, _ := strings.Cut(r.pattern, " "); method == "POST" && strings.Contains(path, "{site}") && r.need != staff.See {
			if got := viewer.post(strings.ReplaceAll(path, "{site}", shopSite)); got.status != http.StatusForbidden {
				t.Errorf("%s by a viewer: %d, want 403", r.pattern, got.status)
			}
		}
	}
}

func TestGuards(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	req, _ := http.NewRequest("GET", w.url+"/s/shop/", nil)
	req.Host = "evil.example"
	if got := b.do(req); got.status != http.StatusMisdirectedRequest || strings.Contains(got.body, "安全") {
		t.Errorf("under somebody else's name: %d, want 421 and nothing of the shop", got.status)
	}
	req, _ = http.NewRequest("POST", w.url+"/signout", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := b.do(req); got.status != http.StatusForbidden {
		t.Errorf("post from another site: %d, want 403", got.status)
	}
	if got := b.get("/s/shop/"); got.status != http.StatusOK || !strings.Contains(got.header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("still signed in: %d with policy %q", got.status, got.header.Get("Content-Security-Policy"))
	}
	big, _ := http.NewRequest("POST", w.url+"/signin", strings.NewReader("mail="+strings.Repeat("x", 3<<20)))
	big.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := b.do(big); got.status < 400 || got.status >= 500 {
		t.Errorf("3 MiB form: %d, want a refusal", got.status)
	}
}

func TestBackStaysInTheHouse(t *testing.T) {
	for in, want := range map[string]string{
		"/s/shop/": "/s/shop/", "/me?x=1": "/me?x=1", "": "/", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "/a\r\nb": "/", "javascript:alert(1)": "/",
	} {
		if got := back(in, "/"); got != want {
			t.Errorf("back(%q) = %q, want %q", in, got, want)
		}
	}
}

// The mode in force is the first thing said.
func TestTodaySaysTheMode(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	if err := w.modes.Set(t.Context(), shopSite, gateway.SiteMode{Mode: gateway.ModeClosed}, "test", "棚卸し"); err != nil {
		t.Fatal(err)
	}
	b.get("/s/shop/").says(t, "対応中です", "全停止")
	if got := b.get("/s/other/"); strings.Contains(got.body, "全停止") {
		t.Error("one site's mode shows at another")
	}
}

// A database that is away is said in words; nobody is signed out by it, and what is
// asked for later works again.
func TestConsoleWithoutItsDatabase(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	b.get("/s/shop/")
	w.db.Close()
	time.Sleep(1100 * time.Millisecond) // what a node knows of sessions is a second old at most
	got := b.get("/s/shop/stopped")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "お店の入口は動き続けています") {
		t.Errorf("%d, want 503 in words:\n%.500s", got.status, got.body)
	}
	for _, c := range got.header.Values("Set-Cookie") {
		if strings.HasPrefix(c, sessionCookie+"=;") {
			t.Error("the person was signed out")
		}
	}
}
