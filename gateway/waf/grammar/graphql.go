package grammar

import (
	"strconv"
	"strings"
)

// Bounds beyond which a document is no shop's page any more.
const (
	maxDepth      = 12
	maxAliases    = 20   // of one selection
	maxFields     = 150  // of one selection
	maxDirectives = 8    // of one field
	maxTake       = 1000 // of one list
)

// GraphQL reports whether s is a document that asks what the interface looks like,
// or is made to cost: too deep, one field under many names, directives in a row,
// fragments that hold themselves, lists without end.
func GraphQL(s string) bool {
	s = strings.TrimSpace(s)
	if !hasAnyPrefix(s, "{", "query", "mutation", "subscription", "fragment", "#") {
		return false
	}
	g := graphReader{spreads: map[string][]string{}, aliases: make([]int, maxDepth+2), fields: make([]int, maxDepth+2)}
	for i := 0; i < len(s); {
		n, found := g.read(s[i:])
		if found {
			return true
		}
		i += n
	}
	return g.circle()
}

type graphReader struct {
	depth, parens, directives int
	aliases, fields           []int // by depth, of the selection that is open
	prev                      string
	fragment                  string // whose definition is read
	spreads                   map[string][]string
	arg                       string // the argument whose value comes
}

// read takes one token off s.
func (g *graphReader) read(s string) (n int, found bool) {
	c := s[0]
	switch {
	case c == '#':
		if n = strings.IndexByte(s, '\n'); n < 0 {
			n = len(s)
		}
		return n, false
	case c == '"':
		return stringLen(s), false
	case isWord(c):
		return g.name(word(s, 0))
	case c == '{' && g.parens == 0:
		if g.depth++; g.depth > maxDepth {
			return 1, true
		}
		g.aliases[g.depth], g.fields[g.depth], g.directives = 0, 0, 0
	case c == '}' && g.parens == 0:
		if g.depth = max(0, g.depth-1); g.depth == 0 {
			g.fragment = ""
		}
	case c == '(':
		g.parens++
	case c == ')':
		g.parens = max(0, g.parens-1)
	case c == ':' && g.parens > 0:
		g.arg = g.prev
	case c == ':' && g.depth > 0:
		g.aliases[g.depth]++
		return 1, g.aliases[g.depth] > maxAliases
	case c == '@':
		g.directives++
		g.prev = "@"
		return 1, g.directives > maxDirectives
	case strings.HasPrefix(s, "..."):
		g.prev = "..."
		return 3, false
	}
	return 1, false
}

func (g *graphReader) name(w string) (n int, found bool) {
	n = len(w)
	switch {
	case g.parens > 0:
		if v, err := strconv.Atoi(w); err == nil && v > maxTake {
			switch strings.ToLower(g.arg) {
			case "take", "first", "last", "limit", "pagesize", "perpage", "count", "size":
				return n, true
			}
		}
		g.prev = w
		return n, false
	case g.prev == "@":
	case g.prev == "...":
		if w != "on" && g.fragment != "" && len(g.spreads) < 200 {
			g.spreads[g.fragment] = append(g.spreads[g.fragment], w)
		}
		g.directives = 0
	case g.prev == "fragment" && g.depth == 0:
		g.fragment = w
	default:
		g.directives = 0
		if w == "__schema" || w == "__type" {
			return n, true
		}
		if g.fields[g.depth]++; g.fields[g.depth] > maxFields {
			return n, true
		}
	}
	g.prev = w
	return n, false
}

// circle reports whether a fragment holds itself.
func (g *graphReader) circle() bool {
	state := map[string]int{} // 1: on the way, 2: done
	var visit func(name string) bool
	visit = func(name string) bool {
		if state[name] > 0 {
			return state[name] == 1
		}
		state[name] = 1
		for _, next := range g.spreads[name] {
			if visit(next) {
				return true
			}
		}
		state[name] = 2
		return false
	}
	for name := range g.spreads {
		if visit(name) {
			return true
		}
	}
	return false
}

func stringLen(s string) int {
	if strings.HasPrefix(s, `"""`) {
		if end := strings.Index(s[3:], `"""`); end >= 0 {
			return end + 6
		}
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"', '\n':
			return i + 1
		}
	}
	return len(s)
}
