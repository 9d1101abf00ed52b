package db

import (
	"context"
	"database/sql"
	"runtime"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"noren"
)

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		// The parser's error may quote the address with its password.
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "database address cannot be read"),
			"write postgres://user@host/name, the password in PGPASSFILE or as file: reference")
	}
	c := stdlib.GetConnector(*cfg)
	pool := sql.OpenDB(withFaults(c, o.Faults))
	limit := max(8, 4*runtime.GOMAXPROCS(0))
	pool.SetMaxOpenConns(limit)
	pool.SetMaxIdleConns(limit)
	d := &DB{engine: Postgres, write: pool, read: pool, log: o.Log}
	if err := d.checkPostgres(ctx, o.AllowUnsafe); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// checkPostgres refuses a server that answers before it synced: what it
// acknowledged could be lost with the power.
func (d *DB) checkPostgres(ctx context.Context, allowUnsafe bool) error {
	for _, setting := range []string{"fsync", "synchronous_commit"} {
		var value string
		if err := d.read.QueryRowContext(ctx, `SELECT current_setting($1)`, setting).Scan(&value); err != nil {
			return noren.WithHint(noren.Errorf(noren.Unavailable, "connect to PostgreSQL: %w", err),
				"is the server running, and may this user connect to this database?")
		}
		if value == "off" && !allowUnsafe {
			return noren.WithHint(noren.Errorf(noren.Invalid, "PostgreSQL runs with %s = off, so acknowledged entries can be lost", setting),
				"set "+setting+" = on in postgresql.conf, or database.allow_unsafe: true if losing entries is acceptable")
		}
	}
	return nil
}
