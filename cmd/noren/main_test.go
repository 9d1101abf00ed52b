package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"noren"
	"noren/db"
	"noren/gateway"
	"noren/lab/peer"
	"noren/settings"
)

// TestMain makes this test program double as noren: scripts and tests that need
// a process of its own run it by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"noren": main})
}

// patience bounds every wait for something that must happen. It is generous,
// because it only matters to a test that fails.
const patience = 60 * time.Second

// until polls ok and reports false when it did not come true in time.
func until(ok func() bool) bool {
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// await ends the test when ok does not come true in time.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !until(ok) {
		t.Fatalf("%s: not within %s", what, patience)
	}
}

// ports hands out loopback ports that nothing listens on, each once per run.
type ports struct {
	mu   sync.Mutex
	used map[string]bool
}

func (p *ports) free() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 100 {
		n, err := peer.FreePort()
		if err != nil {
			return "", err
		}
		if port := strconv.Itoa(n); !p.used[port] {
			if p.used == nil {
				p.used = map[string]bool{}
			}
			p.used[port] = true
			return port, nil
		}
	}
	return "", fmt.Errorf("no free port")
}

// logBuffer is a log that a test can read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// testInstance is an instance as serve would run it, without listeners.
type testInstance struct {
	*instance
	gateway *gateway.Gateway
	access  *gateway.AccessLog
	log     *logBuffer
}

// instanceWants are the choices of a test.
type instanceWants struct {
	cfg     *Config
	initial settings.Set
	faults  func(db.FaultPoint) db.Fault
}

// open opens an instance with its gateway; the test closes it.
func open(t testing.TB, w instanceWants) *testInstance {
	t.Helper()
	log := &logBuffer{}
	in, err := openInstance(t.Context(), w.cfg, wants{create: true, getenv: os.Getenv, initial: w.initial, faults: w.faults}, log.logger())
	if err != nil {
		t.Fatalf("open instance: %v\n%s", err, log)
	}
	ti := &testInstance{instance: in, log: log}
	t.Cleanup(func() { ti.close(t) })
	if ti.gateway, ti.access, err = in.openGateway(); err != nil {
		t.Fatal(err)
	}
	in.run(t.Context())
	return ti
}

// close ends what open began, once.
func (ti *testInstance) close(t testing.TB) {
	t.Helper()
	if ti.instance == nil {
		return
	}
	if ti.access != nil {
		ti.access.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := ti.instance.Close(ctx); err != nil {
		t.Errorf("close instance: %v\n%s", err, ti.log)
	}
	ti.instance = nil
}

// flush waits until everything decided so far is in the database.
func (ti *testInstance) flush(t testing.TB) {
	t.Helper()
	ti.loop.Flush(t.Context())
	if err := ti.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the spool drains", func() bool { n, _ := ti.journal.Spooled(); return n == 0 })
	if err := ti.access.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ask sends a GET through the gateway as a client would and returns the answer.
func (ti *testInstance) ask(t testing.TB, host, client, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://"+host+target, nil)
	r.RemoteAddr = net.JoinHostPort(client, "40000")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	ti.gateway.ServeHTTP(rec, r)
	return rec
}

// decide takes an event through the loop.
func (ti *testInstance) decide(t testing.TB, ev noren.Event) noren.Decision {
	t.Helper()
	d, err := ti.loop.Decide(t.Context(), ev)
	if err != nil {
		t.Fatalf("%s: %v\n%s", ev.Kind, err, ti.log)
	}
	return d
}

// configFor is a configuration whose data lie in dir.
func configFor(dir, url string, sites ...gateway.Site) *Config {
	c := &Config{Version: 1, Data: filepath.Join(dir, "data"), dir: dir, Sites: sites}
	c.Database.URL = url
	c.Listen.HTTP = "127.0.0.1:0"
	c.fill()
	return c
}

// siteFor is a site of one host before a shop.
func siteFor(name, host, upstream string) gateway.Site {
	return gateway.Site{Name: name, Hosts: []string{host}, Upstream: upstream, Preset: "generic"}
}

// startShop starts a tiny upstream that answers everything with its name.
func startShop(t testing.TB, name string) string {
	t.Helper()
	s := httptest.NewServer(tinyShop(name))
	t.Cleanup(s.Close)
	return s.URL
}

func tinyShop(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s here, %s %s\n", name, r.Method, r.URL.Path)
	})
}

// eachFile calls f with every file below dir.
func eachFile(t testing.TB, dir string, f func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			f(path, b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func contains(b []byte, markers ...string) string {
	low := bytes.ToLower(b)
	for _, m := range markers {
		if bytes.Contains(low, []byte(strings.ToLower(m))) {
			return m
		}
	}
	return ""
}
