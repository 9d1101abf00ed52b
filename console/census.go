package console

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"noren"
	"noren/gateway"
	"noren/journal"
)

// census counts, for the policies of one site, how often each fired and would have
// fired in the last seven days. Entries name the policies that fired in shadow, but
// roll-ups do not, so entries are read: newest first, in the background, and no
// more than a bound, beyond which numbers are "at least".
type census struct {
	mu    sync.Mutex
	sites map[string]*counting
}

const (
	censusDays  = 7
	censusFresh = 5 * time.Minute
	censusMost  = 300_000 // entries of the policies' kinds that one counting reads
	censusFor   = time.Minute
)

// counting is one count of a site. What is there so far can be read while it goes
// on; the one before stays until then.
type counting struct {
	mu      sync.Mutex
	began   time.Time
	running bool
	read    int64
	since   time.Time // what the numbers reach back to
	partial bool      // a bound was met
	failed  bool
	seed    maphash.Seed
	sales   sales
	byName  map[string]*firing
	first   time.Time // since when would-be stops are recorded
}

// firing is what one policy did.
type firing struct {
	fired, shadow int64
	visitors      *visitors
	from          map[string]int64 // by address; of what no policy decides
}

// counts are one policy's numbers for a page.
type counts struct {
	Fired, Shadow int64
	Visitors      int
	Buyers        int
	SalesKnown    bool // the record holds orders or payments of that time
}

func newCounting(now time.Time) *counting {
	seed := maphash.MakeSeed()
	return &counting{began: now, running: true, since: now, seed: seed, sales: sales{seed: seed, buyers: map[uint64]struct{}{}}, byName: map[string]*firing{}}
}

// of returns a site's count, and begins one when there is none or it is old.
func (cs *census) of(site string, now time.Time, fresh time.Duration, begin func(*counting)) *counting {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.sites[site]
	if c == nil || now.Sub(c.began) > fresh && !c.busy() {
		c = newCounting(now)
		cs.sites[site] = c
		begin(c)
	}
	return c
}

func (c *counting) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// run reads the record; what first finds out is known before the numbers.
func (c *counting) run(ctx context.Context, w walker, first func(context.Context), log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, censusFor)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // the shop's entrance runs in this process
			c.fail()
			log.Error("console: count what policies did", "site", w.site, "panic", p)
		}
	}()
	first(ctx)
	err := w.each(ctx, func(hit *journal.Hit) { c.add(&hit.Entry) }, func(p journal.Page) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(p.Hits); n > 0 {
			c.since = p.Hits[n-1].Entry.Event.At.Time
		}
		return c.read < censusMost
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	switch {
	case ctx.Err() != nil || err == nil && c.read >= censusMost:
		c.partial = true
	case err != nil:
		c.partial, c.failed = true, true
		log.Error("console: count what policies did", "site", w.site, "err", err)
	default:
		c.since = w.since
	}
}

func (c *counting) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.partial, c.failed = false, true, true
}

// add counts an entry. One that stands for many counts as many.
func (c *counting) add(e *noren.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	c.sales.add(&e.Event)
	for _, r := range e.Decision.Reasons {
		f := c.firing(r.Policy)
		f.fired += e.Count
		f.visitors.add(&e.Event)
	}
	for _, r := range e.Decision.Shadow {
		f := c.firing(r.Policy)
		f.shadow += e.Count
		f.visitors.add(&e.Event)
	}
	for _, name := range wouldBe(&e.Event) {
		f := c.firing(name)
		f.shadow += e.Count
		f.visitors.add(&e.Event)
		f.came(e.Event.Entities[noren.EntityAddress], e.Count)
	}
}

// fromMost bounds the addresses that are told apart.
const fromMost = 1000

// came counts where requests came from.
func (f *firing) came(address string, n int64) {
	if f.from == nil {
		f.from = map[string]int64{}
	}
	if _, known := f.from[address]; address != "" && (known || len(f.from) < fromMost) {
		f.from[address] += n
	}
}

// addressCount is how often requests came from an address.
type addressCount struct {
	key string
	n   int64
}

// from are the addresses a name counted most, at most so many.
func (c *counting) from(name string, most int) (out []addressCount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.byName[name]
	if f == nil {
		return nil
	}
	for a, n := range f.from {
		out = append(out, addressCount{a, n})
	}
	slices.SortFunc(out, func(a, b addressCount) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.key, b.key)) })
	return out[:min(most, len(out))]
}

// recordedSince notes since when would-be stops are recorded; recorded reads it.
func (c *counting) recordedSince(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = t
}

func (c *counting) recorded() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// would sums up what would have been stopped by what an owner chose to record.
func (c *counting) would(f force) (w wouldStop) {
	running, partial, failed, since := c.state()
	w = wouldStop{Counting: running, Known: !running && !failed, AtLeast: partial, Since: since}
	if f.Admin.State == AdminRecorded {
		w.N += c.counts(wouldAdmin).Shadow
	}
	if f.Firewall == gateway.WAFShadow {
		n := c.counts(wouldFirewall)
		w.N, w.Buyers, w.Sales = w.N+n.Shadow, n.Buyers, n.SalesKnown
	}
	return w
}

func (c *counting) firing(name string) *firing {
	f := c.byName[name]
	if f == nil {
		f = &firing{visitors: newVisitors(c.seed)}
		c.byName[name] = f
	}
	return f
}

// counts are what is known of a policy so far.
func (c *counting) counts(name string) counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := counts{SalesKnown: c.sales.N > 0}
	if f := c.byName[name]; f != nil {
		out.Fired, out.Shadow, out.Visitors, out.Buyers = f.fired, f.shadow, f.visitors.N(), f.visitors.buying(c.sales.buyers)
	}
	return out
}

// state is how far the count is.
func (c *counting) state() (running, partial, failed bool, since noren.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running, c.partial, c.failed, noren.At(c.since)
}
