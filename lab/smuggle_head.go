package lab

import (
	"fmt"
	"strings"

	"noren"
)

// withHost is a GET whose Host line is the shape's own.
func withHost(target, hostLines string) string {
	return "GET " + target + " HTTP/1.1\r\n" + hostLines + labAgent + "\r\n"
}

// headerShapes: lines that parsers split and join differently (RFC 9112, 5),
// and names by which a client would speak for a proxy.
func headerShapes() []shape {
	const g = "headers"
	pass := func(name, lines string, lacks []string, has ...string) shape {
		s := passed(g, name, get("/", lines), homeLine, "", served, has...)
		s.lacks = append(s.lacks, lacks...)
		return s
	}
	refuse := func(name, lines string) shape { return refused(g, name, get("/", lines), 400) }
	keep := func(name, lines string, status int) shape { return kept(g, name, get("/", lines), status) }
	out := []shape{
		pass("a folded line arrives unfolded", "X-A: b\r\n c\r\n\td\r\n", nil, "X-A: b c d"),
		pass("a bare LF is a line end, written as one", "X-A: b\nX-C: d\r\n", nil, "X-A: b", "X-C: d"),
		pass("bytes beyond ASCII", "X-A: 値\r\n", nil, "X-A: 値"),
		pass("an empty value", "X-A:\r\n", nil, "X-A: "),
		pass("a tab inside a value", "X-A: a\tb\r\n", nil, "X-A: a\tb"),
		refuse("a fold before any header is", "X-A: b\rX-C: d\r\n"),
		refuse("a space before the colon", "X-A : b\r\n"),
		refuse("a tab before the colon", "X-A\t: b\r\n"),
		refuse("no name", ": b\r\n"),
		refuse("no colon", "X-A b\r\n"),
		refuse("a NUL in a value", "X-A: a\x00b\r\n"),
		refuse("a control character in a value", "X-A: a\x01b\r\n"),
		refuse("a name that is no token", "X(A): b\r\n"),
		refuse("a name beyond ASCII", "X-ａ: b\r\n"),
		pass("an underscore is left out", "X_A: b\r\nX_Forwarded_For: 192.0.2.1\r\n", []string{"X_A", "X-A", "X_Forwarded_For"}),
		pass("a dot is left out", "X.Forwarded.For: 192.0.2.1\r\n", []string{"X.Forwarded.For"}),
		pass("other signs are left out", "X!A: b\r\nX~B: c\r\n", []string{"X!A", "X~B"}),
		keep("two Content-Types", "Content-Type: text/plain\r\nContent-Type: text/html\r\n", 400),
		keep("two Authorizations", "Authorization: Basic YTpi\r\nAuthorization: Basic YzpkA\r\n", 400),
		keep("129 headers", strings.Repeat("X-A: b\r\n", 129), 431),
		keep("1,000 headers", strings.Repeat("X-A: b\r\n", 1000), 431),
		refused(g, "a header of 100 KiB", get("/", "X-A: "+strings.Repeat("b", 100<<10)+"\r\n"), 431),
		refused(g, "20,000 short headers", get("/", strings.Repeat("A:b\r\n", 20000)), 431),
		pass("Connection names what is not there", "Connection: keep-alive, X-Nothing\r\n", []string{"Connection", "X-Nothing"}),
		pass("Connection names the hop's own", "Connection: keep-alive, TE\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n", []string{"Connection", "Keep-Alive", "Proxy-Connection"}, "TE: trailers"),
		keep("Connection names X-Forwarded-For", "Connection: X-Forwarded-For\r\nX-Forwarded-For: 192.0.2.1\r\n", 400),
		keep("Connection names Cookie", "Connection: keep-alive, cookie\r\nCookie: a=b\r\n", 400),
		keep("Connection names Authorization", "Connection: Authorization\r\nAuthorization: Basic YTpi\r\n", 400),
		keep("a second Connection names User-Agent", "Connection: keep-alive\r\nConnection: user-agent\r\n", 400),
		keep("Proxy-Connection names Accept", "Proxy-Connection: Accept\r\n", 400),
		refused(g, "Connection names Content-Length", form("Connection: Content-Length\r\nContent-Length: 3\r\n", "a=1"), 400),
		refused(g, "Connection names Content-Type", form("Connection: content-type\r\nContent-Length: 3\r\n", "a=1"), 400),
		pass("X-Forwarded-* and their like are ours", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /x\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nTrue-Client-IP: 192.0.2.1\r\nClient-IP: 192.0.2.1\r\nProxy: http://evil.example\r\n",
			[]string{"Forwarded", "X-Forwarded-Prefix", "True-Client-Ip", "Client-Ip", "Proxy"}, "X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1", "X-Forwarded-Host: "+labHost),
		pass("identity headers are ours", "Noren-Visitor: root\r\nNoren-Origin: x\r\nX-Remote-User: root\r\nRemote-User: root\r\nX-SSL-Client-Verify: SUCCESS\r\n",
			[]string{"Noren-Visitor", "Noren-Origin", "X-Remote-User", "Remote-User", "X-Ssl-Client-Verify"}),
		pass("a Range", "Range: bytes=0-9\r\nIf-Range: \"x\"\r\n", nil, "Range: bytes=0-9", "If-Range: \"x\""),
		pass("a Content-Encoding of nothing", "Content-Encoding: gzip\r\n", []string{"Content-Encoding"}),
	}
	out = append(out, rewriteShapes()...)
	out = append(out, upgradeShapes()...)
	return append(out, hostShapes()...)
}

// rewriteShapes: headers and fields by which a framework takes another path or
// method than the request line's. DELETE /items/* is admin in the lab's shop.
func rewriteShapes() []shape {
	const g = "another method or path"
	const zones = noren.ZoneAdmin
	itemsLine := "POST /items/1 HTTP/1.1"
	post := func(target, lines, body string) string {
		return version("POST "+target+" HTTP/1.1", formType+lines+fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
	}
	placed := func(name, raw, line, body string, zone noren.Zone, has ...string) shape {
		s := passed(g, name, raw, line, body, served, has...)
		s.zone = zone
		return s
	}
	path := placed("X-Original-URL and its like are left out", get("/", "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-Original-URI: /admin\r\n"), homeLine, "", noren.ZoneStorefront)
	path.lacks = append(path.lacks, "X-Original-Url", "X-Rewrite-Url", "X-Original-Uri")
	return []shape{
		path,
		placed("without an override", post("/items/1", "", "a=1"), itemsLine, "a=1", noren.ZoneStorefront),
		placed("X-HTTP-Method-Override counts for the zone", post("/items/1", "X-HTTP-Method-Override: DELETE\r\n", "a=1"), itemsLine, "a=1", zones, "X-HTTP-Method-Override: DELETE"),
		placed("and in small letters", post("/items/1", "x-http-method-override: delete\r\n", "a=1"), itemsLine, "a=1", zones),
		placed("and on GET, as WordPress takes it", get("/items/1", "X-HTTP-Method-Override: DELETE\r\n"), "GET /items/1 HTTP/1.1", "", zones),
		placed("an override never makes a zone milder", version("DELETE /items/1 HTTP/1.1", "X-HTTP-Method-Override: GET\r\n", ""), "DELETE /items/1 HTTP/1.1", "", zones),
		placed("_method in the address", post("/items/1?_method=DELETE", "", "a=1"), "POST /items/1?_method=DELETE HTTP/1.1", "a=1", zones),
		placed("_method as PHP spells it", post("/items/1?.method=DELETE", "", "a=1"), "POST /items/1?.method=DELETE HTTP/1.1", "a=1", zones),
		placed("_method escaped", post("/items/1?%5fmetho%64=%44ELETE", "", "a=1"), "POST /items/1?%5fmetho%64=%44ELETE HTTP/1.1", "a=1", zones),
		placed("_method in a form", post("/items/1", "", "a=1&_method=DELETE"), itemsLine, "a=1&_method=DELETE", zones),
		refused(g, "an override to TRACE", post("/items/1", "X-HTTP-Method-Override: TRACE\r\n", "a=1"), 400),
		refused(g, "an override that is no method", post("/items/1", "X-HTTP-Method-Override: DEL ETE\r\n", "a=1"), 400),
		refused(g, "two overrides", post("/items/1", "X-HTTP-Method-Override: PUT\r\nX-HTTP-Method-Override: DELETE\r\n", "a=1"), 400),
		kept(g, "X-HTTP-Method, which only attackers send", post("/items/1", "X-HTTP-Method: DELETE\r\n", "a=1"), 403),
		kept(g, "X-Method-Override, likewise", post("/items/1", "X-Method-Override: DELETE\r\n", "a=1"), 403),
	}
}

const socketLines = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"

func upgradeShapes() []shape {
	const g = "upgrade"
	up := "Connection: Upgrade\r\n"
	h2c := passed(g, "an offer of h2c is passed over", get("/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), homeLine, "", served)
	h2c.lacks = append(h2c.lacks, "Upgrade", "Http2-Settings", "Connection")
	return []shape{
		h2c,
		passed(g, "a WebSocket that the shop declines", get("/ws", up+"Upgrade: websocket\r\n"+socketLines), "GET /ws HTTP/1.1", "", served, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
		kept(g, "another version of WebSocket", get("/ws", up+"Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 777\r\n"), 400),
		kept(g, "a WebSocket without a key", get("/ws", up+"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), 400),
		refused(g, "a WebSocket by POST", form(up+"Upgrade: websocket\r\n"+socketLines+"Content-Length: 3\r\n", "a=1"), 400),
		refused(g, "a WebSocket with a body", version("GET /ws HTTP/1.1", up+"Upgrade: websocket\r\n"+socketLines+"Content-Length: 3\r\n", "a=1"), 400),
		kept(g, "WebSocket and something", get("/ws", up+"Upgrade: websocket\r\nUpgrade: h2c\r\n"+socketLines), 400),
		kept(g, "TLS inside HTTP", get("/", up+"Upgrade: TLS/1.0\r\n"), 400),
		kept(g, "something unknown", get("/", up+"Upgrade: shell\r\n"), 400),
	}
}

func hostShapes() (out []shape) {
	const g = "host"
	host := func(name, value string, status int) {
		out = append(out, kept(g, name, withHost("/", "Host: "+value+"\r\n"), status))
	}
	for _, v := range []string{"SHOP.example.jp", "shop.example.jp.", "shop.example.jp:8443"} {
		out = append(out, passed(g, fmt.Sprintf("%q arrives as it is", v), withHost("/", "Host: "+v+"\r\n"), homeLine, "", served, "Host: "+v))
	}
	host("a shop that is nobody's", "evil.example", 421)
	host("an address", "127.0.0.1", 421)
	for _, v := range []string{"", "user@shop.example.jp", "shop.example.jp:", "shop.example.jp:0", "shop.example.jp:65536", "shop.example.jp:80:81", "shop.example.jp:80@evil.example", "shop.example.jp,evil.example",
		"shop.example.jp%2f", "shop.example.jp:80,evil.example", "shop.example.jp\\evil.example", "[shop.example.jp]", "[::1", "[fe80::1%25eth0]", "shop.example.jp?x", "shop.example.jp:80'",
		"shop.example.jp/evil", "shop.example.jp#evil", "shop.example.jp evil.example", "お店.example.jp"} {
		out = append(out, shape{group: g, name: fmt.Sprintf("%q", v), raw: withHost("/", "Host: "+v+"\r\n"), status: 400, then: maybe})
	}
	return append(out,
		refused(g, "two hosts", withHost("/", "Host: "+labHost+"\r\nHost: evil.example\r\n"), 400),
		refused(g, "the same host twice", withHost("/", "Host: "+labHost+"\r\nHost: "+labHost+"\r\n"), 400),
		refused(g, "no host", withHost("/", ""), 400),
		refused(g, "a folded host", withHost("/", "Host: "+labHost+"\r\n evil.example\r\n"), 400),
		refused(g, "a host behind a space", withHost("/", " Host: "+labHost+"\r\n"), 400),
	)
}
