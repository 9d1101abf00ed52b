package orient_test

import (
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/orient"
)

// Somebody was seen in several events that wait to be committed. When the first
// of them are taken back, the next one is the first sight: who was seen is not
// new.
func TestFirstSightThatIsTakenBackLeavesTheNext(t *testing.T) {
	const need = "account.first_seen_days"
	signIn := func(id string, day int) *noren.Event { return login(id, "hanako", time.Duration(day)*24*time.Hour) }
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, d *db.DB, o *orient.Orient)
		want int64 // days at day 9
	}{
		{"two of four", func(t *testing.T, _ *db.DB, o *orient.Orient) {
			for day, id := range []string{"a", "b", "c", "e"} {
				observe(t, o, signIn(id, day))
			}
			o.Cancel(signIn("a", 0))
			o.Cancel(signIn("b", 1))
		}, 7},
		{"all but the last of many", func(t *testing.T, _ *db.DB, o *orient.Orient) {
			for day, id := range []string{"a", "b", "c", "e", "f", "g"} {
				observe(t, o, signIn(id, day))
			}
			for day, id := range []string{"a", "b", "c", "e", "f"} {
				o.Cancel(signIn(id, day))
			}
		}, 4},
		{"one that a late event displaced", func(t *testing.T, _ *db.DB, o *orient.Orient) {
			for i, id := range []string{"a", "b", "c"} {
				observe(t, o, signIn(id, 5-i))
			}
			o.Cancel(signIn("c", 3))
			o.Cancel(signIn("b", 4))
		}, 4},
		{"a committed one stands before them", func(t *testing.T, d *db.DB, o *orient.Orient) {
			keep(t, d, o, signIn("a", 0))
			for i, id := range []string{"b", "c", "e"} {
				observe(t, o, signIn(id, 1+i))
			}
			o.Cancel(signIn("b", 1))
		}, 9},
		{"all", func(t *testing.T, _ *db.DB, o *orient.Orient) {
			for day, id := range []string{"a", "b", "c"} {
				observe(t, o, signIn(id, day))
			}
			for day, id := range []string{"c", "a", "b"} {
				o.Cancel(signIn(id, (day+2)%3))
			}
		}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				o := track(t, d, need)
				tt.do(t, d, o)
				if got := fact(t, o, signIn("last", 9), need); got != tt.want {
					t.Errorf("got %v, want %d", got, tt.want)
				}
			})
		})
	}
}
