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
	Op  string // exec or commit
	SQL string // of an exec
	N   int64  // counts write statements and commits of this DB from 1
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
	return &faultConn{conn, c}, nil
}

// at carries out the fault around do.
func (c *faultConnector) at(op, sql string, do func() error) error {
	f := c.faults(FaultPoint{Op: op, SQL: sql, N: c.n.Add(1)})
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

// faultConn forwards everything database/sql asks of a connection.
type faultConn struct {
	driver.Conn
	c *faultConnector
}

func (c *faultConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &faultTx{tx, c.c}, nil
}

func (c *faultConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	exec := func() error {
		res, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	}
	return res, c.c.at("exec", query, exec)
}

// QueryContext passes INSERT … RETURNING and the like through the faults too.
func (c *faultConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	run := func() error {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		return err
	}
	if strings.HasPrefix(strings.TrimSpace(query), "SELECT") {
		return rows, run()
	}
	return rows, c.c.at("exec", query, run)
}

func (c *faultConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (c *faultConn) Ping(ctx context.Context) error {
	if p, ok := c.Conn.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

func (c *faultConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *faultConn) IsValid() bool {
	if v, ok := c.Conn.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

func (c *faultConn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
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
