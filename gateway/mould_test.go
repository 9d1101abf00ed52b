package gateway

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
)

// A page that was made before says the same to the next visitor as a page made
// for them alone, whatever they brought.
func TestPagesAreTheSameMadeOnceOrEachTime(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	sites := []*Site{nil, {}, {Title: noren.Text{Ja: "茶<&>屋", En: "Tea \"&\" co"}, Contact: noren.Text{Ja: "電話 03-0000-0000", En: "tea@example.jp"}}}
	stops := []stop{
		{cause: noren.CauseWAF, status: http.StatusForbidden}, {cause: noren.CauseBan, status: http.StatusForbidden},
		{cause: noren.CauseLimit, status: http.StatusTooManyRequests, retry: 40 * time.Second},
		{cause: noren.CauseLimit, status: http.StatusServiceUnavailable, retry: 3 * time.Minute, line: true},
		{cause: noren.CauseAccess, status: http.StatusForbidden, address: "2001:db8::1"},
		{status: http.StatusBadGateway, retry: retryShop},
	}
	at := time.Date(2026, 11, 27, 3, 4, 5, 0, time.UTC)
	made := 0
	for round := range 2 {
		for _, site := range sites {
			for i := range stops {
				for _, lang := range []string{"ja", "en"} {
					s := stops[i]
					s.ticket, at = fmt.Sprintf("7K2QX-%05d", made), at.Add(time.Second)
					made++
					got, err := p.page(&s, http.MethodGet, site, lang, at)
					want, werr := each(p.stop, p.stopOf(&s, http.MethodGet, site, lang, at), &fillings{holeTicket: s.ticket, holeWhen: when(at, lang)})
					if err != nil || werr != nil || html.UnescapeString(string(got)) != html.UnescapeString(want) {
						t.Errorf("round %d, stop %d, %s: %v %v\n%s", round, i, lang, err, werr, got)
					}
				}
			}
			for _, back := range []string{"/", `/?a="><script>alert(1)</script>&b='+'`, "/茶?" + p.check.plugs[holeTicket]} {
				s, f := stop{check: true, ticket: fmt.Sprintf("7K2QX-%05d", made), status: http.StatusForbidden}, &checkForm{puzzle: "cHV6emxl-_", level: 12, back: back}
				made++
				got, err := p.checkPage(&s, f, site, "ja", at)
				if err != nil || strings.Contains(string(got), "<script>alert") {
					t.Errorf("the check for %s: %v\n%s", back, err, got)
				}
				if want := `name="back" value="` + back + `"`; !strings.Contains(html.UnescapeString(string(got)), want) {
					t.Errorf("the check for %s has another way back", back)
				}
			}
		}
	}
	if n := len(p.stop.kept); n == 0 || n > made/3 {
		t.Errorf("%d moulds for %d pages", n, made)
	}
}

// each renders a view with its fillings, as if nothing were kept.
func each[View comparable](m *moulds[View], v View, f *fillings) (string, error) {
	b, err := m.page(v, f, true)
	return string(b), err
}

// Whoever makes up reasons for ever new pages does not fill the memory, and
// visitors at the same time do not get each other's.
func TestMouldsAreBounded(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				ticket := fmt.Sprintf("W%d-%d", worker, i)
				body, err := p.page(&stop{cause: noren.CauseLimit, status: 429, retry: time.Duration(i%700) * time.Second, ticket: ticket}, http.MethodGet, &Site{}, "en", time.Now())
				if err != nil || !strings.Contains(string(body), ">"+ticket+"<") {
					t.Errorf("%v: the page lacks %s", err, ticket)
				}
			}
		})
	}
	wg.Wait()
	if n := len(p.stop.kept); n > maxMoulds {
		t.Errorf("%d moulds are kept", n)
	}
}
