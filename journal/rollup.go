package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"noren"
	"noren/db"
)

// Roll-ups are sums over entries by hour and by day of Japan, of each
// combination of kind, zone, verdict and rule, and the numbers of the entries in
// each span. A follower makes them beside the appending, each entry exactly once:
// what is rolled up, entries low to high-1, is written in the transaction that
// counts them, under a lock, and by whoever found it as expected. The newest
// entries come first and what was there before is worked down from there, so that
// a page shows today right after an upgrade. Only what is public of an entry goes
// in: erasing a person changes no sum.

const (
	// rollVersion is the way of counting; with another one all is counted anew.
	rollVersion = 1
	// rollEvery is how often the follower looks for new entries.
	rollEvery = time.Second
	// rollForward and rollBack bound one transaction: new entries, and older ones.
	rollForward = 4096
	rollBack    = 8192
	// maxGroups bounds what a log is counted by; of further combinations the rule
	// is not told apart.
	maxGroups = 4096
	// OtherRule stands in sums for all rules too many to tell apart.
	OtherRule = "*"
	// hoursKept is how long sums of hours stay: thirteen months and a little.
	// Sums of days stay as long as the record itself.
	hoursKept = 400 * 24
	// japan is ahead of UTC all the year.
	japan = 9
)

// rollSizes are how many entries one transaction counts.
type rollSizes struct{ forward, back int64 }

func hourOf(at int64) int64  { return at / int64(time.Hour/time.Microsecond) }
func dayOf(hour int64) int64 { return (hour + japan) / 24 }

// RunRollups follows every log until ctx ends. What fails is an alarm, once, and
// tried again; nothing is lost by it.
func (j *Journal) RunRollups(ctx context.Context) {
	var failing bool
	for ctx.Err() == nil {
		began := time.Now()
		more, err := j.RollUp(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			j.log.Error("roll-ups are behind: pages count the newest entries themselves and say what is missing", "alarm", true, "err", err, "hint", noren.HintOf(err))
		case err == nil && failing:
			j.log.Warn("roll-ups go on", "alarm", true)
		}
		failing = err != nil
		pause := rollEvery
		if more && err == nil { // half of one processor, and the writer is left alone as long as it was held
			pause = max(time.Since(began), 5*time.Millisecond)
		}
		sleep(ctx, pause)
	}
}

// RollUp is one round of RunRollups: every log's new entries, and one stretch of
// older ones. more says that there is work left.
func (j *Journal) RollUp(ctx context.Context) (more bool, err error) {
	logs, err := j.unrolled(ctx)
	if err != nil {
		return false, fmt.Errorf("roll up: %w", err)
	}
	var errs []error
	for _, log := range logs {
		left, err := j.rollLog(ctx, log)
		if err != nil {
			errs = append(errs, fmt.Errorf("roll up log %s: %w", log, err))
		}
		more = more || left
	}
	return more, errors.Join(errs...)
}

// unrolled lists the logs with something to do.
func (j *Journal) unrolled(ctx context.Context) ([]string, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT l.log FROM journal_logs AS l LEFT JOIN journal_rolled AS r ON r.log = l.log
		WHERE r.log IS NULL OR r.version < $1 OR r.high <> l.size OR r.low > 0 OR r.hours_from < $2
			OR EXISTS (SELECT 1 FROM journal_groups AS g WHERE g.log = l.log AND g.grp < r.total) ORDER BY l.log`, rollVersion, firstHour(time.Now()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var log string
		if err := rows.Scan(&log); err != nil {
			return nil, err
		}
		out = append(out, log)
	}
	return out, rows.Err()
}

// firstHour is the first hour to keep, in steps of a day.
func firstHour(now time.Time) int64 { return (hourOf(now.UnixMicro()) - hoursKept) / 24 * 24 }

// rollLog brings one log forward: all new entries, a stretch of old ones, a bit
// of tidying.
func (j *Journal) rollLog(ctx context.Context, log string) (more bool, err error) {
	r, err := readRolled(ctx, j.db.Read(), log, "")
	if err != nil {
		return false, err
	}
	if !r.known || r.version < rollVersion {
		return true, j.beginGeneration(ctx, log, r.gen, false)
	}
	if r.version > rollVersion {
		return false, nil // a newer program's, which sees to it
	}
	var size int64
	if err := j.db.Read().QueryRowContext(ctx, `SELECT size FROM journal_logs WHERE log = $1`, log).Scan(&size); err != nil {
		return false, err
	}
	switch {
	case r.high > size: // the log was cut off: what is there is counted anew
		return true, j.beginGeneration(ctx, log, r.gen, true)
	case r.high < size:
		to := min(size, r.high+j.rollAtOnce.forward)
		return to < size || r.low > 0, j.rollStretch(ctx, log, r, r.high, to)
	case r.low > 0:
		from := max(0, (r.low-1)/j.rollAtOnce.back*j.rollAtOnce.back)
		return true, j.rollStretch(ctx, log, r, from, r.low)
	}
	return j.tidy(ctx, log, r)
}

// Rebuild has a log counted anew, in the background of whoever serves. Until it
// is through, pages show how far it is.
func (j *Journal) Rebuild(ctx context.Context, log string) error {
	r, err := readRolled(ctx, j.db.Read(), log, "")
	if err != nil {
		return fmt.Errorf("rebuild roll-ups of log %s: %w", log, err)
	}
	if err := j.beginGeneration(ctx, log, r.gen, true); err != nil {
		return fmt.Errorf("rebuild roll-ups of log %s: %w", log, err)
	}
	return nil
}

// beginGeneration starts to count a log from its present end. The rows of the
// generation before belong to groups nobody reads any more and are deleted bit by
// bit.
func (j *Journal) beginGeneration(ctx context.Context, log string, gen int64, again bool) error {
	return j.db.Write(ctx, func(tx *db.Tx) error {
		h, err := readHead(ctx, tx, log, "")
		if errors.Is(err, errNoHead) {
			return noren.Errorf(noren.NotFound, "there is no log %s", log)
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO journal_rolled (log, `+rolledColumns+`, updated_at) VALUES ($1, 0, 0, 0, 0, 0, 0, 0, 0)
			ON CONFLICT DO NOTHING`, log); err != nil {
			return err
		}
		r, err := lockRolled(ctx, tx, log)
		if err != nil || r.gen != gen || r.version > rollVersion || r.version == rollVersion && !again {
			return err // somebody else was first
		}
		var b db.Batch
		putGroup(&b, log, r.next, gen+1, groupKey{})
		size := h.tree.size
		b.ExecOne("begin to count", `UPDATE journal_rolled SET version = $1, gen = $2, total = $3, next_grp = $4, low = $5, high = $6, hours_from = $7, updated_at = $8 WHERE log = $9`,
			rollVersion, gen+1, r.next, r.next+1, size, size, max(0, firstHour(time.Now())), time.Now().UnixMicro(), log)
		return tx.Run(ctx, &b)
	})
}

// rollStretch counts entries from to to-1, which touch what is rolled up already.
func (j *Journal) rollStretch(ctx context.Context, log string, r rolled, from, to int64) error {
	s, err := j.count(ctx, log, from, to)
	if err != nil {
		return err
	}
	return j.db.Write(ctx, func(tx *db.Tx) error {
		now, err := lockRolled(ctx, tx, log)
		if err != nil || now != r {
			return err // another node counted them, or all is counted anew
		}
		return s.store(ctx, tx, log, now)
	})
}

// tidy deletes what is no longer read, a bit at a time.
func (j *Journal) tidy(ctx context.Context, log string, r rolled) (more bool, err error) {
	if first := firstHour(time.Now()); r.hoursFrom < first {
		return true, j.dropHours(ctx, log, r, first)
	}
	return j.dropGeneration(ctx, log, r)
}

// dropHours deletes sums of hours over their term, in one transaction for a few
// groups each. What a crash leaves is deleted the next day.
func (j *Journal) dropHours(ctx context.Context, log string, r rolled, first int64) error {
	groups, err := readGroups(ctx, j.db.Read(), log, r.gen)
	if err != nil {
		return err
	}
	ids := []int64{r.total}
	for _, id := range groups {
		ids = append(ids, id)
	}
	var note db.Batch
	note.Exec("note which hours are kept", `UPDATE journal_rolled SET hours_from = $1 WHERE log = $2 AND gen = $3 AND hours_from < $1`, first, log, r.gen)
	if err := j.db.Run(ctx, &note); err != nil {
		return err
	}
	for some := range slices.Chunk(ids, 32) {
		var b db.Batch
		for _, id := range some {
			b.Exec("drop old hours", `DELETE FROM journal_hours WHERE log = $1 AND grp = $2 AND hour < $3`, log, id, first)
		}
		if err := j.db.Run(ctx, &b); err != nil {
			return err
		}
	}
	return nil
}

// dropGeneration deletes one group of an earlier generation.
func (j *Journal) dropGeneration(ctx context.Context, log string, r rolled) (more bool, err error) {
	err = j.db.Write(ctx, func(tx *db.Tx) error {
		now, err := lockRolled(ctx, tx, log)
		if err != nil {
			return err
		}
		var id int64
		err = tx.QueryRowContext(ctx, `SELECT COALESCE(MIN(grp), -1) FROM journal_groups WHERE log = $1 AND grp < $2`, log, now.total).Scan(&id)
		if err != nil || id < 0 {
			return err
		}
		more = true
		var b db.Batch
		for _, table := range []string{"journal_hours", "journal_days", "journal_spans", "journal_groups"} {
			b.Exec("drop a group of before", `DELETE FROM `+table+` WHERE log = $1 AND grp = $2`, log, id)
		}
		return tx.Run(ctx, &b)
	})
	return more, err
}
