package loop_test

import (
	"log/slog"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/loop"
)

// TestNodesApart: two nodes of one database, the clock of one of them wrong. In
// real time, because the database's clock is in no bubble.
func TestNodesApart(t *testing.T) {
	clock := &wall{}
	w := start(t, dbtest.URL(t, db.Postgres), setup{})
	other := loop.New(loop.Options{
		DB: w.d, Rules: w.rules(nil, nil), Journal: w.journal, Sealer: w.vault,
		Log: slog.New(w.heard), Node: "n2", Now: clock.now,
	})
	compare := func() {
		other.CompareClocks(t.Context())
		w.CompareClocks(t.Context())
		other.CompareClocks(t.Context())
	}
	compare()
	clock.step(700 * time.Millisecond)
	compare()
	if n := w.heard.count(); n != 0 {
		t.Errorf("%d alarms while the clocks are together", n)
	}
	clock.step(2300 * time.Millisecond)
	compare()
	compare()
	clock.step(-3 * time.Second)
	compare()
	clock.step(-time.Hour)
	compare()
	var got []time.Duration
	for _, e := range w.entries("instance") {
		if jump, ok := e.Event.Payload.(*noren.ClockJump); ok && jump.Node == "n1" && jump.Than == "n2" {
			got = append(got, (time.Duration(jump.StepMicros) * time.Microsecond).Round(time.Second))
		}
	}
	if len(got) != 2 || got[0] != -3*time.Second || got[1] != time.Hour {
		t.Errorf("n1 is told to be %v ahead, want once 3 s behind and once an hour ahead", got)
	}
	if n := w.heard.count(); n != 2 {
		t.Errorf("%d alarms, want 2", n)
	}
	rules := w.Rules()
	rules.Settings = "abc"
	w.SetRules(rules)
	compare()
	nodes, err := other.Nodes(t.Context())
	if err != nil || len(nodes) != 2 || nodes[0].Name != "n1" || nodes[0].Settings != "abc" || time.Since(nodes[1].Seen.Time) > time.Minute {
		t.Errorf("nodes %+v, %v", nodes, err)
	}
}
