package db

import (
	"context"
	"fmt"

	"noren"
)

// Batch collects statements that return no rows and do not need each other's
// results. PostgreSQL gets them together and answers once, so that a group of
// ten costs one round trip; SQLite runs one after the other. The zero Batch is
// ready for use.
type Batch struct {
	list []statement
}

// statement is one of a batch: text and arguments, or rows of one table.
type statement struct {
	doing string // for its error
	sql   string
	args  []any
	one   bool // must change exactly one row
	table *Table
	rows  []Row
}

// Exec adds a statement. doing says in its error what it was for.
func (b *Batch) Exec(doing, query string, args ...any) {
	b.list = append(b.list, statement{doing: doing, sql: query, args: args})
}

// ExecOne adds a statement that must change exactly one row. After DB.Run has
// said otherwise the rest of the batch is there all the same: what must not
// happen has to be an error of the statement itself.
func (b *Batch) ExecOne(doing, query string, args ...any) {
	b.list = append(b.list, statement{doing: doing, sql: query, args: args, one: true})
}

// Insert adds rows, with as few statements as there can be. Rows of one table
// keep their order; tables are filled in the order in which they first appear.
func (b *Batch) Insert(rows []Row) {
	at := make(map[*Table]int)
	for _, r := range rows {
		i, seen := at[r.Table]
		if !seen {
			i = len(b.list)
			at[r.Table] = i
			b.list = append(b.list, statement{doing: "insert into " + r.Table.Name, table: r.Table})
		}
		b.list[i].rows = append(b.list[i].rows, r)
	}
}

// Append adds the statements of another batch.
func (b *Batch) Append(other *Batch) { b.list = append(b.list, other.list...) }

// statements are those to send, rows as INSERTs.
func (b *Batch) statements(e Engine) ([]statement, error) {
	out := make([]statement, 0, len(b.list))
	for _, s := range b.list {
		if s.table == nil {
			out = append(out, s)
			continue
		}
		for _, r := range s.rows {
			if len(r.Values) != len(s.table.Columns) {
				return nil, noren.Errorf(noren.Internal, "%s: %d values for %d columns", s.doing, len(r.Values), len(s.table.Columns))
			}
		}
		for _, insert := range s.table.inserts(e, s.rows) {
			insert.doing = s.doing
			out = append(out, insert)
		}
	}
	return out, nil
}

// Run runs the batch as one transaction. When it returns nil the transaction is
// on the disk. After an error none of it is, with two exceptions: an error of
// the commit itself, and of ExecOne, leave open whether it happened.
func (d *DB) Run(ctx context.Context, b *Batch) error {
	if d.engine == Postgres {
		if done, err := d.runAtOnce(ctx, b); done {
			return err
		}
	}
	return d.Write(ctx, func(tx *Tx) error { return tx.Run(ctx, b) })
}

// Run runs the batch within the transaction. An error spoils the transaction.
func (tx *Tx) Run(ctx context.Context, b *Batch) error {
	list, err := b.statements(tx.engine)
	if err != nil {
		return err
	}
	if tx.conn != nil && len(list) > 1 {
		if sent, err := tx.sendTogether(ctx, list); sent {
			return err
		}
	}
	for _, s := range list {
		res, err := tx.ExecContext(ctx, s.sql, s.args...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.doing, err)
		}
		if !s.one {
			continue
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return s.changed(n, err)
		}
	}
	return nil
}

func (s *statement) changed(n int64, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", s.doing, err)
	}
	return noren.Errorf(noren.Internal, "%s: %d rows changed instead of one", s.doing, n)
}
