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
	"os"
	"slices"
	"strings"
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
	in    *bufio.Reader   // over the line itself, for the bounds
	out   []byte          // the question
	said  []headerLine    // its headers

	// Of the question under way:
	ctx  context.Context // whose end cuts it
	by   time.Time       // when the header must be here; zero: no bound, or it is
	left int64           // bytes that may still be read
	stop func() bool     // ends the watch over ctx; nil: nobody watches

	deadline time.Time // of reads; zero: none
	since    time.Time // unused since
	look     func(fd uintptr)
	peeked   [1]byte
	silent   bool
}

// headerLine is one line of a request's header.
type headerLine struct{ name, value string }

func newLine(l *lines, conn net.Conn, keeps bool) *line {
	c := &line{of: l, conn: conn, keeps: keeps}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // nil is not kept
	}
	c.in, c.look = bufio.NewReader(c), c.peek
	return c
}

// glance is how long a shop is waited for before it is watched whether the
// visitor leaves. Most answer sooner, and watching costs more than asking.
const glance = 100 * time.Millisecond

var errLongAnswer = errors.New("the header of the shop's answer is too long")

// Read reads from the connection within the bounds of what is being read.
func (c *line) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLongAnswer
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.conn.Read(p)
	if err != nil && n == 0 && c.stop == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		if err = c.watch(); err == nil {
			n, err = c.conn.Read(p)
		}
	}
	c.left -= int64(n)
	return n, err
}

// begin begins to wait for the answer.
func (c *line) begin(ctx context.Context, now time.Time) error {
	c.ctx, c.by = ctx, time.Time{}
	first := glance
	if wait := c.of.wait; wait > 0 {
		c.by, first = now.Add(wait), min(glance, wait)
	}
	if left := c.deadline.Sub(now); left >= first/2 && left <= first {
		return nil // it is moved seldom
	}
	return c.wait(now.Add(first))
}

func (c *line) wait(until time.Time) error {
	c.deadline = until
	return c.conn.SetReadDeadline(until)
}

// watch waits on, and has the end of ctx cut the connection.
func (c *line) watch() error {
	if !c.by.IsZero() && !time.Now().Before(c.by) {
		return os.ErrDeadlineExceeded
	}
	if err := c.wait(c.by); err != nil {
		return err
	}
	c.stop = context.AfterFunc(c.ctx, c.cut) // after the deadline, which cut replaces
	return nil
}

// header notes that the header is here: the body may take its time. A visitor who
// leaves at the same moment sets a deadline too, and may have lost it by this.
func (c *line) header() error {
	c.left, c.by = math.MaxInt64, time.Time{}
	if c.stop == nil {
		return nil
	}
	if err := c.wait(c.by); err != nil {
		return err
	}
	return c.ctx.Err()
}

// cut ends whatever is being read or written; the connection is of no use then.
func (c *line) cut() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }

func (c *line) close() {
	if c.stop != nil {
		c.stop()
	}
	_ = c.conn.Close()
}

// inquiry is a request that only asks. say are headers of ours beside its own,
// hint gets answers of the kind 1xx.
type inquiry struct {
	*http.Request
	say  []headerLine
	hint func(int, http.Header)
}

// says reports whether a header of ours stands for the request's own.
func (q *inquiry) says(name string) bool {
	return slices.ContainsFunc(q.say, func(h headerLine) bool { return h.name == name })
}

// ask sends a question and returns the answer once its header is there. fresh
// takes a new connection and says that it is not kept.
func (l *lines) ask(q *inquiry, fresh bool) (*http.Response, error) {
	ctx := q.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c, err := l.take(ctx, fresh)
	if err != nil {
		return nil, err
	}
	res, err := c.exchange(q)
	if err != nil {
		c.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	a := &answer{src: res.Body, line: c, keep: !res.Close && res.StatusCode >= 200}
	if res.Body == http.NoBody {
		a.end(true)
		return res, nil
	}
	res.Body = a
	return res, nil
}

// longQuestion may not fit what the kernel takes at once.
const longQuestion = 8 << 10

func (c *line) exchange(q *inquiry) (*http.Response, error) {
	if err := c.write(q); err != nil {
		return nil, err
	}
	if err := c.begin(q.Context(), time.Now()); err != nil {
		return nil, err
	}
	if len(c.out) > longQuestion {
		if err := c.watch(); err != nil {
			return nil, err
		}
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	for {
		c.left = c.of.header
		res, err := http.ReadResponse(c.in, q.Request)
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode < 100 || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols:
			return res, c.header()
		case q.hint != nil:
			q.hint(res.StatusCode, res.Header)
		}
	}
}

// answer is the body of an answer. It gives the connection back at its end.
type answer struct {
	src  io.ReadCloser
	line *line
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
		if ctx := a.line.ctx; err != io.EOF && ctx.Err() != nil {
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
	quit := c.stop == nil || c.stop()
	if quit && whole && a.keep && c.keeps && c.in.Buffered() == 0 {
		c.stop, c.ctx = nil, nil
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

// write puts the question into out, byte for byte as http.Request.Write does
// (FuzzLineWritesLikeHTTP).
func (c *line) write(q *inquiry) error {
	target := q.URL.RequestURI()
	if !validMethod(q.Method) || !validHostHeader(q.Host) || !plainText(target) || !c.gather(q) {
		return noren.Errorf(noren.Internal, "a request for the shop that cannot be written")
	}
	b := append(c.out[:0], q.Method...)
	b = append(append(append(b, ' '), target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, q.Host...), "\r\n"...)
	if agent := q.Header["User-Agent"]; len(agent) > 0 && agent[0] != "" {
		b = appendHeader(b, "User-Agent", agent[0])
	}
	for _, h := range c.said {
		b = appendHeader(b, h.name, h.value)
	}
	if !c.keeps {
		b = append(b, "Connection: close\r\n"...)
	}
	clear(c.said) // hold nothing of the request
	c.out = append(b, "\r\n"...)
	return nil
}

// gather lists the headers by name; false when one cannot be written.
func (c *line) gather(q *inquiry) bool {
	c.said = append(c.said[:0], q.say...)
	for name, values := range q.Header {
		if !unsendable(name) && !q.says(name) {
			for _, v := range values {
				c.said = append(c.said, headerLine{name, v})
			}
		} else if slices.ContainsFunc(values, func(v string) bool { return !plainText(v) }) {
			return false
		}
	}
	slices.SortStableFunc(c.said, func(a, b headerLine) int { return strings.Compare(a.name, b.name) })
	return !slices.ContainsFunc(c.said, func(h headerLine) bool { return h.name == "" || !plainName(h.name) || !plainText(h.value) })
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
