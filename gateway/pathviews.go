package gateway

import (
	"slices"
	"strings"

	"noren/gateway/waf"
)

// pathViews calls f with every path that some shop might make of the raw path
// on the request line: as it stands, decoded once and twice, each with doubled
// slashes, dot segments, ;parameters, backslashes and capitals as web servers
// and frameworks treat them, and with the path info behind a .php file. All are
// lower case, begin with / and, unless they are "/", do not end with it. An
// ordinary path has one view and costs no allocation.
func pathViews(raw string, f func(view string)) {
	if simplePath(raw) {
		f(trimSlash(raw))
		return
	}
	if lower := strings.ToLower(raw); simplePath(lower) {
		f(trimSlash(lower))
		return
	}
	var seen []string
	add := func(v string) {
		if !slices.Contains(seen, v) {
			seen = append(seen, v)
			f(v)
		}
	}
	s := raw
	for range 3 { // raw, decoded once, decoded twice
		eachShape(s, add)
		if plain := waf.DecodeOverlong(s); plain != s { // %c0%ae is a dot to lenient servers
			eachShape(plain, add)
		}
		next := decodePath(s)
		if next == s {
			return
		}
		s = next
	}
}

// simplePath reports whether every reader sees the same path.
func simplePath(p string) bool {
	if len(p) == 0 || p[0] != '/' {
		return false
	}
	for i := range len(p) {
		switch c := p[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '~':
		case c == '/':
			if i > 0 && p[i-1] == '/' {
				return false
			}
			if i >= 4 && p[i-4:i] == ".php" {
				return false
			}
		case c == '.':
			if i+1 == len(p) || p[i+1] == '/' || p[i+1] == '.' {
				return false // dot segments, and dots that Windows drops
			}
		default:
			return false
		}
	}
	return true
}

func trimSlash(p string) string {
	if len(p) > 1 && p[len(p)-1] == '/' {
		return p[:len(p)-1]
	}
	return p
}

// eachShape calls f with the shapes of one decoding of the path.
func eachShape(s string, f func(string)) {
	s = strings.ReplaceAll(strings.ToLower(s), `\`, "/")
	if s == "" || s[0] != '/' {
		s = "/" + s
	}
	for _, shape := range []string{s, stripParams(s)} {
		for _, v := range []string{collapse(shape), resolveDots(shape), trimEnds(resolveDots(shape))} {
			f(v)
			pathInfo(v, maxFrontControllers, f)
		}
	}
}

// decodePath decodes escapes once; what is not an escape stays, + included.
func decodePath(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return waf.Unescape(strings.ReplaceAll(s, "+", "%2B"))
}

// collapse makes one slash of several.
func collapse(p string) string {
	var b strings.Builder
	b.Grow(len(p))
	for i := range len(p) {
		if p[i] != '/' || i == 0 || p[i-1] != '/' {
			b.WriteByte(p[i])
		}
	}
	return trimSlash(b.String())
}

// resolveDots resolves . and .. as browsers and web servers do, never above /.
func resolveDots(p string) string {
	var out []string
	for seg := range strings.SplitSeq(p, "/") {
		switch seg {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, seg)
		}
	}
	return "/" + strings.Join(out, "/")
}

// stripParams drops ;parameters of segments, as Java servers do:
// /a/..;/admin;x=1 is /a/../admin.
func stripParams(p string) string {
	if !strings.Contains(p, ";") {
		return p
	}
	segs := strings.Split(p, "/")
	for i, s := range segs {
		segs[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segs, "/")
}

// trimEnds drops dots and spaces at the end of segments, as Windows does.
func trimEnds(p string) string {
	segs := strings.Split(p, "/")
	for i, s := range segs {
		segs[i] = strings.TrimRight(s, ". ")
	}
	return collapse(strings.Join(segs, "/"))
}

// maxFrontControllers is how many front controllers in a row are looked
// through: no server follows more than one, and a path of a thousand must not
// cost a thousand views.
const maxFrontControllers = 3

// pathInfo calls f with what a web server makes of a path behind a .php file:
// the file itself, and behind a front controller (index.php) the page that its
// framework serves for the rest.
func pathInfo(v string, depth int, f func(string)) {
	i := strings.Index(v, ".php/")
	if i < 0 || depth == 0 {
		return
	}
	file, rest := v[:i+len(".php")], v[i+len(".php"):]
	f(file)
	slash := strings.LastIndexByte(file, '/')
	if dir, name := file[:slash], file[slash:]; strings.HasPrefix(name, "/index") {
		f(dir + rest)
		pathInfo(dir+rest, depth-1, f)
	}
}
