// Package grammar gives second opinions on values by reading them in the language
// they would attack: not whether words of SQL or of a shell are there, which
// people write too, but whether the value leaves the place it was put in and goes
// on as that language would have it, to the end.
//
// Each test is a pure function in linear time. The rules call them by name
// (@grammar sql), the engine and the screen alike.
package grammar

import (
	"slices"
	"strings"
)

// Test is one opinion.
type Test struct {
	Name string
	// Needs are texts of which one must be in a value for the test to say yes, in
	// small letters, found without regard to case; nil if that is not known.
	Needs []string
	Match func(s string) bool
}

// Tests are all there are.
func Tests() []Test {
	return []Test{
		{"sql", []string{"'", "\"", "`", ";", "(", " or ", " and ", "\tor", "\tand", "\nor", "\nand", "or(", "*/", "--", "||", "&&", " union", "offset", "limit"}, SQL},
		{"xpath", []string{"'", "\"", "]", " or", " and", "\tor", "\tand", "\nor", "\nand"}, XPath},
		{"script", []string{"'", "\"", "`", ";", "${", "("}, Script},
		{"php", []string{"'", "\"", ";", "`", "$_"}, PHP},
		{"ldap", []string{")"}, LDAP},
		{"shell", []string{";", "|", "&", "`", "\n", "$(", "${"}, Shell},
		{"template", []string{"{", "<%", "@(", "<#", "#set", "#include", "#parse", "#evaluate", "#foreach", "#if", "#define", "$class", "$!class", "$request", "$context", "$application", "$session", "getclass", "java.lang", ".class."}, Template},
		{"fetch", []string{":", "//", `\\`}, Fetch},
		{"neighbour", []string{":", "//", `\\`}, Neighbour},
		{"host", nil, Host},
		{"header", []string{"\r", "\n"}, Header},
		{"object", objectNeeds, Object},
		{"xml", []string{"<!doctype", "<!entity", "xinclude", "xml-stylesheet"}, XML},
		{"graphql", []string{"{"}, GraphQL},
	}
}

// Named finds a test.
func Named(name string) (Test, bool) {
	for _, t := range Tests() {
		if t.Name != name {
			continue
		}
		if match := t.Match; t.Needs != nil {
			t.Match = func(s string) bool { return t.possible(s) && match(s) }
		}
		return t, true
	}
	return Test{}, false
}

// possible reports whether one of the texts is there that the test needs. The
// screen has looked for them when it asks; so they are part of the answer, whoever
// asks.
func (t *Test) possible(s string) bool {
	lower := asciiLower(s)
	return slices.ContainsFunc(t.Needs, func(n string) bool { return strings.Contains(lower, n) })
}

func asciiLower(s string) string {
	at := strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	if at < 0 {
		return s
	}
	b := []byte(s)
	for i := at; i < len(b); i++ {
		if b[i] >= 'A' && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
func isSpace(c byte) bool  { return c == ' ' || c >= '\t' && c <= '\r' }

func skipSpace(s string, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// word is the word of letters, digits and _ at i.
func word(s string, i int) string {
	end := i
	for end < len(s) && isWord(s[end]) {
		end++
	}
	return s[i:end]
}

// words is a set, for look-ups without regard to case.
type words map[string]bool

func wordList(list string) words {
	w := words{}
	for s := range strings.FieldsSeq(list) {
		w[s] = true
	}
	return w
}

func (w words) has(s string) bool { return len(s) < 40 && w[strings.ToLower(s)] }
