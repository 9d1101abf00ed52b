package orient_test

import (
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
	"noren/orient"
)

// History that cannot be loaded: the facts are those of what is known, marked
// degraded, and nobody is called new for it.
func TestHistoryThatCannotBeLoaded(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		const logins, known = "account.logins_24h", "account.first_seen_days"
		needs := []string{logins, known}
		d := dbtest.OpenURL(t, db.Options{URL: url})
		before := must(orient.New(orient.Options{DB: d, Token: token}))
		obs := must(before.Observe(t.Context(), login("a", "hanako", 0), needs))
		if obs.Facts[known] != int64(-1) || obs.Degraded {
			t.Fatalf("a new customer: %v, degraded %t", obs.Facts, obs.Degraded)
		}
		commit(t, d, obs.Rows)

		away := dbtest.OpenURL(t, db.Options{URL: url})
		o := must(orient.New(orient.Options{DB: away, Token: token}))
		if err := o.Track(needs); err != nil {
			t.Fatal(err)
		}
		if err := away.Close(); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{1, 2} { // counted in memory, all the same
			after := 3*time.Hour + time.Duration(i)*time.Minute
			obs, err := o.Observe(t.Context(), login([]string{"b", "c"}[i], "hanako", after), needs)
			if err != nil || !obs.Degraded {
				t.Fatalf("observation %+v, %v; want a degraded one", obs, err)
			}
			if obs.Facts[logins] != want || obs.Facts[known] != int64(0) {
				t.Errorf("facts %v, want %d sign-ins and nobody called new", obs.Facts, want)
			}
			if len(obs.Rows) == 0 {
				t.Error("no rows to make it durable with")
			}
		}
	})
}
