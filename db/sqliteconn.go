package db

import (
	"context"
	"database/sql/driver"
	"strconv"
	"strings"

	"modernc.org/sqlite"

	"noren"
)

// cachedStatements bounds the prepared statements a connection keeps. A part
// has some ten, an Insert one per power of two.
const cachedStatements = 128

// sqliteConnector opens connections that keep their prepared statements: the
// driver would prepare the same text anew each time, which for a statement of
// many rows takes longer than running it.
func sqliteConnector(file string, role sqliteRole) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn(file, role))
	if err != nil {
		return nil, sqliteOpenError(file, err)
	}
	return &cachingConnector{c, role}, nil
}

type cachingConnector struct {
	driver.Connector
	role sqliteRole
}

func (c *cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(fullConn)
	if !ok {
		conn.Close()
		return nil, noren.Errorf(noren.Internal, "SQLite driver %T lacks a method", conn)
	}
	// Opening was patient. From here on beginImmediate waits for the writer, and
	// a keeper of the log would hold the writer up while it waits for readers.
	if wait, ok := map[sqliteRole]string{sqliteWriter: "0", sqliteKeeper: "50"}[c.role]; ok {
		if _, err := full.ExecContext(ctx, `PRAGMA busy_timeout = `+wait, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &cachingConn{fullConn: full, idle: make(map[string]*cachedStmt)}, nil
}

// fullConn is what both drivers' connections can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// cachingConn is used by one goroutine at a time, as database/sql promises.
type cachingConn struct {
	fullConn
	idle map[string]*cachedStmt // a statement in use is not in it
	uses int64
}

type cachedStmt struct {
	fullStmt
	used int64
}

// IsValid implements driver.Validator.
func (c *cachingConn) IsValid() bool {
	v, ok := c.fullConn.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if !cacheable(query) {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := s.ExecContext(ctx, args)
	c.giveBack(query, s, err)
	return res, err
}

func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if !cacheable(query) {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		c.giveBack(query, s, err)
		return nil, err
	}
	return &cachedRows{Rows: rows, done: func(err error) { c.giveBack(query, s, err) }}, nil
}

// Close closes the statements first; SQLite would keep the file open for them.
func (c *cachingConn) Close() error {
	for _, s := range c.idle {
		s.Close()
	}
	return c.fullConn.Close()
}

func cacheable(query string) bool {
	switch verb(query) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// verb is the first word of a statement, in capitals.
func verb(query string) string {
	query = strings.TrimSpace(query)
	n := strings.IndexFunc(query, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' })
	if n < 0 {
		n = len(query)
	}
	return strings.ToUpper(query[:n])
}

func (c *cachingConn) take(ctx context.Context, query string) (*cachedStmt, error) {
	if s, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return s, nil
	}
	s, err := c.fullConn.PrepareContext(ctx, anonymous(query))
	if err != nil {
		return nil, err
	}
	full, ok := s.(fullStmt)
	if !ok {
		s.Close()
		return nil, noren.Errorf(noren.Internal, "SQLite driver %T lacks a method", s)
	}
	return &cachedStmt{fullStmt: full}, nil
}

func (c *cachingConn) giveBack(query string, s *cachedStmt, err error) {
	if _, twice := c.idle[query]; err != nil || twice {
		s.Close()
		return
	}
	if len(c.idle) >= cachedStatements {
		c.dropOldest()
	}
	c.uses++
	s.used = c.uses
	c.idle[query] = s
}

func (c *cachingConn) dropOldest() {
	oldest, used := "", c.uses+1
	for query, s := range c.idle {
		if s.used < used {
			oldest, used = query, s.used
		}
	}
	c.idle[oldest].Close()
	delete(c.idle, oldest)
}

// cachedRows gives its statement back when it is closed.
type cachedRows struct {
	driver.Rows
	done func(error)
}

func (r *cachedRows) Close() error {
	err := r.Rows.Close()
	if r.done != nil {
		r.done(err)
		r.done = nil
	}
	return err
}

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName.
func (r *cachedRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// anonymous writes ? for $1, $2, … when they stand in this order, each once.
// SQLite looks a named parameter up in a list, so that binding a thousand of
// them takes half a million steps; anonymous ones have no list.
func anonymous(query string) string {
	var b strings.Builder
	next := 1
	for rest := query; ; {
		i := strings.IndexAny(rest, `$?'"-/`)
		if i < 0 {
			b.WriteString(rest)
			return b.String()
		}
		// Quotes and comments may hold a $ of their own: leave those alone.
		name := "$" + strconv.Itoa(next)
		after, ok := strings.CutPrefix(rest[i:], name)
		if !ok || after != "" && after[0] >= '0' && after[0] <= '9' {
			return query
		}
		b.WriteString(rest[:i])
		b.WriteByte('?')
		next++
		rest = after
	}
}
