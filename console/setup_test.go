package console

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/notify"
	"noren/staff"
)

// home stands for the wired program: what the pages ask for, kept in memory.
type home struct {
	standing Standing
	settled  map[string]noren.Time
	rules    gateway.AccessRules
	shuts    noren.Text
	told     []Hearer
	kept     []string
	check    *Checkup
	begun    int
}

func (h *home) Standing(context.Context, string) (Standing, error) { return h.standing, nil }
func (h *home) Detect(context.Context, string) (gateway.Detected, error) {
	return gateway.Detected{Program: "eccube4", Preset: "eccube4", Title: noren.Text{Ja: "EC-CUBE 4", En: "EC-CUBE 4"}, Confidence: gateway.Sure}, nil
}

func (h *home) Settled(_ context.Context, site string) (map[string]noren.Time, error) {
	out := map[string]noren.Time{}
	for k, v := range h.settled {
		if s, step, _ := strings.Cut(k, " "); s == site {
			out[step] = v
		}
	}
	return out, nil
}

func (h *home) Settle(_ context.Context, site, step, _ string, on bool) error {
	delete(h.settled, site+" "+step)
	if on {
		h.settled[site+" "+step] = noren.At(time.Now())
	}
	return nil
}
func (h *home) Rules(string) gateway.AccessRules { return h.rules }
func (h *home) ShutsOut(string, netip.Addr, string, *gateway.NamedPlace) noren.Text {
	return h.shuts
}
func (h *home) ClosesOn(string, netip.Addr, []string) noren.Text { return h.shuts }

func (h *home) KeepAdmin(_ context.Context, _ string, places []string, _ bool, _, _ string) (func(context.Context, string) error, error) {
	h.kept = places
	return func(context.Context, string) error { h.kept = nil; return nil }, nil
}

func (h *home) Tell(_ context.Context, _ string, who []Hearer, _, _ string) (func(context.Context, string) error, error) {
	h.told = who
	return func(context.Context, string) error { h.told = nil; return nil }, nil
}

func (h *home) Test(context.Context, string) ([]notify.Answer, error) {
	return []notify.Answer{{Receiver: "person1", To: "h***@shop.example", Error: "<script>alert(1)</script>"}}, nil
}

func (h *home) Try(_ context.Context, _ string, kind TryKind) (Tried, error) {
	t := Tried{Kind: kind, Mark: "M", Line: "GET http://shop/?noren_test=M", Status: 200, Seen: true, Zone: noren.ZoneStorefront, Verdict: noren.Allow}
	if kind != TryPage {
		t.Status, t.Ticket, t.Cause, t.Verdict, t.Entry = 403, "ABCDE-12345", noren.CauseWAF, noren.Block, "1"
	}
	return t, nil
}
func (h *home) Begin(string) { h.begun++ }
func (h *home) Last(string) (Checkup, bool) {
	if h.check == nil {
		return Checkup{}, false
	}
	return *h.check, true
}

// openHome is a world with its surroundings.
func openHome(t *testing.T) (*world, *home) {
	h := &home{settled: map[string]noren.Time{}}
	return openWorld(t, func(_ *world, o *Options) { o.House, o.Gate, o.Bell, o.Trial, o.Checks = h, h, h, h, h }), h
}

func rulesOf(t *testing.T, text string) gateway.AccessRules {
	t.Helper()
	rules, err := gateway.ParseAccess("access.yaml", []byte("version: 1\nrules:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// Each step is judged by what is in force, and by nothing else.
func TestSetupSteps(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	up := []gateway.ServerStatus{{Server: "http://127.0.0.1:3000", State: "up"}}
	told, err := notify.Parse("notify.yaml", []byte("version: 1\nreceivers:\n  - {name: owner, mail: o@shop.example}\ntell: {high: [owner], middle: [owner], low: [owner]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	eccube := &gateway.Detected{Preset: "eccube4", Confidence: gateway.Sure, Title: noren.Text{Ja: "EC-CUBE 4", En: "EC-CUBE 4"}}
	on := rulesOf(t, "  - {name: a, zones: [staff], allow: {places: [本社]}, reason: {ja: あ, en: a}}\n")
	shadow := rulesOf(t, "  - {name: a, zones: [staff], mode: shadow, allow: {places: [本社]}, reason: {ja: あ, en: a}}\n")
	part := rulesOf(t, "  - {name: a, zones: [admin], allow: {places: [本社]}, reason: {ja: あ, en: a}}\n")
	for name, tt := range map[string]struct {
		step string
		s    setupState
		done bool
		says string
	}{
		"generic, nobody looked":         {stepShop, setupState{Servers: up}, false, "確かめて"},
		"generic with zones":             {stepShop, setupState{Servers: up, Site: gateway.Site{Zones: map[noren.Zone][]string{noren.ZoneLogin: {"/in"}}}}, true, ""},
		"the wrong preset":               {stepShop, setupState{Servers: up, Detected: eccube, Site: gateway.Site{Preset: "welcart"}}, false, "EC-CUBE 4 のよう"},
		"the right preset":               {stepShop, setupState{Servers: up, Detected: eccube, Site: gateway.Site{Preset: "eccube4"}}, true, "EC-CUBE 4"},
		"the shop is down":               {stepShop, setupState{Servers: []gateway.ServerStatus{{State: "down"}}, Site: gateway.Site{Preset: "eccube4"}}, false, "応答していません"},
		"no TLS":                         {stepHosts, setupState{}, false, "https"},
		"a proxy in front":               {stepHosts, setupState{Site: gateway.Site{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}}, true, ""},
		"no certificate yet":             {stepHosts, setupState{Site: gateway.Site{TLS: &gateway.KeyPair{ACME: true}}, Certs: []gateway.CertificateStatus{{Host: "a"}}}, false, "まだ"},
		"an expired one":                 {stepHosts, setupState{Site: gateway.Site{TLS: &gateway.KeyPair{}}, Certs: []gateway.CertificateStatus{{Host: "a", NotAfter: now.Add(-time.Hour)}}}, false, "a の証明書"},
		"a valid one":                    {stepHosts, setupState{Site: gateway.Site{TLS: &gateway.KeyPair{}}, Certs: []gateway.CertificateStatus{{Host: "a", NotAfter: now.Add(time.Hour)}}}, true, ""},
		"anybody":                        {stepPlaces, setupState{}, false, "世界中"},
		"a place and no rule":            {stepPlaces, setupState{Places: []gateway.NamedPlace{{Name: "本社"}}}, false, "場所は登録してあります"},
		"a rule in force":                {stepPlaces, setupState{Rules: on}, true, "決めた場所（本社）から"},
		"a rule in shadow":               {stepPlaces, setupState{Rules: shadow}, true, "記録"},
		"a rule for a part of the admin": {stepPlaces, setupState{Rules: part}, false, "世界中"},
		"on":                             {stepGuard, setupState{}, true, ""},
		"shadow":                         {stepGuard, setupState{Site: gateway.Site{WAF: gateway.WAFShadow}}, false, "記録だけ"},
		"off":                            {stepGuard, setupState{Site: gateway.Site{WAF: gateway.WAFOff}}, false, "調べていません"},
		"nobody is told":                 {stepNotices, setupState{}, false, "だれにも"},
		"no mail server":                 {stepNotices, setupState{Standing: Standing{Rules: told}}, false, "メールサーバー"},
		"told":                           {stepNotices, setupState{Standing: Standing{Rules: told, Mail: "smtp.example:587"}}, true, ""},
		"no sheet":                       {stepSheet, setupState{NoSheet: true}, false, ""},
		"not tried":                      {stepTest, setupState{}, false, ""},
		"tried":                          {stepTest, setupState{Settled: map[string]noren.Time{stepTest: noren.At(now)}}, true, "11月28日"},
		"left as it is":                  {stepPlaces, setupState{Settled: map[string]noren.Time{stepPlaces: noren.At(now)}}, true, "世界中"},
	} {
		tt.s.Now = now
		for _, step := range tt.s.steps() {
			if step.Key == tt.step && (step.Done != tt.done || !strings.Contains(step.Says.Ja, tt.says) || step.Says.En == "") {
				t.Errorf("%s: %+v", name, step)
			}
		}
	}
}

func TestSetupMatter(t *testing.T) {
	all := func(done int) (out []setupStep) {
		for i := range 7 {
			out = append(out, setupStep{Key: string(rune('a' + i)), Done: i < done, Name: noren.Text{Ja: "歩", En: "step"}})
		}
		return out
	}
	for done, want := range map[int]ui.Tone{0: ui.Check, 2: ui.Check, 3: ui.Calm, 6: ui.Calm, 7: ""} {
		if m, ok := setupMatter("shop", all(done)); m.Tone != want || ok != (want != "") || ok && m.Do.URL != "/s/shop/setup" {
			t.Errorf("%d done: %+v, %v", done, m, ok)
		}
	}
}

func TestTriedInWords(t *testing.T) {
	for name, tt := range map[string]struct {
		t    Tried
		waf  gateway.WAFMode
		tone ui.Tone
	}{
		"a page":                 {Tried{Kind: TryPage, Status: 200}, "", ui.Good},
		"a page that is refused": {Tried{Kind: TryPage, Status: 403, Cause: noren.CauseChallenge, Ticket: "x"}, "", ui.Check},
		"a broken shop":          {Tried{Kind: TryPage, Status: 502}, "", ui.Alert},
		"an attack stopped":      {Tried{Kind: TryAttack, Status: 403, Cause: noren.CauseWAF}, "", ui.Good},
		"an attack in shadow":    {Tried{Kind: TryAttack, Status: 200}, gateway.WAFShadow, ui.Check},
		"an attack, WAF off":     {Tried{Kind: TryAttack, Status: 200}, gateway.WAFOff, ui.Alert},
		"an attack through":      {Tried{Kind: TryAttack, Status: 200}, gateway.WAFOn, ui.Alert},
		"a secret file through":  {Tried{Kind: TrySecret, Status: 200}, gateway.WAFShadow, ui.Alert},
	} {
		if r := explainTried(tt.t, tt.waf); r.Badge.Tone != tt.tone || r.Says.Ja == "" || r.Says.En == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The guided set-up leads from step to step, keeps what people decide, and can be
// taken back.
func TestSetupPages(t *testing.T) {
	w, h := openHome(t)
	b := w.owner()
	b.get("/s/shop/setup").says(t, "お店を守る準備", "知らせるメール", "続ける")
	b.get("/s/shop/").says(t, "案内の続き", "/s/shop/setup")
	b.get("/s/shop/setup/shop").says(t, "EC-CUBE 4", "preset: eccube4", "お客様がログインする所")
	b.get("/s/shop/setup/hosts").says(t, "tls: {acme: true}", "shop.example.jp")
	if a := b.get("/s/shop/setup/nonsense"); a.status != 404 {
		t.Errorf("a step that does not exist: %d", a.status)
	}
	if a := b.post("/s/shop/setup/hosts/settle", "once", newForm()); a.status != 303 || h.settled["shop hosts"].IsZero() {
		t.Errorf("settle: %d, %v", a.status, h.settled)
	}
	b.get("/s/shop/setup").says(t, "このままにする")
	if a := b.post("/s/shop/setup/sheet/settle", "once", newForm()); a.status != 404 {
		t.Errorf("the sheet cannot be waved through: %d", a.status)
	}
	for _, bad := range []string{"", "no mail", "a@b.example, c@d.example", "<x> y@z.example", strings.Repeat("a", 300) + "@x.example"} {
		if a := b.post("/s/shop/setup/notices/tell", "once", newForm(), "mail", bad); a.status != 422 || h.told != nil {
			t.Errorf("mail %.20q: %d", bad, a.status)
		}
	}
	a := b.post("/s/shop/setup/notices/tell", "once", newForm(), "mail", "o@shop.example", "next", "p@shop.example")
	if a.status != 303 || len(h.told) != 2 || !h.told[1].Next {
		t.Errorf("tell: %d %+v", a.status, h.told)
	}
	b.post("/s/shop/setup/notices/test", "once", newForm())
	h.standing.Rules, _ = notify.Parse("notify.yaml", []byte("version: 1\nreceivers:\n  - {name: owner, mail: owner@shop.example}\n"))
	page := b.get("/s/shop/setup/notices")
	page.says(t, "o***@shop.example", "送れません", "&lt;script&gt;")
	if strings.Contains(page.body, "owner@shop.example") || strings.Contains(page.body, "<script>alert") {
		t.Error("a mail address or a foreign script stands on the page")
	}
	once := newForm()
	b.post("/s/shop/setup/test/now", "once", once)
	b.get("/s/shop/setup/test").says(t, "入口で止まりました", "ABCDE-12345", "記録にあります", "お店の一般ページ")
	if h.settled["shop test"].IsZero() {
		t.Error("the test is not remembered")
	}
	for n := 2; n <= triesMost+1; n++ {
		a := b.post("/s/shop/setup/test/now", "once", newForm())
		if often := strings.Contains(a.header.Get("Location"), "tried-often"); often != (n > triesMost) {
			t.Errorf("try %d leads to %s", n, a.header.Get("Location"))
		}
	}
}

// Places: made, changed, removed, taken back; what would shut somebody out is asked.
func TestPlacesPages(t *testing.T) {
	w, h := openHome(t)
	b := w.owner()
	a := b.post("/s/shop/places", "once", newForm(), "name", "本社", "nets", "203.0.113.7, 2001:db8::5", "for", "always")
	if a.status != 303 {
		t.Fatalf("make: %d %s", a.status, a.body)
	}
	place := w.places.Find(shopSite, "本社")
	if place == nil || gateway.NetworksText(place.Networks) != "203.0.113.7, 2001:db8::/64" {
		t.Fatalf("made %+v", place)
	}
	b.get("/s/shop/places").says(t, "本社", "203.0.113.7", "まだ使われていません")
	for field, v := range map[string][2]string{"name": {"<b>", "203.0.113.7"}, "nets": {"自宅", "../etc"}, "wide": {"広い", "10.0.0.0/4"}, "same": {"本社", "203.0.113.8"}} {
		if a := b.post("/s/shop/places", "once", newForm(), "name", v[0], "nets", v[1], "for", "always"); a.status != 422 || strings.Contains(a.body, "<b>\"") {
			t.Errorf("%s: %d", field, a.status)
		}
	}
	h.rules = rulesOf(t, "  - {name: staff_area, zones: [staff], allow: {places: [本社]}, reason: {ja: あ, en: a}}\n")
	at := "/s/shop/places/" + place.ID
	if a := b.post(at+"/remove", "once", newForm(), "reason", "移転"); a.status != 409 || w.places.Find(shopSite, "本社") == nil {
		t.Errorf("removing the only way in is not asked: %d", a.status)
	} else {
		a.says(t, "だれも入れなくなります", `name="sure"`, "移転")
	}
	if a := b.post(at, "once", newForm(), "nets", "198.51.100.1", "for", "same"); a.status != 409 {
		t.Errorf("moving a place that a rule uses is not asked: %d", a.status)
	}
	if a := b.post(at, "once", newForm(), "nets", "203.0.113.0/28 2001:db8::/64", "for", "same"); a.status != 303 {
		t.Errorf("widening: %d %.2000s", a.status, a.body)
	}
	place = w.places.Find(shopSite, "本社")
	a = b.post("/s/shop/places/"+place.ID+"/remove", "once", newForm(), "reason", "移転", "sure", "yes")
	if a.status != 303 || w.places.Find(shopSite, "本社") != nil {
		t.Fatalf("remove: %d", a.status)
	}
	_, undo, _ := strings.Cut(a.header.Get("Location"), "undo=")
	undo, _, _ = strings.Cut(undo, "&")
	if a := b.post("/s/shop/undo", "undo", undo, "to", "/s/shop/places"); a.status != 303 || w.places.Find(shopSite, "本社") == nil {
		t.Errorf("undo: %d", a.status)
	}
	if a := b.post("/s/shop/places/admin", "once", newForm(), "reason", "守る", "mode", "on"); a.status != 409 || h.kept != nil {
		t.Errorf("closing the admin from the machine itself is not asked: %d", a.status)
	}
	if a := b.post("/s/shop/places/admin", "once", newForm(), "reason", "守る", "mode", "on", "sure", "yes"); a.status != 303 || len(h.kept) != 1 {
		t.Errorf("closing: %d %v", a.status, h.kept)
	}
}

// What belongs to another site is not found; a viewer may look and not change.
func TestSetupRights(t *testing.T) {
	w, h := openHome(t)
	b := w.owner()
	place, _, err := w.places.Set(t.Context(), gateway.NamedPlace{Site: otherSite, Name: "自宅", Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}, Author: "x"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/s/shop/places/" + place.ID, "/s/none/site", "/s/none/places", "/s/none/setup", "/s/none/setup/shop"} {
		if a := b.get(at); a.status != 404 || strings.Contains(a.body, "自宅") {
			t.Errorf("%s: %d", at, a.status)
		}
	}
	for _, at := range []string{"/remove", ""} {
		if a := b.post("/s/shop/places/"+place.ID+at, "once", newForm(), "reason", "x", "nets", "203.0.113.1", "for", "same", "sure", "yes"); a.status != 404 {
			t.Errorf("%s of another site: %d", at, a.status)
		}
	}
	viewer := w.as(staff.Grants{otherSite: staff.Viewer})
	page := viewer.get("/s/other/places")
	page.says(t, "自宅", "隠しています")
	if strings.Contains(page.body, "203.0.113.9") || strings.Contains(page.body, "登録する</button>") {
		t.Error("a viewer sees somebody's home address, or a form")
	}
	for _, at := range []string{"/site/check", "/places", "/places/admin", "/places/" + place.ID, "/places/" + place.ID + "/remove", "/setup/shop/settle", "/setup/notices/tell", "/setup/notices/test", "/setup/test/now"} {
		if a := viewer.post("/s/other"+at, "once", newForm()); a.status != 403 {
			t.Errorf("a viewer at %s: %d", at, a.status)
		}
		if a := viewer.post("/s/shop"+at, "once", newForm()); a.status != 404 {
			t.Errorf("a viewer of another site at %s: %d", at, a.status)
		}
	}
	if h.begun+len(h.told)+len(h.settled) != 0 {
		t.Error("something was done")
	}
}

// The page of the site shows the last check; texts from outside stay text.
func TestSitePage(t *testing.T) {
	w, h := openHome(t)
	b := w.owner()
	b.get("/s/shop/site").says(t, "まだ点検していません", "shop.example.jp", "止めています", "よくある", "いま点検する")
	b.post("/s/shop/site/check", "once", newForm())
	if h.begun != 1 {
		t.Errorf("%d checks were begun", h.begun)
	}
	h.check = &Checkup{Began: noren.At(time.Now()), Done: 2, Of: 9, Now: noren.Text{Ja: "お店のサーバー", En: "servers"}}
	a := b.get("/s/shop/site")
	a.says(t, "調べています", "2 / 9", `hx-trigger="every 1s"`)
	if strings.Contains(a.body, "いま点検する") {
		t.Error("a second check can be begun while one runs")
	}
	h.check = &Checkup{Began: noren.At(time.Now()), Ended: noren.At(time.Now()), Cut: true, Findings: []Finding{
		{Key: "shop", Tone: ui.Alert, Title: noren.Text{Ja: "お店の応答", En: "answer"}, Says: noren.Text{Ja: "<img src=x onerror=alert(1)>\n二行目\u202e", En: "x"}, Mend: noren.Text{Ja: "起動する", En: "start"}, Lines: "waf: on\n"},
	}}
	a = b.get("/s/shop/site")
	a.says(t, "直してください", "&lt;img", "\n二行目␣", "起動する", "waf: on", "途中までの結果")
	if strings.Contains(a.body, "<img src=x") {
		t.Error("a finding became a tag")
	}
}

func FuzzNetworksOf(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "203.0.113.0/28, 2001:db8::1", "::ffff:1.2.3.4/120", "a\u202eb", " ,,、", "0.0.0.0/0", "fe80::1%eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := networksOf(s)
		if (err == nil) == (len(got) == 0) || len(got) > maxNets {
			t.Fatalf("%q: %v, %v", s, got, err)
		}
		for _, n := range got {
			if !n.IsValid() || n != n.Masked() {
				t.Errorf("%q: %v", s, n)
			}
		}
	})
}
