package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// States of a PostgreSQL connection, as it reports them after each answer.
const (
	txIdle   = 'I'
	txInside = 'T'
)

// sendTogether sends statements in one round trip. sent is false when this
// connection takes them one by one only, as one with faults does.
func (tx *Tx) sendTogether(ctx context.Context, list []statement) (sent bool, err error) {
	err = tx.conn.Raw(func(c any) error {
		conn, ok := c.(*stdlib.Conn)
		if !ok {
			return nil
		}
		sent = true
		// A transaction whose context ended was rolled back beside us. Statements
		// sent now would stand each on its own, and stay.
		if conn.Conn().PgConn().TxStatus() != txInside {
			return sql.ErrTxDone
		}
		return send(ctx, conn.Conn(), list)
	})
	return sent, err
}

// runAtOnce sends a batch that is a transaction of its own. What is sent up to
// one Sync is one (PostgreSQL manual, "Pipelining" in the message flow), so that
// BEGIN, work and COMMIT cost a single round trip.
func (d *DB) runAtOnce(ctx context.Context, b *Batch) (done bool, err error) {
	list, err := b.statements(Postgres)
	if err != nil {
		return true, err
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return true, during("begin a transaction", err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		pc, ok := c.(*stdlib.Conn)
		if !ok || pc.Conn().PgConn().TxStatus() != txIdle {
			return nil
		}
		done = true
		return send(ctx, pc.Conn(), list)
	})
	return done, err
}

func send(ctx context.Context, conn *pgx.Conn, list []statement) error {
	var batch pgx.Batch
	for _, s := range list {
		batch.Queue(s.sql, s.args...)
	}
	var changed error
	results := conn.SendBatch(ctx, &batch)
	for _, s := range list {
		tag, err := results.Exec()
		if err != nil {
			results.Close()
			return fmt.Errorf("%s: %w", s.doing, err)
		}
		if s.one && tag.RowsAffected() != 1 && changed == nil {
			changed = s.changed(tag.RowsAffected(), nil)
		}
	}
	// Only now it is known that the commit succeeded.
	if err := results.Close(); err != nil {
		return during("commit", err)
	}
	return changed
}
