package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RollState says how far a log is rolled up. Trend, Tops and Count add the newest
// entries themselves; what they could not count is Missing.
type RollState struct {
	Log     string `json:"log"`
	Entries int64  `json:"entries"` // of the log
	Rolled  int64  `json:"rolled"`  // in the sums
	Missing int64  `json:"missing"` // in no sum yet and too many to add; 0 when all is well
	// From is where the sums begin: what happened before it is among the missing.
	// Zero when nothing is missing.
	From time.Time `json:"from,omitzero"`
}

// Whole reports whether nothing is missing.
func (s *RollState) Whole() bool { return s.Missing == 0 }

// tailMost is how many entries readers count themselves beyond the sums. The
// follower is a second or two behind, so that this many are there only when it
// does not run.
const tailMost = 20_000

// view is one consistent look at a log's roll-ups.
type view struct {
	q    querier
	log  string
	r    rolled
	size int64
	tail int64 // first entry that is read itself
}

// look reads within one snapshot of the database.
func (j *Journal) look(ctx context.Context, log string, f func(v *view) error) error {
	return j.snapshot(ctx, func(q querier) error {
		v := &view{q: q, log: log}
		h, err := readHead(ctx, q, log, "")
		if err != nil && !errors.Is(err, errNoHead) {
			return err
		}
		v.size = h.tree.size
		if v.r, err = readRolled(ctx, q, log, ""); err != nil {
			return err
		}
		if !v.r.usable() {
			begin := max(0, v.size-tailMost) // nothing is rolled up: the newest alone are counted
			v.r = rolled{gen: -1, total: -1, low: begin, high: begin}
		}
		v.tail = max(v.r.high, v.size-tailMost)
		return f(v)
	})
}

// state says what the view shows.
func (v *view) state(ctx context.Context) (RollState, error) {
	s := RollState{Log: v.log, Entries: v.size, Rolled: v.r.high - v.r.low, Missing: v.r.low + v.tail - v.r.high}
	if s.Missing == 0 {
		return s, nil
	}
	from := v.r.low
	if v.tail > v.r.high {
		from = v.tail
	}
	var at int64
	err := v.q.QueryRowContext(ctx, `SELECT COALESCE(MIN(at), 0) FROM journal_entries WHERE log = $1 AND seq = $2`, v.log, from).Scan(&at)
	s.From = time.UnixMicro(at).UTC()
	return s, err
}

// RollState says how far a log is rolled up.
func (j *Journal) RollState(ctx context.Context, log string) (s RollState, err error) {
	err = j.look(ctx, log, func(v *view) error {
		s, err = v.state(ctx)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("roll-ups of log %s: %w", log, err)
	}
	return s, nil
}
