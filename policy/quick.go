package policy

import (
	"cmp"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"noren"
)

// Nearly every condition is false for nearly every request, and its first
// comparison says so. quick finds that out before CEL is asked: it understands
// comparisons of a fact with a constant and and, or and not of them, and says "not
// known" to everything else. By CEL's logic false && x is false and true || x is
// true whatever x is, an error included, so what quick knows is what CEL would
// say (FuzzQuickAgrees).

// known is a truth value that may be open.
type known int8

const (
	open known = iota
	no
	yes
)

func knownOf(b bool) known {
	if b {
		return yes
	}
	return no
}

// quick is what is known of a condition; nil: nothing.
type quick func(*vars) known

func (q quick) of(v *vars) known {
	if q == nil {
		return open
	}
	return q(v)
}

// quickOf compiles what is understood of e.
func quickOf(e ast.Expr, s *Set) quick {
	if f, ok := factIn(e, s); ok && f.Type == noren.Bool {
		return func(v *vars) known { return truth(f, v) }
	}
	if e.Kind() != ast.CallKind || e.AsCall().IsMemberFunction() {
		return nil
	}
	c := e.AsCall()
	switch args := c.Args(); {
	case c.FunctionName() == operators.LogicalAnd && len(args) == 2:
		return either(quickOf(args[0], s), quickOf(args[1], s), no)
	case c.FunctionName() == operators.LogicalOr && len(args) == 2:
		return either(quickOf(args[0], s), quickOf(args[1], s), yes)
	case c.FunctionName() == operators.LogicalNot && len(args) == 1:
		return opposite(quickOf(args[0], s))
	case len(args) == 2:
		return comparison(c.FunctionName(), args[0], args[1], s)
	}
	return nil
}

// either is && (decided by a no) or || (decided by a yes).
func either(a, b quick, by known) quick {
	if a == nil && b == nil {
		return nil
	}
	return func(v *vars) known {
		x := a.of(v)
		if x == by {
			return by
		}
		if y := b.of(v); y == by || x != open {
			return y
		}
		return open
	}
}

func opposite(a quick) quick {
	if a == nil {
		return nil
	}
	return func(v *vars) known {
		switch a(v) {
		case no:
			return yes
		case yes:
			return no
		}
		return open
	}
}

// comparison understands fact op constant and fact in [constants].
func comparison(op string, left, right ast.Expr, s *Set) quick {
	f, ok := factIn(left, s)
	if !ok {
		return nil
	}
	if op == operators.In {
		return oneOf(f, right)
	}
	holds := ordering(op)
	if holds == nil || right.Kind() != ast.LiteralKind {
		return nil
	}
	switch want := right.AsLiteral().Value().(type) {
	case int64:
		return compare(f, noren.Int, want, holds)
	case string:
		return compare(f, noren.Str, want, holds)
	}
	return nil
}

// ordering says which results of cmp.Compare make op true; nil for another op.
func ordering(op string) func(int) bool {
	switch op {
	case operators.Equals:
		return func(c int) bool { return c == 0 }
	case operators.NotEquals:
		return func(c int) bool { return c != 0 }
	case operators.Less:
		return func(c int) bool { return c < 0 }
	case operators.LessEquals:
		return func(c int) bool { return c <= 0 }
	case operators.Greater:
		return func(c int) bool { return c > 0 }
	case operators.GreaterEquals:
		return func(c int) bool { return c >= 0 }
	}
	return nil
}

func compare[T cmp.Ordered](f place, of noren.FactType, want T, holds func(int) bool) quick {
	if f.Type != of {
		return nil
	}
	return func(v *vars) known {
		have, ok := valueOf[T](f, v)
		if !ok {
			return open
		}
		return knownOf(holds(cmp.Compare(have, want)))
	}
}

func oneOf(f place, list ast.Expr) quick {
	if f.Type != noren.Str || list.Kind() != ast.ListKind {
		return nil
	}
	var want []string
	for _, e := range list.AsList().Elements() {
		if e.Kind() != ast.LiteralKind {
			return nil
		}
		s, ok := e.AsLiteral().Value().(string)
		if !ok {
			return nil
		}
		want = append(want, s)
	}
	return func(v *vars) known {
		have, ok := valueOf[string](f, v)
		if !ok {
			return open
		}
		return knownOf(slices.Contains(want, have))
	}
}

func truth(f place, v *vars) known {
	have, ok := valueOf[bool](f, v)
	if !ok {
		return open
	}
	return knownOf(have)
}

// place is a fact of the set.
type place struct {
	noren.Fact
	i int
}

// valueOf reads a fact; ok is false for one that has another type than it says,
// which is an error of the condition and CEL's to report.
func valueOf[T any](f place, v *vars) (value T, ok bool) {
	have := v.fact(f.i)
	if have == nil {
		return value, true // not known: the zero value of its type
	}
	value, ok = have.(T)
	return value, ok
}

// factIn is the fact that e names.
func factIn(e ast.Expr, s *Set) (place, bool) {
	_, name, ok := dotted(e)
	if !ok {
		return place{}, false
	}
	i, ok := s.index[name]
	if !ok {
		return place{}, false
	}
	return place{s.facts[i], i}, true
}
