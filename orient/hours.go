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
	open    map[key]openEffect
	sweepAt int // size of open at which old effects are forgotten
}

// openEffect is a mark, a settlement, or both of one event.
type openEffect struct {
	group   group
	m       mark
	since   int64 // the time of the event that brought it
	own     bool  // of this node
	marked  bool  // the mark is new
	settled bool  // it was settled as a success
	state   effectState
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
	h := &hours{open: map[key]openEffect{}, sweepAt: minSweep}
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

// reserve counts a new mark that came with an event of time now.
func (h *hours) reserve(g group, m mark, now int64) {
	s := h.groups[g]
	e := h.open[m.id]
	if s == nil || e.marked {
		return
	}
	e.group, e.m, e.marked, e.state, e.since, e.own = g, m, true, effectOpen, now, m.open
	h.note(e, now)
	s.apply(m, true, false, 1)
}

// settle counts a mark that was failed so far as a success.
func (h *hours) settle(g group, m mark, now int64) {
	s := h.groups[g]
	e := h.open[m.id]
	if s == nil || e.settled {
		return
	}
	if !e.marked {
		e.m = m
	}
	e.group, e.settled, e.state, e.since, e.own = g, true, effectOpen, now, m.open
	h.note(e, now)
	s.apply(m, false, true, 1)
}

// apply adds or takes away the parts of an effect.
func (s *hourSeries) apply(m mark, marked, settled bool, sign int64) {
	var by sums
	if marked {
		by.add(&m, 1)
	}
	if settled {
		by.failed--
	}
	s.change(hourOf(m.at), by, sign)
	s.touch(m, marked, settled, sign)
}

// touch makes the edge of the mark's hour, if it is loaded, follow.
func (s *hourSeries) touch(m mark, marked, settled bool, sign int64) {
	e := s.edge(hourOf(m.at))
	if e == nil {
		return
	}
	m.ok = m.ok || settled
	if sign > 0 {
		e.put(m)
	} else {
		e.forget(m, !marked)
	}
}

// cancel takes back an event: its mark with all that became of it, or only its
// success.
func (h *hours) cancel(id key, marked bool) {
	e := h.open[id]
	marked, settled := marked && e.marked, e.settled
	if !marked && !settled {
		return
	}
	h.groups[e.group].apply(e.m, marked, settled, -1)
	e.marked, e.settled = e.marked && !marked, e.settled && !settled
	h.open[id] = e
	if !e.marked && !e.settled {
		delete(h.open, id)
	}
}

// commit notes that an event's rows are in SQL.
func (h *hours) commit(id key, loading, remember bool) {
	e, ok := h.open[id]
	switch {
	case !ok:
		return
	case loading:
		e.state = effectClosing
	case remember:
		e.state = effectClosed
	default:
		delete(h.open, id)
		return
	}
	h.open[id] = e
}

const minSweep = 1024

func (h *hours) note(e openEffect, now int64) {
	if len(h.open) >= h.sweepAt {
		h.sweep(now - recently)
		h.sweepAt = max(minSweep, 2*len(h.open))
	}
	h.open[e.m.id] = e
}

// sweep forgets effects that came before limit and are in SQL by now: those
// committed here, and other nodes', which shared state does not bring again.
func (h *hours) sweep(limit int64) {
	for id, e := range h.open {
		if e.since < limit && (!e.own || e.state == effectClosed) {
			delete(h.open, id)
		}
	}
}
