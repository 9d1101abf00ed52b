package db_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

var states = &db.Table{Name: "vault_state", Columns: []string{"name", "value"}, OrIgnore: true}

func TestInsertAndRollBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		rows := make([]db.Row, 0, 5000)
		for i := range 5000 {
			rows = append(rows, db.Row{Table: states, Values: []any{string(rune('a'+i%26)) + time.Duration(i).String(), "v"}})
		}
		for range 2 { // the second time every row is there already
			if err := d.Write(ctx, func(tx *sql.Tx) error { return db.Insert(ctx, tx, rows) }); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, d); n != 5000 {
			t.Errorf("got %d rows, want 5000", n)
		}
		err := d.Write(ctx, func(tx *sql.Tx) error {
			if _, err := tx.Exec(`DELETE FROM vault_state`); err != nil {
				t.Error(err)
			}
			return context.Canceled
		})
		if err != context.Canceled || count(t, d) != 5000 {
			t.Errorf("got %v and %d rows, want the transaction rolled back", err, count(t, d))
		}
	})
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRow(`SELECT count(*) FROM vault_state`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMissingFileIsNotMadeSilently(t *testing.T) {
	_, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "no.db")})
	if noren.CodeOf(err) != noren.NotFound || noren.HintOf(err) == "" {
		t.Errorf("got %v (hint %q), want not found with a hint", err, noren.HintOf(err))
	}
}
