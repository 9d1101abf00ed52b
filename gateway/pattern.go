package gateway

import (
	"slices"
	"strings"

	"noren"
	"noren/gateway/waf"
)

// pattern is one line of a zone: "[!][METHODS ]PATH[?QUERY]".
//
//	/contact              this path, with or without a slash at its end
//	/mypage/*             /mypage and everything beneath it
//	*.sql, */.git/*       * is any run of characters, slashes included
//	POST /my-account      only with these methods (comma-separated)
//	/?wc-ajax=checkout    only with this value in the query; KEY=* or KEY: any
//	!/admin/public/*      never this zone by this zone's other patterns
type pattern struct {
	text    string
	zone    noren.Zone
	strict  int
	not     bool
	methods []string
	path    string // lower case, {admin} filled in
	query   []queryWant
}

func (p *pattern) machine() bool { return mustInfo(p.zone).Machine }

type queryWant struct{ key, value string } // value may hold *; "*" is any

// parsePattern reads one line of a zone. admin is the shop's admin prefix.
func parsePattern(text string, zone noren.Zone, admin string) (pattern, error) {
	info, ok := zone.Info()
	if !ok {
		return pattern{}, noren.Errorf(noren.Invalid, "unknown zone %q", zone)
	}
	p := pattern{text: text, zone: zone, strict: info.Strict}
	rest := strings.TrimSpace(text)
	rest, p.not = cutPrefix(rest, "!")
	if methods, path, ok := strings.Cut(rest, " "); ok {
		p.methods, rest = strings.Split(methods, ","), strings.TrimSpace(path)
	}
	for _, m := range p.methods {
		if !validMethod(m) {
			return pattern{}, noren.Errorf(noren.Invalid, "pattern %q: %q is not a method in capital letters", text, m)
		}
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	if p.path = strings.ReplaceAll(path, "{admin}", admin); !strings.HasPrefix(p.path, "/") && !strings.HasPrefix(p.path, "*") {
		return pattern{}, noren.Errorf(noren.Invalid, "pattern %q: the path must begin with / or *", text)
	}
	if p.path = strings.ToLower(p.path); len(p.path) > 1 {
		p.path = strings.TrimSuffix(p.path, "/")
	}
	if hasQuery {
		if p.query = parseWants(query); len(p.query) == 0 {
			return pattern{}, noren.Errorf(noren.Invalid, "pattern %q: nothing stands behind the ?", text)
		}
	}
	return p, nil
}

func cutPrefix(s, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(s, prefix)
	return rest, ok
}

func validMethod(m string) bool {
	return m != "" && strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func parseWants(query string) []queryWant {
	var out []queryWant
	for part := range strings.SplitSeq(query, "&") {
		key, value, ok := strings.Cut(part, "=")
		if key == "" {
			continue
		}
		if !ok {
			value = "*"
		}
		out = append(out, queryWant{queryKey(key), strings.ToLower(value)})
	}
	return out
}

// matches checks what the path's index did not: method and query.
func (p *pattern) matches(method string, query func() []queryWant) bool {
	if len(p.methods) > 0 && !slices.Contains(p.methods, method) {
		return false
	}
	if len(p.query) == 0 {
		return true
	}
	have := query()
	for _, want := range p.query {
		if !slices.ContainsFunc(have, func(h queryWant) bool { return h.key == want.key && glob(want.value, h.value) }) {
			return false
		}
	}
	return true
}

// queryPairs reads a raw query the way the laxest shop might: split at & and ;,
// decoded once and twice, keys as PHP spells them.
func queryPairs(raw string) []queryWant {
	var out []queryWant
	for part := range strings.FieldsFuncSeq(raw, func(r rune) bool { return r == '&' || r == ';' }) {
		key, value, _ := strings.Cut(part, "=")
		once := queryWant{queryKey(waf.Unescape(key)), strings.ToLower(waf.Unescape(value))}
		out = append(out, once)
		if twice := (queryWant{queryKey(waf.Unescape(once.key)), waf.Unescape(once.value)}); twice != once {
			out = append(out, twice)
		}
	}
	return out
}

// queryKey spells a key as PHP's $_GET does: a space, dot or [ becomes _, an
// array loses its brackets. ?rest.route= would otherwise slip past rest_route.
func queryKey(key string) string {
	key = strings.ToLower(strings.TrimLeft(key, " "))
	if i := strings.IndexByte(key, '['); i > 0 {
		key = key[:i]
	}
	return strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(key)
}

// glob matches s against a pattern in which * is any run of characters. It is
// linear in len(s) for each literal piece.
func glob(pat, s string) bool {
	first, rest, starred := strings.Cut(pat, "*")
	if !starred {
		return pat == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		piece, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(s, piece)
		}
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(piece):], more
	}
}
