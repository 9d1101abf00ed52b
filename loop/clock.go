package loop

import (
	"sync"
	"time"

	"noren"
)

// clockStep is how far wall and monotonic time may part before it counts as a
// step of the clock.
const clockStep = 2 * time.Second

// reading is one look at both clocks of the machine.
type reading struct {
	wall time.Time     // without a monotonic part
	mono time.Duration // since the clock was made
}

// clock gives event times. They follow the wall clock, advance with monotonic
// time while the wall clock stands behind, and never go back.
type clock struct {
	read func() reading

	mu    sync.Mutex
	last  time.Duration // monotonic time of the previous call
	given time.Time     // time given out by the previous call
	drift time.Duration // of the wall clock against base, as reported
	base  time.Time     // wall clock at monotonic time 0
}

// newClock makes a clock over a wall clock, nil for the machine's. Monotonic
// time is always the machine's: it is what a wall clock is measured by.
func newClock(wall func() time.Time) *clock {
	begun := time.Now()
	read := func() reading {
		now := time.Now() // one reading of both, or a pause in between would look like a step
		r := reading{now.Round(0), now.Sub(begun)}
		if wall != nil {
			r.wall = wall().Round(0)
		}
		return r
	}
	first := read()
	return &clock{read: read, last: first.mono, base: first.wall.Add(-first.mono), given: first.wall}
}

// now returns the time of an event received now.
func (c *clock) now() noren.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.read()
	c.given = c.given.Add(r.mono - c.last)
	c.last = r.mono
	if r.wall.After(c.given) {
		c.given = r.wall
	}
	return noren.At(c.given)
}

// stepped reports a jump of the wall clock against monotonic time since the
// last report.
func (c *clock) stepped() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.read()
	drift := r.wall.Sub(c.base) - r.mono
	step := drift - c.drift
	if step.Abs() <= clockStep {
		return 0, false
	}
	c.drift = drift
	return step, true
}
