package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"noren"
)

func render(t *testing.T, s *stop, site *Site, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ticket = "7K2QX-M4D9T"
	if _, err := p.write(w, r, s, site, time.Date(2026, 11, 21, 5, 4, 9, 0, time.UTC), nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLanguage(t *testing.T) {
	for accept, want := range map[string]string{
		"": "ja", "ja": "ja", "ja-JP,ja;q=0.9,en;q=0.8": "ja", "en": "en", "en-US,en;q=0.9": "en", "en-US,en;q=0.9,ja;q=0.8": "en",
		"en;q=0.5,ja;q=0.5": "ja", "*": "ja", "fr-FR,fr;q=0.9": "en", "zh-CN,ja;q=0.9": "en", "en;q=0,ja": "ja", ";;;,q=": "ja",
	} {
		if got := language(accept); got != want {
			t.Errorf("language(%q) = %s, want %s", accept, got, want)
		}
	}
}

func TestPageSpeaksTheVisitorsLanguage(t *testing.T) {
	site := &Site{Title: noren.Text{Ja: "のれん堂", En: "Norendo"}, Contact: noren.Text{Ja: "電話 03-0000-0000", En: "phone +81-3-0000-0000"}}
	ja := render(t, &stop{cause: noren.CauseWAF, rule: "942100", status: 403}, site, "Accept: text/html", "Accept-Language: ja").Body.String()
	en := render(t, &stop{cause: noren.CauseWAF, rule: "942100", status: 403}, site, "Accept: text/html", "Accept-Language: en-GB").Body.String()
	for _, want := range []string{`lang="ja"`, "お通しできませんでした", "のれん堂", `電話 <a href="tel:0300000000">03-0000-0000</a>`, "7K2QX-M4D9T", "14時04分09秒"} {
		if !strings.Contains(ja, want) {
			t.Errorf("the Japanese page lacks %q", want)
		}
	}
	for _, want := range []string{`lang="en"`, "could not let this through", "Norendo", "81-3-0000-0000", "7K2QX-M4D9T"} {
		if !strings.Contains(en, want) {
			t.Errorf("the English page lacks %q", want)
		}
	}
	// Nothing tells an attacker what was found.
	for _, detail := range []string{"942100", "waf", "SQL", "policy", "ban"} {
		if strings.Contains(ja, detail) || strings.Contains(en, ">"+detail) {
			t.Errorf("the page names %q", detail)
		}
	}
	if slow := render(t, &stop{cause: noren.CauseMalformed, status: 408}, site, "Accept: text/html").Body.String(); !strings.Contains(slow, "読み取れませんでした") {
		t.Error("who sends too slowly is told of an attack")
	}
	ban := render(t, &stop{cause: noren.CauseBan, rule: "x", status: 403}, site, "Accept: text/html", "Accept-Language: ja").Body.String()
	if ban != ja {
		t.Error("a ban and a finding look different")
	}
}

func TestPageIsSafeAndSmall(t *testing.T) {
	site := &Site{Title: noren.Text{Ja: "<em>UHOH</em>"}, Contact: noren.Text{Ja: `"><script>alert(1)</script>`}}
	w := render(t, &stop{status: 403}, site, "Accept: text/html")
	body, h := w.Body.String(), w.Header()
	if strings.Contains(body, "<em>UHOH") || strings.Contains(body, "<script") {
		t.Error("the site's texts are not escaped")
	}
	if strings.Contains(body, "style=\"") || strings.Contains(body, "http") {
		t.Error("the page has inline styles on elements or addresses of others")
	}
	if n := len(body); n > 8<<10 {
		t.Errorf("the page has %d bytes", n)
	}
	_, rest, _ := strings.Cut(body, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	csp := h.Get("Content-Security-Policy")
	if !strings.Contains(csp, base64.StdEncoding.EncodeToString(sum[:])) || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "X-Content-Type-Options": "nosniff"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if !strings.Contains(body, "width=device-width") {
		t.Error("no viewport for phones")
	}
}

func TestProgramsGetAProblem(t *testing.T) {
	for _, header := range []string{"Accept: application/json", "Accept: application/vnd.api+json, */*", "Sec-Fetch-Dest: empty", "X-Requested-With: XMLHttpRequest"} {
		w := render(t, &stop{cause: noren.CauseLimit, status: 429, retry: 41500 * time.Millisecond}, nil, header)
		if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s: Content-Type %s", header, ct)
			continue
		}
		var p struct {
			Status     int
			Title      string
			Ticket     string
			RetryAfter int `json:"retry_after"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != 429 || p.Ticket != "7K2QX-M4D9T" || p.RetryAfter != 42 || p.Title == "" {
			t.Errorf("%s: %s, %v", header, w.Body, err)
		}
		if w.Header().Get("Retry-After") != "42" {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
	if w := render(t, &stop{status: 403}, nil, "Sec-Fetch-Dest: image", "Accept: image/*"); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("an image gets %s", w.Header().Get("Content-Type"))
	}
}

func TestEveryStopHasWords(t *testing.T) {
	for _, status := range []int{400, 403, 408, 413, 414, 421, 429, 431, 500, 502, 503, 504} {
		for _, lang := range []string{"ja", "en"} {
			body := render(t, &stop{status: status, retry: 30 * time.Second}, nil, "Accept: text/html", "Accept-Language: "+lang).Body.String()
			if strings.Contains(body, "%!") || strings.Contains(body, "<h1></h1>") || strings.Contains(body, "<p></p>") {
				t.Errorf("%d in %s: %s", status, lang, body)
			}
		}
	}
	for d, want := range map[time.Duration]string{0: "1秒", 30 * time.Second: "30秒", 2 * time.Minute: "2分", 2 * time.Hour: "2時間", 72 * time.Hour: "3日"} {
		if got := waiting(d, "ja"); got != want {
			t.Errorf("waiting(%s) = %s, want %s", d, got, want)
		}
	}
	if got := waiting(time.Second, "en"); got != "1 second" {
		t.Errorf("waiting(1s) = %s", got)
	}
}

// The line's script stands in its page, and nothing else may run there.
func TestLinePage(t *testing.T) {
	w := render(t, &stop{cause: noren.CauseQueue, status: 503, retry: 200 * time.Second, line: true}, nil, "Accept: text/html")
	body, csp := w.Body.String(), w.Header().Get("Content-Security-Policy")
	_, rest, _ := strings.Cut(body, "<script>")
	script, _, _ := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(script))
	if script == "" || !strings.Contains(csp, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; connect-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	for _, want := range []string{`<noscript><meta http-equiv="refresh" content="60"></noscript>`, `data-wait="200"`, "あと4分ほど", `role="status"`, "順番は変わりません"} {
		if !strings.Contains(body, want) {
			t.Errorf("the line lacks %q", want)
		}
	}
	if strings.Count(body, "http-equiv") != 1 || len(body) > 8<<10 {
		t.Errorf("%d bytes: %s", len(body), body)
	}
	other := render(t, &stop{status: 403}, nil, "Accept: text/html")
	if strings.Contains(other.Header().Get("Content-Security-Policy"), "script") || strings.Contains(other.Body.String(), "<script") {
		t.Error("a refusal has a script")
	}
}

// A closed shop says when it is back only if its owner did.
func TestClosedUntil(t *testing.T) {
	at := time.Date(2026, 11, 21, 5, 4, 9, 0, time.UTC)
	for lang, want := range map[string][2]string{
		"ja": {"11月22日（日）13時30分ごろ（あと24時間ほど）", "しばらくたってから"},
		"en": {"around 13:30 on Sunday 22 November (Japan), in about 24 hours", "come back in a while"},
	} {
		until := &stop{cause: noren.CauseClosed, status: 503, retry: time.Hour, until: time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC)}
		open := &stop{cause: noren.CauseClosed, status: 503, retry: time.Hour}
		if got := until.againLine(lang, at); !strings.Contains(got, want[0]) {
			t.Errorf("%s: %s", lang, got)
		}
		if got := open.againLine(lang, at); !strings.Contains(got, want[1]) || strings.ContainsAny(got, "0123456789") {
			t.Errorf("%s without a time: %s", lang, got)
		}
	}
}

// Whoever may come again soon gets a button for it; after a form there is none,
// because it would ask for another page.
func TestTryAgain(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]bool{"GET": true, "HEAD": true, "POST": false} {
		body, err := p.page(&stop{status: 429, retry: time.Second}, method, &Site{}, "ja", time.Now())
		if err != nil || strings.Contains(string(body), `class="button" href=""`) != want || strings.Contains(string(body), `href="/"`) == want {
			t.Errorf("%s: %v %s", method, err, body)
		}
	}
}

func TestHeadGetsNoBody(t *testing.T) {
	s := stand(t, nil)
	res, body := s.do("HEAD", "/.env", "")
	if res.StatusCode != http.StatusForbidden || body != "" {
		t.Errorf("status %d, body %q", res.StatusCode, body)
	}
}
