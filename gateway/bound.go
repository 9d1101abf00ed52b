package gateway

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"noren"
)

// Bounds on a request before anything is done with it.
const (
	maxHeaderBytes = 64 << 10
	maxHeaderLines = 128
	maxURIBytes    = 16 << 10
	maxQueryPairs  = 1000 // as many as the firewall reads
)

// malformed is the stop of a request that cannot be passed on unambiguously.
func malformed(rule string) *stop {
	return &stop{cause: noren.CauseMalformed, rule: rule, status: http.StatusBadRequest}
}

// bound refuses what two servers could read in two ways. net/http has refused
// already: bad escapes in the path, conflicting lengths, bare line feeds in
// headers, headers over the limit.
func (x *exchange) bound() *stop {
	r := x.r
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace || r.Method == "TRACK":
		return malformed("method")
	case !validMethod(r.Method):
		return malformed("method")
	case len(r.RequestURI) > maxURIBytes:
		return &stop{cause: noren.CauseMalformed, rule: "uri_length", status: http.StatusRequestURITooLong}
	case !strings.HasPrefix(r.URL.Path, "/"): // OPTIONS *, authority form
		return malformed("target")
	case !validHostHeader(r.Host):
		return malformed("host")
	case hasNUL(r.URL.Path) || hasNUL(r.URL.RawQuery) || strings.Contains(strings.ToLower(r.URL.RawQuery), "%00"):
		return malformed("nul")
	case strings.Contains(r.RequestURI, "#"):
		return malformed("fragment")
	case strings.Count(r.URL.RawQuery, "&")+strings.Count(r.URL.RawQuery, ";") > maxQueryPairs:
		return malformed("query_pairs")
	case headerLines(r.Header) > maxHeaderLines:
		return &stop{cause: noren.CauseMalformed, rule: "header_count", status: http.StatusRequestHeaderFieldsTooLarge}
	case len(r.Header["Content-Type"]) > 1 || len(r.Header["Authorization"]) > 1:
		return malformed("header_twice")
	case len(r.Trailer) > 0: // headers behind the body that nobody inspected
		return malformed("trailer")
	case len(r.TransferEncoding) > 1 || len(r.TransferEncoding) == 1 && r.TransferEncoding[0] != "chunked":
		return malformed("transfer_encoding")
	}
	if x.r.Header.Get(hopHeader) == x.g.hop {
		return &stop{cause: noren.CauseMalformed, rule: "loop", status: http.StatusLoopDetected}
	}
	x.closeAfterChunks()
	for _, step := range [...]func() *stop{x.framing, x.oneTarget, x.upgrade} {
		if s := step(); s != nil {
			return s
		}
	}
	return nil
}

// hopHeader marks what we sent on, so that an upstream that leads back to us is
// noticed the first time round.
const hopHeader = "Noren-Hop"

// closeAfterChunks ends the connection after a body in chunks. net/http drops a
// Content-Length beside it without telling; whoever in front of us counted by
// that would take the rest for the next request (RFC 9112, 6.3: close). Browsers
// send no such bodies.
func (x *exchange) closeAfterChunks() {
	if x.r.ProtoMajor == 1 && len(x.r.TransferEncoding) > 0 {
		x.w.closing = true
	}
}

// validHostHeader accepts a name or address with a port or none. The shop makes
// links of it: what stands behind the name must not be passed on.
func validHostHeader(host string) bool {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, port = host[:i], host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6() && a.Zone() == ""
	}
	return name != "" && len(name) <= 253 &&
		strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

func headerLines(h http.Header) int {
	n := 0
	for _, vs := range h {
		n += len(vs)
	}
	return n
}

// upgrade lets WebSockets through and nothing else (RFC 6455, 4.1: GET, without
// a body, version 13). h2c is not an error: some clients offer it with every
// request, and RFC 9113 lets a server pass over the offer, which must then not
// reach the shop.
func (x *exchange) upgrade() *stop {
	h := x.r.Header
	want := strings.ToLower(strings.Join(h["Upgrade"], ","))
	switch {
	case want == "":
		return nil
	case want == "h2c":
		delete(h, "Upgrade")
		delete(h, "Http2-Settings")
		delete(h, "Connection")
		return nil
	case want != "websocket" || x.r.Method != http.MethodGet || x.in != nil || x.r.ContentLength != 0:
		return malformed("upgrade")
	case len(h["Sec-Websocket-Key"]) != 1 || len(h["Sec-Websocket-Version"]) != 1 || h.Get("Sec-Websocket-Version") != "13":
		return malformed("upgrade")
	}
	return nil
}
