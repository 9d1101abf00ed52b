package orient

import (
	"context"
	"slices"

	"noren"
)

// Observe turns an event into the facts named in needs and reserves its
// counters. Facts of an entity the event does not have are zero (its age -1).
// needs may be the same slice every time: it is compiled once.
//
// An error means that needs names an unknown fact. What cannot be asked within
// ctx (the database, shared state, a source) makes the observation Degraded.
func (o *Orient) Observe(ctx context.Context, ev *noren.Event, needs []string) (Observation, error) {
	return o.ObserveSteps(ctx, ev, needs, nil)
}

// ObserveSteps is Observe for an event that is a step of sequences: seen says of
// which.
func (o *Orient) ObserveSteps(ctx context.Context, ev *noren.Event, needs []string, seen []noren.StepSeen) (Observation, error) {
	p, err := o.plan(needs)
	if err != nil {
		return Observation{}, err
	}
	w := work{ev: ev, at: ev.At.UnixMicro(), plan: p}
	o.parties(ev, &w)
	w.record, w.again, w.degraded = o.effect(ctx, ev, &w.parties)
	switch {
	case w.again:
		w.record.applied.Wait()
	case w.record != nil:
		o.apply(&w)
	}
	o.ask(ctx, &w)
	obs := Observation{Facts: make(noren.Facts, p.facts)}
	if err := o.read(ctx, &w, obs.Facts); err != nil {
		return Observation{}, err
	}
	o.addressFactsOf(&w, obs.Facts)
	o.readSources(ctx, &w, obs.Facts)
	steps := o.takeSteps(ctx, &w, seen, obs.Facts)
	obs.Degraded = w.degraded
	if w.record != nil && o.db != nil {
		obs.Rows = o.rows(&w)
	}
	obs.Rows = append(obs.Rows, steps...)
	return obs, nil
}

// work is one Observe under way.
type work struct {
	ev       *noren.Event
	at       int64
	plan     *plan
	parties  parties
	info     *AddressInfo
	record   *record
	again    bool    // it counted already
	rates    []int64 // of layout.requests, by index
	degraded bool
}

// apply reserves or settles the event in the states of its parties.
func (o *Orient) apply(w *work) {
	defer w.record.applied.Done()
	pins := 0
	if o.db != nil {
		pins = 1
	}
	o.carryOut(o.registry.begin(w.record), o.layout.Load(), w.at, func(party) int { return pins })
}

// carryOut applies a change under a layout.
func (o *Orient) carryOut(c *change, l *layout, now int64, pins func(party) int) {
	for _, p := range c.reserve {
		o.touch(p, l, func(st *state) {
			if !slices.Contains(c.erased, p) {
				st.reserve(c.group, c.m, now)
			}
			st.pins += pins(p)
		})
	}
	for _, p := range c.settle {
		o.touch(p, l, func(st *state) {
			if !slices.Contains(c.erased, p) {
				st.settle(c.group, c.m.settled(), now)
			}
			st.pins += pins(p)
		})
	}
}

// touch runs f on the state of p, made when there is none.
func (o *Orient) touch(p party, l *layout, f func(*state)) {
	s := o.cache.lock(p.key)
	defer s.mu.Unlock()
	if p.slot != slotUnknown {
		f(s.get(p, l))
	} else if st := s.states[p.key]; st != nil {
		f(st)
	}
}

// Committed tells that the rows of ev are committed: the entities it concerns
// may leave memory, because a load finds them. Call it once they are in the
// database, not while they wait in the spool or a queue. An event nobody tells
// of is taken for committed when 65,536 are waiting.
func (o *Orient) Committed(ev *noren.Event) {
	era := o.registry.era.Load()
	r, c := o.registry.release(o.eventKey(ev.Site, ev.ID), false)
	if r != nil {
		o.unpin(c, era)
	}
}

// unpinAll takes records for committed that nobody told of.
func (o *Orient) unpinAll(lost []*record, era int64) {
	for _, r := range lost {
		o.unpin(r.did.Load(), era)
	}
}

// unpin lets the states go that c pinned, which is committed since era.
func (o *Orient) unpin(c *change, era int64) {
	if o.db == nil {
		return
	}
	o.let(c.reserve, c, c.m, false, era)
	o.let(c.settle, c, c.m.settled(), true, era)
}

// let lets states go in which m is committed.
func (o *Orient) let(of []party, c *change, m mark, settled bool, era int64) {
	for _, p := range of {
		o.existing(p, func(st *state) {
			st.pins = max(st.pins-1, 0)
			st.commit(c.group, m, settled, o.shared)
			if c.doubt || o.registry.era.Load() != era {
				st.readAgain()
			}
		})
	}
}

// existing runs f on the state of p if there is one.
func (o *Orient) existing(p party, f func(*state)) {
	s := o.cache.lock(p.key)
	defer s.mu.Unlock()
	if st := s.states[p.key]; st != nil {
		f(st)
	}
}

// Cancel gives back what ev reserved or settled: its entry could not be
// recorded. Request rates keep it; the request did come.
func (o *Orient) Cancel(ev *noren.Event) {
	o.cancelSteps(ev)
	era := o.registry.era.Load()
	r, c := o.registry.release(o.eventKey(ev.Site, ev.ID), true)
	if r == nil {
		return
	}
	o.takeBack(c.reserve, c, c.m, itemCancel, 1, era)
	o.takeBack(c.settle, c, c.m.settled(), itemUnsettle, 1, era)
	if r.settles != nil {
		o.takeBack(o.registry.unsettle(r), c, c.m.settled(), itemUnsettle, 0, era)
	}
}

// takeBack takes a mark, or its success, from parties that c pinned so often.
func (o *Orient) takeBack(from []party, c *change, m mark, kind itemKind, pins int, era int64) {
	for _, p := range from {
		o.existing(p, func(st *state) {
			st.cancel(c.group, m, kind == itemUnsettle)
			st.pins = max(st.pins-pins, 0)
			if c.doubt || o.registry.era.Load() != era {
				st.readAgain()
			}
		})
		if o.shared {
			o.unsent.add(p, encodeItem(kind, c.group, m))
		}
	}
}
