package logs

import (
	"strconv"
	"strings"
	"time"
)

// timeLocal is $time_local and %t.
const timeLocal = "02/Jan/2006:15:04:05 -0700"

// parseAccess reads the combined format of nginx and Apache, with or without the
// last two fields, with Apache's %v:%p before it, and with further quoted fields
// behind it. Whoever sends a request chooses its line, its headers and the user
// name of basic authentication, which may hold blanks and brackets but no bare
// quote: servers escape it. So the first quote ends what the server wrote, and
// the last bracket before it is the time's.
func parseAccess(line string, _ time.Time) (Line, error) {
	quote := strings.IndexByte(line, '"')
	if quote < 1 || line[quote-1] != ' ' {
		return Line{}, errBad
	}
	l, err := accessHead(line[:quote-1])
	if err != nil {
		return Line{}, err
	}
	request, rest, ok := quoted(line[quote:])
	if !ok {
		return Line{}, errBad
	}
	status, rest, _ := strings.Cut(strings.TrimPrefix(rest, " "), " ")
	size, rest, _ := strings.Cut(rest, " ")
	if err := l.Web.setStatus(status, size); err != nil {
		return Line{}, err
	}
	if referer, more, ok := quoted(rest); ok {
		l.Web.Referer = dash(unescape(referer))
		if agent, _, ok := quoted(strings.TrimPrefix(more, " ")); ok {
			l.Web.Agent = dash(unescape(agent))
		}
	}
	return l, l.Web.setRequest(request)
}

// accessHead reads `203.0.113.7 - hanako [02/Jan/2026:15:04:05 +0900]`.
func accessHead(head string) (Line, error) {
	open := strings.LastIndexByte(head, '[')
	if open < 0 || !strings.HasSuffix(head, "]") {
		return Line{}, errBad
	}
	at, err := time.Parse(timeLocal, head[open+1:len(head)-1])
	if err != nil {
		return Line{}, errBad
	}
	first, rest, _ := strings.Cut(head[:open], " ")
	l := Line{Time: at, Web: &Web{}}
	if addr, ok := parseAddr(first); ok {
		l.Address = addr
		return l, nil
	}
	second, _, _ := strings.Cut(rest, " ") // vhost_combined: host:port first
	addr, ok := parseAddr(second)
	if !ok {
		return Line{}, errBad
	}
	l.Address, l.Web.Host = addr, first
	return l, nil
}

// quoted takes a quoted field off the beginning of s; quotes and backslashes in
// it are escaped.
func quoted(s string) (field, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", s, false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return "", s, false
}

// unescape undoes what nginx (\xE3) and Apache (\xe3, \", \\, \n) write. What is
// not such an escape stays.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'x':
			if n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8); err == nil && i+2 < len(s) {
				b = append(b, byte(n))
				i += 2
				continue
			}
			b = append(b, '\\', 'x')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case '"', '\\':
			b = append(b, c)
		default:
			b = append(b, '\\', c)
		}
	}
	return string(b)
}

func (w *Web) setStatus(status, size string) error {
	n, err := strconv.Atoi(status)
	if err != nil || n < 100 && n != 0 || n > 999 {
		return errBad
	}
	w.Status = n
	if size = dash(size); size != "" {
		if w.Bytes, err = strconv.ParseInt(size, 10, 64); err != nil || w.Bytes < 0 {
			return errBad
		}
	}
	return nil
}

// setRequest reads a request line. One that is none (a TLS handshake on the
// plain port, a scanner's noise) is malformed; an empty one is a browser that
// opened a connection and did not use it.
func (w *Web) setRequest(raw string) error {
	line := unescape(raw)
	if line == "" || line == "-" {
		return errSkip
	}
	method, rest, ok := strings.Cut(line, " ")
	target, proto := rest, ""
	if i := strings.LastIndexByte(rest, ' '); i >= 0 {
		target, proto = rest[:i], rest[i+1:]
	}
	if !ok || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-") != "" || !strings.HasPrefix(proto, "HTTP/") {
		w.Malformed, w.Path = true, line
		return nil
	}
	w.Method, w.Proto = method, proto
	w.setTarget(target)
	return nil
}

// setTarget reads a request target; of an absolute one (http://host/path) the
// host is left out, as servers do.
func (w *Web) setTarget(target string) {
	if scheme, rest, ok := strings.Cut(target, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		target = "/"
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			target = rest[i:]
		}
	}
	w.Path, w.Query, _ = strings.Cut(target, "?")
	if w.Path == "" {
		w.Path = "/"
	}
}
