package screen

import (
	"cmp"
	"math"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// clause is a set of lower-case literals one of which must be in a string for a
// pattern to match it. ASCII letters are compared without case.
type clause []string

// Bounds of what is kept of a pattern.
const (
	maxExact   = 48  // strings of a part that is a small finite set
	maxLits    = 400 // literals of one clause
	maxClauses = 3   // clauses of one pattern
	// tooCommon is how likely a clause may be in ordinary text before it is not
	// worth looking for.
	tooCommon = 0.05
)

// required returns clauses that every string p matches has literals of: all
// of them must be met. None means that nothing is known.
func required(re *syntax.Regexp, bytewise bool) []clause {
	l := literals{bytewise}
	in := l.of(re)
	all := in.clauses
	if in.exact != nil {
		all = l.keep(all, in.exact)
	}
	slices.SortFunc(all, func(a, b clause) int { return cmp.Compare(a.cost(), b.cost()) })
	return all[:min(len(all), maxClauses)]
}

// facts are what is known of the strings a part of a pattern matches: the
// finite set itself, or clauses.
type facts struct {
	exact   map[string]struct{} // nil: not a small finite set
	clauses []clause
}

type literals struct{ bytewise bool }

func set(s ...string) map[string]struct{} {
	m := make(map[string]struct{}, len(s))
	for _, v := range s {
		m[v] = struct{}{}
	}
	return m
}

func (l literals) of(re *syntax.Regexp) facts {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return facts{exact: set("")}
	case syntax.OpLiteral:
		return l.literal(re)
	case syntax.OpCharClass:
		return l.class(re)
	case syntax.OpCapture:
		return l.of(re.Sub[0])
	case syntax.OpQuest:
		if s := l.of(re.Sub[0]); s.exact != nil && len(s.exact) < 8 {
			m := set("")
			for k := range s.exact {
				m[k] = struct{}{}
			}
			return facts{exact: m}
		}
	case syntax.OpPlus, syntax.OpRepeat:
		if re.Op == syntax.OpRepeat && re.Min == 0 {
			return facts{}
		}
		s := l.of(re.Sub[0])
		return facts{clauses: l.keep(s.clauses, s.exact)}
	case syntax.OpConcat:
		return l.concat(re.Sub)
	case syntax.OpAlternate:
		return l.alternate(re.Sub)
	}
	return facts{}
}

// fold writes r as the scan sees it; ok is false for what it cannot see: a
// character that matches several, or bytes that are not UTF-8.
func (l literals) fold(r rune, foldCase bool) (s string, ok bool) {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return string(r), true
	case l.bytewise || foldCase || r == utf8.RuneError:
		return "", false
	}
	return string(r), true
}

func (l literals) literal(re *syntax.Regexp) facts {
	var b strings.Builder
	for _, r := range re.Rune {
		s, ok := l.fold(r, re.Flags&syntax.FoldCase != 0)
		if !ok {
			return facts{}
		}
		b.WriteString(s)
	}
	return facts{exact: set(b.String())}
}

func (l literals) class(re *syntax.Regexp) facts {
	n := 0
	for i := 0; i < len(re.Rune); i += 2 {
		if n += int(re.Rune[i+1]-re.Rune[i]) + 1; n > 24 {
			return facts{}
		}
	}
	m := map[string]struct{}{}
	for i := 0; i < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			if r == longS || r == kelvin { // a string with them passes every filter
				continue
			}
			s, ok := l.fold(r, false)
			if !ok {
				return facts{}
			}
			m[s] = struct{}{}
		}
	}
	if len(m) == 0 || len(m) > 16 {
		return facts{}
	}
	return facts{exact: m}
}

// The two characters outside ASCII that match ASCII letters without case.
const (
	longS  = 'ſ'
	kelvin = '\u212a'
)

func (l literals) concat(subs []*syntax.Regexp) facts {
	cur, whole := set(""), true
	var out []clause
	flush := func() {
		out, cur, whole = l.keep(out, cur), set(""), false
	}
	for _, sub := range subs {
		s := l.of(sub)
		out = append(out, s.clauses...)
		switch {
		case s.exact == nil:
			flush()
		case len(cur)*len(s.exact) <= maxExact:
			next := make(map[string]struct{}, len(cur)*len(s.exact))
			for a := range cur {
				for b := range s.exact {
					next[a+b] = struct{}{}
				}
			}
			cur = next
		case len(s.exact) <= maxExact:
			flush()
			cur = s.exact
		default:
			flush()
			out = l.keep(out, s.exact)
		}
	}
	if whole {
		return facts{exact: cur, clauses: out}
	}
	out = l.keep(out, cur)
	slices.SortFunc(out, func(a, b clause) int { return cmp.Compare(a.cost(), b.cost()) })
	return facts{clauses: out[:min(len(out), maxClauses+1)]}
}

func (l literals) alternate(subs []*syntax.Regexp) facts {
	parts, finite, exact := make([]facts, len(subs)), true, map[string]struct{}{}
	for i, sub := range subs {
		parts[i] = l.of(sub)
		finite = finite && parts[i].exact != nil
		for k := range parts[i].exact {
			exact[k] = struct{}{}
		}
	}
	if finite && len(exact) <= 300 {
		return facts{exact: exact}
	}
	union := map[string]struct{}{}
	for _, p := range parts {
		all := l.keep(slices.Clone(p.clauses), p.exact)
		if len(all) == 0 {
			return facts{}
		}
		best := slices.MinFunc(all, func(a, b clause) int { return cmp.Compare(a.cost(), b.cost()) })
		for _, s := range best {
			union[s] = struct{}{}
		}
	}
	return facts{clauses: l.keep(nil, union)}
}

// keep adds a finite set to the clauses, if it says anything.
func (l literals) keep(all []clause, exact map[string]struct{}) []clause {
	if _, empty := exact[""]; empty || len(exact) == 0 {
		return all
	}
	c := make(clause, 0, len(exact))
	for k := range exact {
		c = append(c, k)
	}
	slices.Sort(c)
	short := slices.DeleteFunc(slices.Clone(c), func(a string) bool { // the shorter one says as much
		return slices.ContainsFunc(c, func(b string) bool { return len(b) < len(a) && strings.Contains(a, b) })
	})
	if len(short) > maxLits || short.cost() > tooCommon {
		return all
	}
	return append(all, short)
}

// cost is about how likely a literal of c is at a place in ordinary text.
func (c clause) cost() float64 {
	total := 0.0
	for _, s := range c {
		if s == "" {
			return math.Inf(1)
		}
		p := 1.0
		for i := range len(s) {
			p *= commonness(s[i])
		}
		total += p
	}
	return total
}

func commonness(b byte) float64 {
	switch {
	case strings.IndexByte("etaoinsrhl", b) >= 0:
		return 0.06
	case strings.IndexByte("jqxzvkw", b) >= 0:
		return 0.012
	case b >= 'a' && b <= 'z':
		return 0.03
	case b >= '0' && b <= '9':
		return 0.05
	case b >= utf8.RuneSelf || strings.IndexByte(" ./-_%=&;:,", b) >= 0:
		return 0.02
	case strings.IndexByte(`()?+@"`, b) >= 0:
		return 0.006
	}
	return 0.0008
}
