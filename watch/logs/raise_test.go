package logs

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
)

// What one line raises, by kind.
func TestWhatLinesRaise(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration, request string, status string) string {
		return "203.0.113.7 - - [" + now.Add(-d).Format(timeLocal) + `] "` + request + ` HTTP/1.1" ` + status + ` 99 "-" "test"`
	}
	for _, tt := range []struct {
		name, line string
		kinds      string
		left       string
	}{
		{"a page", ago(0, "GET /", "200"), "http.logged", ""},
		{"a scanner's path that is not there", ago(0, "GET /phpmyadmin/", "404"), "http.logged", ""},
		{"a forbidden file, refused", ago(0, "GET /.env", "403"), "http.blocked", ""},
		{"a forbidden file, not there", ago(0, "GET /.env", "404"), "http.blocked", ""},
		{"a forbidden file, served", ago(0, "GET /.env", "200"), "http.exposed", ""},
		{"a forbidden file, redirected to https", ago(0, "GET /.env", "301"), "http.logged", ""},
		{"a sign-in that failed", ago(0, "POST /login", "200"), "http.logged account.login.outcome", ""},
		{"a sign-in whose end is open", ago(0, "POST /login", "302"), "http.logged account.login.attempt", ""},
		{"no HTTP", ago(0, `\x16\x03`, "400"), "http.blocked", ""},
		{"old", ago(time.Hour, "POST /login", "200"), "", leftOld},
		{"old, and still an alarm", ago(24*time.Hour, "GET /.env", "200"), "http.exposed", ""},
		{"an old web shell that answered", ago(24*time.Hour, "POST /wp-content/uploads/x.php", "200"), "http.logged", ""},
		{"an old web shell that was not there", ago(24*time.Hour, "POST /wp-content/uploads/x.php", "404"), "", leftOld},
		{"of tomorrow", ago(-24*time.Hour, "GET /", "200"), "http.logged", ""},
		{"from this machine", strings.Replace(ago(0, "GET /", "200"), "203.0.113.7", "127.0.0.1", 1), "", leftOwn},
		{"from our proxy", strings.Replace(ago(0, "GET /", "200"), "203.0.113.7", "198.51.100.9", 1), "", leftProxy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &interpreter{site: "shop", shop: plainShop{}, own: netip.Addr.IsLoopback, now: now}
			l, err := parseAccess(tt.line, now)
			if err != nil {
				t.Fatal(err)
			}
			r := in.read(&l, idMaker("n", "shop", "/p", 7, l.Time, []byte(tt.line)))
			var kinds []string
			ids := map[string]bool{}
			for _, ev := range r.events {
				kinds = append(kinds, string(ev.Kind))
				ids[ev.ID] = true
				if !ev.OccurredAt.IsZero() && !ev.OccurredAt.Equal(l.Time) {
					t.Errorf("occurred at %v, the line says %v", ev.OccurredAt, l.Time)
				}
				ev.At = noren.At(now)
				if err := ev.Valid(); err != nil {
					t.Error(err)
				}
			}
			if got := strings.Join(kinds, " "); got != tt.kinds || r.left != tt.left || len(ids) != len(r.events) {
				t.Errorf("%q, left out as %q; want %q, %q", got, r.left, tt.kinds, tt.left)
			}
			if strings.Contains(tt.name, "tomorrow") && !r.events[0].OccurredAt.IsZero() {
				t.Error("a time of the future was believed")
			}
		})
	}
}

// EC-CUBE 4 answers a sign-in with a redirect either way; the page the same
// browser asks for next tells which.
func TestSignInsByTheNextPage(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		lines []string // address|agent|seconds|request
		want  string   // outcomes: + and -
	}{
		{"wrong", []string{"203.0.113.7|a|0|POST /login", "203.0.113.7|a|1|GET /login"}, "-"},
		{"right", []string{"203.0.113.7|a|0|POST /login", "203.0.113.7|a|1|GET /mypage"}, "+"},
		{"another browser behind the same address", []string{"203.0.113.7|a|0|POST /login", "203.0.113.7|b|1|GET /", "203.0.113.7|a|1|GET /login"}, "-"},
		{"a tool that does not follow", []string{"203.0.113.7|a|0|POST /login", "203.0.113.7|a|1|POST /login"}, ""},
		{"much later", []string{"203.0.113.7|a|0|POST /login", "203.0.113.7|a|60|GET /mypage"}, ""},
	} {
		in := &interpreter{site: "shop", shop: plainShop{}, now: now}
		attempts, outcomes := map[string]bool{}, ""
		for i, spec := range tt.lines {
			p := strings.Split(spec, "|")
			sec, _ := time.ParseDuration(p[2] + "s")
			method, path, _ := strings.Cut(p[3], " ")
			status := 200
			if method == "POST" {
				status = 302
			}
			l := Line{Time: now.Add(sec), Address: netip.MustParseAddr(p[0]), Web: &Web{Method: method, Path: path, Status: status, Agent: p[1]}}
			for _, ev := range in.read(&l, idMaker("n", "s", "p", int64(i), l.Time, nil)).events {
				switch pl := ev.Payload.(type) {
				case *noren.Login:
					attempts[ev.AttemptID] = true
				case *noren.LoginResult:
					if !attempts[ev.AttemptID] {
						t.Errorf("%s: an outcome of no attempt", tt.name)
					}
					outcomes += map[bool]string{true: "+", false: "-"}[pl.Success]
				}
			}
		}
		if outcomes != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, outcomes, tt.want)
		}
	}
}

// A shop that answers everything with one page has exposed nothing.
func TestPagesForEverything(t *testing.T) {
	var s softPages
	for i, want := range []bool{false, false, true, true} {
		if got := s.answersEverything("/x"+string(rune('a'+i)), 4711); got != want {
			t.Errorf("path %d: %v", i, got)
		}
	}
	for range 10 {
		if s.answersEverything("/.env", 12) {
			t.Error("one file asked for again and again is taken for such a page")
		}
	}
	for i := range int64(10_000) {
		s.answersEverything("/y", i)
	}
	if len(s) > softMost+1 {
		t.Errorf("%d sizes are kept", len(s))
	}
}

// What came through the gateway is not counted twice, each request once.
func TestSeenRequests(t *testing.T) {
	s := NewSeen()
	s.Use(true)
	ev := noren.Event{Kind: noren.HTTPRequest, Site: "shop", Entities: noren.Entities{"address": "203.0.113.7"}, Payload: &noren.Request{Method: "GET", Path: "/a"}}
	s.Observed(context.Background(), ev, noren.Decision{})
	s.Observed(context.Background(), ev, noren.Decision{})
	for i, want := range []bool{true, true, false} {
		if got := s.take("shop", "203.0.113.7", "GET", "/a"); got != want {
			t.Errorf("%d: %v", i, got)
		}
	}
	for range 3 * seenAtMost {
		ev.Payload = &noren.Request{Method: "GET", Path: "/" + noren.NewTicket()}
		s.Observed(context.Background(), ev, noren.Decision{})
	}
	if n := len(s.now) + len(s.past); n > 2*seenAtMost {
		t.Errorf("%d are kept", n)
	}
	if s.take("other", "203.0.113.7", "GET", "/a") || (*Seen)(nil).take("shop", "", "", "") {
		t.Error("of another site")
	}
}
