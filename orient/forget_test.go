package orient_test

import (
	"context"
	"fmt"
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

// with is ev with these entities and no others.
func with(ev *noren.Event, e noren.Entities) *noren.Event {
	ev.Entities = e
	return ev
}

// agree compares the facts of an event in memory with those of a fresh start,
// which knows SQL alone, and takes it back.
func agree(t *testing.T, d *db.DB, o *orient.Orient, ev *noren.Event, want noren.Facts, needs ...string) {
	t.Helper()
	for name, o := range map[string]*orient.Orient{"running": o, "restarted": track(t, d, needs...)} {
		if diff := cmp.Diff(want, facts(t, o, ev, needs...)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		o.Cancel(ev)
	}
}

// An attempt does not say whose it is, its outcome does. Erased, it is nobody's,
// and neither are the session and the mail address that it named. The address
// that an outcome named is the shop's number and stays.
func TestEraseOfWhomAnOutcomeNamed(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days", "session.logins_1h", "mail.logins_30d", "address.logins_1h", "device.logins_1h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		others := noren.Entities{"session": "s", "mail": "m", "device": "d"}
		keep(t, d, o, with(login("a", "", 0), others))
		keep(t, d, o, with(answer("o", "a", true, time.Second), noren.Entities{"account": "hanako", "address": "203.0.113.7"}))
		erase(t, d, o, "hanako")
		ask := with(login("b", "", time.Minute), noren.Entities{"account": "hanako", "session": "s", "mail": "m", "device": "d", "address": "203.0.113.7"})
		agree(t, d, o, ask, noren.Facts{needs[0]: int64(1), needs[1]: int64(-1), needs[2]: int64(1), needs[3]: int64(1), needs[4]: int64(2), needs[5]: int64(2)}, needs...)
	})
}

// The outcome of an attempt waits to be committed while the person is erased.
// It says nothing of them, so it brings nothing back: not by itself, not
// through a change of policies, not when it is committed or taken back.
func TestOutcomeThatWaitsBringsNobodyBack(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days", "session.logins_1h", "address.login_accounts_1h", "address.logins_failed_1h"}
	for _, tt := range []struct {
		name   string
		do     func(t *testing.T, d *db.DB, o *orient.Orient, outcome *noren.Event, rows []db.Row)
		failed int64 // attempts at the address, the one that asks included
	}{
		{"it waits", func(*testing.T, *db.DB, *orient.Orient, *noren.Event, []db.Row) {}, 1},
		{"it is committed", func(t *testing.T, d *db.DB, o *orient.Orient, ev *noren.Event, rows []db.Row) {
			commit(t, d, rows)
			o.Committed(ev)
		}, 1},
		{"it is taken back", func(t *testing.T, _ *db.DB, o *orient.Orient, ev *noren.Event, _ []db.Row) { o.Cancel(ev) }, 2},
		{"policies change", func(t *testing.T, _ *db.DB, o *orient.Orient, _ *noren.Event, _ []db.Row) {
			for _, set := range [][]string{{}, needs} {
				if err := o.Track(set); err != nil {
					t.Fatal(err)
				}
			}
		}, 1},
		{"the next outcome comes", func(t *testing.T, d *db.DB, o *orient.Orient, ev *noren.Event, rows []db.Row) {
			commit(t, d, rows)
			o.Committed(ev)
			keep(t, d, o, answer("o2", "a", true, 2*time.Second))
		}, 1},
		{"the attempt comes again", func(t *testing.T, d *db.DB, o *orient.Orient, ev *noren.Event, rows []db.Row) {
			commit(t, d, rows)
			o.Committed(ev)
			keep(t, d, o, ofHanako("a", 0))
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				o := track(t, d, needs...)
				keep(t, d, o, ofHanako("a", 0), needs...)
				outcome := answer("o", "a", true, time.Second)
				rows := observe(t, o, outcome)
				erase(t, d, o, "hanako")
				tt.do(t, d, o, outcome, rows)
				ask := ofHanako("ask", time.Minute)
				want := noren.Facts{needs[0]: int64(1), needs[1]: int64(-1), needs[2]: int64(1), needs[3]: int64(1), needs[4]: tt.failed}
				if diff := cmp.Diff(want, facts(t, o, ask, needs...)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				o.Cancel(ask)
				other := with(login("other", "", time.Minute), noren.Entities{"account": "taro", "address": "203.0.113.7"})
				if got := fact(t, o, other, needs[3]); got != int64(1) {
					t.Errorf("the address knows %v accounts, want that of the event alone", got)
				}
			})
		})
	}
}

func ofHanako(id string, after time.Duration) *noren.Event {
	return with(login(id, "", after), noren.Entities{"account": "hanako", "session": "s", "address": "203.0.113.7"})
}

// What waits to be committed itself comes after the erasure: it counts, for
// whom it names too.
func TestEventThatWaitsComesAfterTheErasure(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days", "session.logins_1h", "address.login_accounts_1h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		keep(t, d, o, ofHanako("a", time.Second), needs...)
		late := ofHanako("late", 0)
		rows := observe(t, o, late)
		erase(t, d, o, "hanako")
		ask := with(login("ask", "", 25*time.Hour), noren.Entities{"account": "hanako", "session": "s", "address": "203.0.113.7"})
		if got := facts(t, o, ask, needs[0], needs[1]); got[needs[0]] != int64(2) || got[needs[1]] != int64(1) {
			t.Errorf("while it waits: %v, want it counted", got)
		}
		o.Cancel(ask)
		other := with(login("other", "", time.Minute), noren.Entities{"account": "taro", "address": "203.0.113.7"})
		if got := fact(t, o, other, needs[3]); got != int64(2) {
			t.Errorf("while it waits the address knows %v accounts, want both", got)
		}
		o.Cancel(other)
		commit(t, d, rows)
		o.Committed(late)
		agree(t, d, o, other, noren.Facts{needs[0]: int64(1), needs[1]: int64(-1), needs[2]: int64(0), needs[3]: int64(2)}, needs...)
		agree(t, d, o, ask, noren.Facts{needs[0]: int64(2), needs[1]: int64(1), needs[2]: int64(1), needs[3]: int64(1)}, needs...)
	})
}

// Rows are committed and memory was not told yet when the person is erased: they
// go with the others, and to be told afterwards brings nobody back.
func TestCommittedAndNotToldYetIsErased(t *testing.T) {
	needs := []string{"account.logins_30d", "account.first_seen_days", "session.logins_1h", "address.login_accounts_1h", "address.logins_1h"}
	outcome := with(answer("o", "b", true, time.Second), noren.Entities{"account": "hanako", "session": "s"})
	for _, order := range []string{"told, asked", "asked, told, asked", "policies change, told, asked"} {
		t.Run(order, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				o := track(t, d, needs...)
				events := []*noren.Event{ofHanako("a", 0), with(login("b", "", 0), noren.Entities{"address": "203.0.113.7"}), outcome}
				for _, ev := range events {
					commit(t, d, observe(t, o, ev))
				}
				erase(t, d, o, "hanako")
				want := noren.Facts{needs[0]: int64(1), needs[1]: int64(-1), needs[2]: int64(1), needs[3]: int64(1), needs[4]: int64(3)}
				for step := range strings.SplitSeq(order, ", ") {
					switch step {
					case "told":
						for _, ev := range events {
							o.Committed(ev)
						}
					case "policies change":
						for _, set := range [][]string{{}, needs} {
							if err := o.Track(set); err != nil {
								t.Fatal(err)
							}
						}
					case "asked":
						agree(t, d, o, ofHanako("ask", time.Minute), want, needs...)
					}
				}
			})
		})
	}
}

// gate is a kv store whose round trips wait while it is closed.
type gate struct {
	kv.Store
	closed  atomic.Bool
	arrived chan struct{}
	open    chan struct{}
}

// Do lets through what writes: loads only read.
func (g *gate) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	if op, ok := ops[0].(kv.Tail); ok && len(ops) == 1 && len(op.Items) == 0 && g.closed.CompareAndSwap(true, false) {
		g.arrived <- struct{}{}
		<-g.open
	}
	return g.Store.Do(ctx, ops...)
}

// A load has read its rows when people are erased. What it brings of them is
// not kept, however many they are.
func TestLoadUnderWayBringsNobodyBack(t *testing.T) {
	needs := []string{"net.login_accounts_24h", "net.logins_7d"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		g := &gate{Store: kv.NewMemory(0), arrived: make(chan struct{}), open: make(chan struct{})}
		before := track(t, d, needs...)
		for i, account := range []string{"hanako", "taro", "jiro"} {
			keep(t, d, before, with(login(account, "", time.Duration(i)*time.Second), noren.Entities{"account": account, "address": "203.0.113.7"}))
		}
		o := must(orient.New(orient.Options{DB: d, KV: g, Shared: true, Token: token}))
		if err := o.Track(needs); err != nil {
			t.Fatal(err)
		}
		ask := func(id string) *noren.Event {
			return with(login(id, "", time.Minute), noren.Entities{"account": "saburo", "address": "203.0.113.9"})
		}
		g.closed.Store(true)
		got := make(chan noren.Facts)
		go func() { got <- must(o.Observe(t.Context(), ask("a"), needs)).Facts }()
		<-g.arrived
		erase(t, d, o, "hanako")
		erase(t, d, o, "taro")
		close(g.open)
		want := noren.Facts{needs[0]: int64(2), needs[1]: int64(4)}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Errorf("who asked first: (-want +got)\n%s", diff)
		}
		o.Cancel(ask("a"))
		if diff := cmp.Diff(want, facts(t, o, ask("b"), needs...)); diff != "" {
			t.Errorf("who asked next: (-want +got)\n%s", diff)
		}
	})
}

// A person is erased while steps of theirs are looked up: rows that are still
// there are not kept in memory, and steps that only an outcome took neither.
func TestStepsThatAreLookedUpDuringAnErasure(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := withSequences(t, orient.Options{DB: d})
		stage(t, d, o, "a1", "203.0.113.7", 0, 1)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			err := o.Erase(t.Context(), tx, "shop", noren.Subject{Kind: "address", ID: "203.0.113.7"})
			stage(t, nil, o, "a2", "203.0.113.7", time.Minute, 3)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := stage(t, nil, o, "a3", "203.0.113.7", 2*time.Minute, 2); got != 0 {
			t.Errorf("stage %d after the erasure, want none", got)
		}
	})
}

// People are erased over and over under traffic and changes of policies. Once
// everything is committed, memory knows what SQL knows.
func TestErasuresUnderTraffic(t *testing.T) {
	needs := []string{"account.logins_30d", "account.logins_failed_30d", "account.first_seen_days", "session.logins_30d", "session.logins_failed_30d", "address.login_accounts_24h", "address.logins_failed_24h", "net.login_accounts_24h", "site.logins_30d"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		const workers, each = 4, 30
		var traffic, changes sync.WaitGroup
		var done atomic.Bool
		changes.Go(func() {
			for i := 0; !done.Load(); i++ {
				erase(t, d, o, []string{"hanako", "taro"}[i%2])
				if err := o.Track([][]string{needs, needs[:3], {"session.logins_1h"}}[i%3]); err != nil {
					t.Error(err)
				}
			}
		})
		for w := range workers {
			traffic.Go(func() {
				for i := range each {
					visit(t, d, o, fmt.Sprint(w, "-", i), []string{"hanako", "taro"}[(w+i)%2], i, needs)
				}
			})
		}
		traffic.Wait()
		done.Store(true)
		changes.Wait()
		erase(t, d, o, "hanako")
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

// visit is a sign-in and its outcome, either of which may say whose it is. Every
// fifth outcome is taken back.
func visit(t *testing.T, d *db.DB, o *orient.Orient, id, account string, i int, needs []string) {
	who := noren.Entities{"account": account, "session": "s"}
	attempt := with(login(id, "", time.Duration(i)*time.Second), noren.Entities{"address": "203.0.113.7"})
	outcome := answer(id+"o", id, i%3 > 0, time.Duration(i)*time.Second)
	if i%2 == 0 {
		attempt.Entities["account"], attempt.Entities["session"] = account, "s"
	} else {
		outcome.Entities = who
	}
	for _, ev := range []*noren.Event{attempt, outcome} {
		obs, err := o.Observe(t.Context(), ev, needs[i%len(needs):][:1])
		switch {
		case err != nil || obs.Degraded:
			t.Errorf("observe %s: %v, degraded %v", ev.ID, err, obs.Degraded)
		case ev == outcome && i%5 == 0:
			o.Cancel(ev)
		default:
			commit(t, d, obs.Rows)
			o.Committed(ev)
		}
	}
}
