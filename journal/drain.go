package journal

import (
	"context"
	"errors"
)

// Sizes of one step of draining. A live group waits for one step at most, and
// is smaller than one, so that the spool shrinks under any load.
const (
	drainRecords  = 512
	drainBytes    = 4 << 20
	besideRecords = 256 // of a live group meanwhile
)

var errNoSpool = errors.New("there is no spool")

// toSpool makes a group durable in the spool and leaves the database alone until
// it answers again.
func (c *committer) toSpool(ctx context.Context, group []*record) error {
	sp := c.j.spool
	if sp == nil {
		return errNoSpool
	}
	var data []*record
	for _, r := range group {
		if !r.barrier {
			data = append(data, r)
		}
	}
	if len(data) == 0 {
		return nil
	}
	if err := c.spoolFor(ctx, sp, data); err != nil {
		return err
	}
	for _, r := range data {
		r.settled = true
		if r.body != nil {
			r.receipt = Receipt{Log: r.log, Seq: -1, Leaf: r.hash, Spooled: true}
		}
	}
	if !c.spooling && !c.draining {
		c.j.log.Error("database away: journal entries go to the spool", "alarm", true, "file", sp.path)
		c.probe(ctx)
	}
	c.spooling = true
	return nil
}

// spoolFor writes the group. A full spool is emptied first when the database
// answers already.
func (c *committer) spoolFor(ctx context.Context, sp *spool, data []*record) error {
	err := sp.append(data)
	for errors.Is(err, errFull) && c.draining && c.spooling {
		c.drain(ctx)
		if !c.spooling {
			err = sp.append(data)
		}
	}
	if errors.Is(err, errFull) && !c.full {
		c.full = true
		c.j.log.Error("spool is full: journal refuses entries", "alarm", true, "file", sp.path, "err", err)
	}
	return err
}

// probe looks in the background whether the database takes commits again.
func (c *committer) probe(ctx context.Context) {
	if c.probing {
		return
	}
	c.probing = true
	c.backoff = min(max(2*c.backoff, backoffMin), backoffMax)
	pause := c.backoff
	c.j.running.Go(func() {
		for ctx.Err() == nil {
			sleep(ctx, pause)
			pause = min(2*pause, backoffMax)
			if c.reachable(ctx) {
				c.back <- struct{}{}
				return
			}
		}
	})
}

func (c *committer) reachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return ping(ctx, c.j.db) == nil
}

// drain moves the next batch from a spool to the database, oldest file first.
func (c *committer) drain(ctx context.Context) {
	sp := c.source()
	if sp == nil {
		c.draining = false
		return
	}
	b, err := sp.next(drainRecords, drainBytes)
	if err == nil && len(b.records) > 0 {
		err = c.store(ctx, b.records, true)
	}
	if err != nil {
		c.draining = false
		c.j.log.Warn("spool not drained yet", "alarm", true, "file", sp.path, "err", err)
		c.probe(ctx)
		return
	}
	if !c.rescue(ctx, sp, b.records) {
		return
	}
	c.backoff, c.suspect = 0, false
	sp.advance(b)
	if sp.left() == 0 {
		c.emptied(sp)
	}
}

func (c *committer) source() *spool {
	if len(c.spools) > 0 {
		return c.spools[0]
	}
	if c.spooling {
		return c.j.spool
	}
	return nil
}

// emptied ends the draining of a spool.
func (c *committer) emptied(sp *spool) {
	c.j.log.Warn("spool drained: its journal entries are in the database", "alarm", true, "file", sp.path)
	if sp != c.j.spool {
		if err := sp.remove(); err != nil {
			c.j.log.Error("remove drained spool", "alarm", true, "file", sp.path, "err", err)
		}
		c.setSpools(c.spools[1:])
		return
	}
	c.spooling, c.full = false, false
	if err := sp.reset(); err != nil {
		sp.broken = true // opened anew when it is needed; what it holds is committed and found by id
		c.j.log.Error("empty spool", "alarm", true, "file", sp.path, "err", err)
	}
}

// rescue handles records that the database refuses for good (said by refuse),
// which must not stop those behind them: an entry is committed without its rows.
// What even then does not go in is left in the file, which is kept for
// inspection.
func (c *committer) rescue(ctx context.Context, sp *spool, records []*record) bool {
	for _, r := range records {
		if r.err == nil {
			continue
		}
		if r.body != nil && len(r.rows) > 0 {
			r.rows, r.err, r.settled = nil, nil, false
			if err := c.store(ctx, []*record{r}, true); err != nil {
				c.draining = false
				c.probe(ctx)
				return false
			}
		}
		sp.damaged = sp.damaged || r.err != nil
	}
	return true
}

// adopt takes over the spools of processes that are gone.
func (c *committer) adopt() {
	if c.j.spool == nil || len(c.spools) > 0 {
		return
	}
	c.setSpools(c.j.spool.orphans())
	c.draining = c.draining || len(c.spools) > 0
}

func (c *committer) setSpools(s []*spool) {
	c.spools = s
	c.j.adopted.Store(&s)
}

// undrained closes adopted spools; another process will find them.
func (c *committer) undrained() {
	for _, sp := range c.spools {
		sp.close()
	}
}
