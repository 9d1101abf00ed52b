package screen

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// truth is what is known of a link for all requests.
type truth int

const (
	no truth = iota
	maybe
	yes
)

// link compiles one link.
func (c *compiler) link(raw *rawRule) (*link, truth, error) {
	l := &link{multi: has(raw.actions, "multimatch"), capture: has(raw.actions, "capture"), neg: raw.op.neg, name: raw.op.name}
	if !raw.isOp {
		l.always = true
		return l, yes, nil
	}
	var known bool
	l.path, l.steps, known = transforms(raw.actions)
	l.opaque = !known
	if err := c.argument(l, raw); err != nil {
		return nil, no, err
	}
	for i := range raw.vars {
		if src, some := c.source(&raw.vars[i]); some {
			l.sources = append(l.sources, src)
		}
	}
	if len(l.sources) == 0 {
		return l, no, nil
	}
	if l.capture {
		c.captures = captures(l.op)
	}
	t := c.decide(l)
	for _, src := range l.sources {
		l.blind = l.blind || src.class == unknownVar
		// The engine keeps transformed values for a phase by variable and place of
		// the name; of those without a name it may give an older one.
		nameless := src.sel.count && src.class != txVar || src.class == matchedVar || src.class == matchedVars
		l.opaque = l.opaque || nameless && len(l.path) > 0
	}
	l.opaque = l.opaque || l.blind
	return l, t, nil
}

// argument compiles the operator, or keeps its argument to be filled in.
func (c *compiler) argument(l *link, raw *rawRule) error {
	op := raw.op
	if takesMacros(op.name) {
		m, err := c.macro(op.arg)
		if err != nil {
			return err
		}
		plain, ok := m.plain()
		if !ok {
			l.args = m
			return nil
		}
		op.arg = plain
	}
	var err error
	l.key = op.name + "\x00" + op.arg + "\x00" + raw.dir
	l.op, l.clauses, err = c.operator(op, raw.dir)
	if errors.Is(err, errBeyond) {
		l.opaque, err = true, nil
	}
	return err
}

// source compiles one variable; some is false if it never has a value.
func (c *compiler) source(sel *selector) (src source, some bool) {
	src = source{class: classes[sel.name], sel: *sel}
	switch src.class {
	case emptyVar:
		return src, sel.count
	case steady, growing, replaced:
		src.early = c.phase == 1 && src.class == replaced
		src.more = c.phase == 1 && src.class == growing
		switch {
		case c.phase == 1 && src.class == growing && sel.count, src.early && strings.HasPrefix(sel.name, "REQBODY_"):
			src.class = unknownVar // what it was at that rule is not kept
		case src.early:
			src.index = c.need(&c.early, sel.name)
		default:
			src.index = c.need(&c.vars, sel.name)
		}
	case txVar:
		return c.txSource(src)
	}
	return src, true
}

func (c *compiler) txSource(src source) (source, bool) {
	if src.sel.rx == nil && src.sel.key != "" && len(src.sel.except) == 0 {
		src.tx = c.read(src.sel.key)
		return src, true
	}
	if src.sel.count {
		src.class = unknownVar
		return src, true
	}
	for _, name := range slices.Sorted(maps.Keys(c.tx)) {
		if a := c.tx[name]; src.sel.wants(name) && a.state == constant {
			src.base = append(src.base, Value{name, a.value})
		} else if src.sel.wants(name) && a.state == unknown {
			src.class = unknownVar
		}
	}
	if len(c.wild) > 0 || wantsGroups(&src.sel) {
		src.class = unknownVar
	}
	return src, true
}

// isGroup reports whether a TX variable is what a pattern captured.
func isGroup(key string) bool { return len(key) == 1 && key[0] >= '0' && key[0] <= '9' }

func wantsGroups(sel *selector) bool {
	for d := '0'; d <= '9'; d++ {
		if sel.wants(string(d)) {
			return true
		}
	}
	return false
}

// read is how a TX variable is read here.
func (c *compiler) read(key string) txRead {
	if isGroup(key) {
		known := int(key[0]-'0') <= c.captures
		return txRead{key: key, base: abstract{state: unknown}, runtime: known, group: known}
	}
	r := txRead{key: key, base: c.tx[key], runtime: c.dynamic[key]}
	for _, p := range c.patterns {
		r.runtime = r.runtime || r.base.state != unknown && strings.HasPrefix(key, p)
	}
	for _, p := range c.wild {
		if strings.HasPrefix(key, p) {
			r.base.state, r.runtime = unknown, false
		}
	}
	return r
}

// macro compiles a text with variables: what is known is put in.
func (c *compiler) macro(text string) (macro, error) {
	var m macro
	for text != "" {
		at := macroForm.FindStringSubmatchIndex(text)
		if at == nil {
			if strings.Contains(text, "%{") {
				return nil, fmt.Errorf("macro %.40q: %w", text, errBeyond)
			}
			return append(m, part{text: text}), nil
		}
		if at[0] > 0 {
			if strings.Contains(text[:at[0]], "%{") {
				return nil, fmt.Errorf("macro %.40q: %w", text, errBeyond)
			}
			m = append(m, part{text: text[:at[0]]})
		}
		m = append(m, c.macroPart(text[at[2]:at[3]]))
		text = text[at[1]:]
	}
	return m, nil
}

func (c *compiler) macroPart(name string) part {
	variable, key, _ := strings.Cut(name, ".")
	key = strings.ToLower(key)
	switch variable = strings.ToUpper(variable); {
	case variable == "TX" && key != "":
		r := c.read(key)
		switch {
		case r.runtime || r.base.state == unknown:
			return part{text: name, tx: &r}
		case r.base.state == absent:
			return part{text: name}
		}
		return part{text: r.base.value}
	case variable == "MATCHED_VAR":
		return part{last: true}
	case variable == "MATCHED_VAR_NAME":
		return part{name: true}
	case variable == "REQUEST_HEADERS" && key != "":
		c.need(&c.vars, "REQUEST_HEADERS")
		return part{text: name, header: key}
	}
	return part{bad: true}
}

// decide works a link out whose variables are the same for every request.
func (c *compiler) decide(l *link) truth {
	if l.opaque || l.op == nil {
		return maybe
	}
	matched := no
	for _, src := range l.sources {
		if src.class == emptyVar { // &JSON
			src.tx = txRead{}
		} else if src.class != txVar || src.sel.rx != nil || src.sel.key == "" || src.tx.runtime || src.tx.base.state == unknown {
			return maybe
		}
		if v, some := src.tx.static(src.sel.count); some && l.test(v) {
			matched = yes
		}
	}
	return matched
}

// static is the value of a variable whose state is known.
func (r *txRead) static(count bool) (v string, some bool) {
	switch {
	case count && r.base.state == absent:
		return "0", true
	case count:
		return "1", true
	}
	return r.base.value, r.base.state == constant
}

// setvars takes notice of what a link sets. sure: it is set for every request.
// lost: the link is the last of a rule that marks; if it matches, what it sets
// does not matter any more.
func (c *compiler) setvars(r *rule, l *link, raw *rawRule, sure, lost bool) error {
	if lost {
		return nil
	}
	for _, a := range raw.actions {
		if a.name != "setvar" {
			continue
		}
		s, err := c.setvar(a.value)
		if err != nil {
			return err
		}
		key, plain := s.key.plain()
		key = strings.ToLower(key)
		switch {
		case isGroup(key) || isGroup(s.key.prefix()):
			return fmt.Errorf("setvar:%.60q: %w", a.value, errBeyond)
		case !sure && (plain && key == scoreVariable || !plain && strings.HasPrefix(scoreVariable, strings.ToLower(s.key.prefix()))):
			r.marks, r.whole = true, true // this link scores, whatever those after it say
		case plain && sure:
			c.assign(key, s)
		case !plain && s.key.prefix() == "":
			return fmt.Errorf("setvar:%.60q: %w", a.value, errBeyond)
		case !plain && l.unsure:
			c.wild = append(c.wild, strings.ToLower(s.key.prefix()))
		case !plain:
			c.patterns = append(c.patterns, strings.ToLower(s.key.prefix()))
			l.sets = append(l.sets, s)
		case l.unsure || c.tx[key].state == unknown: // and so it stays: what is set when is not kept
			c.tx[key] = abstract{state: unknown}
			delete(c.dynamic, key)
		default:
			s.base = c.tx[key]
			c.dynamic[key] = true
			l.sets = append(l.sets, s)
		}
	}
	return nil
}

func (c *compiler) setvar(text string) (s setvar, err error) {
	text, s.remove = strings.CutPrefix(text, "!")
	key, val, assigned := strings.Cut(text, "=")
	collection, key, _ := strings.Cut(key, ".")
	if !strings.EqualFold(strings.TrimSpace(collection), "tx") || strings.TrimSpace(key) == "" || !assigned && !s.remove {
		return s, fmt.Errorf("setvar:%.60q: %w", text, errBeyond)
	}
	if s.key, err = c.macro(key); err != nil {
		return s, err
	}
	s.value, err = c.macro(val)
	return s, err
}

// assign sets a variable for every request.
func (c *compiler) assign(key string, s setvar) {
	old, wasDynamic := c.tx[key], c.dynamic[key] || slices.ContainsFunc(c.patterns, func(p string) bool { return strings.HasPrefix(key, p) })
	v, plain := s.value.plain()
	switch {
	case wasDynamic || !plain || old.state == unknown:
		// A request may have set it before, and that would win when it is read.
		c.tx[key] = abstract{state: unknown}
		delete(c.dynamic, key)
	case s.remove:
		c.tx[key] = abstract{}
	default:
		if v, ok := arithmetic(old.value, v); ok {
			c.tx[key] = abstract{constant, v}
		}
	}
}

// arithmetic is what a variable becomes that is set to v: +1 adds to it. ok is
// false if it stays what it is.
func arithmetic(old, v string) (now string, ok bool) {
	if v == "" || v[0] != '+' && v[0] != '-' {
		return v, true
	}
	by := 0
	if len(v) > 1 {
		var err error
		if by, err = strconv.Atoi(v[1:]); err != nil {
			return v, !strings.HasPrefix(v[1:], "tx.")
		}
	}
	n := 0
	if old != "" {
		var err error
		if n, err = strconv.Atoi(old); err != nil {
			return "", false
		}
	}
	if v[0] == '-' {
		by = -by
	}
	return strconv.Itoa(n + by), true
}
