package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"noren"
)

// This file gives a request the one form in which the firewall reads it and the
// shop receives it. What has no such form is refused.

// framing refuses what another server could cut differently (RFC 9112, 6.3 and
// 7.6.1 of RFC 9110). Over HTTP/1 net/http has compared lengths already; over
// HTTP/2 it takes the first length, and none when that is no number.
func (x *exchange) framing() *stop {
	r := x.r
	if cl := r.Header["Content-Length"]; len(cl) > 0 {
		n, err := strconv.ParseInt(cl[0], 10, 64)
		if len(cl) > 1 || err != nil || n != max(r.ContentLength, 0) {
			return malformed("content_length")
		}
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		// net/http passes over a Transfer-Encoding here without telling; RFC 9112,
		// 6.1 asks to close after such a message. No proxy keeps connections of 1.0.
		x.w.closing, x.w.old = true, true
	}
	if host := r.Header["Host"]; len(host) > 0 { // HTTP/2, beside :authority (RFC 9113, 8.3.1)
		if len(host) > 1 || !strings.EqualFold(host[0], r.Host) {
			return malformed("host")
		}
		delete(r.Header, "Host")
	}
	return connectionNames(r.Header)
}

// hopHeaders may be named in Connection: they are between us and the client and
// end here in any case.
var hopHeaders = map[string]bool{
	"close": true, "keep-alive": true, "upgrade": true, "te": true, "trailer": true, "transfer-encoding": true,
	"http2-settings": true, "proxy-connection": true, "proxy-authenticate": true, "proxy-authorization": true,
}

// connectionNames refuses a Connection that names another header the request
// has: it would be dropped on the way after it was inspected, a Cookie or
// Content-Type too, and the shop would read another request (RFC 9110, 7.6.1:
// a sender must not name what is meant for all recipients).
func connectionNames(h http.Header) *stop {
	for _, field := range []string{"Connection", "Proxy-Connection"} {
		for _, line := range h[field] {
			for name := range strings.SplitSeq(line, ",") {
				name = strings.TrimSpace(name)
				if _, has := h[http.CanonicalHeaderKey(name)]; has && !hopHeaders[strings.ToLower(name)] {
					return malformed("connection")
				}
			}
		}
	}
	return nil
}

// oneTarget writes the request's target in the one form that goes to the
// firewall and on to the shop: origin form, and in the path what must be
// escaped escaped, and nothing else touched. net/http would write a path with
// one raw | anew from its decoded form, and turn %2f into a slash by it.
func (x *exchange) oneTarget() *stop {
	r := x.r
	u := r.URL
	switch {
	case r.ProtoMajor > 1 && !strings.HasPrefix(r.RequestURI, "/"): // RFC 9113, 8.3.1
		return malformed("target")
	case u.Scheme != "" && u.Host == "": // RFC 9110, 4.2.1: http:///x
		return malformed("target")
	case u.User != nil || u.Opaque != "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https":
		return malformed("target")
	case strings.Contains(r.RequestURI, " "): // HTTP/2; a second word on the shop's request line
		return malformed("target")
	}
	path := escapePath(x.path)
	if decoded, err := url.PathUnescape(path); err != nil || decoded != u.Path {
		return malformed("target")
	}
	own := *u
	own.Scheme, own.Host, own.RawPath = "", "", path
	r.URL, x.path = &own, path
	r.RequestURI = path
	if u.RawQuery != "" || u.ForceQuery {
		r.RequestURI += "?" + u.RawQuery
	}
	return nil
}

// escapePath escapes what net/url holds not to be a valid path as it stands.
func escapePath(p string) string {
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/-_.~!$&'()*+,;=:@[]%", c) >= 0 {
			if b.Len() > 0 {
				b.WriteByte(c)
			}
			continue
		}
		if b.Len() == 0 {
			b.WriteString(p[:i])
		}
		b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
	}
	if b.Len() == 0 {
		return p
	}
	return b.String()
}

// overrideHeaders are by which frameworks take another method than the request
// line's. WordPress, Laravel, Symfony, Rails and Magento know the first.
var overrideHeaders = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// overrides are the methods that the shop might take the request for, besides
// its own.
func overrides(r *http.Request) (methods []string, s *stop) {
	add := func(m string) {
		if m = strings.ToUpper(strings.TrimSpace(m)); m == "" || m == r.Method {
			return
		}
		if !validMethod(m) || m == http.MethodConnect || m == http.MethodTrace || m == "TRACK" {
			s = malformed("method_override")
		}
		methods = append(methods, m)
	}
	for _, name := range overrideHeaders {
		if len(r.Header[name]) > 1 {
			return nil, malformed("method_override")
		}
		add(r.Header.Get(name))
	}
	if strings.Contains(r.URL.RawQuery, "method") || strings.ContainsAny(r.URL.RawQuery, "%") {
		for _, q := range ends(queryPairs(r.URL.RawQuery), "_method") {
			add(q)
		}
	}
	return methods, s
}

// findPlace puts the request into the strictest zone that its method, or a
// method it asks to be taken for, leads to.
func (x *exchange) findPlace() *stop {
	x.place = x.shop.zones.Find(x.r.Method, x.path, x.r.URL.RawQuery)
	methods, s := overrides(x.r)
	if s != nil {
		return s
	}
	for _, m := range methods {
		x.stricterAs(m)
	}
	return nil
}

func (x *exchange) stricterAs(method string) {
	p := x.shop.zones.Find(method, x.path, x.r.URL.RawQuery)
	if p.Zone != x.place.Zone && noren.Stricter(x.place.Zone, p.Zone) == p.Zone {
		x.place = p
	}
}

// bodyOverride does the same for a method that a form names in its body, as
// Laravel, Symfony and Rails read it. The steps that ask for the zone are asked
// again when it is a stricter one.
func (x *exchange) bodyOverride() *stop {
	if x.body == nil || x.r.Method != http.MethodPost {
		return nil
	}
	before := x.place.Zone
	for name, values := range x.values() {
		if queryKey(name) != "_method" {
			continue
		}
		for _, m := range values[:min(len(values), 4)] {
			if m = strings.ToUpper(strings.TrimSpace(m)); validMethod(m) {
				x.stricterAs(m)
			}
		}
	}
	if x.place.Zone == before {
		return nil
	}
	for _, step := range zoneSteps {
		if s := step(x); s != nil {
			return s
		}
	}
	return nil
}
