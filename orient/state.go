package orient

import "time"

// lateness is how late an event may be and still find every mark of its
// windows in memory.
const lateness = int64(time.Hour / time.Microsecond)

// recently is how long marks of other nodes may be in shared state and not yet
// in SQL.
const recently = int64(15 * time.Minute / time.Microsecond)

// maxMarks is how many exact marks one entity remembers; counters of one that
// has more saturate. The newest count.
const (
	maxMarks       = 50_000
	maxCoarseMarks = 250_000
)

// state is what is remembered of one entity. Its shard's lock guards it.
type state struct {
	key    key
	slot   slot
	layout *layout

	series [groups]*series
	hours  *hours
	newest int64
	first  firstMarks

	// Of a state that is loaded from SQL:
	loaded    bool
	from      int64 // every exact mark after it is here
	hoursFrom int64 // every hour from it on is here
	full      bool  // more marks than are kept: there is no use in loading more
	loading   *load
	closing   []closing // committed during the load, which may have missed it
	reload    bool      // what it brings is not all

	// pins keep it in the cache: events in hand, and those whose rows may not be
	// committed yet.
	pins int

	epoch string // place in the shared tail
	next  int64
	// waiting are marks to be read again of which outcomes are still to be committed.
	waiting []closing
	// told are marks of long ago that other nodes told of lately, as when an
	// outcome names a new party: a load may not find their rows yet.
	told []toldMark

	older, newer *state // by last use
}

// closing is a mark, or its success, that is committed.
type closing struct {
	group group
	m     mark
}

type toldMark struct {
	group   group
	m       mark
	settled bool // it was told as a success of what was known
	since   int64
}

// adapt makes st keep what l asks for.
func (st *state) adapt(l *layout) {
	if st.layout != nil && st.layout.gen >= l.gen {
		return
	}
	sl := &l.slots[st.slot]
	same := st.layout != nil && st.of().since == sl.since
	st.layout = l
	if same {
		return
	}
	for g := range st.series {
		if st.series[g] != nil {
			st.series[g].watch(sl.windows[g])
		}
	}
	st.hours = st.hours.adapt(sl)
	st.loaded, st.full = !l.stored, !l.stored
}

func (st *state) of() *slotLayout { return &st.layout.slots[st.slot] }

// ring returns the exact marks of g, nil when nobody asks for them.
func (st *state) ring(g group) *series {
	if s := st.series[g]; s != nil {
		return s
	}
	sl := st.of()
	if len(sl.windows[g]) == 0 && !st.layout.keepAll {
		return nil
	}
	s := &series{}
	s.watch(sl.windows[g])
	st.series[g] = s
	return s
}

// reserve counts a mark that came with an event of time now.
func (st *state) reserve(g group, m mark, now int64) {
	st.first.note(sight{m.at, m.id, m.open != 0})
	st.newest = max(st.newest, m.at)
	if s := st.ring(g); s != nil {
		s.put(m)
		st.trim(s)
	}
	if st.hours != nil {
		st.hours.note(g, m, false, now)
		st.hoursFrom = max(st.hoursFrom, st.hours.dropUntil(hourOf(st.newest-st.of().reach-lateness)))
	}
}

// settle counts a mark as a success; one that is not here is added, because
// the load that brings it may not see the settlement yet.
func (st *state) settle(g group, m mark, now int64) {
	st.first.note(sight{m.at, m.id, false})
	if st.hours != nil {
		st.hours.note(g, m, true, now)
	}
	m.ok = true
	if s := st.ring(g); s != nil {
		s.put(m)
		st.trim(s)
	}
}

// cancel takes back a mark, or only its success.
func (st *state) cancel(g group, m mark, successOnly bool) {
	if s := st.series[g]; s != nil {
		if i, found := s.find(m.at, m.id); found && successOnly {
			s.settle(i, false)
			s.marks[i].open &^= m.open
		} else if found {
			s.remove(i)
		}
	}
	if successOnly {
		st.endWaiting(m.id, m.open)
	} else {
		st.endWaiting(m.id, ^open(0))
	}
	if st.hours != nil {
		st.hours.cancel(m.id, successOnly)
	}
	if !successOnly && st.first.forget(m.id) {
		st.loaded = st.loaded && !st.layout.stored // to find the one that it displaced
		st.reload = st.loading != nil              // the load under way may be too early for it
		st.noteOldest()
	}
}

// noteOldest fills the place of a first mark that was taken back from memory.
func (st *state) noteOldest() {
	for _, s := range st.series {
		if s == nil {
			continue
		}
		for i := s.head; i < min(s.head+2, len(s.marks)); i++ {
			st.first.note(s.marks[i].sight())
		}
	}
}

// commit notes that the rows of a mark, or of its settlement, are in SQL.
func (st *state) commit(g group, m mark, settled, remember bool) {
	if !settled {
		st.first.commit(m.id)
	}
	if st.loading != nil {
		st.closing = append(st.closing, closing{g, m})
	} else {
		st.closeMark(g, m)
	}
	if st.hours != nil {
		st.hours.commit(effectKey{m.id, settled}, st.loading != nil, remember)
	}
}

func (st *state) closeMark(g group, m mark) {
	st.endWaiting(m.id, m.open)
	if s := st.series[g]; s != nil {
		if i, found := s.find(m.at, m.id); found {
			s.marks[i].open &^= m.open
		}
	}
}

// stillOpen says which rows of m may not be in SQL yet.
func (st *state) stillOpen(m *mark) open {
	left := m.open
	for i := range st.closing {
		if left != 0 && st.closing[i].m.id == m.id {
			left &^= st.closing[i].m.open
		}
	}
	return left
}

// endLoad ends the wait of marks that were committed during a load.
func (st *state) endLoad() {
	for _, c := range st.closing {
		st.closeMark(c.group, c.m)
	}
	st.loaded = st.loaded && !st.reload
	st.loading, st.closing, st.reload = nil, nil, false
}

// trim keeps s within what is asked for and st within its limit.
func (st *state) trim(s *series) {
	if limit := st.newest - st.of().horizon - lateness; s.dropUntil(limit) {
		st.from = max(st.from, limit)
	}
	st.limit()
}

func (st *state) limit() {
	n, most := 0, maxMarks
	if coarse(st.slot) {
		most = maxCoarseMarks
	}
	for _, s := range st.series {
		if s != nil {
			n += s.len()
		}
	}
	for ; n > most; n-- {
		st.dropOldest()
	}
}

func (st *state) dropOldest() {
	var old *series
	for _, s := range st.series {
		if s != nil && s.len() > 0 && (old == nil || s.marks[s.head].at < old.marks[old.head].at) {
			old = s
		}
	}
	old.drop(1)
	st.full = true
}

// ready reports whether the exact marks that an event at at needs are here.
func (st *state) ready(at int64) bool {
	l := st.of()
	return st.loaded && (st.full || at-l.horizon >= st.from) &&
		(l.reach == 0 || hourOf(at-l.reach) >= st.hoursFrom)
}

// read takes one fact. ok is false when the exact marks of an hour are missing.
func (st *state) read(out *output, at int64, own ownMark) (v any, missing int64, ok bool) {
	if out.seen {
		return st.seenDays(at, own), 0, true
	}
	var total sums
	var w *window
	switch {
	case out.long:
		if total, missing, ok = st.hours.groups[out.group].query(out.window, at, st.newest); !ok {
			return nil, missing, false
		}
	case st.series[out.group] != nil:
		w = st.series[out.group].query(out.window, at)
		total = w.sums
		switch marks := st.series[out.group].marks[w.tail:w.top]; out.field {
		case fieldOver:
			return offences(marks, at), 0, true
		case fieldFreed:
			return freed(marks), 0, true
		}
	}
	if out.field != fieldDistinct {
		return total.value(out.field), 0, true
	}
	if w == nil {
		return int64(0), 0, true
	}
	return w.sets[out.dim].len(), 0, true
}

func (s sums) value(f field) any {
	switch f {
	case fieldFailed:
		return s.failed
	case fieldRate:
		if s.n == 0 {
			return 0.0
		}
		return float64(s.failed) / float64(s.n)
	case fieldAmount:
		return s.amount
	case fieldQuantity:
		return s.quantity
	}
	return s.n
}

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// seenDays is how long the entity was known before the event in hand. While
// history cannot be read nobody is called new.
func (st *state) seenDays(at int64, own ownMark) int64 {
	bound := at
	if own.id != 0 {
		bound = own.at
	}
	first, ok := st.first.before(bound, own.id)
	switch {
	case ok:
		return max(at-first, 0) / dayMicros
	case st.loaded:
		return -1
	}
	return 0
}
