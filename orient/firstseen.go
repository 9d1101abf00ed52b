package orient

import "slices"

// sight is when an entity was seen in an event.
type sight struct {
	at   int64
	id   key  // of the event
	open bool // its rows may not be committed yet: it may be taken back, and a load does not find it
}

func (m *mark) sight() sight { return sight{m.at, m.id, m.open&(openMark|openLink) != 0} }

func (s sight) before(o sight) bool { return s.at < o.at || s.at == o.at && s.id < o.id }

// firstMarks are the two earliest sights of an entity: one may be the event's
// own. They may be taken back or erased; next are those that would take their
// place and that no load finds.
type firstMarks struct {
	two  [2]sight
	next []sight // in the order of time
}

// maxNext bounds next. What is beyond is found once it is committed.
const maxNext = 32

// note takes a sight in. The same event again counts as it first did.
func (f *firstMarks) note(s sight) {
	for i := range f.two {
		if f.two[i].id != s.id {
			continue
		}
		if f.two[i].open = f.two[i].open || s.open; s.at >= f.two[i].at {
			return
		}
		s.open = f.two[i].open
		f.take(i)
		break
	}
	f.next = slices.DeleteFunc(f.next, func(n sight) bool { return n.id == s.id })
	for i := range f.two {
		if f.two[i].id == 0 || s.before(f.two[i]) {
			f.two[i], s = s, f.two[i]
		}
	}
	f.wait(s)
}

// wait keeps a sight that is not among the two.
func (f *firstMarks) wait(s sight) {
	if s.id == 0 || !s.open {
		return
	}
	i := len(f.next)
	for i > 0 && s.before(f.next[i-1]) {
		i--
	}
	f.next = slices.Insert(f.next, i, s)
	f.next = f.next[:min(len(f.next), maxNext)]
}

// commit notes that a load finds the sight.
func (f *firstMarks) commit(id key) {
	for i := range f.two {
		if f.two[i].id == id {
			f.two[i].open = false
		}
	}
	f.next = slices.DeleteFunc(f.next, func(s sight) bool { return s.id == id })
}

// forget takes id out; it reports whether it was one of the two.
func (f *firstMarks) forget(id key) bool {
	f.next = slices.DeleteFunc(f.next, func(s sight) bool { return s.id == id })
	for i := range f.two {
		if f.two[i].id == id {
			f.take(i)
			if len(f.next) > 0 {
				s := f.next[0]
				f.next = slices.Delete(f.next, 0, 1)
				f.note(s)
			}
			return true
		}
	}
	return false
}

// take takes one of the two out.
func (f *firstMarks) take(i int) {
	if i == 0 {
		f.two[0] = f.two[1]
	}
	f.two[1] = sight{}
}

// uncommitted are the sights that no load finds, but those that are gone.
func (f *firstMarks) uncommitted(gone func(id key) bool) (out firstMarks) {
	for _, s := range append(f.two[:], f.next...) {
		if s.id != 0 && s.open && !gone(s.id) {
			out.note(s)
		}
	}
	return out
}

// before returns when the entity was first seen in another event than own, at
// or before at; ok is false for never.
func (f *firstMarks) before(at int64, own key) (first int64, ok bool) {
	for _, s := range f.two {
		if s.id != 0 && s.id != own {
			return s.at, s.at <= at
		}
	}
	return 0, false
}
