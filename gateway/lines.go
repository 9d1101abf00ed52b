package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// lines are the kept connections to one server of a shop over plain HTTP/1.1,
// for requests that only ask (safe). Whoever asks writes the request, reads the
// answer and passes it on, all in one goroutine. http.Transport hands each step
// to another one, which costs as much as all the rest of passing on a small page;
// what may have a body, is upgraded or goes over TLS still takes that way.
//
// The rules are those of NewTransport: as many kept connections, for as long,
// the same patience. The answer's header and body are read by the standard
// library.
type lines struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	addr   string
	wait   time.Duration // until an answer begins
	keep   time.Duration // unused
	most   int           // kept unused, to this server
	inAll  int64         // and to all
	kept   *atomic.Int64 // to all
	header int64         // bytes of an answer's header

	mu    sync.Mutex
	free  []*line     // the one used last at the end
	sweep *time.Timer // nil before the first was kept
	swept bool        // sweep will run
}

// maxAnswerHeader is what http.Transport reads of an answer's header at most.
const maxAnswerHeader = 10 << 20

// keptAsk is how much memory for its questions a kept connection holds at most.
const keptAsk = 8 << 10

// newLines are the lines of a server that t reaches, nil where it needs more than
// they can do.
func newLines(t *http.Transport, scheme, addr string, kept *atomic.Int64) *lines {
	if scheme != "http" || t.Proxy != nil || t.DialContext == nil || t.DisableKeepAlives || !t.DisableCompression {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(trimBrackets(addr), "80")
	}
	l := &lines{dial: t.DialContext, addr: addr, wait: t.ResponseHeaderTimeout, keep: t.IdleConnTimeout,
		most: t.MaxIdleConnsPerHost, inAll: int64(t.MaxIdleConns), kept: kept, header: t.MaxResponseHeaderBytes}
	if l.header <= 0 {
		l.header = maxAnswerHeader
	}
	return l
}

func trimBrackets(host string) string {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// take returns a kept connection that is still quiet, or a new one.
func (l *lines) take(ctx context.Context, fresh bool) (*line, error) {
	for !fresh {
		c := l.pop()
		if c == nil {
			break
		}
		if time.Since(c.since) < l.keep && c.quiet() {
			return c, nil
		}
		c.close()
	}
	conn, err := l.dial(ctx, "tcp", l.addr)
	if err != nil {
		return nil, err
	}
	if w, ok := conn.(*watchfulConn); ok { // lines look for themselves
		conn = w.Conn
	}
	return newLine(l, conn, !fresh), nil
}

func (l *lines) pop() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		return nil
	}
	c := l.free[n-1]
	l.free[n-1] = nil
	l.free = l.free[:n-1]
	l.kept.Add(-1)
	return c
}

// put keeps a connection whose answer was read to its end.
func (l *lines) put(c *line) {
	c.since = time.Now()
	if cap(c.out) > keptAsk {
		c.out = nil
	}
	if !l.push(c) {
		c.close()
	}
}

func (l *lines) push(c *line) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) >= l.most {
		return false
	}
	if l.kept.Add(1) > l.inAll {
		l.kept.Add(-1)
		return false
	}
	l.free = append(l.free, c)
	if !l.swept {
		l.sweepIn(l.keep)
	}
	return true
}

// sweepIn has the old ones dropped after a while. No timer runs while there are
// none, so that lines nobody holds any more go with their last connection.
func (l *lines) sweepIn(d time.Duration) {
	l.swept = true
	if l.sweep == nil {
		l.sweep = time.AfterFunc(d, l.dropOld)
		return
	}
	l.sweep.Reset(d)
}

// dropOld closes what was not used for too long. The connections stand in the
// order in which they were used, because the one used last is taken first.
func (l *lines) dropOld() {
	for _, c := range l.old(time.Now()) {
		c.close()
	}
}

func (l *lines) old(now time.Time) []*line {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.free) && now.Sub(l.free[n].since) >= l.keep {
		n++
	}
	old := append([]*line(nil), l.free[:n]...)
	rest := copy(l.free, l.free[n:])
	clear(l.free[rest:])
	l.free = l.free[:rest]
	l.kept.Add(int64(-n))
	if l.swept = rest > 0; l.swept {
		l.sweepIn(l.keep - now.Sub(l.free[0].since))
	}
	return old
}

// quiet reports whether nothing has come on a connection that was kept: neither
// its end nor something nobody asked for, which would be taken for the answer to
// the next question.
func (c *line) quiet() bool {
	if c.raw == nil {
		return false
	}
	return c.raw.Control(c.look) == nil && c.silent
}

func (c *line) peek(fd uintptr) {
	_, _, err := syscall.Recvfrom(int(fd), c.peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.silent = err == syscall.EAGAIN
}
