package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/gateway"
	"noren/journal"
	"noren/staff"
)

// Every answer has the strict headers, errors and answers under a strange name too.
func TestEveryAnswerIsDressed(t *testing.T) {
	w, ids := openShops(t)
	b := w.owner()
	check := func(name string, got answer) {
		t.Helper()
		policy := got.header.Get("Content-Security-Policy")
		for _, bad := range []string{"unsafe", "http:", "https:", "*"} {
			if strings.Contains(policy, bad) {
				t.Errorf("%s: policy %q", name, policy)
			}
		}
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "base-uri 'none'") {
			t.Errorf("%s: policy %q", name, policy)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: %v", name, got.header)
		}
		if !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s may be cached: %q", name, got.header.Get("Cache-Control"))
		}
	}
	for _, row := range accessRows() {
		if row.pattern != "POST /signout" {
			check(row.pattern, b.ask(row.pattern, shopSite, ids[shopSite], row.kind))
		}
	}
	for _, method := range []string{"OPTIONS", "PUT", "DELETE", "HEAD", "PATCH", "TRACE"} {
		req, _ := http.NewRequest(method, w.url+"/s/shop/stopped", nil)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		got := b.do(req)
		check(method, got)
		if method != "HEAD" && got.status < 400 {
			t.Errorf("%s: %d", method, got.status)
		}
	}
	for _, path := range []string{"/nowhere", "/s/shop/nowhere", "/s/shop/guide/..%2f..%2f/go.mod", "/s/shop/guide/%2e%2e/README", "/static/../go.mod", "/assets/nothing.js"} {
		got := b.get(path)
		check(path, got)
		if got.status == http.StatusOK || strings.Contains(got.body, "module noren") {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	req, _ := http.NewRequest("GET", w.url+"/", nil)
	req.Host = "evil.example"
	check("a strange name", b.do(req))
}

// A console's name is exactly that: nothing that only begins or ends like it.
func TestStrangeNames(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	for host, ok := range map[string]bool{"localhost": true, "LOCALHOST:9080": true, "127.0.0.1:1": true, "[::1]:9080": true, "[::1]": true, "127.9.9.9": true,
		"localhost.evil.example": false, "localhost.": false, "127.0.0.1.evil.example": false, "evil.example:9080": false, "127.0.0.1.": false, "10.0.0.1": false, "0.0.0.0": false, "[::]": false, "shop.example.jp": false} {
		req, _ := http.NewRequest("GET", w.url+"/me", nil)
		req.Host = host
		if got := b.do(req); (got.status != http.StatusMisdirectedRequest) != ok {
			t.Errorf("%q: %d, want served: %t", host, got.status, ok)
		}
	}
}

// hostiles are values as attackers and clumsy people send them.
func hostiles() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='x`, `{{.}}`, `javascript:alert(1)`,
		"a\u202eb\u2066c", "nul\x00nul", "bad\xff\xfeutf8", "line\r\nSet-Cookie: x=1", `=cmd|' /C calc'!A0`, strings.Repeat("長", 40_000), strings.Repeat("%00", 3000), `../../../etc/passwd`, `\\evil\share`, "-1", "99999999999999999999999",
	}
}

// Every field of every form and every question of every page stands hostile
// values: they stay text, no header breaks, nothing fails.
func TestHostileValuesEverywhere(t *testing.T) {
	w, ids := openShops(t)
	b := w.owner()
	names := []string{"q", "list", "after", "before", "who", "for", "reason", "key", "value", "event", "number", "entry", "version", "file", "name", "to", "a", "b", "most", "state", "open", "days", "cursor", "kind", "zone", "verdict", "cause", "since", "until", "range", "words", "op", "text", "base", "within", "as", "first", "mail", "role", "site", "person", "link", "held", "checkpoint", "back", "undo", "trial", "session", "code", "ticket", "secret", "said", "new", "sure", "on"}
	for _, h := range hostiles() {
		values := url.Values{}
		for _, n := range names {
			values.Set(n, h)
		}
		asked := values
		if len(h) > 300 {
			asked = url.Values{}
			for _, n := range names {
				asked.Set(n, firstRunes(h, 20))
			}
		}
		for _, r := range w.console.routes() {
			if r.pattern == "POST /signout" || strings.HasSuffix(r.pattern, "/live") || len(h) > 10_000 && strings.Contains(r.pattern, "/stopped/new") && strings.HasPrefix(r.pattern, "GET") {
				continue
			}
			kind := ""
			for _, row := range accessRows() {
				if row.pattern == r.pattern {
					kind = row.kind
				}
			}
			method, path, _ := strings.Cut(r.pattern, " ")
			for _, id := range []string{ids[shopSite][kind], url.PathEscape(firstRunes(h, 200))} {
				if id == "" {
					id = "none"
				}
				p := strings.NewReplacer("{site}", shopSite, "{$}", "", "{id}", id, "{link}", id, "{person}", id, "{date}", id, "{switch}", id, "{dir}", id, "{page}", id, "{seq}", id).Replace(path)
				var req *http.Request
				if method == "GET" {
					req, _ = http.NewRequest("GET", w.url+p+"?"+asked.Encode(), nil)
				} else {
					values.Set("once", newForm())
					req, _ = http.NewRequest("POST", w.url+p, strings.NewReader(values.Encode()))
					req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
				if req == nil {
					t.Fatalf("%s: no request", p)
				}
				req.Header.Set("Sec-Fetch-Site", "same-origin")
				got := b.do(req)
				name := fmt.Sprintf("%s with %.20q", r.pattern, h)
				if got.status >= 500 && !asksProgram(r.pattern) && !strings.Contains(r.pattern, "/notices/test") {
					t.Errorf("%s: %d\n%.300s", name, got.status, plainMain(got.body))
				}
				for _, bad := range []string{"<script>alert", "<img src=x", "\x00", "' onmouseover='x'", `href="javascript:`} {
					if strings.Contains(got.body, bad) {
						at := strings.Index(got.body, bad)
						t.Errorf("%s: %q stands in the page: …%s", name, bad, got.body[max(0, at-100):at+20])
					}
				}
				if strings.Contains(typedIn.ReplaceAllString(got.body, ""), "\u202e") {
					t.Errorf("%s: a turned character stands in the page", name)
				}
				if to := got.header.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t")) {
					t.Errorf("%s leads to %q", name, to)
				}
				if strings.Contains(got.header.Get("Set-Cookie"), "x=1") || len(got.body) > 4<<20 {
					t.Errorf("%s: header or a page of %d bytes", name, len(got.body))
				}
			}
		}
	}
}

// typedIn is a field that shows a person what they typed.
var typedIn = regexp.MustCompile(`(?s) value="[^"]*"|<textarea.*?</textarea>`)

func plainMain(body string) string {
	_, main, _ := strings.Cut(body, "<main")
	return main
}

// No value that says where to go next leads out of the console.
func TestNoRedirectLeadsOut(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	for _, to := range []string{"//evil.example", `/\evil.example`, `\\evil.example`, "https://evil.example", "/%2f%2fevil.example", "/\t/evil.example", "/\n/evil.example", "//evil.example/..", "/.//evil.example", "/..//evil.example", " //evil.example", "\x00//evil.example", "/%5cevil.example", "http:evil.example", "/@evil.example"} {
		for _, got := range []answer{
			b.get("/language?to=en&back=" + url.QueryEscape(to)), b.post("/undo", "undo", "x", "to", to), b.post("/s/shop/undo", "undo", "x", "to", to),
			b.post("/s/shop/reveal", "once", newForm(), "back", to), b.post("/s/shop/conceal", "back", to),
		} {
			at, err := url.Parse(got.header.Get("Location"))
			base, _ := url.Parse(w.url + "/x/")
			if err != nil {
				continue
			}
			if there := base.ResolveReference(at); there.Host != base.Host || strings.HasPrefix(got.header.Get("Location"), "//") || strings.Contains(got.header.Get("Location"), `\`) {
				t.Errorf("%q leads to %s", to, there)
			}
		}
	}
}

// A one-time link is a secret: it is in no Referer and in no log, whatever happens.
func TestOneTimeLinkStaysSecret(t *testing.T) {
	w := openWorld(t)
	w.owner()
	link, err := w.staff.Invite(t.Context(), staff.AtMachine("test"), "", staff.Grants{shopSite: staff.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	b := w.stranger()
	got := b.get("/join/" + link.Token)
	if got.status != http.StatusOK || got.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d, Referrer-Policy %q", got.status, got.header.Get("Referrer-Policy"))
	}
	b.post("/join", "link", link.Token, "name", "x", "mail", "no mail")
	w.db.Close()
	if got := b.get("/join/" + link.Token); got.status < 500 {
		t.Errorf("%d without a database", got.status)
	}
	b.get("/join/" + link.Token + "/x")
	if log := w.log.String(); strings.Contains(log, link.Token) || strings.Contains(log, strings.TrimPrefix(link.Token, "nrn_")) {
		t.Errorf("the link stands in the log:\n%s", log)
	}
}

// Live pages are bounded per person and together, are given back, and end with the
// program.
func TestLivePagesAreBounded(t *testing.T) {
	w := openWorld(t)
	b := w.as(staff.Grants{shopSite: staff.Viewer})
	b.client.Transport = &http.Transport{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var open []io.Closer
	refused := 0
	for range linesPerson + 5 {
		req, _ := http.NewRequestWithContext(ctx, "GET", w.url+"/s/shop/live", nil)
		resp, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, resp.Body)
		if resp.StatusCode != http.StatusOK {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of %d live pages were refused, want 5", refused, linesPerson+5)
	}
	for _, c := range open[:10] {
		c.Close()
	}
	eventually(t, "lines are given back", func() bool { return w.console.lines.n() == linesPerson-10 })
	w.console.Close()
	eventually(t, "lines end with the program", func() bool { return w.console.lines.n() == 0 })
	for _, c := range open {
		c.Close()
	}
}

func (l *lines) n() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// undoOf is the way back that an answer offers.
func undoOf(t *testing.T, got answer) string {
	t.Helper()
	to, _ := url.Parse(got.header.Get("Location"))
	if to == nil || to.Query().Get("undo") == "" {
		t.Fatalf("no undo: %d %q\n%.500s", got.status, got.header.Get("Location"), plainMain(got.body))
	}
	return to.Query().Get("undo")
}

// An undo never undoes a colleague: it takes back what it was offered for, once.
func TestUndoAfterSomebodyElse(t *testing.T) {
	w := openWorld(t)
	a, b := w.owner(), w.owner()
	turn := func(who *browser, on string) answer {
		return who.post("/s/shop/emergency/"+string(gateway.SwitchClosed), "once", newForm(), "on", on, "for", "2h", "reason", "x")
	}
	id := undoOf(t, turn(a, "yes"))
	turn(b, "")
	turn(b, "yes") // closed again, by somebody else and for a reason of their own
	if got := a.post("/s/shop/undo", "undo", id); got.status != http.StatusConflict {
		t.Errorf("undo of a switch that was turned since: %d", got.status)
	}
	if m := w.modes.Of(shopSite, time.Now()); m.Mode != gateway.ModeClosed {
		t.Errorf("the shop is %s", m.Mode)
	}

	other := w.as(staff.Grants{shopSite: staff.Viewer})
	id = undoOf(t, a.post("/people/role", "person", other.person.ID, "site", shopSite, "role", "staff"))
	b.post("/people/role", "person", other.person.ID, "site", shopSite, "role", "owner")
	if got := a.post("/undo", "undo", id); got.status != http.StatusConflict {
		t.Errorf("undo of a role that was changed since: %d", got.status)
	}
	if p, err := w.staff.Person(t.Context(), other.person.ID); err != nil || p.Roles[shopSite] != staff.Owner {
		t.Errorf("%v, %v", p, err)
	}

	ban := func(who *browser, reason string) answer {
		return who.post("/s/shop/stopped/new", "once", newForm(), "list", "ban", "who", "192.0.2.5", "for", "24h", "reason", reason, "sure", "yes")
	}
	ban(b, "前から")
	id = undoOf(t, ban(a, "もう一度"))
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { a.post("/s/shop/undo", "undo", id) })
	}
	both.Wait()
	left := w.lists.List(shopSite)
	if len(left) != 1 || left[0].Reason.Ja != "前から" {
		t.Errorf("after the undo of the second ban: %+v", left)
	}
}

// Page loads leave nothing behind.
func TestPagesLeaveNoGoroutines(t *testing.T) {
	w, ids := openShops(t)
	b := w.owner()
	all := func() {
		for _, row := range accessRows() {
			if strings.HasPrefix(row.pattern, "GET") {
				b.ask(row.pattern, shopSite, ids[shopSite], row.kind)
			}
		}
	}
	all()
	before := runtime.NumGoroutine()
	for range 5 {
		all()
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+10 })
}

// A change on trial of another shop's file is that shop's to keep or take back, also
// when what it is about cannot be read.
func TestTrialOfOthers(t *testing.T) {
	w, _ := openShops(t)
	ctx := t.Context()
	set, err := w.settings.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	base := set.Hash()
	set["sites/other/policies/own.yaml"] += "# trial\n"
	if _, err := w.console.o.Desk.Change(ctx, SettingsChange{Set: set, Author: "test", Reason: "x", Base: base, Within: time.Hour}); err != nil {
		t.Fatal(err)
	}
	open, err := w.settings.Trials(ctx)
	if err != nil || len(open) != 1 {
		t.Fatal(open, err)
	}
	b := w.as(staff.Grants{shopSite: staff.Owner})
	try := func(when string) {
		t.Helper()
		for _, how := range []string{"confirm", "back"} {
			got := b.post("/s/shop/policies/"+how, "once", newForm(), "trial", open[0].ID)
			if still, err := w.settings.Trials(ctx); err != nil || len(still) != 1 {
				t.Errorf("%s, %s: %d and the trial is over (%v)", when, how, got.status, err)
			}
		}
		if got := b.get("/s/shop/"); strings.Contains(got.body, open[0].ID) {
			t.Errorf("%s: another shop's trial is on the page", when)
		}
	}
	try("as it was made")
	now := set.Hash()
	set["limits.yaml"] = "version: 1\n"
	if _, err := w.settings.Put(ctx, set, "test", "y", now); err != nil {
		t.Fatal(err)
	}
	try("when the settings were changed again")
}

// The second factor that was asked for again lets go on where it was asked, inside
// the house; its code is not carried along.
func TestConfirmedOnlyInside(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	for _, to := range []string{"//evil.example", "https://evil.example/", `/\evil.example`} {
		got := b.post("/me/confirm", "then", to, "code", "000000")
		if strings.Contains(got.body, `value="`+to) || got.header.Get("Location") != "" && got.header.Get("Location") != "/" {
			t.Errorf("%q: %d %s", to, got.status, got.header.Get("Location"))
		}
		if strings.Contains(got.body, "000000") {
			t.Error("the code stands in the page")
		}
	}
}

// A panic in the background check of the record ends that check and nothing else.
func TestCheckOfRecordThatPanics(t *testing.T) {
	k := newChecks()
	k.begin(t.Context(), "shop", func(context.Context, func(done, total int64)) (r journal.Report, err error) { panic("rotten") })
	eventually(t, "it ends", func() bool { return !k.of("shop").Running() })
	if x := k.of("shop"); x.Done() || noren.CodeOf(x.Err) != noren.Internal {
		t.Errorf("done %t, %v", x.Done(), x.Err)
	}
}

// Addresses that leave the house as a table are recorded before.
func TestStoppedCSVIsRecorded(t *testing.T) {
	w, _ := openShops(t)
	b := w.as(staff.Grants{shopSite: staff.Worker})
	b.get("/s/shop/stopped.csv").says(t, "198.51.100.9")
	found := false
	for s, err := range w.journal.Query(t.Context(), journal.Filter{Log: shopSite}) {
		if err != nil {
			t.Fatal(err)
		}
		op, ok := s.Entry.Event.Payload.(*noren.Operation)
		found = found || ok && op.Action == actExport && s.Entry.Event.Entities[noren.EntityStaff] == b.person.ID
	}
	if !found {
		t.Error("an export is not in the record")
	}
}
