package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"noren/db"
)

const (
	// scrubWait is how long one try may hold up writers while a long reader is
	// in the way; the journal commits through the same file.
	scrubWait  = 100 * time.Millisecond
	scrubTries = 5
)

var errReaders = errors.New("a long reading transaction is in the way")

// scrub makes SQLite copy its write-ahead log into the database and empty it, so
// that no page of before an erasure stays in the file. When readers are in the
// way for too long, the next erasure, Retain or Reapply does it.
func (v *Vault) scrub(ctx context.Context) {
	if v.db.Engine() != db.SQLite {
		return
	}
	v.unscrubbed.Store(true)
	err := v.emptyWAL(ctx)
	for try := 1; errors.Is(err, errReaders) && try < scrubTries; try++ {
		select {
		case <-ctx.Done():
		case <-time.After(scrubWait):
		}
		err = v.emptyWAL(ctx)
	}
	if err != nil {
		v.log.Warn("the write-ahead log could not be emptied after destroying keys; old pages stay in it until the next try", "err", err)
		return
	}
	v.unscrubbed.Store(false)
}

func (v *Vault) emptyWAL(ctx context.Context) error {
	conn, err := v.db.Read().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var before int
	if err := conn.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&before); err != nil {
		return err
	}
	if err := setBusyTimeout(ctx, conn, int(scrubWait.Milliseconds())); err != nil {
		return err
	}
	var busy, frames, copied int
	err = conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &copied)
	if err == nil && busy != 0 {
		err = errReaders
	}
	// Put back even when ctx ended: the connection returns to the pool.
	return errors.Join(err, setBusyTimeout(context.WithoutCancel(ctx), conn, before))
}

func setBusyTimeout(ctx context.Context, conn *sql.Conn, ms int) error {
	var now int
	return conn.QueryRowContext(ctx, fmt.Sprintf(`PRAGMA busy_timeout(%d)`, ms)).Scan(&now)
}
