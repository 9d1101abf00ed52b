package loop

import (
	"sync"
	"time"

	"noren"
)

// clockStep is how far wall and monotonic time may part before it counts as a
// step of the clock.
const clockStep = 2 * time.Second

// clock gives event times. They follow the wall clock, advance with monotonic
// time while the wall clock stands behind, and never go back.
type clock struct {
	read func() time.Time

	mu    sync.Mutex
	last  time.Time // reading of the previous call, with its monotonic part
	given time.Time // time given out by the previous call
	drift time.Duration
	base  time.Time
}

func newClock(read func() time.Time) *clock {
	now := read()
	return &clock{read: read, last: now, base: now, given: now.Round(0)}
}

// now returns the time of an event received now.
func (c *clock) now() noren.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.read()
	elapsed := max(now.Sub(c.last), 0) // monotonic
	c.last = now
	c.given = c.given.Add(elapsed)
	if wall := now.Round(0); wall.After(c.given) {
		c.given = wall
	}
	return noren.At(c.given)
}

// stepped reports a jump of the wall clock against monotonic time since the
// last report.
func (c *clock) stepped() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.read()
	drift := now.Round(0).Sub(c.base.Round(0)) - now.Sub(c.base)
	step := drift - c.drift
	if step.Abs() <= clockStep {
		return 0, false
	}
	c.drift = drift
	return step, true
}
