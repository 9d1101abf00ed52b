package screen

// scratch is what one scan works with, kept for the next.
type scratch struct {
	values  []string // by place of the plan
	sets    []int    // by place: which set of clauses belongs to the string
	found   []bits
	used    int
	flagged []bool // by rule: its first link matches
	flags   int    // how often that was found
}

func (s *Screen) newScratch() *scratch {
	n := len(s.tree.nodes)
	sc := &scratch{values: make([]string, n), sets: make([]int, n), found: make([]bits, n), flagged: make([]bool, len(s.rules))}
	for i := range sc.found {
		sc.found[i] = make(bits, s.words)
	}
	return sc
}

func (sc *scratch) reset() {
	clear(sc.values)
	clear(sc.flagged)
}

// scan looks at one value. It returns the rule that matches it, or -1; the
// rules whose match alone does not decide are flagged.
func (s *Screen) scan(sc *scratch, p *plan, v Value) int {
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
		if hit := s.level(sc, l, i, v.Key, same); hit >= 0 {
			return hit
		}
		if same {
			sc.sets[l.parent] = sc.sets[i]
		}
	}
	return -1
}

// level asks all rules at one place of the tree.
// same: the step before it did not change the string.
func (s *Screen) level(sc *scratch, l *level, at int, key string, same bool) int {
	v := sc.values[at]
	for k := range l.always {
		if same && l.always[k].again {
			continue
		}
		if hit := s.ask(sc, &l.always[k], v, key); hit >= 0 {
			return hit
		}
	}
	if len(l.filtered) == 0 {
		return -1
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
		return -1
	}
	for k := range l.filtered {
		e := &l.filtered[k]
		if same && e.again || !e.passes(found, fold) {
			continue
		}
		if hit := s.ask(sc, e, v, key); hit >= 0 {
			return hit
		}
	}
	return -1
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

// ask puts the question of one rule to v. It returns the rule if its match
// decides, and flags it if more must be looked at.
func (s *Screen) ask(sc *scratch, e *entry, v, key string) int {
	r := s.rules[e.rule]
	decides := r.marks && len(r.links) == 1
	if e.sel != nil && !e.sel.wants(key) {
		return -1
	}
	if e.op != nil && e.op.match(v) == e.neg {
		return -1
	}
	if decides {
		return e.rule
	}
	sc.flagged[e.rule] = true
	sc.flags++
	return -1
}
