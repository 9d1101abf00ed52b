package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"noren"
	"noren/gateway"
	"noren/gateway/pagewalk"
)

// walked are the zones whose pages may be asked for: what anybody sees who only
// looks.
var walked = [...]noren.Zone{
	noren.ZoneStorefront, noren.ZoneSearch, noren.ZoneSignup, noren.ZoneLogin, noren.ZoneContact, noren.ZoneCart,
}

// checkPages walks a site's pages.
func (e *env) checkPages(fs *findings, s *gateway.Site, secret string, most int) {
	what := "pages " + s.Name
	zone, err := s.Zoner()
	if err != nil {
		fs.add(what, err, "")
		return
	}
	header := http.Header{}
	if secret != "" {
		header.Set(gateway.OriginHeader, secret)
	}
	r, err := pagewalk.Walk(e.ctx, pagewalk.Options{
		Upstream: s.Upstream, Hosts: s.Hosts, Header: header, Pages: most,
		Follow: func(path, query string) bool { return slices.Contains(walked[:], zone(http.MethodGet, path, query)) },
	})
	if err != nil {
		fs.add(what, err, "")
		return
	}
	f := finding{What: what, OK: !slices.ContainsFunc(r.Findings, func(f pagewalk.Finding) bool { return f.Kind.Bad() }), Walk: &r}
	lines := []string{fmt.Sprintf("%d pages read, %d findings", len(r.Pages), len(r.Findings))}
	if r.Left > 0 {
		lines[0] += fmt.Sprintf("; %d more pages are known (--max-pages)", r.Left)
	}
	for _, p := range r.Findings {
		lines = append(lines, fmt.Sprintf("%s:%d: %s %s", p.Page, p.Line, p.Tag, p.URL), "  "+p.Text.In(e.lang))
	}
	f.Text = strings.Join(lines, "\n")
	*fs = append(*fs, f)
}
