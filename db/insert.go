package db

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"noren"
)

// Table is a table that rows are inserted into. A part declares each of its
// tables once, as a package variable that never changes.
type Table struct {
	Name    string
	Columns []string
	// OrIgnore leaves a row out that is there already.
	OrIgnore bool

	mu    sync.Mutex
	texts map[int]string // by rows per statement
}

// Row is one row to insert.
type Row struct {
	Table  *Table
	Values []any
}

// maxParams is below both engines' limits (32,766 and 65,535). Longer
// statements are no faster, and every connection keeps some prepared.
const maxParams = 1000

// Insert inserts rows with as few statements as it can. Rows of one table keep
// their order; tables are filled in the order in which they first appear.
func Insert(ctx context.Context, tx *sql.Tx, rows []Row) error {
	var tables []*Table
	byTable := make(map[*Table][]Row)
	for _, r := range rows {
		if len(r.Values) != len(r.Table.Columns) {
			return noren.Errorf(noren.Internal, "insert into %s: %d values for %d columns", r.Table.Name, len(r.Values), len(r.Table.Columns))
		}
		if _, seen := byTable[r.Table]; !seen {
			tables = append(tables, r.Table)
		}
		byTable[r.Table] = append(byTable[r.Table], r)
	}
	for _, t := range tables {
		if err := t.insert(ctx, tx, byTable[t]); err != nil {
			return fmt.Errorf("insert into %s: %w", t.Name, err)
		}
	}
	return nil
}

// insert sends the rows in statements of a few fixed sizes, so that their texts
// are made once.
func (t *Table) insert(ctx context.Context, tx *sql.Tx, rows []Row) error {
	most := max(1, maxParams/len(t.Columns))
	args := make([]any, 0, min(len(rows), most)*len(t.Columns))
	for len(rows) > 0 {
		n := chunk(len(rows), most)
		args = args[:0]
		for _, r := range rows[:n] {
			args = append(args, r.Values...)
		}
		if _, err := tx.ExecContext(ctx, t.text(n), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// chunk is the largest power of two that is not over n or most.
func chunk(n, most int) int {
	size := 1
	for size*2 <= n && size*2 <= most {
		size *= 2
	}
	return size
}

// text is INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) for n rows.
func (t *Table) text(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.texts[n]; ok {
		return s
	}
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", t.Name, strings.Join(t.Columns, ", "))
	p := 0
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for j := range t.Columns {
			if j > 0 {
				b.WriteString(", ")
			}
			p++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(p))
		}
		b.WriteByte(')')
	}
	if t.OrIgnore {
		b.WriteString(" ON CONFLICT DO NOTHING")
	}
	if t.texts == nil {
		t.texts = make(map[int]string)
	}
	t.texts[n] = b.String()
	return t.texts[n]
}
