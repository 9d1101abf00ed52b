package orient_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

// While policies come and go, events are taken back that could not be recorded.
// None of them stays counted, and none of the others goes.
func TestEventsAreTakenBackWhilePoliciesChange(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := must(orient.New(orient.Options{DB: d, KV: kv.NewMemory(0), Token: token}))
	sets := [][]string{{"account.logins_1h"}, {"account.logins_1h", "site.logins_24h", "device.logins_1h"}, {}, {"device.logins_1h", "site.logins_24h"}}
	var stop atomic.Bool
	var reloads, traffic sync.WaitGroup
	reloads.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if err := o.Track(sets[i%len(sets)]); err != nil {
				t.Error(err)
			}
		}
	})
	const workers, each = 4, 400
	for worker := range workers {
		traffic.Go(func() {
			for i := range each {
				ev := login(fmt.Sprintf("%d-%d", worker, i), "hanako", time.Duration(i)*time.Millisecond)
				ev.Entities["device"] = "d1"
				obs := must(o.Observe(t.Context(), ev, nil))
				if i%40 == 0 {
					commit(t, d, obs.Rows)
					o.Committed(ev)
				} else {
					o.Cancel(ev)
				}
			}
		})
	}
	traffic.Wait()
	stop.Store(true)
	reloads.Wait()
	last := login("last", "hanako", time.Second)
	last.Entities["device"] = "d1"
	got := facts(t, o, last, "account.logins_1h", "device.logins_1h", "site.logins_24h")
	for name, n := range got {
		if want := int64(workers*each/40 + 1); n != want {
			t.Errorf("%s: got %v, want %d", name, n, want)
		}
	}
}

// What waits to be committed is counted by what policies ask for afterwards, and
// taken back there: through layouts that have the counter and that do not.
func TestUncommittedEventsSurviveChangesOfPolicies(t *testing.T) {
	needs := []string{"site.logins_24h", "site.logins_failed_24h", "account.logins_failed_1h", "device.logins_1h"}
	for _, between := range [][][]string{
		{needs}, {{}, needs}, {{"site.logins_2h"}, needs}, {{"site.orders_7d"}, needs}, {{"account.orders_1h"}, {}, needs},
	} {
		t.Run(fmt.Sprint(between), func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				o := track(t, d, needs[:2]...)
				signIn := func(id string) *noren.Event {
					ev := login(id, "hanako", 0)
					ev.Entities["device"] = "d1"
					return ev
				}
				stays, goes := signIn("stays"), signIn("goes")
				observe(t, o, stays)
				observe(t, o, answer("o", "stays", true, time.Second))
				observe(t, o, goes)
				taken := answer("o2", "goes", true, time.Second)
				observe(t, o, taken)
				for _, set := range between {
					if err := o.Track(set); err != nil {
						t.Fatal(err)
					}
					ask := signIn("ask")
					facts(t, o, ask, set...)
					o.Cancel(ask)
				}
				last := signIn("last")
				for _, step := range []struct {
					what       string
					do         func()
					n, unknown int64
				}{
					{"both", func() {}, 3, 1},
					{"a success taken back", func() { o.Cancel(taken) }, 3, 2},
					{"an attempt taken back", func() { o.Cancel(goes) }, 2, 1},
				} {
					step.do()
					want := noren.Facts{needs[0]: step.n, needs[1]: step.unknown, needs[2]: step.unknown, needs[3]: step.n}
					if diff := cmp.Diff(want, facts(t, o, last, needs...)); diff != "" {
						t.Errorf("%s: (-want +got)\n%s", step.what, diff)
					}
					o.Cancel(last)
				}
			})
		})
	}
}

// Policies stop asking for a counter and ask for it again, as when a change is
// tried and undone. What happened meanwhile counts.
func TestCounterThatWasNotAskedForMeanwhileMissesNothing(t *testing.T) {
	needs := []string{"account.logins_24h", "site.logins_24h", "site.logins_1h", "device.first_seen_days"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		signIn := func(id string, after time.Duration) *noren.Event {
			ev := login(id, "hanako", after)
			ev.Entities["device"] = "d1"
			return ev
		}
		keep(t, d, o, signIn("a", 0), needs...)
		for _, set := range [][]string{{}, {"account.orders_1h"}} {
			if err := o.Track(set); err != nil {
				t.Fatal(err)
			}
			keep(t, d, o, signIn("b"+fmt.Sprint(set), 24*time.Hour-time.Minute), set...)
		}
		if err := o.Track(needs); err != nil {
			t.Fatal(err)
		}
		got := facts(t, o, signIn("c", 24*time.Hour-time.Second), needs...)
		want := noren.Facts{needs[0]: int64(4), needs[1]: int64(4), needs[2]: int64(3), needs[3]: int64(0)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
