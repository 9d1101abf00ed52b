package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// FaultPoint is a moment at which a test may break the database: a write
// statement or a commit.
type FaultPoint struct {
	Op    string // exec or commit
	Table string // that an exec writes to
	SQL   string // of an exec
	N     int64  // counts write statements and commits of this DB from 1
}

// Fault is what happens at a FaultPoint.
type Fault struct {
	// Delay passes first.
	Delay time.Duration
	// Fail gives an error instead of doing it.
	Fail bool
	// FailPersisted does it and gives an error all the same, as a lost answer does.
	FailPersisted bool
}

var errInjected = errors.New("injected fault")

// withFaults wraps c so that write statements and commits pass faults.
func withFaults(c driver.Connector, faults func(FaultPoint) Fault) driver.Connector {
	if faults == nil {
		return c
	}
	return &faultConnector{Connector: c, faults: faults}
}

type faultConnector struct {
	driver.Connector
	faults func(FaultPoint) Fault
	n      atomic.Int64
}

func (c *faultConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultConn{conn.(fullConn), c}, nil
}

// at carries out the fault around do.
func (c *faultConnector) at(op, query string, do func() error) error {
	f := c.faults(FaultPoint{Op: op, Table: tableOf(query), SQL: query, N: c.n.Add(1)})
	if f.Delay > 0 {
		time.Sleep(f.Delay)
	}
	if f.Fail {
		return errInjected
	}
	if err := do(); err != nil {
		return err
	}
	if f.FailPersisted {
		return errInjected
	}
	return nil
}

// write carries out do, around which a fault stands if query writes.
func (c *faultConnector) write(query string, do func() error) error {
	switch verb(query) {
	case "SELECT", "PRAGMA", "SHOW", "SET", "EXPLAIN", "VALUES":
		return do()
	}
	return c.at("exec", query, do)
}

// tableOf is the word after INTO, UPDATE or FROM, the first that comes.
func tableOf(query string) string {
	words := strings.Fields(query)
	for i, w := range words[:max(0, len(words)-1)] {
		switch strings.ToUpper(w) {
		case "INTO", "UPDATE", "FROM":
			name, _, _ := strings.Cut(words[i+1], "(")
			return name
		}
	}
	return ""
}

type faultConn struct {
	fullConn
	c *faultConnector
}

func (c *faultConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.fullConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &faultTx{tx, c.c}, nil
}

func (c *faultConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	err = c.c.write(query, func() (err error) {
		res, err = c.fullConn.ExecContext(ctx, query, args)
		return err
	})
	return res, err
}

// QueryContext passes INSERT … RETURNING and the like through the faults too.
func (c *faultConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.c.rows(query, func() (driver.Rows, error) { return c.fullConn.QueryContext(ctx, query, args) })
}

func (c *faultConnector) rows(query string, do func() (driver.Rows, error)) (rows driver.Rows, err error) {
	err = c.write(query, func() (err error) {
		rows, err = do()
		return err
	})
	if err != nil && rows != nil {
		rows.Close()
	}
	return rows, err
}

func (c *faultConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &faultStmt{s.(fullStmt), query, c.c}, nil
}

// IsValid implements driver.Validator.
func (c *faultConn) IsValid() bool {
	v, ok := c.fullConn.(driver.Validator)
	return !ok || v.IsValid()
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *faultConn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type faultStmt struct {
	fullStmt
	query string
	c     *faultConnector
}

func (s *faultStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = s.c.write(s.query, func() (err error) {
		res, err = s.fullStmt.ExecContext(ctx, args)
		return err
	})
	return res, err
}

func (s *faultStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.rows(s.query, func() (driver.Rows, error) { return s.fullStmt.QueryContext(ctx, args) })
}

type faultTx struct {
	driver.Tx
	c *faultConnector
}

func (t *faultTx) Commit() error {
	err := t.c.at("commit", "", t.Tx.Commit)
	if errors.Is(err, errInjected) {
		t.Tx.Rollback() // no effect when it was committed
	}
	return err
}
