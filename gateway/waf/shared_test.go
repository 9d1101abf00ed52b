package waf

import (
	"regexp"
	"slices"
	"strconv"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

var (
	ctlByID  = regexp.MustCompile(`ctl:ruleRemoveTargetById=(\d+);([A-Z_]+)`)
	ctlByTag = regexp.MustCompile(`ctl:ruleRemoveTargetByTag=([a-z/-]+);([A-Z_]+)`)
)

// TestShippedRulesShareNoList: what our rules leave out of one request is in no list
// that the engine shares among requests (see fitness.refuses).
func TestShippedRulesShareNoList(t *testing.T) {
	text := shipped(t)
	fits := engine(t).fits
	tagged := map[string][]int{}
	root := &ruleFS{FS: coreruleset.FS}
	for line, err := range allDirectives(root, text) {
		if err != nil {
			t.Fatal(err)
		}
		if id := ruleID.FindStringSubmatch(line); id != nil {
			n, _ := strconv.Atoi(id[1])
			for _, tag := range regexp.MustCompile(`tag:'([^']+)'`).FindAllStringSubmatch(line, -1) {
				tagged[tag[1]] = append(tagged[tag[1]], n)
			}
		}
	}
	seen := 0
	check := func(rule int, collection string) {
		seen++
		if n := fits.negated[rule][collection]; !slices.Contains([]int{0, 1, 2, 4, 8}, n) {
			t.Errorf("rule %d negates %s %d times: what one request leaves out may reach another", rule, collection, n)
		}
	}
	for _, m := range ctlByID.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		check(n, m[2])
	}
	for _, m := range ctlByTag.FindAllStringSubmatch(text, -1) {
		if len(tagged[m[1]]) == 0 {
			t.Errorf("no rule has the tag %s", m[1])
		}
		for _, n := range tagged[m[1]] {
			check(n, m[2])
		}
	}
	if seen < 20 {
		t.Errorf("%d looked at", seen)
	}
}
