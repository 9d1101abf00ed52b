package screen

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Screen is a compiled set of rules. It is safe for concurrent use.
type Screen struct {
	rules   []*rule
	tree    *tree
	auto    *automaton
	words   int     // of a set of clauses
	plans   []plans // by variable
	vars    []string
	early   []string
	engine  []string
	ids     []int
	headers int        // the index of REQUEST_HEADERS
	keep    []memoized // by variable: which values may be remembered
	memo    *memo
	keys    *keys
	pool    sync.Pool
}

// Request holds the values of a request: by the order of Vars and EarlyVars.
type Request struct {
	Late, Early [][]Value
	Private     bool // its fields may hold what a form or a cookie held; see remembered
}

// anyFold is the clause of characters outside ASCII that match ASCII letters
// without case. A string that has one passes every filter.
const anyFold = 0

// New compiles rules: directives in the SecRule language, whose files are read
// from root, with the regular expressions of patterns. given are the TX variables
// that the caller sets for each request. An error says what is beyond the screen;
// without a screen every request goes to the engine.
func New(root fs.FS, patterns *Patterns, directives string, given ...string) (*Screen, error) {
	c, err := compile(root, patterns, directives, given)
	if err != nil {
		return nil, err
	}
	s := &Screen{rules: c.rules, tree: newTree(), engine: c.engine, ids: c.ids, keys: newKeys()}
	s.headers = c.need(&c.vars, "REQUEST_HEADERS")
	s.vars, s.early = c.vars, c.early
	s.index()
	s.memo = newMemo()
	for _, name := range s.vars {
		s.keep = append(s.keep, remembered[name])
	}
	s.apart()
	s.pool.New = func() any { return s.newScratch() }
	return s, nil
}

// Vars are the variables whose values a Request holds as they are when all of
// the request is read.
func (s *Screen) Vars() []string { return s.vars }

// EarlyVars are those that it holds as they are before the body is read.
func (s *Screen) EarlyVars() []string { return s.early }

// Engine are the directives that decide how a request is read into variables.
func (s *Screen) Engine() string { return strings.Join(s.engine, "\n") }

// Rules are the ids of all rules that were read, in order, for comparison with
// what the engine read.
func (s *Screen) Rules() []int { return s.ids }

// index builds the plans and the automaton of all rules that are scanned.
func (s *Screen) index() {
	lits := map[string][]uint16{string(longS): {anyFold}, string(kelvin): {anyFold}}
	ids, numbers := map[string]uint16{}, uint16(1)
	number := func(c clause) uint16 {
		key := strings.Join(c, "\x00")
		id, ok := ids[key]
		if !ok {
			id = numbers
			numbers++
			ids[key] = id
			for _, l := range c {
				lits[l] = append(lits[l], id)
			}
		}
		return id
	}
	asked := map[string]uint64{}
	bit := func(l *link) uint64 {
		key := fmt.Sprint(l.neg, l.key)
		if _, ok := asked[key]; !ok {
			asked[key] = 1 << len(asked) // 0 from the 65th on
		}
		return asked[key]
	}
	candidates := make([][]candidate, len(s.vars))
	for i, r := range s.rules {
		if !r.scanned {
			continue
		}
		l := r.links[0]
		e := entry{rule: i, op: l.op, neg: l.neg}
		if !l.neg {
			for _, c := range l.clauses {
				e.ids = append(e.ids, number(c))
			}
			if _, plain := l.op.(*literalsOnly); plain {
				e.op = nil
			}
		}
		if len(e.ids) == 0 {
			e.bit = bit(l)
		}
		for n, place := range s.tree.places(l) {
			e.place, e.again = place, n > 0
			for k := range l.sources {
				src := &l.sources[k]
				candidates[src.index] = append(candidates[src.index], candidate{e, &src.sel})
			}
		}
	}
	s.words = int(numbers)/64 + 1
	s.auto = buildAutomaton(lits)
	s.plans = make([]plans, len(s.vars))
	for i, all := range candidates {
		s.plans[i] = s.tree.plan(all, s.words)
	}
	s.number()
}

// number tells the plans apart for the memo, and finds the selectors that say
// the same.
func (s *Screen) number() {
	n := 0
	for i := range s.plans {
		for _, p := range append(slices.Collect(maps.Values(s.plans[i].byKey)), s.plans[i].other) {
			n++
			p.id = n
			for k := range p.levels {
				s.keys.number(p.levels[k].always)
				s.keys.number(p.levels[k].filtered)
			}
		}
	}
}

// Verdict is what the screen can tell of a request.
type Verdict struct {
	// Clean: no rule that scores, records or denies can match.
	Clean bool
	// Rule is one that may match, if the request is not clean.
	Rule int
	// Idle are the rules that cannot match a request that is not clean. The engine
	// comes to the same verdict without them.
	Idle []int
}

// Judge says what the rules can make of a request.
func (s *Screen) Judge(req *Request) Verdict {
	sc := s.pool.Get().(*scratch)
	defer func() {
		sc.reset()
		s.pool.Put(sc)
	}()
	for i, values := range req.Late {
		for _, v := range values {
			s.value(sc, i, req.Private, v)
		}
	}
	if sc.hit < 0 {
		sc.hit = s.follow(sc, req)
	}
	if sc.hit < 0 {
		return Verdict{Clean: true}
	}
	return Verdict{Rule: s.rules[sc.hit].id, Idle: s.idle(sc)}
}

// follow runs what the scan cannot decide. It returns the first rule that may
// match, or -1.
func (s *Screen) follow(sc *scratch, req *Request) int {
	x := &run{Screen: s, req: req}
	for i, r := range s.rules {
		if r.scanned && !sc.flagged[i] {
			continue
		}
		if r.apart < 0 {
			if x.rule(r) && r.marks {
				return i
			}
			continue
		}
		k := s.apartKey(r, req.Late[r.apart])
		if s.memo.has(k) {
			continue
		}
		if x.rule(r) && r.marks {
			return i
		}
		if !x.wild && !s.seenByOthers(r, x.tx) {
			s.memo.add(k)
		}
	}
	return -1
}

// idle are the scanned rules whose first link matches nothing.
func (s *Screen) idle(sc *scratch) []int {
	out := make([]int, 0, len(s.rules))
	for i, r := range s.rules {
		if r.scanned && !r.counted && !sc.flagged[i] {
			out = append(out, r.id)
		}
	}
	return out
}

// value scans one value, unless it is remembered.
func (s *Screen) value(sc *scratch, variable int, private bool, v Value) {
	p, key := s.plans[variable].of(v.Key)
	if len(p.levels) == 0 {
		return
	}
	if s.secret(variable, private, key, v) {
		s.scan(sc, p, v)
		return
	}
	k := s.memo.key(p.id, v)
	if s.memo.has(k) {
		return
	}
	sc.flags = 0
	if s.scan(sc, p, v); sc.flags == 0 {
		s.memo.add(k)
	}
}

// secret reports whether a value must not be remembered, or is too long.
func (s *Screen) secret(variable int, private bool, key string, v Value) bool {
	switch s.keep[variable] {
	case never:
		return true
	case public:
		if private {
			return true
		}
	}
	return len(v.Value)+len(v.Key) > memoBytes || variable == s.headers && !commonHeaders[key]
}
