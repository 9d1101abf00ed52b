package orient_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
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

// eraseElsewhere erases somebody in another process, and tells this one.
func eraseElsewhere(t *testing.T, d *db.DB, o *orient.Orient, account string) {
	t.Helper()
	erase(t, d, must(orient.New(orient.Options{DB: d, Token: token})), account)
	o.Erased(true)
}

// An outcome waits that named an account in an attempt. Its device is erased
// elsewhere; then the policies ask for more, and the attempt's mark is carried out
// anew: without the device.
func TestErasedElsewhereAndPoliciesChange(t *testing.T) {
	needs := []string{"account.login_devices_7d", "account.logins_1h", "account.login_addresses_24h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs[1])
		keep(t, d, o, with(login("a", "", 0), noren.Entities{"device": "d1", "address": "203.0.113.7"}), needs[1])
		observe(t, o, with(answer("o", "a", false, time.Second), noren.Entities{"account": "taro", "device": "d1"}))
		other := must(orient.New(orient.Options{DB: d, Token: token}))
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			return other.Erase(t.Context(), tx, "shop", noren.Subject{Kind: noren.EntityDevice, ID: "d1"})
		}); err != nil {
			t.Fatal(err)
		}
		o.Erased(true)
		ask := with(login("ask", "", time.Minute), noren.Entities{"account": "taro"})
		want := noren.Facts{needs[0]: int64(0), needs[1]: int64(2), needs[2]: int64(1)}
		for range 2 {
			if diff := cmp.Diff(want, facts(t, o, ask, needs...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			o.Cancel(ask)
			if err := o.Track(needs); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Another process erased somebody. Whatever waits here, nothing that was
// committed brings them back, and other people's numbers stand.
func TestErasedElsewhere(t *testing.T) {
	needs := []string{"account.logins_30d", "account.logins_failed_30d", "account.first_seen_days", "session.logins_1h", "address.login_accounts_1h", "address.logins_failed_1h"}
	ofTaro := func(id string, after time.Duration) *noren.Event {
		return with(login(id, "", after), noren.Entities{"account": "taro", "address": "203.0.113.7"})
	}
	nothing := func(*testing.T, *db.DB, *orient.Orient) {}
	outcome, late := answer("o", "a", true, time.Second), answer("to", "t", true, time.Second)
	for _, tt := range []struct {
		name          string
		before, after func(t *testing.T, d *db.DB, o *orient.Orient)
	}{
		{"all is told", nothing, nothing},
		{"it is committed and not told yet", func(t *testing.T, d *db.DB, o *orient.Orient) {
			commit(t, d, observe(t, o, ofHanako("b", 2*time.Second)))
		}, func(t *testing.T, _ *db.DB, o *orient.Orient) { o.Committed(ofHanako("b", 2*time.Second)) }},
		{"policies change", nothing, func(t *testing.T, _ *db.DB, o *orient.Orient) {
			for _, set := range [][]string{{}, needs} {
				if err := o.Track(set); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"its outcome waits", func(t *testing.T, _ *db.DB, o *orient.Orient) { observe(t, o, outcome) }, nothing},
		{"its outcome waits and is committed", func(t *testing.T, _ *db.DB, o *orient.Orient) { observe(t, o, outcome) }, func(t *testing.T, d *db.DB, o *orient.Orient) { o.Committed(outcome) }},
		{"its outcome waits and is taken back", func(t *testing.T, _ *db.DB, o *orient.Orient) { observe(t, o, outcome) }, func(t *testing.T, d *db.DB, o *orient.Orient) { o.Cancel(outcome) }},
		{"its outcome comes", nothing, func(t *testing.T, d *db.DB, o *orient.Orient) { keep(t, d, o, outcome) }},
		{"it comes again", nothing, func(t *testing.T, d *db.DB, o *orient.Orient) { keep(t, d, o, ofHanako("a", 0)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				o := track(t, d, needs...)
				keep(t, d, o, ofHanako("a", 0), needs...)
				keep(t, d, o, ofTaro("t", 0), needs...)
				waiting := observe(t, o, late)
				tt.before(t, d, o)
				eraseElsewhere(t, d, o, "hanako")
				tt.after(t, d, o)
				ask := ofHanako("ask", time.Minute)
				if got := facts(t, o, ask, needs...); got[needs[0]] != int64(1) || got[needs[2]] != int64(-1) || got[needs[3]] != int64(1) || got[needs[4]] != int64(2) {
					t.Errorf("the erased person: %v, want what nobody knows", got)
				}
				o.Cancel(ask)
				for _, when := range []string{"while their outcome waits", "when it is committed"} {
					ask := ofTaro("ask", time.Minute)
					got := facts(t, o, ask, needs...)
					if got[needs[0]] != int64(2) || got[needs[1]] != int64(1) || got[needs[2]] != int64(0) || got[needs[4]] != int64(1) {
						t.Errorf("the others %s: %v, want two sign-ins of one account, one of them failed", when, got)
					}
					o.Cancel(ask)
					if waiting != nil {
						commit(t, d, waiting)
						o.Committed(late)
						waiting = nil
					}
				}
			})
		})
	}
}

// Others are erased elsewhere, twice, while an outcome waits that said whose
// address an attempt was. The next outcome's address is none of the attempt's.
func TestOutcomeThatWaitsIsKnownAfterErasures(t *testing.T) {
	const need = "address.logins_1h"
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, need)
		keep(t, d, o, with(login("a", "", 0), noren.Entities{"account": "hanako"}))
		observe(t, o, with(answer("o1", "a", true, time.Second), noren.Entities{"address": "203.0.113.8"}))
		eraseElsewhere(t, d, o, "taro")
		eraseElsewhere(t, d, o, "jiro")
		next := with(answer("o2", "a", false, 2*time.Second), noren.Entities{"address": "203.0.113.7"})
		if got := fact(t, o, next, need); got != int64(0) {
			t.Errorf("the other address has %v sign-ins, want none", got)
		}
	})
}

// An erasure fails after it took the person out of memory. They are counted as
// before, and their history is read once, not with every event.
func TestErasureThatIsRolledBack(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days", "address.login_accounts_1h"}
	url := "sqlite:" + t.TempDir() + "/noren.db"
	d := dbtest.OpenURL(t, db.Options{URL: url, Create: true})
	o := track(t, d, needs...)
	keep(t, d, o, ofHanako("a", 0), needs...)
	failed := errors.New("another part cannot delete")
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		return errors.Join(o.Erase(t.Context(), tx, "shop", noren.Subject{Kind: "account", ID: "hanako"}), failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	o.Erased(false)
	want := noren.Facts{needs[0]: int64(2), needs[1]: int64(0), needs[2]: int64(1)}
	if diff := cmp.Diff(want, facts(t, o, ofHanako("ask", time.Minute), needs...)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d.Close() // whoever loads now is degraded
	want[needs[0]] = int64(3)
	if diff := cmp.Diff(want, facts(t, o, ofHanako("ask2", time.Minute), needs...)); diff != "" {
		t.Errorf("from memory: (-want +got)\n%s", diff)
	}
}

// Another node's word of an erasure arrives although nothing else fits into what
// waits for shared state, and a process that ends tells it without an event.
func TestErasureIsToldWithoutAnEvent(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days", "address.login_accounts_1h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		store := kv.NewMemory(0)
		away := &broken{Store: store}
		node := func(s kv.Store) *orient.Orient {
			o := must(orient.New(orient.Options{DB: d, KV: s, Shared: true, Token: token}))
			if err := o.Track(needs); err != nil {
				t.Fatal(err)
			}
			return o
		}
		a, b, command := node(store), node(store), node(away)
		keep(t, d, a, ofHanako("a", 0), needs...)
		keep(t, d, b, with(login("b", "", 0), noren.Entities{"account": "taro", "address": "203.0.113.7"}), needs...)
		keep(t, d, b, ofHanako("b2", 0), needs...)

		away.away = true
		for i := range 2_600 { // two marks each, and both taken back
			ev := with(login(fmt.Sprint("full", i), "", 0), noren.Entities{"account": fmt.Sprint("x", i), "address": "192.0.2.1"})
			must(command.Observe(t.Context(), ev, nil))
			command.Cancel(ev)
		}
		erase(t, d, command, "hanako")
		if err := command.Tell(t.Context()); err == nil {
			t.Error("told although shared state is away")
		}
		away.away = false
		if err := command.Tell(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, o := range map[string]*orient.Orient{"running": a, "the other": b, "restarted": node(store)} {
			ask := ofHanako("ask"+name, time.Minute)
			want := noren.Facts{needs[0]: int64(1), needs[1]: int64(-1), needs[2]: int64(2)}
			if diff := cmp.Diff(want, facts(t, o, ask, needs...)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", name, diff)
			}
			o.Cancel(ask)
			if err := o.Tell(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Erasures elsewhere while events are counted, loaded and taken back and policies
// change: once all is committed, memory knows what SQL knows.
func TestErasuresElsewhereUnderTraffic(t *testing.T) {
	needs := []string{"account.logins_30d", "account.logins_failed_30d", "account.first_seen_days", "session.logins_30d", "session.logins_failed_30d", "address.login_accounts_24h", "address.logins_failed_24h", "net.login_accounts_24h", "site.logins_30d"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		elsewhere := must(orient.New(orient.Options{DB: d, Token: token}))
		const workers, each = 4, 30
		var traffic, changes sync.WaitGroup
		var visits atomic.Int64
		changes.Go(func() {
			for i := 0; visits.Load() < workers*each; i++ {
				for n := visits.Load(); visits.Load() == n && n < workers*each; { // a load is tried again a few times
					runtime.Gosched()
				}
				erase(t, d, elsewhere, []string{"hanako", "taro"}[i%2])
				o.Erased(true)
				if err := o.Track([][]string{needs, needs[:3], {"session.logins_1h"}}[i%3]); err != nil {
					t.Error(err)
				}
			}
		})
		for w := range workers {
			traffic.Go(func() {
				for i := range each {
					visit(t, d, o, fmt.Sprint(w, "-", i), []string{"hanako", "taro"}[(w+i)%2], i, needs)
					visits.Add(1)
				}
			})
		}
		traffic.Wait()
		changes.Wait()
		for _, account := range []string{"hanako", "taro"} {
			ask := with(login("ask", "", time.Hour), noren.Entities{"account": account, "session": "s", "address": "203.0.113.7"})
			want := facts(t, track(t, d, needs...), ask, needs...)
			if diff := cmp.Diff(want, facts(t, o, ask, needs...)); diff != "" {
				t.Errorf("%s: (-restarted +running)\n%s", account, diff)
			}
			o.Cancel(ask)
		}
	})
}

// Steps that an erased address took are looked up again, others' go on.
func TestStepsAfterAnErasureElsewhere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := withSequences(t, orient.Options{DB: d})
		for _, who := range []string{"203.0.113.7", "203.0.113.8"} {
			stage(t, d, o, "a"+who, who, 0, 1)
			stage(t, d, o, "b"+who, who, time.Minute, 2)
		}
		elsewhere := withSequences(t, orient.Options{DB: d})
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return elsewhere.Erase(t.Context(), tx, "shop", noren.Subject{Kind: "address", ID: "203.0.113.7"})
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Erased(true)
		var got []string
		for _, who := range []string{"203.0.113.7", "203.0.113.8"} {
			got = append(got, fmt.Sprint(stage(t, d, o, "c"+who, who, 2*time.Minute, 3)))
		}
		if s := strings.Join(got, ", "); s != "0, 3" {
			t.Errorf("stages %s, want none of the erased address and the third of the other", s)
		}
	})
}
