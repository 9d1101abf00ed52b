package orient

import (
	"context"
	"slices"

	"noren"
)

// Erased says that an erasure has ended, here or in another process. Another
// process does not say whom it erased, so nothing that is committed stays in
// memory: what is asked for next is read again. What is not committed comes after
// the erasure and stays.
//
// done is false for an erasure of this process that failed: other nodes are not
// told of it. Steps of sequences that wait to be committed are forgotten too, as
// at a restart.
func (c *core) Erased(done bool) {
	if c.db == nil {
		return
	}
	c.registry.readAgain() // first: who reads now does not keep it, what is committed from now on drops itself
	c.erased.clear()
	if !done {
		c.unsent.dropErasures()
	}
	c.chains.clear()
	for i := range c.cache.shards {
		c.cache.shards[i].readAgain()
	}
}

func (s *shard) readAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.states {
		st.readAgain()
	}
}

// readAgain drops what is committed from the states that c is part of.
func (o *Orient) readAgain(c *change) {
	for _, p := range union(c.reserve, c.settle) {
		o.existing(p, (*state).readAgain)
	}
}

// readAgain drops what is committed, and what other nodes told of: shared state
// tells it again. Hours stay until they are loaded: they know nobody.
func (st *state) readAgain() {
	if !st.layout.stored {
		return
	}
	st.loaded, st.reload = false, st.loading != nil
	st.told, st.epoch, st.next = nil, "", 0
	st.first = st.first.uncommitted(func(key) bool { return false })
	for g, s := range st.series {
		if s == nil {
			continue
		}
		s.marks = slices.DeleteFunc(s.marks[s.head:], func(m mark) bool { return st.drops(group(g), &m) })
		s.head = 0
		for i := range s.marks {
			st.first.note(s.marks[i].sight())
		}
		s.watch(st.of().windows[g])
	}
}

// drops reports whether a mark goes. One whose own row is committed goes also
// while an outcome of it waits: a load puts them together again.
func (st *state) drops(g group, m *mark) bool {
	left := st.stillOpen(m)
	if left&openMark == 0 && left != 0 {
		st.waitFor(closing{g, *m}, left)
	}
	return left&openMark == 0
}

// waitFor notes a mark that is to be read again, once.
func (st *state) waitFor(w closing, left open) {
	for i := range st.waiting {
		if st.waiting[i].m.id == w.m.id {
			st.waiting[i].m.open |= left
			return
		}
	}
	w.m.open = left
	st.waiting = append(st.waiting, w)
}

// fetchWaiting reads the marks that only outcomes still to be committed named the
// entity in.
func (o *Orient) fetchWaiting(ctx context.Context, st *state, res *loaded) error {
	res.waiting = map[key]mark{}
	for batch := range slices.Chunk(o.linksThatWait(st), maxKeys) {
		in, args := keyList(batch)
		found := func(_ group, m mark) { res.waiting[m.id] = m }
		err := eachMark(ctx, o.db.Read(), found, `SELECT `+markColumns+` FROM orient_events e`+settlesJoin+`WHERE e.id IN `+in, args...)
		if err != nil {
			return noren.Errorf(noren.Unavailable, "look up events: %w", err)
		}
	}
	return nil
}

func (o *Orient) linksThatWait(st *state) (ids []key) {
	s := o.cache.lock(st.key)
	defer s.mu.Unlock()
	for _, w := range st.waiting {
		if w.m.open&openLink != 0 {
			ids = append(ids, w.m.id)
		}
	}
	return ids
}

// installWaiting adds what waits to the marks that a load found. An event that was
// looked up and is not there is to be committed itself.
func (st *state) installWaiting(found map[key]mark) {
	for _, w := range st.waiting {
		s, left := st.series[w.group], st.stillOpen(&w.m)
		if s == nil || left == 0 {
			continue
		}
		i, here := s.find(w.m.at, w.m.id)
		m, known := found[w.m.id]
		switch {
		case here:
			m = s.marks[i]
		case !known:
			m = w.m
		}
		if here || left&openLink != 0 {
			m.open, m.ok = w.m.open, m.ok || w.m.open&openSettle != 0
			s.put(m)
			st.first.note(sight{m.at, m.id, left&openLink != 0})
		}
	}
	st.waiting = nil
}

// endWaiting notes that rows of a mark are committed, or do not come.
func (st *state) endWaiting(id key, which open) {
	for i := range st.waiting {
		if st.waiting[i].m.id == id {
			st.waiting[i].m.open &^= which
		}
	}
	st.waiting = slices.DeleteFunc(st.waiting, func(w closing) bool { return w.m.open == 0 })
}
