package gateway

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"noren"
)

// issue writes a self-signed certificate for names and returns its files.
func issue(t testing.TB, dir string, names ...string) KeyPair {
	t.Helper()
	return issueFor(t, dir, names, nil)
}

func issueFor(t testing.TB, dir string, names []string, ips []net.IP) KeyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: ips,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := KeyPair{Cert: filepath.Join(dir, names[0]+".pem"), Key: filepath.Join(dir, names[0]+".key")}
	for file, block := range map[string]*pem.Block{p.Cert: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func serveTLS(t testing.TB, g *Gateway) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := g.Server()
	go func() { _ = s.ServeTLS(g.Listen(l, true), "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

// ask sends one request over TLS and returns the answer and the certificate's
// serial number.
func ask(t testing.TB, addr, host string, change func(*tls.Config)) (*http.Response, *big.Int, error) {
	t.Helper()
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
	if change != nil {
		change(config)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: len(config.NextProtos) == 2, DisableKeepAlives: true}}
	req, _ := http.NewRequest("GET", "https://"+addr+"/", nil)
	req.Host = host
	req.Header.Set("User-Agent", browserUA)
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	res.Header.Set("X-Test-Body", fmt.Sprint(strings.Contains(string(body), "X-Forwarded-Proto: https\n")))
	return res, res.TLS.PeerCertificates[0].SerialNumber, nil
}

func TestHTTP2OverTLSWithACertificatePerSite(t *testing.T) {
	dir := t.TempDir()
	s := stand(t, func(o *Options) {
		up := o.Settings.Sites[0].Upstream
		a, b := issue(t, dir, "a.example.jp"), issue(t, dir, "b.example.jp", "*.b.example.jp")
		o.Settings.Sites = []Site{
			{Name: "a", Hosts: []string{"a.example.jp"}, Upstream: up, TLS: &a},
			{Name: "b", Hosts: []string{"b.example.jp", "*.b.example.jp"}, Upstream: up, TLS: &b},
		}
	})
	addr := serveTLS(t, s.Gateway)
	serials := map[string]*big.Int{}
	for _, host := range []string{"a.example.jp", "b.example.jp", "www.b.example.jp"} {
		res, serial, err := ask(t, addr, host, nil)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("X-Test-Body") != "true" {
			t.Errorf("%s: status %d over HTTP/%d, https told: %s", host, res.StatusCode, res.ProtoMajor, res.Header.Get("X-Test-Body"))
		}
		serials[host] = serial
	}
	if serials["a.example.jp"].Cmp(serials["b.example.jp"]) == 0 || serials["b.example.jp"].Cmp(serials["www.b.example.jp"]) != 0 {
		t.Errorf("certificates: %v", serials)
	}
	if res, _, err := ask(t, addr, "a.example.jp", func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }); err != nil || res.ProtoMajor != 1 {
		t.Errorf("HTTP/1.1 over TLS: %v", err)
	}
	if _, _, err := ask(t, addr, "c.example.jp", nil); err == nil {
		t.Error("a name without a certificate is served")
	}
	if _, _, err := ask(t, addr, "a.example.jp", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	// The certificate of one site does not open the other's door by mistake:
	// the host decides, not the handshake.
	for _, ev := range s.loop.of(noren.HTTPRequest) {
		if !strings.HasSuffix(ev.Payload.(*noren.Request).Host, ev.Site+".example.jp") {
			t.Errorf("a request for %s is in site %s", ev.Payload.(*noren.Request).Host, ev.Site)
		}
	}
}

func TestChangedCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	pair := issue(t, dir, "a.example.jp")
	s := stand(t, func(o *Options) { o.Settings.Sites[0].TLS = &pair })
	addr := serveTLS(t, s.Gateway)
	serial := func() *big.Int {
		t.Helper()
		s.certs.checked.Store(0) // as if the last look were long ago
		_, n, err := ask(t, addr, "a.example.jp", nil)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := serial()
	issue(t, dir, "a.example.jp")
	second := serial()
	if second.Cmp(first) == 0 {
		t.Error("the new certificate is not used")
	}
	if err := os.WriteFile(pair.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third := serial(); third.Cmp(second) != 0 {
		t.Error("a broken file replaced the certificate")
	}
	site := s.Sites()[0]
	site.TLS = &KeyPair{Cert: filepath.Join(dir, "none.pem"), Key: filepath.Join(dir, "none.key")}
	if err := s.Apply(Settings{Sites: []Site{site}}); err == nil || noren.HintOf(err) == "" && !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a missing certificate: %v", err)
	}
}

// Who was alarmed by a broken certificate is told when it is good again, whether the
// old files were put back as they were or others came.
func TestMendedCertificateIsTold(t *testing.T) {
	dir := t.TempDir()
	pair := issue(t, dir, "a.example.jp")
	var log strings.Builder
	c := newCertificates(slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err := c.load([]KeyPair{pair}); err != nil {
		t.Fatal(err)
	}
	look := func() string {
		log.Reset()
		c.checked.Store(0) // as if the last look were long ago
		c.refresh()
		return log.String()
	}
	breakKey := func() {
		if err := os.Rename(pair.Key, pair.Key+".away"); err != nil {
			t.Fatal(err)
		}
		if got := look(); !strings.Contains(got, "changed certificate cannot be used") {
			t.Errorf("a missing key: %q", got)
		}
	}
	const good = "level=INFO msg=\"certificate is good again\""
	breakKey()
	if err := os.Rename(pair.Key+".away", pair.Key); err != nil {
		t.Fatal(err)
	}
	if got := look(); !strings.Contains(got, good) {
		t.Errorf("the key is back: %q", got)
	}
	if got := look(); got != "" {
		t.Errorf("said again: %q", got)
	}
	breakKey()
	issue(t, dir, "a.example.jp")
	if got := look(); !strings.Contains(got, good) {
		t.Errorf("another certificate: %q", got)
	}
	breakKey()
	issue(t, dir, "a.example.jp")
	if err := c.load([]KeyPair{pair}); err != nil || !strings.Contains(log.String(), good) {
		t.Errorf("read with the configuration: %v, %q", err, log.String())
	}
}

func TestWebSocketsPass(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			rw.Flush()
			line, _ := rw.ReadString('\n')
			fmt.Fprint(rw, "echo "+line)
			rw.Flush()
		})
	})
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", browserUA)
	in := bufio.NewReader(c)
	if line, _ := in.ReadString('\n'); !strings.Contains(line, "101") {
		t.Fatalf("answer %q", line)
	}
	for line := ""; line != "\r\n"; line, _ = in.ReadString('\n') {
	}
	fmt.Fprint(c, "hello\n")
	if line, _ := in.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("through the socket: %q", line)
	}
}

// Events of a stream leave one by one, not when the answer ends.
func TestStreamsAreNotBuffered(t *testing.T) {
	next := make(chan struct{})
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 2 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				<-next
			}
		})
	})
	req, _ := http.NewRequest("GET", s.url+"/events", nil)
	req.Header.Set("User-Agent", browserUA)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	for i := range 2 {
		if line, _ := in.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
			t.Errorf("event %d: %q", i, line)
		}
		_, _ = in.ReadString('\n')
		next <- struct{}{}
	}
}

// Connections are dropped before the shop drops them (Apache and Node after 5
// s), because a POST that meets a closing connection cannot be sent again.
func TestKeptConnectionsAreGivenUpFirst(t *testing.T) {
	if got := NewTransport().IdleConnTimeout; got <= 0 || got >= 5*time.Second {
		t.Errorf("idle connections are kept %s", got)
	}
}

// A client that sends a header or a body drop by drop is cut off in bounded
// time. The clock is the bubble's.
func TestSlowClientsAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &patientReader{src: drip{time.Second}, rc: http.NewResponseController(nullWriter{})}
		begin := time.Now()
		_, err := io.Copy(io.Discard, r)
		if took := time.Since(begin); err != errSlow || took > grace+2*time.Second {
			t.Errorf("a byte a second: %v after %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := &patientReader{src: io.LimitReader(drip{time.Millisecond}, 200_000), rc: http.NewResponseController(nullWriter{})}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("1,000 bytes a second for 200 seconds: %v", err)
		}
	})
	// Past the end of the body the connection has no deadline any more: it
	// would end a shop's long answer.
	w := &deadlineWriter{}
	_, _ = io.Copy(io.Discard, &patientReader{src: strings.NewReader("abc"), rc: http.NewResponseController(w)})
	if len(w.set) != 2 || w.set[0].IsZero() || !w.set[1].IsZero() {
		t.Errorf("deadlines %v, want one and then none", w.set)
	}
	s := stand(t, nil)
	server := s.Server()
	if server.ReadHeaderTimeout <= 0 || server.ReadHeaderTimeout > 30*time.Second || server.IdleTimeout <= 0 || server.MaxHeaderBytes > 1<<20 {
		t.Errorf("limits of the server: %+v", server)
	}
}

// drip gives a few bytes at a time.
type drip struct{ every time.Duration }

func (d drip) Read(b []byte) (int, error) {
	time.Sleep(d.every)
	if d.every >= time.Second {
		b[0] = 'a'
		return 1, nil
	}
	return min(len(b), 2), nil
}

// deadlineWriter notes the deadlines it is given.
type deadlineWriter struct {
	nullWriter
	set []time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.set = append(w.set, t)
	return nil
}

type nullWriter struct{}

func (nullWriter) Header() http.Header         { return nil }
func (nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (nullWriter) WriteHeader(int)             {}

func TestManyHeadersAreRefused(t *testing.T) {
	s := stand(t, nil)
	if got := s.raw("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", maxHeaderLines+1) + "\r\n"); !strings.Contains(got, "431") {
		t.Errorf("many headers: %q", got)
	}
	if got := s.raw("GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 100<<10) + "\r\n\r\n"); !strings.Contains(got, "431") {
		t.Errorf("a long header: %q", got)
	}
	if got := s.raw("GET /" + strings.Repeat("b", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, "414") {
		t.Errorf("a long address: %q", got)
	}
}
