// Package db opens SQLite or PostgreSQL, runs transactions and migrations. One
// SQL text serves both engines: $1 placeholders, TEXT ids made by us, BIGINT
// microseconds, BOOLEAN, BYTEA, JSON as TEXT, ON CONFLICT and RETURNING.
//
// Each part keeps its own statements in its own sql.go; the tables of all parts
// are one linear list of migrations here, named after their part.
package db

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"

	"noren"
)

// Engine is a kind of database.
type Engine string

// Engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Options say which database to open and how.
type Options struct {
	// URL is sqlite:PATH or postgres://user@host/name.
	URL string
	// Create makes a missing SQLite file (0600, its directory 0700). Without
	// it a missing file is an error, so that a mistyped path is noticed.
	Create bool
	// AllowUnsafe accepts a PostgreSQL that does not sync before it answers.
	AllowUnsafe bool
	Log         *slog.Logger
	// Faults is asked at each write statement and commit; for tests.
	Faults func(FaultPoint) Fault
}

// DB is an open database: one writer, many readers. It is safe for concurrent
// use.
type DB struct {
	engine Engine
	file   string // SQLite's file
	inode  fileID
	write  *sql.DB
	read   *sql.DB
	log    *slog.Logger
}

// Open opens and pings the database. It does not migrate; it refuses a schema
// newer than this program.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := d.refuseNewer(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func open(ctx context.Context, o Options) (*DB, error) {
	if file, ok := strings.CutPrefix(o.URL, "sqlite:"); ok {
		return openSQLite(ctx, file, o)
	}
	if strings.HasPrefix(o.URL, "postgres://") || strings.HasPrefix(o.URL, "postgresql://") {
		return openPostgres(ctx, o)
	}
	return nil, noren.WithHint(noren.Errorf(noren.Invalid, "database address is of no known kind"),
		"write sqlite:PATH or postgres://user@host/name")
}

// Engine says which engine it is; job claiming is the one thing that differs.
func (d *DB) Engine() Engine { return d.engine }

// Read is the pool for reading. On SQLite it refuses to write.
func (d *DB) Read() *sql.DB { return d.read }

// Write runs f in one transaction: BEGIN IMMEDIATE on SQLite's one writer, READ
// COMMITTED on PostgreSQL. An error or a panic of f rolls back. An error of the
// commit itself leaves open whether it happened.
func (d *DB) Write(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done {
			tx.Rollback()
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	done = true
	if err := tx.Commit(); err != nil {
		tx.Rollback()
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Check reports whether the database still answers and is still the one that
// was opened: a SQLite file that was deleted or replaced goes on working
// invisibly until the process ends, and then everything is gone.
func (d *DB) Check(ctx context.Context) error {
	if d.engine == SQLite {
		return d.checkFile()
	}
	if err := d.read.PingContext(ctx); err != nil {
		return noren.Errorf(noren.Unavailable, "database does not answer: %w", err)
	}
	return nil
}

// Close closes both pools.
func (d *DB) Close() error {
	err := d.write.Close()
	if d.read != d.write {
		if rerr := d.read.Close(); err == nil {
			err = rerr
		}
	}
	return err
}
