package console

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"noren"
	"noren/console/ui"
)

// maxForm bounds what a browser may send: the largest form is a policy file.
const maxForm = 2 << 20

// bounded reads no body without an end.
func (c *Console) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// knownHost answers only to the console's own name. Otherwise a page of
// somebody else could give its own name our address and read everything as if it
// were part of it (DNS rebinding).
func (c *Console) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.known(r) {
			http.Error(w, "Noren's console is not served under this name.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known reports whether a request is for the console: by https under its name, or
// without on this machine.
func (c *Console) known(r *http.Request) bool {
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = strings.Trim(strings.ToLower(name), "[]")
	if r.TLS != nil {
		return name != "" && name == c.o.Host()
	}
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

// csp lets a page use what we serve and nothing else. No script stands inside a page,
// and one style: our stylesheet, named by its hash, in the first page that a browser
// opens (look.go).
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// dressed sets the headers that every answer has.
func (c *Console) dressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if strings.HasPrefix(r.URL.Path, "/join") {
			h.Set("Referrer-Policy", "no-referrer") // the address is a secret
		}
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what other sites' pages make a browser send.
func (c *Console) sameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{c: c, w: w, r: r, lang: languageOf(r)}
		v.fail(noren.Errorf(noren.Denied, "sent from a page of another site (origin %q)", r.Header.Get("Origin")))
	}))
	return p.Handler(next)
}

// languageOf is what the person chose, or else what the browser asks for first.
func languageOf(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil {
		return ui.Lang(c.Value)
	}
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	if tag := strings.ToLower(strings.TrimSpace(first)); tag != "" && !strings.HasPrefix(tag, "ja") && tag != "*" {
		return "en"
	}
	return "ja"
}
