package journal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

func TestAppendAndRead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		want := entry("shop", 1)
		r, err := j.Append(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.Get(t.Context(), "shop", want.Event.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Entry); diff != "" {
			t.Errorf("entry read back differs (-want +got):\n%s", diff)
		}
		if r.Seq != 0 || r.Log != "shop" || r.Leaf != got.Hash() || r.Spooled {
			t.Errorf("receipt %+v does not fit entry %d with hash %s", r, got.Seq, got.Hash())
		}
		again, err := j.Append(t.Context(), want)
		if err != nil || again != r {
			t.Errorf("append again = %+v, %v; want the first receipt %+v", again, err, r)
		}
		appendN(t, j, "shop", 2, 700)
		appendN(t, j, "", 0, 300)
		wantClean(t, j)
		if n := len(ids(t, j, journal.InstanceLog)); n != 300 {
			t.Errorf("instance log has %d entries, want 300", n)
		}
	})
}

func TestAppendRefuses(t *testing.T) {
	j := open(t, dbtest.Open(t, db.SQLite))
	for name, change := range map[string]func(*noren.Entry){
		"no id":              func(e *noren.Entry) { e.Event.ID = "" },
		"line feed in id":    func(e *noren.Entry) { e.Event.ID = "a\nb" },
		"unknown kind":       func(e *noren.Entry) { e.Event.Kind = "x" },
		"no time":            func(e *noren.Entry) { e.Event.At = noren.Time{} },
		"site with slash":    func(e *noren.Entry) { e.Event.Site = "a/b" },
		"site instance":      func(e *noren.Entry) { e.Event.Site = journal.InstanceLog },
		"unknown verdict":    func(e *noren.Entry) { e.Decision.Verdict = "maybe" },
		"count zero":         func(e *noren.Entry) { e.Count = 0 },
		"payload of another": func(e *noren.Entry) { e.Event.Payload = &noren.Order{Total: noren.Yen(1)} },
	} {
		t.Run(name, func(t *testing.T) {
			e := entry("shop", 1)
			change(&e)
			if _, err := j.Append(t.Context(), e); noren.CodeOf(err) != noren.Invalid {
				t.Errorf("Append = %v, want code invalid", err)
			}
		})
	}
}
