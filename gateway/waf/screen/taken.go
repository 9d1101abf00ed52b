package screen

import (
	"slices"
	"strconv"
	"strings"
)

// taken is what rules may take away from a request by ctl: other rules, or
// variables of them. A rule that marks may then match less, which the screen
// does not need to know. A rule that sets variables may set them or not.
type taken struct {
	ids  map[int]bool
	tags map[string]bool
	any  bool
}

// takes takes notice of the ctl actions of a rule. Those of the last link of a
// rule that marks do not matter: if it matches, the request is not clean.
func (c *compiler) takes(g *group, marks bool) {
	for i, r := range g.chain {
		if marks && i == len(g.chain)-1 {
			return
		}
		for _, a := range r.actions {
			if a.name == "ctl" {
				c.taken.note(a.value)
			}
		}
	}
}

func (t *taken) note(ctl string) {
	what, from, _ := strings.Cut(ctl, "=")
	from, _, _ = strings.Cut(from, ";")
	switch what = strings.ToLower(strings.TrimSpace(what)); {
	case what == "ruleremovebytag" || what == "ruleremovetargetbytag":
		t.tags[from] = true
	case what == "ruleremovebyid" || what == "ruleremovetargetbyid":
		id, err := strconv.Atoi(from)
		t.ids[id] = err == nil
		t.any = t.any || err != nil // a range
	case strings.HasPrefix(what, "ruleremove"), what == "ruleengine":
		t.any = true
	}
}

// touches reports whether the rule, or a variable of it, may be taken away.
func (t *taken) touches(g *group) bool {
	return t.any || t.ids[g.id] ||
		slices.ContainsFunc(g.chain[0].actions, func(a action) bool { return a.name == "tag" && t.tags[a.value] })
}
