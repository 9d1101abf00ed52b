package grade

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serial int64

func (a *authority) sign(t *testing.T, tpl *x509.Certificate, key crypto.Signer) *authority {
	t.Helper()
	if key == nil {
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	serial++
	tpl.SerialNumber = big.NewInt(serial)
	parent, by := tpl, key
	if a != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func TestCertificates(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	at := func(days float64) time.Time { return now.Add(time.Duration(days * 24 * float64(time.Hour))) }
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: at(-1000), NotAfter: at(1000), IsCA: true, BasicConstraintsValid: true}
	}
	leaf := func(from, to float64) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "shop"}, DNSNames: []string{"shop.example.jp"}, NotBefore: at(from), NotAfter: at(to),
			IssuingCertificateURL: []string{"http://ca.example/between.der"}}
	}
	root := (*authority)(nil).sign(t, ca("root"), nil)
	between := root.sign(t, ca("between"), nil)
	stranger := (*authority)(nil).sign(t, ca("stranger"), nil)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this toolchain makes no short keys: ", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	good := between.sign(t, leaf(-10, 80), nil).cert
	tests := []struct {
		name  string
		host  string
		acme  bool
		chain []*x509.Certificate
		want  Letter
		codes string
	}{
		{"good", "shop.example.jp", false, []*x509.Certificate{good, between.cert}, A, ""},
		{"none", "shop.example.jp", false, nil, F, "none"},
		{"another name", "www.example.jp", false, []*x509.Certificate{good, between.cert}, F, "host"},
		{"intermediate missing", "shop.example.jp", false, []*x509.Certificate{good}, C, "chain"},
		{"unknown authority", "shop.example.jp", false, []*x509.Certificate{stranger.sign(t, leaf(-10, 80), nil).cert, stranger.cert}, F, "authority"},
		{"self-signed", "shop.example.jp", false, []*x509.Certificate{(*authority)(nil).sign(t, leaf(-10, 80), nil).cert}, F, "self_signed"},
		{"expired", "shop.example.jp", false, []*x509.Certificate{between.sign(t, leaf(-90, -0.1), nil).cert, between.cert}, F, "expired"},
		{"not yet", "shop.example.jp", false, []*x509.Certificate{between.sign(t, leaf(1, 90), nil).cert, between.cert}, F, "early"},
		{"29 days", "shop.example.jp", false, []*x509.Certificate{between.sign(t, leaf(-60, 29.5), nil).cert, between.cert}, B, "expiring"},
		{"6 days", "shop.example.jp", false, []*x509.Certificate{between.sign(t, leaf(-84, 6.5), nil).cert, between.cert}, C, "expiring"},
		{"29 days, renewed by itself", "shop.example.jp", true, []*x509.Certificate{between.sign(t, leaf(-60, 29.5), nil).cert, between.cert}, A, ""},
		{"20 days, and not renewed", "shop.example.jp", true, []*x509.Certificate{between.sign(t, leaf(-70, 20), nil).cert, between.cert}, B, "expiring"},
		{"short-lived", "shop.example.jp", true, []*x509.Certificate{between.sign(t, leaf(-1, 5), nil).cert, between.cert}, A, ""},
		{"short-lived, and not renewed", "shop.example.jp", true, []*x509.Certificate{between.sign(t, leaf(-5, 1), nil).cert, between.cert}, C, "expiring"},
		{"weak key", "shop.example.jp", false, []*x509.Certificate{between.sign(t, leaf(-10, 80), weak).cert, between.cert}, F, "key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Certificate{Host: tt.host, Chain: tt.chain, ACME: tt.acme}.Judge(now, roots)
			var codes []string
			for _, f := range got {
				codes = append(codes, f.Code)
				if f.Reason.Ja == "" || f.Reason.En == "" || f.Mend.Ja == "" || f.Mend.En == "" {
					t.Errorf("%s says nothing: %+v", f.Code, f)
				}
			}
			if Of(got) != tt.want || strings.Join(codes, " ") != tt.codes {
				t.Errorf("%s for %q, want %s for %q", Of(got), codes, tt.want, tt.codes)
			}
		})
	}
}

// What a listener really accepts is found out by asking it.
func TestProbe(t *testing.T) {
	server := func(c *tls.Config, hsts string) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "shop.example.jp" {
				t.Errorf("asked for %s", r.Host)
			}
			if r.TLS == nil {
				http.Redirect(w, r, "https://shop.example.jp/", http.StatusPermanentRedirect)
				return
			}
			if hsts != "" {
				w.Header().Set("Strict-Transport-Security", hsts)
			}
		}))
		s.TLS = c
		s.Config.ErrorLog = nil
		if c == nil {
			s.Start()
		} else {
			s.StartTLS()
		}
		t.Cleanup(s.Close)
		return s
	}
	old := server(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, "")
	l := Probe(context.Background(), old.Listener.Addr().String(), "", "shop.example.jp")
	if !slices.Equal(l.Versions, []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12}) ||
		!slices.Contains(l.Ciphers, tls.TLS_RSA_WITH_AES_128_CBC_SHA) || !slices.Contains(l.Ciphers, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) || len(l.Ciphers) != 2 {
		t.Errorf("an old server: %+v", l)
	}
	var codes []string
	for _, f := range l.Judge() {
		codes = append(codes, f.Code)
	}
	if got := strings.Join(codes, " "); got != "old_version no_tls13 cipher no_hsts" || Of(l.Judge()) != C {
		t.Errorf("an old server loses %q, %s", got, Of(l.Judge()))
	}
	good := server(&tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, "max-age=300")
	l = Probe(context.Background(), good.Listener.Addr().String(), server(nil, "").Listener.Addr().String(), "shop.example.jp")
	if got := l.Judge(); len(got) != 0 || !l.Redirects {
		t.Errorf("a good server loses %+v (%+v)", got, l)
	}
	if chain, err := Chain(context.Background(), good.Listener.Addr().String(), "shop.example.jp"); err != nil || len(chain) == 0 {
		t.Errorf("no chain: %v", err)
	}
	if l := Probe(context.Background(), "127.0.0.1:1", "", "shop.example.jp"); len(l.Versions) != 0 {
		t.Errorf("nobody listens: %+v", l)
	}
}
