package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
)

// serverState is how a server of the shop is.
type serverState int

// States. An unwell server (no answer in time, broken answers, errors) is asked
// only while none is well, so that a slow shop is never shut by its own probes.
// One that is down cannot be connected; when all are, visitors see the standby
// page at once.
const (
	serverUp serverState = iota
	serverUnwell
	serverDown
)

func (s serverState) String() string { return [...]string{"up", "unwell", "down"}[s] }

// How states change.
const (
	downAfter     = 2 // connections that failed in a row
	unwellAfter   = 3 // requests that failed in a row
	unwellProbes  = 2 // probes that failed in a row
	wellAfter     = 2 // good probes in a row; more for one that keeps failing
	strikesWithin = 5 * time.Minute
	maxWellAfter  = 16
	tryDownEvery  = 500 * time.Millisecond // while all are down, how often a request tries one
	unhealthyTry  = time.Second            // probes of a server that is not well
)

// backend is one server and what is known of it.
type backend struct {
	Backend
	print        string // of the configuration it was made by
	scheme, host string
	kept         http.RoundTripper // for what may be sent again
	brief, fresh http.RoundTripper
	lines        *lines       // nil: requests that only ask go over kept too
	active       atomic.Int64 // requests under way
	probing      atomic.Bool

	mu       sync.Mutex
	state    serverState
	refusals int         // in a row
	bad      int         // requests in a row
	badProbe int         // probes in a row
	good     int         // good probes in a row
	strikes  []time.Time // when it left the state up
	tried    time.Time   // when a request tried it while down
	probed   time.Time
}

// change is a server that changed its state.
type change struct {
	b          *backend
	from, to   serverState
	cause      string
	up, of     int
	standsDown bool // no server is left
}

func (b *backend) now() serverState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// rank orders servers: the well before the unwell, the others before backups.
func (b *backend) rank() int {
	r := 2 * int(b.now())
	if b.Backup {
		r++
	}
	return r
}

// pick chooses the best server not tried yet: of equals the least busy one. nil
// means that all are down and none is due for a try.
func (p *pool) pick(tried []*backend) *backend {
	var best *backend
	bestRank := 0
	start := int(p.turn.Add(1))
	for i := range p.backends {
		b := p.backends[(start+i)%len(p.backends)]
		if slices.Contains(tried, b) {
			continue
		}
		r := b.rank()
		if best == nil || r < bestRank || r == bestRank && b.active.Load() < best.active.Load() {
			best, bestRank = b, r
		}
	}
	if best != nil && bestRank >= 2*int(serverDown) && !best.due(p.now()) {
		return nil
	}
	return best
}

// due lets a request try a server that is down, now and then.
func (b *backend) due(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.tried) < tryDownEvery {
		return false
	}
	b.tried = now
	return true
}

// answered notes a request that was answered.
func (p *pool) answered(b *backend) {
	b.mu.Lock()
	from := b.state
	b.refusals, b.bad = 0, 0
	// It was tried because nothing else is left: whoever answers then is taken.
	if b.state == serverDown {
		b.state = serverUp
	}
	to := b.state
	b.mu.Unlock()
	p.tell(b, from, to, "answers again")
}

// failed notes a request that failed. A visitor who left is no fault of the
// server.
func (p *pool) failed(b *backend, ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	if _, mine := errors.AsType[*http.MaxBytesError](err); mine || errors.Is(err, errSlow) {
		return // the visitor's body
	}
	now := p.now()
	b.mu.Lock()
	from := b.state
	switch {
	case unsent(err):
		b.good = 0
		if b.refusals++; b.refusals >= downAfter {
			b.leave(serverDown, now)
		}
	default:
		if b.bad++; b.bad >= unwellAfter {
			b.leave(serverUnwell, now)
		}
	}
	to := b.state
	b.mu.Unlock()
	p.tell(b, from, to, causeOf(err))
}

// leave makes the state worse. The caller holds the lock.
func (b *backend) leave(to serverState, now time.Time) {
	if to <= b.state {
		return
	}
	if b.state == serverUp {
		b.strikes = append(slices.DeleteFunc(b.strikes, func(t time.Time) bool { return now.Sub(t) > strikesWithin }), now)
	}
	b.state, b.good, b.tried = to, 0, now
}

// wanted is how many good probes bring the server back: twice as many with every
// time it failed lately, so that one that flaps stays out.
func (b *backend) wanted(now time.Time) int {
	n := wellAfter
	for _, t := range b.strikes {
		if now.Sub(t) <= strikesWithin && t != b.strikes[0] {
			n *= 2
		}
	}
	return min(n, maxWellAfter)
}

// probe asks a server and notes how it is.
func (p *pool) probe(ctx context.Context, b *backend) {
	err := p.ask(ctx, b)
	if ctx.Err() != nil {
		return
	}
	now := p.now()
	b.mu.Lock()
	from := b.state
	b.probed = now
	switch {
	case err == nil:
		b.badProbe, b.refusals, b.bad = 0, 0, 0
		if b.good++; b.state != serverUp && b.good >= b.wanted(now) {
			b.state = serverUp
		}
	case unsent(err):
		b.good = 0
		if b.refusals++; b.refusals >= downAfter {
			b.leave(serverDown, now)
		}
	default:
		b.good = 0
		if b.badProbe++; b.badProbe >= unwellProbes {
			b.leave(serverUnwell, now)
			b.mend()
		}
	}
	to := b.state
	b.mu.Unlock()
	p.tell(b, from, to, causeOf(err))
}

// mend makes a server that was down and can be connected again unwell: better
// than nothing.
func (b *backend) mend() {
	if b.state == serverDown {
		b.state, b.refusals = serverUnwell, 0
	}
}

// healthAgent is what probes call themselves.
const healthAgent = "Noren-Health/1"

// statusError is an answer of a probe that no healthy server gives.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("answers %d", int(e)) }

func (p *pool) ask(ctx context.Context, b *backend) error {
	ctx, cancel := context.WithTimeout(ctx, p.plan.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.scheme+"://"+b.host+p.plan.path, nil)
	if err != nil {
		return err
	}
	req.Host = p.host
	req.Header.Set("User-Agent", healthAgent)
	if p.secret != "" {
		req.Header.Set(OriginHeader, p.secret)
	}
	res, err := b.fresh.RoundTrip(req)
	if err != nil {
		return err
	}
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // what comes after the header is not judged
	res.Body.Close()
	if res.StatusCode >= 500 {
		return statusError(res.StatusCode)
	}
	return nil
}

// due reports whether a server should be asked. A shop with one server is left
// alone while it is well: there is none to switch to.
func (p *pool) dueForProbe(b *backend, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	every := p.plan.every
	switch {
	case b.state != serverUp || b.badProbe > 0 || b.refusals > 0:
		every = min(every, unhealthyTry)
	case len(p.backends) == 1 && !p.plan.asked:
		return false
	}
	return now.Sub(b.probed) >= every
}

// tell passes a change on.
func (p *pool) tell(b *backend, from, to serverState, cause string) {
	if from == to || p.changed == nil {
		return
	}
	c := change{b: b, from: from, to: to, cause: cause, of: len(p.backends), standsDown: true}
	for _, o := range p.backends {
		s := o.now()
		if s == serverUp {
			c.up++
		}
		c.standsDown = c.standsDown && s == serverDown
	}
	p.changed(c)
}

// causeOf says in a word what was wrong.
func causeOf(err error) string {
	if err == nil {
		return "answers again"
	}
	if s, ok := errors.AsType[statusError](err); ok {
		return fmt.Sprintf("status_%d", int(s))
	}
	switch {
	case timedOut(err) || errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case strings.Contains(err.Error(), "refused"):
		return "refused"
	case strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "tls:"):
		return "tls"
	case unsent(err):
		return "unreachable"
	}
	return "reset"
}

// serverChanged logs a change at once and leaves the record to Watch: nobody's
// request waits for it.
func (g *Gateway) serverChanged(site string, c change) {
	args := []any{"alarm", true, "site", site, "server", c.b.URL, "state", c.to.String(), "before", c.from.String(), "cause", c.cause, "up", c.up, "of", c.of}
	switch {
	case c.to == serverUp:
		g.opts.Log.Warn("a server of the shop is well again", args...)
	case c.standsDown:
		g.opts.Log.Error("no server of the shop can be reached; visitors see the standby page", args...)
	default:
		g.opts.Log.Error("a server of the shop is "+c.to.String(), args...)
	}
	ev := noren.Event{Kind: noren.UpstreamChange, Site: site, Payload: &noren.ServerState{
		Server: c.b.URL, State: c.to.String(), Before: c.from.String(), Cause: c.cause, Backup: c.b.Backup, Up: int64(c.up), Of: int64(c.of), Node: g.opts.Node}}
	select {
	case g.changes <- ev:
	default:
		g.alarm("a change of a server's state is not recorded: too many at once", site)
	}
}

// maxChanges is how many changes may wait to be recorded.
const maxChanges = 256

// probeTick is how often it is looked which servers are due for a probe.
const probeTick = 250 * time.Millisecond

// WatchUpstreams probes the shops' servers and records their changes until ctx
// ends.
func (g *Gateway) WatchUpstreams(ctx context.Context) {
	var probes sync.WaitGroup
	defer probes.Wait()
	tick := time.NewTicker(probeTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-g.changes:
			g.recordChange(ctx, ev)
		case <-tick.C:
			g.probeDue(ctx, &probes)
		}
	}
}

func (g *Gateway) probeDue(ctx context.Context, probes *sync.WaitGroup) {
	now := g.opts.Now()
	for _, sh := range g.state.Load().shops {
		for _, b := range sh.pool.backends {
			if !sh.pool.dueForProbe(b, now) || b.probing.Swap(true) {
				continue
			}
			probes.Go(func() {
				defer b.probing.Store(false)
				sh.pool.probe(ctx, b)
			})
		}
	}
}

func (g *Gateway) recordChange(ctx context.Context, ev noren.Event) {
	if g.opts.Decider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ev.At = noren.At(g.opts.Now())
	ev.ID = noren.NewID(ev.At.Time)
	if _, err := g.opts.Decider.Decide(ctx, ev); err != nil && ctx.Err() == nil {
		g.alarm("change of a server's state not recorded", ev.Site, "err", err)
	}
}

// AskServer asks one server of a site for its front page, as Noren does or, not
// known, as a stranger: without secret and without a certificate.
func AskServer(ctx context.Context, s *Site, b Backend, secret string, known bool) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if !known && s.UpstreamTLS != nil {
		stranger := *s
		stranger.UpstreamTLS = &UpstreamTLS{CA: s.UpstreamTLS.CA, ServerName: s.UpstreamTLS.ServerName}
		s = &stranger
	}
	u, err := parseUpstream(b.URL)
	if err != nil {
		return 0, err
	}
	via, err := s.transportFor(u, NewTransport())
	if err != nil {
		return 0, err
	}
	if t, ok := via.(*http.Transport); ok {
		defer t.CloseIdleConnections()
	}
	scheme, host := address(u)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/", nil)
	if err != nil {
		return 0, err
	}
	req.Host = probeHost(s.Hosts)
	req.Header.Set("User-Agent", healthAgent)
	if secret != "" {
		req.Header.Set(OriginHeader, secret)
	}
	res, err := via.RoundTrip(req)
	if err != nil {
		return 0, noren.WithHint(noren.Errorf(noren.Unavailable, "the shop does not answer: %w", err), "start the shop, or correct upstream: of site "+s.Name)
	}
	io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	res.Body.Close()
	if res.StatusCode >= 500 {
		return res.StatusCode, noren.WithHint(noren.Errorf(noren.Unavailable, "the shop answers %s", res.Status), "look at the shop's own error log")
	}
	return res.StatusCode, nil
}

// RefusedTLS reports whether a server closed the connection because of the
// certificate it was shown, or because it was shown none.
func RefusedTLS(err error) bool {
	_, alert := errors.AsType[tls.AlertError](err)
	return alert || err != nil && strings.Contains(err.Error(), "tls: ")
}
