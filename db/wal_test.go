package db_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
)

// TestWriteAheadLogStaysShort writes without pause until the log started over,
// then some beside a reader who looks at the beginning all the time.
func TestWriteAheadLogStaysShort(t *testing.T) {
	keys := &db.Table{Name: "vault_keys", Columns: []string{"id", "purpose", "state", "wrapped", "created_at"}}
	d := dbtest.Open(t, db.SQLite)
	blob := bytes.Repeat([]byte("x"), 1<<20)
	write := func(from, to int) {
		for i := from; i < to; i++ {
			if err := insert(t, d, []db.Row{{Table: keys, Values: []any{fmt.Sprint(i), "", "", blob, int64(i)}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	log := func() (pages, copied int) {
		var busy int
		if err := d.Read().QueryRow(`PRAGMA wal_checkpoint(NOOP)`).Scan(&busy, &pages, &copied); err != nil {
			t.Fatal(err)
		}
		return pages, copied
	}
	written, most := 0, 0
	for pages := 0; pages >= most; pages, _ = log() {
		most = pages
		if written++; written > 2000 {
			t.Fatalf("the log has %d pages after %d MiB and never started over", pages, written)
		}
		write(written-1, written)
	}
	reader, err := d.Read().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback()
	var n int
	if err := reader.QueryRow(`SELECT count(*) FROM vault_keys`).Scan(&n); err != nil || n != written {
		t.Fatalf("got %d rows, %v; want %d", n, err, written)
	}
	write(written, written+40)
	reader.Rollback()
	write(written+40, written+41)
	for deadline := time.Now().Add(20 * time.Second); ; {
		pages, copied := log()
		if pages-copied < 4000 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pages are copied", copied, pages)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
