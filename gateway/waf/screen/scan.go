package screen

// scratch is what one scan works with, kept for the next.
type scratch struct {
	values  []string // by place of the plan
	sets    []int    // by place: which set of clauses belongs to the string
	found   []bits
	used    int
	flagged []bool // by rule: its first link matches
	flags   int    // how often that was found
	hit     int    // the first rule whose match decides; -1: none
}

func (s *Screen) newScratch() *scratch {
	n := len(s.tree.nodes)
	sc := &scratch{values: make([]string, n), sets: make([]int, n), found: make([]bits, n), flagged: make([]bool, len(s.rules)), hit: -1}
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
	sc.used = 0
	for i := range p.levels {
		l := &p.levels[i]
		same := false
		if l.parent < 0 {
			sc.values[i] = v.Value
		} else {
			before := sc.values[l.parent]
			sc.values[i], _ = s.tree.nodes[l.node].apply(before)
			same = sc.values[i] == before
		}
		if !same {
			sc.sets[i] = -1
		} else {
			sc.sets[i] = sc.sets[l.parent]
		}
		if len(l.always)+len(l.filtered) == 0 {
			continue
		}
		s.level(sc, l, i, v.Key, same)
		if same {
			sc.sets[l.parent] = sc.sets[i]
		}
	}
}

// level asks all rules at one place of the tree.
// same: the step before it did not change the string.
func (s *Screen) level(sc *scratch, l *level, at int, key string, same bool) {
	v := sc.values[at]
	for k := range l.always {
		if e := &l.always[k]; !same || !e.again {
			s.ask(sc, e, v, key)
		}
	}
	if len(l.filtered) == 0 {
		return
	}
	if sc.sets[at] < 0 {
		sc.sets[at] = sc.used
		sc.used++
		clear(sc.found[sc.sets[at]])
		s.auto.scan(v, sc.found[sc.sets[at]])
	}
	found := sc.found[sc.sets[at]]
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

// ask puts the question of one rule to v, unless another value answered it.
func (s *Screen) ask(sc *scratch, e *entry, v, key string) {
	r := s.rules[e.rule]
	if sc.flagged[e.rule] {
		sc.flags++
		return
	}
	if e.sel != nil && !e.sel.wants(key) || e.op != nil && e.op.match(v) == e.neg {
		return
	}
	sc.flagged[e.rule] = true
	sc.flags++
	if sc.hit < 0 && r.marks && len(r.links) == 1 {
		sc.hit = e.rule
	}
}
