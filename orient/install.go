package orient

import "slices"

// install takes over what a load brought. The state's shard is locked.
func (st *state) install(res *loaded, w *wanted, shared bool) {
	if st.of().since != w.layout.slots[st.slot].since {
		return // the policies changed meanwhile; the next event loads again
	}
	if !w.all {
		st.installEdges(res)
		st.closeEffects(shared)
		return
	}
	st.full = false
	st.installMarks(res)
	for _, s := range res.first.two {
		if s.id != 0 {
			st.first.note(s)
		}
	}
	if st.hours != nil {
		st.installHours(res)
		st.installEdges(res)
		st.closeEffects(shared)
	}
	st.newest = max(st.newest, res.newest)
	st.from, st.hoursFrom = res.from, res.hoursFrom
	st.full, st.loaded = st.full || res.full, !res.gone
}

// installMarks replaces the exact marks by those of SQL and keeps those in
// memory that may not be there yet.
func (st *state) installMarks(res *loaded) {
	for g := range group(groups) {
		old := st.series[g]
		st.series[g] = nil
		s := st.ring(g)
		if s == nil {
			continue
		}
		s.marks = res.marks[g]
		if n := len(s.marks); n > 0 {
			st.newest = max(st.newest, s.marks[n-1].at)
		}
		if old != nil {
			s.keep(old.marks[old.head:], st.newest-recently)
		}
	}
	for _, t := range st.told {
		if s := st.series[t.group]; s != nil && t.since > st.newest-recently {
			s.put(t.m)
		}
	}
	st.installWaiting(res.waiting)
	st.limit()
}

// keep adds marks that are open or after since. One that SQL has under another
// time is the same event received again, and counts as it first did.
func (s *series) keep(old []mark, since int64) {
	mine := map[key]int64{}
	for i := range old {
		if old[i].open != 0 || old[i].at > since {
			mine[old[i].id] = old[i].at
		}
	}
	for i := range s.marks {
		if at, ok := mine[s.marks[i].id]; ok && at != s.marks[i].at {
			delete(mine, s.marks[i].id)
		}
	}
	for _, m := range old {
		if _, ok := mine[m.id]; ok {
			s.put(m)
		}
	}
}

// installHours replaces the hours by those of SQL and adds the effects that
// SQL did not hold.
func (st *state) installHours(res *loaded) {
	open := st.hours.open
	st.hours = newHours(st.of())
	st.hours.open = open
	for g, s := range st.hours.groups {
		if s == nil {
			continue
		}
		s.buckets = res.buckets[g]
		slices.SortFunc(s.buckets, func(a, b bucket) int { return int(a.hour - b.hour) })
	}
	st.hours.applyOpen(res.present)
}

// installEdges keeps exact hours, with the effects that may not be in SQL yet.
func (st *state) installEdges(res *loaded) {
	if st.hours == nil {
		return
	}
	for _, e := range res.edges {
		s := st.hours.groups[e.group]
		if s == nil {
			continue
		}
		s.install(e.edge)
		for k, open := range st.hours.open {
			if open.group == e.group && open.state != effectClosed && hourOf(open.m.at) == e.edge.hour {
				s.touch(open.m, k.settled, 1)
			}
		}
	}
}

// closeEffects ends the wait of effects that were committed during the load.
func (st *state) closeEffects(shared bool) {
	if st.hours == nil {
		return
	}
	for k, e := range st.hours.open {
		if e.state == effectClosing {
			st.hours.commit(k, false, shared)
		}
	}
}
