package journal

import (
	"context"
	"maps"
	"slices"
	"time"

	"noren/db"
)

// stretch are the sums over a run of entries.
type stretch struct {
	from, to int64
	total    tally
	groups   map[groupKey]*tally
}

// tally is one group's part of a stretch.
type tally struct {
	hours map[int64]*cell
	days  map[int64]*cell
	seqs  map[int64][]int64 // by span
}

func newTally() tally {
	return tally{hours: map[int64]*cell{}, days: map[int64]*cell{}, seqs: map[int64][]int64{}}
}

func (t *tally) add(seq, at, count int64) {
	h := hourOf(at)
	into(t.hours, h).add(seq, count)
	into(t.days, dayOf(h)).add(seq, count)
}

func into(m map[int64]*cell, at int64) *cell {
	c := m[at]
	if c == nil {
		c = new(cell)
		m[at] = c
	}
	return c
}

// count reads entries from to to-1. What is not there any more (a log that was
// tampered with) is not counted.
func (j *Journal) count(ctx context.Context, log string, from, to int64) (*stretch, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT seq, at, kind, zone, verdict, rule, count FROM journal_entries
		WHERE log = $1 AND seq >= $2 AND seq < $3 ORDER BY seq`, log, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	s := &stretch{from: from, to: to, total: newTally(), groups: map[groupKey]*tally{}}
	for rows.Next() {
		var k groupKey
		var seq, at, n int64
		if err := rows.Scan(&seq, &at, &k.kind, &k.zone, &k.verdict, &k.rule, &n); err != nil {
			return nil, err
		}
		s.add(k, seq, at, n)
	}
	return s, rows.Err()
}

func (s *stretch) add(k groupKey, seq, at, count int64) {
	t := s.groups[k]
	if t == nil {
		n := newTally()
		t = &n
		s.groups[k] = t
	}
	t.add(seq, at, count)
	t.seqs[postingSpanOf(seq)] = append(t.seqs[postingSpanOf(seq)], seq)
	s.total.add(seq, at, count)
}

// store adds the sums to what is there and moves on how far it reaches.
func (s *stretch) store(ctx context.Context, tx *db.Tx, log string, r rolled) error {
	known, err := readGroups(ctx, tx, log, r.gen)
	if err != nil {
		return err
	}
	var b db.Batch
	mine := map[int64]*tally{}
	for k, t := range s.groups {
		id, ok := known[k]
		if !ok && len(known) >= maxGroups {
			k.rule = OtherRule
			id, ok = known[k]
		}
		if !ok {
			id = r.next
			r.next++
			known[k] = id
			putGroup(&b, log, id, r.gen, k)
		}
		if have := mine[id]; have != nil {
			have.merge(t)
		} else {
			mine[id] = t
		}
	}
	s.total.put(&b, log, r.total, r.hoursFrom)
	for _, id := range slices.Sorted(maps.Keys(mine)) {
		mine[id].put(&b, log, id, r.hoursFrom)
	}
	if err := s.putPostings(ctx, tx, &b, log, mine); err != nil {
		return err
	}
	r.low, r.high = min(r.low, s.from), max(r.high, s.to)
	b.ExecOne("note how far entries are counted", `UPDATE journal_rolled SET low = $1, high = $2, next_grp = $3, updated_at = $4 WHERE log = $5`,
		r.low, r.high, r.next, time.Now().UnixMicro(), log)
	return tx.Run(ctx, &b)
}

// merge adds another group's part: both are counted as one.
func (t *tally) merge(o *tally) {
	for _, p := range [][2]map[int64]*cell{{t.hours, o.hours}, {t.days, o.days}} {
		for at, c := range p[1] {
			have := p[0][at]
			if have == nil {
				p[0][at] = c
				continue
			}
			have.entries, have.events = have.entries+c.entries, have.events+c.events
			have.first, have.last = min(have.first, c.first), max(have.last, c.last)
		}
	}
	for span, seqs := range o.seqs {
		t.seqs[span] = append(t.seqs[span], seqs...)
	}
}

func (t *tally) put(b *db.Batch, log string, id, hoursFrom int64) {
	for _, h := range slices.Sorted(maps.Keys(t.hours)) {
		if h >= hoursFrom {
			addCell(b, "journal_hours", "hour", log, id, h, t.hours[h])
		}
	}
	for _, d := range slices.Sorted(maps.Keys(t.days)) {
		addCell(b, "journal_days", "day", log, id, d, t.days[d])
	}
}

func (s *stretch) putPostings(ctx context.Context, tx *db.Tx, b *db.Batch, log string, mine map[int64]*tally) error {
	for span := postingSpanOf(s.from); span <= postingSpanOf(s.to-1); span++ {
		var ids []int64
		for id, t := range mine {
			if len(t.seqs[span]) > 0 {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		have, err := readPostings(ctx, tx, log, span, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			p := have[id]
			if p == nil {
				p = &posting{span: span}
			}
			p.merge(mine[id].seqs[span])
			putPosting(b, log, id, p)
		}
	}
	return nil
}
