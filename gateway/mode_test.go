package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
)

// switched is a gateway with a mode switch and a clock of its own.
type switched struct {
	*standing
	modes *ModeSwitch
	now   atomic.Int64 // milliseconds after noon
}

func standSwitched(t *testing.T, m SiteMode, change func(*Options)) *switched {
	t.Helper()
	s := &switched{}
	now := func() time.Time { return noon.Add(time.Duration(s.now.Load()) * time.Millisecond) }
	modes, err := OpenModes(t.Context(), ModeSwitchOptions{DB: dbtest.Open(t, db.SQLite), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.modes = modes
	s.standing = stand(t, func(o *Options) {
		o.Modes, o.Now = modes, now
		o.Secrets = func(context.Context) ([][]byte, error) { return [][]byte{[]byte("key of the test")}, nil }
		o.Settings.Limits = []Limit{{Name: "none", By: BySite, Rate: Rate{1_000_000, time.Second}}}
		o.Settings.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.Settings.Sites[0].Zones = map[noren.Zone][]string{noren.ZoneCallback: {"/payment/notify"}}
		if change != nil {
			change(o)
		}
	})
	modes.RaiseTo(s.loop)
	if err := modes.Set(t.Context(), "shop", m, "test", "a test"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModesAreRecordedAndShared(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		loop := &loopback{}
		open := func() *ModeSwitch {
			m, err := OpenModes(t.Context(), ModeSwitchOptions{DB: d, Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		a, b := open(), open()
		if err := a.Set(t.Context(), "shop", SiteMode{Mode: ModeAttack}, "taro", "DDoS"); noren.CodeOf(err) != noren.Unavailable {
			t.Errorf("a change that nobody records: %v", err)
		}
		a.RaiseTo(loop)
		for _, wrong := range []SiteMode{{Mode: "open"}, {}, {Mode: ModeAttack, Admit: 5}, {Mode: ModeBusy, Admit: -1}, {Mode: ModeClosed, Until: noren.At(noon)}} {
			if err := a.Set(t.Context(), "shop", wrong, "taro", ""); noren.CodeOf(err) != noren.Invalid {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
		if err := a.Set(t.Context(), "shop", SiteMode{Mode: ModeBusy, Until: noren.At(noon.Add(time.Hour))}, "taro", "sale"); err != nil {
			t.Fatal(err)
		}
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]*ModeSwitch{"this node": a, "the other": b, "a new one": open()} {
			if got := m.Of("shop", noon); got.Mode != ModeBusy || got.Admit != DefaultAdmit {
				t.Errorf("%s: %+v", name, got)
			}
			if got := m.Of("shop", noon.Add(time.Hour)); got.Mode != ModeNormal {
				t.Errorf("%s, when the time is over: %+v", name, got)
			}
			if got := m.Of("other", noon); got.Mode != ModeNormal {
				t.Errorf("%s, another site: %+v", name, got)
			}
		}
		ev := loop.of(noren.ModeChange)
		if len(ev) != 1 || ev[0].Payload.(*noren.SiteModeChange).Author != "taro" {
			t.Errorf("recorded: %+v", ev)
		}
	})
}

func TestModesFollowOtherNodes(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	open := func() *ModeSwitch {
		m, err := OpenModes(t.Context(), ModeSwitchOptions{DB: d, Poll: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := open(), open()
	a.RaiseTo(&loopback{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	defer func() { stop(); <-done }()
	if err := a.Set(t.Context(), "shop", SiteMode{Mode: ModeAttack}, "", ""); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); b.Of("shop", time.Now()).Mode != ModeAttack; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the other node never followed")
		}
	}
}

// While the database is away the last modes stay in force.
func TestModesThatCannotBeRead(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	m, err := OpenModes(t.Context(), ModeSwitchOptions{DB: d})
	if err != nil {
		t.Fatal(err)
	}
	m.RaiseTo(&loopback{})
	if err := m.Set(t.Context(), "shop", SiteMode{Mode: ModeAttack}, "", ""); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := m.Refresh(t.Context()); err == nil || m.Of("shop", time.Now()).Mode != ModeAttack {
		t.Errorf("%v, and the mode is %s", err, m.Of("shop", time.Now()).Mode)
	}
}

func TestClosedShop(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeClosed, Until: noren.At(noon.Add(90 * time.Minute))}, nil)
	res, page := s.do("GET", "/", "")
	if res.StatusCode != 503 || !strings.Contains(page, "準備中") || !strings.Contains(page, "90分") || res.Header.Get("Retry-After") != "5400" {
		t.Errorf("%d, Retry-After %s: %.300s", res.StatusCode, res.Header.Get("Retry-After"), page)
	}
	for _, open := range []string{"/admin/", "/payment/notify", "/shopping/complete"} { // a payment under way ends well
		if res, _ := s.do("GET", open, ""); res.StatusCode == 503 {
			t.Errorf("%s is closed too", open)
		}
	}
	s.now.Store((90 * time.Minute).Milliseconds())
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("when the time is over: %d", res.StatusCode)
	}
}

func TestAttackModeAsksEverybodyOnce(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeAttack}, func(o *Options) {
		o.SearchEngine = func(_ netip.Addr, agent string, _ time.Time) string {
			if strings.Contains(agent, "Googlebot") {
				return "google"
			}
			return ""
		}
	})
	res, page := s.do("GET", "/products/list", "")
	if res.StatusCode != 403 || !strings.Contains(page, fmt.Sprintf(`data-level="%d"`, attackBits)) {
		t.Fatalf("%d %.300s", res.StatusCode, page)
	}
	if n := len(s.loop.of(noren.HTTPRequest)); n != 0 {
		t.Errorf("%d requests were inspected and decided before the check", n)
	}
	for _, passes := range [][]string{{"/shopping"}, {"/payment/notify"}, {"/", "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)"}, {"/.noren/check.js"}} {
		if res, _ := s.do("GET", passes[0], "", passes[1:]...); res.StatusCode == 403 {
			t.Errorf("%v is asked for the check", passes)
		}
	}
	for name, tricks := range map[string][]string{
		"as a picture":      {"/products/list", "Accept: */*", "Sec-Fetch-Dest: image"},
		"as a program":      {"/products/list", "Accept: application/json"},
		"through the admin": {"/admin/../products/list"},
		"through an asset":  {"/products/list/..;/a.png"},
	} {
		if res, _ := s.do("GET", tricks[0], "", tricks[1:]...); res.StatusCode == 200 {
			t.Errorf("%s: passes", name)
		}
	}
	if res, _ := s.do("GET", "/upload/Mail-Header.PNG", "", "Accept: */*"); res.StatusCode != 200 {
		t.Errorf("a picture of a newsletter: %d", res.StatusCode)
	}
	f := fields(page)
	f.Set("proof", solve(f.Get("puzzle"), attackBits))
	res, _ = s.do("POST", checkPath, f.Encode())
	pass := cookieOf(res)
	if res, _ := s.do("GET", "/products/list", "", "Cookie: "+pass); res.StatusCode != 200 {
		t.Errorf("with the pass: %d", res.StatusCode)
	}
	// One pass serves a person, not a crowd.
	served := 0
	for i := range 700 {
		res, _ := s.do("GET", "/products/list", "", "Cookie: "+pass, fmt.Sprintf("X-Forwarded-For: 203.0.%d.%d", i/200, i%200))
		if res.StatusCode == 200 {
			served++
		}
	}
	if want := int(useRate.Capacity()); served < want-10 || served > want {
		t.Errorf("one pass served %d requests at once, want about %d", served, want)
	}
}

// TestLineKeepsItsOrder: visitors come faster than they are let in; each gets in
// once, in the order they came, and stays in.
func TestLineKeepsItsOrder(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeBusy, Admit: 60}, nil)
	type guest struct {
		cookie string
		in     time.Duration
	}
	guests := make([]guest, 30)
	visit := func(i int) int {
		res, page := s.do("GET", "/", "", "X-Forwarded-For: 203.0.113."+fmt.Sprint(i), "Cookie: "+guests[i].cookie)
		set := 0
		for _, c := range res.Cookies() {
			if strings.HasSuffix(c.Name, turnCookie) {
				set++
				guests[i].cookie = c.Name + "=" + c.Value
			}
		}
		if set > 1 {
			t.Errorf("one answer sets the place in the line %d times", set)
		}
		if res.StatusCode == 503 && !strings.Contains(page, `http-equiv="refresh"`) {
			t.Errorf("a line without an end: %.400s", page)
		}
		return res.StatusCode
	}
	for range 40 {
		for i := range guests {
			if guests[i].in == 0 && visit(i) == 200 {
				guests[i].in = time.Duration(s.now.Load()+1) * time.Millisecond
			}
		}
		s.now.Add(1000)
	}
	for i := range guests {
		if guests[i].in == 0 {
			t.Fatalf("guest %d never came in", i)
		}
		if i > 0 && guests[i].in < guests[i-1].in {
			t.Errorf("guest %d came in after %v, guest %d before them after %v", i, guests[i].in, i-1, guests[i-1].in)
		}
	}
	if last := guests[len(guests)-1].in; last < 20*time.Second || last > 30*time.Second {
		t.Errorf("the last of 30 at one a second came in after %v", last)
	}
	for range 8 { // two hours and forty minutes, with a page now and then
		s.now.Add((20 * time.Minute).Milliseconds())
		if got := visit(29); got != 200 {
			t.Fatalf("who is inside is sent out after %v: %d", time.Duration(s.now.Load())*time.Millisecond, got)
		}
	}
}

// Who pays is never sent to the line, a script that throws its cookies away does
// not fill it, and without a working counter everybody comes in.
func TestLineAndWhoIsNotInIt(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeBusy, Admit: 10}, nil)
	crowd := func(n int) (status int, page string) {
		for range n {
			res, body := s.do("GET", "/", "", "X-Forwarded-For: 198.51.100.1")
			status, page = res.StatusCode, body
		}
		return status, page
	}
	if status, page := crowd(100); status != 503 || !strings.Contains(page, "順番") {
		t.Errorf("the hundredth of one address, within its 120 places: %d", status)
	}
	if res, _ := s.do("GET", "/shopping", "", "X-Forwarded-For: 203.0.113.9"); res.StatusCode != 200 {
		t.Errorf("who pays: %d", res.StatusCode)
	}
	if status, page := crowd(40); status != 403 || !strings.Contains(page, `id="check"`) {
		t.Errorf("one of very many: %d", status)
	}
	away := standSwitched(t, SiteMode{Mode: ModeBusy, Admit: 10}, func(o *Options) { o.KV = awayKV{} })
	for range 30 {
		if res, _ := away.do("GET", "/", ""); res.StatusCode != 200 {
			t.Fatalf("without a counter: %d", res.StatusCode)
		}
	}
}

// TestLineWhileTheSharedStateIsAway: each node has its share of the rate, and the
// first visitor of an empty line comes in at once.
func TestLineWhileTheSharedStateIsAway(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeBusy, Admit: 120}, func(o *Options) { o.KV = halfKV{o.KV} })
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("the first visitor: %d", res.StatusCode)
	}
}

// halfKV enforces half of every rate, as one of two nodes does.
type halfKV struct{ kv.Store }

func (h halfKV) Share() int64 { return 2 }

func (h halfKV) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	for i, op := range ops {
		if t, ok := op.(kv.Take); ok {
			t.Rate = t.Rate.Divide(2)
			ops[i] = t
		}
	}
	return h.Store.Do(ctx, ops...)
}

// awayKV is a shared state that does not answer.
type awayKV struct{}

func (awayKV) Do(context.Context, ...kv.Op) ([]kv.Result, error) {
	return nil, noren.Errorf(noren.Unavailable, "away")
}
func (awayKV) Close() error { return nil }

// What an operator is told about an address is what its visitor meets.
func TestWhySaysWhatModesDo(t *testing.T) {
	for _, mode := range []SiteMode{
		{Mode: ModeNormal}, {Mode: ModeClosed, Until: noren.At(noon.Add(30 * time.Minute))}, {Mode: ModeAttack}, {Mode: ModeBusy, Admit: 100},
	} {
		s := standSwitched(t, mode, func(o *Options) { o.Lists = listsInMemory(t) })
		mustSet(t, s.opts.Lists, ListAllow, "203.0.113.9/32")
		for _, target := range []string{"/", "/products/list", "/html/template/default/assets/css/style.css", "/admin/login", "/payment/notify", "/payment/notify;v=1", "/shopping"} {
			for _, addr := range []string{"203.0.113.7", "203.0.113.9"} {
				e, err := s.Why(t.Context(), "shop", netip.MustParseAddr(addr), "GET", target)
				if err != nil {
					t.Fatal(err)
				}
				res, _ := s.do("GET", target, "", "X-Forwarded-For: "+addr)
				if got := res.StatusCode; e.Would.Pass && got != 200 || !e.Would.Pass && got != e.Would.Status {
					t.Errorf("%s, %s for %s: answered %d, told %+v", mode.Mode, target, addr, got, e.Would)
				}
				if (e.Mode.Mode == "") != (mode.Mode == ModeNormal) {
					t.Errorf("%s: told %+v", mode.Mode, e.Mode)
				}
			}
		}
	}
}
