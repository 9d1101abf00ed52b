package gateway

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
)

// A day at a shop, second by second: when does it switch itself to the attack
// mode?
func TestPressure(t *testing.T) {
	ms := time.Millisecond
	quiet := moment{strangers: 5, gate: 3 * ms, shop: 60 * ms}
	for name, tt := range map[string]struct {
		usual moment
		then  moment
		want  bool
	}{
		"a flood that slows the gate":           {quiet, moment{400, 120 * ms, 60 * ms}, true},
		"a flood that slows the shop":           {quiet, moment{400, 5 * ms, 900 * ms}, true},
		"a flood that a quick shop feels":       {moment{5, ms / 2, ms}, moment{400, 6 * ms, 9 * ms}, true},
		"a rush that a quick shop hardly feels": {moment{5, ms / 2, ms}, moment{400, 2 * ms, 4 * ms}, false},
		"a sale that everybody gets through":    {quiet, moment{400, 8 * ms, 90 * ms}, false},
		"a slow database on an ordinary day":    {quiet, moment{6, 3 * ms, 2000 * ms}, false},
		"twice the visitors and a slow shop":    {moment{20, 3 * ms, 60 * ms}, moment{40, 3 * ms, 800 * ms}, false},
		"a shop that always takes long":         {moment{10, 3 * ms, 700 * ms}, moment{50, 3 * ms, 800 * ms}, false},
		"every other moment is slow":            {quiet, moment{400, 30 * ms, 10 * ms}, false},
		"a handful of visitors, slow":           {moment{1, 3 * ms, 60 * ms}, moment{20, 90 * ms, 900 * ms}, false},
		"nobody answers: the shop is not asked": {quiet, moment{0, 0, 0}, false},
	} {
		p, now, got := &pressure{}, time.Unix(1_700_000_000, 0), 0
		for i := range 610 {
			m := tt.usual
			if i >= 600 {
				m = tt.then
			}
			if _, press := p.look(m, SiteMode{Mode: ModeNormal}, now.Add(time.Duration(i)*time.Second)); press {
				if got++; i < 600+pressureFor-1 {
					t.Errorf("%s: switched after %d s", name, i)
				}
			}
		}
		if (got > 0) != tt.want {
			t.Errorf("%s: switched %d times, want %v", name, got, tt.want)
		}
	}
}

// A shop that was started anew in the middle of a busy day is not taken for one
// under attack; a flood is one from the first second.
func TestPressureOfAShopJustStarted(t *testing.T) {
	for name, tt := range map[string]struct {
		m    moment
		want bool
	}{
		"a busy day":    {moment{60, 5 * time.Millisecond, 400 * time.Millisecond}, false},
		"a flood":       {moment{900, 4 * time.Millisecond, 30 * time.Millisecond}, true},
		"a quick flood": {moment{900, time.Millisecond, time.Millisecond}, false},
	} {
		p, pressed := &pressure{}, false
		for i := range 120 {
			_, press := p.look(tt.m, SiteMode{Mode: ModeNormal}, time.Unix(1_700_000_000+int64(i), 0))
			pressed = pressed || press
		}
		if pressed != tt.want {
			t.Errorf("%s: pressed %v", name, pressed)
		}
	}
}

// One client alone is never a crowd: that is for limits and bans.
func TestOneClientIsNoCrowd(t *testing.T) {
	c, now, n := newCallers(), time.Unix(1_700_000_000, 0), 0
	for i := range 5000 {
		if c.strange(netip.MustParseAddr("203.0.113.7"), now.Add(time.Duration(i)*time.Millisecond)) {
			n++
		}
	}
	if most := 6 * strangerRate.Events; n > most || float64(n)/5 >= pressureFloor {
		t.Errorf("%d of 5,000 requests in 5 s count", n)
	}
}

// What a person says holds: back to normal is not undone at once, and what the
// site did itself goes on while the flood does and ends when it has ended.
func TestPressureGoesOnEndsAndIsOverruled(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	flood := moment{400, 120 * time.Millisecond, 0}
	stopped := moment{400, time.Millisecond, 0} // asked for the check: nobody is slow
	p := &pressure{}
	var until time.Time
	for i, press := 0, false; !press; i++ {
		if i > pressureFor {
			t.Fatal("not switched")
		}
		until, press = p.look(flood, SiteMode{Mode: ModeNormal}, now)
	}
	mode := SiteMode{Mode: ModeAttack, Until: noren.At(until)}
	if _, press := p.look(stopped, mode, until.Add(-time.Minute)); press {
		t.Error("prolonged a minute before it would end")
	}
	again, press := p.look(stopped, mode, until.Add(-10*time.Second))
	if !press || again.Sub(until) < attackFor-time.Minute {
		t.Errorf("not prolonged while the flood goes on: %v", again)
	}
	if _, press := p.look(moment{}, mode, until.Add(-10*time.Second)); press {
		t.Error("prolonged after the flood has ended")
	}
	// somebody switches back before its time
	for i := range 100 {
		if _, press := p.look(flood, SiteMode{Mode: ModeNormal}, until.Add(-9*time.Second+time.Duration(i)*time.Second)); press {
			t.Fatalf("a person was overruled after %d s", i)
		}
	}
	at, pressed := until.Add(overruled), false
	for range pressureFor {
		_, press := p.look(flood, SiteMode{Mode: ModeNormal}, at)
		pressed = pressed || press
	}
	if !pressed {
		t.Error("not switched half an hour later")
	}
	// and it leaves a busy or closed site alone
	for _, m := range []Mode{ModeBusy, ModeClosed} {
		for range 10 {
			if _, press := p.look(flood, SiteMode{Mode: m}, at); press {
				t.Errorf("switched a %s site", m)
			}
		}
	}
}

// press makes a site look flooded for as long as it takes.
func (s *switched) press(t *testing.T, p *pressure) {
	t.Helper()
	flood := moment{400, 120 * time.Millisecond, 0}
	for range pressureFor {
		s.ease(t.Context(), s.state.Load().shops["shop"], p, flood)
	}
}

// A stranger meets the check as soon as the site has switched itself, who holds a
// pass does not, and the record says who switched and why.
func TestPressureSwitchesTheSite(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeNormal}, nil)
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Fatalf("before: %d", res.StatusCode)
	}
	s.press(t, &pressure{})
	if res, body := s.do("GET", "/", ""); res.StatusCode != 403 || !strings.Contains(body, checkPath) {
		t.Errorf("a stranger under attack: %d", res.StatusCode)
	}
	if res, _ := s.do("POST", "/payment/notify", "id=1"); res.StatusCode != 200 {
		t.Errorf("a call of the payment provider: %d", res.StatusCode)
	}
	var last *noren.SiteModeChange
	for _, ev := range s.loop.of(noren.ModeChange) {
		last = ev.Payload.(*noren.SiteModeChange)
	}
	if last == nil || last.Author != autoAuthor || last.Mode != string(ModeAttack) || !strings.Contains(last.Reason, "400 strangers a second") {
		t.Errorf("the record says %+v", last)
	}
	s.now.Store((attackFor + time.Second).Milliseconds())
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("after the flood: %d", res.StatusCode)
	}
}

func TestPressureByHandOnly(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeNormal}, func(o *Options) { o.Settings.Sites[0].AttackMode = AttackByHand })
	s.press(t, &pressure{})
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("switched although people do it: %d", res.StatusCode)
	}
}

// A switch that nobody can record is not made; it is tried again.
func TestPressureThatCannotBeRecorded(t *testing.T) {
	s := standSwitched(t, SiteMode{Mode: ModeNormal}, nil)
	p := &pressure{}
	s.modes.RaiseTo(&loopback{answer: func(noren.Event) (noren.Decision, error) { return noren.Decision{}, errors.New("no record") }})
	s.press(t, p)
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("switched without a record: %d", res.StatusCode)
	}
	s.modes.RaiseTo(s.loop)
	s.press(t, p)
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 403 {
		t.Errorf("not tried again: %d", res.StatusCode)
	}
}
