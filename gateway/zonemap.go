package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"noren"
)

// Place is where in the shop a request goes.
type Place struct {
	Zone noren.Zone
	// Pattern decided, seen in View; both empty for the storefront.
	Pattern string
	View    string
}

// zoneMap finds the zone of a path. It is compiled once per site and then
// only read.
type zoneMap struct {
	exact map[string][]*pattern // /contact
	under map[string][]*pattern // /mypage/*, by "/mypage"
	ends  map[string][]*pattern // *.sql, by ".sql"
	globs []*pattern            // all others
	depth int                   // most segments of a key in under
	rest  bool                  // WordPress: ?rest_route=/x is /wp-json/x
}

// compileZones joins a preset's zones and a site's own. All faults are
// reported at once.
func compileZones(admin string, sources ...map[noren.Zone][]string) (*zoneMap, error) {
	m := &zoneMap{exact: map[string][]*pattern{}, under: map[string][]*pattern{}, ends: map[string][]*pattern{}}
	var errs []error
	for _, src := range sources {
		for zone, lines := range src {
			for _, line := range lines {
				p, err := parsePattern(line, zone, admin)
				if err != nil {
					errs = append(errs, fmt.Errorf("zone %s: %w", zone, err))
					continue
				}
				m.add(&p)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m.sort()
	return m, nil
}

func (m *zoneMap) add(p *pattern) {
	m.rest = m.rest || strings.HasPrefix(p.path, "/wp-json")
	dir, isDir := strings.CutSuffix(p.path, "/*")
	ext, isExt := strings.CutPrefix(p.path, "*.")
	switch {
	case !strings.Contains(p.path, "*"):
		m.exact[p.path] = append(m.exact[p.path], p)
	case isDir && !strings.Contains(dir, "*"):
		m.under[dir] = append(m.under[dir], p)
		m.depth = max(m.depth, strings.Count(dir, "/"))
	case isExt && !strings.ContainsAny(ext, "*./"):
		m.ends["."+ext] = append(m.ends["."+ext], p)
	default:
		m.globs = append(m.globs, p)
	}
}

// sort puts the strictest first, and equals in the order of their text, so that
// the same settings always name the same pattern.
func (m *zoneMap) sort() {
	byStrict := func(a, b *pattern) int {
		return cmp.Or(cmp.Compare(b.strict, a.strict), strings.Compare(a.text, b.text))
	}
	for _, index := range []map[string][]*pattern{m.exact, m.under, m.ends} {
		for _, ps := range index {
			slices.SortFunc(ps, byStrict)
		}
	}
	slices.SortFunc(m.globs, byStrict)
}

// Find returns the place of a request: the strictest zone of any view of its
// path. rawPath and rawQuery are as on the request line.
func (m *zoneMap) Find(method, rawPath, rawQuery string) Place {
	var pairs []queryWant
	query := func() []queryWant {
		if pairs == nil && rawQuery != "" {
			pairs = queryPairs(rawQuery)
		}
		return pairs
	}
	best, strict := Place{Zone: noren.ZoneStorefront}, -1
	look := func(view string) {
		if p := m.match(method, view, query); p != nil && p.strict > strict {
			best, strict = Place{Zone: p.zone, Pattern: p.text, View: view}, p.strict
		}
	}
	pathViews(rawPath, look)
	if m.rest {
		for _, route := range ends(query(), "rest_route") {
			pathViews("/wp-json"+route, look)
		}
	}
	return best
}

// ends returns the first and the last values of a key, each once: of several,
// no server takes one in the middle.
func ends(pairs []queryWant, key string) (out []string) {
	for _, q := range pairs {
		if q.key != key || slices.Contains(out, q.value) {
			continue
		}
		if len(out) == 4 { // both decodings of the first and of the last
			out = append(out[:2], out[3])
		}
		out = append(out, q.value)
	}
	return out
}

// match returns the strictest pattern that one view falls under, nil for none.
func (m *zoneMap) match(method, view string, query func() []queryWant) *pattern {
	var buf [8]*pattern
	found := buf[:0]
	take := func(ps []*pattern) {
		for _, p := range ps {
			if p.matches(method, query) {
				found = append(found, p)
			}
		}
	}
	take(m.exact[view])
	m.eachDir(view, take)
	if i := strings.LastIndexByte(view, '.'); i > strings.LastIndexByte(view, '/') {
		take(m.ends[view[i:]])
	}
	for _, p := range m.globs {
		if globPath(p.path, view) && p.matches(method, query) {
			found = append(found, p)
		}
	}
	return strictest(found)
}

// eachDir calls take for the view's directories down to the deepest key.
func (m *zoneMap) eachDir(view string, take func([]*pattern)) {
	take(m.under[""]) // "/*"
	for i, depth := 1, 0; i <= len(view) && depth < m.depth; i++ {
		if i == len(view) || view[i] == '/' {
			take(m.under[view[:i]])
			depth++
		}
	}
}

// globPath lets "/a*/b/*" match the directory itself, like "/b/*" does.
func globPath(pat, view string) bool {
	if glob(pat, view) {
		return true
	}
	dir, ok := strings.CutSuffix(pat, "/*")
	return ok && glob(dir, view)
}

// strictest picks among matched patterns; a "!" pattern takes its zone out. A
// machine's zone is spared the limits and the check of the page it is at, so a
// word in the query alone does not lead there where another zone is matched:
// /my-account/lost-password?wc-api=x is what it was without it.
func strictest(found []*pattern) *pattern {
	best := among(found, func(*pattern) bool { return true })
	if best != nil && best.machine() && len(best.query) > 0 {
		if other := among(found, func(p *pattern) bool { return !p.machine() }); other != nil {
			return other
		}
	}
	return best
}

func among(found []*pattern, want func(*pattern) bool) *pattern {
	var best *pattern
	for _, p := range found {
		if p.not || !want(p) || best != nil && best.strict >= p.strict {
			continue
		}
		if !slices.ContainsFunc(found, func(o *pattern) bool { return o.not && o.zone == p.zone }) {
			best = p
		}
	}
	return best
}
