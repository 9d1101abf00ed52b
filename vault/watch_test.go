package vault

import (
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// A database that hangs may hold up the first call after a pause, for a moment,
// and no other.
func TestAHangingDatabaseHoldsUpOneSealOnly(t *testing.T) {
	now := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	v, err := Open(t.Context(), Options{DB: dbtest.Open(t, db.SQLite), Root: NewRootKey(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	v.learning.Lock() // every answer is late
	defer v.learning.Unlock()
	began := time.Now()
	for range 200 {
		if _, _, err := v.Seal("shop", noren.Subject{}, now, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < waitAtMost || took > 50*waitAtMost {
		t.Errorf("200 calls took %s, want one wait of %s and no more", took, waitAtMost)
	}
}
