package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"noren"
	"noren/console"
	"noren/console/ui"
	"noren/gateway"
	"noren/loop"
	"noren/notify"
)

// Every finding of check says the same in both languages; none is left in one.
func TestFindingsSpeakBothLanguages(t *testing.T) {
	w := openThrowaway(t)
	found, cut := w.server.in.lookAt(t.Context(), sampleSite, func(int, int, noren.Text) {})
	if cut || len(found) < 8 {
		t.Fatalf("%d findings, cut %v", len(found), cut)
	}
	keys := map[string]bool{}
	for i, f := range found {
		keys[f.Key] = true
		if f.Title.Ja == "" || f.Title.En == "" || f.Says.Ja == "" || f.Says.En == "" || (f.Mend.Ja == "") != (f.Mend.En == "") || f.Says.Ja == f.Says.En && f.Key != "tls" {
			t.Errorf("%+v", f)
		}
		if i > 0 && gravityOf(f.Tone) > gravityOf(found[i-1].Tone) {
			t.Errorf("%s stands behind what is less grave", f.Key)
		}
	}
	for _, key := range []string{"shop", "way past Noren", "program", "firewall", "root key", "settings", "who may enter", "who is told", "exposure"} {
		if !keys[key] {
			t.Errorf("nothing about %s: %v", key, keys)
		}
	}
}

func openThrowaway(t *testing.T) *throwaway {
	t.Helper()
	w, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 7, backing{}, []loop.Observer{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close(context.Background()) })
	return w
}

// Errors that were joined keep every text.
func TestJapaneseOf(t *testing.T) {
	told := noren.WithText(noren.Errorf(noren.Invalid, "english"), noren.Text{Ja: "日本語", En: "english"})
	plain := noren.Errorf(noren.Invalid, "only english")
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"a text":          {told, "日本語"},
		"no text":         {plain, "誤り（only english）"},
		"joined":          {errors.Join(told, plain), "日本語\nonly english"},
		"joined, no text": {errors.Join(plain, plain), "誤り：\nonly english\nonly english"},
		"with a hint":     {noren.WithHint(told, "do"), "日本語"},
	} {
		if got := japaneseOf(tt.err, "誤り"); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A check that is asked for twice runs once, tells how far it is, and is kept over
// a restart.
func TestCheckups(t *testing.T) {
	w := openThrowaway(t)
	c := w.server.checks
	c.Begin(sampleSite)
	c.Begin(sampleSite)
	if !until(func() bool { k, ok := c.Last(sampleSite); return ok && !k.Running() && len(c.asked) == 0 }) {
		t.Fatal("the check does not end")
	}
	k, _ := c.Last(sampleSite)
	if len(k.Findings) == 0 || k.Of == 0 || k.Done != k.Of {
		t.Errorf("%+v", k)
	}
	again := newCheckups(w.server.in)
	if kept, ok := again.Last(sampleSite); !ok || len(kept.Findings) != len(k.Findings) {
		t.Errorf("not kept: %+v", kept)
	}
	if err := os.WriteFile(filepath.Join(w.server.in.cfg.Data, "check.json"), []byte("[1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := newCheckups(w.server.in).Last(sampleSite); ok {
		t.Error("a broken file is believed")
	}
}

// A check whose time is over shows what it found so far, and says so.
func TestCheckIsCut(t *testing.T) {
	w := openThrowaway(t)
	ctx, cancel := context.WithCancel(t.Context())
	found, cut := w.server.in.lookAt(ctx, sampleSite, func(done, _ int, _ noren.Text) {
		if done == 3 {
			cancel()
		}
	})
	if !cut || len(found) == 0 {
		t.Errorf("%d findings, cut %v", len(found), cut)
	}
}

func TestMatterOfFindings(t *testing.T) {
	for key, want := range map[string]string{"way past Noren": "origin", "firewall": "", "who may enter": "", "shop": "", "address data": ""} {
		m, ok := matterOf(console.Finding{Key: key, Tone: ui.Check})
		if m.Key != want || ok != (want != "") || ok && (m.Page == "" || m.Label.Ja == "") {
			t.Errorf("%s: %+v", key, m)
		}
		if _, ok := matterOf(console.Finding{Key: key, Tone: ui.Good}); ok {
			t.Errorf("%s in order is a matter", key)
		}
	}
}

// The rule that the console writes keeps the admin for places, can be written
// again, and never takes the place of rules that people wrote.
func TestStaffRule(t *testing.T) {
	text, err := withStaffRule(string(gateway.ShippedAccessFile()), []string{"本社", "自宅"}, true)
	if err != nil || !strings.HasPrefix(text, "# Who may enter.") {
		t.Fatalf("%v\n%s", err, text)
	}
	if text, err = withStaffRule(text, []string{"本社"}, false); err != nil {
		t.Fatal(err)
	}
	rules, err := gateway.ParseAccess("access.yaml", []byte(text))
	if err != nil || len(rules) != 1 || rules[0].Mode != gateway.AccessOn || !slices.Equal(rules[0].Allow.Places, []string{"本社"}) {
		t.Errorf("%+v, %v", rules, err)
	}
	for name, own := range map[string]string{
		"another rule":         "  - {name: mine, zones: [admin], allow: {networks: [203.0.113.0/24]}, reason: {ja: あ, en: a}}\n",
		"one of the same name": "  - {name: staff_area, zones: [staff], allow: {places: [本社], networks: [203.0.113.0/24]}, reason: {ja: あ, en: a}}\n",
	} {
		if _, err := withStaffRule("version: 1\nrules:\n"+own, []string{"本社"}, false); noren.CodeOf(err) != noren.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := withStaffRule("", []string{"a]\nrules: []"}, false); err == nil {
		t.Error("a name that is none is written")
	}
}

func TestHearers(t *testing.T) {
	text, err := withHearers(string(notify.ShippedFile()), []console.Hearer{{Mail: "o'x@shop.example"}, {Mail: "p@shop.example", Language: "en", Next: true}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := notify.Parse("notify.yaml", []byte(text))
	if err != nil || len(r.Receivers) != 2 || len(r.Untold()) != 0 || !slices.Equal(r.Escalate, []string{"person2"}) || !slices.Equal(r.Digest, []string{"person1"}) {
		t.Errorf("%+v, %v\n%s", r, err, text)
	}
	if _, err := withHearers(text, []console.Hearer{{Mail: "z@shop.example"}}); noren.CodeOf(err) != noren.Conflict {
		t.Errorf("people that are named are overwritten: %v", err)
	}
	if _, err := withHearers("", []console.Hearer{{Mail: "no mail"}}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("no mail address: %v", err)
	}
}

// What the console changes is in force when it returns, recorded, and taken back
// whole; an address that would be shut out is told before.
func TestConsoleChangesSettings(t *testing.T) {
	w := openThrowaway(t)
	h := house{w.server.in, w.server.takeSettings}
	place := gateway.NamedPlace{Site: sampleSite, Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, Author: "staff:1"}
	if _, _, err := w.server.in.places.Set(t.Context(), place, false); err != nil {
		t.Fatal(err)
	}
	inside, outside := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("198.51.100.1")
	if got := h.ClosesOn(sampleSite, inside, []string{"本社"}); got.Ja != "" {
		t.Errorf("inside: %v", got)
	}
	if got := h.ClosesOn(sampleSite, outside, []string{"本社"}); !strings.Contains(got.Ja, "管理画面") || got.En == "" {
		t.Errorf("outside: %v", got)
	}
	back, err := h.KeepAdmin(t.Context(), sampleSite, []string{"本社"}, false, "staff:1", "守る")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(openZones(h.Rules(sampleSite))); n != 0 {
		t.Errorf("%d zones of the admin are open after the change", n)
	}
	if got := h.ShutsOut(sampleSite, inside, "本社", nil); got.Ja == "" {
		t.Error("removing the place one is in is not told")
	}
	if err := back(t.Context(), "staff:1"); err != nil || len(openZones(h.Rules(sampleSite))) == 0 {
		t.Errorf("taken back: %v, %v", err, h.Rules(sampleSite))
	}
	if _, err := h.Tell(t.Context(), sampleSite, []console.Hearer{{Mail: "o@shop.example"}}, "staff:1", "案内"); err != nil {
		t.Fatal(err)
	}
	s, err := h.Standing(t.Context(), sampleSite)
	if err != nil || s.Rules == nil || len(s.Rules.Receivers) != 1 || s.PoliciesOn == 0 || s.HTTP == "" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := back(t.Context(), "staff:1"); noren.CodeOf(err) == "" && len(openZones(h.Rules(sampleSite))) == 0 {
		t.Error("taking back twice closes the admin again")
	}
	versions, err := w.server.in.settings.Versions(t.Context(), 10)
	if err != nil || len(versions) != 4 || versions[0].Author != "staff:1" {
		t.Errorf("%d versions, %v", len(versions), err)
	}
}

// With several sites a change is the site's own: nobody is shut out of another
// shop's admin, and who is told elsewhere stays.
func TestConsoleChangesOneSite(t *testing.T) {
	other := gateway.Site{Name: "other", Hosts: []string{"other.test"}, Upstream: "http://127.0.0.1:1"}
	w, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 7, backing{}, nil, quiet(), other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close(context.Background()) })
	h := house{w.server.in, w.server.takeSettings}
	back, err := h.KeepAdmin(t.Context(), sampleSite, []string{"本社"}, false, "staff:1", "守る")
	if err != nil {
		t.Fatal(err)
	}
	if len(openZones(h.Rules(sampleSite))) != 0 || len(openZones(h.Rules("other"))) == 0 {
		t.Errorf("sample %v, other %v", h.Rules(sampleSite), h.Rules("other"))
	}
	if _, err := h.Tell(t.Context(), sampleSite, []console.Hearer{{Mail: "o@shop.example"}}, "staff:1", "案内"); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Standing(t.Context(), "other"); err != nil || len(s.Rules.Receivers) != 0 {
		t.Errorf("%+v, %v", s.Rules, err)
	}
	if err := back(t.Context(), "staff:1"); err != nil {
		t.Fatal(err)
	}
	set, err := w.server.in.settings.Current(t.Context())
	if _, own := set["sites/sample/access.yaml"]; err != nil || own {
		t.Errorf("the site's own file stays after it was taken back: %v", err)
	}
}

// Test requests go through the open door; the attack is stopped and its number is
// in the record.
func TestTry(t *testing.T) {
	w := openThrowaway(t)
	try := trial{w.server}
	page, err := try.Try(t.Context(), sampleSite, console.TryPage)
	if err != nil || page.Status != 200 || !page.Seen || page.Zone != noren.ZoneStorefront || page.Verdict != noren.Allow || page.Ticket != "" {
		t.Errorf("page %+v, %v", page, err)
	}
	attack, err := try.Try(t.Context(), sampleSite, console.TryAttack)
	if err != nil || attack.Status != 403 || attack.Cause != noren.CauseWAF || !noren.ValidTicket(attack.Ticket) || attack.Entry == "" || len(attack.Hits) == 0 {
		t.Errorf("attack %+v, %v", attack, err)
	}
	secret, err := try.Try(t.Context(), sampleSite, console.TrySecret)
	if err != nil || secret.Cause != noren.CauseForbidden || secret.Entry == "" {
		t.Errorf("secret file %+v, %v", secret, err)
	}
	if _, err := try.Try(t.Context(), "none", console.TryPage); noren.CodeOf(err) != noren.NotFound {
		t.Errorf("no such site: %v", err)
	}
	if n := w.server.in.tries.open.Load(); n != 0 || len(w.server.in.tries.wait) != 0 {
		t.Errorf("%d are still listened for", n)
	}
}

// Where this machine speaks for visitors, a mock attack is nobody's: the proxy's
// own address must not be banned for it.
func TestTryBehindProxy(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	defer shop.Close()
	other := gateway.Site{Name: "other", Hosts: []string{"other.test"}, Upstream: shop.URL, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	w, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 7, backing{}, nil, quiet(), other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close(context.Background()) })
	for site, want := range map[string]string{"other": "192.0.2.1", sampleSite: "127.0.0.1"} {
		if got, err := (trial{w.server}).Try(t.Context(), site, console.TryAttack); err != nil || got.Address != want || got.Cause != noren.CauseWAF {
			t.Errorf("%s: from %s, %s, %v", site, got.Address, got.Cause, err)
		}
	}
}

// A visitor who writes a mark of their own is not taken for a test.
func TestTriesHearTheirOwn(t *testing.T) {
	tr := newTries()
	ev := func(query string) noren.Event {
		return noren.Event{Kind: noren.HTTPRequest, Payload: &noren.Request{Query: query}}
	}
	ch, done := tr.listen("06H1Z4F5YGG3H7YC0SVGXBVSDR")
	for _, q := range []string{"", "noren_test=", "noren_test=short", "noren_test=06H1Z4F5YGG3H7YC0SVGXBVSDX", "x=06H1Z4F5YGG3H7YC0SVGXBVSDR"} {
		tr.Observed(t.Context(), ev(q), noren.Decision{})
	}
	if len(ch) != 0 {
		t.Errorf("%d were heard", len(ch))
	}
	for range 10 {
		tr.Observed(t.Context(), ev("noren_test=06H1Z4F5YGG3H7YC0SVGXBVSDR&x=1"), noren.Decision{})
	}
	if len(ch) == 0 || len(ch) > 4 {
		t.Errorf("%d were heard", len(ch))
	}
	done()
	tr.Observed(t.Context(), ev("noren_test=06H1Z4F5YGG3H7YC0SVGXBVSDR"), noren.Decision{})
}
