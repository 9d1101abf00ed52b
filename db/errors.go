package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"noren"
)

// IsUnique reports whether err is a violated unique or primary key.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}

// IsNoTable reports whether err means that a table is not there, as in a database
// that was never migrated.
func IsNoTable(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == lib.SQLITE_ERROR && strings.Contains(e.Error(), "no such table")
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42P01"
}

// IsUnavailable reports whether err means that the database is away, locked,
// full or damaged: trying again later may help, and what cannot wait belongs in
// the spool. A caller that gave up (context.Canceled) says nothing about it.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if errors.Is(err, errInjected) || noren.CodeOf(err) == noren.Unavailable {
		return true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteAway(e.Code())
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresAway(e.Code)
	}
	return connectionLost(err)
}

// sqliteAway looks at the primary result code, the low byte. INTERRUPT is how
// SQLite reports a deadline that passed within a statement.
func sqliteAway(code int) bool {
	switch code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN,
		lib.SQLITE_READONLY, lib.SQLITE_PROTOCOL, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT,
		lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return true
	}
	return false
}

// postgresAway knows the SQLSTATE classes 08 (connection), 28 (sign-in refused),
// 53 (resources, disk full), 57 (shutdown, time-out), 40 (serialisation,
// deadlock), 58 (system error), XX (damaged data), and 3D000 (no such
// database), 25006 (read only), 25P03 (idle in a transaction), 55P03 (lock).
func postgresAway(state string) bool {
	for _, class := range []string{"08", "28", "53", "57", "40", "58", "XX", "3D000", "25006", "25P03", "55P03"} {
		if strings.HasPrefix(state, class) {
			return true
		}
	}
	return false
}

func connectionLost(err error) bool {
	for _, gone := range []error{
		driver.ErrBadConn, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded,
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, gone) {
			return true
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err)
}
