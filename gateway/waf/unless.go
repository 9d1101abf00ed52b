package waf

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"noren"
)

// A rule package may hold, beside SecRules, lines of the form
//
//	NorenUnless RULE ID VARIABLES KIND
//
// which say of a rule of the Core Rule Set: over these variables it does not
// count where the value that it matched is inert (package inert). The rule
// itself stays as it is, over all its other variables; for these a rule ID is
// made from its own text, with a second condition. So a new version of the rule
// set brings its new patterns along.
var unlessForm = regexp.MustCompile(`^NorenUnless\s+(\d+)\s+(\d+)\s+([A-Z_|]+)\s+([a-z]+)$`)

// crsRule is a rule as it stands in its file.
type crsRule struct {
	operator string
	actions  []string
}

// expand writes out the NorenUnless lines of a package.
func expand(root fs.FS, text string) (string, error) {
	var b strings.Builder
	for line, directive := range directiveLines(text) {
		m := unlessForm.FindStringSubmatch(directive)
		if m == nil {
			if strings.HasPrefix(directive, "NorenUnless") {
				return "", noren.Errorf(noren.Invalid, "line %d: %.80q is not NorenUnless RULE ID VARIABLES KIND", line, directive)
			}
			b.WriteString(directive + "\n")
			continue
		}
		rule, err := findRule(root, m[1])
		if err != nil {
			return "", fmt.Errorf("line %d: %w", line, err)
		}
		b.WriteString(rule.unless(m[1], m[2], m[3], m[4]))
	}
	return b.String(), nil
}

// unless is the rule over some variables, for values that are not inert.
//
// utf8toUnicode is left out: with urlDecodeUni it makes of each letter outside
// ASCII its lower byte, so that 「 is a control character, （赤） is (d) and every
// second word of Japanese holds a sign. What shops do fold, full-width to ASCII,
// is among the readings of a value (views.go).
func (r crsRule) unless(id, own, vars, kind string) string {
	var head, tail []string
	for _, a := range r.actions {
		name, value, _ := strings.Cut(a, ":")
		switch {
		case name == "setvar":
			tail = append(tail, a)
		case name == "id":
			head = append(head, "id:"+own)
		case name == "t" && strings.EqualFold(value, "utf8toUnicode"), name == "tag" && !strings.HasPrefix(value, "'attack-"), name == "ver", name == "logdata", name == "capture":
		default:
			head = append(head, a)
		}
	}
	var not []string
	for v := range strings.SplitSeq(vars, "|") {
		not = append(not, "!"+v)
	}
	return fmt.Sprintf("SecRuleUpdateTargetById %s \"%s\"\nSecRule %s \"%s\" \"%s,tag:'crs/%s',chain\"\nSecRule MATCHED_VARS \"!@inert %s\" \"t:none,%s\"\n",
		id, strings.Join(not, "|"), vars, r.operator, strings.Join(head, ","), id, kind, strings.Join(tail, ","))
}

// findRule reads a rule from the file that its number names.
func findRule(root fs.FS, id string) (rule crsRule, err error) {
	names := slices.DeleteFunc(slices.Clone(ruleFiles), func(n string) bool { return !strings.HasPrefix(n, id[:3]) })
	if len(names) != 1 {
		return rule, noren.Errorf(noren.Invalid, "no file of rules has rule %s", id)
	}
	file := "@owasp_crs/REQUEST-" + names[0] + ".conf"
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return rule, fmt.Errorf("read the rules: %w", err)
	}
	for _, directive := range directiveLines(string(text)) {
		m := ruleForm.FindStringSubmatch(directive)
		if m == nil {
			continue
		}
		actions := splitActions(m[2])
		if !slices.Contains(actions, "id:"+id) {
			continue
		}
		if slices.Contains(actions, "chain") {
			return rule, noren.Errorf(noren.Invalid, "rule %s is a chain, which cannot be narrowed so", id)
		}
		return crsRule{inPlace(m[1], path.Dir(file)), actions}, nil
	}
	return rule, noren.Errorf(noren.NotFound, "the rule set has no rule %s", id)
}

// inPlace makes the name of a file in an operator hold from anywhere.
func inPlace(operator, dir string) string {
	if name, file, ok := strings.Cut(operator, " "); ok && (name == "@pmFromFile" || name == "@pmf") {
		return name + " " + path.Join(dir, file)
	}
	return operator
}
