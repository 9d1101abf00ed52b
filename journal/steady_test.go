package journal_test

import (
	"log/slog"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// steady appends one by one until the journal relies on the heads it knows.
func steady(t *testing.T, j *journal.Journal, from int) (next int) {
	t.Helper()
	for n := from; n < from+12; n++ {
		if _, err := j.Append(t.Context(), entry("shop", n)); err != nil {
			t.Fatal(err)
		}
	}
	return from + 12
}

// TestHeadMovedByAnother: a journal that appended alone for a while meets one
// that appends too.
func TestHeadMovedByAnother(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := newSealer()
		a := start(t, options(dbtest.OpenURL(t, db.Options{URL: url}), s))
		b := start(t, options(dbtest.OpenURL(t, db.Options{URL: url}), s))
		n := 0
		for range 5 {
			n = steady(t, a, n)
			n = steady(t, b, n)
		}
		if got := len(ids(t, a, "shop")); got != n {
			t.Errorf("the log has %d entries, want %d", got, n)
		}
		wantClean(t, b)
	})
}

// TestTamperedHeadOfALoneAppender: whoever changes the head behind a journal
// that relies on what it knows, is found by the next entry, and the entry is not
// in the log.
func TestTamperedHeadOfALoneAppender(t *testing.T) {
	for name, tamper := range map[string]string{
		"another root": `UPDATE journal_logs SET root = edge WHERE log = 'shop'`,
		"rolled back":  `UPDATE journal_logs SET size = 8 WHERE log = 'shop'`,
		"removed":      `DELETE FROM journal_logs WHERE log = 'shop'`,
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				var heard alarms
				o := withSpool(d, newSealer(), t.TempDir())
				o.Log = slog.New(&heard)
				j := start(t, o)
				n := steady(t, j, 0)
				sqlDo(t, d, tamper)
				r, err := j.Append(t.Context(), entry("shop", n))
				if err != nil || !r.Spooled {
					t.Errorf("append = %+v, %v; want it kept in the spool", r, err)
				}
				if !heard.have("tampered") {
					t.Error("no alarm")
				}
			})
		})
	}
}

// TestSameEntryTwiceAlone: appending an id again returns its first place.
func TestSameEntryTwiceAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		n := steady(t, j, 0)
		first, err := j.Append(t.Context(), entry("shop", n), nodeRow("once"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := j.Append(t.Context(), entry("shop", n), nodeRow("once"))
		if err != nil || again != first {
			t.Errorf("again: %+v, %v; want %+v", again, err, first)
		}
		steady(t, j, n+1)
		wantClean(t, j)
	})
}

// TestErasedByToken is a restored backup: all that is known of the person is the
// token.
func TestErasedByToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSealer()
		j := start(t, options(d, s))
		for n := range 3000 { // over several spans
			e := entry("shop", n)
			e.Event.Entities = noren.Entities{noren.EntityAccount: "other"}
			if n%500 == 7 {
				e.Event.Entities[noren.EntityAccount] = "erased"
			}
			if err := j.Post(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		find := func(account string) int {
			return len(paged(t, j, journal.Filter{Site: "shop", Field: noren.EntityAccount, Value: account}))
		}
		if got := find("erased"); got != 6 {
			t.Fatalf("found %d entries before, want 6", got)
		}
		token := s.Token("shop", noren.EntityAccount, "erased")
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return j.EraseToken(t.Context(), tx, "shop", token) }); err != nil {
			t.Fatal(err)
		}
		if erased, other := find("erased"), find("other"); erased != 0 || other != 2994 {
			t.Errorf("found %d and %d entries, want 0 and 2994", erased, other)
		}
		wantClean(t, j)
	})
}
