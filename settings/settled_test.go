package settings

import (
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// What is settled belongs to one site, is there after a second time, and can be
// taken back.
func TestSettled(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.Postgres} {
		s, err := Open(Options{DB: dbtest.Open(t, engine), Mode: Console})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []string{"places", "shop", "places"} {
			if err := s.Settle(t.Context(), "tea", step, "staff:1", true); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Settle(t.Context(), "tea", "shop", "staff:1", false); err != nil {
			t.Fatal(err)
		}
		got, err := s.Settled(t.Context(), "tea")
		if err != nil || len(got) != 1 || got["places"].IsZero() {
			t.Errorf("%s: settled %v, %v", engine, got, err)
		}
		if other, err := s.Settled(t.Context(), "cakes"); err != nil || len(other) != 0 {
			t.Errorf("%s: another site has %v, %v", engine, other, err)
		}
		if err := s.Settle(t.Context(), "", "shop", "staff:1", true); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: without a site: %v", engine, err)
		}
	}
}
