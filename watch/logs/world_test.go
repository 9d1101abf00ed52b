package logs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// collector is a decider that remembers, and may refuse for a while.
type collector struct {
	mu     sync.Mutex
	events []noren.Event
	refuse error
}

func (c *collector) Decide(_ context.Context, ev noren.Event) (noren.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return noren.Decision{}, c.refuse
	}
	c.events = append(c.events, ev)
	return noren.Decision{Verdict: noren.Allow}, nil
}

func (c *collector) refuseWith(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

// paths are the paths of the requests so far, in order.
func (c *collector) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, ev := range c.events {
		if r, ok := ev.Payload.(*noren.Request); ok {
			out = append(out, r.Path)
		}
	}
	return out
}

// plainShop is a shop with one sign-in and one forbidden place; the real shop
// maps are tested in the gateway and in cmd/noren.
type plainShop struct{}

func (plainShop) Zone(_, path, _ string) (noren.Zone, string) {
	switch {
	case strings.HasPrefix(path, "/.env"), strings.HasPrefix(path, "/secret"):
		return noren.ZoneForbidden, path
	case path == "/login":
		return noren.ZoneLogin, path
	}
	return noren.ZoneStorefront, ""
}

func (plainShop) SignIn(method, path, _ string, status int, location string) (noren.Kind, bool, bool) {
	switch {
	case method != "POST" || path != "/login":
		return "", false, false
	case status != 302:
		return noren.LoginAttempt, false, true
	}
	return noren.LoginAttempt, location != "/login", location != ""
}

func (plainShop) Trusts(a netip.Addr) bool    { return a == netip.MustParseAddr("198.51.100.9") }
func (plainShop) SafeQuery(s string) string   { return s }
func (plainShop) SafeReferer(s string) string { return s }

// world is one log, its reader and what it raised.
type world struct {
	t    *testing.T
	dir  string
	path string
	log  Log
	db   *db.DB
	got  *collector
	said *safeBuffer
	n    int // requests written so far
	stop func()
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOn(t, dbtest.Open(t, db.SQLite))
}

func worldOn(t *testing.T, d *db.DB) *world {
	dir := t.TempDir()
	w := &world{t: t, dir: dir, path: filepath.Join(dir, "access.log"), db: d, got: &collector{}, said: &safeBuffer{}}
	w.log = Log{Site: "shop", Path: w.path, Format: "nginx"}
	return w
}

func (w *world) options() Options {
	return Options{
		DB: w.db, Node: "node", Decider: w.got, Shop: func(string) Shop { return plainShop{} },
		Own: func(a netip.Addr) bool { return a.IsLoopback() },
		Log: slog.New(slog.NewTextHandler(w.said, nil)), Poll: 5 * time.Millisecond, Grace: 50 * time.Millisecond,
	}
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r := New(w.options(), []Log{w.log})
	go func() { defer close(done); r.Run(ctx) }()
	w.stop = func() {
		cancel()
		<-done
		w.stop = func() {}
	}
	w.t.Cleanup(func() { w.stop() })
}

// line is a request now.
func line(path string) string { return lineAt(time.Now(), path, 200) }

func lineAt(at time.Time, path string, status int) string {
	return fmt.Sprintf("203.0.113.7 - - [%s] \"GET %s HTTP/1.1\" %d 12 \"-\" \"test\"\n", at.Format(timeLocal), path, status)
}

// write appends n new requests to a file.
func (w *world) write(file string, n int) {
	w.t.Helper()
	var b strings.Builder
	for range n {
		w.n++
		b.WriteString(line(fmt.Sprintf("/%d", w.n)))
	}
	w.append(file, b.String())
}

func (w *world) append(file, text string) {
	w.t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		w.t.Fatal(err)
	}
}

const patience = 30 * time.Second

func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !f(); {
		if time.Now().After(end) {
			w.t.Fatalf("not within %v: %s; got %v\n%s", patience, what, w.got.paths(), w.said)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// settled waits until every request written came through, each once and in
// order.
func (w *world) settled() {
	w.t.Helper()
	w.until(fmt.Sprintf("%d requests", w.n), func() bool { return len(w.got.paths()) >= w.n })
	for i, p := range w.got.paths() {
		if want := fmt.Sprintf("/%d", i+1); p != want {
			w.t.Fatalf("request %d is %s, want %s", i+1, p, want)
		}
	}
}

func (w *world) position() Position {
	w.t.Helper()
	ps, err := Positions(context.Background(), w.db)
	if err != nil || len(ps) != 1 {
		w.t.Fatalf("%v %v", ps, err)
	}
	return ps[0]
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
