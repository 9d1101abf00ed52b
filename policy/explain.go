package policy

import (
	"slices"

	"noren"
)

// Explanation says what one policy made of an event.
type Explanation struct {
	Info
	Fired bool `json:"fired"`
	// Err says why the condition could not be evaluated. Unlike a decision's
	// Fault it may repeat values of the event.
	Err string `json:"err,omitempty"`
	// Values are those of Info.Facts, in order, and what a ban looks at.
	Values []FactValue `json:"values"`
}

// FactValue is a fact as a condition saw it.
type FactValue struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// Explain says for every policy of ev's kind and zone, those that are off
// included, whether its condition holds and with which values.
func (s *Set) Explain(ev *noren.Event, facts noren.Facts) []Explanation {
	v := newVars(s)
	v.ev, v.facts = ev, facts
	var out []Explanation
	for _, r := range s.rules {
		if !r.applies(ev.Kind, ev.Zone) {
			continue
		}
		e := Explanation{Info: r.Info, Values: s.valuesOf(append(slices.Clone(r.Facts), r.Ban.facts()...), ev, facts)}
		fired, err := r.fires(v)
		if err != nil {
			e.Err = firstLine(err.Error())
		}
		e.Fired = fired
		out = append(out, e)
	}
	return out
}

func (s *Set) valuesOf(names []string, ev *noren.Event, facts noren.Facts) []FactValue {
	out := make([]FactValue, len(names))
	for i, n := range names {
		f := s.facts[s.index[n]]
		var value any
		if f.Read != nil {
			value = f.Read(ev)
		} else {
			value = facts[n]
		}
		if value == nil {
			value = f.Type.Zero()
		}
		out[i] = FactValue{n, value}
	}
	return out
}
