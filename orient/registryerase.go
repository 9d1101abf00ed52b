package orient

import "slices"

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
	waiting := g.waitingNames()
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

// waitingNames are whom events still to be committed named, by attempt.
func (g *registry) waitingNames() map[*record][]party {
	out := map[*record][]party{}
	for _, r := range g.byID {
		if r.pending > 0 {
			out[r.of()] = append(out[r.of()], r.did.Load().named...)
		}
	}
	return out
}

// strip takes a person out of an attempt, but for whom events still to be
// committed named. It reports whether it was theirs.
func (r *record) strip(e *erasure, waiting []party) bool {
	gone := func(p party) bool { return e.goes(p) && !slices.Contains(waiting, p) }
	if r.m.at > e.upTo || !slices.ContainsFunc(r.parties, func(p party) bool { return p.key == e.who.key && gone(p) }) {
		return false
	}
	r.parties = slices.DeleteFunc(clip(r.parties), gone)
	if r.pending == 0 {
		r.m.blank(e.who.key)
	}
	return true
}

// without is c when its attempt a is no longer the person's.
func (c *change) without(e *erasure, a *record) *change {
	n := *c
	n.m.parties = a.m.parties
	n.erased = slices.DeleteFunc(clip(c.settle), func(p party) bool { return !e.goes(p) || slices.Contains(a.parties, p) })
	n.erased = union(c.erased, n.erased)
	return &n
}
