// Package inert tells what can do nothing. The rules of a firewall look for
// words and signs of programs, and people write those too: "SELECT句から1章ずつ",
// ロゴの'&'が剥げた, 「<script>タグ入門」. What is asked here is whether a value that a
// rule matched could be part of a program at all, in any place where a careless
// shop might put it.
//
// It errs to one side: Inert is said only where the grammar rules the program
// out; everything that is not understood is not inert, and the rule stands.
// Values are read as they are. What a shop decodes or folds is asked about
// again as another value.
package inert

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// kinds are the questions, by what the rule that matched looks for.
var kinds = map[string]func(v string) bool{
	"sql": SQL, "statement": Statement, "ended": Ended, "markup": Markup, "graphql": GraphQL, "filename": Filename,
	"path": Path, "command": Command, "php": PHP, "placeholder": Placeholder, "list": List, "property": Property, "sentence": Sentence, "expression": Expression, "called": Called, "tilde": Tilde,
}

// Of returns the question called kind.
func Of(kind string) (func(v string) bool, bool) {
	f, ok := kinds[kind]
	return f, ok
}

// wide reports whether c is a byte of a character outside ASCII.
func wide(c byte) bool { return c >= utf8.RuneSelf }

func hasWide(s string) bool {
	for i := range len(s) {
		if wide(s[i]) {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }

// space is how many bytes of white space s begins with: ASCII's, and what
// databases and browsers take for it elsewhere.
func space(s string) int {
	if s == "" {
		return 0
	}
	if c := s[0]; c <= ' ' || c == 0x7f {
		return 1
	}
	for _, w := range []string{"\u00a0", "\u1680", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", "\u0085"} {
		if strings.HasPrefix(s, w) {
			return len(w)
		}
	}
	if r, n := utf8.DecodeRuneInString(s); r >= 0x2000 && r <= 0x200f {
		return n
	}
	return 0
}

// word is the word that s begins with. Characters outside ASCII that are no
// white space belong to it, as they do for every database, PHP and JavaScript.
func word(s string) string {
	i := 0
	for i < len(s) {
		switch c := s[i]; {
		case isWord(c) || c == '$' && i > 0:
			i++
		case wide(c) && space(s[i:]) == 0:
			_, n := utf8.DecodeRuneInString(s[i:])
			i += n
		default:
			return s[:i]
		}
	}
	return s
}

func set(words string) func(string) bool {
	all := strings.Fields(words)
	slices.Sort(all)
	return func(w string) bool { _, found := slices.BinarySearch(all, w); return found }
}
