package loop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
)

// attacks makes the policy "attack" fire once, at event id.
func attacks(w *world, id string) noren.Decision {
	w.decide(blocked(id+"-1", client, noren.CauseWAF, "942100"))
	w.decide(blocked(id+"-2", client, noren.CauseWAF, "942100"))
	return w.decide(blocked(id, client, noren.CauseWAF, "942100"))
}

func TestRecordBeforeAct(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		d := attacks(w, "e")
		if d.Verdict != noren.Block || len(d.Actions) != 1 || d.Fault != "" {
			t.Fatalf("decision %+v, want a block with one action", d)
		}
		if got := w.bans.ids(); !slices.Equal(got, []string{"e/attack/ban"}) {
			t.Fatalf("acted %v when Decide returned, want the ban", got)
		}
		if !w.bans.recorded[0] {
			t.Error("the actuator found no entry in the journal")
		}
		if !w.marked("e/attack/ban") {
			t.Error("no done mark after it was done")
		}
		if diff := cmp.Diff(d.Actions, w.bans.acted); diff != "" {
			t.Errorf("action (-decided +done):\n%s", diff)
		}
		w.restart()
		end := w.run()
		time.Sleep(3 * time.Minute)
		end()
		if got := w.bans.ids(); len(got) != 1 {
			t.Errorf("done again after a restart: %v", got)
		}
	})
}

func TestStepsInOrder(t *testing.T) {
	var steps []string
	each(t, setup{step: func(s string) { steps = append(steps, s) }}, func(t *testing.T, w *world) {
		steps = nil
		attacks(w, "e")
		want := []string{"stamped", "decided", "recorded", "acted", "marked", "observed"}
		if got := steps[len(steps)-len(want):]; !slices.Equal(got, want) {
			t.Errorf("steps %v, want %v", got, want)
		}
	})
}

// An action that fails, panics or has no time is done by Run, once.
func TestFailedActionsAreRedone(t *testing.T) {
	for name, breakIt := range map[string]func(*bans){
		"error":     func(b *bans) { b.err = errors.New("no list") },
		"panic":     func(b *bans) { b.panics = true },
		"too slow":  func(b *bans) { b.slow = time.Minute },
		"just slow": func(b *bans) { b.slow = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				breakIt(w.bans)
				began := time.Now()
				if d := attacks(w, "e"); d.Verdict != noren.Block || len(d.Actions) != 1 {
					t.Fatalf("decision %+v", d)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("the answer waited %v for the action", took)
				}
				time.Sleep(10 * time.Second)
				if name != "just slow" {
					if w.marked("e/attack/ban") {
						t.Fatal("marked done although it failed")
					}
					if !w.heard.have("action failed") {
						t.Error("no alarm")
					}
				}
				w.bans.mu.Lock()
				w.bans.err, w.bans.panics, w.bans.slow = nil, false, 0
				w.bans.mu.Unlock()
				end := w.run()
				defer end()
				time.Sleep(3 * time.Minute)
				if !w.marked("e/attack/ban") {
					t.Error("not redone")
				}
				want := 2
				if name == "just slow" {
					want = 1
				}
				if got := w.bans.ids(); len(got) != want {
					t.Errorf("done %d times, want %d", len(got), want)
				}
			})
		})
	}
}

// What a crash left recorded and undone is done once by the next process, not
// what has expired.
func TestRestartRedoesWhatIsOpen(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.bans.fails(errors.New("the process dies here"))
		attacks(w, "old")
		time.Sleep(31 * time.Minute) // the ban of half an hour is over
		attacks(w, "new")
		w.bans.fails(nil)
		w.bans.acted = nil
		w.restart()
		end := w.run()
		defer end()
		time.Sleep(5 * time.Minute)
		if got := w.bans.ids(); !slices.Equal(got, []string{"new/attack/ban"}) {
			t.Errorf("redone %v, want the one that has not expired, once", got)
		}
		if !w.marked("new/attack/ban") || w.marked("old/attack/ban") {
			t.Error("marks: want new and not old")
		}
	})
}

// An action nobody can read does not keep the others from being done.
func TestUnreadableActionIsPassedOver(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.bans.fails(errors.New("the process dies here"))
		attacks(w, "a")
		for i := range 3 {
			ev := blocked(fmt.Sprint("b", i), "198.51.100.9", noren.CauseWAF, "942100")
			w.decide(ev)
		}
		exec(t, w, `UPDATE loop_actions SET sealed = $1 WHERE id = $2`, []byte("damaged"), "a/attack/ban")
		w.bans.fails(nil)
		w.bans.acted = nil
		end := w.run()
		defer end()
		time.Sleep(time.Second)
		if got := w.bans.ids(); !slices.Equal(got, []string{"b2/attack/ban"}) {
			t.Errorf("redone %v", got)
		}
		if !w.heard.have("cannot be read") {
			t.Error("no alarm")
		}
	})
}

// An action of an erased person is gone for good.
func TestErasedActionIsNotRedone(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.bans.fails(errors.New("the process dies here"))
		attacks(w, "a")
		exec(t, w, `DELETE FROM vault_subject_keys WHERE id IN (SELECT sealed_key FROM loop_actions)`)
		w.bans.acted = nil
		w.restart()
		end := w.run()
		defer end()
		time.Sleep(time.Second)
		if got := w.bans.ids(); len(got) != 0 {
			t.Errorf("redone %v", got)
		}
		if w.heard.have("cannot be read") {
			t.Error("an erased action is no damage")
		}
	})
}

// The same event a second time is counted once, recorded once and done once.
func TestDecideIsIdempotentByID(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.decide(order("o1", "hanako"))
		w.decide(order("o2", "hanako"))
		for range 3 {
			if d := w.decide(order("o2", "hanako")); d.Verdict != noren.Allow {
				t.Fatalf("the second order, told again, is %s", d.Verdict)
			}
		}
		if d := w.decide(order("o3", "hanako")); d.Verdict != noren.Review {
			t.Errorf("the third order is %s, want review", d.Verdict)
		}
		if n := len(w.entries("shop")); n != 3 {
			t.Errorf("%d entries, want 3", n)
		}
	})
}

// While a ban cannot be carried out each event of the attack asks for it anew;
// it is recorded once a minute and tried again by Run.
func TestRepeatedActionsAreSampled(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.bans.fails(errors.New("no list"))
		for i := range 500 {
			d := w.decide(blocked(fmt.Sprint("e", i), client, noren.CauseWAF, "942100"))
			if i >= 2 && (d.Verdict != noren.Block || len(d.Actions) != 1) {
				t.Fatalf("event %d: %+v", i, d)
			}
		}
		if n := len(w.bans.ids()); n != 1 {
			t.Errorf("tried %d times, want once", n)
		}
		w.Flush(t.Context())
		if n := len(w.entries("shop")); n != 12 {
			t.Errorf("%d entries of 500 events, want 11 whole and 1 counted", n)
		}
		time.Sleep(time.Minute)
		w.decide(blocked("later", client, noren.CauseWAF, "942100"))
		if n := len(w.bans.ids()); n != 2 {
			t.Errorf("a minute later tried %d times in all, want 2", n)
		}
	})
}

// A ban that could not be recorded is not carried out.
func TestUnrecordedActionIsNotDone(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.decide(blocked("e-1", client, noren.CauseWAF, "942100"))
		w.decide(blocked("e-2", client, noren.CauseWAF, "942100"))
		w.entries("shop")
		w.faults.set(db.Fault{Fail: true})
		d, err := w.Decide(context.Background(), blocked("e", client, noren.CauseWAF, "942100"))
		if d.Verdict != noren.Block || len(d.Actions) != 0 || err == nil && d.Fault == "" {
			t.Errorf("decision %+v, %v; want a block without action that says why", d, err)
		}
		if got := w.bans.ids(); len(got) != 0 {
			t.Errorf("acted %v without a record", got)
		}
		w.faults.heal()
	})
}
