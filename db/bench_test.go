package db_test

import (
	"strconv"
	"testing"

	"noren/db"
	"noren/db/dbtest"
)

var marks = &db.Table{Name: "journal_tokens", Columns: []string{"log", "field", "token", "seq"}, OrIgnore: true}

// BenchmarkInsert inserts small rows, a group of the given size in each
// transaction.
func BenchmarkInsert(b *testing.B) {
	for _, e := range []db.Engine{db.SQLite, db.Postgres} {
		for _, size := range []int{16, 256, 5000, 100_000} {
			b.Run(string(e)+"/"+strconv.Itoa(size), func(b *testing.B) { benchInsert(b, e, size) })
		}
	}
}

func benchInsert(b *testing.B, e db.Engine, size int) {
	d := dbtest.Open(b, e)
	rows := make([]db.Row, size)
	next := 0
	for b.Loop() {
		for i := range rows {
			next++
			token := []byte("0123456789" + strconv.Itoa(next*7919%1_000_003))
			rows[i] = db.Row{Table: marks, Values: []any{"shop", "address", token, int64(next)}}
		}
		if err := d.Write(b.Context(), func(tx *db.Tx) error { return tx.Insert(b.Context(), rows) }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "rows/s")
}
