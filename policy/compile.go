package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"noren"
)

// Limits on a condition, checked when it is loaded. With the cost limit of
// cost.go they are why nothing is counted while it runs.
const (
	maxNodes   = 500 // of the syntax tree, macros expanded
	maxNesting = 32
)

// compiler turns conditions into programs. It works in two passes: parse all
// and collect the facts they name, then check all against one environment.
type compiler struct {
	cat   *noren.Catalogue
	base  *cel.Env
	facts map[string]noren.Fact // every fact that some condition names
}

func newCompiler(cat *noren.Catalogue) (*compiler, error) {
	base, err := cel.NewEnv(
		cel.CrossTypeNumericComparisons(true),
		cel.EnableMacroCallTracking(), // to write conditions back in one form, for the version
		cel.ParserExpressionSizeLimit(MaxWhen),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxNodes),
	)
	return &compiler{cat: cat, base: base, facts: map[string]noren.Fact{}}, err
}

// parsed is a condition between the passes.
type parsed struct {
	*source
	ast   *cel.Ast
	names []string      // of the facts, sorted
	begin map[int64]int // id of a.b.c → the byte where a begins; checking forgets it
}

// compile turns sources into rules, collecting the faults of all.
func (l *loader) compile(sources []*source) {
	var conditions []*parsed
	for _, s := range sources {
		if p := l.parse(s); p != nil {
			conditions = append(conditions, p)
		}
	}
	steps := l.parseSteps()
	env, err := l.compiler.env()
	if err != nil {
		l.faults = append(l.faults, fmt.Errorf("policy: declare facts: %w", err))
		return
	}
	for _, p := range conditions {
		r := p.check(env)
		if r == nil {
			continue
		}
		l.runRows(p, r)
		l.rules = append(l.rules, r)
	}
	for i, p := range steps {
		if p == nil {
			continue
		}
		if r := p.check(env); r != nil {
			l.runRows(p, r)
			l.stepRules = append(l.stepRules, stepRule{l.steps[i].seen, r})
		}
	}
}

// parseSteps parses the steps of the sequences; nil for one with a fault.
func (l *loader) parseSteps() []*parsed {
	out := make([]*parsed, len(l.steps))
	for i, s := range l.steps {
		if p := l.parse(s.source); p != nil {
			p.checkOwn()
			out[i] = p
		}
	}
	return out
}

// parse reads a condition and looks its facts up.
func (l *loader) parse(s *source) *parsed {
	if s.policy.When == "" || len(s.policy.When) > MaxWhen {
		return nil // reported
	}
	tree, issues := l.compiler.base.Parse(s.policy.When)
	if issues.Err() != nil {
		s.issues(issues)
		return nil
	}
	p := &parsed{source: s, ast: tree, begin: map[int64]int{}}
	ok := true
	p.walk(tree.NativeRep().Expr(), nil, func(id int64, name string) {
		if slices.Contains(p.names, name) {
			return
		}
		if msg := l.lookup(s, name); msg.En != "" {
			ok = false
			s.faultInside(p.offset(id), msg)
		}
		p.names = append(p.names, name)
	}, func(id int64, msg noren.Text) {
		ok = false
		s.faultInside(p.offset(id), msg)
	})
	for _, name := range s.policy.Ban.facts() {
		if msg := l.lookup(s, name); msg.En != "" {
			ok = false
			s.fault(noren.Textf("遮断（ban）: %s", "ban: %s", msg), "ban")
		}
	}
	if !ok {
		return nil
	}
	slices.Sort(p.names)
	p.checkEvidence()
	return p
}

// needs are the computed facts of the condition and of the ban, sorted.
func (p *parsed) needs() []string {
	out := append(p.computed(), p.policy.Ban.facts()...)
	slices.Sort(out)
	return slices.Compact(out)
}

// computed are the facts among p.names that an event does not hold itself.
func (p *parsed) computed() []string {
	var out []string
	for _, n := range p.names {
		if p.l.compiler.facts[n].Read == nil {
			out = append(out, n)
		}
	}
	return out
}

// lookup finds a fact and says what is wrong with it for this policy.
func (l *loader) lookup(s *source, name string) noren.Text {
	f, err := l.cat.Lookup(name)
	if err != nil {
		return noren.Textf("%v", "%v", err)
	}
	for _, k := range s.policy.Kinds {
		if f.Kinds != nil && !slices.Contains(f.Kinds, k) {
			return noren.Textf("事実 %q は %s にはありません。あるのは %s です", "fact %q does not exist for %s, only for %s", name, k, joinKinds(f.Kinds))
		}
	}
	l.compiler.facts[name] = f
	return noren.Text{}
}

func joinKinds(kinds []noren.Kind) string {
	s := make([]string, len(kinds))
	for i, k := range kinds {
		s[i] = string(k)
	}
	return strings.Join(s, ", ")
}

// env declares every fact that was found.
func (c *compiler) env() (*cel.Env, error) {
	var opts []cel.EnvOption
	for name, f := range c.facts {
		opts = append(opts, cel.Variable(name, celType(f.Type)))
	}
	return c.base.Extend(opts...)
}

func celType(t noren.FactType) *cel.Type {
	switch t {
	case noren.Bool:
		return cel.BoolType
	case noren.Int:
		return cel.IntType
	case noren.Float:
		return cel.DoubleType
	case noren.List:
		return cel.ListType(cel.StringType)
	}
	return cel.StringType
}

// check types a condition, bounds its cost and makes it a rule.
func (p *parsed) check(env *cel.Env) *rule {
	checked, issues := env.Check(p.ast)
	if issues.Err() != nil {
		p.checkIssues(issues)
		return nil
	}
	if t := checked.OutputType(); !t.IsExactType(types.BoolType) {
		p.fault(noren.Textf("条件の答えが%sになっています。当てはまるか（true）、当てはまらないか（false）になるように書いてください", "the condition is of type %s, not true or false", typeName(t)), "when")
		return nil
	}
	cost, err := estimate(env, checked)
	if err != nil || cost > MaxCost {
		p.fault(noren.Textf("この条件は %s の手間がかかることがあり、上限の %d を超えます。調べる文字や一覧を減らすか、短くしてください", "the condition may cost %s, more than the limit of %d; test fewer or shorter texts and lists", costText(cost), MaxCost), "when")
		return nil
	}
	prog, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		p.fault(noren.Textf("この条件は準備できません: %s", "the condition cannot be prepared: %s", evalText(err)), "when")
		return nil
	}
	canonical, err := cel.AstToString(p.ast)
	if err != nil {
		canonical = p.policy.When
	}
	return newRule(p, prog, canonical, cost)
}

// issues reports what CEL found when it parsed, each at its place.
func (s *source) issues(iss *cel.Issues) {
	for _, e := range iss.Errors() {
		s.faultInside(offsetIn(s.policy.When, e.Location.Line(), e.Location.Column()), celMessage(e))
	}
}

// checkIssues reports what CEL found when it checked types. It points at the
// last dot of a fact's name; people look for the beginning.
func (p *parsed) checkIssues(iss *cel.Issues) {
	for _, e := range iss.Errors() {
		offset := offsetIn(p.policy.When, e.Location.Line(), e.Location.Column())
		if begin, ok := p.begin[e.ExprID]; ok {
			offset = begin
		}
		p.faultInside(offset, celMessage(e))
	}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return clipTo(s, 300)
}

func clipTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// offset is where the expression with this id begins, in bytes of the condition.
func (p *parsed) offset(id int64) int {
	loc := p.ast.NativeRep().SourceInfo().GetStartLocation(id)
	return offsetIn(p.policy.When, loc.Line(), loc.Column())
}

// offsetIn turns CEL's line (from 1) and column (characters, from 0) into bytes.
func offsetIn(text string, line, col int) int {
	start := 0
	for range line - 1 {
		i := strings.IndexByte(text[start:], '\n')
		if i < 0 {
			break
		}
		start += i + 1
	}
	for i := range text[start:] {
		if col--; col < 0 {
			return start + i
		}
	}
	return len(text)
}
