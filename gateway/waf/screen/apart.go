package screen

import (
	"regexp"
	"slices"
	"strings"
)

// apart finds the rules whose outcome depends on the values of one remembered
// variable and on nothing else: chains that note each value in TX variables of
// their own and look at those (920450, which header names are forbidden, is the
// dear one). What they made of the same values before need not be worked out
// again. It sets rule.apart to the index of the variable.
func (s *Screen) apart() {
	for _, r := range s.rules {
		r.apart = -1
		head := r.links[0]
		if len(r.links) < 2 || head.opaque || len(head.sources) == 0 || head.args.runtime() {
			continue
		}
		at := head.sources[0].index
		whole := !slices.ContainsFunc(head.sources, func(src source) bool {
			return src.class != steady || src.index != at || src.early
		})
		if whole && s.keep[at] == always && at != s.headers && s.keepsToItself(r) {
			r.apart = at
		}
	}
}

// keepsToItself reports whether what r sets is read by r alone, and what its
// later links read is set by r alone.
func (s *Screen) keepsToItself(r *rule) bool {
	for i, l := range r.links {
		if l.opaque || l.always || l.unsure || !fixed(l.args) {
			return false
		}
		for _, set := range l.sets {
			if p := strings.ToLower(set.key.prefix()); p == "" || set.remove || !fixed(set.key) || !fixed(set.value) || s.touchedByOthers(r, p) {
				return false
			}
		}
		for k := range l.sources {
			if p := l.sources[k].prefix(); i > 0 && (p == "" || s.touchedByOthers(r, p)) {
				return false
			}
		}
	}
	return true
}

// fixed reports whether a macro depends on nothing but the last match with its
// groups (a rule begins without any) and on what is the same for every request.
func fixed(m macro) bool {
	return !slices.ContainsFunc(m, func(p part) bool {
		return p.bad || p.header != "" || p.tx != nil && !p.tx.group && (p.tx.runtime || p.tx.base.state == unknown)
	})
}

// prefix is what the TX variables begin with that a source reads; "" if that
// cannot be told.
func (src *source) prefix() string {
	if src.class != txVar || src.sel.rx == nil || len(src.base) > 0 {
		return ""
	}
	p, anchored := strings.CutPrefix(src.sel.rx.String(), "^")
	if !anchored || regexp.QuoteMeta(p) != p {
		return ""
	}
	return strings.ToLower(p)
}

// touchedByOthers reports whether a rule besides r may read or set TX variables
// that begin with p.
func (s *Screen) touchedByOthers(r *rule, p string) bool {
	near := func(q string) bool { return strings.HasPrefix(p, q) || strings.HasPrefix(q, p) }
	for _, other := range s.rules {
		if other == r {
			continue
		}
		for _, l := range other.links {
			if slices.ContainsFunc(l.sets, func(set setvar) bool { return near(strings.ToLower(set.key.prefix())) }) {
				return true
			}
			for k := range l.sources {
				src := &l.sources[k]
				if src.class != txVar {
					continue
				}
				name := src.prefix()
				if name == "" {
					name = src.sel.key
				}
				if name == "" {
					continue // see seenByOthers
				}
				if near(name) {
					return true
				}
			}
		}
	}
	return false
}

// seenByOthers reports whether a rule that reads TX variables by a pattern may
// read one of those that r has set. What r made of these values is then not
// remembered: somebody may send a header of such a name.
func (s *Screen) seenByOthers(r *rule, tx map[string]txValue) bool {
	for _, other := range s.rules {
		if other == r {
			continue
		}
		for _, l := range other.links {
			for k := range l.sources {
				src := &l.sources[k]
				if src.class != txVar || src.sel.key != "" || src.prefix() != "" {
					continue
				}
				for name := range tx {
					if src.sel.wants(name) {
						return true
					}
				}
			}
		}
	}
	return false
}

// apartKey is the hash of a rule with all values of its variable, whatever
// their order.
func (s *Screen) apartKey(r *rule, values []Value) (k memoKey) {
	for _, v := range values {
		h := s.memo.key(-r.id, v)
		k.a, k.b = k.a+h.a, k.b+h.b
	}
	return k
}
