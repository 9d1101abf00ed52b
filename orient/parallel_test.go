package orient_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

// Many attempts at once: however they interleave with each other, with loading,
// eviction and committing, at most twenty may believe to be among the first
// twenty, and none is lost.
func TestParallelAttemptsCannotRacePastALimit(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	shared := kv.NewMemory(0)
	for _, tt := range []struct {
		name  string
		nodes []orient.Options
	}{
		{"in memory", []orient.Options{{}}},
		{"stored", []orient.Options{{DB: d, Token: token, MaxEntities: 2}}},
		{"two nodes", []orient.Options{{DB: d, KV: shared, Shared: true, Token: token}, {DB: d, KV: shared, Shared: true, Token: token, MaxEntities: 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) { raceForLimit(t, tt.name, tt.nodes) })
	}
}

func raceForLimit(t *testing.T, site string, options []orient.Options) {
	const attempts, limit = 400, 20
	nodes := make([]*orient.Orient, len(options))
	for i := range options {
		nodes[i] = must(orient.New(options[i]))
	}
	needs := []string{"account.logins_failed_1h", "site.logins_failed_24h", "device.first_seen_days"}
	var below atomic.Int64
	var wg sync.WaitGroup
	for i := range attempts {
		wg.Go(func() {
			o := nodes[i%len(nodes)]
			ev := login(fmt.Sprint(i), "hanako", time.Duration(i%7)*time.Microsecond)
			ev.Site = site
			ev.Entities["device"] = fmt.Sprint(i)
			obs, err := o.Observe(t.Context(), ev, needs)
			if err != nil || obs.Degraded {
				t.Errorf("attempt %d: %v, degraded %v", i, err, obs.Degraded)
				return
			}
			if obs.Facts["account.logins_failed_1h"].(int64) <= limit {
				below.Add(1)
			}
			if obs.Facts["device.first_seen_days"] != int64(-1) {
				t.Errorf("attempt %d: its device was known before: %v", i, obs.Facts)
			}
			if options[0].DB != nil {
				commit(t, options[0].DB, obs.Rows)
			}
			o.Committed(ev)
		})
	}
	wg.Wait()
	if n := below.Load(); n > limit {
		t.Errorf("%d attempts believed to be among the first %d", n, limit)
	}
	for i, o := range append(nodes, must(orient.New(options[0]))) {
		if i == len(nodes) && options[0].DB == nil {
			break // nothing survives a restart in memory
		}
		ev := login("last", "hanako", time.Second)
		ev.Site = site
		got := facts(t, o, ev, needs...)
		if got[needs[0]] != int64(attempts+1) || got[needs[1]] != int64(attempts+1) {
			t.Errorf("node %d: got %v, want all %d", i, got, attempts+1)
		}
		o.Cancel(ev)
		facts(t, o, login("flush", "nobody", 0)) // takes the news of the cancellation along
	}
}

// Attempts and outcomes of many accounts at once leave exactly what they would
// leave one after another.
func TestParallelOutcomes(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := must(orient.New(orient.Options{DB: d, Token: token, MaxEntities: 3}))
	needs := []string{"account.logins_failed_24h", "site.logins_failed_24h", "site.login_accounts_24h"}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf("%d-%d", worker, i)
				account := fmt.Sprintf("account%d", i%5)
				for _, ev := range []*noren.Event{login(id, account, 0), withParty(answer("o"+id, id, i%2 == 0, time.Millisecond), account)} {
					obs, err := o.Observe(t.Context(), ev, needs)
					if err != nil || obs.Degraded {
						t.Errorf("%s: %v, degraded %v", id, err, obs.Degraded)
					}
					commit(t, d, obs.Rows)
					o.Committed(ev)
				}
			}
		})
	}
	wg.Wait()
	for name, o := range map[string]*orient.Orient{"running": o, "restarted": must(orient.New(orient.Options{DB: d, Token: token}))} {
		got := facts(t, o, withParty(answer("end-"+name, "", true, time.Second), "account0"), needs...)
		if got[needs[0]] != int64(32) || got[needs[1]] != int64(160) || got[needs[2]] != int64(5) {
			t.Errorf("%s: got %v, want 32 failed of the account, 160 of the site, 5 accounts", name, got)
		}
	}
}

func withParty(ev *noren.Event, account string) *noren.Event {
	ev.Entities = noren.Entities{"account": account}
	return ev
}

// While policies change under running traffic nothing is lost and nothing is
// counted twice, also not between an Orient and its successor.
func TestPoliciesChangeUnderTraffic(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := must(orient.New(orient.Options{DB: d, Token: token}))
	sets := [][]string{
		{"account.logins_1h"}, {"account.logins_1h", "site.logins_24h"}, {"device.login_accounts_24h"}, {"account.logins_24h", "terminal.logins_1h", "terminal.first_seen_days"},
	}
	var current atomic.Pointer[orient.Orient]
	current.Store(o)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 40 {
				o := current.Load()
				ev := login(fmt.Sprintf("%d-%d", worker, i), "hanako", time.Duration(i)*time.Millisecond)
				ev.Entities["terminal"] = "T17"
				obs, err := o.Observe(t.Context(), ev, []string{"account.logins_1h"})
				if err != nil || obs.Degraded {
					t.Errorf("%v, degraded %v", err, obs.Degraded)
				}
				commit(t, d, obs.Rows)
				o.Committed(ev)
			}
		})
	}
	for i := range 12 {
		next := must(orient.New(orient.Options{Entities: []string{"terminal"}, After: current.Load()}))
		if err := next.Track(sets[i%len(sets)]); err != nil {
			t.Error(err)
		}
		current.Store(next)
	}
	wg.Wait()
	got := facts(t, current.Load(), login("last", "hanako", time.Second), "account.logins_1h", "site.logins_24h")
	if got["account.logins_1h"] != int64(321) || got["site.logins_24h"] != int64(321) {
		t.Errorf("got %v, want 321 of both", got)
	}
}
