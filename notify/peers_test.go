package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// post is a real mail server on loopback that keeps what it is given.
type post struct {
	addr  string
	roots *x509.CertPool

	mu     sync.Mutex
	mails  []mailSeen
	refuse error
	users  int // that signed in
}

type mailSeen struct {
	to  string
	raw []byte
	tls bool
}

func (p *post) all() []mailSeen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mailSeen(nil), p.mails...)
}

func (p *post) setRefuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = err
}

// startPost serves with STARTTLS, with TLS from the first byte, or with neither.
func startPost(t testing.TB, how string) *post {
	t.Helper()
	p := &post{}
	cert, pool := certificate(t)
	p.roots = pool
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &postSession{p: p, c: c}, nil }))
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.Domain, s.AllowInsecureAuth = "localhost", how == noTLS
	s.ReadTimeout, s.WriteTimeout, s.MaxMessageBytes = 10*time.Second, 10*time.Second, 1<<20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch how {
	case startTLS:
		s.TLSConfig = config
	case fullTLS:
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return p
}

type postSession struct {
	p  *post
	c  *smtp.Conn
	to string
}

func (s *postSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *postSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "noren" || password != "correct horse" {
			return &smtp.SMTPError{Code: 535, Message: "no"}
		}
		s.p.mu.Lock()
		defer s.p.mu.Unlock()
		s.p.users++
		return nil
	}), nil
}
func (s *postSession) Reset()                                    {}
func (s *postSession) Logout() error                             { return nil }
func (s *postSession) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *postSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, secure := s.c.TLSConnectionState()
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if s.p.refuse != nil {
		return s.p.refuse
	}
	s.p.mails = append(s.p.mails, mailSeen{s.to, raw, secure})
	return nil
}

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// mailTo is a way to p.
func mailTo(t testing.TB, p *post) *Mail {
	t.Helper()
	m, err := NewMail(MailOptions{Server: p.addr, TLS: startTLS, User: "noren", Password: "correct horse", From: "noren@shop.test", RootCAs: p.roots})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// called is a real receiver of webhooks.
type called struct {
	mu     sync.Mutex
	bodies [][]byte
	heads  []http.Header
	status int
	server *httptest.Server
}

func startHook(t testing.TB) *called {
	t.Helper()
	c := &called{status: http.StatusOK}
	c.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies, c.heads = append(c.bodies, body), append(c.heads, r.Header)
		if c.status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.server.Close)
	return c
}

func (c *called) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.bodies)
}

func (c *called) hook(t testing.TB, o HookOptions) *Hook {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(c.server.Certificate())
	o.Name, o.URL, o.RootCAs = "chat", c.server.URL, pool
	if o.Allow == nil {
		o.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	h, err := NewHook(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

// noon is a Friday noon in Japan.
func noon() *clock { return &clock{at: time.Date(2026, 11, 27, 12, 0, 0, 0, japan())} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
