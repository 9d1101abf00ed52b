package db_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

var (
	states = &db.Table{Name: "vault_state", Columns: []string{"name", "value"}, OrIgnore: true}
	strict = &db.Table{Name: "vault_state", Columns: []string{"name", "value"}}
	notes  = &db.Table{Name: "journal_checkpoints", Columns: []string{"log", "size", "note", "at", "sent"}}
)

func insert(t *testing.T, d *db.DB, rows []db.Row) error {
	t.Helper()
	return d.Write(t.Context(), func(tx *db.Tx) error { return tx.Insert(t.Context(), rows) })
}

func TestInsertAnyNumberOfRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		total := 0
		for _, n := range []int{0, 1, 2, 3, 63, 64, 65, 1000, 1001, 5000} {
			rows := make([]db.Row, 0, n)
			for i := range n {
				rows = append(rows, db.Row{Table: states, Values: []any{fmt.Sprint(n, "/", i), "v"}})
			}
			for range 2 { // the second time every row is there already
				if err := insert(t, d, rows); err != nil {
					t.Fatal(err)
				}
			}
			total += n
			if got := count(t, d); got != total {
				t.Fatalf("after %d more rows: got %d, want %d", n, got, total)
			}
		}
	})
}

// TestInsertKeepsValuesAndOrder mixes tables and reads back what every column
// type of ours holds.
func TestInsertKeepsValuesAndOrder(t *testing.T) {
	type note struct {
		Log, Note string
		Size, At  int64
		Sent      bool
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		want := []note{
			{"暖簾", "𠮷野家 'quoted' $1 ?", 1 << 62, -1, true},
			{"", "", 0, 0, false},
			{"z", "line\nbreak", 2, 1, true},
		}
		var rows []db.Row
		for i, n := range want {
			rows = append(rows,
				db.Row{Table: notes, Values: []any{n.Log, n.Size, n.Note, n.At, n.Sent}},
				db.Row{Table: states, Values: []any{fmt.Sprint(i), ""}})
		}
		if err := insert(t, d, rows); err != nil {
			t.Fatal(err)
		}
		var got []note
		for _, n := range want {
			var g note
			row := d.Read().QueryRow(`SELECT log, size, note, at, sent FROM journal_checkpoints WHERE size = $1 AND log = $2`, n.Size, n.Log)
			if err := row.Scan(&g.Log, &g.Size, &g.Note, &g.At, &g.Sent); err != nil {
				t.Fatal(err)
			}
			got = append(got, g)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBytesComeBackAsTheyWere(t *testing.T) {
	keys := &db.Table{Name: "vault_keys", Columns: []string{"id", "purpose", "state", "wrapped", "created_at"}}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for i, want := range [][]byte{{}, {0}, {0xff, 0, 0x80}, []byte("123"), bytes.Repeat([]byte{1, 2, 3}, 100_000)} {
			if err := insert(t, d, []db.Row{{Table: keys, Values: []any{fmt.Sprint(i), "", "", want, int64(0)}}}); err != nil {
				t.Fatal(err)
			}
			var got []byte
			if err := d.Read().QueryRow(`SELECT wrapped FROM vault_keys WHERE id = $1`, fmt.Sprint(i)).Scan(&got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: got %d, %v", len(want), len(got), err)
			}
		}
	})
}

func TestInsertRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		row := func(key string) db.Row { return db.Row{Table: strict, Values: []any{key, ""}} }
		if err := insert(t, d, []db.Row{row("a"), row("b"), row("a")}); !db.IsUnique(err) || db.IsUnavailable(err) {
			t.Errorf("the same key twice: got %v, want a unique violation", err)
		}
		err := insert(t, d, []db.Row{row("a"), {Table: strict, Values: []any{"b"}}})
		if noren.CodeOf(err) != noren.Internal {
			t.Errorf("a value too few: got %v", err)
		}
		if n := count(t, d); n != 0 {
			t.Errorf("%d rows stayed", n)
		}
	})
}

// TestSameStatementWithinItself reads and writes with one text while rows of it
// are still open, which a cached statement must not mix up.
func TestSameStatementWithinItself(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var rows []db.Row
		for i := range 5 {
			rows = append(rows, db.Row{Table: states, Values: []any{fmt.Sprint(i), ""}})
		}
		if err := insert(t, d, rows); err != nil {
			t.Fatal(err)
		}
		const query = `SELECT name FROM vault_state WHERE name >= $1 ORDER BY name`
		outer, inner := 0, 0
		conn, err := d.Read().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if d.Engine() == db.Postgres {
			return // one connection has one open result there
		}
		for range 3 {
			a, err := conn.QueryContext(t.Context(), query, "0")
			if err != nil {
				t.Fatal(err)
			}
			for a.Next() {
				outer++
				b, err := conn.QueryContext(t.Context(), query, "3")
				if err != nil {
					t.Fatal(err)
				}
				for b.Next() {
					inner++
				}
				b.Close()
			}
			a.Close()
		}
		if outer != 15 || inner != 30 {
			t.Errorf("got %d and %d rows, want 15 and 30", outer, inner)
		}
	})
}

func TestManyDifferentStatements(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	conn, err := d.Read().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for round := range 2 {
		for i := range 500 { // more than a connection keeps
			var got int
			if err := conn.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT %d + CAST($1 AS INTEGER)`, i), round).Scan(&got); err != nil || got != i+round {
				t.Fatalf("got %d, %v; want %d", got, err, i+round)
			}
		}
	}
}
