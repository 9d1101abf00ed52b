package logs

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxAttempts bounds how many sign-ins one line may stand for.
const maxAttempts = 10

// syslogLine reads the head that syslog daemons write, "Jan  2 15:04:05 host
// program[123]: " or "2026-01-02T15:04:05.123456+09:00 host program[123]: ", and
// hands program and message on.
func syslogLine(zone *time.Location, body func(program, message string) (Line, error)) parser {
	return func(line string, now time.Time) (Line, error) {
		at, rest, ok := syslogTime(line, now, zone)
		if !ok {
			return Line{}, errBad
		}
		_, rest, ok = strings.Cut(rest, " ") // host
		program, message, ok2 := strings.Cut(rest, ": ")
		if !ok || !ok2 || strings.ContainsAny(program, " \t") {
			return Line{}, errBad
		}
		program, _, _ = strings.Cut(program, "[")
		l, err := body(program, message)
		l.Time = at
		return l, err
	}
}

func syslogTime(line string, now time.Time, zone *time.Location) (at time.Time, rest string, ok bool) {
	if len(line) > 20 && line[4] == '-' {
		stamp, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		return at, rest, err == nil
	}
	const layout = "Jan _2 15:04:05"
	if len(line) <= len(layout) || line[len(layout)] != ' ' {
		return at, "", false
	}
	at, err := time.ParseInLocation(layout, line[:len(layout)], zone)
	if err != nil {
		return at, "", false
	}
	return withYear(at, now, zone), line[len(layout)+1:], true
}

// withYear gives a time the year in which it is nearest to now and not more than
// a day after it: a line of December that is read in January is of last year.
func withYear(at, now time.Time, zone *time.Location) time.Time {
	year := now.In(zone).Year()
	for _, y := range []int{year + 1, year} {
		t := time.Date(y, at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, zone)
		if t.Before(now.Add(24 * time.Hour)) {
			return t
		}
	}
	return time.Date(year-1, at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, zone)
}

func parseMail(program, message string) (Line, error) {
	if program == "dovecot" {
		return parseDovecot(message)
	}
	return parsePostfix(program, message)
}

// What Postfix says. The name before the address comes from the client's reverse
// DNS and holds neither blank nor bracket; what the client chose (user, sender,
// receiver) stands behind the address.
var (
	postfixFailed  = regexp.MustCompile(`^warning: [^\s\[\]]+\[([0-9a-fA-F.:]+)\](?::\d+)?: SASL [A-Za-z0-9_-]+ authentication (?:failed|failure)`)
	postfixSigned  = regexp.MustCompile(`^[0-9A-Za-z]+: client=[^\s\[\]]+\[([0-9a-fA-F.:]+)\](?::\d+)?, sasl_method=[^,\s]+, sasl_username=(\S+)`)
	postfixRefused = regexp.MustCompile(`^[0-9A-Za-z]+: reject: RCPT from [^\s\[\]]+\[([0-9a-fA-F.:]+)\](?::\d+)?: \d{3} [\d.]+ <[^>]*>: Relay access denied; from=<([^>]*)> to=<([^>]*)>`)
	saslUser       = regexp.MustCompile(`, sasl_username=(\S+)$`)
)

func parsePostfix(program, message string) (Line, error) {
	if !strings.HasPrefix(program, "postfix") || !strings.HasSuffix(program, "smtpd") {
		return Line{}, errSkip
	}
	if m := postfixFailed.FindStringSubmatch(message); m != nil {
		user := ""
		if u := saslUser.FindStringSubmatch(message); u != nil {
			user = u[1]
		}
		return mailLine(m[1], Mail{Protocol: "smtp", User: user, Attempts: 1})
	}
	if m := postfixSigned.FindStringSubmatch(message); m != nil {
		return mailLine(m[1], Mail{Protocol: "smtp", User: m[2], Success: true, Attempts: 1})
	}
	if m := postfixRefused.FindStringSubmatch(message); m != nil {
		return mailLine(m[1], Mail{Refused: true, Protocol: "smtp", From: m[2], To: m[3]})
	}
	return Line{}, errSkip
}

// What Dovecot's sign-in processes say. user is the client's to choose and may
// hold a whole ", rip=…" of its own, so the last one is the true one: what
// follows it the server wrote.
var dovecotFailed = regexp.MustCompile(`\(auth failed, (\d+) attempts?(?: in \d+ secs?)?\)`)

func parseDovecot(message string) (Line, error) {
	service, text, ok := strings.Cut(message, "-login: ")
	if !ok {
		return Line{}, errSkip
	}
	protocol, known := map[string]string{"imap": "imap", "pop3": "pop3", "submission": "smtp", "managesieve": "sieve"}[service]
	if !known {
		return Line{}, errSkip
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "Info: "), "Warning: ")
	head, rest, _ := strings.Cut(text, "user=<")
	m := Mail{Protocol: protocol, Attempts: 1}
	if failed := dovecotFailed.FindStringSubmatch(head); failed != nil {
		m.Attempts, _ = strconv.Atoi(failed[1])
		m.Attempts = min(max(m.Attempts, 1), maxAttempts)
	} else if head == "Login: " || head == "Logged in: " {
		m.Success = true
	} else {
		return Line{}, errSkip
	}
	at := strings.LastIndex(text, ", rip=")
	if at < 0 {
		return Line{}, errSkip
	}
	m.User, _, _ = strings.Cut(rest, ">")
	addr, _, _ := strings.Cut(text[at+len(", rip="):], ",")
	return mailLine(addr, m)
}

// What Exim says in its main log. The name in round brackets is the client's
// HELO; Exim takes letters, digits, dots, hyphens and an address in brackets.
var (
	eximFailed  = regexp.MustCompile(`^\S+ authenticator failed for (?:[^\s()\[\]]+ )?(?:\([^\s()]*\) )?\[([0-9a-fA-F.:]+)\](?::\d+)?(?: I=\S+)?: 535 .*?(?:\(set_id=(\S+)\))?$`)
	eximSigned  = regexp.MustCompile(`^\S+ <= \S+ (?:H=)?(?:[^\s()\[\]]+ )?(?:\([^\s()]*\) )?\[([0-9a-fA-F.:]+)\](?::\d+)? .*?\bA=[A-Za-z0-9_]+:(\S+)`)
	eximRefused = regexp.MustCompile(`^H=(?:[^\s()\[\]]+ )?(?:\([^\s()]*\) )?\[([0-9a-fA-F.:]+)\](?::\d+)? .*?F=<([^>]*)> rejected RCPT <([^>]*)>: relay not permitted`)
)

func eximLine(zone *time.Location) parser {
	const layout = "2006-01-02 15:04:05"
	return func(line string, _ time.Time) (Line, error) {
		if len(line) <= len(layout) {
			return Line{}, errBad
		}
		at, err := time.ParseInLocation(layout, line[:len(layout)], zone)
		if err != nil {
			return Line{}, errBad
		}
		rest := strings.TrimLeft(line[len(layout):], ".0123456789") // with +millisec
		if len(rest) > 6 && (rest[1] == '+' || rest[1] == '-') {    // with a time zone
			if t, err := time.Parse(layout+" -0700", line[:len(layout)]+rest[:6]); err == nil {
				at, rest = t, rest[6:]
			}
		}
		l, err := parseExim(strings.TrimLeft(rest, " "))
		l.Time = at
		return l, err
	}
}

func parseExim(message string) (Line, error) {
	if strings.HasPrefix(message, "[") { // with +pid
		_, message, _ = strings.Cut(message, "] ")
	}
	if m := eximFailed.FindStringSubmatch(message); m != nil {
		return mailLine(m[1], Mail{Protocol: "smtp", User: m[2], Attempts: 1})
	}
	if m := eximRefused.FindStringSubmatch(message); m != nil {
		return mailLine(m[1], Mail{Refused: true, Protocol: "smtp", From: m[2], To: m[3]})
	}
	if m := eximSigned.FindStringSubmatch(message); m != nil {
		return mailLine(m[1], Mail{Protocol: "smtp", User: m[2], Success: true, Attempts: 1})
	}
	return Line{}, errSkip
}

func mailLine(address string, m Mail) (Line, error) {
	addr, ok := parseAddr(address)
	if !ok {
		return Line{}, errBad
	}
	return Line{Address: addr, Mail: &m}, nil
}
