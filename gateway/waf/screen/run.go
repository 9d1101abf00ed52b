package screen

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bounds of one request's work beyond the scan.
const (
	maxRuns    = 20_000 // values that rules outside the scan look at
	maxMatches = 64     // matches of one link
	maxGroups  = 9      // groups that the engine keeps
)

// run is what the rules do with one request. What a match of the scan cannot
// decide alone (chains, counts, variables set by rules) is run here as the
// engine would, in its order.
type run struct {
	*Screen
	req  *Request
	tx   map[string]txValue
	wild bool // a rule set a variable whose name is not known
	last match
	all  []Value // MATCHED_VARS
	lost bool    // a link of this rule may have matched or not, and all lacks what
	// captured are the groups of the last match; beyond them nothing is known.
	captured []string
	work     int
}

type txValue struct {
	value   string
	unknown bool
}

// match is a value that a link matched. unknown: it may have, and what it
// captured is not known.
type match struct {
	name, value string
	captured    []string
	unknown     bool
	doubt       bool // the engine may not have the value
}

// test asks the operator of one value, with all its transformations.
func (l *link) test(v string) bool {
	return slices.ContainsFunc(l.stages(v), func(s string) bool { return l.op.match(s) != l.neg })
}

// scannable reports whether a link depends on values of the request alone.
func (l *link) scannable() bool {
	if l.opaque || l.always || l.op == nil {
		return false
	}
	for _, src := range l.sources {
		if src.index < 0 || src.early || src.sel.count || src.class != steady && src.class != growing && src.class != replaced {
			return false
		}
	}
	return true
}

// rule reports whether r may match.
func (x *run) rule(r *rule) bool {
	x.all, x.last, x.lost, x.captured = nil, match{unknown: true}, false, nil
	return x.chain(r, 0)
}

// chain runs r from link i on.
func (x *run) chain(r *rule, i int) bool {
	l := r.links[i]
	found, ok := x.matches(l)
	switch {
	case !ok:
		return x.giveUp()
	case len(found) == 0:
		return false
	}
	rest := r.links[i+1:]
	if len(found) > 1 && len(rest) > 0 && dependent(rest) {
		// The engine takes the matches in any order, and the last one counts.
		if !r.marks || len(rest) > 1 || rest[0].args.runtime() {
			return x.giveUp()
		}
		saved, all := maps.Clone(x.tx), x.all
		for _, m := range found {
			x.apply(l, []match{m})
			hit := x.chain(r, i+1)
			x.tx, x.all = maps.Clone(saved), all // captures and last are set anew below
			if hit {
				return true
			}
		}
	}
	x.apply(l, found)
	if len(rest) == 0 {
		return true
	}
	return x.chain(r, i+1)
}

// giveUp says that a rule may match, and that what it set is not known.
func (x *run) giveUp() bool {
	x.wild = true
	return true
}

// dependent reports whether links look at what matches before them left.
func dependent(links []*link) bool {
	for _, l := range links {
		if l.args.runtime() {
			return true
		}
		for _, src := range l.sources {
			if src.class == matchedVar || src.class == txVar && (src.tx.runtime || src.sel.rx != nil || src.sel.key == "") {
				return true
			}
		}
	}
	return false
}

// matches are the values that l matches; ok is false if that is too much to
// tell.
func (x *run) matches(l *link) (found []match, ok bool) {
	if l.always {
		return []match{{}}, true
	}
	op := l.op
	if op == nil && !l.opaque {
		arg, known := x.expand(l.args)
		if !known {
			return []match{{unknown: true}}, true
		}
		op, _ = comparison(l.name, arg)
	}
	for i := range l.sources {
		src := &l.sources[i]
		values, known := x.values(src)
		if !known || l.opaque && len(values) > 0 {
			return []match{{unknown: true}}, true
		}
		for _, v := range values {
			if x.work++; x.work > maxRuns || len(found) > maxMatches {
				return nil, false
			}
			if len(l.steps) == 0 {
				if op.match(v.Value) != l.neg {
					found = append(found, l.match(src, v, v.Value, op))
				}
				continue
			}
			for _, s := range l.stages(v.Value) {
				if op.match(s) != l.neg {
					found = append(found, l.match(src, v, s, op))
				}
			}
		}
	}
	return found, true
}

// stages are the strings that the operator is asked of.
func (l *link) stages(v string) []string {
	out := []string{v}
	for _, f := range l.steps {
		t, changed := f(v)
		switch {
		case !l.multi:
			v, out[0] = t, t
		case changed:
			v = t
			out = append(out, t)
		}
	}
	return out
}

func (l *link) match(src *source, v Value, s string, op operator) match {
	m := match{name: src.sel.name, value: s, doubt: src.more}
	if v.Key != "" {
		m.name += ":" + v.Key
	}
	if d, ok := op.(*dfa); ok && l.capture && !l.neg {
		m.captured = d.submatches(s)
	}
	return m
}

// values are what a source has in this request. known is false if that cannot
// be told.
func (x *run) values(src *source) (out []Value, known bool) {
	switch src.class {
	case steady, growing, replaced:
		all := x.req.Late
		if src.early {
			all = x.req.Early
		}
		if src.sel.count {
			return counted(&src.sel, src.sel.among(all[src.index])), true
		}
		if src.sel.all() {
			return all[src.index], true
		}
		for _, v := range all[src.index] {
			if src.sel.wants(v.Key) {
				out = append(out, v)
			}
		}
		return out, true
	case emptyVar:
		return []Value{{src.sel.key, "0"}}, true
	case matchedVar:
		return []Value{{"", x.last.value}}, !x.last.unknown
	case matchedVars:
		return x.all, !x.lost
	case txVar:
		return x.txValues(src)
	}
	return nil, false
}

// counted is the one value of a variable that counts others.
func counted(sel *selector, n int) []Value { return []Value{{sel.key, strconv.Itoa(n)}} }

func (x *run) txValues(src *source) (out []Value, known bool) {
	if x.wild {
		return nil, false
	}
	if src.sel.rx != nil || src.sel.key == "" {
		out = append(out, src.base...)
		for name, v := range x.tx {
			if !src.sel.wants(name) {
				continue
			}
			if v.unknown {
				return nil, false
			}
			out = append(out, Value{name, v.value})
		}
		return out, true
	}
	v, set, known := x.read(&src.tx)
	switch {
	case !known:
		return nil, false
	case src.sel.count && set:
		return counted(&src.sel, 1), true
	case src.sel.count:
		return counted(&src.sel, 0), true
	case set:
		return []Value{{src.sel.key, v}}, true
	}
	return nil, true
}

func (x *run) read(r *txRead) (v string, set, known bool) {
	if r.group {
		if n := int(r.key[0] - '0'); n < len(x.captured) {
			return x.captured[n], true, true
		}
		return "", false, false
	}
	if now, ok := x.tx[r.key]; ok && r.runtime {
		return now.value, true, !now.unknown
	}
	return r.base.value, r.base.state == constant, r.base.state != unknown
}

// expand fills in a macro.
func (x *run) expand(m macro) (text string, known bool) {
	var b strings.Builder
	for _, p := range m {
		switch {
		case p.bad, (p.last || p.name) && x.last.unknown, p.tx != nil && x.wild:
			return "", false
		case p.last:
			b.WriteString(x.last.value)
		case p.name:
			b.WriteString(x.last.name)
		case p.header != "":
			v, known := x.header(p.header, p.text)
			if !known {
				return "", false
			}
			b.WriteString(v)
		case p.tx != nil:
			v, set, known := x.read(p.tx)
			if !known {
				return "", false
			}
			if !set {
				v = p.text
			}
			b.WriteString(v)
		default:
			b.WriteString(p.text)
		}
	}
	return b.String(), true
}

// header is a header's value; which of several is first is chance.
func (x *run) header(name, other string) (v string, known bool) {
	v, known = other, true
	for i, n := 0, 0; i < len(x.req.Late[x.headers]); i++ {
		if h := x.req.Late[x.headers][i]; strings.EqualFold(h.Key, name) {
			v, known = h.Value, n == 0
			n++
		}
	}
	return v, known
}

// apply does what a link does for each of its matches.
func (x *run) apply(l *link, found []match) {
	var set map[string]string // by this link, without arithmetic
	if len(l.sets) > 0 {
		set = map[string]string{}
	}
	for _, m := range found {
		x.last, x.lost = m, x.lost || m.unknown || m.doubt
		x.all = append(x.all, Value{m.name, m.value})
		if l.capture {
			x.captured = m.captured[:min(len(m.captured), maxGroups)]
		}
		for i := range l.sets {
			x.set(&l.sets[i], set, x.lost)
		}
	}
}

// set runs a setvar action. A variable that one link sets to several values is
// not known: which of them is last is chance. doubt: it may
// not be set at all.
func (x *run) set(s *setvar, before map[string]string, doubt bool) {
	key, known := x.expand(s.key)
	if !known {
		x.wild = true
		return
	}
	key = strings.ToLower(key)
	if x.tx == nil {
		x.tx = map[string]txValue{}
	}
	v, known := x.expand(s.value)
	if s.remove || !known || doubt {
		x.tx[key] = txValue{unknown: true}
		return
	}
	old, isSet := x.tx[key]
	_, plain := s.key.plain()
	if !isSet {
		old = txValue{s.base.value, s.base.state == unknown || !plain}
	}
	adds := v != "" && (v[0] == '+' || v[0] == '-')
	if adds && old.unknown {
		x.tx[key] = txValue{unknown: true}
		return
	}
	if was, again := before[key]; again && was != v && !adds {
		x.tx[key] = txValue{unknown: true}
		return
	}
	before[key] = v
	if now, ok := arithmetic(old.value, v); ok {
		x.tx[key] = txValue{value: now}
	} else {
		x.tx[key] = txValue{unknown: true}
	}
}
