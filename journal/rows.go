package journal

import (
	"context"
	"database/sql"
	"iter"
)

// entryRow is a row of journal_entries.
type entryRow struct {
	columns
	seq  int64
	body []byte
}

const entryColumns = `e.log, e.seq, e.id, e.at, e.kind, e.site, e.zone, e.verdict, e.rule, e.count, e.body`

func scanEntry(rows *sql.Rows, r *entryRow) error {
	return rows.Scan(&r.log, &r.seq, &r.id, &r.at, &r.kind, &r.site, &r.zone, &r.verdict, &r.rule, &r.count, &r.body)
}

// page is a run of entries in the order of their numbers.
type page struct {
	rows []entryRow
	err  error
}

const (
	pageEntries = 1024
	pagesAhead  = 2
)

// pages reads the entries of a log up to number last, some pages ahead of the
// one who works on them. Whoever breaks off must end ctx.
func (j *Journal) pages(ctx context.Context, log string, last int64) iter.Seq[page] {
	return func(yield func(page) bool) {
		ahead := make(chan page, pagesAhead)
		go func() {
			defer close(ahead)
			for from := int64(0); from <= last; {
				p := j.page(ctx, log, from, last, pageEntries)
				select {
				case ahead <- p:
				case <-ctx.Done():
					return
				}
				if p.err != nil || len(p.rows) == 0 {
					return
				}
				from = p.rows[len(p.rows)-1].seq + 1
			}
		}()
		for p := range ahead {
			if !yield(p) {
				return
			}
		}
	}
}

// page reads up to n entries with numbers from first to last.
func (j *Journal) page(ctx context.Context, log string, first, last int64, n int) page {
	p := page{rows: make([]entryRow, 0, n)}
	rows, err := j.db.Read().QueryContext(ctx, `SELECT `+entryColumns+` FROM journal_entries AS e
		WHERE e.log = $1 AND e.seq >= $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4`, log, first, last, n)
	if err != nil {
		p.err = err
		return p
	}
	defer rows.Close()
	for rows.Next() {
		var r entryRow
		if p.err = scanEntry(rows, &r); p.err != nil {
			return p
		}
		p.rows = append(p.rows, r)
	}
	p.err = rows.Err()
	return p
}
