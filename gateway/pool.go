package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// pool is the servers of one shop. It is the transport behind the shop's proxy:
// it picks a server, and another one where that cannot do harm.
//
// A request is sent twice in two cases only. Nothing of it was written, because
// the server could not be connected: then it goes to the next server, whatever
// its method. Or it only asks (GET, HEAD, OPTIONS without a body) and the
// connection broke before the answer began: then it is tried once more, on a
// fresh connection. A POST that may have arrived is never sent again (RFC 9110,
// 9.2.2): it might place an order twice.
type pool struct {
	backends []*backend
	lined    bool // all of them have lines
	plan     healthPlan
	host     string // that probes ask for
	secret   string // origin secret, for probes
	turn     atomic.Uint64
	retries  retryBudget
	changed  func(change) // told of every change of a state
	now      func() time.Time
}

// errAllDown says that no server can be reached; it was not tried just now.
var errAllDown = errors.New("no server of the shop can be reached")

// dialFor is how long a request goes on looking for a server.
const dialFor = 8 * time.Second

// newPool makes the pool of a site. Servers of before keep what is known of them.
func (g *Gateway) newPool(s *Site, before *shop) (*pool, error) {
	plan, err := s.health()
	if err != nil {
		return nil, err
	}
	p := &pool{plan: plan, host: probeHost(s.Hosts), now: g.opts.Now, changed: func(c change) { g.serverChanged(s.Name, c) }}
	for _, conf := range s.Backends() {
		b := before.backend(conf, s.fingerprint())
		if b == nil {
			if b, err = g.newBackend(s, conf); err != nil {
				return nil, err
			}
		}
		p.backends = append(p.backends, b)
	}
	p.lined = !slices.ContainsFunc(p.backends, func(b *backend) bool { return b.lines == nil })
	return p, nil
}

func (g *Gateway) newBackend(s *Site, conf Backend) (*backend, error) {
	u, err := parseUpstream(conf.URL)
	if err != nil {
		return nil, err
	}
	kept, err := s.transportFor(u, g.opts.Transport)
	if err != nil {
		return nil, err
	}
	b := &backend{Backend: conf, print: s.fingerprint(), kept: kept, brief: kept, fresh: kept}
	b.scheme, b.host = address(u)
	if t, ok := kept.(*http.Transport); ok {
		b.brief, b.fresh = g.variants(t)
		b.lines = newLines(t, b.scheme, b.host, &g.keptLines)
	}
	return b, nil
}

// transports are the variants of a transport. brief keeps a connection for a
// moment only: it carries what cannot be sent again, and a shop that closes a
// kept connection at the same moment loses it. fresh never uses one twice; there
// the standard library repeats nothing by itself.
type transports struct{ brief, fresh *http.Transport }

func (g *Gateway) variants(t *http.Transport) (brief, fresh http.RoundTripper) {
	v := &transports{t.Clone(), t.Clone()}
	v.brief.IdleConnTimeout = idlePost
	v.fresh.DisableKeepAlives = true
	if t == g.opts.Transport { // of all sites
		shared, _ := g.derived.LoadOrStore(t, v)
		v = shared.(*transports)
	}
	return v.brief, v.fresh
}

// backend finds a server of a shop by what the configuration says of it.
func (s *shop) backend(conf Backend, print string) *backend {
	if s == nil {
		return nil
	}
	for _, b := range s.pool.backends {
		if b.Backend == conf && b.print == print {
			return b
		}
	}
	return nil
}

// sender takes a request to one server.
type sender func(b *backend, req *http.Request, body io.ReadCloser, fresh bool) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	return p.deliver(req, (*backend).send)
}

// overLines is RoundTrip for a request that only asks (safe), over lines.
func (p *pool) overLines(q *inquiry) (*http.Response, error) {
	return p.deliver(q.Request, func(b *backend, _ *http.Request, _ io.ReadCloser, fresh bool) (*http.Response, error) {
		return b.lines.ask(q, fresh)
	})
}

func (p *pool) deliver(req *http.Request, by sender) (*http.Response, error) {
	begun := p.now()
	body := watchBody(req)
	b := p.pick(nil)
	if b == nil {
		return nil, errAllDown
	}
	var tried []*backend
	for {
		res, err := p.send(b, req, body.next(), false, by)
		if err == nil {
			return res, nil
		}
		tried = append(tried, b)
		if !unsent(err) {
			return p.again(req, err, tried, by)
		}
		if req.Context().Err() != nil || !body.rewinds() || p.now().Sub(begun) > dialFor {
			return nil, err
		}
		if b = p.pick(tried); b == nil {
			return nil, err
		}
	}
}

// again is the one retry of a request that only asks.
func (p *pool) again(req *http.Request, err error, tried []*backend, by sender) (*http.Response, error) {
	if !safe(req) || req.Context().Err() != nil || timedOut(err) || !p.retries.take(p.now()) {
		return nil, err
	}
	b := p.pick(tried)
	if b == nil {
		b = tried[len(tried)-1]
	}
	return p.send(b, req, nil, true, by)
}

// send asks one server and notes how it went.
func (p *pool) send(b *backend, req *http.Request, body io.ReadCloser, fresh bool, by sender) (*http.Response, error) {
	b.active.Add(1)
	res, err := by(b, req, body, fresh)
	if err != nil {
		b.active.Add(-1)
		p.failed(b, req.Context(), err)
		return nil, err
	}
	p.answered(b)
	if len(p.backends) == 1 || res.StatusCode == http.StatusSwitchingProtocols {
		b.active.Add(-1)
		return res, nil
	}
	res.Body = &countedBody{ReadCloser: res.Body, b: b, failed: func(err error) { p.failed(b, req.Context(), err) }}
	return res, nil
}

// send takes a request over the standard library's transport.
func (b *backend) send(req *http.Request, body io.ReadCloser, fresh bool) (*http.Response, error) {
	out := *req
	u := *req.URL
	u.Scheme, u.Host = b.scheme, b.host
	out.URL = &u
	switch {
	case body != nil:
		out.Body = body
	case safe(req):
		// With a body it cannot rewind the standard library repeats nothing. By
		// itself it would send a GET again for every kept connection that breaks
		// under it: a dozen times, where a request breaks the shop. Nothing goes
		// over the wire: named identity, the body is written as it is; unnamed, it
		// would be tried for a first byte, with a goroutine and a timer for each.
		out.Body, out.GetBody, out.ContentLength, out.TransferEncoding = emptyBody{}, nil, 0, identity[:]
	}
	via := b.brief
	switch {
	case fresh || claimsReplay(req):
		via = b.fresh
	case safe(req):
		via = b.kept
	}
	return via.RoundTrip(&out)
}

// claimsReplay: by these headers the standard library believes a visitor that a
// POST may be repeated. Whether the shop does is not known, so such a request
// goes over a connection of its own, where nothing is repeated.
func claimsReplay(r *http.Request) bool {
	return !safe(r) && (r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil)
}

// unsent reports whether an error came before the first byte was written.
func unsent(err error) bool {
	_, ok := errors.AsType[*dialError](err)
	return ok || errors.Is(err, errAllDown) || refused(err)
}

// countedBody ends a request's place at its server with its answer, and notes an
// answer that broke off.
type countedBody struct {
	io.ReadCloser
	b      *backend
	failed func(error)
	done   atomic.Bool
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		c.failed(err)
	}
	return n, err
}

// Buffered is how much of the answer is here already, as far as is known.
func (c *countedBody) Buffered() int {
	if b, ok := c.ReadCloser.(interface{ Buffered() int }); ok {
		return b.Buffered()
	}
	return 0
}

func (c *countedBody) Close() error {
	if !c.done.Swap(true) {
		c.b.active.Add(-1)
	}
	return c.ReadCloser.Close()
}

// watchedBody hands a request's body out once for each server that is tried. One
// that cannot be read again may be handed on only as long as nobody read it.
type watchedBody struct {
	req  *http.Request
	src  io.ReadCloser
	read atomic.Bool
	uses int
}

func watchBody(req *http.Request) *watchedBody { return &watchedBody{req: req, src: req.Body} }

// next is the body for the next server, nil for none or for the request's own.
func (w *watchedBody) next() io.ReadCloser {
	w.uses++
	switch {
	case w.src == nil || w.src == http.NoBody:
		return nil
	case w.req.GetBody == nil:
		return &openBody{w}
	case w.uses == 1:
		return nil
	}
	b, err := w.req.GetBody()
	if err != nil {
		return io.NopCloser(failingReader{err})
	}
	return b
}

func (w *watchedBody) rewinds() bool { return w.src == nil || w.req.GetBody != nil || !w.read.Load() }

// openBody stays open for the next server; ReverseProxy closes the request's own.
type openBody struct{ w *watchedBody }

func (o *openBody) Read(p []byte) (int, error) {
	o.w.read.Store(true)
	return o.w.src.Read(p)
}

func (o *openBody) Close() error { return nil }

// identity is the transfer encoding of a body that is written as it is.
var identity = [...]string{"identity"}

// emptyBody is a body of nothing.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// WriteTo spares the transport a buffer to copy nothing with.
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// retryBudget keeps retries from doubling the load of a shop that is failing.
type retryBudget struct{ second, used atomic.Int64 }

const retriesPerSecond = 200

func (r *retryBudget) take(now time.Time) bool {
	if s := now.Unix(); r.second.Swap(s) != s {
		r.used.Store(0)
	}
	return r.used.Add(1) <= retriesPerSecond
}

// probeHost is a host of the site that a probe can name.
func probeHost(hosts []string) string {
	for _, h := range hosts {
		if h != "*" {
			return trimWild(h)
		}
	}
	return ""
}

func trimWild(h string) string {
	if len(h) > 2 && h[:2] == "*." {
		return "www" + h[1:]
	}
	return h
}

// names lists the servers for a message.
func (p *pool) names() string {
	s := ""
	for i, b := range p.backends {
		if i > 0 {
			s += " "
		}
		s += b.URL
	}
	return s
}
