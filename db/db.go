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
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

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
	// Faults is asked at each write statement and commit of Write, never by
	// Migrate; for tests.
	Faults func(FaultPoint) Fault
}

// DB is an open database: one writer, many readers. It is safe for concurrent
// use.
type DB struct {
	engine Engine
	file   string // SQLite's file, an absolute path
	inode  fileID
	write  *sql.DB
	read   *sql.DB
	admin  driver.Connector // for migrating: patient, without faults
	log    *slog.Logger

	wrote      atomic.Bool // since the write-ahead log was looked at
	stop       context.CancelFunc
	background sync.WaitGroup
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

// Engine says which engine it is, for the few statements that must differ.
func (d *DB) Engine() Engine { return d.engine }

// Read is the pool for reading; it refuses to write.
func (d *DB) Read() *sql.DB { return d.read }

// Write runs f in one transaction: BEGIN IMMEDIATE on SQLite's one writer, READ
// COMMITTED on PostgreSQL. When it returns nil the transaction is on the disk.
// An error or a panic of f rolls back, and f's error is returned as it is. An
// error of the commit itself leaves open whether it happened.
func (d *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	tx, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.end()
	if err := f(tx); err != nil {
		return err
	}
	if err := d.checkFile(); err != nil {
		return err
	}
	d.wrote.Store(true)
	if err := tx.Commit(); err != nil {
		return during("commit", err)
	}
	return nil
}

func (d *DB) begin(ctx context.Context) (*Tx, error) {
	if d.engine == SQLite {
		tx, err := d.beginImmediate(ctx)
		return &Tx{Tx: tx, engine: SQLite}, err
	}
	return d.beginPostgres(ctx)
}

// during adds what was being done, and the code for a database that is away.
func during(doing string, err error) error {
	if IsUnavailable(err) {
		return noren.Errorf(noren.Unavailable, "%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Check reports whether the database still answers and is still the one that
// was opened: a SQLite file that was deleted or replaced goes on working
// invisibly until the process ends, and then everything is gone.
func (d *DB) Check(ctx context.Context) error {
	if err := d.checkFile(); err != nil {
		return err
	}
	var one int
	if err := d.read.QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		return noren.Errorf(noren.Unavailable, "database does not answer: %w", err)
	}
	return nil
}

// Close closes both pools; the writer last, which empties SQLite's write-ahead
// log into the file.
func (d *DB) Close() error {
	if d.stop != nil {
		d.stop()
	}
	d.background.Wait()
	return errors.Join(d.read.Close(), d.write.Close())
}
