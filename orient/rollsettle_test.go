package orient_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// An hour is rolled up between the statements and the commit of an outcome: its
// success is not in the sums, so the hour must be summed again.
func TestOutcomeThatCommitsAfterItsHourWasRolledUpIsSummedLater(t *testing.T) {
	d := dbtest.Open(t, db.Postgres) // SQLite has one writer
	needs := []string{"site.logins_failed_24h", "site.logins_24h", "net.logins_failed_24h"}
	o := track(t, d, needs...)
	keep(t, d, o, nameless("a"))
	later := 2 * time.Hour
	success := answer("o", "a", true, later)
	rows := observe(t, o, success)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if err := tx.Insert(t.Context(), rows); err != nil {
			return err
		}
		_, err := o.Roll(t.Context(), start.Add(later))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Committed(success)
	last := login("b", "hanako", later+time.Minute)
	last.Entities["address"] = "203.0.113.7"
	want := noren.Facts{needs[0]: int64(1), needs[1]: int64(2), needs[2]: int64(1)}
	for _, when := range []string{"waiting", "rolled up"} {
		if diff := cmp.Diff(want, facts(t, track(t, d, needs...), last, needs...)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", when, diff)
		}
		if _, err := o.Roll(t.Context(), start.Add(later)); err != nil {
			t.Fatal(err)
		}
	}
}
