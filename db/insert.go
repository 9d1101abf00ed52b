package db

import (
	"strconv"
	"strings"
	"sync"
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

// inserts are the statements that insert rows.
func (t *Table) inserts(e Engine, rows []Row) []statement {
	if e == Postgres {
		if args, types := arrays(rows); types != nil {
			return []statement{{sql: t.unnest(types), args: args}}
		}
	}
	return t.values(rows)
}

// values has statements of a few fixed sizes, so that their texts are made once.
func (t *Table) values(rows []Row) []statement {
	most := max(1, maxParams/len(t.Columns))
	var out []statement
	for len(rows) > 0 {
		n := chunk(len(rows), most)
		args := make([]any, 0, n*len(t.Columns))
		for _, r := range rows[:n] {
			args = append(args, r.Values...)
		}
		out = append(out, statement{sql: t.text(n), args: args})
		rows = rows[n:]
	}
	return out
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
	b.WriteString(t.insertInto() + " VALUES ")
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
	b.WriteString(t.onConflict())
	if t.texts == nil {
		t.texts = make(map[int]string)
	}
	t.texts[n] = b.String()
	return t.texts[n]
}

func (t *Table) insertInto() string {
	return "INSERT INTO " + t.Name + " (" + strings.Join(t.Columns, ", ") + ")"
}

func (t *Table) onConflict() string {
	if t.OrIgnore {
		return " ON CONFLICT DO NOTHING"
	}
	return ""
}
