package orient

import (
	"slices"
	"sync"
	"sync/atomic"
)

// record is a recent event that counts: what its mark is and where.
type record struct {
	id, ref key // of the event, of the attempt it is or belongs to
	group   group
	m       mark // m.ok follows the outcome
	outcome bool // an outcome that stands for its own attempt

	// parties that carry the mark; of an outcome of a known attempt, those it
	// was the first to name.
	parties []party

	// Of an outcome that settled an attempt:
	settles *record
	success bool // it was the one that made it a success

	did     atomic.Pointer[change] // what it did to states
	begun   bool                   // it is being done, or was
	applied sync.WaitGroup         // until it was
	pending int                    // how many Observes wait for Committed or Cancel
	durable bool                   // its rows are in SQL: there is nothing to wait for any more
	doubt   bool                   // somebody was erased since: SQL knows whose it is
	bare    bool                   // it says no more than that the event was there
	waiting int                    // of an attempt: how many of its outcomes are to be committed
	whole   *record                // of a bare one: the attempt, while outcomes of it wait
}

// ownMark names the mark that an event's facts count as its own.
type ownMark struct {
	id key
	at int64
}

func (r *record) own() ownMark {
	switch {
	case r == nil:
		return ownMark{}
	case r.settles != nil:
		return ownMark{r.settles.id, r.settles.m.at}
	}
	return ownMark{r.id, r.m.at}
}

// registry remembers recent events: to count each once, to find the attempt of
// an outcome, to take back what could not be recorded. It forgets by number, or
// (without a database) when the last window has passed.
type registry struct {
	mu     sync.Mutex
	byID   map[key]*record
	byRef  map[key]*record
	queue  []*record
	head   int
	newest int64
	most   int   // 0: by time
	keep   int64 // how long, when by time
	// era counts how often committed memory was dropped: what began under another
	// is out of date.
	era atomic.Int64
}

// How many events a registry with a database behind it keeps: enough for the
// outcomes of attempts under way, and more of those that are not committed, as
// when the database is away and entries wait in the spool.
const (
	maxRecords = 16_384
	maxPending = 65_536
)

func newRegistry(most int) *registry {
	return &registry{byID: map[key]*record{}, byRef: map[key]*record{}, most: most}
}

// enter adds r unless its event is there already, and returns the record of the
// event. gone are records that were forgotten while still pending. used says
// which slots have states.
func (g *registry) enter(r *record, used func(slot) bool) (was *record, gone []*record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(r, used)
}

// enterFound is enter for an attempt that was looked up, while that is current.
func (g *registry) enterFound(r *record, used func(slot) bool, current func() bool) (was *record, gone []*record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !current() {
		return nil, nil
	}
	return g.add(r, used)
}

func (g *registry) add(r *record, used func(slot) bool) (was *record, gone []*record) {
	switch was = g.byID[r.id]; {
	case was == nil:
	case was.bare && r.durable:
		r = g.refill(was, r)
	default:
		if !was.durable {
			was.pending += r.pending
		}
		return was, nil
	}
	if r.settles != nil {
		g.settle(r)
		r.settles.waiting++
	}
	g.byID[r.id] = r
	if r.settles == nil && r.ref != 0 {
		g.byRef[r.ref] = r
	}
	r.did.Store(g.change(r, used))
	g.queue = append(g.queue, r)
	g.newest = max(g.newest, r.m.at)
	return r, g.trim()
}

// settle notes at the attempt what its outcome r adds: success, and parties
// that the attempt did not name.
func (g *registry) settle(r *record) {
	a := r.settles
	r.doubt = a.doubt
	r.success = r.m.ok && !a.m.ok
	a.m.ok = a.m.ok || r.m.ok
	r.parties = newcomers(r.parties, a.parties)
	if len(r.parties) > 0 {
		a.parties = append(clip(a.parties), r.parties...)
	}
}

// newcomers are the parties of an outcome whose entity its attempt did not
// name. Coarse ones follow from the attempt alone.
func newcomers(outcome, attempt []party) (out []party) {
	for _, p := range outcome {
		named := func(a party) bool { return a.slot == p.slot }
		if !coarse(p.slot) && !slices.ContainsFunc(attempt, named) {
			out = append(out, p)
		}
	}
	return out
}

func clip(ps []party) []party { return append(make([]party, 0, len(ps)), ps...) }

// change is what a record does to the states of its parties. It is immutable.
type change struct {
	group   group
	m       mark
	named   []party // whom the event itself brought
	reserve []party // get the mark
	settle  []party // have it and see it succeed
	erased  []party // of those, who have it no more
	doubt   bool    // what is committed of it is read again
}

func (g *registry) change(r *record, used func(slot) bool) *change {
	c := &change{group: r.group, m: r.m, named: r.parties, doubt: r.doubt}
	c.reserve = kept(r.parties, used)
	if r.settles == nil {
		return c
	}
	c.m = r.settles.m
	c.m.open = r.m.open << 2 // openMark to openLink
	if r.success {
		c.m.open |= r.m.open << 1 // openMark to openSettle
		c.settle = slices.DeleteFunc(clip(r.settles.parties), func(p party) bool {
			return !used(p.slot) || slices.Contains(r.parties, p)
		})
	}
	return c
}

// begin returns what r does to states, which its Observe carries out now.
func (g *registry) begin(r *record) *change {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.begun = true
	return r.did.Load()
}

// uncommitted are the records still to be committed.
func (g *registry) uncommitted() (out []*record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.byID {
		if r.pending > 0 {
			out = append(out, r)
		}
	}
	return out
}

// retrack makes r part of slots that are used now and were not: nothing but
// memory knows of it. What it became part of it stays part of, so that it can be
// taken back there. carry carries it out, before r can be committed or taken back.
func (g *registry) retrack(r *record, used func(slot) bool, carry func(now, was *change)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byID[r.id] != r || r.pending == 0 {
		return
	}
	was := r.did.Load()
	now := *was
	now.reserve = union(was.reserve, kept(was.named, used))
	if r.settles != nil {
		fresh := g.change(r, used)
		now.m, now.settle = fresh.m, union(was.settle, fresh.settle) // a success may have been taken back
	}
	r.did.Store(&now)
	if r.begun {
		carry(&now, was)
	}
}

// kept are the parties whose slots have states.
func kept(ps []party, used func(slot) bool) []party {
	return slices.DeleteFunc(clip(ps), func(p party) bool { return !used(p.slot) })
}

func union(a, b []party) []party {
	out := clip(a)
	for _, p := range b {
		if !slices.Contains(a, p) {
			out = append(out, p)
		}
	}
	return out
}

// waiting reports whether r is still to be committed.
func (g *registry) waiting(r *record) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return r.pending > 0
}

// keepFor sets how long a registry without a database remembers.
func (g *registry) keepFor(micros int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keep = micros
}

// attempt finds the attempt, or the outcome that stands for one.
func (g *registry) attempt(ref key, of group) *record {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.byRef[ref]; r != nil && r.group == of {
		return r
	}
	return nil
}

// release ends the wait of one Observe of the event id. It returns the record
// and what it did when it was the last, and, with undo, takes it out.
func (g *registry) release(id key, undo bool) (*record, *change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.byID[id]
	if r == nil || r.pending == 0 {
		return nil, nil
	}
	if !undo {
		r.pending, r.durable = 0, true // durable once is durable
		g.ended(r)
		if r.doubt {
			g.queue = append(g.queue, g.empty(r))
		}
		return r, r.did.Load()
	}
	if r.pending--; r.pending > 0 {
		return nil, nil
	}
	g.remove(r)
	g.ended(r)
	return r, r.did.Load()
}

// unsettle reverses settle, once the change it made is known. It returns whom
// outcomes after r named: they were told of a success that is none.
func (g *registry) unsettle(r *record) (misled []party) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := r.settles
	if len(r.parties) > 0 {
		a.parties = slices.DeleteFunc(clip(a.parties), func(p party) bool { return slices.Contains(r.parties, p) })
	}
	if !r.success {
		return nil
	}
	a.m.ok = false
	told := r.did.Load().settle
	return slices.DeleteFunc(clip(a.parties), func(p party) bool { return slices.Contains(told, p) })
}

func (g *registry) remove(r *record) {
	delete(g.byID, r.id)
	if g.byRef[r.ref] == r {
		delete(g.byRef, r.ref)
	}
}

// trim forgets the oldest records. One that is not committed goes to the end of
// the queue, until there are too many.
func (g *registry) trim() (gone []*record) {
	for tries := 0; g.head < len(g.queue) && g.past(g.queue[g.head]) && tries < 4; tries++ {
		r := g.queue[g.head]
		g.queue[g.head] = nil
		g.head++
		switch {
		case g.byID[r.id] != r: // taken back
		case r.pending > 0 && g.most > 0 && len(g.queue)-g.head < maxPending:
			g.queue = append(g.queue, r)
		default:
			g.remove(r)
			if r.pending > 0 {
				g.ended(r)
				gone = append(gone, r)
			}
		}
	}
	if g.head > 1024 && g.head > len(g.queue)/2 {
		g.queue = append(g.queue[:0], g.queue[g.head:]...)
		g.head = 0
	}
	return gone
}

func (g *registry) past(r *record) bool {
	if g.most > 0 {
		return len(g.queue)-g.head > g.most
	}
	return r.m.at < g.newest-g.keep
}
