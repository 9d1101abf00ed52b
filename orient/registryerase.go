package orient

import (
	"maps"
	"slices"
)

// forget takes a person out of the records, so that no outcome settles what was
// erased. What is still to be committed stays: its rows come after the erasure.
// It returns the person's attempts, and everybody whom they name.
func (g *registry) forget(e *erasure) (named []key, attempts map[key]bool) {
	theirs, busy := g.strip(e)
	for _, r := range busy {
		r.applied.Wait() // it may be settling them just now; states are told next
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	attempts = map[key]bool{}
	for a := range theirs {
		attempts[a.id] = true
		for _, p := range a.parties {
			named = append(named, p.key)
		}
	}
	return named, attempts
}

// strip returns as well the records whose Observe may be settling what is erased.
func (g *registry) strip(e *erasure) (theirs map[*record]bool, busy []*record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := g.waitingNames(e)
	theirs = map[*record]bool{}
	for _, r := range g.byID {
		if a := r.of(); !theirs[a] && a.strip(e, waiting[a]) {
			theirs[a] = true
		}
	}
	for _, r := range g.byID {
		switch a := r.of(); {
		case !theirs[a]:
		case r.pending == 0:
			r.did.Store(&change{group: r.group, m: a.m}) // there is nothing to take back
		default:
			r.did.Store(r.did.Load().without(e, a))
			if r.begun {
				busy = append(busy, r)
			}
		}
	}
	return theirs, busy
}

// of is the attempt that r settles, or r.
func (r *record) of() *record {
	if r.settles != nil {
		return r.settles
	}
	return r
}

// waitingNames are whom events still to be committed named, by attempt. One that
// is committed, and nobody told us yet, does not wait.
func (g *registry) waitingNames(e *erasure) map[*record][]party {
	out := map[*record][]party{}
	for _, r := range g.byID {
		if r.pending == 0 {
			continue
		}
		for _, p := range r.did.Load().named {
			if a := r.of(); !e.gone[presence{p.key, a.id}] {
				out[a] = append(out[a], p)
			}
		}
	}
	return out
}

// recent leaves of the rows that went those of events that are known here.
func (g *registry) recent(e *erasure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := map[key]bool{}
	for _, r := range g.byID {
		known[r.of().id] = true
	}
	maps.DeleteFunc(e.gone, func(p presence, _ bool) bool { return !known[p.event] })
	if len(e.events) > maxErasedEvents {
		maps.DeleteFunc(e.events, func(id key, _ bool) bool { return !known[id] })
		e.anew = true
	}
}

// maxErasedEvents bounds the events of one erasure that are remembered.
const maxErasedEvents = 5_000

// strip takes a person out of an attempt, but for whom events still to be
// committed named. It reports whether it was theirs.
func (r *record) strip(e *erasure, waiting []party) bool {
	gone := func(p party) bool { return e.goes(p) && !slices.Contains(waiting, p) }
	if r.m.at > e.upTo || !slices.ContainsFunc(r.parties, func(p party) bool { return p.key == e.who.key && gone(p) }) {
		return false
	}
	r.parties = slices.DeleteFunc(clip(r.parties), gone)
	if r.pending == 0 || e.gone[presence{0, r.id}] {
		r.m.blank(e.who.key)
	}
	return true
}

// without is c when its attempt a is no longer the person's.
func (c *change) without(e *erasure, a *record) *change {
	n := *c
	n.m.parties = a.m.parties
	stays := func(p party) bool { return !e.goes(p) || slices.Contains(a.parties, p) }
	n.named = slices.DeleteFunc(clip(c.named), func(p party) bool { return !stays(p) })
	n.erased = union(c.erased, slices.DeleteFunc(append(clip(c.reserve), c.settle...), stays))
	return &n
}
