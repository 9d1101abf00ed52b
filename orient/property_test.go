package orient_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"noren"
	"noren/orient"
)

// expect compares the facts of ev with the model's.
func expect(t *rapid.T, m *model, ev *noren.Event, own *modelMark, names []string, got noren.Facts) {
	t.Helper()
	want := noren.Facts{}
	for _, name := range names {
		want[name] = m.fact(ev, own, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("event %s at %s %v: facts differ from the reference (-want +got):\n%s\nhistory:\n%s", ev.ID, ev.At.Format(time.TimeOnly), ev.Entities, diff, m)
	}
}

func TestMemoryCountsLikeTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, err := orient.New(orient.Options{Entities: []string{"terminal"}})
		if err != nil {
			t.Fatal(err)
		}
		track := rapid.Bool().Draw(t, "track")
		if track {
			if err := o.Track(asked); err != nil {
				t.Fatal(err)
			}
		}
		m, g := newModel(), &gen{site: "shop", now: start, late: 50 * time.Minute}
		var events []*noren.Event
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			ev, again := g.next(t), false
			if len(events) > 0 && rapid.IntRange(0, 9).Draw(t, "again?") == 0 {
				if old := rapid.SampledFrom(events).Draw(t, "again"); g.now.Sub(old.At.Time) < g.late {
					ev, again = old, true
				}
			}
			events = append(events, ev)
			obs, err := o.Observe(t.Context(), ev, asked)
			if err != nil || obs.Degraded || obs.Rows != nil {
				t.Fatalf("got %v, degraded %v, %d rows; want facts alone", err, obs.Degraded, len(obs.Rows))
			}
			expect(t, m, ev, m.observe(ev), asked, obs.Facts)
			if !again && !track && rapid.IntRange(0, 9).Draw(t, "cancel?") == 0 {
				o.Cancel(ev)
				m.cancel(ev)
			}
		}
	})
}
