package lab

import (
	"fmt"
	"strings"
)

const formType = "Content-Type: application/x-www-form-urlencoded\r\n"

// form is a POST to the contact page with the lines and the bytes behind them.
func form(lines, body string) string { return version("POST /contact HTTP/1.1", formType+lines, body) }

func get(target, lines string) string { return version("GET "+target+" HTTP/1.1", lines, "") }

func version(line, lines, body string) string {
	return line + "\r\n" + fixed + lines + "\r\n" + body
}

const (
	contactLine = "POST /contact HTTP/1.1"
	homeLine    = "GET / HTTP/1.1"
)

// refused is a shape that ends with status and the connection; kept one that
// ends with status and leaves the connection in a known state.
func refused(group, name, raw string, status int) shape {
	return shape{group: group, name: name, raw: raw, status: status}
}

func kept(group, name, raw string, status int) shape {
	return shape{group: group, name: name, raw: raw, status: status, then: served}
}

// passed is a shape that reaches the shop as line and body.
func passed(group, name, raw, line, body string, then fate, has ...string) shape {
	return shape{group: group, name: name, raw: raw, status: 200, line: line, body: body, has: has, then: then, lacks: []string{"Transfer-Encoding"}}
}

// framingShapes: where does a body end (RFC 9112, 6).
func framingShapes() (out []shape) {
	const g = "length"
	pass := func(name, raw, body string, then fate) {
		out = append(out, passed(g, name, raw, contactLine, body, then, fmt.Sprintf("Content-Length: %d", len(body))))
	}
	refuse := func(name, raw string, status int) { out = append(out, refused(g, name, raw, status)) }
	const chunked = "Transfer-Encoding: chunked\r\n"
	pass("an ordinary length", form("Content-Length: 3\r\n", "a=1"), "a=1", served)
	pass("no body", form("Content-Length: 0\r\n", ""), "", served)
	pass("CL.TE: chunks decide, the rest is never read", form("Content-Length: 6\r\n"+chunked, "0\r\n\r\n"), "", dropped)
	pass("TE.CL: chunks decide, the rest is never read", form(chunked+"Content-Length: 3\r\n", "3\r\na=1\r\n0\r\n\r\n"), "a=1", dropped)
	pass("CL.TE with a length that cannot be", form(chunked+"Content-Length: 999999\r\n", "0\r\n\r\n"), "", dropped)
	pass("the same length twice", form("Content-Length: 3\r\nContent-Length: 3\r\n", "a=1"), "a=1", served)
	pass("a length between spaces", form("Content-Length:  3 \t\r\n", "a=1"), "a=1", served)
	pass("a length with zeroes before it", form("Content-Length: 0003\r\n", "a=1"), "a=1", served)
	pass("a length under an underscore is none", form("Content_Length: 3\r\n", ""), "", served)
	refuse("two lengths", form("Content-Length: 3\r\nContent-Length: 4\r\n", "a=12"), 400)
	refuse("two lengths, one under a fold", form("Content-Length: 3\r\n 4\r\n", "a=12"), 400)
	for _, v := range []string{"3, 3", "3,4", "+3", "-3", "-0", "0x3", "3.0", "3e0", "1_0", "３", "", "3;", "3 4", "\"3\"", "18446744073709551619", "99999999999999999999", "9223372036854775808"} {
		refuse(fmt.Sprintf("the length %q", v), form("Content-Length: "+v+"\r\n", "a=1"), 400)
	}
	refuse("a length beyond every limit", form("Content-Length: 9223372036854775807\r\n", "a=1"), 413)
	for _, v := range []string{"xchunked", "chunked, identity", "identity, chunked", "gzip, chunked", "chunked, chunked", "identity", "chunke", "chunked;q=1", "\"chunked\"", "chunked\x0b", ",chunked", ""} {
		status := 501
		if strings.Contains(v, "\x0b") {
			status = 400
		}
		refuse(fmt.Sprintf("TE.TE: the coding %q", v), form("Content-Length: 3\r\nTransfer-Encoding: "+v+"\r\n", "a=1"), status)
	}
	refuse("TE.TE: two codings", form(chunked+"Transfer-Encoding: identity\r\n", "0\r\n\r\n"), 501)
	refuse("TE.TE: chunked twice", form(chunked+chunked, "0\r\n\r\n"), 501)
	refuse("TE.TE: a space before the colon", form("Content-Length: 3\r\nTransfer-Encoding : chunked\r\n", "a=1"), 400)
	refuse("TE.TE: a NUL in the name", form("Content-Length: 3\r\nTransfer-Encoding\x00: chunked\r\n", "a=1"), 400)
	refuse("TE.TE: behind a bare CR", form("Content-Length: 3\r\nX-A: x\rTransfer-Encoding: chunked\r\n", "a=1"), 400)
	pass("TE.TE: in capitals", form("TRANSFER-ENCODING: CHUNKED\r\nContent-Length: 9\r\n", "3\r\na=1\r\n0\r\n\r\n"), "a=1", dropped)
	pass("TE.TE: behind a tab", form("Transfer-Encoding:\tchunked\t\r\nContent-Length: 9\r\n", "3\r\na=1\r\n0\r\n\r\n"), "a=1", dropped)
	pass("TE.TE: on a folded line", form("Transfer-Encoding:\r\n chunked\r\nContent-Length: 9\r\n", "3\r\na=1\r\n0\r\n\r\n"), "a=1", dropped)
	pass("TE.TE: behind a bare LF", form("X-A: x\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n", "3\r\na=1\r\n0\r\n\r\n"), "a=1", dropped)
	pass("TE.TE: under an underscore is none", form("Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", "a=1"), "a=1", served)
	pass("TE.TE: inside a folded header is none", form("X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "a=1"), "a=1", served)
	return append(out, versionShapes()...)
}

// versionShapes: HTTP/1.0 has no chunks, and bodies where none are usual.
func versionShapes() []shape {
	const g = "version and method"
	keep := "Connection: keep-alive\r\n"
	return []shape{
		passed(g, "HTTP/1.0 ends with its answer", version("GET /old HTTP/1.0", keep, ""), "GET /old HTTP/1.1", "", dropped),
		passed(g, "HTTP/1.0 with a length", version("POST /contact HTTP/1.0", keep+formType+"Content-Length: 3\r\n", "a=1"), contactLine, "a=1", dropped, "Content-Length: 3"),
		passed(g, "HTTP/1.0 with chunks: they are none there, and nothing behind is read", version("POST /contact HTTP/1.0", keep+formType+"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "a=1"), contactLine, "a=1", dropped),
		passed(g, "HTTP/1.0 with chunks and no length", version("POST /contact HTTP/1.0", keep+formType+"Transfer-Encoding: chunked\r\n", "3\r\na=1\r\n0\r\n\r\n"), contactLine, "", dropped),
		kept(g, "HTTP/1.2, which there is not", version("GET /new HTTP/1.2", "", ""), 403),
		refused(g, "HTTP/2.0 in a request line", version("GET / HTTP/2.0", "", ""), 505),
		refused(g, "HTTP/3.0 in a request line", version("GET / HTTP/3.0", "", ""), 505),
		refused(g, "no version", "GET /\r\n\r\n", 400),
		refused(g, "a version in small letters", version("GET / http/1.1", "", ""), 400),
		refused(g, "a version with more digits", version("GET / HTTP/1.10", "", ""), 400),
		refused(g, "two spaces in the request line", version("GET  / HTTP/1.1", "", ""), 400),
		refused(g, "a tab in the request line", version("GET\t/ HTTP/1.1", "", ""), 400),
		refused(g, "a space before the request line", version(" GET / HTTP/1.1", "", ""), 400),
		refused(g, "a line end before the request line", version("\r\nGET / HTTP/1.1", "", ""), 400),
		kept(g, "CONNECT to somewhere", "CONNECT shop.example.jp:443 HTTP/1.1\r\n"+fixed+"\r\n", 400),
		kept(g, "CONNECT with a path", version("CONNECT / HTTP/1.1", "", ""), 400),
		kept(g, "TRACE", version("TRACE / HTTP/1.1", "", ""), 400),
		kept(g, "TRACK", version("TRACK / HTTP/1.1", "", ""), 400),
		kept(g, "a method in small letters", version("get / HTTP/1.1", "", ""), 400),
		kept(g, "a method with a sign", version("GE-T / HTTP/1.1", "", ""), 400),
		refused(g, "a method that is no token", version("GE(T / HTTP/1.1", "", ""), 400),
		kept(g, "a method nobody knows", version("BREW / HTTP/1.1", "", ""), 403),
		kept(g, "OPTIONS for the server itself", version("OPTIONS * HTTP/1.1", "", ""), 400),
		passed(g, "HEAD", version("HEAD /head HTTP/1.1", "", ""), "HEAD /head HTTP/1.1", "", served),
		kept(g, "GET with a body", version("GET /g HTTP/1.1", formType+"Content-Length: 3\r\n", "a=1"), 403),
		kept(g, "GET whose body looks like a request", version("GET /g HTTP/1.1", "Content-Length: 34\r\n", "GET /admin HTTP/1.1\r\nHost: x\r\nX: y"), 403),
		refused(g, "GET with chunks", version("GET /g HTTP/1.1", "Transfer-Encoding: chunked\r\n", "3\r\na=1\r\n0\r\n\r\n"), 403),
		kept(g, "HEAD with a body", version("HEAD /g HTTP/1.1", "Content-Length: 3\r\n", "a=1"), 403),
		passed(g, "DELETE with a body", version("DELETE /contact HTTP/1.1", formType+"Content-Length: 3\r\n", "a=1"), "DELETE /contact HTTP/1.1", "a=1", served, "Content-Length: 3"),
		passed(g, "Expect: 100-continue is answered here", form("Content-Length: 3\r\nExpect: 100-continue\r\n", "a=1"), contactLine, "a=1", served, "Content-Length: 3"),
		refused(g, "another expectation", form("Content-Length: 3\r\nExpect: 200-ok\r\n", "a=1"), 417),
	}
}

// chunkShapes: chunks as attackers write them (RFC 9112, 7.1).
func chunkShapes() (out []shape) {
	const g = "chunks"
	chunks := func(body string) string { return form("Transfer-Encoding: chunked\r\n", body) }
	pass := func(name, body string) {
		out = append(out, passed(g, name, chunks(body), contactLine, "a=1", dropped, "Content-Length: 3"))
	}
	refuse := func(name, body string) { out = append(out, refused(g, name, chunks(body), 400)) }
	pass("ordinary", "3\r\na=1\r\n0\r\n\r\n")
	pass("in three pieces", "1\r\na\r\n1\r\n=\r\n1\r\n1\r\n0\r\n\r\n")
	pass("an extension", "3;ext=1\r\na=1\r\n0;last\r\n\r\n")
	pass("an extension in quotes", "3;ext=\"a;b\"\r\na=1\r\n0\r\n\r\n")
	pass("zeroes before the size", "0000003\r\na=1\r\n000\r\n\r\n")
	pass("a space behind the size", "3 \r\na=1\r\n0\r\n\r\n")
	refuse("a size with 0x", "0x3\r\na=1\r\n0\r\n\r\n")
	refuse("a size with a plus", "+3\r\na=1\r\n0\r\n\r\n")
	refuse("a negative size", "-3\r\na=1\r\n0\r\n\r\n")
	refuse("a space before the size", " 3\r\na=1\r\n0\r\n\r\n")
	refuse("no size", "\r\na=1\r\n0\r\n\r\n")
	refuse("a size of seventeen digits", "ffffffffffffffff3\r\na=1\r\n0\r\n\r\n")
	refuse("a size line that ends with a bare LF", "3\na=1\r\n0\r\n\r\n")
	refuse("a size line with a bare CR", "3\ra=1\r\n0\r\n\r\n")
	refuse("an extension with a bare LF in it", "3;a\nb\r\na=1\r\n0\r\n\r\n")
	refuse("data without its line end", "3\r\na=10\r\n\r\n")
	refuse("data longer than its size", "3\r\na=12\r\n0\r\n\r\n")
	refuse("data that ends with a bare LF", "3\r\na=1\n0\r\n\r\n")
	refuse("the next request where the last line end belongs", "3\r\na=1\r\n0\r\n")
	refuse("extensions without end", "3;"+strings.Repeat("a", 64<<10)+"\r\na=1\r\n0\r\n\r\n")
	trailer := passed(g, "a trailer nobody announced is left out", chunks("3\r\na=1\r\n0\r\nX-Late: 1\r\nCookie: a=b\r\nContent-Length: 9\r\n\r\n"), contactLine, "a=1", dropped, "Content-Length: 3")
	trailer.lacks = append(trailer.lacks, "X-Late", "Trailer", "Cookie")
	png := "\x89PNG\x00"
	upload := shape{group: g, name: "a trailer behind a picture is left out too", status: 200, line: contactLine, body: png, lacks: []string{"X-Late", "Trailer"},
		raw: version("POST /contact HTTP/1.1", "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n", "5\r\n"+png+"\r\n0\r\nX-Late: 1\r\n\r\n")}
	out = append(out, trailer, upload,
		refused(g, "an announced trailer", form("Trailer: X-Late\r\nTransfer-Encoding: chunked\r\n", "3\r\na=1\r\n0\r\nX-Late: 1\r\n\r\n"), 400),
		refused(g, "a trailer that would be framing", form("Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n", "3\r\na=1\r\n0\r\nContent-Length: 9\r\n\r\n"), 400),
		refused(g, "a trailer that is no header", chunks("3\r\na=1\r\n0\r\nGET / HTTP/1.1\r\n\r\n"), 400),
	)
	return out
}
