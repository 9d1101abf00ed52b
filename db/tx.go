package db

import (
	"context"
	"database/sql"
)

// Tx is a transaction of Write.
type Tx struct {
	*sql.Tx
	engine Engine
	conn   *sql.Conn // PostgreSQL's, for sending statements together
}

// Engine says which engine it runs on, for the few statements that must differ.
func (tx *Tx) Engine() Engine { return tx.engine }

// Insert inserts rows as Batch.Insert does.
func (tx *Tx) Insert(ctx context.Context, rows []Row) error {
	var b Batch
	b.Insert(rows)
	return tx.Run(ctx, &b)
}

// end rolls back what was not committed and gives the connection back.
func (tx *Tx) end() {
	tx.Rollback()
	if tx.conn != nil {
		tx.conn.Close()
	}
}
