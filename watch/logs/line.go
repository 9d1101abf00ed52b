package logs

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"noren"
)

// MaxLine is the longest line that is read; what is longer is counted as bad.
// nginx and Apache refuse request lines and headers over 8 KiB as shipped, and
// an escaped byte (\xE3) takes four.
const MaxLine = 64 << 10

// Line is one line of a log, understood. Exactly one of Web and Mail is there.
type Line struct {
	Time    time.Time // as the log tells it
	Address netip.Addr
	Web     *Web
	Mail    *Mail
}

// Web is a request as a web server's log tells it.
type Web struct {
	Method, Path, Query, Proto string // Path and Query as on the request line
	Host, Referer, Agent       string
	Status                     int
	Bytes                      int64
	Location                   string // where a redirect went, "" when the log does not tell
	ViaNoren                   bool   // the log tells that the request came through Noren
	Malformed                  bool   // the request line is none
}

// Mail is what a mail server's log tells of one client.
type Mail struct {
	Refused  bool // a relay attempt; otherwise a sign-in
	Protocol string
	User     string
	Success  bool
	Attempts int // sign-ins that the line stands for
	From, To string
}

// Faults of lines. A line may also be of no interest, which is not a fault.
var (
	errBad  = errors.New("not a line of this format")
	errSkip = errors.New("tells nothing of interest")
)

// parser reads one line without its end. now is when it was read, for logs that
// leave out the year.
type parser func(line string, now time.Time) (Line, error)

// Formats lists the formats by name.
func Formats() []string {
	return []string{"nginx", "apache", "combined", "postfix", "dovecot", "exim", "custom"}
}

// newParser returns the parser of a log.
func newParser(l *Log) (parser, error) {
	zone := time.Local
	if l.TimeZone != "" {
		var err error
		if zone, err = time.LoadLocation(l.TimeZone); err != nil {
			return nil, noren.Errorf(noren.Invalid, "time zone %q is not known; write it like Asia/Tokyo", l.TimeZone)
		}
	}
	format, pattern := l.Format, l.Pattern
	if (pattern != "") != (format == "custom") {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "format custom and a pattern belong together"),
			"Copy the line of log_format (nginx) or LogFormat (Apache) from the web server's configuration.")
	}
	switch format {
	case "nginx", "apache", "combined":
		return parseAccess, nil
	case "postfix", "dovecot": // one file holds both on most machines
		return syslogLine(zone, parseMail), nil
	case "exim":
		return eximLine(zone), nil
	case "custom":
		return newPattern(pattern)
	}
	return nil, noren.Errorf(noren.Invalid, "unknown log format %q; formats are %s", format, strings.Join(Formats(), ", "))
}

// parseAddr reads an address as servers write it: v4-mapped IPv6 as IPv4.
func parseAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// dash is "" for the - that stands for nothing.
func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}
