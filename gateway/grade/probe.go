package grade

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"time"
)

// probeWithin bounds one handshake or request.
const probeWithin = 5 * time.Second

// Chain makes a handshake for a host at an address and returns what was sent.
func Chain(ctx context.Context, addr, host string) ([]*x509.Certificate, error) {
	c, err := dial(ctx, addr, &tls.Config{ServerName: host})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates, nil
}

// dial accepts any certificate: what it is worth is judged afterwards.
func dial(ctx context.Context, addr string, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	config.InsecureSkipVerify = true
	if net.ParseIP(config.ServerName) != nil {
		config.ServerName = "" // an address is no server name (RFC 6066, 3)
	}
	c, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}

// Probe finds out how a listener speaks, by trying every version and every
// suite that Go can speak, and how it answers a request. plain is the listener
// of HTTP, "" for none.
func Probe(ctx context.Context, secure, plain, host string) Listener {
	l := Listener{Plain: plain != ""}
	for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
		if accepts(ctx, secure, &tls.Config{ServerName: host, MinVersion: v, MaxVersion: v, CipherSuites: everySuite()}) {
			l.Versions = append(l.Versions, v)
		}
	}
	for _, suite := range everySuite() {
		if accepts(ctx, secure, &tls.Config{ServerName: host, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}) {
			l.Ciphers = append(l.Ciphers, suite)
		}
	}
	if res, err := head(ctx, "https", secure, host); err == nil {
		l.HSTS = res.Header.Get("Strict-Transport-Security")
	}
	if l.Plain {
		res, err := head(ctx, "http", plain, host)
		l.Redirects = err == nil && res.StatusCode >= 300 && res.StatusCode < 400 && strings.HasPrefix(res.Header.Get("Location"), "https://")
	}
	return l
}

// everySuite are the suites up to TLS 1.2.
func everySuite() (out []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] != tls.VersionTLS13 {
			out = append(out, s.ID)
		}
	}
	return out
}

func accepts(ctx context.Context, addr string, config *tls.Config) bool {
	c, err := dial(ctx, addr, config)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// hostInURL is a host as it stands in an address.
func hostInURL(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// head asks for the shop's first page, without following.
func head(ctx context.Context, scheme, addr, host string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, scheme+"://"+hostInURL(host)+"/", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "noren-check")
	t := &http.Transport{
		DisableKeepAlives: true, Proxy: nil,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, addr, &tls.Config{ServerName: host})
		},
	}
	res, err := t.RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	return res, err
}
