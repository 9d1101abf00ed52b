package logs

import (
	"strconv"
	"strings"
	"time"

	"noren"
)

// piece is a field of a pattern and the text behind it.
type piece struct {
	field string // "" for one that is read and left
	until string // the literal behind it; "" for the end of the line
}

const maxPieces = 64

// newPattern compiles the description of a log's lines as the web server's
// configuration has it: nginx's log_format ($remote_addr …) or Apache's
// LogFormat (%h …).
func newPattern(text string) (parser, error) {
	if len(text) > 4096 {
		return nil, noren.Errorf(noren.Invalid, "a log pattern of %d bytes is over the limit of 4096", len(text))
	}
	text = strings.ReplaceAll(text, `\"`, `"`)
	next := nginxField
	if !strings.Contains(text, "$") {
		next = apacheField
	}
	var lead string
	var pieces []piece
	for rest := text; rest != ""; {
		before, name, after, ok := next(rest)
		if len(pieces) == 0 {
			lead = before
		} else if pieces[len(pieces)-1].until = before; ok && before == "" {
			return nil, noren.Errorf(noren.Invalid, "log pattern: nothing stands between two fields before %q", cut(rest, 40))
		}
		if !ok {
			break
		}
		if pieces = append(pieces, piece{field: name}); len(pieces) > maxPieces {
			return nil, noren.Errorf(noren.Invalid, "log pattern: more than %d fields", maxPieces)
		}
		rest = after
	}
	if err := enough(pieces); err != nil {
		return nil, err
	}
	return func(line string, _ time.Time) (Line, error) { return parsePieces(lead, pieces, line) }, nil
}

// enough reports what a pattern lacks.
func enough(pieces []piece) error {
	have := map[string]bool{}
	for _, p := range pieces {
		have[p.field] = true
	}
	if have["address"] && have["time"] && have["status"] && (have["request"] || have["target"] && have["method"]) {
		return nil
	}
	return noren.WithHint(noren.Errorf(noren.Invalid, "the log pattern tells not enough"),
		"It needs the client's address ($remote_addr, %h), the time ($time_local, %t), the request ($request, %r) and the status ($status, %>s).")
}

// nginxField finds the next $name or ${name}.
func nginxField(s string) (before, field, after string, ok bool) {
	i := strings.IndexByte(s, '$')
	if i < 0 {
		return s, "", "", false
	}
	name := strings.TrimPrefix(s[i+1:], "{")
	n := 0
	for n < len(name) && (name[n] == '_' || name[n] >= 'a' && name[n] <= 'z' || name[n] >= '0' && name[n] <= '9') {
		n++
	}
	after = name[n:]
	if s[i+1:] != name {
		after = strings.TrimPrefix(after, "}")
	}
	return s[:i], nginxFields[name[:n]], after, true
}

var nginxFields = map[string]string{
	"remote_addr": "address", "realip_remote_addr": "", "time_local": "time", "time_iso8601": "time", "msec": "time",
	"request": "request", "request_method": "method", "request_uri": "target", "server_protocol": "proto", "status": "status",
	"body_bytes_sent": "bytes", "bytes_sent": "bytes", "http_referer": "referer", "http_user_agent": "agent", "host": "host", "http_host": "host", "server_name": "host",
	"sent_http_location": "location", "http_noren_hop": "hop",
}

// apacheField finds the next %x, %>x or %{Name}x.
func apacheField(s string) (before, field, after string, ok bool) {
	i := strings.IndexByte(s, '%')
	if i < 0 || i+1 == len(s) {
		return s, "", "", false
	}
	rest := strings.TrimLeft(s[i+1:], "<>!,0123456789")
	name := ""
	if strings.HasPrefix(rest, "{") {
		if name, rest, ok = strings.Cut(rest[1:], "}"); !ok {
			return s, "", "", false
		}
		name = strings.ToLower(name)
	}
	if rest == "" {
		return s, "", "", false
	}
	key := rest[:1]
	if name != "" {
		key = name + rest[:1]
	}
	return s[:i], apacheFields[key], rest[1:], true
}

var apacheFields = map[string]string{
	"h": "address", "a": "address", "t": "time", "r": "request", "m": "method", "U": "", "H": "proto", "s": "status",
	"b": "bytes", "B": "bytes", "O": "bytes", "refereri": "referer", "user-agenti": "agent", "v": "host", "V": "host", "hosti": "host",
	"locationo": "location", "noren-hopi": "hop",
}

// parsePieces reads a line. In front of a quote an escaped one does not end the
// field.
func parsePieces(lead string, pieces []piece, line string) (Line, error) {
	rest, ok := strings.CutPrefix(line, lead)
	if !ok {
		return Line{}, errBad
	}
	l := Line{Web: &Web{}}
	status, size, request, target := "", "", "", ""
	for _, p := range pieces {
		value := rest
		if p.until != "" {
			end := endOf(rest, p.until)
			if end < 0 {
				return Line{}, errBad
			}
			value, rest = rest[:end], rest[end+len(p.until):]
		} else {
			rest = ""
		}
		if value == "-" {
			value = ""
		}
		switch p.field {
		case "address":
			if l.Address, ok = parseAddr(value); !ok {
				return Line{}, errBad
			}
		case "time":
			if l.Time, ok = parseTime(value); !ok {
				return Line{}, errBad
			}
		case "request":
			request = value
		case "target":
			target = value
		case "method":
			l.Web.Method = value
		case "proto":
			l.Web.Proto = value
		case "status":
			status = value
		case "bytes":
			size = value
		case "referer":
			l.Web.Referer = unescape(value)
		case "agent":
			l.Web.Agent = unescape(value)
		case "host":
			l.Web.Host = value
		case "location":
			l.Web.Location = localPart(unescape(value))
		case "hop":
			l.Web.ViaNoren = value != ""
		}
	}
	if err := l.Web.setStatus(status, size); err != nil {
		return Line{}, err
	}
	if target != "" && l.Web.Method != "" {
		l.Web.setTarget(unescape(target))
		return l, nil
	}
	return l, l.Web.setRequest(request)
}

func endOf(s, until string) int {
	if until[0] != '"' {
		return strings.Index(s, until)
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if strings.HasPrefix(s[i:], until) {
			return i
		}
	}
	return -1
}

// parseTime reads what the servers' time fields hold.
func parseTime(s string) (time.Time, bool) {
	s = strings.Trim(s, "[]")
	for _, layout := range []string{timeLocal, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	sec, frac, _ := strings.Cut(s, ".") // $msec
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || n < 0 || n > 1<<35 {
		return time.Time{}, false
	}
	ms, _ := strconv.ParseInt((frac + "000")[:3], 10, 64)
	return time.Unix(n, ms*int64(time.Millisecond)), true
}

// localPart leaves the host out of where a redirect went.
func localPart(location string) string {
	if _, rest, ok := strings.Cut(location, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return "/"
	}
	return location
}

// cut shortens s to n bytes at a rune's beginning.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
