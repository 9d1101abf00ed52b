package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"noren"
	"noren/db"
)

func TestIsUnavailable(t *testing.T) {
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("bug"), false},
		{sql.ErrNoRows, false},
		{noren.Errorf(noren.Unavailable, "away"), true},
		{noren.Errorf(noren.Conflict, "changed"), false},
		{context.DeadlineExceeded, true},
		{context.Canceled, false},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
		{&os.PathError{Op: "write", Err: syscall.ENOSPC}, true},
		{&os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}, true},
		{state("08006"), true}, // connection failure
		{state("53100"), true}, // disk full
		{state("53300"), true}, // too many connections
		{state("57P01"), true}, // shutdown
		{state("57014"), true}, // statement time-out
		{state("55P03"), true}, // lock not available
		{state("40P01"), true}, // deadlock
		{state("25006"), true}, // read only
		{state("58030"), true}, // input/output error
		{state("23505"), false},
		{state("23503"), false},
		{state("42P01"), false}, // no such table
		{state("22001"), false}, // value too long
	} {
		if got := db.IsUnavailable(tt.err); got != tt.want {
			t.Errorf("%v: got %t, want %t", tt.err, got, tt.want)
		}
		if tt.err == nil {
			continue
		}
		if got := db.IsUnavailable(fmt.Errorf("append: %w", tt.err)); got != tt.want {
			t.Errorf("wrapped %v: got %t, want %t", tt.err, got, tt.want)
		}
	}
}
