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

// Times of the group commit.
const (
	// commitTimeout bounds one transaction; after it the database counts as away.
	commitTimeout = 3 * time.Second
	// patience is how long a failed commit is tried again before its entries go
	// to the spool or back to their writers.
	patience = 250 * time.Millisecond
	// The wait for the writers of the last group to return is a quarter of its
	// time and a millisecond at most, or a sixth of a slow one's.
	gatherFast = time.Millisecond
	gatherSlow = 2 * time.Millisecond
	backoffMin = 20 * time.Millisecond
	backoffMax = 5 * time.Second
)

// committer is the one goroutine that commits: it gathers what waits in the
// queue, stores it as one transaction and tells the writers.
type committer struct {
	j     *Journal
	heads map[string]*logState // as of our last commit
	// steady counts the commits that found the heads as our last one left them.
	steady int

	want   int           // records to wait for: the writers that are probably coming back
	gather time.Duration // and how long
	hold   time.Duration // pause before posts that could not be stored are tried again

	spooling bool // live groups go to the spool
	draining bool // the database answers and a spool has entries
	full     bool // the spool refused; said once
	suspect  bool // a head was tampered with; said once
	probing  bool
	backoff  time.Duration
	back     chan struct{} // the probe found the database
	spools   []*spool      // with entries to move, oldest first
}

func newCommitter(j *Journal) *committer {
	return &committer{j: j, heads: map[string]*logState{}, want: 1, back: make(chan struct{}, 1)}
}

func (c *committer) run(ctx context.Context) {
	defer c.undrained()
	c.adopt()
	if c.j.spool != nil && c.j.spool.left() > 0 {
		c.spooling, c.draining = true, true
	}
	for ctx.Err() == nil {
		c.await(ctx)
		most := groupRecords
		if c.draining {
			most = besideRecords
		}
		c.handle(ctx, c.j.queue.take(most))
		if c.draining {
			c.drain(ctx)
		}
	}
}

// adoptEvery is how often the spool directory is searched for files whose
// process is gone.
const adoptEvery = 10 * time.Second

// await returns when there is something to do.
func (c *committer) await(ctx context.Context) {
	if c.draining {
		return
	}
	if c.hold > 0 {
		sleep(ctx, c.hold)
	}
	c.j.queue.expect(c.want)
	if c.want > 1 && c.waitFor(ctx, c.gather) {
		return
	}
	c.j.queue.expect(1)
	for ctx.Err() == nil && !c.draining {
		if c.waitFor(ctx, adoptEvery) {
			return
		}
		c.adopt()
	}
}

// waitFor reports whether the queue became ready within d.
func (c *committer) waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.j.queue.ready:
		return true
	case <-c.back:
		c.probing, c.draining = false, true
		c.j.log.Warn("database answers again: draining the spool", "alarm", true)
	case <-timer.C:
	case <-ctx.Done():
	}
	return c.draining
}

// handle makes a group durable and tells its writers.
func (c *committer) handle(ctx context.Context, group []*record) {
	if len(group) == 0 {
		c.want = 1
		return
	}
	start := time.Now()
	var err error
	if !c.spooling && hasData(group) {
		err = c.store(ctx, group, false)
	}
	if c.spooling || err != nil {
		group = c.divert(ctx, group, err)
	} else {
		c.hold, c.suspect = 0, false
	}
	c.j.queue.settle(group)
	c.expectBack(group, time.Since(start))
}

func hasData(group []*record) bool {
	return slices.ContainsFunc(group, func(r *record) bool { return !r.barrier })
}

// expectBack makes the next group wait for the writers just released and those
// already waiting: with 64 writers that come back one after the other, all 64
// share the next commit. A lone writer waits for nobody.
func (c *committer) expectBack(group []*record, took time.Duration) {
	writers := 0
	for _, r := range group {
		if r.done != nil {
			writers++
		}
	}
	c.want = min(writers+c.j.queue.len(), groupRecords)
	c.gather = min(took/4, max(gatherFast, min(took/6, gatherSlow)))
}

// store commits a group. It returns an error only when the database is away;
// what is wrong with one record is that record's error. look says that an
// earlier try may have been committed: the ids are looked up first.
func (c *committer) store(ctx context.Context, group []*record, look bool) error {
	start := time.Now()
	pause := backoffMin / 2
	for try := 0; ; try++ {
		err := c.try(ctx, group, look || try > 0)
		if err == nil {
			return nil
		}
		gone := c.away(err)
		switch {
		case ctx.Err() != nil:
			return err
		case gone && time.Since(start) > patience:
			return err
		case gone:
			sleep(ctx, pause)
			pause *= 2
		case try == 0: // an id that is there already, or a commit that failed late
		case !c.reachable(ctx):
			return err
		case len(group) > 1:
			return c.halve(ctx, group)
		default:
			c.refuse(group[0], err)
			return nil
		}
	}
}

// halve finds the record that spoils a group by trying both halves.
func (c *committer) halve(ctx context.Context, group []*record) error {
	mid := len(group) / 2
	if err := c.store(ctx, group[:mid], true); err != nil {
		return err
	}
	return c.store(ctx, group[mid:], true)
}

// away reports whether err says that the database cannot take entries now, no
// matter which. A head that was tampered with is such a case: entries are kept
// in the spool until somebody looked.
func (c *committer) away(err error) bool {
	if noren.CodeOf(err) == noren.Tampered {
		if !c.suspect {
			c.j.log.Error("journal refuses to append to a log that was tampered with", "alarm", true, "err", err,
				"hint", "Run: noren journal verify")
		}
		c.suspect = true
		return true
	}
	return db.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// refuse settles r with an error. Bare rows that are there already were committed
// by the first try.
func (c *committer) refuse(r *record, err error) {
	r.settled = true
	switch {
	case r.body == nil && db.IsUnique(err):
		return
	case db.IsUnique(err):
		r.err = noren.Errorf(noren.Conflict, "append %s: %w", r.id, err)
	default:
		r.err = fmt.Errorf("append %s: %w", r.id, err)
	}
	if r.done == nil {
		c.j.log.Error("posted record refused by the database", "alarm", true, "id", r.id, "err", err)
	}
}

// divert handles what the database did not take: to the spool, else back to the
// writers that wait, while posted records stay queued. It returns the records
// that are settled.
func (c *committer) divert(ctx context.Context, group []*record, cause error) []*record {
	var open, settled []*record
	for _, r := range group {
		if r.settled {
			settled = append(settled, r)
		} else {
			open = append(open, r)
		}
	}
	err := c.toSpool(ctx, open)
	if err == nil {
		c.hold = 0
		return append(settled, open...)
	}
	if cause != nil {
		err = fmt.Errorf("%w; database: %w", err, cause)
	}
	var keep []*record
	for _, r := range open {
		if r.done == nil {
			keep = append(keep, r)
			continue
		}
		r.err = noren.Errorf(noren.Unavailable, "append %s: %w", r.id, err)
		settled = append(settled, r)
	}
	c.keep(keep, err)
	return settled
}

// keep puts posted records back to be tried again after a growing pause.
func (c *committer) keep(posted []*record, err error) {
	if len(posted) == 0 {
		return
	}
	if c.hold == 0 {
		c.j.log.Error("journal entries wait in memory: neither database nor spool takes them", "alarm", true, "records", len(posted), "err", err)
	}
	c.j.queue.giveBack(posted)
	c.hold = min(max(2*c.hold, backoffMin), time.Second)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
