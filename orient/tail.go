package orient

import (
	"encoding/binary"
	"slices"

	"noren/kv"
)

// itemKind says what an item of a shared tail does to the entity's state.
type itemKind byte

const (
	itemMark     itemKind = 1
	itemSettle   itemKind = 2
	itemCancel   itemKind = 3
	itemUnsettle itemKind = 4
	itemForget   itemKind = 5 // an erasure: m.id is who, m.quantity the slot, m.at the newest row
)

const itemSize = 3 + 8 + 8 + 8 + 4 + 8*dims

// encodeItem writes an item: kind, group, success, then the mark, big endian.
func encodeItem(kind itemKind, g group, m mark) []byte {
	b := make([]byte, 0, itemSize)
	ok := byte(0)
	if m.ok {
		ok = 1
	}
	b = append(b, byte(kind), byte(g), ok)
	b = binary.BigEndian.AppendUint64(b, uint64(m.at))
	b = binary.BigEndian.AppendUint64(b, uint64(m.id))
	b = binary.BigEndian.AppendUint64(b, uint64(m.amount))
	b = binary.BigEndian.AppendUint32(b, uint32(m.quantity))
	for _, p := range m.parties {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	return b
}

// decodeItem reads an item; ok is false for one that this version did not write.
func decodeItem(b []byte) (kind itemKind, g group, m mark, ok bool) {
	if len(b) != itemSize || b[0] < byte(itemMark) || b[0] > byte(itemForget) || b[1] >= groups || b[2] > 1 {
		return 0, 0, mark{}, false
	}
	m.ok = b[2] == 1
	m.at = int64(binary.BigEndian.Uint64(b[3:]))
	m.id = key(binary.BigEndian.Uint64(b[11:]))
	m.amount = int64(binary.BigEndian.Uint64(b[19:]))
	m.quantity = int32(binary.BigEndian.Uint32(b[27:]))
	for i := range m.parties {
		m.parties[i] = key(binary.BigEndian.Uint64(b[31+8*i:]))
	}
	return itemKind(b[0]), group(b[1]), m, true
}

// tails adds the exchange of marks: the event's to those of its parties, and
// what other nodes wrote about them and about the entities needed.
func (a *asking) tails() {
	a.w.news(func(p party, item []byte) { a.exchange(p, item) })
	for i := range a.w.plan.slots {
		s := a.w.plan.slots[i].slot
		if k := a.w.parties.of(s); k != 0 && !a.exchanged(k) {
			a.exchange(party{s, k})
		}
	}
	if !a.o.alone() {
		a.resend()
	}
}

// news are what the event tells other nodes, who learn of it once: what they
// heard long ago they would count again.
func (w *work) news(f func(party, []byte)) {
	if w.record != nil && !w.again {
		w.record.did.Load().items(f)
	}
}

// items are what a change tells other nodes, party by party.
func (c *change) items(f func(party, []byte)) {
	for _, p := range c.reserve {
		if !slices.Contains(c.erased, p) {
			f(p, encodeItem(itemMark, c.group, c.m))
		}
	}
	for _, p := range c.settle {
		if !slices.Contains(c.erased, p) {
			f(p, encodeItem(itemSettle, c.group, c.m))
		}
	}
}

func (a *asking) exchanged(k key) bool {
	for _, p := range a.tail {
		if p.key == k {
			return true
		}
	}
	return false
}

func (a *asking) exchange(p party, items ...[]byte) {
	op := kv.Tail{Key: kvKey("m:", p.key, ""), Items: items, Keep: tailKeep}
	a.o.existing(p, func(st *state) { op.Epoch, op.From = st.epoch, st.next })
	a.ops = append(a.ops, op)
	a.tail = append(a.tail, p)
}

// received merges what other nodes wrote.
func (a *asking) received(res []kv.Result) {
	for i, p := range a.tail {
		a.o.mergeTail(p.key, &res[i], a.ops[a.counts+i].(kv.Tail).From, a.w.at)
	}
}

// mergeTail takes in the answer of a tail that was read from a place on, erasures
// first.
func (o *Orient) mergeTail(k key, r *kv.Result, from, now int64) {
	told := false
	for _, item := range r.Items {
		if kind, _, m, ok := decodeItem(item); ok && kind == itemForget {
			told = o.learnErasure(k, m) || told
		}
	}
	o.existing(party{key: k}, func(st *state) {
		st.merge(r, from, now)
		for _, e := range o.erased.of(k) {
			if told || e.told(st, r.Items) {
				st.forget(e)
			}
		}
	})
}

// learnErasure takes in that another node erased a person whom k knows.
func (o *Orient) learnErasure(k key, m mark) (ok bool) {
	e, ok := erasureOf(m)
	if ok && !o.erased.knows(e, k) {
		o.forget(e, []key{k})
	}
	return ok
}

// told reports whether items tell of the person's events.
func (e *erasure) told(st *state, items [][]byte) bool {
	return slices.ContainsFunc(items, func(item []byte) bool {
		_, _, m, ok := decodeItem(item)
		return ok && m.at <= e.upTo && (st.key == e.who.key || slices.Contains(m.parties[:], e.who.key))
	})
}

// merge takes in the answer of a tail.
func (st *state) merge(r *kv.Result, from, now int64) {
	if r.Fresh && (st.epoch != "" || st.loaded) {
		st.loaded = false // something may have been missed
	}
	if r.Fresh || r.Next > st.next && from <= st.next { // else what is before is to be read again
		st.epoch, st.next = r.Epoch, r.Next
	}
	for _, item := range r.Items {
		kind, g, m, ok := decodeItem(item)
		if !ok {
			continue
		}
		switch kind {
		case itemMark:
			st.receive(g, m, now)
		case itemSettle:
			m.ok = true
			st.settle(g, m, now)
		case itemCancel, itemUnsettle:
			if !st.holds(g, m) {
				st.cancel(g, m, kind == itemUnsettle)
			}
		}
		st.remember(kind, g, m, now)
	}
}

// holds reports whether this node has a reservation of its own for the mark:
// the event came here after another node gave it back.
func (st *state) holds(g group, m mark) bool {
	if s := st.series[g]; s != nil {
		if i, found := s.find(m.at, m.id); found && s.marks[i].open != 0 {
			return true
		}
	}
	return st.hours != nil && st.hours.open[effectKey{m.id, false}].own
}

// remember keeps what a load may not find although its time is long ago.
func (st *state) remember(kind itemKind, g group, m mark, now int64) {
	if m.at > now-recently {
		return
	}
	switch kind {
	case itemCancel:
		st.told = slices.DeleteFunc(st.told, func(t toldMark) bool { return t.m.id == m.id })
		return
	case itemUnsettle:
		st.told = slices.DeleteFunc(st.told, func(t toldMark) bool { return t.m.id == m.id && t.settled })
		for i := range st.told {
			st.told[i].m.ok = st.told[i].m.ok && st.told[i].m.id != m.id
		}
		return
	}
	if len(st.told) >= 32 {
		st.told = slices.DeleteFunc(st.told, func(t toldMark) bool { return t.since <= now-recently })
	}
	st.told = append(st.told, toldMark{g, m, kind == itemSettle, now})
}

// receive is reserve for another node's mark, which may be of an event that was
// received here too.
func (st *state) receive(g group, m mark, now int64) {
	if s := st.series[g]; s != nil && s.again(m.at, m.id) {
		return
	}
	st.reserve(g, m, now)
}
