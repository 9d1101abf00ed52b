package lab

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"noren"
)

// targetShapes: forms of the request's target (RFC 9112, 3.2).
func targetShapes() (out []shape) {
	const g = "target"
	pass := func(name, target, arrives string, has ...string) {
		out = append(out, passed(g, name, get(target, ""), "GET "+arrives+" HTTP/1.1", "", served, append(has, "X-Forwarded-For: 127.0.0.1")...))
	}
	refuse := func(name, target string, status int, then fate) {
		out = append(out, shape{group: g, name: name, raw: get(target, ""), status: status, then: then})
	}
	pass("absolute form of the same host", "http://shop.example.jp/abs?x=1", "/abs?x=1", "Host: "+labHost)
	pass("absolute form of another host: that one counts, Host is not believed", "http://other.example.jp/abs", "/abs", "Host: "+labOtherHost, "X-Forwarded-Host: "+labOtherHost)
	pass("absolute form with https", "https://shop.example.jp/abs", "/abs", "Host: "+labHost, "X-Forwarded-Proto: "+schemeOfConn)
	refuse("absolute form of a host that is nobody's", "http://evil.example/abs", 421, served)
	refuse("absolute form with a user", "http://evil.example@shop.example.jp/abs", 400, served)
	refuse("absolute form with a host for a user", "http://shop.example.jp@evil.example/abs", 400, served)
	refuse("absolute form with an odd port", "http://shop.example.jp:0/abs", 400, served)
	refuse("absolute form without a host", "http:///abs", 400, maybe)
	refuse("absolute form with another scheme", "ftp://shop.example.jp/abs", 400, served)
	refuse("a scheme and no slashes", "http:shop.example.jp/abs", 400, maybe)
	refuse("authority form", "shop.example.jp:80", 400, maybe)
	refuse("no slash", "admin", 400, dropped)
	refuse("the asterisk", "*", 400, served)
	pass("a second slash stays", "//evil.example/abs", "//evil.example/abs", "Host: "+labHost)
	pass("a second slash with a user stays a path", "//user@evil.example/abs", "//user@evil.example/abs", "Host: "+labHost)
	pass("an empty query stays", "/abs?", "/abs?")
	pass("a question mark in the query stays", "/abs?a=b?c=d", "/abs?a=b?c=d")
	refuse("a fragment", "/abs#frag", 400, served)
	refuse("a fragment behind a query", "/abs?a=b#frag", 400, served)
	refuse("a space", "/abs x", 400, dropped)
	refuse("a broken escape", "/abs/%zz", 400, dropped)
	refuse("half an escape", "/abs/%4", 400, dropped)
	refuse("an escaped NUL", "/abs%00", 400, served)
	refuse("a raw NUL", "/abs\x00", 400, dropped)
	refuse("a control character", "/abs\x01", 400, dropped)
	refuse("an address of 20 KiB", "/"+strings.Repeat("a", 20<<10), 414, served)
	pass("bytes beyond ASCII are escaped", "/店", "/%E5%BA%97")
	pass("bytes that are no UTF-8 are escaped", "/\x93\x58", "/%93X")
	pass("signs that need it are escaped, an escaped slash stays one", "/a|b%2Fc", "/a%7Cb%2Fc")
	pass("a backslash is escaped", "/a\\b", "/a%5Cb")
	pass("brackets, parameters and the rest stay", "/a[1];v=2/(b)!*+,=:@~-_x", "/a[1];v=2/(b)!*+,=:@~-_x")
	pass("escapes stay as they were written", "/%61%2e%e3%81%82", "/%61%2e%e3%81%82")
	return out
}

// schemeOfConn stands in a header line for the scheme of the connection.
const schemeOfConn = "{scheme}"

// valueShapes: queries and forms that shops split and decode differently.
func valueShapes() (out []shape) {
	const g = "values"
	query := func(name, q string) {
		out = append(out, passed(g, name, get("/q?"+q, ""), "GET /q?"+q+" HTTP/1.1", "", served))
	}
	body := func(name, b string) {
		out = append(out, passed(g, name, form(fmt.Sprintf("Content-Length: %d\r\n", len(b)), b), contactLine, b, served))
	}
	stopped := func(name, q string) { out = append(out, kept(g, name, get("/q?"+q, ""), 403)) }
	query("a semicolon stays", "a=1;b=2")
	query("a semicolon escaped stays", "a=1%3Bb=2")
	query("a name twice stays twice", "a=1&a=2&a=3")
	query("brackets", "a[]=1&a[]=2&a[x][y]=3")
	query("a name without a value", "a&b=&=c&&d=1")
	query("broken escapes stay", "q=100%&r=%zz&s=%e")
	query("bytes that are no UTF-8, escaped", "q=%ff%fe")
	query("Shift_JIS, escaped", "q=%83J%83%89%81%5B%2F%89%BF%8Ai")
	query("bytes beyond ASCII stay raw", "q=カラー")
	query("plus and %20", "q=a+b%20c%2Bd")
	query("a thousand pairs", strings.TrimSuffix(strings.Repeat("a=1&", 999), "&"))
	out = append(out, kept(g, "more pairs than are read", get("/q?"+strings.Repeat("a=1&", 1002), ""), 400))
	const script = "%3Cscript%3Ealert(1)%3C/script%3E"
	stopped("an attack behind a semicolon", "a=1;b="+script)
	stopped("an attack in the second of two", "a=1&a="+script)
	stopped("an attack in the first of two", "a="+script+"&a=1")
	stopped("an attack escaped twice", "a="+strings.ReplaceAll(script, "%", "%25"))
	stopped("an attack in %u", "a=%u003cscript%u003ealert(1)%u003c/script%u003e")
	stopped("an attack overlong in UTF-8", "a=%c0%bcscript%c0%bealert(1)%c0%bc/script%c0%be")
	stopped("an attack in a name", script+"=1")
	stopped("an attack behind a broken escape", "a=%zz"+script)
	stopped("SQL between two of a name", "id=1&id=1%27%20OR%20%271%27=%271")
	body("a form with semicolons", "a=1;b=2&c=3")
	body("a form with a name twice", "a=1&a=2")
	body("a form with broken escapes", "q=100%&r=%zz")
	body("a form that is no UTF-8", "q=%ff%fe&r=\x83\x4a")
	out = append(out, kept(g, "an attack in the second of two in a form", form(fmt.Sprintf("Content-Length: %d\r\n", len("a=1&a="+script)), "a=1&a="+script), 403))
	json := func(b string) string {
		return version("POST /contact HTTP/1.1", "Content-Type: application/json\r\n"+fmt.Sprintf("Content-Length: %d\r\n", len(b)), b)
	}
	doc := `{"a":"1","b":["カラー/価格",{"c":"x"}]}`
	return append(out,
		passed(g, "JSON", json(doc), contactLine, doc, served),
		kept(g, "JSON with an attack in a list", json(`{"a":["<script>alert(1)</script>"]}`), 403),
		kept(g, "JSON with a name twice, an attack in the first", json(`{"a":"<script>alert(1)</script>","a":"x"}`), 403),
		kept(g, "JSON that breaks off", json(`{"a":"1`), 400),
	)
}

// codingShapes: bodies that come compressed are inspected and go on unpacked.
func codingShapes(r *rand.Rand) []shape {
	const g = "Content-Encoding"
	packed := func(contentType, coding string, b []byte) string {
		return version("POST /contact HTTP/1.1", contentType+"Content-Encoding: "+coding+"\r\n"+fmt.Sprintf("Content-Length: %d\r\n", len(b)), string(b))
	}
	plain := fmt.Sprintf("a=%d&b=%s", r.Uint64(), strings.Repeat("x", 200+r.IntN(200)))
	attack := "a=%3Cscript%3Ealert(1)%3C/script%3E"
	pass := func(name, coding string, b []byte) shape {
		s := passed(g, name, packed(formType, coding, b), contactLine, plain, served, fmt.Sprintf("Content-Length: %d", len(plain)))
		s.lacks = append(s.lacks, "Content-Encoding")
		return s
	}
	refuse := func(name, coding string, b []byte, status int, then fate) shape {
		return shape{group: g, name: name, raw: packed(formType, coding, b), status: status, then: then}
	}
	z := gzipped(plain)
	image := "Content-Type: image/png\r\n"
	png := "\x89PNG\r\n\x1a\n\x00" + strings.Repeat("\x00\xff", 2000)
	upload := passed(g, "a packed picture", packed(image, "gzip", gzipped(png)), contactLine, png, served, fmt.Sprintf("Content-Length: %d", len(png)))
	upload.lacks = append(upload.lacks, "Content-Encoding")
	bomb := gzipped(strings.Repeat("\x00", 16<<20))
	return []shape{
		pass("gzip", "gzip", z), pass("x-gzip", "X-GZIP", z), pass("deflate in the zlib format", "deflate", zlibbed(plain)), pass("identity", "identity", []byte(plain)),
		refuse("gzip with an attack in it", "gzip", gzipped(attack), 403, served),
		refuse("deflate with an attack in it", "deflate", zlibbed(attack), 403, served),
		refuse("deflate without the zlib format", "deflate", flated(plain), 400, maybe),
		refuse("gzip that is none", "gzip", []byte(plain), 400, maybe),
		refuse("gzip that breaks off", "gzip", z[:len(z)-9], 400, maybe),
		refuse("gzip with a wrong sum", "gzip", append(z[:len(z)-8:len(z)-8], "12345678"...), 400, maybe),
		refuse("gzip with bytes behind its end", "gzip", append(z[:len(z):len(z)], "a=1"...), 400, maybe),
		refuse("two gzip members", "gzip", append(z[:len(z):len(z)], z...), 400, maybe),
		refuse("Brotli", "br", z, 415, dropped), refuse("Zstandard", "zstd", z, 415, dropped), refuse("compress", "compress", z, 415, dropped),
		refuse("one upon another", "gzip, gzip", z, 415, dropped), refuse("two lines", "gzip\r\nContent-Encoding: gzip", z, 415, dropped),
		refuse("an unknown one", "xgzip", z, 415, dropped),
		refuse("a form that grows beyond the limit", "gzip", gzipped("a="+strings.Repeat("x", 1<<20)), 413, maybe),
		upload,
		{group: g, name: "a picture of 16 MiB of zeroes in 16 KiB", raw: packed(image, "gzip", bomb), status: 413, then: maybe},
		{group: g, name: "text in a packed picture", raw: packed(image, "gzip", gzipped("<script>alert(1)</script>")), status: 403, then: served},
	}
}

func gzipped(s string) []byte {
	return compressed(s, func(b *bytes.Buffer) io.WriteCloser { return gzip.NewWriter(b) })
}

func zlibbed(s string) []byte {
	return compressed(s, func(b *bytes.Buffer) io.WriteCloser { return zlib.NewWriter(b) })
}

func flated(s string) []byte {
	return compressed(s, func(b *bytes.Buffer) io.WriteCloser {
		w, _ := flate.NewWriter(b, flate.BestCompression) // a level that exists
		return w
	})
}

func compressed(s string, with func(*bytes.Buffer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := with(&b)
	_, _ = io.WriteString(w, s) // into memory
	_ = w.Close()
	return b.Bytes()
}

// pathShapes: one path in many spellings. Whatever a shop may make of it, the
// strictest reading decides the zone; the firewall may stop it before that.
func pathShapes() (out []shape) {
	const g = "path views"
	admin := func(paths ...string) {
		for _, p := range paths {
			out = append(out, shape{group: g, name: p, raw: get(p, ""), status: 200, line: "GET " + p + " HTTP/1.1", zone: noren.ZoneAdmin, then: served})
		}
	}
	stopped := func(status int, zone noren.Zone, paths ...string) {
		for _, p := range paths {
			out = append(out, shape{group: g, name: p, raw: get(p, ""), status: status, zone: zone, then: served})
		}
	}
	admin("/admin", "/admin/", "/admin/order", "//admin/order", "///admin", "/admin//order", "/ADMIN/order", "/Admin", "/%61dmin/order", "/%61%64%6d%69%6e", "/%2561dmin/order",
		"/admin;x=1/order", "/admin;/order", "/;x/admin/order", "/;x=1/;y=2//admin;z", "/./admin/order", "/%2e/admin/order", "/admin/.", "/admin/%2e", "/%2fadmin/order", "/%2Fadmin%2Forder", "/admin%2forder",
		"/%5cadmin/order", "/admin%5corder", "/admin%20/order", "/admin./order", "/index.php/admin/order", "/index.php/index.php/admin")
	stopped(403, noren.ZoneAdmin, "/x/../admin/order", "/x/%2e%2e/admin/order", "/x/.%2e/admin", "/x/%252e%252e/admin", "/x/..%2fadmin", "/x/..%5cadmin", "/x%5c..%5cadmin", "/x/%c0%ae%c0%ae/admin/order", "/x/..%c0%afadmin", "/x/..%252fadmin", "/x.php/..;/admin", "/x/%2e%2e;/admin")
	stopped(403, "", "/.env", "/.ENV", "/.%65nv", "/%2eenv", "/%252eenv", "/.env/", "//.env", "/.env;x", "/x/../.env", "/x/..%2f.env", "/.env%20", "/.env.", "/.git/config", "/.git%2fconfig", "/.git%5cconfig", "/%2egit/config", "/vendor/x.php", "/VENDOR/x.php", "/index.php/.env", "/app;x/config.yaml")
	stopped(400, "", "/.env%00", "/.env%00.jpg", "/admin%00")
	stopped(403, "", "/.env%2500x")
	return out
}
