package orient

// readAgain makes the records of committed events bare: who is named in them is
// looked up. The others are in doubt, because rows may be committed that nobody
// told of yet: once they are told of, their entities are read again.
func (g *registry) readAgain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.era.Add(1)
	for i, r := range g.queue[g.head:] {
		if g.byID[r.id] != r || r.bare {
			continue
		}
		r.inDoubt()
		if r.pending == 0 {
			g.queue[g.head+i] = g.empty(r)
		}
	}
}

// inDoubt marks r and the attempt that it settles, which others may settle just
// now.
func (r *record) inDoubt() {
	r.doubt, r.of().doubt = true, true
	c := *r.did.Load()
	c.doubt = true
	r.did.Store(&c)
}

// empty puts a record in the place of r that only knows that the event was there.
// What outcomes still to be committed settle is kept for those that follow them.
func (g *registry) empty(r *record) *record {
	b := r.only()
	b.ref, b.group, b.outcome = r.ref, r.group, r.outcome
	if r.settles != nil {
		b.settles = r.settles.only()
	}
	if r.waiting > 0 {
		b.whole = r
	}
	b.did.Store(&change{group: b.group, m: b.m})
	g.byID[b.id] = b
	if g.byRef[r.ref] == r {
		g.byRef[r.ref] = b
	}
	return b
}

// only is the id and time of a committed event.
func (r *record) only() *record {
	return &record{id: r.id, m: mark{at: r.m.at, id: r.m.id}, durable: true, bare: true}
}

// ended notes that nobody waits for r any more.
func (g *registry) ended(r *record) {
	a := r.settles
	if a == nil {
		return
	}
	a.waiting--
	if b := g.byID[a.id]; b != nil && b.whole == a && a.waiting == 0 {
		b.whole = nil
	}
}

// refill makes a bare record's attempt what was found of it, and what the outcomes
// add that are still to be committed.
func (g *registry) refill(bare, found *record) *record {
	a := bare.whole
	if a == nil {
		return found
	}
	a.parties, a.m.parties, a.m.ok, a.doubt = found.parties, found.m.parties, a.m.ok || found.m.ok, false
	for _, r := range g.byID {
		if r.pending > 0 && r.settles == a {
			a.parties = union(a.parties, r.parties)
		}
	}
	a.ref = found.ref
	return a
}
