package console

import (
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/gateway"
	"noren/notify"
	"noren/staff"
)

// What attackers, colleagues and files wrote is text on every page and in every
// table.
func TestStoredHostileTextStaysText(t *testing.T) {
	w, ids := openShops(t)
	b := w.owner()
	ctx := t.Context()
	for i, h := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "ab\u202ecd\u2066ef", `=HYPERLINK("http://evil")`, "@SUM(1)", "\t=1", "＝1", strings.Repeat("あ", 300)} {
		bit := netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + i)})
		if _, err := w.lists.Set(ctx, gateway.Entry{Site: shopSite, List: gateway.ListBan, Prefix: netip.PrefixFrom(bit, 32), Author: h, Policy: firstRunes(h, 60), Reason: noren.Text{Ja: h, En: h}}); err != nil {
			t.Logf("a list does not take %.20q: %v", h, err)
		}
		if _, err := w.notify.Tell(ctx, notify.Notice{Site: shopSite, Severity: notify.High, Key: "k" + noren.NewID(time.Now()), Title: noren.Text{Ja: h, En: h}, Text: noren.Text{Ja: h, En: h}, Next: noren.Text{Ja: h, En: h}}); err != nil {
			t.Logf("a notice does not take %.20q: %v", h, err)
		}
		link, err := w.staff.Invite(ctx, staff.AtMachine("test"), "", staff.Grants{shopSite: staff.Viewer})
		if err != nil {
			t.Fatal(err)
		}
		secret := staff.NewSecret()
		if _, err := w.staff.Join(ctx, link.Token, staff.Joining{Name: firstRunes(h, 100), Mail: "m" + noren.NewID(time.Now()) + "@x.example", Password: "とても長い合言葉を使います", Secret: secret, Code: codeOf(secret, time.Now()), UserAgent: h}); err != nil {
			t.Logf("nobody is called %.20q: %v", h, err)
		}
		ev := noren.Event{ID: noren.NewID(time.Now()), Kind: noren.HTTPBlocked, At: noren.At(time.Now()), Site: shopSite, Zone: noren.ZoneStorefront,
			Entities: noren.Entities{noren.EntityAddress: bit.String(), noren.EntityAccount: firstRunes(h, 100)},
			Payload:  &noren.Blocked{Request: noren.Request{Method: "GET", Path: "/" + h, UserAgent: h, Referer: h, Query: h, Hits: []noren.Hit{{Rule: 942100, Field: h, Msg: h, Value: h}}}, Cause: noren.CauseWAF, Ticket: noren.NewTicket(), Status: 403}}
		if _, err := w.journal.Append(ctx, noren.Entry{Event: ev, Decision: noren.Decision{EventID: ev.ID, Verdict: noren.Block, Reasons: []noren.Reason{{Policy: firstRunes(h, 60), Verdict: noren.Block, Text: noren.Text{Ja: h, En: h}}}}, Count: 1, Rule: firstRunes(h, 60)}); err != nil {
			t.Fatal(err)
		}
		set, err := w.settings.Current(ctx)
		if err != nil {
			t.Fatal(err)
		}
		base := set.Hash()
		set["policies/a.yaml"] += "# " + strings.ReplaceAll(h, "\t", " ") + "\n"
		if _, err := w.settings.Put(ctx, set, h, h, base); err != nil {
			t.Logf("settings do not take %.20q: %v", h, err)
		}
		ids["event"+h] = map[string]string{"event": ev.ID}
	}
	b.post("/s/shop/reveal", "once", newForm())
	look := func(path string, got answer) {
		t.Helper()
		if got.status >= 500 {
			t.Errorf("%s: %d", path, got.status)
		}
		page := typedIn.ReplaceAllString(got.body, "")
		if strings.Contains(got.header.Get("Content-Type"), "csv") {
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(got.body, "\ufeff"))).ReadAll()
			if err != nil {
				t.Errorf("%s is no table: %v", path, err)
			}
			for _, row := range rows {
				for _, cell := range row {
					if cell != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(cell)[0]) {
						t.Errorf("%s: a formula: %.40q", path, cell)
					}
				}
			}
			if strings.Contains(got.body, "\u202e") {
				t.Errorf("%s: a turned character", path)
			}
			return
		}
		for _, bad := range []string{"<script>alert", "<img src=x", "\u202e", "\u2066"} {
			if at := strings.Index(page, bad); at >= 0 {
				t.Errorf("%s: %q stands in the page: …%s", path, bad, page[max(0, at-150):at+20])
			}
		}
	}
	for _, row := range accessRows() {
		if strings.HasPrefix(row.pattern, "GET") && !strings.HasSuffix(row.pattern, "/live") {
			look(row.pattern, b.ask(row.pattern, shopSite, ids[shopSite], row.kind))
			if row.kind == "event" {
				for name, of := range ids {
					if strings.HasPrefix(name, "event") {
						look(row.pattern, b.ask(row.pattern, shopSite, of, row.kind))
					}
				}
			}
		}
	}
	for _, path := range []string{"/s/shop/notices?open=1", "/s/shop/policies/versions?most=100", "/s/shop/events?q=198.51.100.101"} {
		look(path, b.get(path))
	}
	for _, e := range w.lists.List(shopSite) {
		look("an entry", b.get("/s/shop/stopped/"+e.ID))
	}
	told, _ := w.notify.List(ctx, notify.Query{Sites: []string{shopSite}, Limit: 100})
	for _, n := range told {
		look("a notice", b.get("/s/shop/notices/"+n.ID))
	}
	people, _ := w.staff.People(ctx)
	for _, p := range people {
		look("a person", b.get("/people/"+p.ID))
	}
}

// Over TLS the cookies are of this host alone, and one that another host could have
// set is nobody's.
func TestCookiesOverTLS(t *testing.T) {
	w := openWorld(t, func(_ *world, o *Options) { o.Host = func() string { return "console.example.jp" } })
	w.owner()
	link, err := w.staff.Invite(t.Context(), staff.AtMachine("test"), "", staff.Grants{shopSite: staff.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(w.console)
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b := &browser{w: w, client: client}
	ask := func(method, host, path, body string, cookies ...*http.Cookie) answer {
		req, _ := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		req.Host = host
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			req.AddCookie(c)
		}
		return b.do(req)
	}
	secret := staff.NewSecret()
	form := url.Values{"link": {link.Token}, "name": {"x"}, "mail": {"tls@shop.example"}, "password": {"とても長い合言葉を使います"}, "secret": {secret}, "code": {codeOf(secret, time.Now())}}
	got := ask("POST", "console.example.jp:8443", "/join", form.Encode())
	if got.status != http.StatusOK || got.header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("%d %v\n%.500s", got.status, got.header, plainMain(got.body))
	}
	session := ""
	for _, line := range got.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil || !strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %q", line)
		}
		if c.Name == "__Host-"+sessionCookie {
			session = c.Value
		}
	}
	if got := ask("GET", "console.example.jp", "/me", "", &http.Cookie{Name: "__Host-" + sessionCookie, Value: session}); got.status != http.StatusOK {
		t.Errorf("signed in: %d", got.status)
	}
	if got := ask("GET", "console.example.jp", "/me", "", &http.Cookie{Name: sessionCookie, Value: session}); !ledToSignIn(got) {
		t.Errorf("a cookie that any host of the domain can set: %d", got.status)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "evil.example", "console.example.jp.", "console.example.jp.evil.example", ""} {
		if got := ask("GET", host, "/signin", ""); host != "" && got.status != http.StatusMisdirectedRequest {
			t.Errorf("under %q by TLS: %d", host, got.status)
		}
	}
	// A code that was used does not confirm an act.
	if got := ask("POST", "console.example.jp", "/me/confirm", url.Values{"then": {"/me"}, "code": {codeOf(secret, time.Now())}}.Encode(), &http.Cookie{Name: "__Host-" + sessionCookie, Value: session}); got.status == http.StatusTemporaryRedirect {
		t.Error("a code was taken twice")
	}
}

// Of many clicks at once one acts; of two people who begin a check one does.
func TestManyClicksAtOnce(t *testing.T) {
	w, _ := openShops(t)
	a, b := w.owner(), w.owner()
	before := len(w.lists.List(shopSite))
	form := newForm()
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			who := []*browser{a, b}[i%2]
			who.post("/s/shop/stopped/new", "once", form, "list", "ban", "who", "192.0.2.30", "for", "24h", "reason", "x", "sure", "yes")
			who.post("/s/shop/proof/verify")
			who.get("/s/shop/proof")
			who.get("/s/shop/policies")
		})
	}
	all.Wait()
	if n := len(w.lists.List(shopSite)) - before; n != 1 {
		t.Errorf("%d bans from one form", n)
	}
	eventually(t, "the check ends", func() bool { return !w.console.checks.of(shopSite).Running() })
	a.get("/s/shop/proof").says(t, "書かれたときのまま")
}

// Two people take the same change on trial up at once: one ends it, the other is
// told.
func TestTrialEndedByTwo(t *testing.T) {
	w, _ := openShops(t)
	set, err := w.settings.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base := set.Hash()
	set["limits.yaml"] = "version: 1\n"
	if _, err := w.console.o.Desk.Change(t.Context(), SettingsChange{Set: set, Author: "test", Reason: "x", Base: base, Within: time.Hour}); err != nil {
		t.Fatal(err)
	}
	open, _ := w.settings.Trials(t.Context())
	var both sync.WaitGroup
	for _, how := range []string{"confirm", "back"} {
		who := w.owner()
		both.Go(func() {
			if got := who.post("/s/shop/policies/"+how, "once", newForm(), "trial", open[0].ID); got.status >= 500 {
				t.Errorf("%s: %d", how, got.status)
			}
		})
	}
	both.Wait()
	if left, err := w.settings.Trials(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
