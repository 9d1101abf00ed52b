package console

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/gateway"
	"noren/journal"
	"noren/staff"
)

// banned puts an address on a site's list.
func (w *world) banned(site, addr string) gateway.Entry {
	w.Helper()
	p, err := gateway.ParsePrefix(addr)
	if err != nil {
		w.Fatal(err)
	}
	e, err := w.lists.Set(w.Context(), gateway.Entry{Site: site, List: gateway.ListBan, Prefix: p, Author: "policy:waf-repeat", Policy: "waf-repeat",
		Reason: noren.Text{Ja: "攻撃を<b>くり返した", En: "attacked again and again"}, Until: noren.At(time.Now().Add(time.Hour))})
	if err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) isBanned(addr string) bool {
	_, ban := w.lists.Check(shopSite, netip.MustParseAddr(addr), time.Now())
	return ban != nil
}

func TestLiftAndUndo(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	e := w.banned(shopSite, "203.0.113.7")
	b.get("/s/shop/stopped").says(t, "203.0.113.•", "攻撃を&lt;b&gt;くり返した", "方針「waf-repeat」")
	b.get("/s/shop/stopped/"+e.ID).says(t, "遮断しています", "この相手を通す")
	if got := b.post("/s/shop/stopped/"+e.ID+"/lift", "once", newForm()); got.status != http.StatusUnprocessableEntity || !w.isBanned("203.0.113.7") {
		t.Errorf("lifted without a reason: %d", got.status)
	}
	once := newForm()
	got := b.post("/s/shop/stopped/"+e.ID+"/lift", "once", once, "reason", "常連のお客様だった")
	if got.status != http.StatusSeeOther || w.isBanned("203.0.113.7") {
		t.Fatalf("lift: %d to %s", got.status, got.header.Get("Location"))
	}
	page := b.get(got.header.Get("Location"))
	page.says(t, "外しました", "元に戻す")
	to, _ := url.Parse(got.header.Get("Location"))
	undo := to.Query().Get("undo")
	for _, tt := range []struct {
		who  *browser
		at   string
		want int
		back bool
	}{
		{w.as(staff.Grants{shopSite: staff.Viewer}), "/s/shop/undo", http.StatusForbidden, false},
		{b, "/s/other/undo", http.StatusSeeOther, false}, // of another site: too late, in words
		{b, "/s/shop/undo", http.StatusSeeOther, true},
	} {
		if got := tt.who.post(tt.at, "undo", undo, "to", "/s/shop/stopped"); got.status != tt.want || w.isBanned("203.0.113.7") != tt.back {
			t.Errorf("undo at %s: %d, banned again %t; want %d, %t", tt.at, got.status, w.isBanned("203.0.113.7"), tt.want, tt.back)
		}
	}
}

// A policy names its bans with slashes; their pages and the way off the list are
// there all the same.
func TestBanOfAPolicyIsLifted(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	e := w.banned(shopSite, "203.0.113.7")
	if _, err := w.lists.Lift(t.Context(), shopSite, gateway.ListBan, e.Prefix, "test", noren.Text{Ja: "x"}); err != nil {
		t.Fatal(err)
	}
	e.ID = noren.NewID(time.Now()) + "/secret-files-probed/ban"
	if _, err := w.lists.Set(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`href="(/s/shop/stopped/[^"?]+ban)"`).FindStringSubmatch(b.get("/s/shop/stopped").body)
	if link == nil {
		t.Fatal("the list has no link to the ban")
	}
	page := b.get(link[1])
	page.says(t, "203.0.113.•", "この相手を通す")
	form := regexp.MustCompile(`action="(/s/shop/stopped/[^"]+/lift)"`).FindStringSubmatch(page.body)
	if form == nil {
		t.Fatal("the page has no way off the list")
	}
	if got := b.post(form[1], "once", newForm(), "reason", "常連のお客様"); got.status != http.StatusSeeOther || w.isBanned("203.0.113.7") {
		t.Errorf("lift: %d", got.status)
	}
}

func TestPutOnList(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	if _, _, err := w.places.Set(t.Context(), gateway.NamedPlace{Site: shopSite, Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}, Author: "test", Reason: "test"}, false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, who, sure, reason string
		status                  int
		says                    string
	}{
		{"nonsense", "here", "", "x", 422, "アドレスの形になっていません"},
		{"half the internet", "0.0.0.0/1", "yes", "x", 422, "一覧に入れられません"},
		{"no reason", "192.0.2.1", "", "", 422, "理由を書いてください"},
		{"oneself", "127.0.0.1", "", "x", 409, "いまあなたがいる場所"},
		{"a place of the shop", "198.51.100.7", "", "x", 409, "本社"},
		{"a network", "192.0.2.0/24", "", "x", 409, "範囲です"},
		{"a network all the same", "192.0.2.0/24", "yes", "総当たり", 303, ""},
		{"an address", "203.0.113.9", "", "総当たり", 303, ""},
	} {
		got := b.post("/s/shop/stopped/new", "list", "ban", "who", tt.who, "for", "24h", "reason", tt.reason, "sure", tt.sure, "once", newForm())
		if got.status != tt.status || !strings.Contains(got.body, tt.says) {
			t.Errorf("%s: %d, want %d and %q:\n%s", tt.name, got.status, tt.status, tt.says, got.body)
		}
		if tt.status != 303 && !strings.Contains(got.body, `value="`+tt.who+`"`) {
			t.Errorf("%s: what was typed is lost", tt.name)
		}
	}
	if !w.isBanned("203.0.113.9") || !w.isBanned("192.0.2.77") {
		t.Error("what was put on the list is not banned")
	}
	once := newForm()
	for range 2 { // a double click
		b.post("/s/shop/stopped/new", "list", "ban", "who", "203.0.113.10", "for", "1h", "reason", "x", "once", once)
	}
	if got := listed(w.lists.List(shopSite), gateway.ListBan, "203.0.113.10", mask{}); len(got) != 1 {
		t.Errorf("%d entries after a double click, want 1", len(got))
	}
}

// Another site's entries are not there, whatever their id.
func TestEntriesOfAnotherSite(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	e := w.banned(otherSite, "203.0.113.7")
	for _, got := range []answer{b.get("/s/shop/stopped/" + e.ID), b.post("/s/shop/stopped/"+e.ID+"/lift", "once", newForm(), "reason", "x")} {
		if got.status != http.StatusNotFound || strings.Contains(got.body, "203.0.113.7") {
			t.Errorf("%d:\n%s", got.status, got.body)
		}
	}
	if got := b.get("/s/shop/stopped"); strings.Contains(got.body, "203.0.113.7") {
		t.Error("another site's ban is listed")
	}
}

func TestStoppedCSV(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	p, _ := gateway.ParsePrefix("203.0.113.8")
	if _, err := w.lists.Set(t.Context(), gateway.Entry{Site: shopSite, List: gateway.ListBan, Prefix: p, Author: "test", Reason: noren.Text{Ja: `=HYPERLINK("http://evil")`}}); err != nil {
		t.Fatal(err)
	}
	b.get("/s/shop/stopped.csv").says(t, "203.0.113.8", `"'=HYPERLINK(""http://evil"")"`)
}

func TestTurn(t *testing.T) {
	var all []gateway.Entry
	for i := range 120 {
		all = append(all, gateway.Entry{ID: noren.NewID(time.Unix(int64(1000-i), 0))})
	}
	seen, after := 0, ""
	for pages := 1; ; pages++ {
		rows, p := turn(all, after, "/x?list=ban")
		seen += len(rows)
		if p.Older == "" {
			if pages != 3 || seen != 120 {
				t.Errorf("%d rows on %d pages, want 120 on 3", seen, pages)
			}
			return
		}
		after = rows[len(rows)-1].ID
	}
}

// Addresses are masked until somebody who may asks to see them, and the asking is on
// record; what is seen masked is not found by guessing either.
func TestStoppedIsMaskedUntilAskedFor(t *testing.T) {
	w := openWorld(t)
	owner, viewer := w.owner(), w.as(staff.Grants{shopSite: staff.Viewer})
	one, wide, six := w.banned(shopSite, "203.0.113.77"), w.banned(shopSite, "198.51.100.0/24"), w.banned(shopSite, "2001:db8:1:2::/64")
	if _, err := w.lists.Set(t.Context(), gateway.Entry{Site: shopSite, List: gateway.ListAllow, Prefix: netip.MustParsePrefix("192.0.2.55/32"), Author: "test", Reason: noren.Text{Ja: "hanako@customer.example さん、03-1234-5678"}}); err != nil {
		t.Fatal(err)
	}
	secrets := []string{"203.0.113.77", "2001:db8:1:2", "192.0.2.55", "hanako", "03-1234"}
	for _, b := range []*browser{owner, viewer} {
		for _, p := range []string{"/s/shop/stopped", "/s/shop/stopped?list=allow", "/s/shop/stopped/" + one.ID, "/s/shop/stopped/" + six.ID} {
			got := b.get(p)
			for _, s := range secrets {
				if got.status != 200 || strings.Contains(got.body, s) {
					t.Errorf("%s shows %q (status %d)", p, s, got.status)
				}
			}
		}
		b.get("/s/shop/stopped").says(t, "203.0.113.•", "198.51.100.0/24", "2001:db8:1::•")
		if found := b.get("/s/shop/stopped?q=113.77"); strings.Contains(found.body, one.ID) {
			t.Error("an address is guessed by its end")
		}
		if found := b.get("/s/shop/stopped?q=203.0.113.77"); !strings.Contains(found.body, one.ID) {
			t.Error("an address that somebody knows is not found")
		}
	}
	if got := viewer.post("/s/shop/reveal", "once", newForm(), "back", "/s/shop/stopped"); got.status != http.StatusForbidden {
		t.Errorf("a viewer asks to see addresses: %d", got.status)
	}
	if got := owner.post("/s/shop/reveal", "once", newForm(), "back", "/s/shop/stopped", "reason", "お電話の件"); got.status != http.StatusSeeOther {
		t.Fatalf("reveal: %d", got.status)
	}
	owner.get("/s/shop/stopped").says(t, "203.0.113.77", wide.Prefix.String())
	owner.get("/s/shop/stopped/"+one.ID).says(t, "203.0.113.77", "events?q=203.0.113.77")
	if got := viewer.get("/s/shop/stopped"); strings.Contains(got.body, "203.0.113.77") {
		t.Error("a viewer sees what a colleague asked for")
	}
	told := false
	for s, err := range w.journal.Query(t.Context(), journal.Filter{Log: shopSite, Kinds: []noren.Kind{noren.StaffAction}}) {
		if err != nil {
			t.Fatal(err)
		}
		p, ok := s.Entry.Event.Payload.(*noren.Operation)
		told = told || ok && p.Action == actReveal && p.Object == "/s/shop/stopped" && p.Reason == "お電話の件"
	}
	if !told {
		t.Error("the asking is not on record")
	}
}
