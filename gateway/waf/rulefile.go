package waf

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3"

	"noren"
)

// RuleFile is a file of a shop's own rules, in the language of the Core Rule
// Set.
type RuleFile struct {
	Name string
	Data []byte
}

// Bounds of own rules.
const (
	maxRuleFiles = 20
	maxRuleBytes = 256 << 10 // all files together
	maxOwnRules  = 500
)

// ownActions are what an own rule may do. What is left out reads files, runs
// programs, switches the engine off or lets a request pass all other rules:
// that would be a hole nobody sees from outside. Exceptions are made at the
// site (waf: shadow) or by allow-lists.
var ownActions = []string{
	"id", "phase", "block", "deny", "pass", "status", "msg", "tag", "severity", "t", "multimatch", "chain", "capture",
	"log", "nolog", "logdata", "setvar", "rev", "ver",
}

// ownOperators compare what came with what stands in the rule, and nothing
// else.
var ownOperators = []string{
	"rx", "pm", "contains", "containsword", "streq", "strmatch", "beginswith", "endswith", "within", "eq", "ge", "gt", "le", "lt",
	"ipmatch", "detectsqli", "detectxss", "validatebyterange", "validateutf8encoding", "validateurlencoding", "unconditionalmatch",
}

// CheckRules reports everything that is wrong with own rules, each fault with
// file and line. What it accepts may still fail to compile in New: only where a
// fault was found anyway are the other rules compiled as well, so that one report
// has them all.
func CheckRules(files []RuleFile) error {
	if len(files) > maxRuleFiles {
		return noren.Errorf(noren.Invalid, "%d files of firewall rules are over %d", len(files), maxRuleFiles)
	}
	c := ruleChecker{ids: map[int]string{}, faulty: map[place]bool{}}
	size := 0
	for _, f := range files {
		size += len(f.Data)
		c.file(f)
	}
	if size > maxRuleBytes {
		c.errs = append(c.errs, noren.Errorf(noren.Invalid, "firewall rules of %d bytes are over %d", size, maxRuleBytes))
	}
	if len(c.ids) > maxOwnRules {
		c.errs = append(c.errs, noren.Errorf(noren.Invalid, "%d own firewall rules are over %d", len(c.ids), maxOwnRules))
	}
	if len(c.errs) > 0 {
		c.errs = append(c.errs, brokenRules(files, c.faulty)...)
	}
	return errors.Join(c.errs...)
}

// place is where a directive begins.
type place struct {
	file string
	line int
}

type ruleChecker struct {
	faulty  map[place]bool // where a fault was found
	ids     map[int]string // where each stands
	name    string
	line    int
	chained bool // the rule before this one ends in chain
	errs    []error
}

func (c *ruleChecker) fault(format string, args ...any) {
	c.faulty[place{c.name, c.line}] = true
	c.errs = append(c.errs, noren.Errorf(noren.Invalid, "%s:%d: "+format, append([]any{c.name, c.line}, args...)...))
}

func (c *ruleChecker) file(f RuleFile) {
	c.name, c.chained = f.Name, false
	for at, text := range directiveLines(string(f.Data)) {
		c.line = at
		c.directive(text)
	}
	if c.chained {
		c.fault("the last rule asks for a chain, and nothing follows")
	}
}

// directiveLines yields each directive with the line it begins at: joined where
// a line ends in a backslash, without comments and empty lines.
func directiveLines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		begun, whole := 0, ""
		for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
			line = strings.TrimSpace(line)
			if whole == "" {
				if line == "" || line[0] == '#' {
					continue
				}
				begun = i + 1
			}
			if part, more := strings.CutSuffix(line, `\`); more {
				whole += part + " "
				continue
			}
			if !yield(begun, whole+line) {
				return
			}
			whole = ""
		}
		if whole != "" {
			yield(begun, whole)
		}
	}
}

// ruleForm is SecRule VARIABLES "OPERATOR" "ACTIONS"; in a chain the actions
// may be missing.
var ruleForm = regexp.MustCompile(`^(?i:SecRule)\s+(?:"[^"\\]*"|[^\s"]+)\s+"((?:[^"\\]|\\.)*)"(?:\s+"((?:[^"\\]|\\.)*)")?$`)

func (c *ruleChecker) directive(text string) {
	for _, r := range text {
		if r < ' ' && r != '\t' || r == 0x7f {
			c.fault("a control character stands in the rule")
			return
		}
	}
	m := ruleForm.FindStringSubmatch(text)
	if m == nil {
		word, _, _ := strings.Cut(text, " ")
		c.fault(`%.40q: only rules of the form SecRule VARIABLES "OPERATOR" "ACTIONS" may stand here`, word)
		return
	}
	c.operator(m[1])
	c.actions(m[2])
}

func (c *ruleChecker) operator(op string) {
	op = strings.TrimPrefix(strings.TrimSpace(op), "!")
	name, named := strings.CutPrefix(op, "@")
	if !named {
		return // a bare pattern is @rx
	}
	name, _, _ = strings.Cut(name, " ")
	if !slices.Contains(ownOperators, strings.ToLower(name)) {
		c.fault("operator @%.40s may not be used; there are %s", name, strings.Join(ownOperators, ", "))
	}
}

func (c *ruleChecker) actions(text string) {
	first, chain, id := !c.chained, false, ""
	for _, a := range splitActions(text) {
		name, value, _ := strings.Cut(a, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !slices.Contains(ownActions, name):
			c.fault("action %.40q may not be used; there are %s", name, strings.Join(ownActions, ", "))
		case name == "chain":
			chain = true
		case name == "id":
			id = strings.Trim(strings.TrimSpace(value), "'")
		case name == "phase" && !slices.Contains([]string{"1", "2"}, strings.Trim(strings.TrimSpace(value), "'")):
			c.fault("phase %.20q is not 1 (headers) or 2 (body): answers are not inspected", value)
		case name == "setvar" && !strings.HasPrefix(strings.ToLower(strings.Trim(strings.TrimSpace(value), "'!")), "tx."):
			c.fault("setvar may set variables of the request (tx.NAME) only")
		case name == "setvar" && strings.HasPrefix(strings.Trim(strings.TrimSpace(value), "'"), "!"):
			c.fault("setvar:!%.40s: the engine fails where a variable is removed; set it to another value", strings.Trim(strings.TrimSpace(value), "'!"))
		}
	}
	if c.chained = chain; first {
		c.id(id)
	} else if id != "" {
		c.fault("a rule in a chain has no id of its own")
	}
}

func (c *ruleChecker) id(text string) {
	id, err := strconv.Atoi(text)
	if err != nil || id < 1 || id > noren.MaxOwnRule {
		c.fault("id %.20q is not a number from 1 to %d, the range for own rules", text, noren.MaxOwnRule)
		return
	}
	if other, dup := c.ids[id]; dup {
		c.fault("id %d stands already in %s", id, other)
		return
	}
	c.ids[id] = fmt.Sprintf("%s:%d", c.name, c.line)
}

// splitActions splits at commas outside quotes.
func splitActions(text string) []string {
	var out []string
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '\'':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			out, from = append(out, strings.TrimSpace(text[from:i])), i+1
		}
	}
	if last := strings.TrimSpace(text[min(from, len(text)):]); last != "" {
		out = append(out, last)
	}
	return out
}

// whichRules finds the rules that the engine does not take, which it says itself
// without their place.
func whichRules(files []RuleFile, err error) error {
	if broken := brokenRules(files, nil); len(broken) > 0 {
		return errors.Join(broken...)
	}
	return noren.Errorf(noren.Invalid, "compile the WAF rules: %w", err)
}

// brokenRules gives the engine each rule alone, with its chain, but for those that
// are known to be faulty.
func brokenRules(files []RuleFile, faulty map[place]bool) (errs []error) {
	for _, f := range files {
		group, begun, known := "", 0, false
		for line, text := range directiveLines(string(f.Data)) {
			if group == "" {
				begun, known = line, false
			}
			group += text + "\n"
			known = known || faulty[place{f.Name, line}]
			if endsInChain(text) {
				continue
			}
			if !known {
				if _, err := coraza.NewWAF(coraza.NewWAFConfig().WithDirectives(group)); err != nil {
					errs = append(errs, noren.Errorf(noren.Invalid, "%s:%d: %w", f.Name, begun, err))
				}
			}
			group = ""
		}
	}
	return errs
}

func endsInChain(text string) bool {
	m := ruleForm.FindStringSubmatch(text)
	return m != nil && slices.ContainsFunc(splitActions(m[2]), func(a string) bool { return strings.EqualFold(a, "chain") })
}
