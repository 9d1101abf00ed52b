package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"noren"
)

// Names that are nobody's, and handshakes without a name, get no certificate:
// the alert is unrecognized_name.
func TestStrangersGetNoCertificate(t *testing.T) {
	pair := issue(t, t.TempDir(), "a.example.jp")
	s := stand(t, func(o *Options) { o.Settings.Sites[0].TLS = &pair })
	addr := serveTLS(t, s.Gateway)
	for _, name := range []string{"b.example.jp", "", "a.example.jp.evil.example", "xn--zz.example"} {
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			c.Close()
			t.Errorf("%q got a certificate", name)
		} else if !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A site whose host is an address is found by the address the visitor came to.
func TestAddressAsHost(t *testing.T) {
	dir := t.TempDir()
	other := issue(t, dir, "a.example.jp")
	pair := issueFor(t, dir, []string{"ip"}, []net.IP{net.IPv4(127, 0, 0, 1)})
	s := stand(t, func(o *Options) {
		up := o.Settings.Sites[0].Upstream
		o.Settings.Sites = []Site{{Name: "a", Hosts: []string{"a.example.jp"}, Upstream: up, TLS: &other}, {Name: "b", Hosts: []string{"127.0.0.1"}, Upstream: up, TLS: &pair}}
	})
	addr := serveTLS(t, s.Gateway)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	req, _ := http.NewRequest("GET", "https://"+addr+"/", nil)
	req.Header.Set("User-Agent", browserUA)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || len(res.TLS.PeerCertificates[0].IPAddresses) != 1 {
		t.Errorf("status %d with the certificate of %v", res.StatusCode, res.TLS.PeerCertificates[0].DNSNames)
	}
}

// RFC 9110, 7.4, and RFC 9113, 9.1.1: one connection may carry several hosts
// when the certificate of its handshake covers them, and no others.
func TestHostAndHandshake(t *testing.T) {
	dir := t.TempDir()
	s := stand(t, func(o *Options) {
		up := o.Settings.Sites[0].Upstream
		a, c := issue(t, dir, "a.example.jp", "www.a.example.jp", "*.b.example.jp"), issue(t, dir, "c.example.jp")
		o.Settings.Sites = []Site{
			{Name: "a", Hosts: []string{"a.example.jp", "www.a.example.jp", "x.b.example.jp"}, Upstream: up, TLS: &a},
			{Name: "c", Hosts: []string{"c.example.jp"}, Upstream: up, TLS: &c},
		}
	})
	addr := serveTLS(t, s.Gateway)
	for _, tt := range []struct {
		name, host string
		status     int
	}{
		{"a.example.jp", "a.example.jp", 200},
		{"a.example.jp", "A.example.jp:443", 200},
		{"A.EXAMPLE.JP", "a.example.jp", 200},
		{"a.example.jp", "www.a.example.jp", 200},
		{"x.b.example.jp", "a.example.jp", 200},
		{"a.example.jp", "c.example.jp", 421},
		{"c.example.jp", "a.example.jp", 421},
		{"a.example.jp", "stranger.example", 421},
	} {
		for _, proto := range []string{"h2", "http/1.1"} {
			res, _, err := ask(t, addr, tt.host, func(c *tls.Config) {
				c.ServerName = tt.name
				if proto == "http/1.1" {
					c.NextProtos = []string{proto}
				}
			})
			if err != nil {
				t.Fatalf("%s for %s: %v", tt.name, tt.host, err)
			}
			if res.StatusCode != tt.status {
				t.Errorf("handshake for %s, host %s over %s: %d, want %d", tt.name, tt.host, proto, res.StatusCode, tt.status)
			}
		}
	}
	if ev := s.loop.of(noren.HTTPBlocked); len(ev) == 0 || ev[0].Payload.(*noren.Blocked).Rule != "server_name" {
		t.Errorf("events %+v", ev)
	}
}

// Only suites with forward secrecy and authenticated encryption are agreed on,
// and a visitor who comes back resumes.
func TestSuitesAndTickets(t *testing.T) {
	pair := issue(t, t.TempDir(), "a.example.jp")
	s := stand(t, func(o *Options) { o.Settings.Sites[0].TLS = &pair })
	addr := serveTLS(t, s.Gateway)
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "a.example.jp", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if err != nil {
			continue
		}
		c.Close()
		if !strings.Contains(suite.Name, "ECDHE") || !strings.Contains(suite.Name, "GCM") && !strings.Contains(suite.Name, "POLY1305") {
			t.Errorf("%s is spoken", suite.Name)
		}
	}
	sessions := tls.NewLRUClientSessionCache(4)
	for i := range 2 {
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "a.example.jp", InsecureSkipVerify: true, ClientSessionCache: sessions, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		// The ticket comes behind the handshake, with the first answer.
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example.jp\r\nUser-Agent: "+browserUA+"\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, c)
		if c.ConnectionState().DidResume != (i == 1) {
			t.Errorf("visit %d resumed: %v", i+1, c.ConnectionState().DidResume)
		}
		c.Close()
	}
}

// challenger is an issuer with one challenge under way.
type challenger struct{ cert *tls.Certificate }

func (c challenger) GetCertificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if h.ServerName != "a.example.jp" {
		return nil, nil
	}
	return c.cert, nil
}
func (c challenger) Certificate(host string) *tls.Certificate {
	if host == "a.example.jp" {
		return c.cert
	}
	return nil
}
func (challenger) Challenge(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/known") {
		return false
	}
	io.WriteString(w, "known.key")
	return true
}

// A challenge is answered before hosts, bans and redirects are looked at and
// leaves nothing in the journal; an unknown one goes the way of every request,
// for the shop may have a client of its own.
func TestChallengesComeFirst(t *testing.T) {
	cert := load(t, issue(t, t.TempDir(), "a.example.jp"))
	s := stand(t, func(o *Options) {
		o.Issuer = challenger{cert}
		o.Settings.Sites[0].Hosts, o.Settings.Sites[0].TLS = []string{"a.example.jp"}, &KeyPair{ACME: true}
		o.Settings.Sites[0].HTTPSOnly = true
	})
	if res, body := s.do("GET", "/.well-known/acme-challenge/known", "", "Host: elsewhere.example"); res.StatusCode != 200 || body != "known.key" {
		t.Errorf("a challenge: %d %q", res.StatusCode, body)
	}
	if n := len(s.loop.events); n != 0 {
		t.Errorf("%d events of a challenge", n)
	}
	res, _ := s.do("GET", "/.well-known/acme-challenge/other", "", "Host: a.example.jp")
	if res.StatusCode != 308 || res.Header.Get("Location") != "https://a.example.jp/.well-known/acme-challenge/other" {
		t.Errorf("an unknown challenge: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	addr := serveTLS(t, s.Gateway)
	if res, _, err := ask(t, addr, "a.example.jp", nil); err != nil || res.StatusCode != 200 {
		t.Errorf("the issuer's certificate: %v", err)
	}
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "a.example.jp", InsecureSkipVerify: true, NextProtos: []string{acmeALPN}})
	if err != nil || c.ConnectionState().NegotiatedProtocol != acmeALPN {
		t.Fatalf("tls-alpn-01: %v", err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example.jp\r\n\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("a challenge's connection serves %q", b)
	}
}

func TestHTTPSOnly(t *testing.T) {
	pair := issue(t, t.TempDir(), "a.example.jp")
	s := stand(t, func(o *Options) {
		o.HTTPSPort = 8443
		o.Settings.Sites[0].TLS, o.Settings.Sites[0].HTTPSOnly = &pair, true
		o.Settings.Sites[0].Headers.HSTS = &HSTS{Since: "2020-01-01"}
	})
	for _, tt := range []struct{ host, target, want string }{
		{"a.example.jp", "/cart?a=1;b=%zz", "https://a.example.jp/cart?a=1;b=%zz"},
		{"a.example.jp:8080", "/", "https://a.example.jp:8443/"},
		{"[2001:db8::1]:8080", "/a%2Fb", "https://[2001:db8::1]:8443/a%2Fb"},
		{"a.example.jp", "//evil.example/", "https://a.example.jp//evil.example/"},
	} {
		before := len(s.loop.events)
		res, _ := s.do("POST", tt.target, "password=secret", "Host: "+tt.host)
		if res.StatusCode != 308 || res.Header.Get("Location") != tt.want || len(s.loop.events) != before {
			t.Errorf("%s%s: %d to %q, want %q", tt.host, tt.target, res.StatusCode, res.Header.Get("Location"), tt.want)
		}
		if res.Header.Get("Strict-Transport-Security") != "" {
			t.Error("HSTS over plain HTTP")
		}
	}
	if res, _, err := ask(t, serveTLS(t, s.Gateway), "a.example.jp", nil); err != nil || res.StatusCode != 200 || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("over HTTPS: %v, HSTS %q", err, res.Header.Get("Strict-Transport-Security"))
	}
	if got := s.raw("GET / HTTP/1.1\r\nHost: a.example.jp/evil\r\n\r\n"); !strings.Contains(got, "400") {
		t.Errorf("a host that is none: %q", got)
	}
}

func load(t testing.TB, p KeyPair) *tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	if c.Leaf == nil {
		c.Leaf, _ = x509.ParseCertificate(c.Certificate[0])
	}
	return &c
}

func TestHSTSGrowsOverAMonth(t *testing.T) {
	h := HSTS{Since: "2026-11-01", IncludeSubdomains: true, Preload: true}
	for _, tt := range []struct{ at, want string }{
		{"2026-10-01T00:00:00Z", "max-age=300; includeSubDomains"},
		{"2026-11-01T12:00:00Z", "max-age=300; includeSubDomains"},
		{"2026-11-03T00:00:00Z", "max-age=86400; includeSubDomains"},
		{"2026-11-09T00:00:00Z", "max-age=604800; includeSubDomains"},
		{"2026-12-02T00:00:00Z", "max-age=31536000; includeSubDomains; preload"},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.value(at); got != tt.want {
			t.Errorf("on %s: %q, want %q", tt.at, got, tt.want)
		}
	}
	short := HSTS{Since: "2026-11-01", MaxAge: 60}
	if got := short.value(time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)); got != "max-age=60" {
		t.Errorf("never longer than asked: %q", got)
	}
}
