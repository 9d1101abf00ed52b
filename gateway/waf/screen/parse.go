package screen

import (
	"bufio"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// directive is one directive of a rule file as Coraza joins it from its lines.
type directive struct {
	name string // lower case
	rest string
	raw  string
	dir  string // where files that it names lie
}

const maxIncludes = 100

// reader reads directives the way Coraza's parser does, line limit included,
// so that both see the same rules.
type reader struct {
	root     fs.FS
	includes int
	out      []directive
}

func (r *reader) text(text, dir string) error {
	sc := bufio.NewScanner(strings.NewReader(text))
	var whole strings.Builder
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasSuffix(line, "`") {
			return fmt.Errorf("a data set (%.40q) is beyond the screen", line)
		}
		if part, more := strings.CutSuffix(line, `\`); more {
			whole.WriteString(part)
			continue
		}
		whole.WriteString(line)
		if err := r.directive(whole.String(), dir); err != nil {
			return err
		}
		whole.Reset()
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	return nil
}

func (r *reader) directive(line, dir string) error {
	name, rest, _ := strings.Cut(line, " ")
	name = strings.ToLower(name)
	if len(rest) >= 3 && rest[0] == '"' && rest[len(rest)-1] == '"' {
		rest = strings.Trim(rest, `"`)
	}
	if name != "include" {
		r.out = append(r.out, directive{name, rest, line, dir})
		return nil
	}
	if r.includes++; r.includes > maxIncludes {
		return fmt.Errorf("more than %d included files", maxIncludes)
	}
	if strings.ContainsAny(rest, "*?[") {
		return fmt.Errorf("a pattern of files (%.40q) is beyond the screen", rest)
	}
	file := rest
	if !strings.HasPrefix(file, "/") {
		file = path.Join(dir, file)
	}
	b, err := fs.ReadFile(r.root, file)
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	return r.text(string(b), path.Dir(file))
}

// rawRule is a SecRule or SecAction, or one link of a chain, before it is
// compiled.
type rawRule struct {
	vars    []selector
	op      rawOp
	isOp    bool // a SecAction has no operator and always matches
	actions []action
	dir     string
	raw     string
}

type rawOp struct {
	name, arg string
	neg       bool
}

type action struct{ name, value string }

// selector is one variable of a rule: ARGS:name, !ARGS:/regex/, &ARGS.
type selector struct {
	name       string // upper case
	key        string
	rx         *regexp.Regexp
	count, not bool
	except     []selector
}

func parseRule(d directive) (rawRule, error) {
	r := rawRule{dir: d.dir, raw: d.raw}
	if d.name == "secaction" {
		r.actions = parseActions(unquote(d.rest))
		return r, nil
	}
	data := strings.Trim(d.rest, " ")
	vars, rest, ok := strings.Cut(data, " ")
	if !ok {
		return r, fmt.Errorf("not a rule: %.60q", data)
	}
	op, rest, err := cutQuoted(strings.TrimLeft(rest, " "))
	if err != nil {
		return r, err
	}
	r.isOp = true
	r.op = parseOp(strings.ReplaceAll(unquote(op), `\"`, `"`))
	if r.vars, err = parseVars(vars); err != nil {
		return r, err
	}
	rest = strings.TrimLeft(rest, " ")
	if rest == "" {
		return r, nil
	}
	if len(rest) < 2 || rest[0] != '"' || rest[len(rest)-1] != '"' {
		return r, fmt.Errorf("not the actions of a rule: %.60q", rest)
	}
	r.actions = parseActions(unquote(rest))
	return r, nil
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func cutQuoted(s string) (quoted, rest string, err error) {
	if s == "" || s[0] != '"' {
		return "", "", fmt.Errorf("an operator without quotes: %.60q", s)
	}
	slashes := 0
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			slashes++
		case s[i] != '"':
			slashes = 0
		case slashes%2 == 1:
			slashes = 0
		default:
			return s[:i+1], s[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("an operator without its closing quote: %.60q", s)
}

func parseOp(s string) rawOp {
	switch {
	case s == "" || s[0] != '@' && s[0] != '!':
		s = "@rx " + s
	case s == "!":
		s = "!@rx"
	case s[0] == '!' && s[1] != '@':
		s = "!@rx " + s[1:]
	}
	name, arg, _ := strings.Cut(s, " ")
	name = strings.TrimSpace(name)
	bare, neg := strings.CutPrefix(name, "!")
	return rawOp{strings.ToLower(strings.TrimPrefix(bare, "@")), strings.TrimSpace(arg), neg}
}

// parseVars takes the forms rules are written in and refuses the odd ones
// (quoted selectors), which Coraza reads in ways of its own.
func parseVars(s string) ([]selector, error) {
	var out []selector
	for s != "" {
		var sel selector
		for s != "" && (s[0] == '!' || s[0] == '&') {
			sel.not, sel.count = sel.not || s[0] == '!', sel.count || s[0] == '&'
			s = s[1:]
		}
		end := strings.IndexAny(s, ":|")
		if end < 0 {
			end = len(s)
		}
		sel.name, s = strings.ToUpper(s[:end]), s[end:]
		var err error
		if s, err = sel.selectKey(s); err != nil {
			return nil, err
		}
		if sel.name == "" {
			return nil, fmt.Errorf("a variable without a name")
		}
		if !sel.not {
			out = append(out, sel)
			continue
		}
		for i := range out {
			if out[i].name == sel.name {
				out[i].except = append(out[i].except, sel)
			}
		}
	}
	return out, nil
}

func (sel *selector) selectKey(s string) (rest string, err error) {
	if s == "" || s[0] == '|' {
		return strings.TrimPrefix(s, "|"), nil
	}
	s = s[1:] // the colon
	if sel.name != "XML" && strings.HasPrefix(s, "/") {
		i := 1
		for ; i < len(s) && s[i] != '/'; i++ {
			if s[i] == '\\' {
				i++
			}
		}
		if i >= len(s) || i+1 < len(s) && s[i+1] != '|' {
			return "", fmt.Errorf("a selector beyond the screen: %.60q", s)
		}
		pattern := s[1:i]
		if !caseSensitive(sel.name) {
			pattern = strings.ToLower(pattern)
		}
		if sel.rx, err = regexp.Compile(pattern); err != nil {
			return "", fmt.Errorf("selector: %w", err)
		}
		return strings.TrimPrefix(s[i+1:], "|"), nil
	}
	sel.key, rest, _ = strings.Cut(s, "|")
	if sel.key == "" || strings.ContainsAny(sel.key, `'"`) || sel.name != "XML" && strings.Contains(sel.key, "/") {
		return "", fmt.Errorf("a selector beyond the screen: %.60q", s)
	}
	sel.key = strings.ToLower(sel.key)
	return rest, nil
}

func caseSensitive(name string) bool {
	switch name {
	case "ARGS", "ARGS_NAMES", "ARGS_GET", "ARGS_POST", "ARGS_GET_NAMES", "ARGS_POST_NAMES":
		return true
	}
	return false
}

// parseActions splits at commas outside single quotes, as Coraza does.
func parseActions(s string) []action {
	var out []action
	quoted, from, colon := false, 0, -1
	add := func(to int) {
		var a action
		if colon < 0 {
			a.name = s[from:to]
		} else {
			a.name, a.value = s[from:colon], s[colon+1:to]
		}
		a.name = strings.ToLower(strings.TrimSpace(a.name))
		a.value = unquote(strings.TrimSpace(a.value))
		out = append(out, a)
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i-1] == '\\':
		case s[i] == '\'':
			quoted = !quoted
		case quoted:
		case s[i] == ':' && colon < 0:
			colon = i
		case s[i] == ',':
			add(i)
			from, colon = i+1, -1
		}
	}
	if from < len(s) {
		add(len(s))
	}
	return out
}
