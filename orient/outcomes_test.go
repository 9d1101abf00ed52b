package orient_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

// track is an Orient over d that was told what will be asked.
func track(t testing.TB, d *db.DB, needs ...string) *orient.Orient {
	t.Helper()
	o := must(orient.New(orient.Options{DB: d, KV: kv.NewMemory(0), Token: token}))
	if err := o.Track(needs); err != nil {
		t.Fatal(err)
	}
	return o
}

// observe takes ev in and returns its rows, not committed yet.
func observe(t testing.TB, o *orient.Orient, ev *noren.Event) []db.Row {
	t.Helper()
	obs, err := o.Observe(t.Context(), ev, nil)
	if err != nil || obs.Degraded {
		t.Fatalf("observe %s: %v, degraded %v", ev.ID, err, obs.Degraded)
	}
	return obs.Rows
}

// nameless is an attempt that does not say whose it is: its outcome does.
func nameless(id string) *noren.Event {
	ev := login(id, "", 0)
	ev.Entities = noren.Entities{"address": "203.0.113.7"}
	return ev
}

// The first outcome of an attempt names the account, the second is the success.
// When the rows of the first are committed those of the second are not, so a
// load between the two must keep the success that memory knows of.
func TestSuccessNotCommittedYetOutlivesTheCommitOfAnEarlierOutcome(t *testing.T) {
	needs := []string{"account.logins_failed_30d", "account.login_failure_rate_30d", "account.logins_30d"}
	for _, tt := range []struct {
		name     string
		outcomes []*noren.Event // of attempt a, in order
		commit   []int          // which of them are committed, and in which order
		failed   int64          // of two attempts, the one that asks included
	}{
		{"the one that names the account", []*noren.Event{withAccount(answer("o1", "a", false, time.Second)), answer("o2", "a", true, 2*time.Second)}, []int{0}, 1},
		{"both", []*noren.Event{withAccount(answer("o1", "a", false, time.Second)), answer("o2", "a", true, 2*time.Second)}, []int{0, 1}, 1},
		{"the success alone", []*noren.Event{withAccount(answer("o1", "a", false, time.Second)), answer("o2", "a", true, 2*time.Second)}, []int{1}, 1},
		{"a success that names the account before a failure", []*noren.Event{withAccount(answer("o1", "a", true, time.Second)), answer("o2", "a", false, 2*time.Second)}, []int{1}, 1},
		{"the success before one that names the account", []*noren.Event{answer("o1", "a", true, time.Second), withAccount(answer("o2", "a", false, 2*time.Second))}, []int{0}, 1},
		{"none", []*noren.Event{withAccount(answer("o1", "a", false, time.Second)), answer("o2", "a", true, 2*time.Second)}, nil, 1},
		{"two failures", []*noren.Event{withAccount(answer("o1", "a", false, time.Second)), answer("o2", "a", false, 2*time.Second)}, []int{0}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				o := track(t, d, needs...)
				keep(t, d, o, nameless("a"))
				rows := make([][]db.Row, len(tt.outcomes))
				for i, ev := range tt.outcomes {
					rows[i] = observe(t, o, ev)
				}
				for _, i := range tt.commit {
					commit(t, d, rows[i])
					o.Committed(tt.outcomes[i])
				}
				// Later than what is kept in any case; the account is loaded now.
				got := facts(t, o, login("b", "hanako", time.Hour), needs...)
				want := noren.Facts{needs[0]: tt.failed, needs[1]: float64(tt.failed) / 2, needs[2]: int64(2)}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// An event that is committed while its account is being loaded is as any other
// afterwards: it is erased with the person, also while the load goes on.
func TestCommittedWhileLoadingIsErasedWithThePerson(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days"}
	for _, during := range []bool{false, true} {
		t.Run(fmt.Sprintf("during the load %v", during), func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) { committedWhileLoading(t, d, needs, during) })
		})
	}
}

func committedWhileLoading(t *testing.T, d *db.DB, needs []string, during bool) {
	o := track(t, d, needs...)
	first := login("a", "hanako", 0)
	commit(t, d, observe(t, o, first))

	goOn := holdReaders(t, d)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	waits := login("b", "hanako", time.Second)
	if obs := must(o.Observe(ended, waits, needs)); !obs.Degraded {
		t.Fatal("the account was loaded although nothing can be read")
	}
	o.Cancel(waits)
	o.Committed(first)
	if during {
		erase(t, d, o, "hanako")
	}
	goOn()
	if !during {
		if got := facts(t, o, waits, needs...); got[needs[0]] != int64(2) {
			t.Errorf("after the load: got %v, want both", got)
		}
		o.Cancel(waits)
		erase(t, d, o, "hanako")
	}
	want := noren.Facts{needs[0]: int64(1), needs[1]: int64(-1)}
	if diff := cmp.Diff(want, facts(t, o, login("c", "hanako", time.Minute), needs...)); diff != "" {
		t.Errorf("after the erasure: (-want +got)\n%s", diff)
	}
}

func erase(t *testing.T, d *db.DB, o *orient.Orient, account string) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		return o.Erase(t.Context(), tx, "shop", noren.Subject{Kind: noren.EntityAccount, ID: account})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// holdReaders takes every connection that reads, so that a load begins and does
// not end.
func holdReaders(t *testing.T, d *db.DB) (goOn func()) {
	t.Helper()
	var held []*sql.Conn
	for range d.Read().Stats().MaxOpenConnections {
		held = append(held, must(d.Read().Conn(t.Context())))
	}
	return func() {
		for _, c := range held {
			c.Close()
		}
	}
}

// A success that could not be recorded is taken back from everybody who was told
// of it, also from whom a later outcome of the attempt named.
func TestSuccessThatIsTakenBackIsNobodysSuccess(t *testing.T) {
	needs := []string{"account.logins_failed_30d", "account.logins_30d", "address.logins_failed_30d"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		keep(t, d, o, nameless("a"))
		success, named := answer("o1", "a", true, time.Second), withAccount(answer("o2", "a", false, 2*time.Second))
		observe(t, o, success)
		rows := observe(t, o, named)
		o.Cancel(success)
		commit(t, d, rows)
		o.Committed(named)
		last := login("b", "hanako", 3*time.Second)
		last.Entities["address"] = "203.0.113.7"
		want := noren.Facts{needs[0]: int64(2), needs[1]: int64(2), needs[2]: int64(2)}
		for name, o := range map[string]*orient.Orient{"running": o, "restarted": track(t, d, needs...)} {
			if diff := cmp.Diff(want, facts(t, o, last, needs...)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", name, diff)
			}
			o.Cancel(last)
		}
	})
}

// Another node names the account of an old attempt, tells of its success and
// takes the success back. What it named is not in SQL yet, and still counts here.
func TestSuccessThatAnotherNodeTakesBackLeavesTheAttempt(t *testing.T) {
	needs := []string{"account.logins_failed_30d", "account.logins_30d"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		store := &emptied{fresh: func() kv.Store { return kv.NewMemory(0) }}
		store.empty()
		nodes := make([]*orient.Orient, 2)
		for i := range nodes {
			nodes[i] = must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
			if err := nodes[i].Track(needs); err != nil {
				t.Fatal(err)
			}
		}
		here, there := nodes[0], nodes[1]
		keep(t, d, there, nameless("a"))
		const later = time.Hour
		keep(t, d, here, login("x", "hanako", later), needs...)
		observe(t, there, withAccount(answer("o1", "a", false, later+time.Second)))
		success := answer("o2", "a", true, later+2*time.Second)
		observe(t, there, success)
		ask := func(what, id string, want noren.Facts) {
			t.Helper()
			for _, when := range []string{"heard", "loaded again"} {
				ev := login(id, "hanako", later+3*time.Second)
				if diff := cmp.Diff(want, facts(t, here, ev, needs...)); diff != "" {
					t.Errorf("%s, %s: (-want +got)\n%s", what, when, diff)
				}
				here.Cancel(ev)
				store.empty() // what was missed meanwhile is loaded
			}
		}
		ask("while it stands", "b", noren.Facts{needs[0]: int64(2), needs[1]: int64(3)})
		there.Cancel(success)
		keep(t, d, there, login("news", "jiro", later+4*time.Second)) // takes the news along
		ask("taken back", "c", noren.Facts{needs[0]: int64(3), needs[1]: int64(3)})
	})
}
