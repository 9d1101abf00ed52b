package console

import (
	"strings"
	"testing"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/journal"
	"noren/notify"
	"noren/policy"
	"noren/staff"
)

const (
	keptRule     = "  - {name: staff_area, zones: [staff], allow: {places: [本社]}, reason: {ja: あ, en: a}}\n"
	recordedRule = "  - {name: staff_area, zones: [staff], mode: shadow, allow: {places: [本社]}, reason: {ja: あ, en: a}}\n"
)

// Who may enter the admin is judged by its rules alone, the weakest part first.
func TestAdminOf(t *testing.T) {
	for _, tt := range []struct {
		name, rules string
		state       AdminState
		ja          string
	}{
		{"no rules", "", AdminOpen, "世界中のどこからでも"},
		{"kept", keptRule, AdminKept, "決めた場所（本社）からだけ"},
		{"recorded", recordedRule, AdminRecorded, "まだどこからでも開けます。決めた場所（本社）のほか"},
		{"a part", "  - {name: a, zones: [admin], allow: {places: [本社]}, reason: {ja: あ, en: a}}\n", AdminOpen, "一部（管理画面のログイン"},
		{"a part kept, the rest recorded", "  - {name: a, zones: [admin], allow: {places: [本社]}, reason: {ja: あ, en: a}}\n" + strings.ReplaceAll(recordedRule, "staff_area", "b"), AdminRecorded, "まだどこからでも"},
		{"denied only", "  - {name: a, zones: [staff], deny: {countries: [KP]}, reason: {ja: あ, en: a}}\n", AdminOpen, "世界中"},
		{"a country", "  - {name: a, zones: [staff], allow: {countries: [JP]}, reason: {ja: あ, en: a}}\n", AdminKept, "規則にある所"},
		{"a place and a network", "  - {name: a, zones: [staff], allow: {places: [本社], networks: [203.0.113.0/24]}, reason: {ja: あ, en: a}}\n", AdminKept, "本社ほか"},
	} {
		var rules gateway.AccessRules
		if tt.rules != "" {
			rules = rulesOf(t, tt.rules)
		}
		a := AdminOf(rules)
		if a.State != tt.state || !strings.Contains(a.Says().Ja, tt.ja) || a.Says().En == "" {
			t.Errorf("%s: %s, %q; want %s, %q", tt.name, a.State, a.Says().Ja, tt.state, tt.ja)
		}
	}
}

// What is in force is said in the same words on every page that says it, whatever
// the last check of the site found.
func TestPagesAgreeOnWhatIsInForce(t *testing.T) {
	w, h := openHome(t)
	b := w.owner()
	for _, tt := range []struct {
		rules   string
		says    string
		badge   string
		without []string
	}{
		{recordedRule, "管理画面は、まだどこからでも開けます。決めた場所（本社）のほかから開いた人を、記録だけしています。", "記録だけ", []string{"世界中", "だれでも開けます"}},
		{keptRule, "管理画面は、決めた場所（本社）からだけ開けます。", "決めた場所だけ", []string{"世界中", "だれでも開けます", "記録だけしています"}},
	} {
		h.rules = rulesOf(t, tt.rules)
		h.check = &Checkup{Began: noren.At(time.Now()), Ended: noren.At(time.Now()), Findings: []Finding{
			{Key: "who may enter", Tone: ui.Check, Title: noren.Text{Ja: "管理画面に入れる人", En: "x"}, Says: noren.Text{Ja: "世界中のだれでも開けます", En: "x"}, Lines: "x"}}}
		w.console.setups.forgetAll()
		for _, page := range []string{"/site", "/places", "/setup", "/setup/guard", "/setup/places", "/stopping"} {
			a := b.get("/s/shop" + page)
			a.says(t, tt.says)
			_, main, _ := strings.Cut(a.body, "<main")
			for _, no := range tt.without {
				if strings.Contains(main, no) {
					t.Errorf("%s with %q also says %q", page, tt.badge, no)
				}
			}
		}
		for _, page := range []string{"/", "/stopped", "/measures"} {
			b.get("/s/shop"+page).says(t, "いま効いていること", tt.badge, `href="/s/shop/stopping"`)
		}
	}
}

// From recording to stopping: what would have been stopped, who it was, a reason,
// the switch, and the way back.
func TestFromRecordingToStopping(t *testing.T) {
	w, h := openHome(t)
	b := w.owner()
	h.rules = rulesOf(t, recordedRule)
	for range 3 {
		ev := noren.Event{Site: shopSite, Kind: noren.HTTPRequest, Zone: noren.ZoneAdminLogin, Entities: map[string]string{noren.EntityAddress: "198.51.100.77"},
			Payload: &noren.Request{Method: "GET", Path: "/admin", AccessShadow: "staff_area"}}
		if _, err := w.Decide(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/s/shop/").says(t, "いまは記録だけです", "/s/shop/stopping")
	var a answer
	for end := time.Now().Add(10 * time.Second); ; {
		if a = b.get("/s/shop/stopping"); !strings.Contains(a.body, "数えています") || time.Now().After(end) {
			break
		}
	}
	a.says(t, "3件（1人）が止まったはずです", "198.51.100.•", "本社 からだけ開けます", "何も変わりません")
	if strings.Contains(a.body, "198.51.100.77") {
		t.Error("the address is shown to somebody who did not ask to see it")
	}
	b.post("/s/shop/stopping/admin", "once", newForm()).says(t, "理由を書いてください")
	if h.kept != nil {
		t.Fatal("switched without a reason")
	}
	a = b.post("/s/shop/stopping/admin", "once", newForm(), "reason", "数日見た")
	a.says(t, "締め出されるかどうかを確かめられません", "数日見た") // the test is at this machine
	a = b.post("/s/shop/stopping/admin", "once", newForm(), "reason", "数日見た", "sure", "yes")
	if a.status != 303 || len(h.kept) != 1 || h.kept[0] != "本社" {
		t.Fatalf("%d %s, kept %v", a.status, a.header.Get("Location"), h.kept)
	}
	a = b.get(a.header.Get("Location"))
	a.says(t, "決めた場所からだけ開けるようにしました", "元に戻す")
	_, id, _ := strings.Cut(a.body, `name="undo" value="`)
	if b.post("/s/shop/undo", "undo", id[:26]); h.kept != nil {
		t.Error("the undo undid nothing")
	}
	h.rules = rulesOf(t, keptRule)
	if a := b.post("/s/shop/stopping/admin", "once", newForm(), "reason", "もう一度", "sure", "yes"); a.status != 409 {
		t.Errorf("what stops already was switched: %d", a.status)
	}
	viewer := w.as(staff.Grants{shopSite: staff.Viewer})
	if a := viewer.get("/s/shop/stopping"); strings.Contains(a.body, `action="/s/shop/stopping/admin"`) {
		t.Error("a viewer is offered the switch")
	}
}

// The step to stopping is a thing to do once some days are recorded, and never
// before somebody chose to record.
func TestStoppingMatter(t *testing.T) {
	recorded := force{Site: "shop", Admin: AdminOf(rulesOf(t, recordedRule))}
	shadowOnly := force{Site: "shop", Admin: AdminOf(rulesOf(t, keptRule)), Policies: []policy.Info{{Mode: policy.Shadow}}}
	for _, tt := range []struct {
		name string
		f    force
		w    wouldStop
		days int
		ok   bool
		tone ui.Tone
		says string
	}{
		{"nothing records", force{Admin: AdminOf(rulesOf(t, keptRule))}, wouldStop{}, 7, false, "", ""},
		{"policies that came in shadow", shadowOnly, wouldStop{}, 7, false, "", ""},
		{"begun today", recorded, wouldStop{}, 0, true, ui.Calm, "数えています"},
		{"some days, nothing", recorded, wouldStop{Known: true}, 3, true, ui.Check, "止まったはずの通信はありません"},
		{"some days, much", recorded, wouldStop{Known: true, N: 1234, AtLeast: true}, 5, true, ui.Check, "1,234件以上"},
		{"the firewall", force{Firewall: gateway.WAFShadow, Admin: AdminOf(nil)}, wouldStop{Known: true, N: 2}, 1, true, ui.Calm, "2件が"},
	} {
		m, ok := stoppingMatter(tt.f, tt.w, tt.days)
		if ok != tt.ok || m.Tone != tt.tone || !strings.Contains(m.Why.Ja, tt.says) || ok && m.Do.URL == "" {
			t.Errorf("%s: %v %+v", tt.name, ok, m)
		}
	}
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for back, want := range map[time.Duration]int{-time.Hour: 0, 23 * time.Hour: 0, 25 * time.Hour: 1, 400 * 24 * time.Hour: censusDays} {
		if got := daysRecorded(now.Add(-back), now); got != want {
			t.Errorf("recorded for %s: %d days, want %d", back, got, want)
		}
	}
}

// Only where no customer is among what it would have stopped is a policy ticked
// beforehand.
func TestAdvise(t *testing.T) {
	for _, tt := range []struct {
		name     string
		n        counts
		counting bool
		tone     ui.Tone
		pick     bool
	}{
		{"still counting", counts{Shadow: 3, SalesKnown: true}, true, ui.Calm, false},
		{"nothing yet", counts{SalesKnown: true}, false, ui.Calm, false},
		{"buyers", counts{Shadow: 9, Visitors: 3, Buyers: 1, SalesKnown: true}, false, ui.Check, false},
		{"sales unknown", counts{Shadow: 9, Visitors: 3}, false, ui.Calm, false},
		{"no buyer", counts{Shadow: 9, Visitors: 3, SalesKnown: true}, false, ui.Good, true},
	} {
		if b, pick := advise(tt.n, tt.counting); b.Tone != tt.tone || pick != tt.pick || b.Text.En == "" {
			t.Errorf("%s: %+v, %v", tt.name, b, pick)
		}
	}
}

// What would have been stopped is read off an entry.
func TestWouldBe(t *testing.T) {
	ev := func(k noren.Kind, z noren.Zone, p noren.Payload) *noren.Event {
		return &noren.Event{Kind: k, Zone: z, Payload: p}
	}
	for _, tt := range []struct {
		name string
		ev   *noren.Event
		want string
	}{
		{"ordinary", ev(noren.HTTPRequest, noren.ZoneStorefront, &noren.Request{}), ""},
		{"counted", ev(noren.HTTPRequest, noren.ZoneStorefront, nil), ""},
		{"the admin from elsewhere", ev(noren.HTTPRequest, noren.ZoneAdmin, &noren.Request{AccessShadow: "a"}), wouldAdmin},
		{"another zone's rule", ev(noren.HTTPRequest, noren.ZoneLogin, &noren.Request{AccessShadow: "a"}), ""},
		{"below the score", ev(noren.HTTPRequest, noren.ZoneSearch, &noren.Request{Score: firewallStops - 1}), ""},
		{"an attack", ev(noren.HTTPRequest, noren.ZoneSearch, &noren.Request{Score: firewallStops}), wouldFirewall + "," + wouldFirewall + "search"},
		{"stopped already", ev(noren.HTTPBlocked, noren.ZoneAdmin, &noren.Blocked{Request: noren.Request{AccessShadow: "a", Score: 9}}), ""},
	} {
		if got := strings.Join(wouldBe(tt.ev), ","); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A clean check says the good news first, then what it cannot tell.
func TestProofSaysGoodNewsFirst(t *testing.T) {
	done := &verification{Ended: noren.At(time.Now())}
	for _, tt := range []struct {
		name   string
		s      journal.Standing
		check  *verification
		tone   ui.Tone
		says   string
		limits bool
	}{
		{"clean, no copy outside", journal.Standing{Entries: 5}, done, ui.Good, "書かれたときのまま", true},
		{"clean, a copy named and none out", journal.Standing{Entries: 5, Outside: []string{"x"}}, done, ui.Good, "書かれたときのまま", true},
		{"clean, a copy outside", journal.Standing{Entries: 5, Outside: []string{"x"}, LastOut: &journal.Signed{}}, done, ui.Good, "書かれたときのまま", false},
		{"nobody has checked", journal.Standing{Entries: 5}, nil, ui.Check, "この機械の中にしかありません", false},
	} {
		tone, says := standingSays(tt.s, tt.check)
		if limits := cannotTell(tt.s, tt.check); tone != tt.tone || !strings.Contains(says.Ja, tt.says) || (limits.Ja != "") != tt.limits {
			t.Errorf("%s: %s %q, limits %q", tt.name, tone, says.Ja, limits.Ja)
		}
	}
}

func TestMayBeTaken(t *testing.T) {
	for s, want := range map[notify.Severity]bool{notify.Low: false, notify.Middle: true, notify.High: true} {
		if got := mayBeTaken(notify.Told{Severity: s}); got != want {
			t.Errorf("severity %v: %v", s, got)
		}
		if mayBeTaken(notify.Told{Severity: s, AckedAt: noren.At(time.Now())}) {
			t.Errorf("severity %v is offered again after somebody took it on", s)
		}
	}
}

// After a switch was turned the page names it, and offers the way back.
func TestSwitchesAreNamedAfterwards(t *testing.T) {
	for _, i := range gateway.Switches() {
		for _, said := range []string{saidOn, saidOff} {
			if n, ok := switchNotice(said + string(i.Switch)); !ok || !strings.Contains(n.Text.Ja, i.Name.Ja) || !strings.Contains(n.Text.En, i.Name.En) {
				t.Errorf("%s%s: %+v", said, i.Switch, n)
			}
		}
	}
	for _, bad := range []string{"", "on-", "on-nothing", "card", "on-<b>"} {
		if _, ok := switchNotice(bad); ok {
			t.Errorf("%q says something", bad)
		}
	}
	w := openWorld(t)
	b := w.owner()
	form := newForm()
	a := b.post("/s/shop/emergency/busy", "once", form, "on", "yes", "for", "30m", "reason", "混雑")
	b.get(a.header.Get("Location")).says(t, "をオンにしました", "元に戻す")
	again := b.post("/s/shop/emergency/busy", "once", form, "on", "yes", "for", "30m", "reason", "混雑")
	if again.status != 303 {
		t.Errorf("a second click: %d", again.status)
	}
	b.post("/s/shop/emergency/busy", "once", newForm(), "on", "no", "reason", "すんだ")
	// The back button brings the first form again: what it asks for is not so.
	stale := b.post("/s/shop/emergency/busy", "once", form, "on", "yes", "for", "30m", "reason", "また混雑")
	stale.says(t, "この画面は古くなっていた", "また混雑", "実行する")
	if stale.status != 409 {
		t.Errorf("an old form: %d", stale.status)
	}
}

// Whoever looks is signed in, and joining is a sign-in.
func TestSeenLast(t *testing.T) {
	at := noren.At(time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC))
	later := noren.At(at.AddDate(0, 0, 3))
	for _, tt := range []struct {
		name string
		p    staff.Person
		me   string
		want lastSeen
	}{
		{"me, by the link", staff.Person{ID: "a", CreatedAt: at}, "a", lastSeen{true, at}},
		{"joined, never back", staff.Person{ID: "b", CreatedAt: at}, "a", lastSeen{false, at}},
		{"signed in since", staff.Person{ID: "b", CreatedAt: at, SignedInAt: later}, "a", lastSeen{false, later}},
	} {
		if got := seenLast(&tt.p, tt.me); got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// A link for others says when it is good on this machine alone.
func TestLinkBase(t *testing.T) {
	for _, tt := range []struct {
		secure     bool
		came, host string
		base       string
		here       bool
	}{
		{true, "noren.shop.example:8443", "noren.shop.example", "https://noren.shop.example:8443", false},
		{false, "127.0.0.1:9080", "noren.shop.example", "https://noren.shop.example", false},
		{false, "127.0.0.1:9080", "", "http://127.0.0.1:9080", true},
	} {
		if base, here := linkBase(tt.secure, tt.came, tt.host); base != tt.base || here != tt.here {
			t.Errorf("%+v: %s, %v", tt, base, here)
		}
	}
	w := openWorld(t)
	b := w.owner()
	b.get("/people").says(t, "いまサインイン中")
	b.post("/people/invite", "once", newForm(), "role", "viewer", "site", "shop").says(t, "この機械の中でしか開けません", "console:", "host: noren.shop.example.jp")
}

// Who comes from a shop keeps its menu beside the pages of the whole instance.
func TestShopMenuStays(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	if a := b.get("/people"); strings.Contains(a.body, `href="/s/other/events"`) || !strings.Contains(a.body, "お店の一覧") {
		t.Error("before any shop was looked at, the menu is of one")
	}
	b.get("/s/other/")
	b.get("/people").says(t, `href="/s/other/events"`, `href="/people" aria-current="page"`)
	only := w.as(staff.Grants{shopSite: staff.Viewer})
	if a := only.get("/me"); !strings.Contains(a.body, `href="/s/shop/events"`) || strings.Contains(a.body, "/s/other/") {
		t.Error("the menu of the only shop is missing, or another's is there")
	}
}

// The recovery sheet is confirmed within the set-up, and one stays there.
func TestSheetReturnsToTheSetUp(t *testing.T) {
	w, _ := openHome(t)
	b := w.owner()
	b.get("/s/shop/setup/sheet").says(t, "noren keys sheet", "紙を手に持っています", `name="to" value="setup"`)
	a := b.post("/s/shop/proof/sheet", "once", newForm(), "held", "yes", "to", "setup")
	if to := a.header.Get("Location"); !strings.HasPrefix(to, "/s/shop/setup/sheet?said=sheet") {
		t.Errorf("after the sheet one lands at %q (status %d)", to, a.status)
	}
}
