package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dressed is the answer of a shop that sends some headers, as a visitor gets it.
func dressed(t *testing.T, want Headers, https bool, shop ...string) http.Header {
	t.Helper()
	s := stand(t, func(o *Options) {
		site := &o.Settings.Sites[0]
		site.Headers, site.TrustedProxies = want, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		site.Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			for _, line := range shop {
				name, value, _ := strings.Cut(line, ": ")
				w.Header().Add(name, value)
			}
		})
	})
	proto := "http"
	if https {
		proto = "https"
	}
	res, _ := s.do("GET", "/", "", "X-Forwarded-Proto: "+proto)
	return res.Header
}

func TestHeadersAreAddedAndNeverReplaced(t *testing.T) {
	all := Headers{
		HSTS: &HSTS{Since: "2020-01-01"}, NoSniff: true, ReferrerPolicy: "same-origin", PermissionsPolicy: "camera=(), geolocation=(self)",
		FrameAncestors: []string{"'self'", "https://pay.example.jp"},
	}
	names := []string{"Strict-Transport-Security", "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "Content-Security-Policy", "X-Frame-Options"}
	ours := []string{"max-age=31536000", "nosniff", "same-origin", "camera=(), geolocation=(self)", "frame-ancestors 'self' https://pay.example.jp", ""}
	force := all
	force.Force = []string{"hsts", "no_sniff", "referrer_policy", "permissions_policy", "frame_ancestors"}
	theirs := []string{
		"Strict-Transport-Security: max-age=1", "X-Content-Type-Options: other", "Referrer-Policy: origin", "Permissions-Policy: camera=*",
		"Content-Security-Policy: default-src 'self'; Frame-Ancestors 'none'",
	}
	tests := []struct {
		name  string
		want  Headers
		https bool
		shop  []string
		got   []string
	}{
		{"nothing asked", Headers{}, true, nil, []string{"", "", "", "", "", ""}},
		{"nothing asked, the shop's stay", Headers{}, true, theirs, []string{"max-age=1", "other", "origin", "camera=*", "default-src 'self'; Frame-Ancestors 'none'", ""}},
		{"added", all, true, nil, ours},
		{"no HSTS over HTTP", all, false, nil, append([]string{""}, ours[1:]...)},
		{"nor the shop's", all, false, theirs[:1], append([]string{""}, ours[1:]...)},
		{"the shop's stay", all, true, theirs, []string{"max-age=1", "other", "origin", "camera=*", "default-src 'self'; Frame-Ancestors 'none'", ""}},
		{"beside another policy", all, true, []string{"Content-Security-Policy: default-src 'self'"},
			append(slices.Clone(ours[:4]), "default-src 'self' | frame-ancestors 'self' https://pay.example.jp", "")},
		{"X-Frame-Options would be passed over", all, true, []string{"X-Frame-Options: DENY"}, append(slices.Clone(ours[:4]), "", "DENY")},
		{"a list of policies", all, true, []string{"Content-Security-Policy: img-src *, frame-ancestors 'none'"},
			append(slices.Clone(ours[:4]), "img-src *, frame-ancestors 'none'", "")},
		{"by force", force, true, theirs,
			append(slices.Clone(ours[:4]), "default-src 'self'; Frame-Ancestors 'none' | frame-ancestors 'self' https://pay.example.jp", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := dressed(t, tt.want, tt.https, tt.shop...)
			var got []string
			for _, n := range names {
				got = append(got, strings.Join(h[n], " | "))
			}
			if d := cmp.Diff(tt.got, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A shop's Alt-Svc could lead browsers past Noren.
func TestAltSvcOfTheShopIsDropped(t *testing.T) {
	if got := dressed(t, Headers{}, true, `Alt-Svc: h2="origin.example:8443"`).Get("Alt-Svc"); got != "" {
		t.Errorf("Alt-Svc %q", got)
	}
}

func TestCookieFlags(t *testing.T) {
	shop := []string{
		"Set-Cookie: eccube=abc; path=/; HttpOnly", // the preset's session cookie
		"Set-Cookie: XSRF-TOKEN=abc; Path=/",
		"Set-Cookie: cart=1; Secure; SameSite=None",
		"Set-Cookie: track_a=\"x; y\"; expires=Wed, 21 Oct 2026 07:28:00 GMT",
		"Set-Cookie: secure=1",
		"Set-Cookie: nonsense",
	}
	want := Headers{Cookies: CookieFlags{Secure: true, HTTPOnly: []string{"session", "track_*"}, SameSiteLax: []string{"session", "cart"}}}
	got := dressed(t, want, true, shop...)["Set-Cookie"]
	if d := cmp.Diff([]string{
		"eccube=abc; path=/; HttpOnly; Secure; SameSite=Lax",
		"XSRF-TOKEN=abc; Path=/; Secure",
		"cart=1; Secure; SameSite=None",
		"track_a=\"x; y\"; expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure; HttpOnly",
		"secure=1; Secure",
		"nonsense",
	}, got); d != "" {
		t.Error(d)
	}
	got = dressed(t, want, false, shop...)["Set-Cookie"]
	if got[1] != "XSRF-TOKEN=abc; Path=/" {
		t.Errorf("Secure over HTTP would lose the cookie: %q", got[1])
	}
	if d := cmp.Diff(6, len(dressed(t, Headers{}, true, shop...)["Set-Cookie"])); d != "" {
		t.Error(d)
	}
}

func TestHeaderFaults(t *testing.T) {
	for name, h := range map[string]Headers{
		"since":       {HSTS: &HSTS{}},
		"max_age":     {HSTS: &HSTS{Since: "2026-11-01", MaxAge: -1}},
		"preload":     {HSTS: &HSTS{Since: "2026-11-01", Preload: true}},
		"short":       {HSTS: &HSTS{Since: "2026-11-01", Preload: true, IncludeSubdomains: true, MaxAge: 3600}},
		"referrer":    {ReferrerPolicy: "none"},
		"permissions": {PermissionsPolicy: "camera=()\r\nX: y"},
		"ancestors":   {FrameAncestors: []string{"'self'; script-src *"}},
		"none":        {FrameAncestors: []string{"'none'", "'self'"}},
		"cookie":      {Cookies: CookieFlags{HTTPOnly: []string{"a b"}}},
		"force":       {Force: []string{"csp"}},
	} {
		if len(h.valid()) == 0 {
			t.Errorf("%s: no fault", name)
		}
	}
	good := Headers{HSTS: &HSTS{Since: "2026-11-01", Preload: true, IncludeSubdomains: true}, PermissionsPolicy: `camera=(self "https://pay.example.jp")`, FrameAncestors: []string{"https:"}}
	if errs := good.valid(); len(errs) > 0 {
		t.Error(errs)
	}
}

// Whatever a shop sends as Set-Cookie, the line begins as before and flags are
// only appended, never twice.
func FuzzCookieFlags(f *testing.F) {
	for _, s := range []string{"a=b", "a=b; Secure", "session=;;; httponly ; SameSite", "=x", ";", "a=\"; Secure\"", strings.Repeat("a=b;", 300)} {
		f.Add(s)
	}
	x := &exchange{scheme: "https", shop: &shop{sessions: []string{"session"}}}
	x.shop.Headers.Cookies = CookieFlags{Secure: true, HTTPOnly: []string{"session", "a"}, SameSiteLax: []string{"a"}}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Set-Cookie": {line}}
		x.flagCookies(h)
		once := h["Set-Cookie"][0]
		if !strings.HasPrefix(once, line) {
			t.Fatalf("%q became %q", line, once)
		}
		x.flagCookies(h)
		if twice := h["Set-Cookie"][0]; twice != once {
			t.Fatalf("%q grew to %q", once, twice)
		}
	})
}
