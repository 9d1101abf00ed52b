package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// peerOf is the other end of the connection.
func peerOf(r *http.Request) netip.AddrPort {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// maxHops bounds how many entries of X-Forwarded-For are read.
const maxHops = 20

// clientOf is whose request it is. X-Forwarded-For is believed only as far as
// trusted proxies wrote it: from the right, the first address that is not one
// of theirs. Everything left of it the client may have made up.
func clientOf(peer netip.Addr, h http.Header, trusts func(netip.Addr) bool) netip.Addr {
	client := peer
	if !trusts(peer) {
		return client
	}
	hops := strings.Split(strings.Join(h["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= maxHops; i-- {
		a, ok := parseHop(hops[i])
		if !ok {
			return client
		}
		if client = a; !trusts(a) {
			return client
		}
	}
	return client
}

// noticeProxy says that a web server of the shop's own speaks for visitors and was
// not named as a proxy: all of them look like one, to limits and to the record.
// From outside nobody comes from such an address.
func (x *exchange) noticeProxy() {
	peer := x.peer.Addr().Unmap()
	if !peer.IsLoopback() && !peer.IsPrivate() || len(x.r.Header["X-Forwarded-For"]) == 0 {
		return
	}
	x.g.alarm("a web server of yours passes visitors on and is not in trusted_proxies: all of them look like one", x.shop.Name,
		"proxy", peer, "hint", "write trusted_proxies: ["+netip.PrefixFrom(peer, peer.BitLen()).String()+"] at the site "+x.shop.Name)
}

// parseHop reads one entry, which some proxies write with a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// schemeOf is how the visitor came: by the connection, or as a trusted proxy
// says.
func schemeOf(r *http.Request, peer netip.Addr, trusts func(netip.Addr) bool) string {
	if r.TLS != nil || trusts(peer) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

// ownHost returns the request's host when it is the very listener the request
// came in by, named by address: a test machine, the demo. Host is the client's
// to choose, so the connection's own end is what it is compared with.
func ownHost(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	local, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return ""
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	if port != strconv.Itoa(int(local.Port())) {
		return ""
	}
	if strings.EqualFold(host, "localhost") && local.Addr().IsLoopback() {
		return r.Host
	}
	if a, err := netip.ParseAddr(host); err != nil || a.Unmap() != local.Addr().Unmap() {
		return ""
	}
	return r.Host
}

// forbiddenHeaders are headers by which a client could speak for a proxy or
// change what the shop believes was asked for. X-Forwarded-* is dropped whole.
var forbiddenHeaders = map[string]bool{
	OriginHeader: true, VisitorHeader: true, "Forwarded": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "True-Client-Ip": true,
	"Cf-Connecting-Ip": true, "Cf-Connecting-Ipv6": true, "Fastly-Client-Ip": true, "X-Original-Url": true, "X-Rewrite-Url": true,
	"X-Original-Host": true, "X-Original-Uri": true, "X-Host": true, "X-Remote-User": true, "Remote-User": true,
	"X-Remote-Ip": true, "X-Remote-Addr": true, "X-Originating-Ip": true, "X-Forwarded": true, "Proxy": true,
	"X-Http-Host-Override": true, "X-Envoy-External-Address": true, "Client-Ip": true, "Proxy-Client-Ip": true, "Wl-Proxy-Client-Ip": true,
	"X-Proxyuser-Ip": true, "X-Azure-Clientip": true, "X-Azure-Socketip": true, "X-Sucuri-Clientip": true, "Incap-Client-Ip": true,
	"Ali-Cdn-Real-Ip": true, "Cdn-Src-Ip": true, "X-Original-Forwarded-For": true, "X-True-Ip": true, "X-Real-Host": true,
	"X-Backend-Host": true, "X-Scheme": true, "X-Url-Scheme": true, "Front-End-Https": true, "X-Ssl-Client-Verify": true,
	"X-Ssl-Client-Cert": true, "X-Ssl-Client-S-Dn": true, "X-Appengine-User-Ip": true, "Fly-Client-Ip": true, "X-Vercel-Forwarded-For": true,
	"X-Nf-Client-Connection-Ip": true, "X-Coming-From": true, "Http-Client-Ip": true, "Via-Client-Ip": true,
}

// cleanHeaders drops what only a proxy may say, and names with anything but
// letters, digits and hyphens: an underscore CGI and PHP cannot tell from a
// hyphen, a dot some servers turn into one.
func cleanHeaders(h http.Header) {
	for name := range h {
		if forbiddenHeaders[name] || strings.HasPrefix(name, "X-Forwarded-") || !plainName(name) {
			delete(h, name)
		}
	}
}

func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
