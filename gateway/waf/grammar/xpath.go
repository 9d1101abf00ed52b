package grammar

import "strings"

// XPath reports whether s leaves a predicate of an XPath expression and goes on in
// XPath: another condition with a function or a path in it, or another path.
func XPath(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"':
			if xpathGoesOn(s, i+1) {
				return true
			}
		case ']':
			at := skipSpace(s, i+1)
			if at+1 < len(s) && s[at] == '|' {
				if at = skipSpace(s, at+1); at+1 < len(s) && s[at] == '/' && (s[at+1] == '/' || s[at+1] == '*' || isLetter(s[at+1])) {
					return true
				}
			}
		}
	}
	return isDigit(first(s)) && xpathGoesOn(s, len(s)-len(strings.TrimLeft(s, "0123456789")))
}

func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

var (
	xpathCalls = wordList("count starts-with ends-with contains string-length substring substring-before substring-after name local-name namespace-uri position text node true false last doc doc-available not normalize-space concat translate number string sum boolean id unparsed-text matches tokenize codepoints-to-string string-to-codepoints current floor round ceiling lower-case upper-case exists empty base-uri system-property comment processing-instruction document")
	xpathAxes  = []string{"ancestor", "attribute", "child", "descendant", "following", "namespace", "parent", "preceding", "self"}
)

func xpathGoesOn(s string, i int) bool {
	for i < len(s) && (s[i] == ')' || s[i] == ']' || isSpace(s[i])) {
		i++
	}
	if i < len(s) && s[i] == '|' {
		i = skipSpace(s, i+1)
		return strings.HasPrefix(s[i:], "//") || strings.HasPrefix(s[i:], "/*")
	}
	op := word(s[:min(len(s), i+4)], i)
	if op != "or" && op != "and" {
		return false
	}
	return xpathIn(s[i+len(op) : min(len(s), i+maxXPath)])
}

// maxXPath is how far behind a place is read.
const maxXPath = 128

// xpathIn finds a call of one of XPath's functions, an axis or a path from the root
// where an operand begins.
func xpathIn(s string) bool {
	operand := true
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isLetter(c):
			end := i
			for end < len(s) && (isWord(s[end]) || s[end] == '-') {
				end++
			}
			name, at := s[i:end], skipSpace(s, end)
			if at < len(s) && s[at] == '(' && xpathCalls[name] {
				return true
			}
			if strings.HasPrefix(s[at:], "::") {
				for _, a := range xpathAxes {
					if strings.HasPrefix(name, a) {
						return true
					}
				}
			}
			operand = name == "or" || name == "and" || name == "not"
			i = end
			continue
		case c >= 0x80:
			return false
		case operand && (strings.HasPrefix(s[i:], "../") || c == '@' && i+1 < len(s) && isLetter(s[i+1]) || strings.HasPrefix(s[i:], "./")):
			return true
		case c == '/' && operand && i+1 < len(s) && (s[i+1] == '/' || s[i+1] == '*' || isLetter(s[i+1])):
			return true
		case !isSpace(c):
			operand = strings.IndexByte("(=<>!+-|,[", c) >= 0
		}
		i++
	}
	return false
}
