package screen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/corazawaf/libinjection-go"

	"noren/gateway/waf/grammar"
	"noren/gateway/waf/inert"
)

// operator is what a rule asks of a string.
type operator interface{ match(s string) bool }

type operatorFunc func(s string) bool

func (f operatorFunc) match(s string) bool { return f(s) }

// literalsOnly is an operator that matches when one of its words is there. The
// scan finds them with all others; alone is for where there is no scan.
type literalsOnly struct{ alone func() *automaton }

func (l *literalsOnly) match(s string) bool {
	found := make(bits, 1)
	l.alone().scan(s, found)
	return found.has(0)
}

// errBeyond says that the screen does not know an operator; what it is asked of
// is then never clean.
var errBeyond = errors.New("beyond the screen")

// compileOperator compiles an operator whose argument holds no macro any more.
// clauses are what must be in a string for it to match, if that is known.
func (c *compiled) compileOperator(op rawOp, dir string) (o operator, clauses []clause, err error) {
	switch op.name {
	case "rx":
		d, clauses, err := c.patterns.get(op.arg)
		if err != nil {
			return nil, nil, err
		}
		return d, clauses, nil
	case "pm":
		return compileWords(strings.Split(strings.ToLower(op.arg), " "))
	case "pmfromfile", "pmf":
		words, err := wordsFromFile(c.root, dir, op.arg)
		if err != nil {
			return nil, nil, err
		}
		return compileWords(words)
	case "validatebyterange":
		o, err = compileByteRange(op.arg)
		return o, nil, err
	case "grammar":
		return compileGrammar(op.arg)
	case "ipmatch":
		return compileIPMatch(op.arg), nil, nil
	}
	f, ok := comparison(op.name, op.arg)
	if !ok {
		return nil, nil, fmt.Errorf("operator @%s: %w", op.name, errBeyond)
	}
	return f, nil, nil
}

// compileGrammar compiles a test of package grammar. What it needs is found by the
// scan with the literals of all rules.
func compileGrammar(name string) (operator, []clause, error) {
	t, ok := grammar.Named(name)
	if !ok {
		return nil, nil, fmt.Errorf("operator @grammar %.40q: %w", name, errBeyond)
	}
	if t.Needs == nil {
		return operatorFunc(t.Match), nil, nil
	}
	return operatorFunc(t.Match), []clause{t.Needs}, nil
}

// comparison are the operators that need no preparation.
func comparison(name, arg string) (operatorFunc, bool) {
	number, _ := strconv.Atoi(arg)
	compare := func(f func(v int) bool) (operatorFunc, bool) {
		return func(s string) bool { v, _ := strconv.Atoi(s); return f(v) }, true
	}
	switch name {
	case "eq":
		return compare(func(v int) bool { return v == number })
	case "ge":
		return compare(func(v int) bool { return v >= number })
	case "gt":
		return compare(func(v int) bool { return v > number })
	case "le":
		return compare(func(v int) bool { return v <= number })
	case "lt":
		return compare(func(v int) bool { return v < number })
	case "streq":
		return func(s string) bool { return s == arg }, true
	case "contains":
		return func(s string) bool { return strings.Contains(s, arg) }, true
	case "beginswith":
		return func(s string) bool { return strings.HasPrefix(s, arg) }, true
	case "endswith":
		return func(s string) bool { return strings.HasSuffix(s, arg) }, true
	case "within":
		return func(s string) bool { return strings.Contains(arg, s) }, true
	case "unconditionalmatch":
		return func(string) bool { return true }, true
	case "nomatch":
		return func(string) bool { return false }, true
	case "validateutf8encoding":
		return func(s string) bool { return !utf8.ValidString(s) }, true
	case "validateurlencoding":
		return badURLEncoding, true
	case "detectsqli":
		return func(s string) bool { found, _ := libinjection.IsSQLi(s); return found }, true
	case "detectxss":
		return libinjection.IsXSS, true
	case "inert":
		f, ok := inert.Of(arg)
		return f, ok
	}
	return nil, false
}

// takesMacros are the operators whose argument may be filled in at run time.
func takesMacros(name string) bool {
	switch name {
	case "eq", "ge", "gt", "le", "lt", "streq", "contains", "beginswith", "endswith", "within":
		return true
	}
	return false
}

func badURLEncoding(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if hexNumber(s, i+1, 2) < 0 {
			return true
		}
		i += 2
	}
	return false
}

func compileRx(arg string) (*dfa, []clause, error) {
	pattern := "(?sm)" + arg
	bytewise := matchesBytes(pattern)
	if bytewise {
		pattern = arg // Coraza gives these to package binaryregexp, without flags
		if !asciiOnly(arg) || strings.Contains(arg, `\p`) || strings.Contains(arg, `\P`) {
			return nil, nil, fmt.Errorf("a pattern of bytes and characters: %w", errBeyond)
		}
	}
	d, parsed, err := compileDFA(pattern, bytewise)
	if err != nil {
		return nil, nil, err
	}
	return d, required(parsed, bytewise), nil
}

func (d *dfa) submatches(s string) []string {
	if d.bytewise {
		return nil
	}
	return d.re().FindStringSubmatch(s)
}

func asciiOnly(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// matchesBytes decides as Coraza does whether a pattern means bytes: its \x
// escapes give what is not UTF-8.
func matchesBytes(expr string) bool {
	decoded := make([]byte, 0, len(expr))
	for i := 0; i < len(expr); i++ {
		if expr[i] != '\\' {
			decoded = append(decoded, expr[i])
			continue
		}
		if i+3 >= len(expr) {
			decoded = append(decoded, expr[i:]...)
			break
		}
		if expr[i+1] != 'x' {
			decoded = append(decoded, expr[i])
			continue
		}
		sub, advance := expr[i:], 3
		if len(sub) >= 6 && sub[2] == '{' {
			if end := strings.IndexByte(sub, '}'); end != -1 {
				sub, advance = `\x`+sub[3:end], end
			}
		}
		v, multibyte, _, err := strconv.UnquoteChar(sub, 0)
		if err != nil || multibyte {
			decoded = append(decoded, expr[i])
			continue
		}
		decoded = append(decoded, byte(v))
		i += advance
	}
	return !utf8.Valid(decoded)
}

func compileWords(words []string) (operator, []clause, error) {
	for _, w := range words {
		if w == "" { // an empty word is in every string
			return operatorFunc(func(string) bool { return true }), nil, nil
		}
	}
	alone := sync.OnceValue(func() *automaton {
		lits := map[string][]uint16{}
		for _, w := range words {
			lits[w] = []uint16{0}
		}
		return buildAutomaton(lits)
	})
	return &literalsOnly{alone}, []clause{words}, nil
}

func wordsFromFile(root fs.FS, dir, name string) ([]string, error) {
	if !strings.HasPrefix(name, "/") {
		name = path.Join(dir, name)
	}
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, fmt.Errorf("read words: %w", err)
	}
	var words []string
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		if w := strings.TrimSpace(sc.Text()); w != "" && w[0] != '#' {
			words = append(words, strings.ToLower(w))
		}
	}
	return words, sc.Err()
}

func compileByteRange(arg string) (operator, error) {
	if arg == "" {
		return operatorFunc(func(string) bool { return true }), nil
	}
	var valid [256]bool
	for part := range strings.SplitSeq(arg, ",") {
		lo, hi, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			hi = lo
		}
		from, err1 := strconv.Atoi(lo)
		to, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil || from < 0 || to > 255 {
			return nil, fmt.Errorf("bytes %.40q: %w", part, errBeyond)
		}
		for b := from; b <= to; b++ {
			valid[b] = true
		}
	}
	return operatorFunc(func(s string) bool {
		for i := range len(s) {
			if !valid[s[i]] {
				return true
			}
		}
		return false
	}), nil
}

func compileIPMatch(arg string) operator {
	var nets []*net.IPNet
	for part := range strings.SplitSeq(arg, ",") {
		part = strings.TrimSpace(part)
		switch {
		case strings.Contains(part, "/"):
		case strings.Contains(part, ":"):
			part += "/128"
		case strings.Contains(part, "."):
			part += "/32"
		}
		if _, n, err := net.ParseCIDR(part); err == nil {
			nets = append(nets, n)
		}
	}
	return operatorFunc(func(s string) bool {
		ip := net.ParseIP(s)
		for _, n := range nets {
			if n.Contains(ip) {
				return true
			}
		}
		return false
	})
}

// captures is how many groups a pattern has; -1 if it is no pattern.
func captures(o operator) int {
	if d, ok := o.(*dfa); ok && !d.bytewise {
		return d.captures
	}
	return -1
}
