package console

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"

	"noren"
	"noren/policy"
)

// Bounds of what is kept while looking back: numbers beyond them are "at least".
const (
	peopleMost   = 50_000
	buyersMost   = 200_000
	examplesMost = 12
)

// visitors are distinct ones, and by what each could be known as a buyer.
type visitors struct {
	seed maphash.Seed
	who  map[uint64]struct{}
	keys map[uint64]uint64 // of a session, account or device → the visitor
	Full bool
}

func newVisitors(seed maphash.Seed) *visitors {
	return &visitors{seed: seed, who: map[uint64]struct{}{}, keys: map[uint64]uint64{}}
}

func (p *visitors) add(ev *noren.Event) {
	id := visitorOf(p.seed, ev)
	if _, known := p.who[id]; !known && len(p.who) >= peopleMost {
		p.Full = true
		return
	}
	p.who[id] = struct{}{}
	for _, k := range keysOf(p.seed, ev) {
		p.keys[k] = id
	}
}

// visitorOf tells visitors apart by the best that is known of them: behind one
// address there can be many.
func visitorOf(seed maphash.Seed, ev *noren.Event) uint64 {
	for _, name := range []string{noren.EntityAccount, noren.EntityDevice, noren.EntitySession, noren.EntityAddress} {
		if id := ev.Entities[name]; id != "" {
			return maphash.String(seed, name+":"+id)
		}
	}
	return 0
}

// N is how many there are.
func (p *visitors) N() int { return len(p.who) }

// buying is how many of them bought.
func (p *visitors) buying(buyers map[uint64]struct{}) int {
	found := map[uint64]struct{}{}
	for k, id := range p.keys {
		if _, bought := buyers[k]; bought {
			found[id] = struct{}{}
		}
	}
	return len(found)
}

// keysOf are what one visitor is known by across events. An address is shared by
// many, so it counts only where nothing better is known.
func keysOf(seed maphash.Seed, ev *noren.Event) (out []uint64) {
	for _, name := range []string{noren.EntitySession, noren.EntityAccount, noren.EntityDevice} {
		if id := ev.Entities[name]; id != "" {
			out = append(out, maphash.String(seed, name+":"+id))
		}
	}
	if id := ev.Entities[noren.EntityAddress]; id != "" && len(out) == 0 {
		out = append(out, maphash.String(seed, noren.EntityAddress+":"+id))
	}
	return out
}

// sales remembers who bought.
type sales struct {
	seed   maphash.Seed
	N      int64 // orders and payments that went through
	buyers map[uint64]struct{}
}

func (s *sales) add(ev *noren.Event) {
	switch p := ev.Payload.(type) {
	case *noren.Order:
	case *noren.PaymentResult:
		if !p.Success {
			return
		}
	default:
		return
	}
	s.N++
	for _, k := range keysOf(s.seed, ev) {
		if len(s.buyers) < buyersMost {
			s.buyers[k] = struct{}{}
		}
	}
}

// buyingKinds are the events that tell of a sale.
func buyingKinds() []noren.Kind { return []noren.Kind{noren.OrderPlaced, noren.PaymentOutcome} }

// side are the events that would have gone one way.
type side struct {
	Events   int64
	visitors *visitors
	Examples []example
}

// example is one event that would have gone otherwise.
type example struct {
	ID            string
	At            noren.Time
	Kind          noren.Kind
	Before, After noren.Verdict
}

// Was and Now say what happened to it, and what would have.
func (e example) Was() noren.Text { return thenWords(e.Before) }
func (e example) Now() noren.Text { return thenWords(e.After) }

// hindsight decides past events again by a draft and counts what differs. It is
// pure: the same entries in the same order give the same.
type hindsight struct {
	before, after   Rules
	changed         map[string]policyChange
	sales           sales
	Stricter, Freer side
	Events          int64
	Counted         int64 // events that are there as numbers only
	Erased          int64
	unknown         map[string]int64 // facts that a changed policy asks for and that were not stored
}

func newHindsight(before, after Rules, changes []policyChange) *hindsight {
	seed := maphash.MakeSeed()
	h := &hindsight{before: before, after: after, changed: map[string]policyChange{}, unknown: map[string]int64{},
		sales:    sales{seed: seed, buyers: map[uint64]struct{}{}},
		Stricter: side{visitors: newVisitors(seed)}, Freer: side{visitors: newVisitors(seed)}}
	for _, c := range changes {
		h.changed[c.Name] = c
	}
	return h
}

// kinds are the events that the changed policies are about, and those that tell
// of sales.
func (h *hindsight) kinds() []noren.Kind {
	out := buyingKinds()
	for _, c := range h.changed {
		for _, p := range []*policy.Info{c.Before, c.After} {
			if p != nil {
				out = append(out, p.Kinds...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (h *hindsight) add(e *noren.Entry, erased bool) {
	switch {
	case erased:
		h.Erased++
		return
	case e.Part == noren.PartCounted:
		h.Counted += e.Count
		return
	case e.Part == noren.PartLate:
		return
	}
	h.Events++
	h.sales.add(&e.Event)
	if !h.about(e) {
		return
	}
	was, now := h.before.Decide(e), h.after.Decide(e)
	h.compare(e, was.Verdict, h.asIfOn(now))
}

// about reports whether a changed policy is about an entry, and notes what it asks
// for that was not stored.
func (h *hindsight) about(e *noren.Entry) (yes bool) {
	for _, c := range h.changed {
		p := c.Info()
		if !slices.Contains(p.Kinds, e.Event.Kind) || len(p.Zones) > 0 && !slices.Contains(p.Zones, e.Event.Zone) {
			continue
		}
		yes = true
		for _, name := range p.Needs {
			if _, stored := e.Facts[name]; !stored && c.After != nil {
				h.unknown[name]++
			}
		}
	}
	return yes
}

// asIfOn is the verdict of a draft if its changed policies that would only record
// acted: what one wants to know before they do. One that acted before and is to
// record only is not counted so.
func (h *hindsight) asIfOn(d noren.Decision) noren.Verdict {
	v := d.Verdict
	for _, r := range d.Shadow {
		if c, ok := h.changed[r.Policy]; ok && (c.Before == nil || c.Before.Mode != policy.On) {
			v = noren.Strictest(v, r.Verdict)
		}
	}
	return v
}

func (h *hindsight) compare(e *noren.Entry, was, now noren.Verdict) {
	if was == now {
		return
	}
	s := &h.Freer
	if noren.Strictest(was, now) == now {
		s = &h.Stricter
	}
	s.Events++
	s.visitors.add(&e.Event)
	if len(s.Examples) < examplesMost {
		s.Examples = append(s.Examples, example{ID: e.Event.ID, At: e.Event.At, Kind: e.Event.Kind, Before: was, After: now})
	}
}

// unknownFact is a fact that was not stored with some events.
type unknownFact struct {
	Name   string
	Events int64
}

func (h *hindsight) unknowns() (out []unknownFact) {
	for _, name := range slices.Sorted(maps.Keys(h.unknown)) {
		out = append(out, unknownFact{name, h.unknown[name]})
	}
	slices.SortStableFunc(out, func(a, b unknownFact) int { return cmp.Compare(b.Events, a.Events) })
	return out
}
