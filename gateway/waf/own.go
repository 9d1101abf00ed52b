package waf

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxOwns bounds the patterns that are kept.
const maxOwns = 64

// neutral is what stands for the shop's own address in what is inspected.
const neutral = "https://own.invalid"

// own returns r with the shop's own address (r.Own) made neutral. A shop that is
// reached by address instead of name sends that address back to itself all the
// time (redirect_to=http://127.0.0.1:8080/wp-admin/), which rules 931100 and
// 934110 take for an attempt to make the shop fetch something inside. Only the
// exact origin is meant; another port of the same machine stays what it is.
func (w *WAF) own(r *Request) *Request {
	if r.Own == "" || !r.mentions(r.Own) {
		return r
	}
	re := w.ownPattern(r.Own)
	c := *r
	c.URI = re.ReplaceAllString(r.URI, neutral+"$1")
	c.Body = re.ReplaceAll(r.Body, []byte(neutral+"$1"))
	if cookies := r.Header["Cookie"]; len(cookies) > 0 {
		c.Header = make(map[string][]string, len(r.Header))
		for name, values := range r.Header {
			c.Header[name] = values
		}
		c.Header["Cookie"] = []string{re.ReplaceAllString(strings.Join(cookies, "; "), neutral+"$1")}
	}
	return &c
}

// mentions reports whether host may stand anywhere that own looks; a pattern over
// a long body costs a hundred times as much.
func (r *Request) mentions(host string) bool {
	name, _, ok := strings.Cut(host, ":")
	if !ok || strings.ContainsFunc(name, unicode.IsLetter) || strings.HasPrefix(host, "[") {
		return true // it can be written in capitals and small letters
	}
	return strings.Contains(r.URI, name) || bytes.Contains(r.Body, []byte(name)) ||
		slices.ContainsFunc(r.Header["Cookie"], func(line string) bool { return strings.Contains(line, name) })
}

// ownPattern finds the origin plain, escaped for a form and escaped for JSON,
// where the host ends: http://127.0.0.1:8080@evil.example is another address.
func (w *WAF) ownPattern(host string) *regexp.Regexp {
	if re, ok := w.owns.Load(host); ok {
		return re.(*regexp.Regexp)
	}
	if w.ownCount.Add(1) > maxOwns { // an address can be written in thousands of ways
		w.owns.Clear()
		w.ownCount.Store(1)
	}
	h := strings.ReplaceAll(regexp.QuoteMeta(host), ":", "(?::|%3A)")
	re := regexp.MustCompile(`(?i)https?(?::|%3A)(?:\\?/|%2F){2}` + h + `(\\?/|%2F|%3F|%23|[?#&"'<\s;]|$)`)
	w.owns.Store(host, re)
	return re
}
