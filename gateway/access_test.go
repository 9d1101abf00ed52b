package gateway

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// guarded is a gateway whose shop says who may enter.
type guarded struct {
	*standing
	hall
	lists *Lists
	now   time.Time
}

func standGuarded(t *testing.T, d *db.DB, sealer Sealer, rules string) *guarded {
	t.Helper()
	s := &guarded{now: noon}
	now := func() time.Time { return s.now }
	loop := &loopback{}
	s.hall = openHall(t, d, sealer, &s.now, loop)
	s.lists, _ = openLists(t, d, sealer, now)
	s.standing = stand(t, func(o *Options) {
		o.Places, o.Lists, o.Now = s.Places, s.lists, now
		o.Country = func(a netip.Addr) string {
			return map[string]string{"192.0.2.1": "JP", "192.0.2.2": "KP", "192.0.2.3": "KP"}[a.String()]
		}
		o.SearchEngine = func(a netip.Addr, _ string, _ time.Time) string {
			return map[string]string{"192.0.2.3": "google"}[a.String()]
		}
		o.Settings.Access = mustAccess(t, rules)
		o.Settings.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	return s
}

// from asks for a page from an address and returns the status.
func (s *guarded) from(addr, target string) int {
	res, _ := s.do("GET", target, "", "X-Forwarded-For: "+addr)
	return res.StatusCode
}

const officeOnly = "  - name: office\n    allow: {places: [本社]}\n" + why

func TestAdminFromTheOfficeOnly(t *testing.T) {
	s := standGuarded(t, dbtest.Open(t, db.SQLite), newSealer(t), officeOnly)
	s.hall.set(t, "本社", "198.51.100.0/28", 0)
	for target, want := range map[string]int{"/admin": 403, "/admin/login": 403, "/%61dmin/": 403, "/x/..;/admin/": 403, "/": 200, "/products/list": 200} {
		if got := s.from("203.0.113.7", target); got != want {
			t.Errorf("%s from elsewhere: %d, want %d", target, got, want)
		}
	}
	for _, target := range []string{"/admin", "/admin/login"} {
		if got := s.from("198.51.100.3", target); got != 200 {
			t.Errorf("%s from the office: %d", target, got)
		}
	}
	if got := s.from("198.51.100.3, 203.0.113.7", "/admin"); got != 403 {
		t.Errorf("who only says to be in the office: %d", got)
	}

	res, body := s.do("GET", "/admin", "", "X-Forwarded-For: 203.0.113.7", "Accept-Language: ja")
	if res.StatusCode != 403 || !strings.Contains(body, "203.0.113.7") || !strings.Contains(body, "管理画面に入れません") || strings.Contains(body, "office") || strings.Contains(body, "本社") {
		t.Errorf("the page: %d\n%s", res.StatusCode, body)
	}
	_, en := s.do("GET", "/admin", "", "X-Forwarded-For: 2001:db8::7", "Accept-Language: en")
	en = strings.ReplaceAll(en, "<wbr>", "") // where an address may be broken
	if !strings.Contains(en, "2001:db8::7") || !strings.Contains(en, "cannot be entered from here") {
		t.Errorf("the page in English:\n%s", en)
	}
	_, problem := s.do("GET", "/admin/api", "", "X-Forwarded-For: 203.0.113.7", "Accept: application/json")
	var p struct{ Address, Ticket string }
	if err := json.Unmarshal([]byte(problem), &p); err != nil || p.Address != "203.0.113.7" || p.Ticket == "" {
		t.Errorf("for programs: %s", problem)
	}
	blocks := s.standing.loop.of(noren.HTTPBlocked)
	got := blocks[len(blocks)-1].Payload.(*noren.Blocked)
	if got.Cause != noren.CauseAccess || got.Rule != "office" || got.Status != http.StatusForbidden || got.Ticket != p.Ticket {
		t.Errorf("recorded %+v", got)
	}
}

// An allow-list entry opens the shop to whom a rule keeps out of it, and never
// the admin; a search engine whose address is verified may read the shop.
func TestWhatOutranksAccessRules(t *testing.T) {
	s := standGuarded(t, dbtest.Open(t, db.SQLite), newSealer(t), officeOnly+"  - name: no-kp\n    zones: [shop]\n    deny: {countries: [KP]}\n"+why)
	if a, b, c := s.from("192.0.2.1", "/"), s.from("192.0.2.2", "/"), s.from("192.0.2.3", "/"); a != 200 || b != 403 || c != 200 {
		t.Errorf("JP %d, KP %d, search engine %d", a, b, c)
	}
	_, body := s.do("GET", "/", "", "X-Forwarded-For: 192.0.2.2")
	if strings.Contains(body, "192.0.2.2") || strings.Contains(body, "管理画面") {
		t.Error("the shop's own page speaks of the admin or of addresses")
	}
	mustSet(t, s.lists, ListAllow, "192.0.2.2/32")
	if shop, admin := s.from("192.0.2.2", "/"), s.from("192.0.2.2", "/admin"); shop != 200 || admin != 403 {
		t.Errorf("on the allow-list: shop %d, admin %d", shop, admin)
	}
	s.hall.set(t, "本社", "198.51.100.0/28", 0)
	mustBan(t, s.lists, "198.51.100.3/32")
	if got := s.from("198.51.100.3", "/admin"); got != 403 {
		t.Errorf("banned, in the office: %d", got)
	}
	mustSet(t, s.lists, ListAllow, "198.51.100.0/28")
	if got := s.from("198.51.100.3", "/admin"); got != 200 {
		t.Errorf("banned and allowed, in the office: %d", got)
	}
}

// A rule in shadow keeps nobody out and tells whom it would have.
func TestAccessRuleInShadow(t *testing.T) {
	s := standGuarded(t, dbtest.Open(t, db.SQLite), newSealer(t), "  - name: try\n    mode: shadow\n    allow: {countries: [JP]}\n"+why)
	if a, b := s.from("203.0.113.7", "/admin"), s.from("192.0.2.1", "/admin"); a != 200 || b != 200 {
		t.Fatalf("%d, %d: kept out by a shadow", a, b)
	}
	var told []string
	for _, ev := range s.standing.loop.of(noren.HTTPRequest) {
		told = append(told, ev.Entities[noren.EntityAddress]+" "+ev.Payload.(*noren.Request).AccessShadow)
	}
	if got := strings.Join(told, "|"); got != "203.0.113.7 try|192.0.2.1 " {
		t.Errorf("recorded %q", got)
	}
}

// Two nodes over one database: a place, an opening and their ends made on one
// hold on the other, and why says so on both.
func TestAccessOnTwoNodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer := newSealer(t)
		a, b := standGuarded(t, d, sealer, officeOnly), standGuarded(t, d, sealer, officeOnly)
		both := func(when string, want int) {
			t.Helper()
			if err := b.Places.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, s := range map[string]*guarded{"a": a, "b": b} {
				if got := s.from("203.0.113.7", "/admin/login"); got != want {
					t.Errorf("%s, node %s: %d, want %d", when, name, got, want)
				}
				e, err := s.Why(t.Context(), "shop", netip.MustParseAddr("203.0.113.7"), "GET", "/admin/login")
				if err != nil || e.Would.Pass != (want == 200) || want == 403 && (e.Would.Cause != noren.CauseAccess || e.Would.Rule != "office") || len(e.Access) != 1 {
					t.Errorf("%s, node %s: why says %+v, %v", when, name, e.Would, err)
				}
			}
		}
		both("before", 403)
		a.hall.set(t, "本社", "203.0.113.7/32", time.Hour)
		both("in the place", 200)
		a.now, b.now = noon.Add(time.Hour), noon.Add(time.Hour)
		both("its time over", 403)
		o := Opening{Site: "shop", Zones: []noren.Zone{noren.ZoneAdminLogin}, Reason: "出張", Until: noren.At(a.now.Add(30 * time.Minute))}
		if _, err := a.Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		both("opened", 200)
		e, err := b.WhyZone(t.Context(), "shop", netip.MustParseAddr("203.0.113.7"), "GET", noren.ZoneAdmin)
		if err != nil || e.Would.Pass || e.Opening != nil {
			t.Errorf("a zone that is not opened: %+v, %v", e, err)
		}
		if _, err := a.EndOpenings(t.Context(), "shop", "hanako", ""); err != nil {
			t.Fatal(err)
		}
		both("closed again", 403)
		if _, err := b.WhyZone(t.Context(), "shop", netip.MustParseAddr("203.0.113.7"), "GET", "kitchen"); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("no such zone: %v", err)
		}
	})
}

// A site's own rules stand in the place of the shared ones, and wrong ones change
// nothing.
func TestAccessRulesBySite(t *testing.T) {
	s := standGuarded(t, dbtest.Open(t, db.SQLite), newSealer(t), officeOnly)
	next := Settings{Sites: s.Sites(), Access: mustAccess(t, officeOnly), SiteAccess: map[string]AccessRules{"shop": {}}}
	if err := s.Apply(next); err != nil {
		t.Fatal(err)
	}
	if got := s.from("203.0.113.7", "/admin"); got != 200 {
		t.Errorf("with its own rules, which are none: %d", got)
	}
	next.SiteAccess["shop"] = AccessRules{{Name: "bad"}}
	if err := s.Apply(next); noren.CodeOf(err) == "" || s.from("203.0.113.7", "/admin") != 200 {
		t.Errorf("a wrong rule: %v", err)
	}
}
