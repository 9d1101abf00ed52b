package console

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strings"

	"noren"
	"noren/console/ui"
	"noren/staff"
)

const languageCookie = "noren_lang"

// visit is one request on its way through a route.
type visit struct {
	c    *Console
	w    http.ResponseWriter
	r    *http.Request
	lang string
	who  *staff.Session // nil before sign-in
	site string         // of the route; "" for the whole instance
	sure bool           // what is asked for wants the second factor again
}

// words writes in the visitor's language.
func (v *visit) words() ui.Words { return ui.Words{Lang: v.lang} }

// page writes a whole page.
func (v *visit) page(name string, data any) error { return v.pageWith(http.StatusOK, name, data) }

func (v *visit) pageWith(status int, name string, data any) error {
	f := v.frame(data)
	v.dress(f)
	var b bytes.Buffer
	if err := v.c.pages.Render(&b, v.lang, name, f); err != nil {
		return err
	}
	v.send(status, b.Bytes())
	return nil
}

// part writes one part of a page, for a place that refreshes by itself.
func (v *visit) part(page, part string, data any) error {
	var b bytes.Buffer
	if err := v.c.pages.Part(&b, v.lang, page, part, data); err != nil {
		return err
	}
	v.send(http.StatusOK, b.Bytes())
	return nil
}

// asked reports whether a part refreshes itself, by htmx's request header.
func (v *visit) asked(part string) bool {
	return v.r.Header.Get("HX-Request") == "true" && v.r.Header.Get("HX-Target") == part
}

// gzipFrom is the size below which compressing saves nothing.
const gzipFrom = 1 << 10

func (v *visit) send(status int, body []byte) {
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Encoding, Cookie, HX-Request")
	if len(body) >= gzipFrom && ui.AcceptsGzip(v.r) {
		h.Set("Content-Encoding", "gzip")
		v.w.WriteHeader(status)
		z := gzip.NewWriter(v.w)
		z.Write(body)
		z.Close()
		return
	}
	v.w.WriteHeader(status)
	v.w.Write(body)
}

// redirect sends the browser to a page after an act, so that going back or
// reloading does not act again. said names what to tell there (notices.go).
func (v *visit) redirect(to, said string, more ...string) error {
	if said != "" {
		q := url.Values{"said": {said}}
		for i := 0; i+1 < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		sep := "?"
		if strings.Contains(to, "?") {
			sep = "&"
		}
		to += sep + q.Encode()
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// back is a path of this console out of a value from the browser, and other if
// it is anything else: a link must not lead out of the house.
func back(path, other string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return other
	}
	return path
}

// frame is what stands around a page.
func (v *visit) frame(data any) *ui.Frame {
	f := &ui.Frame{Lang: v.lang, Self: v.self(), Site: v.site, Notice: v.notice(), Data: data}
	if v.who == nil {
		return f
	}
	f.Me = &ui.Person{Name: v.who.Person.Name, Role: roleName(v.roleHere())}
	f.Sites = v.sites()
	f.Nav = v.nav()
	if v.site != "" {
		f.Live = v.path("/live")
		f.Waits = v.waits()
	}
	return f
}

func (v *visit) self() string {
	if v.r.Method != http.MethodGet {
		return "/"
	}
	u := url.URL{Path: v.r.URL.Path}
	q := v.r.URL.Query()
	q.Del("said")
	q.Del("undo")
	u.RawQuery = q.Encode()
	return u.String()
}

// path is an address within the site.
func (v *visit) path(p string) string { return sitePath(v.site, p) }

func sitePath(site, p string) string { return "/s/" + url.PathEscape(site) + p }

// field is a value of a form, trimmed; too long ones are cut by the caller's
// own rules.
func (v *visit) field(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// reason is why somebody acts; every act needs one.
func (v *visit) reason() (string, error) {
	r := v.field("reason")
	switch {
	case r == "":
		return "", wrong("reason", "理由を書いてください。記録に残り、後から見る人の助けになります。", "Please give a reason. It stays in the record and helps whoever looks later.")
	case len(r) > 1500:
		return "", wrong("reason", "理由は500文字までにしてください。", "Please keep the reason under 500 characters.")
	}
	return noren.MaskCards(r), nil
}
