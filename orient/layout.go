package orient

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"noren"
)

// layout is everything that is asked of the counters, by entity and group. It
// is immutable; a change of policies makes a new one.
type layout struct {
	gen      uint64
	facts    map[string]tracked // what it was made from
	slots    []slotLayout
	requests []requestSpec
	stored   bool // there is a database
	keepAll  bool // there is none, and nobody has said yet what will be asked
}

// tracked is a fact as its name was read: a counter, an age, or neither.
type tracked struct {
	counter counter
	seen    bool
}

// slotLayout is what is kept of the entities of one slot.
type slotLayout struct {
	windows [groups][]windowSpec // over exact marks
	longs   [groups][]int64      // over whole hours, of coarse entities
	horizon int64                // the longest exact window
	reach   int64                // the longest over whole hours
	first   bool
	since   uint64 // the layout it came with: no event since then was missed
}

func (l *slotLayout) equal(o *slotLayout) bool {
	for g := range l.windows {
		if !slices.Equal(l.windows[g], o.windows[g]) || !slices.Equal(l.longs[g], o.longs[g]) {
			return false
		}
	}
	return l.horizon == o.horizon && l.first == o.first
}

func (l *slotLayout) used() bool { return l.horizon > 0 || l.reach > 0 || l.first }

// used reports whether states of a slot are kept. Of a party known by its link
// alone the slot is not known, and its state is kept if it is there.
func (l *layout) used(s slot) bool { return s == slotUnknown || l.slots[s].used() }

type windowSpec struct {
	span int64
	dims uint8
}

// requestSpec is one request rate: a counter in the kv store.
type requestSpec struct {
	name    string
	slot    slot
	measure *measure
	window  time.Duration
	suffix  string // of its kv key
}

// exactCoarse is the longest window of a coarse entity that is counted over
// exact marks; longer ones are whole hours and exact edges.
const exactCoarse = time.Hour

// newLayout lays out facts.
func (o *Orient) newLayout(gen uint64, facts map[string]tracked, keepAll bool) (*layout, error) {
	l := &layout{gen: gen, facts: facts, slots: make([]slotLayout, maxSlots), stored: o.db != nil, keepAll: keepAll}
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		f := facts[name]
		switch {
		case f.seen:
			l.slots[f.counter.slot].first = true
		case f.counter.measure != nil:
			l.add(name, f.counter)
		}
	}
	if len(l.requests) > maxRates {
		return nil, noren.Errorf(noren.Invalid, "%d different request rates are asked for; at most %d can be counted for every request", len(l.requests), maxRates)
	}
	for i := range l.slots {
		if keepAll {
			l.slots[i].horizon = maxWindow.Microseconds()
		}
		l.slots[i].since = l.since(i, o.core.layout.Load())
	}
	return l, nil
}

// since is when slot i came to be as it is, given the layout before.
func (l *layout) since(i int, before *layout) uint64 {
	if before != nil && before.keepAll == l.keepAll && before.slots[i].equal(&l.slots[i]) {
		return before.slots[i].since
	}
	return l.gen
}

// track reads the name of a fact.
func (o *Orient) track(name string) (tracked, error) {
	if _, err := o.catalogue.Lookup(name); err != nil {
		return tracked{}, err
	}
	if s, ok := o.parser.seen(name); ok {
		return tracked{counter{slot: s}, true}, nil
	}
	if o.plain(name) {
		return tracked{}, nil
	}
	c, _, err := o.parser.counter(name)
	return tracked{counter: c}, err
}

// plain reports whether a fact is neither a counter nor an age.
func (o *Orient) plain(name string) bool {
	_, sourced := o.sourceOf[name]
	return sourced || o.addressFact[name] || strings.HasPrefix(name, sequencePrefix)
}

func (l *layout) add(name string, c counter) {
	if c.measure.group == groupRequest {
		l.requests = append(l.requests, requestSpec{name: name, slot: c.slot, measure: c.measure, window: c.window, suffix: ":" + c.measure.name + ":" + c.window.String()})
		return
	}
	s := &l.slots[c.slot]
	span := c.window.Microseconds()
	if c.long(l.stored) {
		s.reach = max(s.reach, span)
		if !slices.Contains(s.longs[c.measure.group], span) {
			s.longs[c.measure.group] = append(s.longs[c.measure.group], span)
		}
		return
	}
	s.horizon = max(s.horizon, span)
	specs := &s.windows[c.measure.group]
	i, found := slices.BinarySearchFunc(*specs, span, func(w windowSpec, span int64) int { return cmp.Compare(w.span, span) })
	if !found {
		*specs = slices.Insert(*specs, i, windowSpec{span: span})
	}
	if c.measure.field == fieldDistinct {
		(*specs)[i].dims |= 1 << c.measure.dim
	}
}

// long counters are sums of whole hours and exact edges. Without a database
// there is nothing to load an edge from, and every window is exact marks.
func (c counter) long(stored bool) bool {
	return stored && coarse(c.slot) && c.window > exactCoarse && c.measure.field != fieldDistinct
}

// Track says which facts will be asked for from now on, so that every event is
// counted towards them from the first one on. Names that are no counters are
// ignored. Without it, request rates (and, without a database, history) count
// from the first Observe that asks for them.
func (o *Orient) Track(names []string) error {
	o.layoutMu.Lock()
	defer o.layoutMu.Unlock()
	return o.relayout(map[string]tracked{}, names, false)
}

// extend adds names that nobody tracked to what is counted. It returns a layout
// that has them all: the one in force may change any time.
func (o *Orient) extend(needs []string) (*layout, error) {
	if l := o.layout.Load(); !l.lacks(needs) {
		return l, nil
	}
	o.layoutMu.Lock()
	defer o.layoutMu.Unlock()
	if old := o.layout.Load(); old.lacks(needs) {
		if err := o.relayout(maps.Clone(old.facts), needs, old.keepAll); err != nil {
			return nil, err
		}
	}
	return o.layout.Load(), nil
}

// relayout makes a layout of facts and names the one in force.
func (o *Orient) relayout(facts map[string]tracked, names []string, keepAll bool) error {
	for _, name := range names {
		f, err := o.track(name)
		if err != nil {
			return err
		}
		facts[name] = f
	}
	if len(facts) > maxTracked {
		return noren.Errorf(noren.Invalid, "more than %d different facts are asked for", maxTracked)
	}
	l, err := o.newLayout(o.layout.Load().gen+1, facts, keepAll)
	if err != nil {
		return err
	}
	o.setLayout(l)
	return nil
}

// maxTracked bounds the counters kept for every entity.
const maxTracked = 2000

func (l *layout) lacks(needs []string) bool {
	for _, n := range needs {
		if _, ok := l.facts[n]; !ok {
			return true
		}
	}
	return false
}

// longest is the longest window over exact marks.
func (l *layout) longest() (span int64) {
	for i := range l.slots {
		span = max(span, l.slots[i].horizon)
	}
	return span
}

func (o *Orient) setLayout(l *layout) {
	o.layout.Store(l)
	if o.db == nil {
		o.registry.keepFor(l.longest() + lateness)
		return
	}
	for _, r := range o.registry.uncommitted() {
		o.registry.retrack(r, l.used, func(now, was *change) {
			o.carryOut(now, l, now.m.at, func(p party) int {
				if slices.Contains(was.reserve, p) || slices.Contains(was.settle, p) {
					return 0 // it is pinned
				}
				return 1
			})
			if now.doubt { // its mark may still name whom another process erased
				o.readAgain(now)
			}
		})
	}
}
