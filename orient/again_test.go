package orient_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

// An event is counted once by its id, however often it is received: while it is
// being committed, and after it was.
func TestEventReceivedAgainCountsOnce(t *testing.T) {
	needs := []string{"site.logins_24h", "site.logins_failed_24h", "account.logins_1h", "account.logins_failed_1h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		keep(t, d, o, login("z", "taro", 0), needs...)
		attempt, ok := login("a", "hanako", time.Second), withParty(answer("o", "a", true, time.Second), "hanako")
		rows := observe(t, o, attempt)
		for _, step := range []struct {
			what string
			do   func() noren.Facts
			want []any
		}{
			{"while it is being committed", func() noren.Facts { return facts(t, o, attempt, needs...) }, []any{int64(2), int64(2), int64(1), int64(1)}},
			{"after it was", func() noren.Facts { commit(t, d, rows); o.Committed(attempt); return keep(t, d, o, attempt, needs...) }, []any{int64(2), int64(2), int64(1), int64(1)}},
			{"once more", func() noren.Facts { return keep(t, d, o, attempt, needs...) }, []any{int64(2), int64(2), int64(1), int64(1)}},
			{"its outcome", func() noren.Facts { return keep(t, d, o, ok, needs...) }, []any{int64(2), int64(1), int64(1), int64(0)}},
			{"its outcome again", func() noren.Facts { return keep(t, d, o, ok, needs...) }, []any{int64(2), int64(1), int64(1), int64(0)}},
			{"the attempt after its outcome", func() noren.Facts { return keep(t, d, o, attempt, needs...) }, []any{int64(2), int64(1), int64(1), int64(0)}},
		} {
			want := noren.Facts{needs[0]: step.want[0], needs[1]: step.want[1], needs[2]: step.want[2], needs[3]: step.want[3]}
			if diff := cmp.Diff(want, step.do()); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", step.what, diff)
			}
		}
	})
}

// The attempt of an outcome is found in SQL after a restart. Received again, it
// is what it was.
func TestAttemptFoundForItsOutcomeAndReceivedAgainCountsOnce(t *testing.T) {
	needs := []string{"site.logins_24h", "site.logins_failed_24h", "account.logins_1h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		attempt := login("a", "hanako", 0)
		keep(t, d, track(t, d, needs...), attempt)
		o := track(t, d, needs...)
		keep(t, d, o, withAccount(answer("o", "a", false, time.Second)), needs...)
		got := keep(t, d, o, attempt, needs...)
		if diff := cmp.Diff(noren.Facts{needs[0]: int64(1), needs[1]: int64(1), needs[2]: int64(1)}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// A committed event that is received again and then not recorded stays counted:
// its rows are there.
func TestCommittedEventReceivedAgainCannotBeTakenBack(t *testing.T) {
	needs := []string{"account.logins_24h", "site.logins_24h"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := track(t, d, needs...)
		for _, id := range []string{"x", "y", "a"} {
			keep(t, d, o, login(id, "hanako", 0), needs...)
		}
		observe(t, o, login("a", "hanako", 0))
		o.Cancel(login("a", "hanako", 0))
		got := facts(t, o, login("b", "hanako", time.Second), needs...)
		if diff := cmp.Diff(noren.Facts{needs[0]: int64(4), needs[1]: int64(4)}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// A committed event that is received again does not make memory let go of
// another one, which is not committed yet.
func TestEventReceivedAgainKeepsOthersInMemory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := must(orient.New(orient.Options{DB: d, KV: kv.NewMemory(0), Token: token, MaxEntities: 1}))
		if err := o.Track([]string{"account.logins_24h"}); err != nil {
			t.Fatal(err)
		}
		keep(t, d, o, login("a", "hanako", 0))
		observe(t, o, login("b", "hanako", time.Second)) // never committed
		keep(t, d, o, login("a", "hanako", 0))
		for _, other := range []string{"taro", "jiro", "saburo"} {
			keep(t, d, o, login(other, other, time.Minute))
		}
		if got := fact(t, o, login("c", "hanako", time.Hour), "account.logins_24h"); got != int64(3) {
			t.Errorf("got %v, want 3", got)
		}
	})
}
