package gateway

import (
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
