package gateway

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"noren"
)

// Under a flood from many addresses each of which stays below every limit, the
// site switches itself to the attack mode: strangers pass the check, who has
// passed it shops on. It takes two things at once, because either alone is an
// ordinary day: far more requests of strangers than usual, and answers that have
// become slow. A sale without slowness, and a slow database without a rush,
// switch nothing.
const (
	pressureEvery = time.Second
	// pressureFor is how many such moments it takes; an ordinary one between them
	// takes one back.
	pressureFor = 3
	// pressureFloor: so many requests of strangers a second, parts of pages not
	// counted, are no attack on any shop worth a flood.
	pressureFloor = 30.0
	pressureTimes = 4.0 // of the usual rate
	// firstRush is a flood where nothing is known of ordinary days yet. Below it a
	// busy shop that was started anew is learnt, and not asked for the check.
	firstRush = 300.0
	// usualOver is how long the usual rate looks back.
	usualOver = 30 * time.Minute
	// An answer is slow from slowFloor on when it takes slowTimes the usual; of a
	// quick shop already from crawlFloor on when it takes crawlTimes the usual.
	slowFloor  = 50 * time.Millisecond
	slowTimes  = 2.0
	crawlFloor = 8 * time.Millisecond
	crawlTimes = 5.0

	attackFor = 10 * time.Minute
	// attackAgain is how long before its end it is looked whether to go on.
	attackAgain = 30 * time.Second
	// overruled is how long a person's switch back to normal holds.
	overruled = 30 * time.Minute
)

// autoAuthor is who the record names for a switch of its own.
const autoAuthor = "noren"

// meter counts a site's last moments on this node.
type meter struct {
	strangers, inspected, answered atomic.Int64
	gate, shop                     atomic.Int64 // nanoseconds, of those inspected and answered
}

// moment is what a meter held in one look.
type moment struct {
	strangers  float64       // a second
	gate, shop time.Duration // what the firewall and the shop took for a request
}

func (m moment) took() time.Duration { return m.gate + m.shop }

func (m *meter) take(over time.Duration) moment {
	mean := func(sum, n *atomic.Int64) time.Duration {
		s, k := sum.Swap(0), n.Swap(0)
		if k == 0 {
			return 0
		}
		return time.Duration(s / k)
	}
	return moment{
		strangers: float64(m.strangers.Swap(0)) / over.Seconds(),
		gate:      mean(&m.gate, &m.inspected), shop: mean(&m.shop, &m.answered),
	}
}

// pressure is what is known of one site: the usual and how long it has been
// unusual. Only the watcher touches it.
type pressure struct {
	usual     float64 // strangers a second
	usualTook time.Duration
	learnt    int // moments, up to those of usualOver
	pressed   int // moments under pressure
	before    SiteMode
	holdUntil time.Time // a person switched back; until then nothing is done
}

// rush reports far more strangers than usual.
func (p *pressure) rush(m moment) bool {
	return m.strangers >= pressureFloor && m.strangers >= pressureTimes*p.usual
}

func (p *pressure) slow(m moment) bool {
	took, usual := m.took(), float64(p.usualTook)
	if usual == 0 {
		return took >= crawlFloor && m.strangers >= firstRush
	}
	return took >= slowFloor && float64(took) >= slowTimes*usual || took >= crawlFloor && float64(took) >= crawlTimes*usual
}

// look takes one moment in and says whether the site should be switched, and
// until when. mode is what the site is switched to now.
func (p *pressure) look(m moment, mode SiteMode, now time.Time) (until time.Time, press bool) {
	if p.before.Mode == ModeAttack && !p.before.Until.IsZero() && now.Before(p.before.Until.Time) && mode.Mode == ModeNormal {
		p.holdUntil = now.Add(overruled)
	}
	p.before = mode
	switch {
	case mode.Mode == ModeAttack && !mode.Until.IsZero() && mode.Until.Sub(now) < attackAgain && p.rush(m):
		return now.Add(attackFor), true // only what would end soon goes on
	case mode.Mode != ModeNormal:
		p.pressed = 0
		return time.Time{}, false
	case p.rush(m) && p.slow(m):
		p.pressed++
	default:
		p.pressed = max(0, p.pressed-1)
		p.learn(m)
	}
	if p.pressed < pressureFor || now.Before(p.holdUntil) {
		return time.Time{}, false
	}
	p.pressed = 0
	return now.Add(attackFor), true
}

// learn moves the usual towards what was just seen: an average at first, then
// one that forgets. A rush is learnt slowly, and as no more than a large rush: a
// shop that has become popular is not attacked for ever, and a flood does not
// become the usual within a minute.
func (p *pressure) learn(m moment) {
	if p.rush(m) {
		part := pressureEvery.Seconds() / usualOver.Seconds()
		p.usual += part * (min(m.strangers, pressureTimes*max(p.usual, pressureFloor)) - p.usual)
		return
	}
	p.learnt = min(p.learnt+1, int(usualOver/pressureEvery))
	part := 1 / float64(p.learnt)
	p.usual += part * (m.strangers - p.usual)
	if took := m.took(); took > 0 {
		if p.usualTook > 0 { // one slow export does not make slowness usual
			took = min(took, 3*p.usualTook)
		}
		p.usualTook += time.Duration(part * float64(took-p.usualTook))
	}
}

// meters are the sites' meters; they outlive a change of settings.
type meters struct{ bySite sync.Map }

func (m *meters) of(site string) *meter {
	if v, ok := m.bySite.Load(site); ok {
		return v.(*meter)
	}
	v, _ := m.bySite.LoadOrStore(site, new(meter))
	return v.(*meter)
}

// WatchPressure switches sites to the attack mode by themselves until ctx ends.
// When a switch cannot be recorded, it is not made, and tried again.
func (g *Gateway) WatchPressure(ctx context.Context) {
	tick := time.NewTicker(pressureEvery)
	defer tick.Stop()
	known := map[string]*pressure{}
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		over := time.Since(last)
		last = time.Now()
		for name, sh := range g.state.Load().shops {
			if known[name] == nil {
				known[name] = &pressure{}
			}
			g.ease(ctx, sh, known[name], g.meters.of(name).take(max(over, time.Millisecond)))
		}
	}
}

func (g *Gateway) ease(ctx context.Context, sh *shop, p *pressure, m moment) {
	now := g.opts.Now()
	until, press := p.look(m, g.opts.Modes.Of(sh.Name, now), now)
	if !press || sh.AttackMode == AttackByHand || g.opts.Modes == nil {
		return
	}
	why := fmt.Sprintf("%.0f strangers a second, usually %.0f; the gate takes %d ms, the shop %d ms", m.strangers, p.usual, m.gate.Milliseconds(), m.shop.Milliseconds())
	if err := g.opts.Modes.Set(ctx, sh.Name, SiteMode{Mode: ModeAttack, Until: noren.At(until)}, autoAuthor, why); err != nil {
		g.alarm("under attack and the mode cannot be switched", sh.Name, "why", why, "err", err)
		return
	}
	g.alarm("under attack: visitors pass the check", sh.Name, "until", until.UTC().Format(time.RFC3339), "why", why)
}
