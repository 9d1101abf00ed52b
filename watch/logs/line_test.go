package logs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func mustParse(t testing.TB, l Log) parser {
	t.Helper()
	p, err := newParser(&l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var readAt = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

func TestAccessLines(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		address    string
		want       *Web // nil: err
		err        error
	}{
		{"nginx", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET /products/list?name=%E9%85%92 HTTP/1.1" 200 5123 "https://shop.example.jp/" "Mozilla/5.0"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/products/list", Query: "name=%E9%85%92", Proto: "HTTP/1.1", Status: 200, Bytes: 5123, Referer: "https://shop.example.jp/", Agent: "Mozilla/5.0"}, nil},
		{"common", `2001:db8::7 - hanako [02/Jan/2026:15:04:05 +0900] "POST /wp-login.php HTTP/1.0" 302 -`,
			"2001:db8::7", &Web{Method: "POST", Path: "/wp-login.php", Proto: "HTTP/1.0", Status: 302}, nil},
		{"vhost_combined", `shop.example.jp:443 203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET / HTTP/2.0" 200 1 "-" "-"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/", Proto: "HTTP/2.0", Host: "shop.example.jp:443", Status: 200, Bytes: 1}, nil},
		{"nginx's main with one more field", `::ffff:203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET /.env HTTP/1.1" 404 153 "-" "curl/8" "198.51.100.9"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/.env", Proto: "HTTP/1.1", Status: 404, Bytes: 153, Agent: "curl/8"}, nil},
		{"user name with brackets and blanks", `203.0.113.7 - x [10/Oct/2000:00:00:00 +0000] y [02/Jan/2026:15:04:05 +0900] "GET / HTTP/1.1" 401 0 "-" "-"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/", Proto: "HTTP/1.1", Status: 401}, nil},
		{"quotes in the agent, Apache", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET / HTTP/1.1" 200 0 "-" "a \"b\" 403 0 \\"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/", Proto: "HTTP/1.1", Status: 200, Agent: `a "b" 403 0 \`}, nil},
		{"bytes, nginx", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET /\xE9\x85\x92 HTTP/1.1" 404 0 "-" "\x22"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/酒", Proto: "HTTP/1.1", Status: 404, Agent: `"`}, nil},
		{"absolute form", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET http://x.example/admin?a=b HTTP/1.1" 404 0 "-" "-"`,
			"203.0.113.7", &Web{Method: "GET", Path: "/admin", Query: "a=b", Proto: "HTTP/1.1", Status: 404}, nil},
		{"TLS on the plain port", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "\x16\x03\x01\x02\x00" 400 150 "-" "-"`,
			"203.0.113.7", &Web{Path: "\x16\x03\x01\x02\x00", Status: 400, Bytes: 150, Malformed: true}, nil},
		{"a connection that was not used", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "-" 408 0 "-" "-"`, "", nil, errSkip},
		{"a host name instead of an address", `client.example.jp - - [02/Jan/2026:15:04:05 +0900] "GET / HTTP/1.1" 200 0`, "", nil, errBad},
		{"cut off", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET / HT`, "", nil, errBad},
		{"no request", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900]`, "", nil, errBad},
		{"wrong date", `203.0.113.7 - - [32/Jan/2026:15:04:05 +0900] "GET / HTTP/1.1" 200 0`, "", nil, errBad},
		{"status", `203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET / HTTP/1.1" 2000 0`, "", nil, errBad},
		{"an error log", `2026/01/02 15:04:05 [error] 12#12: *1 open() "/x" failed (2: No such file or directory), client: 203.0.113.7`, "", nil, errBad},
		{"empty", ``, "", nil, errBad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := parseAccess(tt.line, readAt)
			if err != tt.err {
				t.Fatalf("err %v, want %v", err, tt.err)
			}
			if tt.want == nil {
				return
			}
			if diff := cmp.Diff(tt.want, l.Web); diff != "" {
				t.Error(diff)
			}
			if l.Address.String() != tt.address {
				t.Errorf("address %s", l.Address)
			}
			if want := time.Date(2026, 1, 2, 6, 4, 5, 0, time.UTC); !l.Time.Equal(want) {
				t.Errorf("time %v", l.Time)
			}
		})
	}
}

func TestCustomPatterns(t *testing.T) {
	for _, tt := range []struct{ name, pattern, line, path, location string }{
		{"nginx with location", `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$sent_http_location"`,
			`203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "POST /mypage/login HTTP/1.1" 302 0 "-" "a \" b" "https://shop.example.jp/mypage/login"`, "/mypage/login", "/mypage/login"},
		{"nginx, other order", `[$time_iso8601] ${remote_addr} $host $request_method $request_uri $status`,
			`[2026-01-02T15:04:05+09:00] 203.0.113.7 shop.example.jp GET /a?b=c 200`, "/a", ""},
		{"nginx msec", `$msec|$remote_addr|$request|$status`, `1767333845.120|203.0.113.7|GET /x HTTP/1.1|404`, "/x", ""},
		{"apache", `%a %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" \"%{Location}o\"`,
			`203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "POST /login HTTP/1.1" 302 0 "-" "-" "/mypage"`, "/login", "/mypage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParse(t, Log{Format: "custom", Pattern: tt.pattern})
			l, err := p(tt.line, readAt)
			if err != nil {
				t.Fatal(err)
			}
			if l.Web.Path != tt.path || l.Web.Location != tt.location || l.Address.String() != "203.0.113.7" || l.Time.Truncate(time.Second).UTC() != time.Date(2026, 1, 2, 6, 4, 5, 0, time.UTC) && tt.name != "nginx msec" {
				t.Errorf("%+v %+v", l, l.Web)
			}
			for _, bad := range []string{"", "x", tt.line[:len(tt.line)/2], strings.ReplaceAll(tt.line, "203.0.113.7", "somebody")} {
				if _, err := p(bad, readAt); err == nil {
					t.Errorf("%q is taken for a line", bad)
				}
			}
		})
	}
	for _, bad := range []string{"", "$remote_addr", "%h %t", "$remote_addr$time_local $request $status", strings.Repeat("$status ", 100), strings.Repeat("x", 5000)} {
		if _, err := newParser(&Log{Format: "custom", Pattern: bad}); err == nil {
			t.Errorf("pattern %q is taken", cut(bad, 40))
		}
	}
}

// A line that came through Noren says so when the web server logs its header.
func TestLinesThatCameThroughNoren(t *testing.T) {
	p := mustParse(t, Log{Format: "custom", Pattern: `$remote_addr [$time_local] "$request" $status "$http_noren_hop"`})
	for hop, want := range map[string]bool{"-": false, "01KBY2": true} {
		l, err := p(`203.0.113.7 [02/Jan/2026:15:04:05 +0900] "GET / HTTP/1.1" 200 "`+hop+`"`, readAt)
		if err != nil || l.Web.ViaNoren != want {
			t.Errorf("%q: %v %v", hop, l.Web.ViaNoren, err)
		}
	}
}

func TestMailLines(t *testing.T) {
	failed := func(user, protocol string, n int) *Mail { return &Mail{Protocol: protocol, User: user, Attempts: n} }
	for _, tt := range []struct {
		name, format, line string
		address            string
		want               *Mail // nil: of no interest
	}{
		{"postfix failure", "postfix", `Jan  2 15:04:05 mx postfix/smtpd[123]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6`, "203.0.113.7", failed("", "smtp", 1)},
		{"postfix failure with user", "postfix", `2026-01-02T15:04:05.123456+09:00 mx postfix/submission/smtpd[123]: warning: host.example[2001:db8::7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=info@shop.example.jp`, "2001:db8::7", failed("info@shop.example.jp", "smtp", 1)},
		{"postfix success", "postfix", `Jan  2 15:04:05 mx postfix/smtps/smtpd[123]: 4F2A: client=p.example[203.0.113.7], sasl_method=PLAIN, sasl_username=hanako`, "203.0.113.7", &Mail{Protocol: "smtp", User: "hanako", Success: true, Attempts: 1}},
		{"postfix relay", "postfix", `Jan  2 15:04:05 mx postfix/smtpd[123]: NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 554 5.7.1 <x@victim.example>: Relay access denied; from=<a@b.example> to=<x@victim.example> proto=ESMTP helo=<z>`, "203.0.113.7", &Mail{Refused: true, Protocol: "smtp", From: "a@b.example", To: "x@victim.example"}},
		{"postfix, an unknown receiver is no relay", "postfix", `Jan  2 15:04:05 mx postfix/smtpd[123]: NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 <y@shop.example.jp>: Recipient address rejected: User unknown; from=<> to=<y@shop.example.jp>`, "", nil},
		{"postfix, other programs", "postfix", `Jan  2 15:04:05 mx postfix/qmgr[123]: 4F2A: removed`, "", nil},
		{"dovecot failure", "dovecot", `Jan  2 15:04:05 mx dovecot: imap-login: Disconnected (auth failed, 3 attempts in 15 secs): user=<info>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.1, TLS, session=<abc>`, "203.0.113.7", failed("info", "imap", 3)},
		{"dovecot 2.3.16", "dovecot", `Jan  2 15:04:05 mx dovecot: pop3-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<a@b.example>, method=PLAIN, rip=2001:db8::7, lip=2001:db8::1, session=<x>`, "2001:db8::7", failed("a@b.example", "pop3", 1)},
		{"dovecot success", "dovecot", `Jan  2 15:04:05 mx dovecot[99]: imap-login: Login: user=<hanako>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.1, mpid=7, TLS, session=<abc>`, "203.0.113.7", &Mail{Protocol: "imap", User: "hanako", Success: true, Attempts: 1}},
		{"dovecot, a user that is a whole line", "dovecot", `Jan  2 15:04:05 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=198.51.100.1, lip=1.1.1.1>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.1, session=<abc>`, "203.0.113.7", failed("x", "imap", 1)},
		{"dovecot, a user that says he signed in", "dovecot", `Jan  2 15:04:05 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<Login: user=<x>, rip=203.0.113.7, lip=192.0.2.1`, "203.0.113.7", failed("Login: user=<x", "imap", 1)},
		{"dovecot, no password given", "dovecot", `Jan  2 15:04:05 mx dovecot: imap-login: Disconnected (no auth attempts in 1 secs): user=<>, rip=203.0.113.7, lip=192.0.2.1`, "", nil},
		{"a thousand attempts in one line", "dovecot", `Jan  2 15:04:05 mx dovecot: imap-login: Disconnected (auth failed, 1000000 attempts in 2 secs): user=<x>, rip=203.0.113.7, lip=192.0.2.1`, "203.0.113.7", failed("x", "imap", maxAttempts)},
		{"exim failure", "exim", `2026-01-02 15:04:05 dovecot_login authenticator failed for (User) [203.0.113.7]:51234: 535 Incorrect authentication data (set_id=info@shop.example.jp)`, "203.0.113.7", failed("info@shop.example.jp", "smtp", 1)},
		{"exim, an address as HELO", "exim", `2026-01-02 15:04:05 login authenticator failed for ([198.51.100.1]) [203.0.113.7]: 535 Incorrect authentication data`, "203.0.113.7", failed("", "smtp", 1)},
		{"exim, a user that is a whole line", "exim", `2026-01-02 15:04:05 login authenticator failed for (x) [203.0.113.7]: 535 Incorrect authentication data (set_id=y)_[198.51.100.1]:)`, "203.0.113.7", failed("y)_[198.51.100.1]:", "smtp", 1)},
		{"exim relay", "exim", `2026-01-02 15:04:05 H=(x) [203.0.113.7] F=<a@b.example> rejected RCPT <c@d.example>: relay not permitted`, "203.0.113.7", &Mail{Refused: true, Protocol: "smtp", From: "a@b.example", To: "c@d.example"}},
		{"exim success", "exim", `2026-01-02 15:04:05 +0900 [77] 1abc-0001-XX <= hanako@shop.example.jp H=p.example (pc) [203.0.113.7]:4711 P=esmtpsa X=TLS1.3 A=dovecot_plain:hanako S=900`, "203.0.113.7", &Mail{Protocol: "smtp", User: "hanako", Success: true, Attempts: 1}},
		{"exim delivery", "exim", `2026-01-02 15:04:05 1abc-0001-XX => x@y.example R=dnslookup T=remote_smtp H=mx.y.example [198.51.100.1]`, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := mustParse(t, Log{Format: tt.format, TimeZone: "Asia/Tokyo"})(tt.line, readAt)
			if tt.want == nil {
				if err != errSkip {
					t.Errorf("%+v, %v", l.Mail, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, l.Mail, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if l.Address.String() != tt.address {
				t.Errorf("address %s, want %s", l.Address, tt.address)
			}
			if want := time.Date(2026, 1, 2, 6, 4, 5, 0, time.UTC); !l.Time.Truncate(time.Second).Equal(want) {
				t.Errorf("time %v", l.Time)
			}
		})
	}
}

// Logs of syslog leave out the year: a December line read in January is last
// year's, and a clock that is a little ahead is not.
func TestYears(t *testing.T) {
	for _, tt := range []struct{ line, now, want string }{
		{"Dec 31 23:59:59", "2026-01-01T00:00:10Z", "2025-12-31T23:59:59Z"},
		{"Jan  1 00:00:05", "2025-12-31T23:59:50Z", "2026-01-01T00:00:05Z"},
		{"Mar  3 12:00:00", "2026-03-03T12:00:01Z", "2026-03-03T12:00:00Z"},
		{"Feb 29 12:00:00", "2028-02-29T12:00:01Z", "2028-02-29T12:00:00Z"},
	} {
		now, _ := time.Parse(time.RFC3339, tt.now)
		at, _, ok := syslogTime(tt.line+" mx x: y", now, time.UTC)
		if got := at.UTC().Format(time.RFC3339); !ok || got != tt.want {
			t.Errorf("%s at %s: %s", tt.line, tt.now, got)
		}
	}
}

// Whatever stands in a log: no panic, and what is understood has an address, a
// time and one of the two.
func FuzzLines(f *testing.F) {
	f.Add(`203.0.113.7 - - [02/Jan/2026:15:04:05 +0900] "GET /\xE9 HTTP/1.1" 200 1 "-" "\\"`)
	f.Add(`Jan  2 15:04:05 mx dovecot: imap-login: Login: user=<x>, rip=203.0.113.7, lip=1`)
	f.Add(`Jan  2 15:04:05 mx postfix/smtpd[1]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: x`)
	f.Add(`2026-01-02 15:04:05 login authenticator failed for (x) [203.0.113.7]: 535 x`)
	f.Add("\x00\x00\"\\x")
	parsers := []parser{
		mustParse(f, Log{Format: "nginx"}), mustParse(f, Log{Format: "postfix"}), mustParse(f, Log{Format: "exim"}),
		mustParse(f, Log{Format: "custom", Pattern: `$remote_addr [$time_local] "$request" $status "$sent_http_location"`}),
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range parsers {
			l, err := p(line, readAt)
			if err == nil && (!l.Address.IsValid() || l.Time.IsZero() || (l.Web == nil) == (l.Mail == nil)) {
				t.Fatalf("%q: %+v", line, l)
			}
		}
	})
}
