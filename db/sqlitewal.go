package db

import (
	"context"
	"database/sql"
	"time"
)

// SQLite appends every commit to a write-ahead log and must copy that into the
// database now and then. By default the commit that crosses 4 MiB does it, and
// whoever waits for that commit waits for the copying too. Here a connection of
// its own does it beside the writer.
const (
	walPoll = 250 * time.Millisecond
	walCopy = 4_000  // pages of 4 KiB that are worth copying
	walLong = 16_000 // pages from which the log must start over
	walMost = 24_000 // pages from which commits copy themselves, as a last resort
	// walRestartPause keeps a long reader, who forbids starting over, from
	// costing the writer a wait at every poll.
	walRestartPause = 2 * time.Second
)

// walKeeper keeps the write-ahead log short.
type walKeeper struct {
	d         *DB
	pool      *sql.DB
	restarted time.Time
	failing   bool
}

// keepWAL works until ctx ends.
func (d *DB) keepWAL(ctx context.Context, pool *sql.DB) {
	k := &walKeeper{d: d, pool: pool}
	tick := time.NewTicker(walPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if d.wrote.Swap(false) {
				k.note(ctx, k.step(ctx, now))
			}
		}
	}
}

// step copies what is worth it. Starting over holds up the writer, so what can
// be copied beside it goes first.
func (k *walKeeper) step(ctx context.Context, now time.Time) error {
	pages, copied, err := checkpoint(ctx, k.pool, "NOOP")
	if err != nil || pages-copied < walCopy {
		return err
	}
	if pages, _, err = checkpoint(ctx, k.pool, "PASSIVE"); err != nil || pages < walLong || now.Sub(k.restarted) < walRestartPause {
		return err
	}
	k.restarted = now
	return k.startOver(ctx)
}

// startOver takes the writer's connection: whoever writes without pause leaves
// no gap that another one could be sure to find.
func (k *walKeeper) startOver(ctx context.Context) error {
	writer, err := k.d.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer writer.Close()
	_, _, err = checkpoint(ctx, writer, "RESTART")
	return err
}

// Settle copies what SQLite's write-ahead log holds into the database and cuts
// the log off, for who wants to know how large the database is. On PostgreSQL
// it does nothing.
func (d *DB) Settle(ctx context.Context) error {
	if d.Engine() != SQLite {
		return nil
	}
	writer, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer writer.Close()
	_, _, err = checkpoint(ctx, writer, "TRUNCATE")
	return err
}

// checkpoint returns how long the log is and how much of it is copied. Another
// process that copies at the same time is no error.
func checkpoint(ctx context.Context, on interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, mode string) (pages, copied int, err error) {
	var busy int
	err = on.QueryRowContext(ctx, `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &pages, &copied)
	return pages, copied, err
}

// note logs the first of several failures.
func (k *walKeeper) note(ctx context.Context, err error) {
	if err != nil && !k.failing && ctx.Err() == nil {
		k.d.log.Warn("the write-ahead log cannot be copied into the database; it grows until it can", "file", k.d.file, "err", err)
	}
	k.failing = err != nil
}
