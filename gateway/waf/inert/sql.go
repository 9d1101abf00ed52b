package inert

import (
	"regexp"
	"slices"
	"strings"
)

// SQL reports whether v changes no statement that it is put into: inside a
// string of either quotes or a quoted name, or bare, in the place of a number, a
// column or an order. It walks the words that come behind the string's end with
// the one thing all databases agree on: two operands do not stand side by side.
//
//	第3章(' OR 1=1 など)   an operand behind an operand: no statement
//	500円(10%引)           the same, bare
//	"神"商品               a name where only an operator may stand
//
// A name outside ASCII is taken for what a statement might define itself (SELECT
// 1 AS あ) and is no proof where that is possible.
func SQL(v string) bool {
	return prosaic(v) && !mailHeader.MatchString(v) && unchanged(v)
}

// Statement is SQL for rules that go by names of functions and statements, which
// are found in templates too: {{ dump(app) }} is left to them.
func Statement(v string) bool { return hasWide(v) && SQL(v) }

// Ended is the same for a value with a quote and a semicolon, which end
// statements of other languages too: the next one must begin with no word.
func Ended(v string) bool { return hasWide(v) && !nextStatement.MatchString(v) && unchanged(v) }

// prosaic reports whether v may be judged by grammar. Plain ASCII is left to the
// rules as they are: attackers write it without a mistake, and testers with any.
func prosaic(v string) bool {
	return hasWide(v) || mailAddress.MatchString(v) || ifOfC.MatchString(v) || fragment.MatchString(v)
}

var (
	mailAddress   = regexp.MustCompile(`^[0-9A-Za-z.+_-]+@[0-9A-Za-z.-]+$`)
	mailHeader    = regexp.MustCompile(`(?i)[\r\n][ \t]*(?:to|b?cc|from|reply-to|subject|content-[a-z]+|mime-version)[ \t]*:`)
	nextStatement = regexp.MustCompile("['\"`]\\s*;\\s*[A-Za-z_$({/*-]*[A-Za-z_$({/*]")
	// fragment is what an editor of HTML or of templates sends.
	fragment = regexp.MustCompile(`(?s)^\s*(?:<[A-Za-z!].*>|\{[%{].*[%}]\})\s*$`)
)

func unchanged(v string) bool {
	for _, mysql := range []bool{false, true} {
		for _, quote := range []byte{'\'', '"', '`'} {
			if rest, closed := closing(v, quote, mysql); closed && !deadTail(v[:len(v)-len(rest)], rest, quote, mysql) {
				return false
			}
		}
		for _, begun := range []state{wantsOperand, hasOperand} {
			if !(&sqlReader{s: v, mysql: mysql, state: begun}).dead() {
				return false
			}
		}
	}
	return true
}

// closing finds the end of a string that v begins in the middle of.
func closing(v string, quote byte, mysql bool) (rest string, closed bool) {
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\\' && mysql && quote != '`':
			i++
		case v[i] == quote && i+1 < len(v) && v[i+1] == quote:
			i++
		case v[i] == quote:
			return v[i+1:], true
		}
	}
	return "", false
}

// deadTail looks at what stands behind the end of a string.
func deadTail(head, rest string, quote byte, mysql bool) bool {
	if text, ok := accident(head, rest, quote); ok {
		more, closed := closing(text, quote, mysql)
		return !closed || deadTail(text[:len(text)-len(more)], more, quote, mysql)
	}
	// The string's own end comes behind the value.
	return (&sqlReader{s: rest + string(quote), mysql: mysql, state: hasOperand, behind: 's'}).dead()
}

// accident: signs between two pieces of Japanese. ロゴの'&'が剥げた computes
// 'ロゴの' & 'が剥げた', which is zero and tells nobody anything; クーポン"<69>"が likewise.
// Where the answer to a question of a sign-in hangs on it, rule 100214 looks again.
// The text behind them is within a string again.
func accident(head, rest string, quote byte) (text string, ok bool) {
	signs, text, ok := strings.Cut(rest, string(quote))
	return text, ok && calculation.MatchString(signs) && hasWide(head) && hasWide(text)
}

var calculation = regexp.MustCompile(`^\s*[&+*/%^<>-]\s*(?:[0-9]{1,6}\s*[&+*/%^<>-])?\s*$`)

// state is what may come next.
type state int

const (
	wantsOperand state = iota
	hasOperand
	statement // behind a semicolon
	either    // behind a word that is an operand here and a part of an operator there
)

// sqlReader walks the tokens of a piece of SQL.
type sqlReader struct {
	s      string
	mysql  bool
	state  state
	behind byte // the last token: s string, n number, w word, k keyword, o sign, ) end of a bracket
	last   string
	open   bool // a SELECT, WITH, FROM, … came: names may be defined from here on
	bare   bool // a keyword of another statement came where only an operator may: T-SQL
	meat   bool // and something that does anything came behind it
	alive  bool // what began is not followed further

	cut           bool     // the rest is a comment
	seen          bool     // a token came
	used, defined []string // names outside ASCII
}

// dead reports whether no database runs it.
func (r *sqlReader) dead() bool {
	for r.s != "" {
		if n := r.skip(); n > 0 {
			r.s = r.s[n:]
			continue
		}
		if r.cut { // nothing follows, so an operand must have come
			return r.state == wantsOperand || !r.seen && r.behind == 0
		}
		r.seen = true
		if dead := r.token(); dead || r.alive {
			return dead
		}
	}
	return r.bare && !r.meat || slices.ContainsFunc(r.used, func(w string) bool { return !slices.Contains(r.defined, w) })
}

// skip is the length of white space or a comment.
func (r *sqlReader) skip() int {
	if n := space(r.s); n > 0 {
		return n
	}
	line := strings.HasPrefix(r.s, "--") || r.mysql && r.s[0] == '#'
	if line && r.mysql && r.s[0] == '-' && len(r.s) > 2 && r.s[2] > ' ' {
		line = false
	}
	switch {
	case line:
		// What comes behind the end of the line is behind it in no shop's form;
		// it is read all the same.
		if end := strings.IndexByte(r.s, '\n'); end >= 0 {
			return end + 1
		}
		r.cut, r.meat = true, true
		return 0
	case strings.HasPrefix(r.s, "/*!"):
		r.meat, r.open, r.state = true, true, wantsOperand // what MySQL runs from here on is not followed
		return len("/*!")
	case strings.HasPrefix(r.s, "/*"):
		if end := strings.Index(r.s[2:], "*/"); end >= 0 {
			return end + 4
		}
		r.cut, r.meat = true, true
	}
	return 0
}

func (r *sqlReader) token() (dead bool) {
	c := r.s[0]
	switch {
	case c == '\'' || c == '"' || c == '`':
		return r.text(c)
	case isDigit(c) || c == '.' && len(r.s) > 1 && isDigit(r.s[1]) && r.behind != 'w':
		return r.number()
	case c == '@' || c == ':' && len(r.s) > 1 && isWord(r.s[1]) || c == '$' || c == '?':
		return r.variable()
	case isLetter(c) || c == '_' || wide(c):
		return r.name()
	}
	return r.sign()
}

// operand is a string, a number or a variable.
func (r *sqlReader) operand(kind byte) (dead bool) {
	before := r.behind
	r.behind = kind
	if r.state == statement {
		return true
	}
	if r.state == wantsOperand || r.state == either {
		r.state = hasOperand
		return false
	}
	// 'a' 'b' is one string in MySQL; behind SELECT 1 it is a name.
	return !(kind == 's' && (before == 's' || r.open && before != 'n'))
}

func (r *sqlReader) text(quote byte) bool {
	rest, closed := closing(r.s[1:], quote, r.mysql)
	if !closed {
		if len(r.s) == 1 {
			r.s = ""
			return r.operand('s') // the string's own end
		}
		return true // a string that does not end
	}
	r.s = rest
	return r.operand('s')
}

func (r *sqlReader) number() bool {
	i, hex := 1, strings.HasPrefix(r.s, "0x") || strings.HasPrefix(r.s, "0X")
	for i < len(r.s) && (isWord(r.s[i]) && r.s[i] != '_' || r.s[i] == '.' || (r.s[i] == '-' || r.s[i] == '+') && r.s[i-1]|0x20 == 'e' && !hex) {
		i++
	}
	text := strings.ToLower(r.s[:i])
	r.s = r.s[i:]
	if r.last == "from" || r.last == "join" || r.last == "into" {
		return true // no table is called so: select from 3種類
	}
	dead := r.operand('n')
	r.meat = true
	// 1or, 1union: the number ends where the word begins.
	if at := strings.IndexFunc(text, func(c rune) bool { return c > '9' }); at > 0 && !strings.HasPrefix(text, "0x") && !strings.HasPrefix(text, "0b") && !exponent(text[at:]) {
		r.s = text[at:] + r.s
	}
	return dead
}

func exponent(s string) bool {
	return len(s) > 1 && s[0] == 'e' && strings.Trim(s[1:], "+-0123456789") == ""
}

func (r *sqlReader) variable() bool {
	i := 1
	for i < len(r.s) && (r.s[i] == '@' || isWord(r.s[i]) || r.s[i] == '.' || r.s[i] == '$') {
		i++
	}
	r.s = r.s[i:]
	r.meat = true
	return r.operand('v')
}
