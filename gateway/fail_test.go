package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/gateway/waf"
	"noren/kv"
)

// alarms keep the log lines that carry an alarm.
type alarms struct {
	mu    sync.Mutex
	lines []string
}

func (a *alarms) Enabled(context.Context, slog.Level) bool { return true }
func (a *alarms) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *alarms) WithGroup(string) slog.Handler            { return a }
func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Attrs(func(at slog.Attr) bool {
		if at.Key == "alarm" {
			a.lines = append(a.lines, r.Message)
		}
		return true
	})
	return nil
}

func (a *alarms) count(text string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// panicky is an inspector that panics when it is told to.
type panicky struct{ Inspector }

func (p panicky) Inspect(ctx context.Context, r *waf.Request) (waf.Result, error) {
	if strings.Contains(r.URI, "panic") {
		panic("no such rule")
	}
	return p.Inspector.Inspect(ctx, r)
}

// A panic in a step stops that request with an alarm, whatever its zone, and
// nothing else.
func TestPanicInAStep(t *testing.T) {
	heard := &alarms{}
	s := stand(t, func(o *Options) { o.Inspector, o.Log = panicky{o.Inspector}, slog.New(heard) })
	for _, path := range []string{"/products/list?panic", "/mypage/login?panic"} {
		res, body := s.do("GET", path, "")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("X-Shop") != "" || strings.Contains(body, "no such rule") {
			t.Errorf("%s: %d, Retry-After %q; want 503 from the gateway that tells nothing", path, res.StatusCode, res.Header.Get("Retry-After"))
		}
	}
	if heard.count("gateway panicked") == 0 {
		t.Error("no alarm")
	}
	if res, _ := s.do("GET", "/products/list", ""); res.StatusCode != http.StatusOK {
		t.Errorf("the next request: %d", res.StatusCode)
	}
}

// mute is shared state that never answers.
type mute struct{}

func (mute) Do(context.Context, ...kv.Op) ([]kv.Result, error) { return nil, errors.New("away") }
func (mute) Close() error                                      { return nil }

// Limits that cannot be asked let requests pass, with an alarm.
func TestLimitsThatCannotBeAsked(t *testing.T) {
	heard := &alarms{}
	s := stand(t, func(o *Options) { o.KV, o.Log = mute{}, slog.New(heard) })
	for range 50 { // far over the shipped limit of sign-ins
		if res, _ := s.do("POST", "/mypage/login", "login_email=a@example.jp&login_pass=x"); res.StatusCode != http.StatusOK {
			t.Fatalf("a sign-in: %d", res.StatusCode)
		}
	}
	if n := heard.count("limits cannot be asked"); n == 0 || n > 10 {
		t.Errorf("%d alarms, want one and not one for each request", n)
	}
}

// While bans cannot be read the last state stays in force; one alarm says so.
func TestBansThatCannotBeRead(t *testing.T) { synctest.Test(t, testBansThatCannotBeRead) }

func testBansThatCannotBeRead(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	heard := &alarms{}
	l, err := OpenLists(t.Context(), ListsOptions{DB: d, Sealer: newSealer(t), Log: slog.New(heard)})
	if err != nil {
		t.Fatal(err)
	}
	l.RaiseTo(&loopback{})
	mustBan(t, l, "203.0.113.7/32")
	mustSet(t, l, ListAllow, "198.51.100.1/32")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	time.Sleep(10 * DefaultPoll)
	cancel()
	<-done
	if n := heard.count("cannot be read"); n != 1 {
		t.Errorf("%d alarms, want one", n)
	}
	if got := listed(l, "203.0.113.7", time.Now()); got != "ban 203.0.113.7/32" {
		t.Errorf("the banned address: %q", got)
	}
	if got := listed(l, "198.51.100.1", time.Now()); got != "allow 198.51.100.1/32" {
		t.Errorf("the allowed address: %q", got)
	}
	if _, err := l.Set(t.Context(), Entry{Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("192.0.2.1/32"), Author: "test", Reason: noren.Text{En: "a test"}}); err == nil {
		t.Error("a ban that cannot be stored was set")
	}
}
