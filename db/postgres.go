package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"noren"
)

const postgresConnectTimeout = 5 * time.Second

// Writers wait for a row lock as long as SQLite's do for the file. A node that
// froze in the middle of a transaction loses its connection, because it may
// hold the head of a log that all others wait for. Values the operator gave
// stay. Nobody waits for a page while the server compiles its statement: those of
// ours run for milliseconds, compiling one takes hundreds.
const (
	writerSession = `SELECT set_config('lock_timeout', '5s', false) WHERE current_setting('lock_timeout') = '0';
		SELECT set_config('idle_in_transaction_session_timeout', '60s', false) WHERE current_setting('idle_in_transaction_session_timeout') = '0'`
	readerSession = `SET default_transaction_read_only = on; SET jit = off`
)

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		// The parser's error may quote the address with its password.
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "database address cannot be read"),
			"write postgres://user@host/name, the password in PGPASSFILE or as file: reference")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = postgresConnectTimeout
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "noren"
	}
	writer := stdlib.GetConnector(*cfg, stdlib.OptionAfterConnect(session(writerSession)))
	reader := stdlib.GetConnector(*cfg, stdlib.OptionAfterConnect(session(readerSession)))
	// Two pools: a transaction that reads beside itself must not wait for a
	// connection that other transactions hold.
	d := &DB{
		engine: Postgres, log: o.Log, admin: stdlib.GetConnector(*cfg),
		write: postgresPool(sql.OpenDB(withFaults(writer, o.Faults))), read: postgresPool(sql.OpenDB(reader)),
	}
	if err := d.checkPostgres(ctx, o.AllowUnsafe); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func session(settings string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, settings).ReadAll()
		return err
	}
}

// beginPostgres keeps hold of the connection, so that statements can be sent
// together. A pooled one that turns out to be dead is replaced, as database/sql
// does for transactions of its own.
func (d *DB) beginPostgres(ctx context.Context) (*Tx, error) {
	for try := 0; ; try++ {
		conn, err := d.write.Conn(ctx)
		if err != nil {
			return nil, during("begin a transaction", err)
		}
		tx, err := conn.BeginTx(ctx, nil)
		if err == nil {
			return &Tx{tx, Postgres, conn}, nil
		}
		conn.Close()
		if !errors.Is(err, driver.ErrBadConn) || try >= postgresConns() {
			return nil, during("begin a transaction", err)
		}
	}
}

func postgresConns() int { return max(8, 4*runtime.GOMAXPROCS(0)) }

func postgresPool(pool *sql.DB) *sql.DB {
	pool.SetMaxOpenConns(postgresConns())
	pool.SetMaxIdleConns(postgresConns())
	return pool
}

// checkPostgres refuses a server that answers before it synced: what it
// acknowledged could be lost with the power.
func (d *DB) checkPostgres(ctx context.Context, allowUnsafe bool) error {
	settings, err := d.postgresSettings(ctx)
	if err != nil {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "connect to PostgreSQL: %w", err), connectHint(err))
	}
	for _, name := range []string{"fsync", "synchronous_commit"} {
		if settings[name] == "off" && !allowUnsafe {
			return noren.WithHint(noren.Errorf(noren.Invalid, "PostgreSQL runs with %s = off, so acknowledged entries can be lost", name),
				fmt.Sprintf("ALTER SYSTEM SET %s = on; SELECT pg_reload_conf(); or database.allow_unsafe: true if losing entries is acceptable", name))
		}
	}
	if settings["server_encoding"] != "UTF8" {
		return noren.WithHint(noren.Errorf(noren.Invalid, "the database's encoding is %s, which cannot hold every name", settings["server_encoding"]),
			"create it anew: createdb -E UTF8 -T template0 NAME")
	}
	if settings["transaction_read_only"] == "on" {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "PostgreSQL only reads: it is a standby, or read-only by its settings"),
			"connect to the primary, or list all servers and add ?target_session_attrs=read-write")
	}
	return nil
}

func (d *DB) postgresSettings(ctx context.Context) (map[string]string, error) {
	settings := make(map[string]string)
	for _, name := range []string{"fsync", "synchronous_commit", "server_encoding", "transaction_read_only"} {
		var value string
		if err := d.write.QueryRowContext(ctx, `SELECT current_setting($1)`, name).Scan(&value); err != nil {
			return nil, err
		}
		settings[name] = value
	}
	return settings, nil
}

// connectHint knows the SQLSTATEs a server refuses a connection with.
func connectHint(err error) string {
	state := ""
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		state = e.Code
	}
	switch {
	case strings.HasPrefix(state, "28"):
		return "check the user, the password (PGPASSFILE) and the server's pg_hba.conf"
	case state == "3D000":
		return "create the database: createdb -E UTF8 -O USER NAME"
	case state == "53300":
		return "the server has no connection left: raise max_connections"
	}
	return "is the server running, and may this machine reach it? Try: psql with the same address"
}
