package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// fixed is an issuer that has one certificate for every host of its own.
type fixed struct {
	challenger
	cert *tls.Certificate
}

func (f *fixed) Certificate(string) *tls.Certificate { return f.cert }

// certificate is one of an authority of its own, with its chain's roots.
func certificate(t *testing.T, until time.Time) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	root := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-2000 * day), NotAfter: until.Add(2000 * day), IsCA: true, BasicConstraintsValid: true, RawSubject: []byte{0x30, 0}}
	leaf := &x509.Certificate{SerialNumber: serial, DNSNames: []string{"shop.example.jp"}, NotBefore: until.Add(-90 * day), NotAfter: until}
	leaf.Subject.CommonName = "shop.example.jp"
	var ders [2][]byte
	for i, c := range []*x509.Certificate{leaf, root} {
		if ders[i], err = x509.CreateCertificate(rand.Reader, c, root, &key.PublicKey, key); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(ders[1])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	c := &tls.Certificate{Certificate: [][]byte{ders[0]}, PrivateKey: key}
	c.Leaf, _ = x509.ParseCertificate(ders[0])
	return c, pool
}

// A certificate that runs out is told at 30, 14, 7 and 1 days and at the end,
// each once, by one of two nodes, and again after a renewal.
func TestCertificatesRunningOutAreToldOnce(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		begin := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		cert, roots := certificate(t, begin.Add(40*day))
		now := begin
		loop := &loopback{}
		g, err := New(Options{Issuer: &fixed{cert: cert}, Settings: Settings{Sites: []Site{
			{Name: "shop", Hosts: []string{"shop.example.jp"}, Upstream: "http://127.0.0.1:1", TLS: &KeyPair{ACME: true}},
			{Name: "plain", Hosts: []string{"plain.example.jp"}, Upstream: "http://127.0.0.1:1"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		// Kept by hand: renewed by nobody before the end.
		g.state.Load().shops["shop"].TLS = &KeyPair{Cert: "a", Key: "b"}
		var nodes [2]*CertWatch
		for i := range nodes {
			nodes[i] = NewCertWatch(CertWatchOptions{Gateway: g, DB: dbtest.OpenURL(t, db.Options{URL: url}), Decider: loop, Now: func() time.Time { return now }, Roots: roots})
		}
		var told []int64
		states := map[string]int{}
		for d := range 42 {
			now = begin.Add(time.Duration(d)*day + time.Minute)
			for range 2 {
				for _, n := range nodes {
					n.Look(t.Context())
				}
			}
			for _, ev := range loop.of(noren.CertState)[len(told):] {
				s := ev.Payload.(*noren.CertificateState)
				told = append(told, s.Days)
				states[s.State]++
			}
		}
		want := []int64{39, 29, 13, 6, 0, -0}
		if len(told) != 6 || told[0] != want[0] || states["in_use"] != 1 || states["expiring"] != 4 || states["expired"] != 1 {
			t.Errorf("told with %v days left, %v", told, states)
		}
		g.opts.Issuer.(*fixed).cert, _ = certificate(t, now.Add(90*day))
		for _, n := range nodes {
			n.o.Roots = nil
			n.Look(t.Context())
		}
		if evs := loop.of(noren.CertState); len(evs) != 7 {
			t.Errorf("%d events after a renewal, want 7", len(evs))
		}
	})
}
