package gateway

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/gateway/waf"
	"noren/kv"
)

// loopback is the loop as far as a gateway sees it: it keeps the events and
// answers what a test says.
type loopback struct {
	mu     sync.Mutex
	events []noren.Event
	answer func(noren.Event) (noren.Decision, error)
}

func (l *loopback) Decide(_ context.Context, ev noren.Event) (noren.Decision, error) {
	if err := ev.Valid(); err != nil {
		return noren.Decision{}, fmt.Errorf("the gateway sent a bad event: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, ev)
	if l.answer != nil {
		return l.answer(ev)
	}
	return noren.Decision{EventID: ev.ID, Verdict: noren.Allow}, nil
}

// of returns the events of a kind.
func (l *loopback) of(k noren.Kind) []noren.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []noren.Event
	for _, ev := range l.events {
		if ev.Kind == k {
			out = append(out, ev)
		}
	}
	return out
}

// verdict makes the loop answer v to one kind and allow the rest.
func verdict(k noren.Kind, v noren.Verdict) func(noren.Event) (noren.Decision, error) {
	return func(ev noren.Event) (noren.Decision, error) {
		if ev.Kind != k {
			return noren.Decision{Verdict: noren.Allow}, nil
		}
		return noren.Decision{Verdict: v, Reasons: []noren.Reason{{Policy: "test", Verdict: v}}}, nil
	}
}

// testSealer seals with one key in memory, like a vault that never rotates.
type testSealer struct {
	key  [32]byte
	aead cipher.AEAD
}

func newSealer(t testing.TB) *testSealer {
	t.Helper()
	s := &testSealer{}
	rand.Read(s.key[:])
	block, err := aes.NewCipher(s.key[:])
	if err != nil {
		t.Fatal(err)
	}
	if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *testSealer) Seal(_ string, _ noren.Subject, _ time.Time, plain, aad []byte) (noren.Sealed, []db.Row, error) {
	return noren.Sealed{Key: "k", Data: s.aead.Seal(nil, nil, plain, aad)}, nil, nil
}

func (s *testSealer) Open(_ context.Context, sealed noren.Sealed, aad []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, sealed.Data, aad)
}

func (s *testSealer) Token(site, field, value string) []byte {
	mac := hmac.New(sha256.New, s.key[:])
	fmt.Fprintf(mac, "%s\x00%s\x00%s", site, field, value)
	return mac.Sum(nil)[:16]
}

// echo is a shop that answers with what it received.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Shop", "yes")
	fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Host)
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Content-Length", "Transfer-Encoding"} {
		fmt.Fprintf(w, "%s: %s\n", name, strings.Join(r.Header[name], "|"))
	}
	for name := range r.Header {
		fmt.Fprintf(w, "has %s\n", name)
	}
	fmt.Fprintf(w, "length %d\nbody %d\n%s", r.ContentLength, len(body), body)
}

func shopServer(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// rules are compiled once for all tests of the package.
var rules = sync.OnceValues(func() (*waf.WAF, error) { return waf.New(waf.Options{Slots: 32}) })

func firewall(t testing.TB) Inspector {
	t.Helper()
	w, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// standing is a gateway on a real loopback listener.
type standing struct {
	*Gateway
	loop *loopback
	url  string
	t    testing.TB
}

// stand starts a gateway before an echoing shop. change may alter the options.
func stand(t testing.TB, change func(*Options)) *standing {
	t.Helper()
	l := &loopback{}
	o := Options{
		Settings: Settings{Sites: []Site{{Name: "shop", Hosts: []string{"*"}, Upstream: shopServer(t, echo), Preset: "eccube4"}}},
		Decider:  l, KV: kv.NewMemory(10_000), Inspector: firewall(t), Token: newSealer(t).Token,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &standing{g, l, serve(t, g, "127.0.0.1:0"), t}
}

func serve(t testing.TB, g *Gateway, addr string) string {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("no listener on %s: %v", addr, err)
	}
	s := g.Server()
	go func() { _ = s.Serve(g.Listen(ln, false)) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + ln.Addr().String()
}

const browserUA = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"

// do sends a request as a browser would; header is "Name: value" lines.
func (s *standing) do(method, target, body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("User-Agent", browserUA)
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	return s.send(req)
}

func (s *standing) send(req *http.Request) (*http.Response, string) {
	s.t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(b)
}

// raw sends bytes as they are and returns the first line of the answer.
func (s *standing) raw(request string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, _ := c.Read(b)
	line, _, _ := strings.Cut(string(b[:n]), "\r\n")
	return line
}

func readText(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// secure serves the same gateway over TLS for the host x and returns its
// address.
func (s *standing) secure(t testing.TB) string {
	t.Helper()
	pair := issueFor(t, t.TempDir(), []string{"x"}, []net.IP{net.IPv4(127, 0, 0, 1)})
	site := s.Sites()[0]
	site.TLS = &pair
	if err := s.Apply(Settings{Sites: []Site{site}, Limits: s.opts.Settings.Limits}); err != nil {
		t.Fatal(err)
	}
	return serveTLS(t, s.Gateway)
}
