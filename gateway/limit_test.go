package gateway

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/kv"
)

func TestShippedLimits(t *testing.T) {
	limits, err := ShippedLimits()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, l := range limits {
		names[l.Name] = true
		if l.By == ByAccount {
			t.Errorf("limit %s goes by account: a stranger could lock a customer out", l.Name)
		}
	}
	for _, want := range []string{"flood", "login", "admin_login", "checkout", "search", "reset", "signup", "contact"} {
		if !names[want] {
			t.Errorf("no limit called %s", want)
		}
	}
}

func TestLimitFaultsHaveLines(t *testing.T) {
	_, err := ParseLimits("limits.yaml", []byte(`version: 1
limits:
  - {name: a, by: address, rate: 10/1m}
  - {name: a, by: nobody, rate: 10/1m}
  - {name: b, zones: [nowhere], by: net, rate: ten}
  - {name: c, by: net, rate: 10/1m, burts: 3}
`))
	if err == nil {
		t.Fatal("faults are accepted")
	}
	for _, want := range []string{"limits.yaml:4:", "limits.yaml:5:", "limits.yaml:6:", "nobody", "nowhere", "ten", "stands twice", "burst"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	for in, ok := range map[string]bool{"10/1m": true, "5/7d": false, "1/1s": true, "0/1m": false, "1/1ms": false, "x": false, "1/": false} {
		var r Rate
		if err := r.UnmarshalText([]byte(in)); (err == nil) != ok {
			t.Errorf("rate %q: %v", in, err)
		}
	}
}

func TestLimitKeys(t *testing.T) {
	p := party{addr: netip.MustParseAddr("203.0.113.7"), session: "s"}
	six := party{addr: netip.MustParseAddr("2001:db8:1:2:3:4:5:6"), account: "a"}
	tests := []struct {
		by   By
		p    party
		want string
	}{
		{ByAddress, p, "limit|shop|l|203.0.113.7/32"},
		{ByNet, p, "limit|shop|l|203.0.113.0/24"},
		{BySession, p, "limit|shop|l|s"},
		{BySession, party{addr: p.addr}, "limit|shop|l|203.0.113.7/32"},
		{ByAccount, p, ""},
		{BySite, p, "limit|shop|l|"},
		{ByAddress, six, "limit|shop|l|2001:db8:1:2::/64"},
		{ByNet, six, "limit|shop|l|2001:db8:1::/48"},
		{ByAccount, six, "limit|shop|l|a"},
	}
	for _, tt := range tests {
		l := Limit{Name: "l", By: tt.by}
		got, _, ok := l.key("shop", tt.p)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s of %+v: %q, want %q", tt.by, tt.p, got, tt.want)
		}
	}
}

// limited sends n requests of one party and counts how many pass.
func limited(t *testing.T, store kv.Store, limits []Limit, z noren.Zone, p party, at time.Time, n int) (passed int) {
	t.Helper()
	s := &shop{Site: Site{Name: "shop"}, limits: limits}
	for range n {
		asked := s.takes(z, "POST", p, at, false, func(*Limit) bool { return true })
		results, err := store.Do(t.Context(), ops(asked)...)
		if err != nil {
			t.Fatal(err)
		}
		ok := true
		for _, r := range results {
			ok = ok && r.Allowed
		}
		if ok {
			passed++
		}
	}
	return passed
}

// A thousand buyers behind one address check out in ten minutes while a script
// there throws its cookies away: all buyers pass, the script does not.
func TestBuyersBehindOneAddress(t *testing.T) {
	limits, err := ShippedLimits()
	if err != nil {
		t.Fatal(err)
	}
	store := kv.NewMemory(100_000)
	addr := netip.MustParseAddr("203.0.113.7")
	scripted, stopped := 0, 0
	for i := range 1000 {
		at := testTime.Add(time.Duration(i) * 600 * time.Millisecond)
		buyer := party{addr: addr, session: fmt.Sprint("buyer", i)}
		if limited(t, store, limits, noren.ZoneCheckout, buyer, at, 5) != 5 {
			stopped++
		}
		scripted += limited(t, store, limits, noren.ZoneCheckout, party{addr: addr}, at, 3)
	}
	if stopped > 1 {
		t.Errorf("%d of 1000 buyers were stopped", stopped)
	}
	if scripted > 100 {
		t.Errorf("%d of 3000 requests of the script passed", scripted)
	}
}

func TestLimitsEndToEnd(t *testing.T) {
	s := stand(t, nil)
	login := func(header ...string) int {
		res, _ := s.do("POST", "/mypage/login", "login_email=a%40example.jp&login_pass=x", header...)
		if res.StatusCode == 429 && res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return res.StatusCode
	}
	statuses := map[int]int{}
	for range 30 {
		statuses[login()]++
	}
	if statuses[200] != 20 || statuses[429] != 10 {
		t.Errorf("30 sign-ins without a session: %v, want 20 passed", statuses)
	}
	if got := login("Cookie: eccube=abc"); got != 200 {
		t.Errorf("a buyer with a session of their own behind the same address: status %d", got)
	}
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("another zone: status %d", res.StatusCode)
	}
	blocks := s.loop.of(noren.HTTPBlocked)
	if got := blocks[0].Payload.(*noren.Blocked); got.Cause != noren.CauseLimit || got.Rule != "login" || got.Status != 429 {
		t.Errorf("event %+v", got)
	}
}

func TestSiteLimitsReplaceTheOthers(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Settings.SiteLimits = map[string][]Limit{"shop": {{Name: "one", By: ByAddress, Rate: Rate{1, time.Hour}}}}
	})
	s.do("GET", "/", "")
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 429 {
		t.Errorf("status %d, want the site's own limit", res.StatusCode)
	}
}

func TestWhy(t *testing.T) {
	lists := listsInMemory(t)
	s := stand(t, func(o *Options) {
		o.Lists = lists
		o.Settings.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
		o.Settings.Limits = []Limit{{Name: "two", By: ByAddress, Rate: Rate{2, time.Hour}}}
	})
	why := func(addr, method, target string) Explanation {
		t.Helper()
		e, err := s.Why(t.Context(), "shop", netip.MustParseAddr(addr), method, target)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := why("203.0.113.7", "", ""); !e.Would.Pass || e.Place.Zone != noren.ZoneStorefront || len(e.Limits) != 1 || e.Limits[0].Remaining != 1 || len(e.Warnings) != 0 {
		t.Errorf("a stranger: %+v", e)
	}
	if e := why("203.0.113.7", "POST", "https://shop.example.jp/x/..;/%61dmin/login?a=b"); e.Place.Zone != noren.ZoneAdminLogin || e.Place.View != "/admin/login" {
		t.Errorf("a disguised path: %+v", e.Place)
	}
	if e := why("203.0.113.7", "", "/.env"); e.Would.Cause != noren.CauseForbidden {
		t.Errorf("a secret file: %+v", e.Would)
	}
	ban := mustBan(t, lists, "203.0.113.0/24")
	if e := why("203.0.113.7", "", "/"); e.Would.Cause != noren.CauseBan || e.Would.Rule != ban.ID || len(e.Ban) != 1 || e.Ban[0].Author != "test" {
		t.Errorf("banned: %+v", e)
	}
	mustSet(t, lists, ListAllow, "203.0.113.7/32")
	if e := why("203.0.113.7", "", "/"); !e.Would.Pass || len(e.Allow) != 1 || len(e.Ban) != 1 {
		t.Errorf("banned and allowed: %+v", e)
	}
	for range 3 {
		s.do("GET", "/", "")
	}
	if e := why("127.0.0.1", "", "/"); e.Would.Cause != noren.CauseLimit || e.Limits[0].RetryAfter == 0 || len(e.Warnings) == 0 {
		t.Errorf("too fast, from loopback: %+v", e)
	}
	if e := why("198.51.100.9", "", "/"); len(e.Warnings) == 0 {
		t.Error("no warning about a trusted proxy")
	}
	if _, err := s.Why(t.Context(), "nobody", netip.MustParseAddr("203.0.113.7"), "", ""); noren.CodeOf(err) != noren.NotFound {
		t.Errorf("a site that is not: %v", err)
	}
}

func TestPresets(t *testing.T) {
	want := []string{"eccube2", "eccube4", "generic", "magento2", "sampleshop", "vendure", "welcart", "woocommerce"}
	if got := PresetNames(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("presets %v, want %v", got, want)
	}
	for _, name := range want {
		s := Site{Name: "shop", Hosts: []string{"x.example"}, Upstream: "http://127.0.0.1:1", Preset: name}
		if err := s.Valid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p, _ := LookupPreset(name)
		if p.Title.Ja == "" || p.Title.En == "" || p.AdminPrefix == "" || len(p.Session) == 0 {
			t.Errorf("%s is not complete: %+v", name, p)
		}
	}
}
