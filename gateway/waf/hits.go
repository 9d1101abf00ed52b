package waf

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/corazawaf/coraza/v3/types"
	"github.com/corazawaf/coraza/v3/types/variables"

	"noren"
)

// Bounds on what a result carries.
const (
	maxHits  = 16
	maxValue = 160 // runes of a value
	maxField = 80  // runes of a field's name
	// maxFields of one rule: enough to see where, without hiding other rules.
	maxFields = 3
)

// scoreOf is what a rule of a severity adds, as rules 901140 to 901143 set it.
func scoreOf(s types.RuleSeverity) int {
	switch s {
	case types.RuleSeverityCritical, types.RuleSeverityAlert, types.RuleSeverityEmergency:
		return 5
	case types.RuleSeverityError:
		return 4
	case types.RuleSeverityWarning:
		return 3
	case types.RuleSeverityNotice:
		return 2
	}
	return 0
}

// hits turns matched rules into what is recorded: the heaviest first, without
// the bookkeeping rules.
func hits(matched []types.MatchedRule) []noren.Hit {
	var out []noren.Hit
	for _, m := range matched {
		id, score := m.Rule().ID(), scoreOf(m.Rule().Severity())
		if id <= noren.MaxOwnRule && m.Disruptive() { // whoever writes a rule need not weigh it
			score = max(score, scoreOf(types.RuleSeverityCritical))
		}
		if bookkeeping(id) || score == 0 {
			continue
		}
		h := noren.Hit{Rule: id, Msg: ruleMessage(m), Score: score}
		datas := fromRequest(m.MatchedDatas())
		if len(datas) == 0 {
			out = append(out, h)
		}
		for _, d := range datas {
			h.Field = cut(field(d), maxField)
			h.Value = redact(d.Variable(), d.Key(), d.Value())
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(a, b noren.Hit) int {
		return cmp.Or(b.Score-a.Score, a.Rule-b.Rule, strings.Compare(a.Field, b.Field))
	})
	return out[:min(len(out), maxHits)]
}

// bookkeeping rules add up scores and decide; naming them would tell nobody
// what matched.
func bookkeeping(id int) bool { return id >= 949000 && id < 950000 || id >= 980000 && id < 990000 }

func ruleMessage(m types.MatchedRule) string {
	if m.Message() != "" {
		return m.Message()
	}
	for _, d := range m.MatchedDatas() {
		if d.Message() != "" {
			return d.Message()
		}
	}
	return ""
}

// fromRequest keeps the matches in the request's own fields, each field once.
// What is left out: what rules computed (the last link of a chain often matches
// a TX variable) and the same field matched again by a later link.
func fromRequest(ds []types.MatchData) []types.MatchData {
	var out []types.MatchData
	for _, d := range ds {
		switch d.Variable() {
		case variables.TX, variables.MatchedVar, variables.MatchedVars:
			continue
		}
		if len(out) < maxFields && !slices.ContainsFunc(out, func(o types.MatchData) bool { return field(o) == field(d) }) {
			out = append(out, d)
		}
	}
	return out
}

// field names where a match was as operators know it from rules: ARGS:q.
func field(d types.MatchData) string {
	if d.Key() == "" {
		return d.Variable().Name()
	}
	return d.Variable().Name() + ":" + d.Key()
}

// cut makes s valid UTF-8 and at most n runes long.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n]) + "…"
}
