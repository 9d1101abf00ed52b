package prove

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// lexScript reads JavaScript as far as it takes to see that it holds together:
// strings and brackets end, no two values stand side by side. It counts what
// does something: calls, assignments, templates behind a name, throws.
func lexScript(s string) (acts int, err error) {
	x := &scriptLexer{s: s}
	for x.i < len(x.s) {
		if err := x.next(); err != nil {
			return 0, err
		}
	}
	if len(x.open) > 0 {
		return 0, invalid("a bracket does not end")
	}
	return x.acts, nil
}

type scriptLexer struct {
	s    string
	i    int
	open []byte
	prev string // the last word, sign or kind of value: "val", "id", an operator
	line bool   // a line ended since
	acts int
}

var scriptWords = strings.Fields("var let const return typeof void new in of instanceof delete throw if else for while do function switch case try catch finally await yield async class extends default break continue import export with")

func (x *scriptLexer) next() error {
	rest := x.s[x.i:]
	c := rest[0]
	r, n := utf8.DecodeRuneInString(rest)
	switch {
	case c == '\n' || r == 0x2028 || r == 0x2029:
		x.line = true
		x.i += n
	case isSpace(r) || r == 0xFEFF:
		x.i += n
	case strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "<!--") || strings.HasPrefix(rest, "-->") && (x.line || x.prev == ""):
		end := strings.IndexAny(rest, "\n")
		if end < 0 {
			end = len(rest)
		}
		x.i += end
	case strings.HasPrefix(rest, "/*"):
		end := strings.Index(rest[2:], "*/")
		if end < 0 {
			return invalid("a comment does not end")
		}
		x.i += end + 4
	case c == '"' || c == '\'':
		return x.quoted(c)
	case c == '`':
		if x.prev == "id" || x.prev == "]" || x.prev == ")" {
			x.acts++
			x.prev = "op"
		}
		return x.template()
	case isDigit(c):
		j := 1
		for j < len(rest) && (isDigit(rest[j]) || isLetter(rest[j]) || rest[j] == '.') {
			j++
		}
		if !slices.ContainsFunc([]byte(rest[1:j]), isLetter) || strings.HasPrefix(rest, "0x") || strings.ContainsAny(rest[1:j], "eE") && !slices.ContainsFunc([]byte(strings.Trim(rest[1:j], "eE0123456789.")), isLetter) {
			x.i += j
			return x.value("val")
		}
		return invalid("letters behind a number")
	case c == '_' || c == '$' || c == '\\' || isLetter(c) || c >= 0x80 && isWordRune(r):
		return x.word()
	default:
		return x.sign(c)
	}
	return nil
}

// isWordRune: letters of any script; signs and emojis are in no name.
func isWordRune(r rune) bool {
	return r >= 0x3041 && r <= 0x3096 || r >= 0x30A1 && r <= 0x30FE || r >= 0x3400 && r <= 0x9FFF || r >= 0xC0 && r <= 0x24F || r >= 0xAC00 && r <= 0xD7A3 || r >= 0xFF66 && r <= 0xFF9D
}

// value is something that may not follow another value.
func (x *scriptLexer) value(kind string) error {
	if (x.prev == "val" || x.prev == "id" || x.prev == ")" || x.prev == "]") && !x.line {
		return invalid("two values side by side")
	}
	x.prev, x.line = kind, false
	return nil
}

func (x *scriptLexer) quoted(q byte) error {
	for j := x.i + 1; j < len(x.s); j++ {
		switch x.s[j] {
		case '\\':
			j++
		case '\n', '\r':
			return invalid("a string does not end")
		case q:
			x.i = j + 1
			return x.value("val")
		}
	}
	return invalid("a string does not end")
}

func (x *scriptLexer) template() error {
	for j := x.i + 1; j < len(x.s); j++ {
		switch {
		case x.s[j] == '\\':
			j++
		case x.s[j] == '`':
			x.i = j + 1
			return x.value("val")
		case strings.HasPrefix(x.s[j:], "${"):
			end := strings.IndexByte(x.s[j:], '}')
			if end < 0 {
				return invalid("a template does not end")
			}
			acts, err := lexScript(x.s[j+2 : j+end])
			if err != nil {
				return err
			}
			x.acts += acts
			j += end
		}
	}
	return invalid("a template does not end")
}

func (x *scriptLexer) word() error {
	j := x.i
	for j < len(x.s) {
		r, n := utf8.DecodeRuneInString(x.s[j:])
		if !(r == '_' || r == '$' || r < 0x80 && (isLetter(byte(r)) || isDigit(byte(r))) || isWordRune(r)) {
			if !strings.HasPrefix(x.s[j:], `\u`) {
				break
			}
			n = min(6, len(x.s)-j)
			if strings.HasPrefix(x.s[j:], `\u{`) {
				n = strings.IndexByte(x.s[j:], '}') + 1
			}
			if n < 3 {
				return invalid("a broken escape")
			}
		}
		j += n
	}
	if j == x.i {
		return invalid("a stray backslash")
	}
	w := x.s[x.i:j]
	x.i = j
	if slices.Contains(scriptWords, w) && x.prev != "." {
		if w == "throw" || w == "import" {
			x.acts++
		}
		x.prev, x.line = "op", false
		return nil
	}
	if x.prev == "." {
		x.prev = "id"
		return nil
	}
	return x.value("id")
}

var closing = map[byte]byte{')': '(', ']': '[', '}': '{'}

func (x *scriptLexer) sign(c byte) error {
	x.i++
	switch c {
	case '(', '[':
		if c == '(' && (x.prev == "." || x.prev == "id" || x.prev == ")" || x.prev == "]") {
			x.acts++
		}
		x.open = append(x.open, c)
		x.prev = "op"
	case '{':
		x.open = append(x.open, c)
		x.prev = ""
	case ')', ']', '}':
		if len(x.open) == 0 || x.open[len(x.open)-1] != closing[c] {
			return invalid("a bracket too many")
		}
		x.open = x.open[:len(x.open)-1]
		x.prev = string(c)
		if c == '}' {
			x.prev = ""
		}
	case '.':
		x.prev = "."
	case '=':
		if x.prev == "id" || x.prev == "]" {
			if !strings.HasPrefix(x.s[x.i:], "=") && !strings.HasPrefix(x.s[x.i:], ">") {
				x.acts++
			}
		}
		x.skip("=>")
		x.prev = "op"
	case '/':
		if x.prev == "op" || x.prev == "" {
			return x.regexp()
		}
		x.prev = "op"
	case ';':
		x.prev = ""
	case '+', '-', '*', '%', '&', '|', '^', '!', '~', '<', '>', '?', ':', ',':
		if (c == '+' || c == '-') && strings.HasPrefix(x.s[x.i:], string(c)) {
			x.i++
			if x.prev == "id" {
				return nil
			}
		}
		if (x.prev == "op" || x.prev == "") && strings.IndexByte("*%&|^<>?,", c) >= 0 && !strings.HasPrefix(x.s[x.i-1:], "*/") && !x.twice(c) {
			return invalid("an operator without its value")
		}
		x.prev = "op"
	default:
		return invalid("the sign %q", c)
	}
	x.line = false
	return nil
}

// twice: && || ** << >> ?? are one operator of two signs.
func (x *scriptLexer) twice(c byte) bool { return x.i >= 2 && x.s[x.i-2] == c }

func (x *scriptLexer) skip(signs string) {
	for x.i < len(x.s) && strings.IndexByte(signs, x.s[x.i]) >= 0 {
		x.i++
	}
}

func (x *scriptLexer) regexp() error {
	class := false
	for j := x.i; j < len(x.s) && x.s[j] != '\n'; j++ {
		switch {
		case x.s[j] == '\\':
			j++
		case x.s[j] == '[':
			class = true
		case x.s[j] == ']':
			class = false
		case x.s[j] == '/' && !class:
			x.i = j + 1
			for x.i < len(x.s) && isLetter(x.s[x.i]) {
				x.i++
			}
			return x.value("val")
		}
	}
	return invalid("a regular expression does not end")
}
