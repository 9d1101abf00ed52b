package screen

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// compiler reads rules in the order in which the engine runs them, phase by
// phase, and keeps account of the TX variables: what every request has the same
// is worked out here, once.
type compiler struct {
	compiled
	tx       map[string]abstract
	dynamic  map[string]bool // TX variables that the rules of a request set
	patterns []string        // beginnings of TX names that are made at run time
	wild     []string        // the same, where it is not known whether they are set
	phase    int
	skipTo   string   // the marker up to which rules are skipped
	unsureTo []string // the markers up to which rules may be skipped
	unsure   int      // how many rules may be skipped
	counted  int      // how many rules a skip may count, if they are there
	taken    taken
	captures int // groups of the last pattern of this rule that captures; -1: none
}

// group is a rule with its chain, or a marker.
type group struct {
	id, phase int
	chain     []rawRule
	marker    string
}

// setupDirectives concern the engine that makes the variables.
var setupDirectives = []string{
	"secruleengine", "secrequestbodyaccess", "secrequestbodylimit", "secrequestbodyinmemorylimit", "secrequestbodylimitaction",
	"secresponsebodyaccess", "secauditengine", "secrequestbodyjsondepthlimit", "secargumentslimit", "secrxprefilter",
	"secdefaultaction", "seccomponentsignature",
}

func compile(root fs.FS, patterns *Patterns, directives string, given []string) (*compiler, error) {
	r := &reader{root: root}
	if err := r.text(directives, ""); err != nil {
		return nil, err
	}
	c := &compiler{
		compiled: compiled{root: root, ops: map[string]cachedOp{}, patterns: patterns},
		tx:       map[string]abstract{},
		dynamic:  map[string]bool{},
		taken:    taken{map[int]bool{}, map[string]bool{}, false},
	}
	for _, name := range given {
		c.tx[strings.ToLower(name)] = abstract{state: unknown}
	}
	groups, err := c.groups(r.out)
	if err != nil {
		return nil, err
	}
	for c.phase = 1; c.phase <= 2; c.phase++ {
		for _, g := range groups {
			if err := c.group(g); err != nil {
				return nil, fmt.Errorf("rule %d: %w", g.id, err)
			}
		}
		if c.skipTo != "" || len(c.unsureTo) > 0 {
			return nil, fmt.Errorf("no marker %s%s in phase %d", c.skipTo, c.unsureTo, c.phase)
		}
		c.unsure, c.counted = 0, 0
	}
	if s := c.tx[scoreVariable]; s.state == unknown || c.dynamic[scoreVariable] || s.state == constant && s.value != "0" {
		return nil, errors.New("the score of a request without a match is not zero")
	}
	return c, nil
}

// groups puts chains together and applies what directives change in rules
// before them.
func (c *compiler) groups(ds []directive) ([]*group, error) {
	var out []*group
	open := false // the last rule waits for a link
	for _, d := range ds {
		switch {
		case d.name == "secrule" || d.name == "secaction":
			r, err := parseRule(d)
			if err != nil {
				return nil, err
			}
			if open {
				last := out[len(out)-1]
				last.chain = append(last.chain, r)
			} else {
				g, err := newGroup(r)
				if err != nil {
					return nil, err
				}
				c.ids = append(c.ids, g.id)
				out = append(out, g)
			}
			open = has(r.actions, "chain")
		case d.name == "secmarker":
			out = append(out, &group{marker: unquote(strings.TrimSpace(d.rest))})
		case d.name == "secruleremovebyid":
			id, err := strconv.Atoi(strings.TrimSpace(d.rest))
			if err != nil {
				return nil, fmt.Errorf("%.60q: %w", d.raw, errBeyond)
			}
			out = slices.DeleteFunc(out, func(g *group) bool { return g.marker == "" && g.id == id })
		case d.name == "secruleupdatetargetbyid":
			if err := updateTarget(out, d); err != nil {
				return nil, err
			}
		case slices.Contains(setupDirectives, d.name):
			if d.name == "secruleengine" && !strings.EqualFold(d.rest, "on") {
				return nil, fmt.Errorf("%.60q: %w", d.raw, errBeyond)
			}
			c.engine = append(c.engine, d.raw)
		default:
			return nil, fmt.Errorf("directive %.60q: %w", d.raw, errBeyond)
		}
	}
	if open {
		return nil, errors.New("a chain without its end")
	}
	return out, nil
}

func newGroup(r rawRule) (*group, error) {
	g := &group{phase: 2, chain: []rawRule{r}}
	var err error
	if g.id, err = strconv.Atoi(value(r.actions, "id")); err != nil {
		return nil, fmt.Errorf("a rule without an id: %.60q", r.raw)
	}
	switch p := value(r.actions, "phase"); p {
	case "":
	case "request":
		g.phase = 2
	default:
		if g.phase, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("rule %d: phase %.20q: %w", g.id, p, errBeyond)
		}
	}
	return g, nil
}

// updateTarget takes variables away from a rule; more of them would be beyond
// the screen.
func updateTarget(groups []*group, d directive) error {
	idText, vars, _ := strings.Cut(d.rest, " ")
	id, err := strconv.Atoi(strings.TrimSpace(idText))
	if err != nil {
		return fmt.Errorf("%.60q: %w", d.raw, errBeyond)
	}
	for _, g := range groups {
		if g.marker != "" || g.id != id {
			continue
		}
		for one := range strings.SplitSeq(strings.Trim(strings.TrimSpace(vars), `"`), "|") {
			name, not := strings.CutPrefix(one, "!")
			if !not || strings.Contains(name, "/") {
				return fmt.Errorf("%.60q: %w", d.raw, errBeyond)
			}
			sel := selector{name: strings.ToUpper(name)}
			if n, key, keyed := strings.Cut(name, ":"); keyed {
				sel.name, sel.key = strings.ToUpper(n), strings.ToLower(key)
			}
			head := &g.chain[0]
			for i := range head.vars {
				if head.vars[i].name == sel.name {
					head.vars[i].except = append(head.vars[i].except, sel)
				}
			}
		}
		return nil
	}
	return fmt.Errorf("%.60q: no such rule", d.raw)
}

// group compiles one rule, or takes notice of a marker.
func (c *compiler) group(g *group) error {
	if g.marker != "" {
		if c.skipTo == g.marker {
			c.skipTo = ""
		}
		c.unsureTo = slices.DeleteFunc(c.unsureTo, func(m string) bool { return m == g.marker })
		c.unsure, c.counted = max(0, c.unsure-1), max(0, c.counted-1)
		return nil
	}
	if g.phase != c.phase || c.skipTo != "" {
		return nil
	}
	return c.rule(g)
}

func (c *compiler) rule(g *group) error {
	touched := c.taken.touches(g)
	unsure := len(c.unsureTo) > 0 || c.unsure > 0 || touched
	head := g.chain[0].actions
	r := &rule{id: g.id, marks: marks(g.id, head), counted: c.counted > 0}
	if !touched { // the engine does not count those that are taken away
		c.unsure, c.counted = max(0, c.unsure-1), max(0, c.counted-1)
	}
	if n, err := strconv.Atoi(value(head, "skip")); err == nil {
		c.counted = max(c.counted, n)
	}
	truth := yes
	engine := false
	c.captures = -1 // those of earlier rules are not known
	for i := range g.chain {
		raw := &g.chain[i]
		steers, err := checkActions(raw.actions)
		if err != nil {
			return err
		}
		l, t, err := c.link(raw)
		if err != nil {
			return err
		}
		if touched && l.counts() {
			// With variables taken away there are fewer to count, and it may match more.
			l.opaque, t = true, max(t, maybe)
		}
		if t == no {
			truth = no
			break
		}
		truth = min(truth, t)
		l.unsure = unsure
		last := i == len(g.chain)-1
		engine = engine || steers && !(r.marks && last)
		if err := c.setvars(r, l, raw, truth == yes && !unsure, r.marks && last); err != nil {
			return err
		}
		if r.links = append(r.links, l); r.whole {
			break
		}
	}
	c.takes(g, r.marks)
	if engine {
		if err := c.steer(g, unsure || truth == no); err != nil {
			return err
		}
	}
	if truth == no { // what the links before the one that never matches set is still set
		r.marks = false
		c.keep(r)
		return nil
	}
	if !r.marks {
		c.flow(g, truth, unsure)
	}
	switch {
	case truth == yes && r.marks:
		return errors.New("it matches every request")
	case truth == yes: // what it sets is worked out, but for names that are made at run time
		c.keep(r)
		return nil
	}
	if r.marks && !slices.ContainsFunc(r.links, func(l *link) bool { return !l.blind }) {
		return fmt.Errorf("what it looks at is %w", errBeyond)
	}
	c.keep(r)
	return nil
}

// keep takes r among those that are run, if running it does anything.
func (c *compiler) keep(r *rule) {
	if !r.marks && !slices.ContainsFunc(r.links, func(l *link) bool { return len(l.sets) > 0 && !l.unsure }) {
		return
	}
	r.scanned = r.links[0].scannable()
	c.rules = append(c.rules, r)
}

// steer gives a rule that decides how the body is read to the engine that makes
// the variables.
func (c *compiler) steer(g *group, unsure bool) error {
	if unsure || marks(g.id, g.chain[0].actions) {
		return fmt.Errorf("it decides how the body is read, and may be skipped or mark: %w", errBeyond)
	}
	for _, r := range g.chain {
		if strings.Contains(r.op.arg, "%{") || slices.ContainsFunc(r.vars, func(s selector) bool { return classes[s.name] == txVar }) {
			return fmt.Errorf("it decides how the body is read by what rules set: %w", errBeyond)
		}
		c.engine = append(c.engine, r.raw)
	}
	return nil
}

// flow follows skip and skipAfter.
func (c *compiler) flow(g *group, truth truth, unsure bool) {
	head := g.chain[0].actions
	if marker := value(head, "skipafter"); marker != "" {
		if truth == yes && !unsure {
			c.skipTo = marker
		} else {
			c.unsureTo = append(c.unsureTo, marker)
		}
	}
	if n, err := strconv.Atoi(value(head, "skip")); err == nil && n > 0 {
		c.unsure = max(c.unsure, n)
	}
}
