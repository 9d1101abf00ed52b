package orient_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

var breakIn = noren.Sequence{Name: "break_in", By: "address", Within: 8 * time.Hour,
	Steps: []noren.SequenceStep{{Name: "scan"}, {Name: "exploit"}, {Name: "shell", Gap: time.Hour}, {Name: "export"}}}

func withSequences(t testing.TB, o orient.Options) *orient.Orient {
	t.Helper()
	o.Sequences, o.Token = []noren.Sequence{breakIn}, token
	out, err := orient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stage lets an address take a step and commits it.
func stage(t testing.TB, d *db.DB, o *orient.Orient, id, who string, at time.Duration, steps ...int) int64 {
	t.Helper()
	ev := &noren.Event{ID: id, Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(start.Add(at)), Entities: noren.Entities{"address": who}, Payload: &noren.Blocked{Cause: noren.CauseWAF}}
	var seen []noren.StepSeen
	for _, s := range steps {
		seen = append(seen, noren.StepSeen{Sequence: "break_in", Step: s})
	}
	obs, err := o.ObserveSteps(t.Context(), ev, []string{"sequence.break_in"}, seen)
	if err != nil {
		t.Fatal(err)
	}
	if d != nil {
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Insert(t.Context(), obs.Rows) }); err != nil {
			t.Fatal(err)
		}
		o.Committed(ev)
	}
	return obs.Facts["sequence.break_in"].(int64)
}

// An intrusion goes on over restarts and from node to node; out of order, too
// late or by different people it is none.
func TestSequenceStages(t *testing.T) {
	const a, b = "203.0.113.7", "203.0.113.8"
	type step struct {
		who  string
		at   time.Duration
		step []int
		want int64
	}
	tests := map[string][]step{
		"all four":                   {{a, 0, []int{1}, 1}, {a, time.Hour, []int{2}, 2}, {a, 2*time.Hour - time.Minute, []int{3}, 3}, {a, 7 * time.Hour, []int{4}, 4}},
		"out of order":               {{a, 0, []int{2}, 0}, {a, time.Minute, []int{3}, 0}, {a, 2 * time.Minute, []int{1}, 1}, {a, 3 * time.Minute, []int{3}, 0}, {a, 4 * time.Minute, []int{2}, 2}},
		"the gap is too long":        {{a, 0, []int{1}, 1}, {a, time.Minute, []int{2}, 2}, {a, 2 * time.Hour, []int{3}, 0}, {a, 3 * time.Hour, []int{2}, 2}, {a, 4 * time.Hour, []int{3}, 3}},
		"the whole takes too long":   {{a, 0, []int{1}, 1}, {a, 9 * time.Hour, []int{2}, 0}, {a, 10 * time.Hour, []int{1}, 1}, {a, 11 * time.Hour, []int{2}, 2}},
		"different people":           {{a, 0, []int{1}, 1}, {b, time.Minute, []int{2}, 0}, {a, 2 * time.Minute, []int{2}, 2}},
		"one event is not two steps": {{a, 0, []int{1, 2}, 1}, {a, time.Minute, []int{1, 2, 3}, 2}, {a, 2 * time.Minute, []int{1, 2, 3}, 3}},
		"no step":                    {{a, 0, []int{1}, 1}, {a, time.Minute, nil, 0}, {a, 2 * time.Minute, []int{2}, 2}, {a, 3 * time.Minute, nil, 0}},
		"again at the same stage":    {{a, 0, []int{1}, 1}, {a, time.Minute, []int{2}, 2}, {a, 2 * time.Minute, []int{2}, 2}, {a, 3 * time.Minute, []int{1}, 1}, {a, 4 * time.Minute, []int{3}, 3}},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := 0
		for name, steps := range tests {
			n++
			addr := func(who string) string { return fmt.Sprintf("10.%d.%s", n, who[len("203.0."):]) }
			shared := kv.NewMemory(0)
			nodes := []*orient.Orient{withSequences(t, orient.Options{DB: d, KV: shared, Shared: true}), withSequences(t, orient.Options{DB: d, KV: shared, Shared: true})}
			memory := withSequences(t, orient.Options{})
			for i, s := range steps {
				id := fmt.Sprint(name, i)
				if got := stage(t, d, nodes[i%2], "n"+id, addr(s.who), s.at, s.step...); got != s.want {
					t.Errorf("%s, event %d, two nodes: stage %d, want %d", name, i, got, s.want)
				}
				if got := stage(t, nil, memory, id, s.who, s.at, s.step...); got != s.want {
					t.Errorf("%s, event %d, in memory: stage %d, want %d", name, i, got, s.want)
				}
				// A process of its own for every event.
				who := "2001:db8:" + fmt.Sprint(n) + ":" + s.who[len(s.who)-1:] + "::" + fmt.Sprint(i)
				if got := stage(t, d, withSequences(t, orient.Options{DB: d}), "r"+id, who, s.at, s.step...); got != s.want {
					t.Errorf("%s, event %d, restarted each time, from the /64: stage %d, want %d", name, i, got, s.want)
				}
			}
		}
	})
}

// An attack of a hundred thousand steps leaves few rows, and the same stages.
func TestSequenceIsBounded(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := withSequences(t, orient.Options{DB: d})
	rows := 0
	for i := range 20_000 {
		ev := &noren.Event{ID: fmt.Sprint(i), Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(start.Add(time.Duration(i) * time.Second)),
			Entities: noren.Entities{"address": "203.0.113.7"}, Payload: &noren.Blocked{}}
		obs, err := o.ObserveSteps(t.Context(), ev, nil, []noren.StepSeen{{Sequence: "break_in", Step: 1 + i%2}})
		if err != nil {
			t.Fatal(err)
		}
		rows += len(obs.Rows)
	}
	if rows > 60 {
		t.Errorf("%d rows of one address in five hours", rows)
	}
	rows = 0
	for i := range 5_000 { // a botnet, in one minute
		ev := &noren.Event{ID: fmt.Sprint("b", i), Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(start.Add(30 * time.Hour)),
			Entities: noren.Entities{"address": fmt.Sprintf("10.0.%d.%d", i/250, i%250)}, Payload: &noren.Blocked{}}
		obs, err := o.ObserveSteps(t.Context(), ev, nil, []noren.StepSeen{{Sequence: "break_in", Step: 1}})
		if err != nil {
			t.Fatal(err)
		}
		rows += len(obs.Rows)
	}
	if rows != 600 {
		t.Errorf("%d rows of a botnet's first steps in a minute, want 600", rows)
	}
	if err := o.PruneSteps(t.Context(), start.Add(60*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// An entry that was not recorded takes its step back, and an erased address has
// taken none.
func TestSequenceForgets(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := withSequences(t, orient.Options{DB: d})
	stage(t, d, o, "a1", "203.0.113.7", 0, 1)
	ev := &noren.Event{ID: "a2", Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(start.Add(time.Minute)), Entities: noren.Entities{"address": "203.0.113.7"}, Payload: &noren.Blocked{}}
	if _, err := o.ObserveSteps(t.Context(), ev, nil, []noren.StepSeen{{Sequence: "break_in", Step: 2}}); err != nil {
		t.Fatal(err)
	}
	o.Cancel(ev)
	if got := stage(t, d, o, "a3", "203.0.113.7", 2*time.Minute, 3); got != 0 {
		t.Errorf("stage %d after a step that was not recorded", got)
	}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		return o.Erase(context.Background(), tx, "shop", noren.Subject{Kind: "address", ID: "203.0.113.7"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]*orient.Orient{"running": o, "restarted": withSequences(t, orient.Options{DB: d})} {
		if got := stage(t, nil, o, "a4"+name, "203.0.113.7", 3*time.Minute, 2); got != 0 {
			t.Errorf("%s: stage %d after the erasure", name, got)
		}
	}
}

// What is counted is what a plain search over all events finds, as long as no
// step is nearer than an eighth of the time to the limit.
func TestSequenceModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := noren.Sequence{Name: "break_in", By: "address", Within: 30 * 24 * time.Hour,
			Steps: []noren.SequenceStep{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
		o, err := orient.New(orient.Options{Sequences: []noren.Sequence{q}})
		if err != nil {
			t.Fatal(err)
		}
		reached := 0
		for i := range rapid.IntRange(1, 60).Draw(t, "events") {
			step := rapid.IntRange(1, 3).Draw(t, "step")
			ev := &noren.Event{ID: fmt.Sprint(i), Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(start.Add(time.Duration(i) * time.Minute)),
				Entities: noren.Entities{"address": "203.0.113.7"}, Payload: &noren.Blocked{}}
			obs, err := o.ObserveSteps(t.Context(), ev, []string{"sequence.break_in"}, []noren.StepSeen{{Sequence: "break_in", Step: step}})
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if step <= reached+1 {
				want = step
				reached = max(reached, step)
			}
			if got := obs.Facts["sequence.break_in"]; got != int64(want) {
				t.Fatalf("event %d, step %d: stage %d, want %d", i, step, got, want)
			}
		}
	})
}

// While history cannot be read a step counts on what is known, and the decision
// says so.
func TestSequenceWithoutHistory(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := withSequences(t, orient.Options{DB: d})
	stage(t, d, o, "a1", "203.0.113.7", 0, 1)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]int64{"203.0.113.7": 2, "203.0.113.8": 0} {
		ev := &noren.Event{ID: "a2" + who, Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(start.Add(time.Minute)), Entities: noren.Entities{"address": who}, Payload: &noren.Blocked{}}
		obs, err := o.ObserveSteps(t.Context(), ev, []string{"sequence.break_in"}, []noren.StepSeen{{Sequence: "break_in", Step: 2}})
		if err != nil || obs.Facts["sequence.break_in"] != want || obs.Degraded != (want == 0) {
			t.Errorf("%s: %v, degraded %v, %v", who, obs.Facts, obs.Degraded, err)
		}
	}
}
