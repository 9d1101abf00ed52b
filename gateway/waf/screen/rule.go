package screen

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"noren"
)

// rule is a rule as the screen runs it: one link, or the links of a chain.
type rule struct {
	id    int
	links []*link
	// marks says that a match of the whole rule scores, records or denies. The
	// others only set variables that later rules read.
	marks bool
	whole bool // while compiling: the links so far are all that matters
	// scanned says that the first link is decided by the scan over the values;
	// other rules are run for every request.
	scanned bool
	// counted says that a rule before it may skip a number of rules, and that the
	// engine would skip another if this one were left out.
	counted bool
	apart   int // the variable that alone decides it; -1: see apart
}

// link is one rule of a chain.
type link struct {
	sources []source
	op      operator // nil with args: filled in at run time
	clauses []clause
	key     string // of the operator with its argument: the same for the same
	name    string // of the operator, for args
	args    macro
	neg     bool
	opaque  bool // cannot be decided: may match
	blind   bool // opaque for every request: it looks at what the screen does not see
	always  bool // SecAction
	steps   []transformation
	path    []string // the names of steps, for the tree
	multi   bool
	capture bool
	sets    []setvar
	unsure  bool // in a region that may be skipped: what it sets is not known
}

// counts reports whether the link counts values.
func (l *link) counts() bool {
	return slices.ContainsFunc(l.sources, func(s source) bool { return s.sel.count })
}

type setvar struct {
	key, value macro
	remove     bool
	base       abstract // what key was before, if key is plain
}

// compiled gathers what the compiler finds.
type compiled struct {
	root   fs.FS
	rules  []*rule
	vars   []string
	early  []string
	engine []string // directives of the engine that makes the variables
	ids    []int    // of all rules, as read
	ops    map[string]cachedOp

	patterns *Patterns
}

type cachedOp struct {
	op      operator
	clauses []clause
	err     error
}

// need is the index of a variable among those the screen must be given.
func (c *compiled) need(list *[]string, name string) int {
	i := slices.Index(*list, name)
	if i < 0 {
		i = len(*list)
		*list = append(*list, name)
	}
	return i
}

// operator compiles an operator once for all rules that use it.
func (c *compiled) operator(op rawOp, dir string) (operator, []clause, error) {
	key := op.name + "\x00" + op.arg + "\x00" + dir
	if o, ok := c.ops[key]; ok {
		return o.op, o.clauses, o.err
	}
	o, clauses, err := c.compileOperator(op, dir)
	c.ops[key] = cachedOp{o, clauses, err}
	return o, clauses, err
}

// transforms reads the t: actions.
func transforms(actions []action) (path []string, steps []transformation, known bool) {
	known = true
	for _, a := range actions {
		if a.name != "t" {
			continue
		}
		name := strings.ToLower(a.value)
		if name == "none" {
			path, steps, known = nil, nil, true
			continue
		}
		f, ok := transformations[name]
		known = known && ok
		path, steps = append(path, name), append(steps, f)
	}
	return path, steps, known
}

func has(actions []action, names ...string) bool {
	return slices.ContainsFunc(actions, func(a action) bool { return slices.Contains(names, a.name) })
}

func value(actions []action, name string) string {
	for _, a := range actions {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// knownActions are those whose effect the compiler has thought of.
var knownActions = []string{
	"id", "phase", "pass", "block", "deny", "drop", "redirect", "status", "log", "nolog", "auditlog", "noauditlog",
	"logdata", "msg", "tag", "ver", "rev", "severity", "maturity", "accuracy", "t", "multimatch", "capture", "chain",
	"setvar", "skip", "skipafter", "ctl", "initcol", "expirevar", "setenv",
}

// harmlessCtl are the ctl actions that at most let a request through that would
// have been marked, or touch what is not inspected here.
var harmlessCtl = []string{
	"ruleremovebyid", "ruleremovebytag", "ruleremovebymsg", "ruleremovetargetbyid", "ruleremovetargetbytag",
	"ruleremovetargetbymsg", "ruleengine", "auditengine", "auditlogparts", "debugloglevel", "responsebodyaccess",
	"responsebodylimit", "forceresponsebodyvariable", "responsebodyprocessor",
}

// engineCtl are the ctl actions that decide how the body is read; rules with
// them run in the engine that makes the variables.
var engineCtl = []string{"requestbodyprocessor", "forcerequestbodyvariable"}

// checkActions refuses what the compiler does not know, and tells whether the
// actions steer the reading of the body.
func checkActions(actions []action) (engine bool, err error) {
	for _, a := range actions {
		if !slices.Contains(knownActions, a.name) {
			return false, fmt.Errorf("action %.40q: %w", a.name, errBeyond)
		}
		if a.name != "ctl" {
			continue
		}
		name, _, _ := strings.Cut(a.value, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case slices.Contains(engineCtl, name):
			engine = true
		case !slices.Contains(harmlessCtl, name):
			return false, fmt.Errorf("ctl:%.40s: %w", name, errBeyond)
		}
	}
	return engine, nil
}

// scoreVariable is where the rules add up what they found.
const scoreVariable = "inbound_anomaly_score_pl1"

// marks reports whether a match of a rule with these actions scores, records
// or denies. A rule of the shop's own counts as found even when it only passes.
func marks(id int, actions []action) bool {
	return id <= noren.MaxOwnRule || !has(actions, "nolog") || has(actions, "block", "deny", "drop", "redirect", "log", "severity")
}
