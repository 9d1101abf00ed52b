package journal

import (
	"context"
	"database/sql"
	"errors"

	"noren/db"
)

// rolled is a row of journal_rolled: how far a log is rolled up.
type rolled struct {
	version, gen, total, next int64
	low, high                 int64 // entries low to high-1 are in
	hoursFrom                 int64
	known                     bool // there is a row
}

const rolledColumns = `version, gen, total, next_grp, low, high, hours_from`

func (r *rolled) fields() []any {
	return []any{&r.version, &r.gen, &r.total, &r.next, &r.low, &r.high, &r.hoursFrom}
}

// usable reports whether the roll-ups can be read by this program.
func (r *rolled) usable() bool { return r.known && r.version == rollVersion }

// readRolled reads how far a log is; suffix may lock the row.
func readRolled(ctx context.Context, q querier, log, suffix string) (rolled, error) {
	var r rolled
	err := q.QueryRowContext(ctx, `SELECT `+rolledColumns+` FROM journal_rolled WHERE log = $1`+suffix, log).Scan(r.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return rolled{}, nil
	}
	r.known = err == nil
	return r, err
}

// lockRolled keeps other nodes from rolling the log up until the transaction ends.
func lockRolled(ctx context.Context, tx *db.Tx, log string) (rolled, error) {
	suffix := ""
	if tx.Engine() == db.Postgres {
		suffix = " FOR UPDATE"
	}
	return readRolled(ctx, tx, log, suffix)
}

// groupKey is what entries are counted by.
type groupKey struct{ kind, zone, verdict, rule string }

// readGroups are the groups of a generation, the one of all entries left out.
func readGroups(ctx context.Context, q querier, log string, gen int64) (map[groupKey]int64, error) {
	rows, err := q.QueryContext(ctx, `SELECT grp, kind, zone, verdict, rule FROM journal_groups WHERE log = $1 AND gen = $2 AND kind <> ''`, log, gen)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[groupKey]int64{}
	for rows.Next() {
		var id int64
		var k groupKey
		if err := rows.Scan(&id, &k.kind, &k.zone, &k.verdict, &k.rule); err != nil {
			return nil, err
		}
		out[k] = id
	}
	return out, rows.Err()
}

func putGroup(b *db.Batch, log string, id, gen int64, k groupKey) {
	b.Exec("name a group", `INSERT INTO journal_groups (log, grp, gen, kind, zone, verdict, rule) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		log, id, gen, k.kind, k.zone, k.verdict, k.rule)
}

// cell is a sum of one group over an hour or a day.
type cell struct{ entries, events, first, last int64 }

func (c *cell) add(seq, count int64) {
	if c.entries == 0 {
		c.first, c.last = seq, seq
	}
	c.entries++
	c.events += count
	c.first, c.last = min(c.first, seq), max(c.last, seq)
}

// addCell adds to a row of journal_hours or journal_days.
func addCell(b *db.Batch, table, period, log string, grp, at int64, c *cell) {
	b.Exec("count in "+table, `INSERT INTO `+table+` (log, grp, `+period+`, entries, events, first_seq, last_seq) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (log, grp, `+period+`) DO UPDATE SET entries = `+table+`.entries + excluded.entries, events = `+table+`.events + excluded.events,
		first_seq = CASE WHEN excluded.first_seq < `+table+`.first_seq THEN excluded.first_seq ELSE `+table+`.first_seq END,
		last_seq = CASE WHEN excluded.last_seq > `+table+`.last_seq THEN excluded.last_seq ELSE `+table+`.last_seq END`,
		log, grp, at, c.entries, c.events, c.first, c.last)
}

// readPostings reads the rows of some groups in one span.
func readPostings(ctx context.Context, q querier, log string, span int64, groups []int64) (map[int64]*posting, error) {
	out := map[int64]*posting{}
	for len(groups) > 0 {
		n := min(len(groups), 200)
		s := new(statement).add(`SELECT grp, entries, seqs FROM journal_spans WHERE log = ? AND span = ? AND grp IN (`, log, span)
		for i, g := range groups[:n] {
			if i > 0 {
				s.add(`,`)
			}
			s.add(`?`, g)
		}
		if err := s.add(`)`).postings(ctx, q, span, out); err != nil {
			return nil, err
		}
		groups = groups[n:]
	}
	return out, nil
}

func (s *statement) postings(ctx context.Context, q querier, span int64, out map[int64]*posting) error {
	rows, err := q.QueryContext(ctx, s.String(), s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var grp int64
		var seqs []byte
		p := &posting{span: span}
		if err := rows.Scan(&grp, &p.entries, &seqs); err != nil {
			return err
		}
		if err := p.decode(seqs); err != nil {
			return err
		}
		out[grp] = p
	}
	return rows.Err()
}

func putPosting(b *db.Batch, log string, grp int64, p *posting) {
	b.Exec("keep numbers", `INSERT INTO journal_spans (log, grp, span, entries, seqs) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (log, grp, span) DO UPDATE SET entries = excluded.entries, seqs = excluded.seqs`, log, grp, p.span, p.entries, p.encode())
}

// snapshot reads with one view of the database, so that sums and how far they
// reach belong together.
func (j *Journal) snapshot(ctx context.Context, f func(q querier) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if j.db.Engine() == db.Postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := j.db.Read().BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	return f(tx)
}
