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

// IsUnavailable reports whether err means that the database is away, locked or
// full: trying again later may help, and what cannot wait belongs in the spool.
func IsUnavailable(err error) bool {
	if err == nil {
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

// sqliteAway looks at the primary result code, the low byte.
func sqliteAway(code int) bool {
	switch code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN,
		lib.SQLITE_READONLY, lib.SQLITE_PROTOCOL, lib.SQLITE_NOMEM:
		return true
	}
	return false
}

// postgresAway knows the SQLSTATE classes 08 (connection), 53 (resources, disk
// full), 57P (shutdown), 40 (serialisation, deadlock), 58 (system error) and
// 25006 (read only).
func postgresAway(state string) bool {
	for _, class := range []string{"08", "53", "57P", "40", "58", "25006", "55P03"} {
		if strings.HasPrefix(state, class) {
			return true
		}
	}
	return false
}

func connectionLost(err error) bool {
	for _, gone := range []error{driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded, syscall.ENOSPC, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return true
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}
