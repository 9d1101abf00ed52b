package prove

import (
	"encoding/json"
	"regexp"
	"strings"
)

// graphPrograms run a query of GraphQL. It must lay the schema open, or ask so
// deep, so often or in such a circle that it costs a shop's server its time.
func graphPrograms() map[string]program {
	return map[string]program{"query": func(v string) (string, error) {
		var doc any
		if err := json.Unmarshal([]byte(v), &doc); err != nil {
			return "", err
		}
		if batch, ok := doc.([]any); ok && len(batch) > 20 {
			return "many queries at once", nil
		}
		one, ok := doc.(map[string]any)
		if !ok {
			return "", invalid("no query")
		}
		query, _ := one["query"].(string)
		return costly(query)
	}}
}

var (
	graphField    = regexp.MustCompile(`[A-Za-z_]\w*\s*:\s*[A-Za-z_]\w*\s*(?:\([^)]*\))?`)
	graphFragment = regexp.MustCompile(`fragment\s+(\w+)\s+on\s+\w+\s*\{([^}]*(?:\{[^}]*\})?[^}]*)\}`)
	graphSpread   = regexp.MustCompile(`\.\.\.\s*(\w+)`)
	graphMany     = regexp.MustCompile(`(?:first|last|take|limit|pageSize)\s*:\s*\d{5,}`)
)

func costly(q string) (string, error) {
	depth, most := 0, 0
	for _, r := range q {
		switch r {
		case '{':
			depth++
			most = max(most, depth)
		case '}':
			depth--
		}
		if depth < 0 {
			return "", invalid("brackets do not match")
		}
	}
	if depth != 0 || most == 0 {
		return "", invalid("brackets do not match")
	}
	switch {
	case strings.Contains(q, "__schema") && strings.Contains(q, "types"), strings.Contains(q, "__type(") || strings.Contains(q, "__type (") && strings.Contains(q, "fields"):
		return "lays the schema open", nil
	case most > 15:
		return "nests deep", nil
	case len(graphField.FindAllString(q, -1)) > 30:
		return "asks the same under many names", nil
	case strings.Count(q, "@") > 30:
		return "carries many directives", nil
	case circle(q):
		return "fragments in a circle", nil
	case graphMany.MatchString(q):
		return "asks for everything at once", nil
	}
	return "", invalid("an ordinary query")
}

// circle follows fragments to themselves.
func circle(q string) bool {
	uses := map[string][]string{}
	for _, m := range graphFragment.FindAllStringSubmatch(q, -1) {
		for _, s := range graphSpread.FindAllStringSubmatch(m[2], -1) {
			uses[m[1]] = append(uses[m[1]], s[1])
		}
	}
	for name := range uses {
		seen, todo := map[string]bool{}, uses[name]
		for len(todo) > 0 {
			next := todo[0]
			todo = todo[1:]
			if next == name {
				return true
			}
			if !seen[next] {
				seen[next] = true
				todo = append(todo, uses[next]...)
			}
		}
	}
	return false
}
