package gateway

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"noren/kv"
)

// callers counts what each client holds open in this process. It is asked for
// every new connection, before anything is read from it, and waits for nothing.
type callers struct {
	mu   sync.Mutex
	open int // connections in all
	by   map[netip.Prefix]*caller
	next time.Time // when what nobody needs is dropped
	// refused counts by reason, for alarms and for people who look.
	refused map[refusal]int64
}

// caller is one client, or one network of clients.
type caller struct {
	open, streams int
	calls, pages  bucket // new connections; connections although banned
	stops         bucket // refused requests
	strange       bucket // requests without a pass, as far as they count for pressure
	probed        time.Time
}

// refusal says why a connection was closed before anything was read.
type refusal string

// Refusals.
const (
	tooManyInAll refusal = "most"
	tooManyOfOne refusal = "per_client"
	tooManyOfNet refusal = "per_net"
	tooFast      refusal = "rate"
	bannedClient refusal = "banned"
)

const (
	// What one client and its neighbourhood may have however full it is.
	browserHolds = 8 // six at once over HTTP/1.1, one over HTTP/2
	networkHolds = 128
	tidyEvery    = 10 * time.Second
	// Who probed is remembered so long, while there are not too many of them.
	probedFor  = time.Hour
	maxCallers = 50_000
)

// pageRate is how many connections a banned client still gets, so that a
// customer who was banned with an attacker can read why and whom to ask. What
// goes beyond costs a handshake for nothing and is closed at once.
var pageRate = kv.Rate{Events: 12, Per: time.Minute, Burst: 12}

func newCallers() *callers {
	return &callers{by: map[netip.Prefix]*caller{}, refused: map[refusal]int64{}}
}

// of returns the caller of a network, made when it is new. mu is held.
func (c *callers) of(p netip.Prefix) *caller {
	have := c.by[p]
	if have == nil {
		have = &caller{}
		c.by[p] = have
	}
	return have
}

// enter counts a new connection of addr, or says why it must not be. spared
// ones are counted and never refused.
func (c *callers) enter(addr netip.Addr, limits *Connections, spared func() bool, now time.Time) refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep(now)
	client, net := c.of(clientNet(addr)), c.of(wideNet(addr))
	if why := c.fits(client, net, limits, now); why != "" && !spared() {
		c.refused[why]++
		return why
	}
	c.open++
	client.open++
	net.open++
	return ""
}

// fits is fair when it gets full: one client may hold at most twice what is left
// (Choudhury and Hahne, Dynamic queue length thresholds, 1998), and the last
// eighth is for who holds no more than a browser does.
func (c *callers) fits(client, net *caller, limits *Connections, now time.Time) refusal {
	rate := kv.Rate{Events: limits.Rate.Events, Per: limits.Rate.Per, Burst: limits.Burst}
	fair := 2 * (limits.Most - limits.Most/8 - c.open)
	switch {
	case !client.calls.take(rate, now):
		return tooFast
	case client.open >= min(limits.PerClient, max(fair, browserHolds)):
		return tooManyOfOne
	case net.open >= min(2*limits.PerClient, max(fair, networkHolds)):
		return tooManyOfNet
	case c.open >= limits.Most:
		return tooManyInAll
	}
	return ""
}

// leave ends a connection that enter counted.
func (c *callers) leave(addr netip.Addr, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	for _, p := range []netip.Prefix{clientNet(addr), wideNet(addr)} {
		if have := c.by[p]; have != nil {
			have.open--
			c.drop(p, have, now)
		}
	}
}

// begin counts a request under way; false when the client has too many.
func (c *callers) begin(addr netip.Addr, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.of(clientNet(addr))
	have.streams++
	return have.streams <= most
}

// end is the end of a request that begin counted, whatever it said.
func (c *callers) end(addr netip.Addr, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := clientNet(addr)
	if have := c.by[p]; have != nil {
		have.streams--
		c.drop(p, have, now)
	}
}

// mayRead reports whether a banned client may have one more connection to read
// the page that says so. Who probed gets none.
func (c *callers) mayRead(addr netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.of(clientNet(addr))
	if now.Sub(have.probed) < probedFor || !have.pages.take(pageRate, now) {
		c.refused[bannedClient]++
		return false
	}
	return true
}

// stopRate is how many refused requests a client is answered at once: a page with
// all its pictures, and no program that asks as fast as it is refused.
var stopRate = kv.Rate{Events: 5, Per: time.Second, Burst: 100}

// overdoes reports whether a client goes on and on being refused. It counts one
// more refused request.
func (c *callers) overdoes(addr netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.of(clientNet(addr)).stops.take(stopRate, now)
}

// strangerRate is how many requests of one client count towards an attack. What
// one client does is for limits and bans; the check is asked of everybody, and
// only a crowd is a reason for it.
var strangerRate = kv.Rate{Events: 10, Per: time.Second}

// strange reports whether one more request of a client counts.
func (c *callers) strange(addr netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of(clientNet(addr)).strange.take(strangerRate, now)
}

// probe notes that a client sent what only scanners send.
func (c *callers) probe(addr netip.Addr, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(clientNet(addr)).probed = now
}

// sweep drops what nobody needs any more. mu is held.
func (c *callers) sweep(now time.Time) {
	if now.Before(c.next) {
		return
	}
	c.next = now.Add(tidyEvery)
	for p, have := range c.by {
		c.drop(p, have, now)
	}
}

// drop forgets a caller who holds nothing and owes nothing.
func (c *callers) drop(p netip.Prefix, have *caller, now time.Time) {
	if have.open > 0 || have.streams > 0 {
		return
	}
	owes := !have.calls.idle(now) || !have.pages.idle(now) || !have.stops.idle(now) || !have.strange.idle(now) || now.Sub(have.probed) < probedFor
	if !owes || len(c.by) > maxCallers {
		delete(c.by, p)
	}
}

// ConnectionCounts are what a gateway's listeners hold and refused since start.
type ConnectionCounts struct {
	Open    int              `json:"open"`
	Refused map[string]int64 `json:"refused"`
}

func (c *callers) counts() ConnectionCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := ConnectionCounts{c.open, map[string]int64{}}
	for why, n := range c.refused {
		out.Refused[string(why)] = n
	}
	return out
}

// LogValue is what alarms say; it is worked out only when one is logged.
func (c *callers) LogValue() slog.Value { return slog.AnyValue(c.counts()) }

// bucket is a rate's state: when everything taken so far would be paid off
// (GCRA). The zero value is full.
type bucket struct{ paid time.Time }

func (b *bucket) take(r kv.Rate, now time.Time) bool {
	interval := time.Duration(r.Interval()) * time.Microsecond
	next := b.paid
	if next.Before(now) {
		next = now
	}
	next = next.Add(interval)
	if next.Sub(now) > interval*time.Duration(r.Capacity()) {
		return false
	}
	b.paid = next
	return true
}

func (b *bucket) idle(now time.Time) bool { return !b.paid.After(now) }
