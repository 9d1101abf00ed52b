package orient

import (
	"slices"
	"sort"
	"time"
)

const hourMicros = int64(time.Hour / time.Microsecond)

func hourOf(at int64) int64 { return at / hourMicros }

// hours counts a coarse entity over long windows: sums of whole hours, and the
// exact marks of the hours at the edges.
type hours struct {
	groups [groups]*hourSeries
	// open are effects whose rows may not be in SQL yet; a load must add those
	// it did not find there.
	open    map[effectKey]openEffect
	sweepAt int // size of open at which old effects are forgotten
}

// effectKey names a mark or its settlement: they come with different events.
type effectKey struct {
	id      key
	settled bool
}

// openEffect is a new mark, or its settlement as a success.
type openEffect struct {
	group group
	m     mark
	since int64 // the time of the event that brought it
	own   bool  // of this node
	state effectState
}

type effectState uint8

const (
	effectOpen    effectState = iota // its rows may not be committed yet
	effectClosing                    // committed while a load was under way, which may have missed it
	effectClosed                     // in SQL; remembered so that it is not counted again
)

// hourSeries are the hours of one group.
type hourSeries struct {
	buckets []bucket
	longs   []long
	edges   []edge
}

type bucket struct {
	hour int64
	sums sums
}

// long is a window over the buckets that lie wholly inside it: buckets[tail:top].
type long struct {
	span      int64
	tail, top int
	sums      sums
}

// edge are the exact marks of one hour.
type edge struct {
	hour   int64
	marks  []mark
	before []sums // before[i] is what marks[:i] add up to; nil when out of date
}

func newHours(l *slotLayout) *hours {
	h := &hours{open: map[effectKey]openEffect{}, sweepAt: minSweep}
	for g := range l.longs {
		if len(l.longs[g]) == 0 {
			continue
		}
		h.groups[g] = &hourSeries{}
		for _, span := range l.longs[g] {
			h.groups[g].longs = append(h.groups[g].longs, long{span: span})
		}
	}
	return h
}

// adapt is h under another layout: without sums, which are loaded, and with the
// effects that a load may not find. h may be nil.
func (h *hours) adapt(l *slotLayout) *hours {
	if l.reach == 0 {
		return nil
	}
	n := newHours(l)
	if h != nil {
		n.open = h.open
		n.applyOpen(nil)
	}
	return n
}

// applyOpen counts the open effects that are not in SQL as far as one looked.
func (h *hours) applyOpen(present map[effectKey]bool) {
	for k, e := range h.open {
		if s := h.groups[e.group]; s != nil && e.state != effectClosed && !present[k] {
			s.apply(e.m, k.settled, 1)
		}
	}
}

// change adds (sign 1) or takes away (-1) numbers from an hour.
func (s *hourSeries) change(hour int64, by sums, sign int64) {
	i := len(s.buckets)
	for i > 0 && s.buckets[i-1].hour > hour {
		i--
	}
	if i > 0 && s.buckets[i-1].hour == hour {
		i--
	} else {
		s.insert(i, bucket{hour: hour})
	}
	s.buckets[i].sums.plus(by, sign)
	for j := range s.longs {
		if w := &s.longs[j]; i >= w.tail && i < w.top {
			w.sums.plus(by, sign)
		}
	}
}

func (s *hourSeries) insert(i int, b bucket) {
	s.buckets = slices.Insert(s.buckets, i, b)
	for j := range s.longs {
		w := &s.longs[j]
		switch {
		case i < w.tail:
			w.tail++
			w.top++
		case i < w.top:
			w.top++
		}
	}
}

// dropUntil forgets hours before limit and returns it.
func (h *hours) dropUntil(limit int64) int64 {
	for _, s := range h.groups {
		if s != nil {
			s.dropUntil(limit)
		}
	}
	return limit
}

func (s *hourSeries) dropUntil(limit int64) {
	n := 0
	for n < len(s.buckets) && s.buckets[n].hour < limit {
		n++
	}
	if n == 0 {
		return
	}
	for j := range s.longs {
		w := &s.longs[j]
		for i := w.tail; i < min(w.top, n); i++ {
			w.sums.plus(s.buckets[i].sums, -1)
		}
		w.tail, w.top = max(w.tail-n, 0), max(w.top-n, 0)
	}
	s.buckets = slices.Delete(s.buckets, 0, n)
}

func (s *hourSeries) bucket(hour int64) (sums, bool) {
	i := sort.Search(len(s.buckets), func(i int) bool { return s.buckets[i].hour >= hour })
	if i < len(s.buckets) && s.buckets[i].hour == hour {
		return s.buckets[i].sums, true
	}
	return sums{}, false
}

func (s *hourSeries) edge(hour int64) *edge {
	for i := range s.edges {
		if s.edges[i].hour == hour {
			return &s.edges[i]
		}
	}
	return nil
}

// install keeps an edge that was loaded, and no more than the windows need.
func (s *hourSeries) install(e edge) {
	s.edges = slices.DeleteFunc(s.edges, func(old edge) bool { return old.hour == e.hour })
	if most := 2*len(s.longs) + 1; len(s.edges) >= most {
		s.edges = slices.Delete(s.edges, 0, len(s.edges)-most+1)
	}
	s.edges = append(s.edges, e)
}

// query returns what window i holds at at. When the exact marks of an hour are
// missing it says which.
func (s *hourSeries) query(i int, at, newest int64) (total sums, missing int64, ok bool) {
	w := &s.longs[i]
	low, high := at-w.span, at+parallel
	first, last := hourOf(low), hourOf(high)
	w.move(s.buckets, first, last)
	total = w.sums
	if b, found := s.bucket(first); found && b.n > 0 {
		e := s.edge(first)
		if e == nil {
			return total, first, false
		}
		total.plus(b, 1)
		total.plus(e.until(low), -1)
	}
	b, found := s.bucket(last)
	if !found || newest <= high {
		total.plus(b, 1)
		return total, 0, true
	}
	e := s.edge(last)
	if e == nil {
		return total, last, false
	}
	total.plus(e.until(high), 1)
	return total, 0, true
}

// move makes w the hours between first and last, both exclusive.
func (w *long) move(b []bucket, first, last int64) {
	for w.tail > 0 && b[w.tail-1].hour > first {
		w.tail--
		w.sums.plus(b[w.tail].sums, 1)
	}
	for w.top < len(b) && b[w.top].hour < last {
		w.sums.plus(b[w.top].sums, 1)
		w.top++
	}
	for w.top > w.tail && b[w.top-1].hour >= last {
		w.top--
		w.sums.plus(b[w.top].sums, -1)
	}
	for w.tail < w.top && b[w.tail].hour <= first {
		w.sums.plus(b[w.tail].sums, -1)
		w.tail++
	}
}

// until is what the marks at or before at add up to.
func (e *edge) until(at int64) sums {
	if e.before == nil {
		e.before = make([]sums, len(e.marks)+1)
		for i := range e.marks {
			e.before[i+1] = e.before[i]
			e.before[i+1].add(&e.marks[i], 1)
		}
	}
	return e.before[sort.Search(len(e.marks), func(i int) bool { return e.marks[i].at > at })]
}

// put inserts or settles a mark of the edge's hour.
func (e *edge) put(m mark) {
	i := sort.Search(len(e.marks), func(i int) bool { return !before(&e.marks[i], &m) })
	if i < len(e.marks) && e.marks[i].id == m.id && e.marks[i].at == m.at {
		e.marks[i].ok = e.marks[i].ok || m.ok
	} else {
		e.marks = slices.Insert(e.marks, i, m)
	}
	e.before = nil
}

// forget reverses put: the mark goes, or only its success.
func (e *edge) forget(m mark, successOnly bool) {
	i := sort.Search(len(e.marks), func(i int) bool { return !before(&e.marks[i], &m) })
	if i == len(e.marks) || e.marks[i].id != m.id {
		return
	}
	if successOnly {
		e.marks[i].ok = false
	} else {
		e.marks = slices.Delete(e.marks, i, i+1)
	}
	e.before = nil
}

// note counts a mark, or its settlement, that came with an event of time now;
// once.
func (h *hours) note(g group, m mark, settled bool, now int64) {
	s, k := h.groups[g], effectKey{m.id, settled}
	if _, again := h.open[k]; s == nil || again {
		return
	}
	if len(h.open) >= h.sweepAt {
		h.sweep(now - recently)
		h.sweepAt = max(minSweep, 2*len(h.open))
	}
	m.parties = [dims]key{} // hours do not know whose they are
	h.open[k] = openEffect{group: g, m: m, since: now, own: m.open != 0}
	s.apply(m, settled, 1)
}

// apply adds or takes away a mark, or its success.
func (s *hourSeries) apply(m mark, settled bool, sign int64) {
	by := sums{failed: -1}
	if !settled {
		by = sums{}
		by.add(&m, 1)
	}
	s.change(hourOf(m.at), by, sign)
	s.touch(m, settled, sign)
}

// touch makes the edge of the mark's hour, if it is loaded, follow.
func (s *hourSeries) touch(m mark, settled bool, sign int64) {
	e := s.edge(hourOf(m.at))
	if e == nil {
		return
	}
	m.ok = m.ok || settled
	if sign > 0 {
		e.put(m)
	} else {
		e.forget(m, settled)
	}
}

// cancel takes back a mark with all that became of it, or only its success.
func (h *hours) cancel(id key, successOnly bool) {
	for _, settled := range []bool{true, false} {
		k := effectKey{id, settled}
		e, ok := h.open[k]
		if !ok || successOnly && !settled {
			continue
		}
		if s := h.groups[e.group]; s != nil {
			s.apply(e.m, settled, -1)
		}
		delete(h.open, k)
	}
}

// commit notes that the rows of a mark, or of its settlement, are in SQL.
func (h *hours) commit(k effectKey, loading, remember bool) {
	e, ok := h.open[k]
	switch {
	case !ok:
		return
	case loading:
		e.state = effectClosing
	case remember:
		e.state = effectClosed
	default:
		delete(h.open, k)
		return
	}
	h.open[k] = e
}

const minSweep = 1024

// sweep forgets effects that came before limit and are in SQL by now: those
// committed here, and other nodes', which shared state does not bring again.
func (h *hours) sweep(limit int64) {
	for id, e := range h.open {
		if e.since < limit && (!e.own || e.state == effectClosed) {
			delete(h.open, id)
		}
	}
}
