package grammar

import "strings"

// sqlKind is what a token of SQL is.
type sqlKind byte

const (
	sqlEnd     sqlKind = iota // the value ends here
	sqlComment                // the rest is a comment
	sqlOpen                   // a string or a comment that does not end
	sqlBad                    // no SQL
	sqlWord
	sqlNumber
	sqlString
	sqlSign // operators; two-byte ones whole
)

type sqlToken struct {
	kind sqlKind
	text string
}

// sqlLexer reads SQL as the common databases do together. What one of them takes
// for a comment or a space is one.
type sqlLexer struct {
	s    string
	i    int
	last [3]int // where the last of each quote is
	ends map[string]int
	work int
}

const sqlQuotes = "'\"`"

func newSQLLexer(s string) *sqlLexer {
	l := &sqlLexer{s: s, ends: map[string]int{"*/": strings.LastIndex(s, "*/"), "\n": strings.LastIndexByte(s, '\n')}}
	for k := range l.last {
		l.last[k] = strings.LastIndexByte(s, sqlQuotes[k])
	}
	return l
}

// next reads a token, and counts what that cost.
func (l *sqlLexer) next() sqlToken {
	from := l.i
	t := l.read()
	l.work += l.i - from + 1
	return t
}

// tired reports whether the value was read so many times over that it is made for
// that.
func (l *sqlLexer) tired() bool { return l.work > 64<<10+32*len(l.s) }

func (l *sqlLexer) read() sqlToken {
	for l.i < len(l.s) {
		rest := l.s[l.i:]
		switch c := rest[0]; {
		case isSpace(c) || c == 0:
			l.i++
		case strings.HasPrefix(rest, "/*!"): // MySQL runs what is in it
			l.i += 3
			for l.i < len(l.s) && isDigit(l.s[l.i]) {
				l.i++
			}
		case strings.HasPrefix(rest, "*/"):
			l.i += 2
		case strings.HasPrefix(rest, "/*"):
			if !l.past(2, "*/") {
				return sqlToken{kind: sqlOpen}
			}
		case strings.HasPrefix(rest, "--") || c == '#' && (len(rest) == 1 || !isWord(rest[1])): // #ff0000, &#12316;
			if !l.past(1, "\n") {
				return sqlToken{kind: sqlComment}
			}
		default:
			return l.token(rest)
		}
	}
	return sqlToken{kind: sqlEnd}
}

// past goes behind the next end, or says that there is none.
func (l *sqlLexer) past(from int, end string) bool {
	if l.i+from > l.ends[end] { // looked for once, not from every place
		l.i = len(l.s)
		return false
	}
	l.i += from + strings.Index(l.s[l.i+from:], end) + len(end)
	return true
}

func (l *sqlLexer) token(rest string) sqlToken {
	c := rest[0]
	if k := strings.IndexByte(sqlQuotes, c); k >= 0 {
		return l.quoted(c, k)
	}
	n := 1
	kind := sqlSign
	switch {
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		kind, n = sqlNumber, wordLen(rest, ".")
	case isWord(c) || c == '@' || c == '$' && len(rest) > 1 && isWord(rest[1]):
		kind, n = sqlWord, 1+wordLen(rest[1:], ".@$")
	case c >= 0x80 || strings.IndexByte("{}?\\$#", c) >= 0:
		kind = sqlBad
	case len(rest) > 1 && strings.Contains("|| && <= >= <> != == :: << >> :=", rest[:2]) && !strings.ContainsAny(rest[:2], " "):
		n = 2
	}
	l.i += n
	return sqlToken{kind, rest[:n]}
}

func wordLen(s, also string) int {
	n := 0
	for n < len(s) && (isWord(s[n]) || strings.IndexByte(also, s[n]) >= 0) {
		n++
	}
	return n
}

// maxDoubled is how many doubled quotes one string may have.
const maxDoubled = 32

// quoted reads a string. A doubled quote belongs to it; a backslash guards what
// follows in some databases only and is not looked at.
func (l *sqlLexer) quoted(quote byte, k int) sqlToken {
	from := l.i + 1
	for n := 0; ; n++ {
		if l.i++; l.i > l.last[k] {
			l.i = len(l.s)
			return sqlToken{kind: sqlOpen, text: l.s[from:]}
		}
		l.i += strings.IndexByte(l.s[l.i:], quote) + 1
		if l.i >= len(l.s) || l.s[l.i] != quote || n > maxDoubled {
			return sqlToken{sqlString, l.s[from : l.i-1]}
		}
	}
}

// foreign reports whether what comes next begins outside ASCII: no statement does.
func (l *sqlLexer) foreign() bool {
	at := skipSpace(l.s, l.i)
	return at < len(l.s) && l.s[at] >= 0x80
}
