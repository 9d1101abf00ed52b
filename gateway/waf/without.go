package waf

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/types"
	"github.com/corazawaf/coraza/v3/types/variables"

	"noren"
	"noren/gateway/waf/exclusion"
)

// without takes the fields of r.Without out of their rules, for this transaction
// alone, as ctl:ruleRemoveTargetById does. It is done here and not by directives:
// an exclusion of one site can then never reach another's requests, it ends at its
// minute, and no rule has to be compiled again. An engine that has no such door
// keeps all fields, and so does a rule that is not fit for it.
//
// What the screen says holds all the same: it says clean when no rule can match,
// and a fit rule matches less with a field less.
func (w *WAF) without(tx types.Transaction, targets []exclusion.Target) {
	if len(targets) == 0 {
		return
	}
	door, ok := tx.(interface {
		RemoveRuleTargetByID(id int, v variables.RuleVariable, key string, keyRx *regexp.Regexp)
	})
	if !ok {
		return
	}
	for _, t := range targets {
		collection, name := t.Split()
		v, err := variables.Parse(collection)
		if err != nil || t.Valid() != nil || w.fits.refuses(t) {
			continue
		}
		door.RemoveRuleTargetByID(t.Rule, v, strings.ToLower(name), nil)
	}
}

// Excludable says why a rule at a field cannot be left out, nil when it can.
func (w *WAF) Excludable(t exclusion.Target) error {
	if err := t.Valid(); err != nil {
		return err
	}
	collection, _ := t.Split()
	if _, err := variables.Parse(collection); err != nil || w.fits.refuses(t) {
		return noren.Say(noren.Denied, noren.Textf("規則 %d は、欄を数えるなど、一つの欄だけを外すとかえって誤る作りなので、外せません", "rule %d counts fields, or is built such that leaving one out would mislead it", t.Rule))
	}
	return nil
}

// fitness is which rules must keep their fields, and the negated fields of each.
type fitness struct {
	counts  map[int]bool           // they count fields, skip others or only prepare
	negated map[int]map[string]int // how often a collection is negated in a rule
}

// refuses reports whether leaving a field out could make a rule match more, or
// reach another request. A rule that counts (&ARGS) may match more with less to
// count. And the engine adds what is left out behind the negations a rule has of
// the collection, in a list that all requests share unless it is full: Go's append
// fills lists of 1, 2, 4 and 8, and makes a list of its own for none.
func (f *fitness) refuses(t exclusion.Target) bool {
	if f == nil || f.counts[t.Rule] {
		return true
	}
	collection, _ := t.Split()
	switch f.negated[t.Rule][collection] {
	case 0, 1, 2, 4, 8:
		return false
	}
	return true
}

var (
	ruleHead  = regexp.MustCompile(`^(?i:SecRule)\s+("[^"]*"|\S+)`)
	ruleID    = regexp.MustCompile(`[\s",]id:'?([0-9]+)`)
	ruleGoes  = regexp.MustCompile(`(?i)[\s",]skip(?:after)?:|[\s",]ctl:`)
	updateRow = regexp.MustCompile(`^(?i:SecRuleUpdateTargetById)\s+([0-9]+)\s+"?([^"]*)"?`)
)

// fitnessOf reads the rules for what must keep its fields.
func fitnessOf(root fs.FS, text string) (*fitness, error) {
	f := &fitness{map[int]bool{}, map[int]map[string]int{}}
	id := 0
	for line, err := range allDirectives(root, text) {
		if err != nil {
			return nil, err
		}
		if m := updateRow.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			f.note(n, m[2])
			continue
		}
		m := ruleHead.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if found := ruleID.FindStringSubmatch(line); found != nil { // a link of a chain has none
			id, _ = strconv.Atoi(found[1])
		}
		f.note(id, strings.Trim(m[1], `"`))
		f.counts[id] = f.counts[id] || ruleGoes.MatchString(line)
	}
	return f, nil
}

func (f *fitness) note(id int, vars string) {
	for one := range strings.SplitSeq(vars, "|") {
		one = strings.ToUpper(strings.TrimSpace(one))
		f.counts[id] = f.counts[id] || strings.HasPrefix(one, "&")
		name, not := strings.CutPrefix(one, "!")
		if !not {
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		if f.negated[id] == nil {
			f.negated[id] = map[string]int{}
		}
		f.negated[id][name]++
	}
}

var includeRow = regexp.MustCompile(`^(?i:Include)\s+(\S+)`)

// allDirectives yields the directives of a text and of the files it includes.
func allDirectives(root fs.FS, text string) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for _, line := range directiveLines(text) {
			m := includeRow.FindStringSubmatch(line)
			if m == nil {
				if !yield(line, nil) {
					return
				}
				continue
			}
			data, err := fs.ReadFile(root, m[1])
			if err != nil {
				yield("", fmt.Errorf("read %s: %w", m[1], err))
				return
			}
			for _, inner := range directiveLines(string(data)) {
				if !yield(inner, nil) {
					return
				}
			}
		}
	}
}

// Concerns reports whether leaving rules out could change the verdict on r: with
// the screen's help, so that trying thousands of requests takes seconds. Where the
// screen cannot tell, it may.
func (w *WAF) Concerns(r *Request, rules []int) bool {
	v := w.sieve
	if v == nil || v.off.Load() {
		return true
	}
	said, err := v.try(w.own(r))
	if err != nil {
		return true
	}
	if said.Clean {
		return false
	}
	idle := map[int]bool{}
	for _, id := range said.Idle {
		idle[id] = true
	}
	for _, id := range rules {
		if !idle[id] {
			return true
		}
	}
	return false
}
