package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"noren"
)

// Listen is a listener whose connections the gateway knows: counted and capped
// before anything is read, and, with https, looked at while TLS says hello. Give
// it to Server's Serve or ServeTLS. Closing it closes l.
func (g *Gateway) Listen(l net.Listener, https bool) net.Listener {
	return &entrance{l, g, https}
}

// ConnectionCounts are what the gateway's listeners hold and refused so far.
func (g *Gateway) ConnectionCounts() ConnectionCounts { return g.callers.counts() }

type entrance struct {
	net.Listener
	g     *Gateway
	https bool
}

// Accept returns the next connection that may come in.
func (e *entrance) Accept() (net.Conn, error) {
	for {
		c, err := e.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if v := e.g.welcome(c, e.https); v != nil {
			return v, nil
		}
	}
}

// visit is one connection of a visitor.
type visit struct {
	net.Conn
	g      *Gateway
	addr   netip.Addr
	left   atomic.Bool
	learnt atomic.Pointer[learnt]

	mu      sync.Mutex
	by      time.Time // when the handshake must be over; zero once it is
	records *records  // nil: plain HTTP
}

// learnt is what a TLS client said of itself.
type learnt struct {
	ja4, name string
	beats     bool // it offers heartbeats
}

// welcome counts a new connection, or closes it and returns nil.
func (g *Gateway) welcome(c net.Conn, https bool) net.Conn {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return c // not of a network, as in tests: nobody to count
	}
	now, st := time.Now(), g.state.Load()
	v := &visit{Conn: c, g: g, addr: ap.Addr().Unmap().WithZone("")}
	if why := g.refusal(st, v.addr, now); why != "" {
		slam(c)
		if why != bannedClient {
			g.alarm("connections are refused at the door", "", "reason", why, "client", clientNet(v.addr), "counts", g.callers)
		}
		return nil
	}
	if https {
		v.records, v.by = &records{}, now.Add(st.connections.Handshake)
	}
	return v
}

func (g *Gateway) refusal(st *state, addr netip.Addr, now time.Time) refusal {
	at := g.opts.Now()
	if st.bannedEverywhere(g.opts.Lists, addr, at) && !g.callers.mayRead(addr, now) {
		return bannedClient
	}
	return g.callers.enter(addr, &st.connections, func() bool { return st.spares(g.opts.Lists, addr, at) }, now)
}

// spares reports whether some site knows addr for a proxy of its own or has it
// on its allow-list: nobody is locked out by somebody else's crowd.
func (st *state) spares(l *Lists, addr netip.Addr, at time.Time) bool {
	for _, sh := range st.shops {
		if sh.trusts(addr) {
			return true
		}
		if l == nil {
			continue
		}
		if allow, _ := l.Check(sh.Name, addr, at); allow != nil {
			return true
		}
	}
	return false
}

// bannedEverywhere reports whether no site would let addr in. The first that
// would ends the search.
func (st *state) bannedEverywhere(l *Lists, addr netip.Addr, at time.Time) bool {
	if l == nil || len(st.shops) == 0 {
		return false
	}
	for _, sh := range st.shops {
		if allow, ban := l.Check(sh.Name, addr, at); ban == nil || allow != nil || sh.trusts(addr) {
			return false
		}
	}
	return true
}

// slam closes a connection with a reset: nothing of it is left to wait for.
func slam(c net.Conn) {
	if tcp, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0) // it is closed all the same
	}
	_ = c.Close()
}

// errProbe and errExcess end a connection; net/http notes them at debug level.
var (
	errProbe  = noren.Errorf(noren.Denied, "the client probes for weaknesses of TLS")
	errExcess = noren.Errorf(noren.Denied, "the client's hello is larger than any program's")
)

// Read passes on what the client sent, and looks at it on the way.
func (v *visit) Read(b []byte) (int, error) {
	n, err := v.Conn.Read(b)
	if n > 0 {
		if bad := v.look(b[:n]); bad != nil {
			slam(v.Conn)
			return 0, bad
		}
	}
	return n, err
}

// look follows the records of a TLS connection. An error ends it.
func (v *visit) look(b []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.records == nil {
		return nil
	}
	s := v.records.feed(b)
	if s.whole {
		v.learn(s.hello)
	}
	switch {
	case s.probe != "":
		v.g.probed(v, s.probe)
		return errProbe
	case s.excess:
		return errExcess
	}
	return nil
}

// Tools of 2014 offer what we do not speak any more, so crypto/tls ends the
// connection before it reads the heartbeat that follows. For a moment we wait
// for it: in a connection that began with a heartbeat, or offered heartbeats and
// came to nothing.
const (
	cutAfter = 500 * time.Millisecond
	cutRead  = 4 << 10
)

// linger reads what a suspicious client sent after we gave up on it.
func (v *visit) linger() {
	if !v.suspicious() || v.Conn.SetReadDeadline(time.Now().Add(cutAfter)) != nil {
		return
	}
	b := make([]byte, 512)
	for read := 0; read < cutRead; {
		n, err := v.Conn.Read(b)
		if read += n; v.look(b[:n]) != nil || err != nil {
			break
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if probe := v.records.unfinished(); probe != "" {
		v.g.probed(v, probe)
	}
}

func (v *visit) suspicious() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.records == nil || v.records.off || v.by.IsZero() {
		return false
	}
	l := v.learnt.Load()
	return v.records.unfinished() != "" || l != nil && l.beats
}

func (v *visit) learn(hello []byte) {
	l := &learnt{}
	if h, ok := parseHello(hello); ok {
		l.ja4, l.name, l.beats = h.ja4(overTCP), h.name, slices.Contains(h.extensions, extHeartbeat)
	}
	v.learnt.Store(l)
}

// SetReadDeadline keeps the handshake's own limit: net/http sets one before the
// handshake, and none once it is over.
func (v *visit) SetReadDeadline(t time.Time) error {
	v.mu.Lock()
	switch {
	case t.IsZero():
		v.by = time.Time{}
	case !v.by.IsZero() && v.by.Before(t):
		t = v.by
	}
	v.mu.Unlock()
	return v.Conn.SetReadDeadline(t)
}

// Close closes the connection, and counts it out once.
func (v *visit) Close() error {
	if !v.left.Swap(true) {
		v.linger()
		v.g.callers.leave(v.addr, time.Now())
	}
	return v.Conn.Close()
}

// CloseWrite lets net/http end an answer before it closes.
func (v *visit) CloseWrite() error {
	if c, ok := v.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return v.Close()
}

// ReadFrom lets the kernel copy files, as without us.
func (v *visit) ReadFrom(r io.Reader) (int64, error) {
	if c, ok := v.Conn.(io.ReaderFrom); ok {
		return c.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{v.Conn}, r)
}

type visitKey struct{}

// meet puts what is known of a connection into its requests' context; Server
// calls it for each.
func meet(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if v, ok := c.(*visit); ok {
		return context.WithValue(ctx, visitKey{}, v)
	}
	return ctx
}

// ja4Of is the fingerprint of the TLS client that a request came from, "" when
// it is not known: plain HTTP, or a proxy of ours that spoke TLS for it.
func ja4Of(ctx context.Context) string {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		if l := v.learnt.Load(); l != nil {
			return l.ja4
		}
	}
	return ""
}
