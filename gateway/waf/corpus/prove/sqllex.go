package prove

import (
	"strings"
	"unicode"
)

// sqlToken is a string (s), number (n), name or keyword (i) or sign (o).
type sqlToken struct {
	kind byte
	text string // as SQLite writes it
}

// lexSQL reads statements in SQLite's or MySQL's way; comments are left out. A
// string that does not end is an error: no database runs it.
func lexSQL(s string, mysql bool) ([]sqlToken, error) {
	x := &sqlLexer{s: s, mysql: mysql}
	for x.i < len(x.s) {
		if err := x.next(); err != nil {
			return nil, err
		}
	}
	if x.versioned > 0 {
		return nil, invalid("a comment does not end")
	}
	return x.out, nil
}

type sqlLexer struct {
	s         string
	i         int
	mysql     bool
	versioned int // inside /*! … */
	out       []sqlToken
}

func (x *sqlLexer) emit(kind byte, text string) { x.out = append(x.out, sqlToken{kind, text}) }

func (x *sqlLexer) rest() string { return x.s[x.i:] }

func (x *sqlLexer) next() error {
	rest := x.rest()
	c := rest[0]
	switch {
	case strings.ContainsRune(" \t\r\n\f\v", rune(c)) || x.mysql && strings.HasPrefix(rest, "\u00a0"):
		x.i++
		if c == 0xC2 {
			x.i++
		}
	case x.comment():
	case x.mysql && strings.HasPrefix(rest, "/*!"):
		x.i += 3
		for x.i < len(x.s) && isDigit(x.s[x.i]) {
			x.i++
		}
		x.versioned++
	case x.versioned > 0 && strings.HasPrefix(rest, "*/"):
		x.i += 2
		x.versioned--
	case strings.HasPrefix(rest, "/*"):
		end := strings.Index(rest[2:], "*/")
		if end < 0 {
			if x.mysql {
				return invalid("a comment does not end")
			}
			end = len(rest) - 4 // SQLite takes it as ended
		}
		x.i += min(end+4, len(rest))
	case c == '\'' || c == '"' || c == '`':
		return x.quoted(c)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		x.number()
	case c == '_' || c == '@' || c >= 0x80 || isLetter(c):
		x.word()
	case strings.HasPrefix(rest, "$$"):
		end := strings.Index(rest[2:], "$$")
		if end < 0 {
			return invalid("a string does not end")
		}
		x.emit('s', "'x'")
		x.i += end + 4
	default:
		x.sign()
	}
	return nil
}

// comment skips -- to the end of the line; MySQL wants a space behind it and
// knows # too.
func (x *sqlLexer) comment() bool {
	rest := x.rest()
	dashes := strings.HasPrefix(rest, "--") && (!x.mysql || len(rest) == 2 || rest[2] <= ' ')
	if !dashes && !(x.mysql && rest[0] == '#') {
		return false
	}
	end := strings.IndexByte(rest, '\n')
	if end < 0 {
		end = len(rest) - 1
	}
	x.i += end + 1
	return true
}

// quoted reads a string or a quoted name; a doubled quote stays inside, and in
// MySQL so does one behind a backslash.
func (x *sqlLexer) quoted(q byte) error {
	for j := x.i + 1; j < len(x.s); j++ {
		switch {
		case x.mysql && q != '`' && x.s[j] == '\\':
			j++
		case x.s[j] == q && j+1 < len(x.s) && x.s[j+1] == q:
			j++
		case x.s[j] == q:
			inner := x.s[x.i+1 : j]
			x.i = j + 1
			if q == '`' {
				if inner == "" {
					return invalid("a name without letters")
				}
				x.emit('i', "`"+strings.ReplaceAll(inner, "`", "")+"`")
				return nil
			}
			x.emit('s', "'"+strings.NewReplacer("'", "", "\x00", "").Replace(inner)+"'")
			return nil
		}
	}
	return invalid("a string does not end")
}

func (x *sqlLexer) number() {
	j := x.i
	for j < len(x.s) && (isDigit(x.s[j]) || x.s[j] == '.' || isLetter(x.s[j]) && x.hexOrExponent(j)) {
		j++
		if (x.s[j-1] == 'e' || x.s[j-1] == 'E') && j < len(x.s) && (x.s[j] == '-' || x.s[j] == '+') {
			j++
		}
	}
	x.emit('n', x.s[x.i:j])
	x.i = j
}

func (x *sqlLexer) hexOrExponent(j int) bool {
	head := x.s[x.i:j]
	c := x.s[j] | 0x20
	if strings.HasPrefix(strings.ToLower(head), "0x") {
		return c >= 'a' && c <= 'f'
	}
	return head == "0" && c == 'x' || c == 'e' && j+1 < len(x.s) && (isDigit(x.s[j+1]) || x.s[j+1] == '-' || x.s[j+1] == '+') && !strings.ContainsAny(head, "eE")
}

func (x *sqlLexer) word() {
	j := x.i
	for j < len(x.s) && (x.s[j] == '_' || x.s[j] == '@' || x.s[j] == '$' || x.s[j] >= 0x80 || isLetter(x.s[j]) || isDigit(x.s[j])) {
		j++
	}
	w := x.s[x.i:j]
	x.i = j
	switch upper := strings.ToUpper(w); {
	case strings.HasPrefix(w, "@"):
		x.emit('n', "1")
	case x.mysql && (upper == "RLIKE"):
		x.emit('i', "REGEXP")
	case x.mysql && (upper == "DIV" || upper == "MOD") && len(x.out) > 0 && !strings.HasPrefix(x.rest(), "("):
		x.emit('o', "/")
	case x.mysql && upper == "XOR":
		x.emit('o', "<>")
	case upper == "N" || upper == "E":
		if strings.HasPrefix(x.rest(), "'") {
			return
		}
		x.emit('i', w)
	default:
		x.emit('i', w)
	}
}

func (x *sqlLexer) sign() {
	rest := x.rest()
	for _, two := range []struct{ from, to string }{{"&&", "AND"}, {"<=>", "IS"}, {"||", "||"}, {"<>", "<>"}, {"!=", "<>"}, {"<=", "<="}, {">=", ">="}, {"==", "="}, {"<<", "<<"}, {">>", ">>"}} {
		if strings.HasPrefix(rest, two.from) {
			x.i += len(two.from)
			x.emit('o', two.to)
			return
		}
	}
	if strings.HasPrefix(rest, "::") { // PostgreSQL's cast
		x.i += 2
		for x.i < len(x.s) && (isLetter(x.s[x.i]) || isDigit(x.s[x.i]) || x.s[x.i] == '_') {
			x.i++
		}
		return
	}
	x.i++
	if x.mysql && rest[0] == '!' {
		x.emit('o', "NOT")
		return
	}
	x.emit('o', rest[:1])
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isSpace(r rune) bool { return unicode.IsSpace(r) }

func clip(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
