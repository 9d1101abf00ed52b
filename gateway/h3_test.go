package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"noren"
	"noren/gateway/h3"
)

// overQUIC starts HTTP/3 before a gateway; the client speaks it to any host.
func overQUIC(t testing.TB, g *Gateway, name string) (*http.Client, *h3.Server) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.HTTP3(conn)
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve()
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name},
		Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, conn.LocalAddr().String(), tc, qc)
		},
	}
	t.Cleanup(func() {
		transport.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}, s
}

func askQUIC(t testing.TB, c *http.Client, method, url, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", browserUA)
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// HTTP/3 is the same door: the visitor's own address, the same limits, the same
// firewall, certificates and refusals.
func TestHTTP3IsTheSameDoor(t *testing.T) {
	pair := issue(t, t.TempDir(), "a.example.jp")
	s := stand(t, func(o *Options) { o.Settings.Sites[0].TLS = &pair; o.Settings.Sites[0].BodyLimit = 1 << 20 })
	c, _ := overQUIC(t, s.Gateway, "a.example.jp")
	res, body, err := askQUIC(t, c, "GET", "https://a.example.jp/products/list?name=%E5%93%81&x=a;b", "")
	if err != nil || res.StatusCode != 200 || res.ProtoMajor != 3 {
		t.Fatalf("%v: %+v", err, res)
	}
	for _, want := range []string{"GET /products/list?name=%E5%93%81&x=a;b a.example.jp\n", "X-Forwarded-For: 127.0.0.1\n", "X-Forwarded-Proto: https\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("the shop did not get %q:\n%s", want, body)
		}
	}
	if ev := s.loop.of(noren.HTTPRequest)[0]; ev.Entities[noren.EntityAddress] != "127.0.0.1" || ev.Payload.(*noren.Request).Protocol != "HTTP/3.0" {
		t.Errorf("event %+v", ev)
	}
	if res, body, err := askQUIC(t, c, "POST", "https://a.example.jp/contact", "contact=x"); err != nil || res.StatusCode != 200 || !strings.HasSuffix(body, "contact=x") {
		t.Errorf("a form: %v, %q", err, body)
	}
	for _, tt := range []struct {
		method, url, body string
		status            int
	}{
		{"POST", "https://a.example.jp/contact", "m=%3Cscript%3Ealert(1)%3C/script%3E", 403},
		{"GET", "https://a.example.jp/.env", "", 403},
		{"GET", "https://b.example.jp/", "", 421},
		{"POST", "https://a.example.jp/upload", strings.Repeat("a", 2<<20), 413},
		{"GET", "https://a.example.jp/?" + strings.Repeat("a", 20<<10), "", 414},
	} {
		if res, _, err := askQUIC(t, c, tt.method, tt.url, tt.body); err != nil || res.StatusCode != tt.status {
			t.Errorf("%s %.60s: %v, %v, want %d", tt.method, tt.url, err, res, tt.status)
		}
	}
	req, _ := http.NewRequest("GET", "https://a.example.jp/", nil)
	req.Header.Set("A", strings.Repeat("b", 100<<10))
	if res, err := c.Do(req); err == nil {
		res.Body.Close()
		if res.StatusCode != 431 {
			t.Errorf("a long header: %d", res.StatusCode)
		}
	}
	stranger, _ := overQUIC(t, s.Gateway, "b.example.jp")
	if _, _, err := askQUIC(t, stranger, "GET", "https://b.example.jp/", ""); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a stranger's name: %v", err)
	}
}

// When the server goes, a request under way gets its whole answer, and new ones
// are not taken.
func TestHTTP3GoesGracefully(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	pair := issue(t, t.TempDir(), "a.example.jp")
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].TLS = &pair
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "first ")
			w.(http.Flusher).Flush()
			close(begun)
			<-finish
			w.Write(bytes.Repeat([]byte("x"), 1<<20))
		})
	})
	c, server := overQUIC(t, s.Gateway, "a.example.jp")
	type answer struct {
		body string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		_, body, err := askQUIC(t, c, "GET", "https://a.example.jp/slow", "")
		got <- answer{body, err}
	}()
	<-begun
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done <- server.Shutdown(ctx)
	}()
	close(finish)
	if a := <-got; a.err != nil || len(a.body) != 1<<20+6 {
		t.Errorf("the request under way: %v, %d bytes", a.err, len(a.body))
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("shutdown: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server does not end")
	}
}

// Alt-Svc is said over TLS while HTTP/3 is served, and never otherwise.
func TestAltSvcOnlyWhileServed(t *testing.T) {
	var on atomic.Bool
	pair := issue(t, t.TempDir(), "a.example.jp")
	s := stand(t, func(o *Options) { o.Settings.Sites[0].TLS = &pair })
	server := s.Server()
	server.Handler = h3.Advertise(server.Handler, on.Load)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close() })
	for _, tt := range []struct {
		on   bool
		want string
	}{{true, `h3=":443"; ma=86400`}, {false, ""}} {
		on.Store(tt.on)
		if res, _, err := ask(t, l.Addr().String(), "a.example.jp", nil); err != nil || res.Header.Get("Alt-Svc") != tt.want {
			t.Errorf("%v: Alt-Svc %q, want %q", err, res.Header.Get("Alt-Svc"), tt.want)
		}
	}
	if res, _ := s.do("GET", "/", ""); res.Header.Get("Alt-Svc") != "" {
		t.Error("Alt-Svc over plain HTTP")
	}
}
