package grammar

import "strings"

// Script reports whether s leaves a string or a number of a script (in a page, in a
// database that runs JavaScript) and calls something there.
func Script(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"', '`':
			if scriptCalls(s, i+1) {
				return true
			}
		case '$':
			if i+1 < len(s) && s[i+1] == '{' && scriptOperand(s, skipSpace(s, i+2)) {
				return true
			}
		}
	}
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	return n > 0 && scriptCalls(s, n)
}

// scriptRoots are what an attacker's script begins with: what the page, Node or a
// database gives it.
var scriptRoots = wordList("alert confirm prompt eval fetch settimeout setinterval function import document window location top self parent frames globalthis print require process sleep this db constructor console xmlhttprequest navigator localstorage sessionstorage atob object reflect array string new throw emit tojson printjson importscripts open name cookie return global buffer child_process var let const while for if do")

var mongoKeys = wordList("where or and nor not ne eq gt gte lt lte in nin regex exists expr type")

// scriptCalls reads an operator and what follows it.
func scriptCalls(s string, i int) bool {
	for i < len(s) && (s[i] == ')' || s[i] == ']' || s[i] == '}' || isSpace(s[i])) {
		i++
	}
	n := 0
	for i < len(s) && strings.IndexByte("+-*/%&|^?,;=<>:", s[i]) >= 0 {
		i, n = skipSpace(s, i+1), n+1
	}
	if n == 0 || n > 8 {
		return false
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		i++
	}
	if i < len(s) && s[i] == '$' { // another key of a query to MongoDB
		name := word(s[:min(len(s), i+20)], i+1)
		rest := strings.TrimLeft(s[i+1+len(name):min(len(s), i+40)], " '\"")
		return mongoKeys.has(name) && strings.HasPrefix(rest, ":")
	}
	return scriptOperand(s, i)
}

func scriptOperand(s string, i int) bool {
	for i < len(s) && (s[i] == '(' || s[i] == '!' || s[i] == '~' || s[i] == '{' || s[i] == '[' || isSpace(s[i])) {
		i++
	}
	w := word(s[:min(len(s), i+24)], i)
	if !scriptRoots.has(w) {
		return false
	}
	// Something is called, read or assigned: name(…), name.x, name[…], name`…`, name=.
	end := skipSpace(s, i+len(w))
	if end >= len(s) {
		return false
	}
	rest := s[end:min(len(s), end+maxXPath)]
	switch lower := strings.ToLower(w); lower {
	case "new", "throw", "return", "var", "let", "const", "do":
		return end > i+len(w) && strings.ContainsAny(rest, "(`=")
	case "this", "db", "process", "document", "window", "location", "top", "self", "parent", "frames", "navigator", "object", "string", "array", "name", "cookie", "global", "open", "console":
		return strings.HasPrefix(rest, "[") || strings.HasPrefix(rest, "=") && lower == "location" || strings.HasPrefix(rest, "?.") || strings.HasPrefix(rest, ".") && len(rest) > 1 && isLetter(rest[1]) || strings.HasPrefix(rest, "(") && lower == "open"
	}
	return strings.HasPrefix(rest, "(") || strings.HasPrefix(rest, "?.") || strings.HasPrefix(rest, "`") || strings.HasPrefix(rest, ".constructor") || strings.HasPrefix(rest, ".call")
}
