package screen

import "slices"

// tree holds the transformations of all rules, each step once.
type tree struct {
	nodes []node
	index map[string]int
}

type node struct {
	parent   int
	apply    transformation
	triggers kinds
}

func newTree() *tree { return &tree{[]node{{parent: -1}}, map[string]int{"": 0}} }

// oddly are the transformations that may turn a string into another and report
// no change; multiMatch then goes on with the string as it was.
var oddly = []string{"htmlentitydecode", "removewhitespace"}

// nodes are the places at which a link looks at a value.
func (t *tree) places(l *link) []int {
	at, key := 0, ""
	path := []int{0}
	for i, name := range l.path {
		f := l.steps[i]
		triggers := triggersOf(name)
		if l.multi && slices.Contains(oddly, name) {
			name, f = name+"!", unlessUnchanged(f)
		}
		key += "+" + name
		next, ok := t.index[key]
		if !ok {
			next = len(t.nodes)
			t.nodes = append(t.nodes, node{at, f, triggers})
			t.index[key] = next
		}
		at = next
		path = append(path, at)
	}
	if l.multi {
		return path
	}
	return path[len(path)-1:]
}

func unlessUnchanged(f transformation) transformation {
	return func(s string) (string, bool) {
		if t, changed := f(s); changed {
			return t, true
		}
		return s, false
	}
}

// entry is a scanned rule at one place of the tree, for one variable.
type entry struct {
	rule  int
	ids   []uint16 // clauses that must all be there
	op    operator // nil: the clauses decide
	neg   bool
	sel   *selector // what the key must be, if that cannot be told before
	who   uint64    // the bit of sel among all that say the same; 0 if there are too many
	again bool      // the rule looks at the string before this step too
	place int
	bit   uint64 // of the operator among those that are asked of every string; 0 if there are too many
}

// plan is what is looked for in the values of one variable, or of one key of
// it: the places of the tree in an order in which parents come first.
type plan struct {
	levels []level
	id     int // for the memo
}

type level struct {
	node     int
	parent   int // its place in the plan; -1 for the value itself
	always   []entry
	filtered []entry
	mask     bits // of the clauses of filtered
}

// plans of a variable.
type plans struct {
	other *plan
	byKey map[string]*plan // lower case
}

func (p *plans) of(key string) (which *plan, lower string) {
	if key == "" {
		return p.other, ""
	}
	lower = lowerKey(key)
	if plan, ok := p.byKey[lower]; ok {
		return plan, lower
	}
	return p.other, lower
}

// candidate is an entry with the selector of its variable.
type candidate struct {
	entry
	sel *selector
}

func (t *tree) plan(all []candidate, words int) plans {
	p := plans{byKey: map[string]*plan{}}
	for _, c := range all {
		if c.sel.key != "" {
			p.byKey[c.sel.key] = nil
		}
		for _, e := range c.sel.except {
			if e.key != "" {
				p.byKey[e.key] = nil
			}
		}
	}
	for key := range p.byKey {
		p.byKey[key] = t.planFor(all, key, words)
	}
	p.other = t.planFor(all, "", words)
	return p
}

// planFor is the plan for a key that selectors name, or for all others.
func (t *tree) planFor(all []candidate, key string, words int) *plan {
	byNode := map[int][]entry{}
	needed := map[int]bool{}
	for _, c := range all {
		sel := c.sel
		if sel.key != "" && sel.key != key {
			continue
		}
		if slices.ContainsFunc(sel.except, func(e selector) bool { return e.rx == nil && (e.key == "" || e.key == key) }) {
			continue
		}
		e := c.entry
		if sel.rx != nil || slices.ContainsFunc(sel.except, func(e selector) bool { return e.rx != nil }) {
			e.sel = sel
		}
		byNode[e.place] = append(byNode[e.place], e)
		for n := e.place; n >= 0; n = t.nodes[n].parent {
			needed[n] = true
		}
	}
	p, at := &plan{}, map[int]int{-1: -1}
	for n := range t.nodes { // a parent is always made before its children
		if !needed[n] {
			continue
		}
		l := level{node: n, parent: at[t.nodes[n].parent], mask: make(bits, words)}
		for _, e := range byNode[n] {
			if len(e.ids) == 0 {
				l.always = append(l.always, e)
				continue
			}
			l.filtered = append(l.filtered, e)
			l.mask.set(e.ids[0])
		}
		at[n] = len(p.levels)
		p.levels = append(p.levels, l)
	}
	return p
}
