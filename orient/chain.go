package orient

import (
	"hash/crc32"
	"slices"
	"strconv"

	"noren"
)

// sequence is a declared sequence, ready to count.
type sequence struct {
	noren.Sequence
	code   int64 // what rows know it by
	slot   slot  // whose steps are put together
	within int64 // microseconds
	gaps   []int64
}

func newSequence(q noren.Sequence, es *entities) sequence {
	s := sequence{Sequence: q, within: q.Within.Microseconds()}
	text := q.Name + "\x00" + q.By + "\x00" + strconv.FormatInt(s.within, 10)
	for _, st := range q.Steps {
		gap := s.within
		if st.Gap > 0 {
			gap = st.Gap.Microseconds()
		}
		s.gaps = append(s.gaps, gap)
		text += "\x00" + st.Name
	}
	s.code = int64(crc32.ChecksumIEEE([]byte(text))) // other steps are another sequence
	s.slot = es.index[q.By]
	if q.By == noren.EntityAddress {
		s.slot = slotClient
	}
	return s
}

// stepMark is one step that an entity took.
type stepMark struct {
	at   int64
	step int
	id   key
}

func (a stepMark) before(b stepMark) bool {
	return a.at < b.at || a.at == b.at && (a.step > b.step || a.step == b.step && a.id < b.id)
}

// chain are the steps of one entity in one sequence, in the order of time. It
// holds those alone that brought the entity on, so it stays short.
type chain []stepMark

// maxChain bounds it: each of eight steps at most nine times in the sequence's
// time.
const maxChain = 9 * 8

// link is the best way to a step: the latest beginning from which it was
// reached, and when.
type link struct {
	from, last int64
	ok         bool
}

// walk follows the marks up to a time and returns the best way to each step.
// The latest way is the best: it stays within the sequence's time longest.
func (s *sequence) walk(c chain, at int64) []link {
	links := make([]link, len(s.Steps)+1)
	for _, m := range c {
		if m.at > at+parallel || m.step > len(s.Steps) {
			continue
		}
		if l, ok := s.reach(links, m.step, m.at); ok {
			links[m.step] = l
		}
	}
	return links
}

// reach is the way to a step taken at a time, when there is one.
func (s *sequence) reach(links []link, step int, at int64) (link, bool) {
	if step == 1 {
		return link{at, at, true}, true
	}
	before := links[step-1]
	if !before.ok || at-before.from > s.within || at-before.last > s.gaps[step-1] {
		return link{}, false
	}
	return link{before.from, at, true}, true
}

// take adds the steps that one event takes and returns how far that brought the
// entity: the highest step among them that follows on the one before; news are
// those worth keeping. The later steps are tried first, so that one event is not
// two steps of one way.
func (s *sequence) take(c *chain, steps []int, at int64, id key) (stage int, news []stepMark) {
	slices.Sort(steps)
	links := s.walk(*c, at)
	for _, step := range slices.Backward(steps) {
		l, ok := s.reach(links, step, at)
		if !ok {
			continue
		}
		stage = max(stage, step)
		if m := (stepMark{at, step, id}); !c.has(m) && s.worth(links[step], l, step) {
			news = append(news, m)
		}
	}
	for _, m := range news {
		c.put(m, at-s.within)
	}
	return stage, news
}

// worth reports whether a way is enough better than the one known: an attack of
// ten thousand scans is some marks, not ten thousand.
func (s *sequence) worth(was, now link, step int) bool {
	if !was.ok {
		return true
	}
	gap := s.within
	if step < len(s.gaps) {
		gap = s.gaps[step] // of the step that follows
	}
	return now.from-was.from > s.within/8 || now.last-was.last > gap/8
}

func (c chain) has(m stepMark) bool {
	return slices.ContainsFunc(c, func(o stepMark) bool { return o.id == m.id && o.step == m.step })
}

// put inserts a mark and drops those that are past.
func (c *chain) put(m stepMark, past int64) {
	if c.has(m) {
		return
	}
	i := len(*c)
	for i > 0 && m.before((*c)[i-1]) {
		i--
	}
	*c = slices.Insert(*c, i, m)
	n := 0
	for n < len(*c) && (*c)[n].at < past-lateness {
		n++
	}
	*c = slices.Delete(*c, 0, max(n, len(*c)-maxChain))
}

// drop takes the marks of an event out.
func (c *chain) drop(id key) {
	*c = slices.DeleteFunc(*c, func(m stepMark) bool { return m.id == id })
}
