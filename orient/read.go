package orient

import (
	"context"

	"noren"
)

// read takes the counted facts of the plan, loading what is not in memory.
func (o *Orient) read(ctx context.Context, w *work, facts noren.Facts) error {
	for i := range w.plan.slots {
		switch o.readSlot(ctx, w, &w.plan.slots[i], facts) {
		case readStale:
			p, err := o.plan(w.plan.needs)
			if err != nil {
				return err
			}
			clear(facts)
			w.plan = p
			return o.read(ctx, w, facts)
		case readPartly:
			w.degraded = true
		}
	}
	for i, spec := range w.plan.requests {
		facts[w.plan.layout.requests[spec].name] = w.rates[i]
	}
	return nil
}

type readResult uint8

const (
	readAll    readResult = iota
	readPartly            // from what is in memory; the rest could not be loaded
	readStale             // the policies changed under the plan
)

// maxTries bounds how often one event loads one entity: what was loaded may be
// trimmed again by others before it is read.
const maxTries = 4

// readSlot takes the facts of one entity.
func (o *Orient) readSlot(ctx context.Context, w *work, sp *slotPlan, facts noren.Facts) readResult {
	p := party{sp.slot, w.parties.of(sp.slot)}
	if p.key == 0 {
		for i := range sp.outputs {
			facts[sp.outputs[i].name] = sp.outputs[i].nobody()
		}
		return readAll
	}
	once := false
	for tries := 0; tries < maxTries; tries++ {
		l, res := o.tryRead(w, p, sp, facts, once)
		if l == nil {
			return res
		}
		select {
		case <-l.done:
			if l.err != nil {
				return readPartly
			}
			once = l.gone
			if l.late {
				tries--
			}
		case <-ctx.Done():
			return readPartly
		}
	}
	return readPartly
}

// tryRead fills facts with what is in memory. When something is missing it
// returns the load that brings it, but once takes what was just loaded.
func (o *Orient) tryRead(w *work, p party, sp *slotPlan, facts noren.Facts, once bool) (*load, readResult) {
	s := o.cache.lock(p.key)
	defer s.mu.Unlock()
	st := s.get(p, w.plan.layout)
	if st.layout != w.plan.layout {
		return nil, readStale
	}
	want := wanted{party: p, site: w.parties.of(slotSite), at: w.at, layout: st.layout, all: !st.ready(w.at)}
	for i := range sp.outputs {
		out := &sp.outputs[i]
		v, missing, ok := st.read(out, w.at, w.record.own())
		if !ok {
			want.edges = append(want.edges, hourOfGroup{out.group, missing})
			v = sums{}.value(out.field)
		}
		facts[out.name] = v
	}
	if !once && (want.all || len(want.edges) > 0) {
		return o.start(st, want), readPartly
	}
	return nil, readAll
}

// nobody is the value of a fact of an entity that the event does not have.
func (out *output) nobody() any {
	if out.seen {
		return int64(-1)
	}
	if out.field == fieldDistinct {
		return int64(0)
	}
	return sums{}.value(out.field)
}

// readSources asks the parts that know needed facts.
func (o *Orient) readSources(ctx context.Context, w *work, facts noren.Facts) {
	if len(w.plan.sources) == 0 {
		return
	}
	told := noren.Facts{}
	for _, i := range w.plan.sources {
		if err := o.sources[i].Read(ctx, w.ev, told); err != nil {
			o.log.Warn("a source of facts failed", "err", err)
			w.degraded = true
		}
	}
	for _, name := range w.plan.sourced {
		if v, ok := told[name]; ok {
			facts[name] = v
		}
	}
}
