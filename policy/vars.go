package policy

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"noren"
)

// vars gives the facts of one event to conditions. Each fact is read once,
// when a condition first asks for it. A vars is reused for the next event.
type vars struct {
	set    *Set
	ev     *noren.Event
	facts  noren.Facts
	told   []told    // by place in set.facts
	values []ref.Val // the same for CEL; nil: not asked for yet
}

// told is what a fact was when it was read.
type told struct {
	value any
	read  bool
}

func newVars(s *Set) *vars {
	return &vars{set: s, told: make([]told, len(s.facts)), values: make([]ref.Val, len(s.facts))}
}

func (s *Set) takeVars(ev *noren.Event, facts noren.Facts) *vars {
	v := s.vars.Get().(*vars)
	v.ev, v.facts = ev, facts
	return v
}

func (s *Set) giveBack(v *vars) {
	v.ev, v.facts = nil, nil
	clear(v.told)
	clear(v.values) // hold no visitor's data
	s.vars.Put(v)
}

// ResolveName implements cel.Activation.
func (v *vars) ResolveName(name string) (any, bool) {
	i, ok := v.set.index[name]
	if !ok {
		return nil, false
	}
	if v.values[i] == nil {
		v.values[i] = celValue(&v.set.facts[i], v.fact(i))
	}
	return v.values[i], true
}

// Parent implements cel.Activation.
func (v *vars) Parent() interpreter.Activation { return nil }

// fact is the value of fact i, nil for one that is not known.
func (v *vars) fact(i int) any {
	t := &v.told[i]
	if !t.read {
		f := &v.set.facts[i]
		t.read = true
		if f.Read != nil {
			t.value = f.Read(v.ev)
		} else {
			t.value = v.facts[f.Name]
		}
	}
	return t.value
}

// celValue makes a fact's value CEL's; nil is a fact that is not known.
func celValue(f *noren.Fact, value any) ref.Val {
	if value == nil {
		value = f.Type.Zero()
	}
	switch value := value.(type) {
	case bool:
		if f.Type == noren.Bool {
			return types.Bool(value)
		}
	case int64:
		if f.Type == noren.Int {
			return types.Int(value)
		}
	case float64:
		if f.Type == noren.Float {
			return types.Double(value)
		}
	case string:
		if f.Type == noren.Str {
			return types.String(value)
		}
	case []string:
		if f.Type == noren.List {
			return types.NewStringList(types.DefaultTypeAdapter, value)
		}
	}
	return types.NewErr("fact %s has a value of type %T, not %s", f.Name, value, f.Type)
}
