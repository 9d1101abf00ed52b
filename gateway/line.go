package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"syscall"
	"time"

	"noren"
)

// line is one connection to a server of the shop, with one question on it at a
// time.
type line struct {
	of    *lines
	conn  net.Conn
	raw   syscall.RawConn // nil: cannot be looked at, and is not kept
	keeps bool            // after the answer
	in    *bufio.Reader   // over the line itself, for the bound
	out   []byte          // the question
	names []string        // of its headers

	left     int64     // bytes that may still be read
	deadline time.Time // of reads; zero: none
	body     context.Context
	since    time.Time // unused since
	peeked   [1]byte
}

func newLine(l *lines, conn net.Conn, keeps bool) *line {
	c := &line{of: l, conn: conn, keeps: keeps}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // nil is not kept
	}
	c.in = bufio.NewReader(c)
	return c
}

var errLongAnswer = errors.New("the header of the shop's answer is too long")

// Read reads from the connection within the bounds of what is being read.
func (c *line) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLongAnswer
	}
	if err := c.unhurry(); err != nil {
		return 0, err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// unhurry takes the deadline of the header away for the body, which may take its
// time. A visitor who leaves at the same moment sets a deadline too (cut), and may
// have lost it by this.
func (c *line) unhurry() error {
	if c.body == nil || c.deadline.IsZero() {
		return nil
	}
	c.deadline = time.Time{}
	if err := c.conn.SetReadDeadline(c.deadline); err != nil {
		return err
	}
	return c.body.Err()
}

// hurry bounds the wait for the answer's header. The deadline is moved seldom, so
// that it comes up to a fiftieth too late.
func (c *line) hurry(now time.Time) error {
	wait := c.of.wait
	if wait <= 0 || c.deadline.Sub(now) >= wait {
		return nil
	}
	c.deadline = now.Add(wait + wait/50)
	return c.conn.SetReadDeadline(c.deadline)
}

// cut ends whatever is being read or written; the connection is of no use then.
func (c *line) cut() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }

func (c *line) close() { _ = c.conn.Close() }

// ask sends a request that only asks and returns the answer once its header is
// there. fresh takes a new connection and says that it is not kept. hint gets
// answers of the kind 1xx before it.
func (l *lines) ask(r *http.Request, fresh bool, hint func(int, http.Header)) (*http.Response, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	c, err := l.take(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if err := c.hurry(time.Now()); err != nil {
		c.close()
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.cut)
	res, err := c.exchange(r, hint)
	if err != nil {
		stop()
		c.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	a := &answer{src: res.Body, line: c, stop: stop, keep: !res.Close && res.StatusCode >= 200}
	if res.Body == http.NoBody {
		a.end(true)
		return res, nil
	}
	c.left, c.body, res.Body = math.MaxInt64, ctx, a
	return res, nil
}

func (c *line) exchange(r *http.Request, hint func(int, http.Header)) (*http.Response, error) {
	if err := c.write(r); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	for {
		c.left = c.of.header
		res, err := http.ReadResponse(c.in, r)
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode < 100 || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols:
			return res, nil
		case hint != nil:
			hint(res.StatusCode, res.Header)
		}
	}
}

// answer is the body of an answer. It gives the connection back at its end.
type answer struct {
	src  io.ReadCloser
	line *line
	stop func() bool
	keep bool
	err  error // that ended it
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.src.Read(p)
	if err != nil {
		if ctx := a.line.body; err != io.EOF && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		a.err = err
		a.end(err == io.EOF)
	}
	return n, err
}

// Buffered is how much of the answer is here already.
func (a *answer) Buffered() int { return a.line.in.Buffered() }

// Close ends an answer that is not read to its end. What is left of it may be
// endless, so its connection ends too.
func (a *answer) Close() error {
	if a.err == nil {
		a.err = http.ErrBodyReadAfterClose
		a.end(false)
	}
	return nil
}

// end gives the connection back, or closes it: when something is left on it, and
// when the visitor's leaving has cut it or is about to.
func (a *answer) end(whole bool) {
	c := a.line
	c.body = nil
	if a.stop() && whole && a.keep && c.keeps && c.in.Buffered() == 0 {
		c.of.put(c)
		return
	}
	c.close()
}

// unsendable headers are written by themselves or belong to a body.
func unsendable(name string) bool {
	switch name {
	case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

// write puts the request into out, byte for byte as http.Request.Write does
// (FuzzLineWritesLikeHTTP).
func (c *line) write(r *http.Request) error {
	target := r.URL.RequestURI()
	if !validMethod(r.Method) || !validHostHeader(r.Host) || !plainText(target) {
		return noren.Errorf(noren.Internal, "a request for the shop that cannot be written")
	}
	b := append(c.out[:0], r.Method...)
	b = append(append(append(b, ' '), target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, r.Host...), "\r\n"...)
	if agent := r.Header["User-Agent"]; len(agent) > 0 && agent[0] != "" {
		b = appendHeader(b, "User-Agent", agent[0])
	}
	c.names = c.names[:0]
	for name, values := range r.Header {
		if !unsendable(name) {
			c.names = append(c.names, name)
		}
		if name == "" || !plainName(name) || slices.ContainsFunc(values, func(v string) bool { return !plainText(v) }) {
			return noren.Errorf(noren.Internal, "a header for the shop that cannot be written")
		}
	}
	slices.Sort(c.names)
	for _, name := range c.names {
		for _, v := range r.Header[name] {
			b = appendHeader(b, name, v)
		}
	}
	if !c.keeps {
		b = append(b, "Connection: close\r\n"...)
	}
	clear(c.names) // hold nothing of the request
	c.out = append(b, "\r\n"...)
	return nil
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, textproto.TrimString(value)...), "\r\n"...)
}

// plainText reports whether a text has no control character but the tab: what a
// header field may hold (RFC 9110, 5.5).
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}
