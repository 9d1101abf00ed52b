package db_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
)

// TestWriteAheadLogStaysShort writes 160 MiB without pause, then some beside a
// reader who looks at the beginning all the time.
func TestWriteAheadLogStaysShort(t *testing.T) {
	keys := &db.Table{Name: "vault_keys", Columns: []string{"id", "purpose", "state", "wrapped", "created_at"}}
	url := dbtest.URL(t, db.SQLite)
	d := dbtest.OpenURL(t, db.Options{URL: url})
	blob := bytes.Repeat([]byte("x"), 1<<20)
	write := func(from, to int) {
		for i := from; i < to; i++ {
			if err := insert(t, d, []db.Row{{Table: keys, Values: []any{fmt.Sprint(i), "", "", blob, int64(i)}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(0, 160)
	info, err := os.Stat(strings.TrimPrefix(url, "sqlite:") + "-wal")
	if err != nil || info.Size() > 130<<20 {
		t.Errorf("the log has %d bytes after 160 MiB (%v), want it to have started over", info.Size(), err)
	}
	reader, err := d.Read().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback()
	var n int
	if err := reader.QueryRow(`SELECT count(*) FROM vault_keys`).Scan(&n); err != nil || n != 160 {
		t.Fatalf("got %d rows, %v; want 160", n, err)
	}
	write(160, 200)
	reader.Rollback()
	write(200, 201)
	for deadline := time.Now().Add(20 * time.Second); ; {
		var busy, pages, copied int
		if err := d.Read().QueryRow(`PRAGMA wal_checkpoint(NOOP)`).Scan(&busy, &pages, &copied); err != nil {
			t.Fatal(err)
		}
		if pages-copied < 4000 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pages are copied", copied, pages)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
