package grammar

import "strings"

// PHP reports whether s leaves a string of PHP and calls a function, runs a command
// or reads what the visitor sent.
func PHP(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '\'' && s[i] != '"' {
			continue
		}
		at := i + 1
		for at < len(s) && (isSpace(s[at]) || s[at] == ')' || s[at] == ']') {
			at++
		}
		if at < len(s) && strings.IndexByte(".;,?|&", s[at]) >= 0 && phpGoesOn(s, at+1) {
			return true
		}
	}
	return false
}

func phpGoesOn(s string, i int) bool {
	for i < len(s) && (isSpace(s[i]) || strings.IndexByte("@!(|&", s[i]) >= 0) {
		i++
	}
	switch {
	case i >= len(s):
		return false
	case s[i] == '`':
		inside, _, closed := strings.Cut(s[i+1:min(len(s), i+maxShell)], "`")
		return closed && inside != "" && inside[0] < 0x80
	case hasAnyPrefix(s[i:], "$_GET", "$_POST", "$_REQUEST", "$_COOKIE", "$_SERVER", "$_FILES", "$GLOBALS"):
		return true
	}
	name := word(s[:min(len(s), i+40)], i)
	if !phpCalls.has(name) {
		return false
	}
	at := skipSpace(s, i+len(name))
	if strings.HasPrefix(s[at:], "/*") {
		if end := strings.Index(s[at:min(len(s), at+maxShell)], "*/"); end > 0 {
			at = skipSpace(s, at+end+2)
		}
	}
	return at < len(s) && s[at] == '('
}
