package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// recorded is a shop program as far as its answers tell, made small by hand.
type recorded map[string]struct {
	status int
	header string // "Name: value" lines
	body   string
}

func (rec recorded) serve(asked *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		a, ok := rec[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		for line := range strings.SplitSeq(a.header, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				w.Header().Add(name, value)
			}
		}
		w.WriteHeader(max(a.status, 200))
		io.WriteString(w, a.body)
	}
}

const (
	wpFront = `<!DOCTYPE html><html><head><meta name="generator" content="WordPress 6.1.9" />%s
<link rel='stylesheet' href='https://tea.example.jp/wp-content/themes/x/style.css'><link rel="canonical" href="https://tea.example.jp/"></head>`
	wpLink  = `Link: <https://tea.example.jp/wp-json/>; rel="https://api.w.org/"`
	wpJSON  = `{"name":"x","home":"https:\/\/tea.example.jp","namespaces":["oembed\/1.0","wp\/v2"%s]}`
	wpLogin = `<form name="loginform" id="loginform" action="wp-login.php"><input name="log">`
)

func TestDetect(t *testing.T) {
	tests := []struct {
		name                string
		shop                recorded
		program, preset     string
		confidence          Confidence
		host, hint, notHint string
	}{
		{name: "EC-CUBE 4", program: "eccube4", preset: "eccube4", confidence: Sure, hint: "admin_default /admin/login",
			shop: recorded{
				"/":             {header: "Set-Cookie: eccube=abc; path=/; httponly", body: `<html><head><meta name="eccube-csrf-token" content="x"><link href="/html/template/default/assets/css/style.css"></head><body><div class="ec-layoutRole">`},
				"/mypage/login": {body: `<input name="login_email"><input name="login_pass">`},
				"/admin/login":  {body: `<input type="text" name="login_id">`},
			}},
		{name: "EC-CUBE 4 with a moved admin", program: "eccube4", preset: "eccube4", confidence: Sure, hint: "robots /kanri-8f2", notHint: "admin_default",
			shop: recorded{
				"/":           {header: "Set-Cookie: eccube=abc; path=/", body: `<meta name="eccube-csrf-token" content="x">`},
				"/robots.txt": {body: "User-agent: *\nDisallow: /kanri-8f2/\nDisallow: /cart\n"},
			}},
		{name: "EC-CUBE 2", program: "eccube2", preset: "eccube2", confidence: Sure, hint: "admin_default /admin/",
			shop: recorded{
				"/":       {header: "Set-Cookie: ECSESSID=abc; path=/", body: `<form action="/frontparts/login_check.php"><input type="hidden" name="transactionid" value="1"></form><a href="/products/list.php">`},
				"/admin/": {body: `<input name="login_id">`},
			}},
		{name: "WooCommerce", program: "woocommerce", preset: "woocommerce", confidence: Sure, host: "tea.example.jp",
			shop: recorded{
				"/":             {header: wpLink, body: fmt.Sprintf(wpFront, `<meta name="generator" content="WooCommerce 9.1.2" />`)},
				"/wp-json/":     {body: fmt.Sprintf(wpJSON, `,"wc\/store\/v1"`)},
				"/wp-login.php": {body: wpLogin},
			}},
		{name: "WooCommerce, seen only in its API", program: "woocommerce", preset: "woocommerce", confidence: Sure, host: "tea.example.jp",
			shop: recorded{
				"/":         {header: wpLink, body: fmt.Sprintf(wpFront, "")},
				"/wp-json/": {body: fmt.Sprintf(wpJSON, `,"wc\/v3","wc\/store\/v1"`)},
			}},
		{name: "Welcart", program: "welcart", preset: "welcart", confidence: Sure, host: "tea.example.jp",
			shop: recorded{
				"/":         {header: wpLink + "\nSet-Cookie: usces_cookie=x", body: fmt.Sprintf(wpFront, `<link href="/wp-content/plugins/usc-e-shop/css/usces_default.css">`)},
				"/wp-json/": {body: fmt.Sprintf(wpJSON, "")},
			}},
		{name: "WordPress without a shop", program: "wordpress", preset: "woocommerce", confidence: Sure, host: "tea.example.jp", hint: "admin_default /wp-login.php",
			shop: recorded{
				"/":             {header: wpLink, body: fmt.Sprintf(wpFront, "")},
				"/wp-json/":     {body: fmt.Sprintf(wpJSON, "")},
				"/wp-login.php": {body: wpLogin},
			}},
		{name: "Magento 2", program: "magento2", preset: "magento2", confidence: Sure,
			shop: recorded{
				"/":                {header: "Set-Cookie: PHPSESSID=x", body: `<script type="text/x-magento-init">{}</script><div data-mage-init='{}'>`},
				"/magento_version": {body: "Magento/2.4 (Community)"},
			}},
		{name: "Vendure", program: "vendure", preset: "vendure", confidence: Sure,
			shop: recorded{
				"/": {status: 404, body: `{"statusCode":404}`},
				"/shop-api?query=%7BactiveChannel%7Bcode%7D%7D": {body: `{"data":{"activeChannel":{"code":"__default_channel__"}}}`},
			}},
		{name: "sample shop", program: "sampleshop", preset: "sampleshop", confidence: Sure,
			shop: recorded{"/": {header: "Set-Cookie: norendo=x", body: "<title>茶と器 のれん堂</title>"}}},
		{name: "a shop of one's own", program: "generic", preset: "generic", confidence: Unknown,
			shop: recorded{"/": {header: "Set-Cookie: session=x", body: "<html><title>shop</title>"}}},
		{name: "one weak sign is no finding", program: "generic", preset: "generic", confidence: Unknown,
			shop: recorded{"/": {body: `we once ran vendure`}}},
		{name: "two programs at once", program: "woocommerce", preset: "woocommerce", confidence: Likely, host: "tea.example.jp",
			shop: recorded{
				"/": {header: wpLink + "\nSet-Cookie: ECSESSID=x", body: fmt.Sprintf(wpFront, `<link href="/wp-content/plugins/woocommerce/x.css">`)},
			}},
		{name: "a redirect within the shop", program: "eccube4", preset: "eccube4", confidence: Sure,
			shop: recorded{
				"/":      {status: 302, header: "Location: /shop/\nSet-Cookie: eccube=x"},
				"/shop/": {body: `<meta name="eccube-csrf-token" content="x">`},
			}},
		{name: "a redirect to the shop's own name", program: "generic", preset: "generic", confidence: Unknown, host: "shop.example.jp", hint: "redirect https://shop.example.jp",
			shop: recorded{"/": {status: 301, header: "Location: https://shop.example.jp/"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			site := Site{Name: "s", Hosts: []string{"*"}, Upstream: shopServer(t, tt.shop.serve(&asked))}
			got, err := Detect(t.Context(), &site, "")
			if err != nil {
				t.Fatal(err)
			}
			if got.Program != tt.program || got.Preset != tt.preset || got.Confidence != tt.confidence || got.Host != tt.host {
				t.Errorf("%+v", got)
			}
			hints := fmt.Sprint(got.Hints)
			if tt.hint != "" && !strings.Contains(hints, tt.hint) || tt.notHint != "" && strings.Contains(hints, tt.notHint+" ") {
				t.Errorf("hints %s, want %q and not %q", hints, tt.hint, tt.notHint)
			}
			if n := asked.Load(); n > detectAsks {
				t.Errorf("asked %d times", n)
			}
			if _, err := LookupPreset(got.Preset); err != nil {
				t.Error(err)
			}
		})
	}
}

// A shop that answers slowly, without end or not at all costs little.
func TestDetectIsBounded(t *testing.T) {
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	endless := func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("<meta name=\"generator\" content=\"x\">", 1000)); err != nil {
				return
			}
		}
	}
	site := Site{Name: "s", Hosts: []string{"*"}, Upstream: shopServer(t, endless)}
	if got, err := Detect(t.Context(), &site, ""); err != nil || got.Program != "generic" {
		t.Errorf("%+v, %v", got, err)
	}
	site.Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	begun := time.Now()
	if _, err := Detect(t.Context(), &site, ""); err == nil {
		t.Error("a shop that never answers was known")
	}
	t.Logf("given up after %s", time.Since(begun).Round(time.Millisecond))
	site.Upstream = "http://127.0.0.1:1"
	if _, err := Detect(t.Context(), &site, ""); err == nil {
		t.Error("nobody answered and no error")
	}
}

// Redirects lead nowhere else.
func TestDetectFollowsNobodyOut(t *testing.T) {
	var elsewhere atomic.Int64
	other := shopServer(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for _, to := range []string{other + "/", "//" + strings.TrimPrefix(other, "http://") + "/", "file:///etc/passwd", "https://127.0.0.1/x", "javascript:1", "\\\\x"} {
		site := Site{Name: "s", Hosts: []string{"*"}, Upstream: shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(302)
		})}
		if _, err := Detect(t.Context(), &site, ""); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed to another server")
	}
}

// FuzzDetect: whatever a shop answers, the finding is a preset of ours, in our
// own words, and can be printed.
func FuzzDetect(f *testing.F) {
	f.Add(200, "Set-Cookie: eccube=1", `<meta name="eccube-csrf-token">`)
	f.Add(302, "Location: //evil.example/\x1b[31m", "")
	f.Add(200, wpLink, fmt.Sprintf(wpFront, "<meta name=generator content='\x1b]0;x\x07'>"))
	f.Add(200, "Link: x", `<link rel="canonical" href="http://[::1%25x]:99999/"><meta name="generator" content="`)
	f.Fuzz(func(t *testing.T, status int, header, body string) {
		programs, err := readPresets()
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		name, value, _ := strings.Cut(header, ": ")
		h[http.CanonicalHeaderKey(name)] = []string{value}
		d := &detector{via: answering{status, h, body}, scheme: "http", addr: "shop.invalid", host: "shop.invalid", answers: map[string]*sighting{}}
		got, err := d.look(context.Background(), programs.Programs)
		if err != nil {
			return
		}
		if !slices.Contains(PresetNames(), got.Preset) || len(d.asked) > detectAsks {
			t.Errorf("%+v after %v", got, d.asked)
		}
		out, err := json.Marshal(got)
		if err != nil || strings.ContainsFunc(string(out), func(r rune) bool { return r < ' ' || r == 0x7F }) {
			t.Errorf("cannot be printed: %q, %v", out, err)
		}
		for _, hint := range got.Hints {
			if strings.ContainsFunc(hint.Path, func(r rune) bool { return r < ' ' || r == 0x7F }) {
				t.Errorf("hint %q", hint.Path)
			}
		}
	})
}

// answering answers everything alike.
type answering struct {
	status int
	header http.Header
	body   string
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: a.header.Clone(), Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// Every shipped sign can be seen, and every program names a preset.
func TestProgramsAreDeclaredRight(t *testing.T) {
	f, err := readPresets()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range f.Programs {
		if _, err := LookupPreset(p.Preset); err != nil || p.Title.Ja == "" || p.Title.En == "" {
			t.Errorf("program %s: preset %q, title %v", name, p.Preset, p.Title)
		}
		if p.Like != "" && f.Programs[p.Like].Preset == "" {
			t.Errorf("program %s is like %q, which there is not", name, p.Like)
		}
		for _, s := range p.Signs {
			if !strings.HasPrefix(s.At, "/") || s.Weight < 1 || s.Weight > 10 || s.Header+s.Cookie+s.Generator+s.Body == "" || s.Header != "" && !strings.Contains(s.Header, ": ") {
				t.Errorf("program %s: sign %+v", name, s)
			}
		}
	}
}
