package acme

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/lab/peer"
)

// testKey seals what tests store; every node of a test has the same.
var testKey = sha256.Sum256([]byte("a key for tests"))

func testToken(field, value string) []byte {
	mac := hmac.New(sha256.New, testKey[:])
	io.WriteString(mac, field+"\x00"+value)
	return mac.Sum(nil)[:16]
}

func testOptions(d *db.DB, log *slog.Logger) Options {
	return Options{
		DB: d, Token: testToken, Secrets: func(context.Context) ([][]byte, error) { return [][]byte{testKey[:]}, nil },
		Email: "owner@example.jp", Log: log,
	}
}

// node is a manager with listeners of its own.
type node struct {
	*Manager
	t       testing.TB
	http    net.Listener
	https   net.Listener
	mu      sync.Mutex
	reports []Report
}

// listen opens the two listeners of a node.
func listen(t testing.TB) (plain, secure net.Listener) {
	t.Helper()
	var ls [2]net.Listener
	for i := range ls {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		ls[i] = l
	}
	return ls[0], ls[1]
}

// openNode starts a node over a database.
func openNode(t testing.TB, d *db.DB, ca string, own *x509.CertPool, plain, secure net.Listener, change func(*Options)) *node {
	t.Helper()
	n := &node{t: t, http: plain, https: secure}
	o := testOptions(d, slog.New(slog.NewTextHandler(t.Output(), nil)))
	o.Directory, o.Roots, o.HTTP, o.HTTPS = ca, own, plain.Addr().String(), secure.Addr().String()
	o.Report = func(r Report) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.reports = append(n.reports, r)
	}
	if change != nil {
		change(&o)
	}
	var err error
	if n.Manager, err = Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	return n
}

// serve answers on the node's listeners.
func (n *node) serve() {
	quiet := slog.NewLogLogger(slog.DiscardHandler, 0)
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.Challenge(w, r) {
			io.WriteString(w, "the shop")
		}
	})
	for _, s := range []struct {
		l   net.Listener
		tls bool
	}{{n.http, false}, {n.https, true}} {
		server := &http.Server{Handler: ok, ErrorLog: quiet, TLSConfig: &tls.Config{GetCertificate: n.GetCertificate, NextProtos: []string{"h2", "http/1.1", ALPN}}}
		n.t.Cleanup(func() { server.Close() })
		go func() {
			if s.tls {
				server.ServeTLS(s.l, "", "")
			} else {
				server.Serve(s.l)
			}
		}()
	}
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func startPebble(t testing.TB, o peer.PebbleOptions) *peer.Pebble {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	p, err := peer.StartPebble(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func roots(t testing.TB, p *peer.Pebble) *x509.CertPool {
	t.Helper()
	pool, err := p.Roots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// handshake returns the certificate a visitor gets.
func (n *node) handshake(host string, roots *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", n.https.Addr().String(), &tls.Config{ServerName: host, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// eventually polls until what is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within 90 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (n *node) await(host string, roots *x509.CertPool) (cert *x509.Certificate) {
	n.t.Helper()
	eventually(n.t, "a certificate for "+host, func() bool {
		c, err := n.handshake(host, roots)
		cert = c
		return err == nil
	})
	return cert
}

func (n *node) failed() (out []Report) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.reports {
		if r.Err != nil {
			out = append(out, r)
		}
	}
	return out
}

// A host gets its certificate by either challenge, a restart takes it from SQL
// without a new order, and nothing of it stands in the database in plain.
func TestCertificateIsObtainedAndKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, kind := range []string{"tls-alpn-01", "http-01"} {
			t.Run(kind, func(t *testing.T) {
				plain, secure := listen(t)
				ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure)})
				only := func(o *Options) {
					if kind == "http-01" {
						o.HTTPS = ""
					} else {
						o.HTTP = ""
					}
				}
				n := openNode(t, d, ca.Directory(), ca.Own(), plain, secure, only)
				n.serve()
				n.Manage([]string{"shop.example.jp", "www.example.jp"})
				trust := roots(t, ca)
				first := n.await("shop.example.jp", trust)
				n.await("www.example.jp", trust)
				if got := ca.Orders(); got != 2 {
					t.Errorf("%d orders, want 2", got)
				}
				if _, err := n.handshake("stranger.example.jp", trust); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
					t.Errorf("a stranger's name: %v", err)
				}
				n.Close(t.Context())

				again := openNode(t, d, ca.Directory(), ca.Own(), plain, secure, only)
				again.Manage([]string{"shop.example.jp"})
				eventually(t, "the stored certificate", func() bool { return again.Certificate("shop.example.jp") != nil })
				if got := again.Certificate("shop.example.jp").Leaf; !got.Equal(first) || ca.Orders() != 2 {
					t.Errorf("after a restart: another certificate, or %d orders", ca.Orders())
				}
				noPlainText(t, d)
			})
		}
	})
}

func noPlainText(t *testing.T, d *db.DB) {
	t.Helper()
	rows, err := d.Read().Query(`SELECT id, sealed FROM acme_values`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var id, sealed string
		if err := rows.Scan(&id, &sealed); err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"PRIVATE KEY", "CERTIFICATE", "example", "owner@", "acme"} {
			if strings.Contains(id+sealed, word) {
				t.Errorf("%q stands in the database in plain", word)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d values are stored", n)
	}
}

// Two nodes that start together make one order, and both serve its certificate.
func TestTwoNodesMakeOneOrder(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		plain, secure := listen(t)
		plain2, secure2 := listen(t)
		ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure)})
		a := openNode(t, dbtest.OpenURL(t, db.Options{URL: url}), ca.Directory(), ca.Own(), plain, secure, nil)
		b := openNode(t, dbtest.OpenURL(t, db.Options{URL: url}), ca.Directory(), ca.Own(), plain2, secure2, nil)
		a.serve()
		b.serve()
		b.Manage([]string{"shop.example.jp"})
		a.Manage([]string{"shop.example.jp"})
		trust := roots(t, ca)
		if first, second := a.await("shop.example.jp", trust), b.await("shop.example.jp", trust); !first.Equal(second) {
			t.Error("the nodes have different certificates")
		}
		if got := ca.Orders(); got != 1 {
			t.Errorf("%d orders, want 1", got)
		}
	})
}

// The authority's challenge may meet another node than the one that asked. That
// one is a process of its own here, because certmagic remembers its challenges
// for the whole process.
func TestAnotherNodeAnswersTheChallenge(t *testing.T) {
	url := dbtest.URL(t, db.SQLite)
	d := dbtest.OpenURL(t, db.Options{URL: url})
	for _, kind := range []string{"http-01", "tls-alpn-01"} {
		plain, secure := listen(t) // the other node's
		ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure)})
		var files []*os.File
		for _, l := range []net.Listener{plain, secure} {
			f, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		other := exec.Command(os.Args[0], "-test.run=^TestOtherNode$", "-test.v")
		other.Env = append(os.Environ(), "NOREN_OTHER_NODE="+url, "NOREN_OTHER_CA="+ca.Directory())
		other.ExtraFiles = files
		stdin, err := other.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stdin.Close(); other.Wait() })

		mine, mineTLS := listen(t)
		n := openNode(t, d, ca.Directory(), ca.Own(), mine, mineTLS, func(o *Options) {
			if kind == "http-01" {
				o.HTTPS = ""
			} else {
				o.HTTP = ""
			}
		})
		n.Manage([]string{kind + ".example.jp"})
		eventually(t, "a certificate by "+kind, func() bool { return n.Certificate(kind+".example.jp") != nil })
	}
}

// TestOtherNode is the other process of the test above. It never asks for a
// certificate itself within the test: it waits for a lock that is taken.
func TestOtherNode(t *testing.T) {
	url := os.Getenv("NOREN_OTHER_NODE")
	if url == "" {
		t.Skip("part of TestAnotherNodeAnswersTheChallenge")
	}
	var ls [2]net.Listener
	for i := range ls {
		l, err := net.FileListener(os.NewFile(uintptr(3+i), "listener"))
		if err != nil {
			t.Fatal(err)
		}
		ls[i] = l
	}
	n := openNode(t, dbtest.OpenURL(t, db.Options{URL: url}), os.Getenv("NOREN_OTHER_CA"), nil, ls[0], ls[1], func(o *Options) { o.Backoff = []time.Duration{time.Hour} })
	for _, kind := range []string{"http-01", "tls-alpn-01"} {
		n.hosts[kind+".example.jp"] = &host{stop: func() {}, hurry: make(chan struct{}, 1)}
	}
	n.serve()
	io.Copy(io.Discard, os.Stdin) // until the parent is done
}

// Short-lived certificates are renewed by themselves, and visitors meet no
// expired one.
func TestRenewal(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	plain, secure := listen(t)
	ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure), Valid: time.Minute})
	n := openNode(t, d, ca.Directory(), ca.Own(), plain, secure, func(o *Options) { o.Renew = 500 * time.Millisecond })
	n.serve()
	n.Manage([]string{"shop.example.jp"})
	trust := roots(t, ca)
	serials := map[string]bool{}
	eventually(t, "three certificates one after the other", func() bool {
		if cert, err := n.handshake("shop.example.jp", trust); err == nil {
			serials[cert.SerialNumber.String()] = true
		} else if len(serials) > 0 {
			t.Fatalf("a visitor is turned away: %v", err)
		}
		return len(serials) >= 3
	})
}

// A certificate that expired while Noren was off is renewed at the start.
func TestExpiredWhileOff(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	plain, secure := listen(t)
	ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure), Valid: 12 * time.Second})
	n := openNode(t, d, ca.Directory(), ca.Own(), plain, secure, nil)
	n.serve()
	n.Manage([]string{"shop.example.jp"})
	first := n.await("shop.example.jp", roots(t, ca))
	n.Close(t.Context())
	eventually(t, "the end of the first", func() bool { return time.Now().After(first.NotAfter) })
	plain2, secure2 := listen(t)
	ca2 := startPebble(t, peer.PebbleOptions{HTTP: port(plain2), TLS: port(secure2)})
	// Another authority in its place also knows nothing of the account.
	g := gate(t, ca2)
	again := openNode(t, d, g.url, ca2.Own(), plain2, secure2, nil)
	again.serve()
	again.Manage([]string{"shop.example.jp"})
	again.await("shop.example.jp", roots(t, ca2))
}

// relay passes connections on to an authority, or refuses them.
type relay struct {
	url   string
	down  atomic.Bool
	conns sync.Map // net.Conn
}

// fail cuts every connection and refuses new ones.
func (g *relay) fail() {
	g.down.Store(true)
	g.conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
}

func gate(t testing.TB, ca *peer.Pebble) *relay {
	t.Helper()
	to := strings.TrimSuffix(strings.TrimPrefix(ca.Directory(), "https://"), "/dir")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	g := &relay{url: "https://127.0.0.1:" + strconv.Itoa(port(l)) + "/dir"}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", to)
			if err != nil || g.down.Load() {
				c.Close()
				continue
			}
			g.conns.Store(c, true)
			go func() { io.Copy(up, c); up.Close() }()
			go func() { io.Copy(c, up); c.Close() }()
		}
	}()
	return g
}

// While the authority is away, one site's failure is reported with the next
// step, the other sites go on, and it is tried again: at the next turn, or at
// once when somebody reloads.
func TestAuthorityAway(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	plain, secure := listen(t)
	ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure)})
	g := gate(t, ca)
	n := openNode(t, d, g.url, ca.Own(), plain, secure, func(o *Options) { o.Backoff = []time.Duration{time.Hour} })
	n.serve()
	n.Manage([]string{"first.example.jp"})
	trust := roots(t, ca)
	n.await("first.example.jp", trust)
	g.fail()
	n.Manage([]string{"first.example.jp", "second.example.jp"})
	eventually(t, "a report", func() bool { return len(n.failed()) == 1 })
	r := n.failed()[0]
	if r.Host != "second.example.jp" || !strings.Contains(noren.HintOf(r.Err), "reaches the authority") || r.Retry < time.Hour {
		t.Errorf("report %+v, hint %q", r, noren.HintOf(r.Err))
	}
	if _, err := n.handshake("second.example.jp", trust); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("a host without a certificate: %v", err)
	}
	n.await("first.example.jp", trust)
	g.down.Store(false)
	n.Manage([]string{"first.example.jp", "second.example.jp"}) // a reload
	n.await("second.example.jp", trust)
	n.Manage([]string{"second.example.jp"})
	if _, err := n.handshake("first.example.jp", trust); err == nil {
		t.Error("a host that was taken out is still served")
	}
}

// What an authority refuses is told with the matching next step.
func TestRefusalsCarryTheNextStep(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	plain, secure := listen(t)
	ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure)})
	n := openNode(t, d, ca.Directory(), ca.Own(), plain, secure, func(o *Options) { o.Backoff = []time.Duration{time.Hour} })
	n.Manage([]string{"blocked.example.jp"})
	eventually(t, "a report", func() bool { return len(n.failed()) == 1 })
	if hint := noren.HintOf(n.failed()[0].Err); !strings.Contains(hint, "get one elsewhere") {
		t.Errorf("hint %q for %v", hint, n.failed()[0].Err)
	}
}

// Half a certificate, left by a crash between two stores, is asked for anew.
func TestHalfACertificate(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	plain, secure := listen(t)
	ca := startPebble(t, peer.PebbleOptions{HTTP: port(plain), TLS: port(secure)})
	n := openNode(t, d, ca.Directory(), ca.Own(), plain, secure, nil)
	n.serve()
	n.Manage([]string{"a.example.jp", "b.example.jp"})
	trust := roots(t, ca)
	first := n.await("a.example.jp", trust)
	n.await("b.example.jp", trust)
	ctx := t.Context()
	foreign, err := n.store.Load(ctx, n.parts("b.example.jp")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := n.store.Store(ctx, n.parts("a.example.jp")[1], foreign); err != nil {
		t.Fatal(err)
	}
	n.Manage(nil)
	n.Manage([]string{"a.example.jp"})
	eventually(t, "a new certificate", func() bool {
		c, err := n.handshake("a.example.jp", trust)
		return err == nil && !c.Equal(first)
	})
}

func TestValidHost(t *testing.T) {
	for _, tt := range []struct {
		host, directory string
		ok              bool
	}{
		{"shop.example.jp", "", true},
		{"*.example.jp", "", false},
		{"*", "https://ca.example/dir", false},
		{"192.0.2.1", "", false},
		{"2001:db8::1", "https://ca.example/dir", false},
		{"localhost", "", false},
		{"shop.internal", "", false},
		{"shop.internal", "https://ca.example/dir", true},
	} {
		err := ValidHost(tt.host, tt.directory)
		if (err == nil) != tt.ok || err != nil && noren.HintOf(err) == "" {
			t.Errorf("%s at %q: %v", tt.host, tt.directory, err)
		}
	}
}
