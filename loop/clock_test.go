package loop_test

import (
	"sync"
	"testing"
	"time"

	"noren"
)

// wall is a wall clock that steps against the machine's monotonic time.
type wall struct {
	mu   sync.Mutex
	off  time.Duration
	bare bool // without a monotonic part, as a reading that came from elsewhere
}

func (w *wall) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().Add(w.off)
	if w.bare {
		now = now.Round(0)
	}
	return now
}

func (w *wall) step(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off += d
}

// right sets the clock right for the next test.
func (w *wall) right() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = 0
}

// Event times follow the wall clock forward, never back, and go on with
// monotonic time while it stands behind.
func TestEventTimesNeverGoBack(t *testing.T) {
	for name, bare := range map[string]bool{"with monotonic part": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			clock := &wall{bare: bare}
			each(t, setup{now: clock.now}, func(t *testing.T, w *world) {
				defer clock.right()
				var last noren.Time
				at := func(want time.Duration, why string) {
					t.Helper()
					d := w.decide(order("", "hanako"))
					s := must(w.journal.Get(t.Context(), "shop", d.EventID))
					if got := s.Entry.Event.At.Sub(last.Time); !last.IsZero() && got != want {
						t.Errorf("%s: the next event is %v later, want %v", why, got, want)
					}
					last = s.Entry.Event.At
				}
				at(0, "first")
				time.Sleep(time.Second)
				at(time.Second, "clock undisturbed")
				clock.step(-time.Hour)
				at(0, "clock an hour back")
				time.Sleep(7 * time.Second)
				at(7*time.Second, "clock behind: monotonic time goes on")
				clock.step(time.Hour)
				at(0, "clock set right")
				clock.step(time.Hour)
				at(time.Hour, "clock an hour ahead")
				clock.step(-time.Hour)
				at(0, "and back")
				time.Sleep(time.Minute)
				at(time.Minute, "and on")
			})
		})
	}
}

// One event and one alarm for each step over two seconds, none for less, none
// for time that passes.
func TestClockSteps(t *testing.T) {
	clock := &wall{}
	each(t, setup{now: clock.now}, func(t *testing.T, w *world) {
		defer clock.right()
		end := w.run()
		defer end()
		var want []int64
		for _, tt := range []struct {
			step time.Duration
			told bool
		}{
			{time.Second, false}, {-time.Second, false}, {time.Hour, true}, {-time.Hour, true}, {2 * time.Second, false},
			{-2 * time.Second, false}, {2100 * time.Millisecond, true}, {-24 * time.Hour, true}, {0, false},
		} {
			clock.step(tt.step)
			time.Sleep(10 * time.Second)
			if tt.told {
				want = append(want, tt.step.Microseconds())
			}
		}
		time.Sleep(time.Hour)
		var got []int64
		for _, e := range w.entries("instance") {
			if jump, ok := e.Event.Payload.(*noren.ClockJump); ok && jump.Node == "n1" {
				got = append(got, jump.StepMicros)
			}
		}
		if asJSON(t, got) != asJSON(t, want) {
			t.Errorf("clock.stepped of %v µs, want %v", got, want)
		}
		if n := w.heard.count(); n != len(want) {
			t.Errorf("%d alarms, want %d", n, len(want))
		}
	})
}

// Counters and the answer stand when the clock steps back in mid-attack.
func TestCountersStandWhenTheClockSteps(t *testing.T) {
	clock := &wall{}
	each(t, setup{now: clock.now}, func(t *testing.T, w *world) {
		defer clock.right()
		for i := range 3 {
			w.decide(login(id(i), "hanako"))
			time.Sleep(time.Second)
		}
		clock.step(-time.Hour)
		if d := w.decide(login("next", "hanako")); d.Verdict != noren.Limit {
			t.Errorf("the fourth attempt is %s, want limit", d.Verdict)
		}
	})
}
