package orient

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"noren"
)

// layout is everything that is asked of the counters, by entity and group. It
// is immutable; a change of policies makes a new one.
type layout struct {
	gen      uint64
	names    map[string]bool // the facts it was made from
	slots    []slotLayout
	requests []requestSpec
	stored   bool // there is a database
	keepAll  bool // there is none, and nobody has said yet what will be asked
}

// slotLayout is what is kept of the entities of one slot.
type slotLayout struct {
	windows [groups][]windowSpec // over exact marks
	longs   [groups][]int64      // over whole hours, of coarse entities
	horizon int64                // the longest exact window
	reach   int64                // the longest over whole hours
	first   bool
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

// newLayout lays out the named facts. Names that are no counters are ignored.
func (o *Orient) newLayout(gen uint64, names map[string]bool, keepAll bool) (*layout, error) {
	l := &layout{gen: gen, names: names, slots: make([]slotLayout, len(o.entities.names)), stored: o.db != nil, keepAll: keepAll}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if _, err := o.catalogue.Lookup(name); err != nil {
			return nil, err
		}
		if s, ok := o.parser.seen(name); ok {
			l.slots[s].first = true
			continue
		}
		c, ok, err := o.parser.counter(name)
		if err != nil || !ok {
			continue // a plain fact
		}
		l.add(name, c)
	}
	if len(l.requests) > maxRates {
		return nil, noren.Errorf(noren.Invalid, "%d different request rates are asked for; at most %d can be counted for every request", len(l.requests), maxRates)
	}
	if keepAll {
		for i := range l.slots {
			l.slots[i].horizon = maxWindow.Microseconds()
		}
	}
	return l, nil
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
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		wanted[n] = true
	}
	o.layoutMu.Lock()
	defer o.layoutMu.Unlock()
	l, err := o.newLayout(o.layout.Load().gen+1, wanted, false)
	if err != nil {
		return err
	}
	o.setLayout(l)
	return nil
}

// extend adds names that nobody tracked to what is counted.
func (o *Orient) extend(needs []string) error {
	o.layoutMu.Lock()
	defer o.layoutMu.Unlock()
	old := o.layout.Load()
	if !old.lacks(needs) {
		return nil
	}
	if len(old.names)+len(needs) > maxTracked {
		return noren.Errorf(noren.Invalid, "more than %d different facts are asked for", maxTracked)
	}
	names := maps.Clone(old.names)
	for _, n := range needs {
		names[n] = true
	}
	l, err := o.newLayout(old.gen+1, names, old.keepAll)
	if err != nil {
		return err
	}
	o.setLayout(l)
	return nil
}

// maxTracked bounds the counters kept for every entity.
const maxTracked = 2000

func (l *layout) lacks(needs []string) bool {
	return slices.ContainsFunc(needs, func(n string) bool { return !l.names[n] })
}

func (o *Orient) setLayout(l *layout) {
	o.layout.Store(l)
	o.plans.clear()
	if o.db == nil {
		return
	}
	for _, r := range o.registry.retrack(l.used) {
		o.carryOut(r.now, l, r.now.m.at, func(p party) int {
			if slices.Contains(r.was.reserve, p) || slices.Contains(r.was.settle, p) {
				return 0 // it is pinned
			}
			return 1
		})
	}
}
