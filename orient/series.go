package orient

import (
	"slices"
	"sort"
	"time"
)

// mark is what one entity remembers of one event: 64 bytes. An attempt and its
// outcome are one mark.
type mark struct {
	at       int64 // microseconds
	id       key   // of the attempt or whole event
	amount   int64 // minor units, or records of a staff action
	quantity int32
	ok       bool // settled as a success
	open     open // which of its rows may not be committed yet
	parties  [dims]key
}

// open says which rows of a mark may not be in SQL yet. Each bit is one event's
// at most, in one entity's series: the event itself, or else the first outcome
// that named the entity, and the outcome that made it a success. Those may be
// different ones, committed one by one.
type open uint8

const (
	openMark   open = 1
	openSettle open = 2
	openLink   open = 4
)

// settled is m as those see it succeed who have it from another event.
func (m mark) settled() mark {
	m.ok, m.open = true, m.open&openSettle
	return m
}

func before(a, b *mark) bool { return a.at < b.at || a.at == b.at && a.id < b.id }

// window is one sliding window over a series: marks[tail:top] and what they
// add up to. Both ends move in both directions, so that late events are counted
// exactly at the price of the distance moved.
type window struct {
	span      int64 // microseconds
	dims      uint8 // which sets are kept, as bits
	tail, top int
	sums      sums
	sets      [dims]*multiset
}

// sums are the numbers of some marks.
type sums struct{ n, failed, amount, quantity int64 }

func (s *sums) add(m *mark, sign int64) {
	s.n += sign
	if !m.ok {
		s.failed += sign
	}
	s.amount += sign * m.amount
	s.quantity += sign * int64(m.quantity)
}

func (s *sums) plus(o sums, sign int64) {
	s.n += sign * o.n
	s.failed += sign * o.failed
	s.amount += sign * o.amount
	s.quantity += sign * o.quantity
}

func (w *window) enter(m *mark) {
	w.sums.add(m, 1)
	for d := range dim(dims) {
		if w.dims&(1<<d) != 0 {
			w.sets[d].add(m.parties[d])
		}
	}
}

func (w *window) leave(m *mark) {
	w.sums.add(m, -1)
	for d := range dim(dims) {
		if w.dims&(1<<d) != 0 {
			w.sets[d].remove(m.parties[d])
		}
	}
}

// parallel is how much later than the event in hand an event observed already
// may be and still count: clocks of nodes are up to a second apart.
const parallel = int64(time.Second/time.Microsecond) - 1

// series are the marks of one entity and group in the order of time, with the
// windows asked for. Marks before head are dropped.
type series struct {
	marks   []mark
	head    int
	windows []window
}

func (s *series) len() int { return len(s.marks) - s.head }

// find returns where the mark (at, id) is or would be.
func (s *series) find(at int64, id key) (i int, found bool) {
	probe := mark{at: at, id: id}
	i = len(s.marks)
	for step := 0; i > s.head && before(&probe, &s.marks[i-1]); step++ {
		i--
		if step == 8 { // not near the end
			live := s.marks[s.head:i]
			i = s.head + sort.Search(len(live), func(j int) bool { return !before(&live[j], &probe) })
			return i, i < len(s.marks) && s.marks[i].at == at && s.marks[i].id == id
		}
	}
	if i > s.head && s.marks[i-1].at == at && s.marks[i-1].id == id {
		return i - 1, true
	}
	return i, false
}

// again reports whether one of the newest marks has this id and another time:
// the same event was received twice, here and by another node.
func (s *series) again(at int64, id key) bool {
	for i := len(s.marks) - 1; i >= max(s.head, len(s.marks)-32); i-- {
		if s.marks[i].id == id && s.marks[i].at != at {
			return true
		}
	}
	return false
}

// put inserts m, or settles and opens the mark that is there already. It
// reports whether m is new.
func (s *series) put(m mark) bool {
	i, found := s.find(m.at, m.id)
	if found {
		s.marks[i].open |= m.open
		if m.ok {
			s.settle(i, true)
		}
		return false
	}
	s.marks = slices.Insert(s.marks, i, m)
	for j := range s.windows {
		w := &s.windows[j]
		switch {
		case i < w.tail:
			w.tail++
			w.top++
		case i < w.top:
			w.top++
			w.enter(&m)
		}
	}
	return true
}

func (s *series) settle(i int, ok bool) {
	m := &s.marks[i]
	if m.ok == ok {
		return
	}
	change := int64(1)
	if ok {
		change = -1
	}
	m.ok = ok
	for j := range s.windows {
		if w := &s.windows[j]; i >= w.tail && i < w.top {
			w.sums.failed += change
		}
	}
}

// remove takes the mark at i out.
func (s *series) remove(i int) {
	m := s.marks[i]
	for j := range s.windows {
		w := &s.windows[j]
		switch {
		case i < w.tail:
			w.tail--
			w.top--
		case i < w.top:
			w.leave(&m)
			w.top--
		}
	}
	s.marks = slices.Delete(s.marks, i, i+1)
}

// query moves window i to (at-span, at+parallel] and returns it.
func (s *series) query(i int, at int64) *window {
	w := &s.windows[i]
	low, high := at-w.span, at+parallel
	for w.tail > s.head && s.marks[w.tail-1].at > low {
		w.tail--
		w.enter(&s.marks[w.tail])
	}
	for w.top < len(s.marks) && s.marks[w.top].at <= high {
		w.enter(&s.marks[w.top])
		w.top++
	}
	for w.top > w.tail && s.marks[w.top-1].at > high {
		w.top--
		w.leave(&s.marks[w.top])
	}
	for w.tail < w.top && s.marks[w.tail].at <= low {
		w.leave(&s.marks[w.tail])
		w.tail++
	}
	return w
}

// drop forgets the oldest n marks.
func (s *series) drop(n int) {
	for range n {
		for j := range s.windows {
			w := &s.windows[j]
			if w.tail > s.head {
				continue
			}
			if w.top > s.head {
				w.leave(&s.marks[s.head])
			} else {
				w.top++
			}
			w.tail++
		}
		s.head++
	}
	if s.head == len(s.marks) || s.head >= 64 && s.head > len(s.marks)/2 {
		s.compact()
	}
}

// dropUntil forgets marks at or before limit; it reports whether there were any.
// A mark that is nowhere else yet stays, with those after it.
func (s *series) dropUntil(limit int64) bool {
	n := 0
	for s.head+n < len(s.marks) && s.marks[s.head+n].at <= limit && s.marks[s.head+n].open == 0 {
		n++
	}
	if n > 0 {
		s.drop(n)
	}
	return n > 0
}

func (s *series) compact() {
	s.marks = append(s.marks[:0], s.marks[s.head:]...)
	for j := range s.windows {
		s.windows[j].tail -= s.head
		s.windows[j].top -= s.head
	}
	s.head = 0
	if cap(s.marks) > 256 && len(s.marks) < cap(s.marks)/8 {
		s.marks = slices.Clip(slices.Clone(s.marks)) // give back the space of a burst
	}
}

// watch makes s keep the windows of specs, each empty until it is asked.
func (s *series) watch(specs []windowSpec) {
	s.windows = make([]window, len(specs))
	for i, spec := range specs {
		w := &s.windows[i]
		w.span, w.dims = spec.span, spec.dims
		w.tail, w.top = s.head, s.head
		for d := range dims {
			if spec.dims&(1<<d) != 0 {
				w.sets[d] = &multiset{}
			}
		}
	}
}
