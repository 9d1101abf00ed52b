package kv

import (
	"cmp"
	"slices"
)

// window is an exact sliding count: what a sorted set is on a server.
type window struct {
	seen  map[string]int64 // counted → At, Unix µs
	order []mark           // the same, by time and then name
}

type mark struct {
	at int64
	id string
}

func (m mark) compare(o mark) int {
	if c := cmp.Compare(m.at, o.at); c != 0 {
		return c
	}
	return cmp.Compare(m.id, o.id)
}

func (w *window) count(o Count) Result {
	at := o.At.UnixMicro()
	w.forget(at - o.Window.Microseconds())
	if !o.Peek {
		w.add(mark{at, o.Counted()})
		w.dropOldest(len(w.order) - o.Limit())
	}
	return Result{N: int64(len(w.order)), Capped: len(w.order) >= o.Limit()}
}

// add notes that m.id was counted at m.at; the later time stays.
func (w *window) add(m mark) {
	was, again := w.seen[m.id]
	if again && was >= m.at {
		return
	}
	if again {
		i, _ := slices.BinarySearchFunc(w.order, mark{was, m.id}, mark.compare)
		w.order = slices.Delete(w.order, i, i+1)
	}
	if w.seen == nil {
		w.seen = make(map[string]int64)
	}
	w.seen[m.id] = m.at
	if n := len(w.order); n == 0 || w.order[n-1].compare(m) < 0 { // late ones are rare
		w.order = append(w.order, m)
		return
	}
	i, _ := slices.BinarySearchFunc(w.order, m, mark.compare)
	w.order = slices.Insert(w.order, i, m)
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
	for _, m := range w.order[:n] {
		delete(w.seen, m.id)
	}
	clear(w.order[:n]) // their names may go
	w.order = w.order[n:]
	if len(w.order) == 0 {
		w.order, w.seen = nil, nil
	}
}
