package gateway

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"noren"
)

// Bounds on a document.
const (
	maxGraphQLTokens = 20_000
	maxGraphQLDepth  = 50
	maxGraphQLCalls  = 200
)

// parseGraphQL reads the fields that each operation of a document calls at its
// first level, fragments resolved. It reads the executable part of the GraphQL
// language (October 2021, section 2) and nothing else; what it cannot read is an
// error. Which of several operations will run is not its business: all are given.
func parseGraphQL(doc string, vars map[string]any) (graphqlDoc, error) {
	p := &graphqlParser{src: doc, vars: vars, fragments: map[string]*selection{}}
	p.next()
	var operations []*selection
	for p.tok.kind != lexEnd && p.err == nil {
		if op := p.definition(); op != nil {
			operations = append(operations, op)
		}
	}
	if p.err == nil && len(operations) == 0 {
		p.fail("no operation")
	}
	out := graphqlDoc{texts: p.texts}
	for _, op := range operations {
		var calls []call
		p.resolve(op, map[string]bool{}, &calls)
		out.ops = append(out.ops, calls)
	}
	if p.err != nil {
		return graphqlDoc{}, p.err
	}
	return out, nil
}

// graphqlDoc is a document, read.
type graphqlDoc struct {
	ops   [][]call
	texts []string // every text in it; the rest are names, numbers and signs
}

// selection is the first level of an operation or a fragment.
type selection struct {
	calls   []call
	spreads []string
}

type lexeme int

const (
	lexEnd lexeme = iota
	lexName
	lexPunct
	lexString
	lexNumber
)

type graphqlToken struct {
	kind lexeme
	text string
}

type graphqlParser struct {
	src       string
	pos       int
	count     int
	tok       graphqlToken
	err       error
	texts     []string
	vars      map[string]any
	defaults  map[string]url.Values // of the operation's variables
	fragments map[string]*selection
}

func (p *graphqlParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = noren.Errorf(noren.Invalid, "graphql: %s at %d", fmt.Sprintf(format, args...), p.pos)
	}
	p.tok = graphqlToken{}
	p.pos = len(p.src)
}

// resolve adds the calls of a selection and of the fragments it spreads.
func (p *graphqlParser) resolve(s *selection, seen map[string]bool, into *[]call) {
	*into = append(*into, s.calls...)
	if len(*into) > maxGraphQLCalls {
		p.fail("more than %d fields", maxGraphQLCalls)
		return
	}
	for _, name := range s.spreads {
		f := p.fragments[name]
		if f == nil {
			p.fail("no fragment %q", name)
			return
		}
		if !seen[name] {
			seen[name] = true
			p.resolve(f, seen, into)
		}
	}
}

// definition reads an operation, which it returns, or a fragment.
func (p *graphqlParser) definition() *selection {
	p.defaults = map[string]url.Values{}
	switch {
	case p.is("{"):
		return p.selectionSet(0)
	case p.tok.kind != lexName:
		p.fail("a definition is missing")
		return nil
	}
	word := p.tok.text
	p.next()
	switch word {
	case "query", "mutation", "subscription":
		if p.tok.kind == lexName {
			p.next()
		}
		p.variables()
		p.directives()
		return p.selectionSet(0)
	case "fragment":
		name := p.name()
		if p.name() != "on" {
			p.fail("on is missing")
		}
		p.name()
		p.directives()
		if p.fragments[name] != nil {
			p.fail("fragment %q stands twice", name)
			return nil
		}
		p.fragments[name] = p.selectionSet(0)
		return nil
	}
	p.fail("%q is no operation", word)
	return nil
}

// variables reads the declared variables and their defaults.
func (p *graphqlParser) variables() {
	if !p.accept("(") {
		return
	}
	for p.err == nil && !p.accept(")") {
		p.expect("$")
		name := p.name()
		p.expect(":")
		p.typeOf(0)
		if p.accept("=") {
			values := url.Values{}
			p.value("", values, 0)
			p.defaults[name] = values
		}
		p.directives()
	}
}

func (p *graphqlParser) typeOf(depth int) {
	if depth > maxGraphQLDepth {
		p.fail("too deep")
		return
	}
	if p.accept("[") {
		p.typeOf(depth + 1)
		p.expect("]")
	} else {
		p.name()
	}
	p.accept("!")
}

func (p *graphqlParser) directives() {
	for p.err == nil && p.accept("@") {
		p.name()
		p.arguments(url.Values{})
	}
}

func (p *graphqlParser) arguments(into url.Values) {
	if !p.accept("(") {
		return
	}
	for p.err == nil && !p.accept(")") {
		name := p.name()
		p.expect(":")
		p.value(name, into, 0)
	}
}

// selectionSet reads a level; what lies below is only balanced.
func (p *graphqlParser) selectionSet(depth int) *selection {
	s := &selection{}
	p.into(s, depth)
	return s
}

func (p *graphqlParser) into(s *selection, depth int) {
	if depth > maxGraphQLDepth {
		p.fail("too deep")
		return
	}
	p.expect("{")
	for p.err == nil && !p.accept("}") {
		if p.accept("...") {
			p.spread(s, depth)
			continue
		}
		c := call{name: p.name(), args: url.Values{}}
		if p.accept(":") {
			c.name = p.name()
		}
		p.arguments(c.args)
		p.directives()
		if p.is("{") {
			p.into(&selection{}, depth+1)
		}
		if s.calls = append(s.calls, c); len(s.calls) > maxGraphQLCalls && depth == 0 {
			p.fail("more than %d fields", maxGraphQLCalls)
		}
	}
}

// spread reads a fragment's name, or a fragment in place, whose fields stand on
// the same level.
func (p *graphqlParser) spread(s *selection, depth int) {
	if p.tok.kind == lexName && p.tok.text != "on" {
		s.spreads = append(s.spreads, p.name())
		p.directives()
		return
	}
	if p.tok.kind == lexName {
		p.next()
		p.name()
	}
	p.directives()
	p.into(s, depth+1)
}

// value reads a value into values under its path.
func (p *graphqlParser) value(path string, into url.Values, depth int) {
	switch {
	case depth > maxGraphQLDepth:
		p.fail("too deep")
	case p.accept("$"):
		p.variable(path, p.name(), into)
	case p.accept("["):
		for p.err == nil && !p.accept("]") {
			p.value(path, into, depth+1)
		}
	case p.accept("{"):
		for p.err == nil && !p.accept("}") {
			name := p.name()
			p.expect(":")
			p.value(strings.TrimPrefix(path+"."+name, "."), into, depth+1)
		}
	case p.tok.kind == lexString || p.tok.kind == lexNumber || p.tok.kind == lexName:
		into.Add(path, p.tok.text)
		p.next()
	default:
		p.fail("a value is missing")
	}
}

// variable puts in what was given for a variable, or its default.
func (p *graphqlParser) variable(path, name string, into url.Values) {
	if v, given := p.vars[name]; given {
		flatten(path, v, into, 0)
		return
	}
	for under, values := range p.defaults[name] {
		key := strings.Trim(path+"."+under, ".")
		into[key] = append(into[key], values...)
	}
}

func (p *graphqlParser) is(punct string) bool {
	return p.tok.kind == lexPunct && p.tok.text == punct
}

func (p *graphqlParser) accept(punct string) bool {
	if !p.is(punct) {
		return false
	}
	p.next()
	return true
}

func (p *graphqlParser) expect(punct string) {
	if !p.accept(punct) {
		p.fail("%s is missing", punct)
	}
}

func (p *graphqlParser) name() string {
	if p.tok.kind != lexName {
		p.fail("a name is missing")
		return ""
	}
	s := p.tok.text
	p.next()
	return s
}

// next reads a token.
func (p *graphqlParser) next() {
	if p.count++; p.count > maxGraphQLTokens {
		p.fail("too long")
		return
	}
	p.skip()
	rest := p.src[p.pos:]
	switch {
	case rest == "":
		p.tok = graphqlToken{}
	case strings.HasPrefix(rest, "..."):
		p.take(lexPunct, 3)
	case strings.ContainsRune("!$&()|:=@[]{}", rune(rest[0])):
		p.take(lexPunct, 1)
	case strings.HasPrefix(rest, `"""`):
		p.blockString()
	case rest[0] == '"':
		p.quoted()
	case rest[0] == '-' || rest[0] >= '0' && rest[0] <= '9':
		p.take(lexNumber, 1+span(rest[1:], "0123456789.eE+-"))
	default:
		n := span(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
		if n == 0 {
			p.fail("an odd character")
			return
		}
		p.take(lexName, n)
	}
}

func (p *graphqlParser) take(k lexeme, n int) {
	p.tok = graphqlToken{k, p.src[p.pos : p.pos+n]}
	p.pos += n
}

func span(s, chars string) int { return len(s) - len(strings.TrimLeft(s, chars)) }

// skip passes over what means nothing: white space, commas, comments, a BOM.
func (p *graphqlParser) skip() {
	for p.pos < len(p.src) {
		rest := p.src[p.pos:]
		switch {
		case strings.ContainsRune(" \t\r\n,", rune(rest[0])):
			p.pos++
		case strings.HasPrefix(rest, "\uFEFF"):
			p.pos += len("\uFEFF")
		case rest[0] == '#':
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			p.pos += end
		default:
			return
		}
	}
}

func (p *graphqlParser) blockString() {
	var b strings.Builder
	at := p.pos + 3
	for {
		end := strings.Index(p.src[at:], `"""`)
		if end < 0 {
			p.fail("a text has no end")
			return
		}
		if end > 0 && p.src[at+end-1] == '\\' { // \""" stands for """
			b.WriteString(p.src[at : at+end-1])
			b.WriteString(`"""`)
			at += end + 3
			continue
		}
		b.WriteString(p.src[at : at+end])
		p.text(b.String(), at+end+3)
		return
	}
}

// text ends the token of a text at pos.
func (p *graphqlParser) text(s string, pos int) {
	p.tok, p.pos, p.texts = graphqlToken{lexString, s}, pos, append(p.texts, s)
}

func (p *graphqlParser) quoted() {
	var b strings.Builder
	for at := p.pos + 1; at < len(p.src); {
		switch c := p.src[at]; {
		case c == '"':
			p.text(b.String(), at+1)
			return
		case c == '\n' || c == '\r':
			p.fail("a text has no end")
			return
		case c == '\\':
			r, n := escape(p.src[at+1:])
			if n == 0 {
				p.fail("an odd escape")
				return
			}
			b.WriteRune(r)
			at += 1 + n
		default:
			b.WriteByte(c)
			at++
		}
	}
	p.fail("a text has no end")
}

// escape reads what follows a backslash, and how long it is; 0 for nothing that
// is allowed.
func escape(s string) (rune, int) {
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[0]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 1
	}
	if s[0] != 'u' || len(s) < 5 {
		return 0, 0
	}
	digits, n := s[1:5], 5
	if s[1] == '{' {
		end := strings.IndexByte(s, '}')
		if end < 3 || end > 10 {
			return 0, 0
		}
		digits, n = s[2:end], end+1
	}
	v, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || v > utf8.MaxRune {
		return 0, 0
	}
	if hi := rune(v); hi >= 0xD800 && hi < 0xDC00 && n == 5 && strings.HasPrefix(s[5:], `\u`) && len(s) >= 11 {
		if lo, err := strconv.ParseUint(s[7:11], 16, 32); err == nil && lo >= 0xDC00 && lo < 0xE000 {
			return (hi-0xD800)<<10 + rune(lo) - 0xDC00 + 0x10000, 11
		}
	}
	return rune(v), n
}
