package db_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

const setState = `UPDATE vault_state SET value = $1 WHERE name = $2`

func TestBatchIsOneTransaction(t *testing.T) {
	row := func(name string) db.Row { return db.Row{Table: strict, Values: []any{name, ""}} }
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var b db.Batch
		b.Insert([]db.Row{row("a"), row("b")})
		b.Exec("name it", setState, "1", "a")
		b.ExecOne("name the other", setState, "2", "b")
		if err := d.Run(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if got := values(t, d); got != "a=1 b=2 " {
			t.Errorf("got %q", got)
		}

		var broken db.Batch
		broken.Insert([]db.Row{row("c")})
		broken.Exec("change nothing", setState, "x", "nobody") // any number of rows is fine
		broken.Exec("spoil it", `INSERT INTO vault_state (name, value) VALUES ($1, NULL)`, "d")
		broken.Insert([]db.Row{row("e")})
		if err := d.Run(t.Context(), &broken); err == nil || db.IsUnavailable(err) {
			t.Errorf("a NULL where none may be: got %v", err)
		}
		if got := values(t, d); got != "a=1 b=2 " {
			t.Errorf("after an error: got %q", got)
		}

		var none db.Batch
		none.ExecOne("name nobody", setState, "x", "nobody")
		none.Exec("another", setState, "y", "nobody")
		if err := d.Run(t.Context(), &none); noren.CodeOf(err) != noren.Internal {
			t.Errorf("no row where one was wanted: got %v", err)
		}
		if err := d.Run(t.Context(), new(db.Batch)); err != nil {
			t.Errorf("an empty batch: %v", err)
		}
		var after db.Batch // the connections are as good as new
		after.Insert([]db.Row{row("z")})
		if err := d.Run(t.Context(), &after); err != nil {
			t.Error(err)
		}
	})
}

func values(t *testing.T, d *db.DB) (all string) {
	t.Helper()
	rows, err := d.Read().Query(`SELECT name, value FROM vault_state ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			t.Fatal(err)
		}
		all += name + "=" + value + " "
	}
	return all
}

// TestBatchOfAnEndedTransaction: the context rolls the transaction back beside
// its function, and a batch sent afterwards must not stand on its own.
func TestBatchOfAnEndedTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Write(ctx, func(tx *db.Tx) error {
			put(t, tx, "before")
			cancel()
			for tx.QueryRowContext(t.Context(), `SELECT 1`).Scan(new(int)) == nil { // until it is noticed
			}
			var b db.Batch
			b.Insert([]db.Row{{Table: strict, Values: []any{"after", ""}}})
			b.Exec("another", setState, "x", "after")
			return tx.Run(t.Context(), &b)
		})
		if err == nil {
			t.Error("the batch ran in a transaction that was over")
		}
		if n := count(t, d); n != 0 {
			t.Errorf("%d rows stayed", n)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		var b db.Batch
		b.Insert([]db.Row{{Table: strict, Values: []any{"never", ""}}})
		if err := d.Run(ended, &b); err == nil {
			t.Error("a batch ran although its time was over")
		}
		if n := count(t, d); n != 0 {
			t.Errorf("%d rows stayed", n)
		}
	})
}

// TestInsertMissingAndMixedValues: a column may lack values in some rows or in
// all, and may hold what only the database can convert.
func TestInsertMissingAndMixedValues(t *testing.T) {
	lists := &db.Table{Name: "gateway_lists", Columns: []string{"id", "site", "list", "token", "subject", "sealed_key", "sealed", "sealed_at", "policy", "created_at", "expires_at"}}
	row := func(id string, until any) db.Row {
		return db.Row{Table: lists, Values: []any{id, "shop", "ban", []byte(id), []byte{}, "", []byte{}, int64(1), "", int64(1), until}}
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for name, rows := range map[string][]db.Row{
			"all":  {row("a1", int64(5)), row("a2", int64(6))},
			"some": {row("b1", nil), row("b2", int64(5)), row("b3", nil), row("b4", int64(6)), row("b5", nil)},
			"none": {row("c1", nil), row("c2", nil)},
			"late": {row("d1", int64(5)), row("d2", nil), row("d3", int64(6))},
			"int":  {row("e1", 5), row("e2", int64(6)), row("e3", int32(5))},
		} {
			if err := insert(t, d, rows); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, r := range rows {
				var got sql.NullInt64
				err := d.Read().QueryRow(`SELECT expires_at FROM gateway_lists WHERE id = $1`, r.Values[0]).Scan(&got)
				if want := r.Values[10]; err != nil || got.Valid != (want != nil) || got.Valid && fmt.Sprint(got.Int64) != fmt.Sprint(want) {
					t.Errorf("%s, %v: got %v, %v; want %v", name, r.Values[0], got, err, want)
				}
			}
		}
	})
}

// TestSimpleProtocol is for poolers that keep no prepared statements.
func TestSimpleProtocol(t *testing.T) {
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.Postgres) + "&default_query_exec_mode=simple_protocol"})
	var b db.Batch
	b.Insert([]db.Row{
		{Table: notes, Values: []any{"暖簾", int64(1) << 62, `'quoted' $1 "and" {more}`, int64(-1), true}},
		{Table: notes, Values: []any{"", int64(0), "", int64(0), false}},
		{Table: strict, Values: []any{"a", ""}},
	})
	if err := d.Run(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	var note string
	if err := d.Read().QueryRow(`SELECT note FROM journal_checkpoints WHERE size = $1`, int64(1)<<62).Scan(&note); err != nil || note != `'quoted' $1 "and" {more}` {
		t.Errorf("got %q, %v", note, err)
	}
}
