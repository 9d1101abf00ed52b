package main

import (
	"context"
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

// pages walks a site's pages.
func (l *looker) pages(ctx context.Context, s *gateway.Site, most int) {
	what := ofSite("pages", s.Name, "お店のページ", "The shop's pages")
	zone, err := s.Zoner()
	if err != nil {
		l.fs.fault(what, err, "お店の地図を作れません", "")
		return
	}
	header := http.Header{}
	if secret := l.secrets[s.Name]; secret != "" {
		header.Set(gateway.OriginHeader, secret)
	}
	r, err := pagewalk.Walk(ctx, pagewalk.Options{
		Upstream: s.Upstream, Hosts: s.Hosts, Header: header, Pages: most,
		Follow: func(path, query string) bool { return slices.Contains(walked[:], zone(http.MethodGet, path, query)) },
	})
	if err != nil {
		l.fs.fault(what, err, "お店のページを読めません", "")
		return
	}
	f := what.finding(walkText(&r), noren.Text{})
	f.OK, f.Walk = !slices.ContainsFunc(r.Findings, func(f pagewalk.Finding) bool { return f.Kind.Bad() }), &r
	l.fs = append(l.fs, f)
}

func walkText(r *pagewalk.Result) noren.Text {
	ja := []string{fmt.Sprintf("%dページを読み、%d件見つかりました", len(r.Pages), len(r.Findings))}
	en := []string{fmt.Sprintf("%d pages read, %d findings", len(r.Pages), len(r.Findings))}
	if r.Left > 0 {
		ja[0] += fmt.Sprintf("。ほかに%dページあります（--max-pages）", r.Left)
		en[0] += fmt.Sprintf("; %d more pages are known (--max-pages)", r.Left)
	}
	for _, p := range r.Findings {
		at := fmt.Sprintf("%s:%d: %s %s", p.Page, p.Line, p.Tag, p.URL)
		ja, en = append(ja, at, "  "+p.Text.Ja), append(en, at, "  "+p.Text.En)
	}
	return noren.Text{Ja: strings.Join(ja, "\n"), En: strings.Join(en, "\n")}
}
