package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"

	"noren"
)

// Limits on a regular expression.
const (
	maxPattern      = 512   // bytes
	maxPatternInsts = 1_000 // instructions of its compiled form
)

// walk visits every fact that e names, and every use of what is not allowed.
// bound are the variables of the macros around e.
func (p *parsed) walk(e ast.Expr, bound []string, fact func(id int64, name string), refuse func(id int64, msg noren.Text)) {
	again := func(e ast.Expr) { p.walk(e, bound, fact, refuse) }
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); !slices.Contains(bound, name) {
			fact(e.ID(), name)
		}
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			refuse(e.ID(), noren.Textf("has() は要りません。分からない事実は、その型のゼロの値（0・空・false）になります", "has() is not needed: a fact that is not known has the zero value of its type"))
			return
		}
		if id, name, ok := dotted(e); ok && !slices.Contains(bound, rootOf(name)) {
			p.begin[e.ID()] = p.offset(id)
			fact(id, name)
			return
		}
		again(e.AsSelect().Operand())
	case ast.CallKind:
		p.walkCall(e, again, refuse)
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			again(x)
		}
	case ast.MapKind, ast.StructKind:
		refuse(e.ID(), noren.Textf("条件の中で「{ }」（マップ）は作れません", "a condition cannot build maps"))
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		again(c.IterRange())
		again(c.AccuInit())
		bound = append(slices.Clip(bound), c.IterVar(), c.IterVar2(), c.AccuVar())
		for _, x := range []ast.Expr{c.LoopCondition(), c.LoopStep(), c.Result()} {
			p.walk(x, bound, fact, refuse)
		}
	}
}

func (p *parsed) walkCall(e ast.Expr, again func(ast.Expr), refuse func(int64, noren.Text)) {
	c := e.AsCall()
	if c.IsMemberFunction() {
		again(c.Target())
	}
	for _, x := range c.Args() {
		again(x)
	}
	if c.FunctionName() != "matches" || len(c.Args()) == 0 {
		return
	}
	pattern := c.Args()[len(c.Args())-1]
	if msg := patternFault(pattern); msg.En != "" {
		refuse(pattern.ID(), msg)
	}
}

// patternFault says what is wrong with a regular expression; empty when nothing is.
func patternFault(e ast.Expr) noren.Text {
	if e.Kind() != ast.LiteralKind {
		return noren.Textf("matches() の型（正規表現）は、決まった文字で書いてください", "the pattern of matches() must be a constant text")
	}
	pattern, ok := e.AsLiteral().Value().(string)
	if !ok {
		return noren.Textf("matches() の型（正規表現）は、文字で書いてください", "the pattern of matches() must be a text")
	}
	if len(pattern) > maxPattern {
		return noren.Textf("正規表現が %d バイトあります。使えるのは %d バイトまでです", "the regular expression has %d bytes; at most %d are allowed", len(pattern), maxPattern)
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return regexpText(err)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return regexpText(err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || len(prog.Inst) > maxPatternInsts {
		return noren.Textf("正規表現が大きすぎます（組み立てると %d 段を超えます）", "the regular expression is too large: more than %d steps once compiled", maxPatternInsts)
	}
	return noren.Text{}
}

// dotted reads a.b.c; id is that of a, where the name begins.
func dotted(e ast.Expr) (id int64, name string, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.ID(), e.AsIdent(), true
	case ast.SelectKind:
		s := e.AsSelect()
		id, name, ok = dotted(s.Operand())
		return id, name + "." + s.FieldName(), ok
	}
	return 0, "", false
}

func rootOf(name string) string {
	root, _, _ := strings.Cut(name, ".")
	return root
}
