package orient

import (
	"slices"
	"strings"
	"sync"

	"noren"
)

// plan is a list of needed facts, compiled: where each is read from.
type plan struct {
	needs    []string
	layout   *layout
	slots    []slotPlan
	requests []int // indexes of layout.requests, for peeking
	address  []string
	sources  []int // which sources are asked
	sourced  []string
	// sequences are the facts of sequences.
	sequences []string
	facts     int
}

// slotPlan are the outputs of one entity.
type slotPlan struct {
	slot    slot
	outputs []output
}

// output is one fact of an entity.
type output struct {
	name   string
	seen   bool // first_seen_days
	group  group
	field  field
	dim    dim
	window int  // index of windows or longs
	long   bool // over whole hours
}

// plans remembers compiled plans by the slice they came from: policies ask
// with the same slice every time.
type plans struct {
	mu     sync.RWMutex
	byNeed map[planKey]*plan
}

type planKey struct {
	first *string
	n     int
}

const maxPlans = 512

func (p *plans) get(needs []string) *plan {
	p.mu.RLock()
	defer p.mu.RUnlock()
	found := p.byNeed[keyOfNeeds(needs)]
	if found == nil || !slices.Equal(found.needs, needs) {
		return nil
	}
	return found
}

func (p *plans) put(needs []string, made *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byNeed == nil || len(p.byNeed) >= maxPlans {
		p.byNeed = make(map[planKey]*plan)
	}
	p.byNeed[keyOfNeeds(needs)] = made
}

func keyOfNeeds(needs []string) planKey {
	if len(needs) == 0 {
		return planKey{}
	}
	return planKey{&needs[0], len(needs)}
}

// plan returns the plan for needs under the present layout.
func (o *Orient) plan(needs []string) (*plan, error) {
	if p := o.plans.get(needs); p != nil && p.layout == o.layout.Load() {
		return p, nil
	}
	l, err := o.extend(needs)
	if err != nil {
		return nil, err
	}
	p, err := o.compile(needs, l)
	if err != nil {
		return nil, err
	}
	o.plans.put(needs, p)
	return p, nil
}

func (o *Orient) compile(needs []string, l *layout) (*plan, error) {
	p := &plan{needs: slices.Clone(needs), layout: l}
	for _, name := range p.needs {
		f, err := o.catalogue.Lookup(name)
		if err != nil {
			return nil, err
		}
		if f.Read != nil {
			continue // read from the event by whoever asks
		}
		p.facts++
		if err := o.place(p, name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// place puts one fact into p.
func (o *Orient) place(p *plan, name string) error {
	if i, ok := o.sourceOf[name]; ok {
		p.sourced = append(p.sourced, name)
		if !slices.Contains(p.sources, i) {
			p.sources = append(p.sources, i)
		}
		return nil
	}
	if strings.HasPrefix(name, sequencePrefix) {
		p.sequences = append(p.sequences, name)
		return nil
	}
	if o.addressFact[name] {
		p.address = append(p.address, name)
		return nil
	}
	if s, ok := o.parser.seen(name); ok {
		p.output(s, output{name: name, seen: true})
		return nil
	}
	c, ok, err := o.parser.counter(name)
	if err != nil || !ok {
		return noren.Errorf(noren.Internal, "fact %q is in the catalogue and nobody computes it", name)
	}
	if c.measure.group == groupRequest {
		i := slices.IndexFunc(p.layout.requests, func(r requestSpec) bool { return r.name == name })
		p.requests = append(p.requests, i)
		return nil
	}
	out := output{name: name, group: c.measure.group, field: c.measure.field, dim: c.measure.dim, long: c.long(o.db != nil)}
	sl, span := &p.layout.slots[c.slot], c.window.Microseconds()
	if out.long {
		out.window = slices.Index(sl.longs[out.group], span)
	} else {
		out.window = slices.IndexFunc(sl.windows[out.group], func(w windowSpec) bool { return w.span == span })
	}
	p.output(c.slot, out)
	return nil
}

func (p *plan) output(s slot, out output) {
	for i := range p.slots {
		if p.slots[i].slot == s {
			p.slots[i].outputs = append(p.slots[i].outputs, out)
			return
		}
	}
	p.slots = append(p.slots, slotPlan{s, []output{out}})
}
