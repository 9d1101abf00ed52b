package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren"
)

// shopFront is one server of a shop that can be killed and started again on the
// same address.
type shopFront struct {
	t    testing.TB
	addr string
	h    http.Handler
	mu   sync.Mutex
	srv  *http.Server
}

func newFront(t testing.TB, h http.HandlerFunc) *shopFront {
	t.Helper()
	f := &shopFront{t: t, addr: "127.0.0.1:0", h: h}
	f.start()
	t.Cleanup(f.kill)
	return f
}

func (f *shopFront) start() {
	f.t.Helper()
	var ln net.Listener
	eventually(f.t, "listen again", func() (err error) {
		ln, err = net.Listen("tcp", f.addr)
		return err
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addr = ln.Addr().String()
	f.srv = &http.Server{Handler: f.h}
	go f.srv.Serve(ln)
}

// kill drops every connection at once, as a killed process does.
func (f *shopFront) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.srv.Close()
}

func (f *shopFront) url() string { return "http://" + f.addr }

// eventually calls f until it succeeds.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// behind is a gateway before several servers, watched.
func behind(t testing.TB, change func(*Site), servers ...Backend) *standing {
	t.Helper()
	s := stand(t, func(o *Options) {
		site := &o.Settings.Sites[0]
		site.Upstream, site.Upstreams, site.Preset = "", servers, "generic"
		o.KV = nil
		if change != nil {
			change(site)
		}
	})
	watch(t, s.Gateway)
	return s
}

func watch(t testing.TB, g *Gateway) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.WatchUpstreams(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
}

func named(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, name)
	}
}

func TestUpstreamsAreChecked(t *testing.T) {
	ok := Site{Name: "s", Hosts: []string{"x.example"}}
	tests := []struct {
		name   string
		change func(*Site)
		want   string // part of the fault; "" for none
	}{
		{"one", func(s *Site) { s.Upstream = "http://127.0.0.1:1" }, ""},
		{"several", func(s *Site) { s.Upstreams = []Backend{{URL: "http://a:1"}, {URL: "https://b", Backup: true}} }, ""},
		{"a socket", func(s *Site) { s.Upstream = "unix:/run/shop.sock" }, ""},
		{"a socket without a path", func(s *Site) { s.Upstream = "unix:shop.sock" }, "not a socket"},
		{"a socket with a host", func(s *Site) { s.Upstream = "unix://host/shop.sock" }, "not a socket"},
		{"both", func(s *Site) { s.Upstream, s.Upstreams = "http://a:1", []Backend{{URL: "http://b:1"}} }, "either"},
		{"none", func(*Site) {}, "not an address"},
		{"twice", func(s *Site) { s.Upstreams = []Backend{{URL: "http://a:1"}, {URL: "http://a:1", Backup: true}} }, "twice"},
		{"backups only", func(s *Site) { s.Upstreams = []Backend{{URL: "http://a:1", Backup: true}} }, "every upstream is a backup"},
		{"too many", func(s *Site) {
			for i := range 9 {
				s.Upstreams = append(s.Upstreams, Backend{URL: fmt.Sprintf("http://a:%d", i+1)})
			}
		}, "more than 8"},
		{"TLS without https", func(s *Site) { s.Upstream, s.UpstreamTLS = "http://a:1", &UpstreamTLS{} }, "for an https"},
		{"half a key pair", func(s *Site) { s.Upstream, s.UpstreamTLS = "https://a", &UpstreamTLS{Cert: "x"} }, "both cert and key"},
		{"health path", func(s *Site) { s.Upstream, s.Health = "http://a:1", &Health{Path: "//evil"} }, "not a path"},
		{"health time", func(s *Site) { s.Upstream, s.Health = "http://a:1", &Health{Every: "1ms"} }, "not a time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := ok
			tt.change(&s)
			err := s.Valid()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Two servers share the work; when one is killed not one request fails, and the
// visitors do not notice when it comes back.
func TestKilledServerIsNotNoticed(t *testing.T) {
	a, b := newFront(t, named("a")), newFront(t, named("b"))
	s := behind(t, nil, Backend{URL: a.url()}, Backend{URL: b.url()})
	seen := map[string]int{}
	ask := func() {
		res, body := s.do("POST", "/cart", "x=1")
		if res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
		seen[body]++
	}
	for range 20 {
		ask()
	}
	if seen["a"] == 0 || seen["b"] == 0 {
		t.Errorf("the work is not shared: %v", seen)
	}
	a.kill()
	clear(seen)
	for range 20 {
		ask()
	}
	if seen["b"] != 20 {
		t.Errorf("after a was killed: %v", seen)
	}
	eventually(t, "a is down", func() error { return inState(s, a, serverDown) })
	a.start()
	eventually(t, "a is well again", func() error { return inState(s, a, serverUp) })
	eventually(t, "the changes are recorded", func() error {
		if ev := s.loop.of(noren.UpstreamChange); len(ev) != 2 || ev[0].Payload.(*noren.ServerState).State != "down" || ev[1].Payload.(*noren.ServerState).State != "up" {
			return fmt.Errorf("%d events", len(ev))
		}
		return nil
	})
}

func inState(s *standing, f *shopFront, want serverState) error {
	for _, b := range s.state.Load().shops["shop"].pool.backends {
		if b.URL == f.url() && b.now() != want {
			return fmt.Errorf("state is %s, want %s", b.now(), want)
		}
	}
	return nil
}

// TestOrdersGoOnAtTheBackup: the primary dies in the middle of orders (Y43: the
// switch takes less than a minute). Of the orders under way those that may have
// arrived are answered 502, once; the next go to the backup.
func TestOrdersGoOnAtTheBackup(t *testing.T) {
	var mu sync.Mutex
	orders := map[string]int{}
	take := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				mu.Lock()
				orders[r.FormValue("order")]++
				mu.Unlock()
			}
			io.WriteString(w, name)
		}
	}
	primary, backup := newFront(t, take("primary")), newFront(t, take("backup"))
	s := behind(t, nil, Backend{URL: primary.url()}, Backend{URL: backup.url(), Backup: true})
	order := func(i int) (string, int) {
		res, body := s.do("POST", "/order/confirm", fmt.Sprintf("order=%d", i))
		return body, res.StatusCode
	}
	for i := range 10 {
		if at, status := order(i); at != "primary" || status != 200 {
			t.Fatalf("order %d: %d at %q", i, status, at)
		}
	}
	primary.kill()
	killed := time.Now()
	for i := 10; i < 30; i++ {
		if at, status := order(i); at != "backup" || status != 200 {
			t.Fatalf("order %d after the primary died: %d at %q", i, status, at)
		}
		if i == 10 {
			t.Logf("the first order was taken at the backup %s after the primary died", time.Since(killed).Round(time.Millisecond))
		}
	}
	primary.start()
	eventually(t, "the primary has the work again", func() error {
		if at, _ := order(1000); at != "primary" {
			return fmt.Errorf("still at %s", at)
		}
		return nil
	})
	for i := range 30 {
		if orders[fmt.Sprint(i)] != 1 {
			t.Errorf("order %d was placed %d times", i, orders[fmt.Sprint(i)])
		}
	}
}

// A server that accepts and never answers is found by the probes.
func TestHungServerIsLeft(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() { // half open: takes connections and says nothing
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	well := newFront(t, named("well"))
	s := behind(t, func(s *Site) { s.Health = &Health{Timeout: "200ms", Every: "1s"} },
		Backend{URL: "http://" + ln.Addr().String()}, Backend{URL: well.url(), Backup: true})
	eventually(t, "the hung server is unwell", func() error { return inState(s, &shopFront{addr: ln.Addr().String()}, serverUnwell) })
	if res, body := s.do("POST", "/order", "a=b"); res.StatusCode != 200 || body != "well" {
		t.Errorf("%d at %q, want the backup", res.StatusCode, body)
	}
	// It alone left, it is asked: a slow shop is not shut by its own probes.
	well.kill()
	eventually(t, "the backup is down", func() error { return inState(s, well, serverDown) })
	p := s.state.Load().shops["shop"].pool
	if b := p.pick(nil); b == nil || b.Backup {
		t.Errorf("picked %v, want the unwell server", b)
	}
}

func TestErrorsOfTheFrontPageNeverShutTheShop(t *testing.T) {
	broken := newFront(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.WriteHeader(500)
		}
	})
	s := behind(t, func(s *Site) { s.Health = &Health{Every: "1s"} }, Backend{URL: broken.url()})
	eventually(t, "unwell", func() error { return inState(s, broken, serverUnwell) })
	if res, _ := s.do("POST", "/cart", "a=b"); res.StatusCode != 200 {
		t.Errorf("status %d: the cart works", res.StatusCode)
	}
}

// TestStandbyPage: all down shows the standby page at once, in both languages,
// and the shop is back within seconds of its return.
func TestStandbyPage(t *testing.T) {
	a, b := newFront(t, named("a")), newFront(t, named("b"))
	s := behind(t, nil, Backend{URL: a.url()}, Backend{URL: b.url(), Backup: true})
	a.kill()
	b.kill()
	for lang, want := range map[string]string{"ja": "ただいまメンテナンス中です", "en": "We are under maintenance"} {
		for range 5 {
			res, body := s.do("POST", "/order", "a=b", "Accept-Language: "+lang)
			if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, want) {
				t.Fatalf("%s: status %d, Retry-After %q: %.300s", lang, res.StatusCode, res.Header.Get("Retry-After"), body)
			}
		}
	}
	eventually(t, "both are down", func() error {
		if err := inState(s, a, serverDown); err != nil {
			return err
		}
		return inState(s, b, serverDown)
	})
	a.start()
	eventually(t, "the shop is back", func() error {
		if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
}

// A reload that leaves the servers alone keeps what is known of them.
func TestReloadKeepsWhatIsKnown(t *testing.T) {
	a, b := newFront(t, named("a")), newFront(t, named("b"))
	s := behind(t, nil, Backend{URL: a.url()}, Backend{URL: b.url()})
	a.kill()
	eventually(t, "a is down", func() error { return inState(s, a, serverDown) })
	site := s.Sites()[0]
	site.Title.En = "changed"
	if err := s.Apply(Settings{Sites: []Site{site}}); err != nil {
		t.Fatal(err)
	}
	if err := inState(s, a, serverDown); err != nil {
		t.Error(err)
	}
}

// Who flaps must prove itself longer every time.
func TestFlappingServerStaysOut(t *testing.T) {
	b, now := &backend{}, time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	var wanted []int
	for i := range 6 {
		b.leave(serverDown, now.Add(time.Duration(i)*10*time.Second))
		wanted = append(wanted, b.wanted(now.Add(time.Duration(i)*10*time.Second)))
		b.state = serverUp
	}
	if fmt.Sprint(wanted) != "[2 4 8 16 16 16]" {
		t.Errorf("good probes wanted: %v", wanted)
	}
	later := now.Add(time.Hour)
	b.leave(serverDown, later)
	if b.wanted(later) != wellAfter {
		t.Errorf("an hour later: %d", b.wanted(later))
	}
}

// TestIdempotencyKeyRepeatsNothing: the standard library would send such a POST
// again when a kept connection breaks; the shop has not said that it may.
func TestIdempotencyKeyRepeatsNothing(t *testing.T) {
	var arrived atomic.Int64
	s := stand(t, func(o *Options) {
		o.KV = nil
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.Method == "POST" {
				arrived.Add(1)
				c, _, _ := w.(http.Hijacker).Hijack()
				c.Close()
			}
		})
	})
	for _, body := range []string{"order=1", ""} {
		arrived.Store(0)
		s.do("GET", "/", "") // leaves a kept connection
		if res, _ := s.do("POST", "/order", body, "Idempotency-Key: k"); res.StatusCode != 502 {
			t.Errorf("status %d, want 502", res.StatusCode)
		}
		if n := arrived.Load(); n != 1 {
			t.Errorf("body %q arrived %d times", body, n)
		}
	}
}

// Asking again is done once.
func TestBrokenGetIsTriedOnceMore(t *testing.T) {
	var arrived atomic.Int64
	broken := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") == healthAgent {
			return
		}
		arrived.Add(1)
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	}
	a, b := newFront(t, broken), newFront(t, broken)
	s := behind(t, nil, Backend{URL: a.url()}, Backend{URL: b.url()})
	for method, want := range map[string]int64{"GET": 2, "PUT": 1, "DELETE": 1, "POST": 1} {
		arrived.Store(0)
		if res, _ := s.do(method, "/x", ""); res.StatusCode != 502 {
			t.Errorf("%s: status %d", method, res.StatusCode)
		}
		if n := arrived.Load(); n != want {
			t.Errorf("%s arrived %d times, want %d", method, n, want)
		}
	}
}

// TestNoPostArrivesTwice: ten thousand requests while the servers are killed,
// hang up before and in the middle of their answers and start again.
func TestNoPostArrivesTwice(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	requests := 10_000
	if testing.Short() {
		requests = 1_000
	}
	var mu sync.Mutex
	arrived := map[string]int{}
	shop := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := r.URL.Query().Get("id")
		if id == "" {
			return // a probe
		}
		mu.Lock()
		arrived[r.Method+id]++
		mu.Unlock()
		switch n := len(id) + int(id[len(id)-1]); {
		case strings.HasSuffix(id, "7"): // hangs up without an answer
			c, _, _ := w.(http.Hijacker).Hijack()
			if n%2 == 0 {
				c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
		case strings.HasSuffix(id, "13"): // resets in the middle
			w.Header().Set("Content-Length", "1000")
			w.Write(body)
			http.NewResponseController(w).Flush()
			c, _, _ := w.(http.Hijacker).Hijack()
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		default:
			fmt.Fprintf(w, "%d", len(body))
		}
	}
	fronts := []*shopFront{newFront(t, shop), newFront(t, shop), newFront(t, shop)}
	s := behind(t, func(s *Site) { s.WAF = WAFOff }, Backend{URL: fronts[0].url()}, Backend{URL: fronts[1].url()}, Backend{URL: fronts[2].url(), Backup: true})

	stop := make(chan struct{})
	var chaos sync.WaitGroup
	chaos.Go(func() {
		rng := mathrand.New(mathrand.NewPCG(seed, 1))
		for {
			f := fronts[rng.IntN(len(fronts))]
			f.kill()
			wait(stop, time.Duration(rng.IntN(200))*time.Millisecond)
			f.start()
			if wait(stop, time.Duration(rng.IntN(800))*time.Millisecond) {
				return
			}
		}
	})
	var statuses [600]atomic.Int64
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			rng := mathrand.New(mathrand.NewPCG(seed, uint64(w)+100))
			for i := w; i < requests; i += 8 {
				status := oneRequest(t, client, s.url, i, rng)
				statuses[status].Add(1)
				if status == 503 {
					wait(stop, 100*time.Millisecond) // as visitors do
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	chaos.Wait()
	mu.Lock()
	defer mu.Unlock()
	posts := 0
	for id, n := range arrived {
		if strings.HasPrefix(id, "POST") {
			if posts++; n > 1 {
				t.Errorf("%s arrived %d times", id, n)
			}
		} else if n > 2 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
	for status := range statuses {
		if n := statuses[status].Load(); n > 0 {
			t.Logf("status %d: %d", status, n)
		}
	}
	t.Logf("%d different POSTs arrived", posts)
	if posts < requests/4 || statuses[200].Load() < int64(requests)/2 {
		t.Error("too little arrived for the test to say anything")
	}
}

// wait waits d and reports whether stop was closed.
func wait(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(d):
		return false
	}
}

// oneRequest sends request i, some with a key that claims it may be repeated, and
// returns its status; a broken answer is 599.
func oneRequest(t *testing.T, client *http.Client, base string, i int, rng *mathrand.Rand) int {
	method, body := "GET", io.Reader(nil)
	if rng.IntN(2) == 0 {
		method = "POST"
		if rng.IntN(4) > 0 {
			body = strings.NewReader(strings.Repeat("a=b&", rng.IntN(2000)))
		}
	}
	// The visitor's own client must not repeat anything.
	req, err := http.NewRequest(method, fmt.Sprintf("%s/x?id=%d", base, i), body)
	if err != nil {
		t.Error(err)
		return 599
	}
	if req.GetBody = nil; body == nil {
		req.Body = emptyBody{}
	}
	req.Header.Set("User-Agent", browserUA)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if method == "POST" && rng.IntN(3) == 0 && body != nil {
		req.Header.Set("Idempotency-Key", fmt.Sprint(i))
	}
	if rng.IntN(5) == 0 { // streamed on, not kept
		req.Header.Set("Content-Type", "image/png")
		if method == "POST" {
			req.Body = io.NopCloser(strings.NewReader("\x89PNG\r\n\x1a\n" + strings.Repeat("\x00\xff", 9000)))
			req.ContentLength = -1
		}
	}
	res, err := client.Do(req)
	if err != nil {
		return 599
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 599
	}
	return res.StatusCode
}

func TestUnixSocketUpstream(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "noren-sock") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sock := filepath.Join(dir, "shop.sock")
	ln, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(echo)}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	s := behind(t, nil, Backend{URL: "unix:" + sock})
	res, body := s.do("POST", "/cart", "a=b", "Host: shop.example.jp")
	if res.StatusCode != 200 || !strings.Contains(body, "POST /cart shop.example.jp") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	srv.Close()
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 503 {
		t.Errorf("a socket nobody listens on: %d", res.StatusCode)
	}
}

// pki is a CA of the shop's own with a server's and a client's certificate.
func pki(t *testing.T) (ca, cert, key string, server tls.Certificate, pool *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	caKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	caTmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, caTmpl, caTmpl, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(n int64, name string, usage x509.ExtKeyUsage) ([]byte, []byte) {
		k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, caTmpl, &k.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		kd, _ := x509.MarshalECPrivateKey(k)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kd})
	}
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	sc, sk := issue(2, "origin.internal", x509.ExtKeyUsageServerAuth)
	cc, ck := issue(3, "noren", x509.ExtKeyUsageClientAuth)
	server, err = tls.X509KeyPair(sc, sk)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(caPEM)
	return write("ca.pem", caPEM), write("noren.pem", cc), write("noren.key", ck), server, pool
}

// TestOriginLockedByMTLS: the shop's server takes connections from Noren alone,
// and Noren only the server that its own CA vouches for.
func TestOriginLockedByMTLS(t *testing.T) {
	ca, cert, key, server, pool := pki(t)
	shop := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	shop.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	shop.StartTLS()
	t.Cleanup(shop.Close)
	tests := []struct {
		name string
		tls  *UpstreamTLS
		want int
	}{
		{"both sides known", &UpstreamTLS{CA: ca, Cert: cert, Key: key, ServerName: "origin.internal"}, 200},
		{"no certificate of Noren's", &UpstreamTLS{CA: ca, ServerName: "origin.internal"}, 502},
		{"a server of another name", &UpstreamTLS{CA: ca, Cert: cert, Key: key, ServerName: "other.internal"}, 503},
		{"a CA nobody trusts", &UpstreamTLS{Cert: cert, Key: key, ServerName: "origin.internal"}, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := behind(t, func(s *Site) { s.UpstreamTLS = tt.tls }, Backend{URL: shop.URL})
			if res, body := s.do("POST", "/cart", "a=b"); res.StatusCode != tt.want {
				t.Errorf("status %d, want %d: %.200s", res.StatusCode, tt.want, body)
			}
		})
	}
	if err := (&UpstreamTLS{CA: cert + "x"}).valid(); err == nil {
		t.Error("a CA file that is not there is accepted")
	}
}

func (t *UpstreamTLS) valid() error { _, err := t.config(); return err }
