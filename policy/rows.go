package policy

import (
	"fmt"
	"maps"
	"slices"

	"noren"
)

// runRows evaluates the test rows of a condition.
func (l *loader) runRows(p *parsed, r *rule) {
	set := rowSet(p.names, l.compiler.facts)
	for i, row := range p.policy.Tests {
		if i == MaxRows {
			return // reported
		}
		v := newVars(set)
		if !l.fillRow(p, v, i, row) || row.Fires == nil {
			continue
		}
		fired, err := r.fires(v)
		l.ran(p, i, row, err == nil && fired == *row.Fires)
		switch {
		case err != nil:
			p.fault(noren.Textf("%sを計算できません: %s", "%s cannot be evaluated: %s", rowName(i, row), evalText(err)), "tests", i)
		case fired && !*row.Fires:
			p.fault(noren.Textf("%sは「当てはまらない」はずですが、条件は当てはまりました", "%s must not fire, but the condition is true", rowName(i, row)), "tests", i)
		case !fired && *row.Fires:
			p.fault(noren.Textf("%sは「当てはまる」はずですが、条件は当てはまりませんでした", "%s must fire, but the condition is false", rowName(i, row)), "tests", i)
		}
	}
}

func rowName(i int, row Row) noren.Text {
	if row.Name == "" {
		return noren.Textf("試し書きの %d 行目", "test row %d", i+1)
	}
	return noren.Textf("試し書き %q ", "test row %q", clip(row.Name))
}

func rowTitle(i int, row Row) string {
	if row.Name == "" {
		return fmt.Sprint(i + 1)
	}
	return row.Name
}

// rowSet knows the facts of one condition as if all were computed, so that a
// row gives those of the event like any other.
func rowSet(names []string, facts map[string]noren.Fact) *Set {
	s := &Set{index: make(map[string]int, len(names))}
	for i, n := range names {
		f := facts[n]
		f.Name, f.Read = n, nil
		s.facts = append(s.facts, f)
		s.index[n] = i
	}
	return s
}

// fillRow puts a row's facts where the condition finds them.
func (l *loader) fillRow(p *parsed, v *vars, i int, row Row) bool {
	ok := true
	for _, name := range slices.Sorted(maps.Keys(row.Facts)) {
		if msg := l.rowFact(v, name, row.Facts[name]); msg.En != "" {
			p.fault(msg, "tests", i, "facts", name)
			ok = false
		}
	}
	return ok
}

func (l *loader) rowFact(v *vars, name string, value any) noren.Text {
	place, used := v.set.index[name]
	if !used {
		if _, err := l.cat.Lookup(name); err != nil {
			return noren.Textf("%v", "%v", err)
		}
		return noren.Textf("条件は %s を見ていません", "the condition does not ask for %s", name)
	}
	f := &v.set.facts[place]
	typed, ok := factValue(f.Type, value)
	if !ok {
		return noren.Textf("%s には%sを書きます", "%s is of type %s", name, typeWords(f.Type))
	}
	v.values[place] = celValue(f, typed)
	return noren.Text{}
}

// factValue makes a value read from YAML one of the fact's type.
func factValue(t noren.FactType, value any) (any, bool) {
	switch value := value.(type) {
	case nil:
		return t.Zero(), true
	case bool:
		return value, t == noren.Bool
	case int64:
		if t == noren.Float {
			return float64(value), true
		}
		return value, t == noren.Int
	case float64:
		return value, t == noren.Float
	case string:
		return value, t == noren.Str
	case []any:
		list, ok := texts(value)
		return list, ok && t == noren.List
	}
	return nil, false
}

func texts(values []any) ([]string, bool) {
	out := make([]string, len(values))
	for i, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}
