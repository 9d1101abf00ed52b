package kv

import (
	"cmp"
	"slices"
)

// window is an exact sliding count: what a sorted set is on a server. What is
// counted is known by a hash of 64 bits under a seed of the process: without
// texts a busy window is a quarter of the memory, and none that must be searched
// for what can be freed.
type window struct {
	order []mark           // by time
	seen  map[uint64]int64 // counted → At, Unix µs; nil while there are few
}

type mark struct {
	at int64
	id uint64
}

// few marks are searched one by one: most visitors look at a handful of pages.
const few = 8

func (m mark) compare(o mark) int {
	if c := cmp.Compare(m.at, o.at); c != 0 {
		return c
	}
	return cmp.Compare(m.id, o.id)
}

// count counts id, the hash of o.Counted().
func (w *window) count(o *Count, id uint64) Result {
	at := o.At.UnixMicro()
	w.forget(at - o.Window.Microseconds())
	if !o.Peek {
		w.add(mark{at, id})
		w.dropOldest(len(w.order) - o.Limit())
	}
	return Result{N: int64(len(w.order)), Capped: len(w.order) >= o.Limit()}
}

// add notes that m.id was counted at m.at; the later time stays.
func (w *window) add(m mark) {
	was, again := w.find(m.id)
	if again && was >= m.at {
		return
	}
	if again {
		i, _ := slices.BinarySearchFunc(w.order, mark{was, m.id}, mark.compare)
		w.order = slices.Delete(w.order, i, i+1)
	}
	if n := len(w.order); n == 0 || w.order[n-1].compare(m) < 0 { // late ones are rare
		w.order = append(w.order, m)
	} else {
		i, _ := slices.BinarySearchFunc(w.order, m, mark.compare)
		w.order = slices.Insert(w.order, i, m)
	}
	switch {
	case w.seen != nil:
		w.seen[m.id] = m.at
	case len(w.order) > few:
		w.index()
	}
}

// find returns when id was counted.
func (w *window) find(id uint64) (at int64, ok bool) {
	if w.seen != nil {
		at, ok = w.seen[id]
		return at, ok
	}
	for _, m := range w.order {
		if m.id == id {
			return m.at, true
		}
	}
	return 0, false
}

func (w *window) index() {
	w.seen = make(map[uint64]int64, 2*few)
	for _, m := range w.order {
		w.seen[m.id] = m.at
	}
}

// forget drops what was counted at that time or before.
func (w *window) forget(until int64) {
	n := 0
	for n < len(w.order) && w.order[n].at <= until {
		n++
	}
	w.dropOldest(n)
}

func (w *window) dropOldest(n int) {
	if n <= 0 {
		return
	}
	if w.seen != nil {
		for _, m := range w.order[:n] {
			delete(w.seen, m.id)
		}
	}
	w.order = w.order[n:]
	if len(w.order) == 0 {
		w.order, w.seen = nil, nil
	}
}
