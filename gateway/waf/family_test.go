package waf

import (
	"regexp"
	"strconv"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"

	"noren"
	"noren/gateway/waf/screen"
)

// TestEveryRuleHasAFamily: the console says in words what each rule is about.
// Rules that only set something or steer are not shown to anybody.
func TestEveryRuleHasAFamily(t *testing.T) {
	passes := map[int]bool{}
	for _, m := range regexp.MustCompile(`id:(\d+),\s*phase:\d,\s*pass`).FindAllStringSubmatch(shipped(t), -1) {
		id, _ := strconv.Atoi(m[1])
		passes[id] = true
	}
	ids := engine(t).sieve.screen.Rules()
	for _, id := range ids {
		if !passes[id] && noren.RuleFamily(id) == 0 {
			t.Errorf("rule %d has no family", id)
		}
	}
	if len(ids) < 300 {
		t.Errorf("%d rules, want all", len(ids))
	}
}

func shipped(t *testing.T) string {
	t.Helper()
	text, err := expand(&ruleFS{coreruleset.FS, screen.NewPatterns(), &running{}}, packages())
	if err != nil {
		t.Fatal(err)
	}
	return directives(text, nil)
}
