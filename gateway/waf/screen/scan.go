package screen

// scratch is what one scan works with, kept for the next.
type scratch struct {
	values  []string // by place of the plan
	sets    []int    // by place: which set of clauses belongs to the string
	found   []bits
	kinds   []kinds  // by set: of which bytes the string is
	asked   []uint64 // by set: which operators said no
	keyed   bool     // wanted is known
	wanted  uint64   // the selectors that want this value's key
	used    int
	flagged []bool // by rule: its first link matches
	flags   int    // how often that was found
	hit     int    // the first rule whose match decides; -1: none
}

func (s *Screen) newScratch() *scratch {
	n := len(s.tree.nodes)
	sc := &scratch{values: make([]string, n), sets: make([]int, n), found: make([]bits, n+1), kinds: make([]kinds, n+1), asked: make([]uint64, n+1), flagged: make([]bool, len(s.rules)), hit: -1}
	for i := range sc.found {
		sc.found[i] = make(bits, s.words)
	}
	return sc
}

func (sc *scratch) reset() {
	clear(sc.values)
	clear(sc.flagged)
	sc.hit = -1
}

// scan looks at one value and flags the rules that match it.
func (s *Screen) scan(sc *scratch, p *plan, v Value) {
	sc.used, sc.keyed = 0, false
	for i := range p.levels {
		l := &p.levels[i]
		same := false
		if l.parent < 0 {
			sc.values[i], sc.sets[i] = v.Value, s.look(sc, v.Value)
		} else {
			same = s.step(sc, l, i)
		}
		if len(l.always)+len(l.filtered) == 0 {
			continue
		}
		if sc.sets[i] < 0 {
			sc.sets[i] = s.look(sc, sc.values[i])
		}
		s.level(sc, l, i, v.Key, same)
		if same {
			sc.sets[l.parent] = sc.sets[i]
		}
	}
}

// step makes the string of a place from that of its parent. same: they are the
// same.
func (s *Screen) step(sc *scratch, l *level, at int) (same bool) {
	before, set, n := sc.values[l.parent], sc.sets[l.parent], &s.tree.nodes[l.node]
	if set >= 0 && sc.kinds[set]&n.triggers == 0 {
		sc.values[at], sc.sets[at] = before, set
		return true
	}
	sc.values[at], _ = n.apply(before)
	if sc.values[at] != before {
		sc.sets[at] = -1
		return false
	}
	sc.sets[at] = set
	return true
}

// look finds the literals of a string that was not looked at yet.
func (s *Screen) look(sc *scratch, v string) (set int) {
	set = sc.used
	sc.used++
	clear(sc.found[set])
	sc.kinds[set], sc.asked[set] = s.auto.scan(v, sc.found[set]), 0
	return set
}

// level asks all rules at one place of the tree.
// same: the step before it did not change the string.
func (s *Screen) level(sc *scratch, l *level, at int, key string, same bool) {
	v, set := sc.values[at], sc.sets[at]
	for k := range l.always {
		e := &l.always[k]
		if same && e.again || sc.asked[set]&e.bit != 0 {
			continue
		}
		if s.ask(sc, e, v, key) {
			sc.asked[set] |= e.bit
		}
	}
	if len(l.filtered) == 0 {
		return
	}
	found := sc.found[set]
	fold := found.has(anyFold)
	if !fold && !overlap(found, l.mask) {
		return
	}
	for k := range l.filtered {
		if e := &l.filtered[k]; (!same || !e.again) && e.passes(found, fold) {
			s.ask(sc, e, v, key)
		}
	}
}

func overlap(a, b bits) bool {
	for i := range a {
		if a[i]&b[i] != 0 {
			return true
		}
	}
	return false
}

func (e *entry) passes(found bits, fold bool) bool {
	if fold && e.op != nil {
		return true
	}
	for _, id := range e.ids {
		if !found.has(id) {
			return false
		}
	}
	return true
}

// ask puts the question of one rule to v, unless another value answered it. no
// says that its operator does not match.
func (s *Screen) ask(sc *scratch, e *entry, v, key string) (no bool) {
	r := s.rules[e.rule]
	if sc.flagged[e.rule] {
		sc.flags++
		return false
	}
	if e.sel != nil && !s.wants(sc, e, key) {
		return false
	}
	if e.op != nil && e.op.match(v) == e.neg {
		return true
	}
	sc.flagged[e.rule] = true
	sc.flags++
	if sc.hit < 0 && r.marks && len(r.links) == 1 {
		sc.hit = e.rule
	}
	return false
}

// wants reports whether an entry looks at values with this key.
func (s *Screen) wants(sc *scratch, e *entry, key string) bool {
	if e.who == 0 {
		return e.sel.wants(key)
	}
	if !sc.keyed {
		sc.keyed, sc.wanted = true, s.keys.wanted(key)
	}
	return sc.wanted&e.who != 0
}
