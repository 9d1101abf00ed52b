package orient_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

func TestDatabaseAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := must(orient.New(orient.Options{DB: d, Token: token}))
		needs := []string{"account.logins_24h", "account.first_seen_days", "site.logins_30d"}
		ev := login("a", "hanako", 0)
		commit(t, d, must(o.Observe(t.Context(), ev, needs)).Rows)
		o.Committed(ev)
		d.Close()

		obs := must(o.Observe(t.Context(), login("b", "hanako", time.Second), needs))
		if obs.Degraded || obs.Facts[needs[0]] != int64(2) || obs.Facts[needs[1]] != int64(0) || obs.Facts[needs[2]] != int64(2) {
			t.Errorf("an account in memory: got %v, degraded %v", obs.Facts, obs.Degraded)
		}
		obs = must(o.Observe(t.Context(), login("c", "taro", time.Second), needs))
		if !obs.Degraded || obs.Facts[needs[0]] != int64(1) || obs.Facts[needs[1]] != int64(0) || obs.Facts[needs[2]] != int64(3) {
			t.Errorf("an account to be loaded: got %v, degraded %v; want what memory has, nobody called new", obs.Facts, obs.Degraded)
		}
		if len(obs.Rows) == 0 {
			t.Error("no rows for the spool")
		}
		obs = must(o.Observe(t.Context(), answer("o", "unknown", true, time.Second), nil))
		if !obs.Degraded {
			t.Error("an outcome whose attempt could not be looked up: want it degraded")
		}
		if _, err := o.Roll(context.Background(), start.Add(time.Hour)); err == nil {
			t.Error("roll without a database: got no error")
		}
		if _, err := o.Prune(context.Background(), start); err == nil {
			t.Error("prune without a database: got no error")
		}
	})
}

// An event does not wait longer than its deadline for its history, and the
// load goes on for the next one.
func TestDeadlineEndsTheWaitForHistory(t *testing.T) {
	o := must(orient.New(orient.Options{DB: dbtest.Open(t, db.SQLite), Token: token}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	obs := must(o.Observe(ctx, login("a", "hanako", 0), []string{"account.logins_24h"}))
	if obs.Facts["account.logins_24h"] != int64(1) {
		t.Errorf("got %v, want the event's own count", obs.Facts)
	}
	if got := fact(t, o, login("b", "hanako", time.Second), "account.logins_24h"); got != int64(2) {
		t.Errorf("the next event: got %v", got)
	}
}

// What one node reserved while shared state was away reaches the other when it
// is back.
func TestSharedStateAwayAndBack(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	store := kv.NewMemory(0)
	away := &broken{Store: store}
	a := must(orient.New(orient.Options{DB: d, KV: away, Shared: true, Token: token}))
	b := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
	need := []string{"account.logins_1h", "site.logins_24h"}
	observe := func(o *orient.Orient, id string, at time.Duration) (int64, int64, bool) {
		obs := must(o.Observe(t.Context(), login(id, "hanako", at), need))
		return obs.Facts[need[0]].(int64), obs.Facts[need[1]].(int64), obs.Degraded
	}
	observe(a, "a1", 0)
	observe(b, "b1", time.Second)
	away.away = true
	if n, m, degraded := observe(a, "a2", 2*time.Second); n != 3-1 || m != n || !degraded {
		t.Errorf("alone: got %d, %d, degraded %v; want what this node knows", n, m, degraded)
	}
	if n, _, _ := observe(b, "b2", 3*time.Second); n != 3 {
		t.Errorf("the other node: got %d, want it not to know of the reservation", n)
	}
	away.away = false
	if n, m, degraded := observe(a, "a3", 4*time.Second); n != 5 || m != 5 || degraded {
		t.Errorf("back: got %d, %d, degraded %v", n, m, degraded)
	}
	if n, m, _ := observe(b, "b3", 5*time.Second); n != 6 || m != 6 {
		t.Errorf("the other node: got %d, %d; want the reservation made up for", n, m)
	}
}

func TestFailoverIsDegraded(t *testing.T) {
	store := &broken{Store: kv.NewMemory(0), away: true}
	f := kv.NewFailover(store, "node", nil)
	defer f.Close()
	o := must(orient.New(orient.Options{DB: dbtest.Open(t, db.SQLite), KV: f, Shared: true, Token: token}))
	for i := range 3 {
		obs := must(o.Observe(t.Context(), login(fmt.Sprint(i), "hanako", 0), []string{"account.logins_1h"}))
		if !obs.Degraded || obs.Facts["account.logins_1h"] != int64(i+1) {
			t.Errorf("event %d: got %v, degraded %v", i, obs.Facts, obs.Degraded)
		}
	}
}

func TestCancelOnOneNodeReachesTheOther(t *testing.T) {
	d, store := dbtest.Open(t, db.SQLite), kv.NewMemory(0)
	a := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
	b := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
	needs := []string{"account.logins_1h", "site.logins_24h"}
	lost := login("lost", "hanako", 0)
	facts(t, a, lost, needs...)
	if got := facts(t, b, login("b1", "hanako", time.Second), needs...); got[needs[0]] != int64(2) || got[needs[1]] != int64(2) {
		t.Errorf("before: got %v, want both", got)
	}
	a.Cancel(lost)
	facts(t, a, login("a2", "taro", 2*time.Second))
	if got := facts(t, b, login("b2", "hanako", 3*time.Second), needs...); got[needs[0]] != int64(2) || got[needs[1]] != int64(3) {
		t.Errorf("after: got %v, want the cancelled one gone", got)
	}
}
