package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"noren"
)

// Backend is one server of a shop: http://, https:// or unix:/path.
type Backend struct {
	URL string `yaml:"url" json:"url" jsonschema:"description=Where it listens: http://HOST:PORT or https://HOST or unix:/PATH"`
	// Backup servers are asked only while no other one is well.
	Backup bool `yaml:"backup" json:"backup,omitempty" jsonschema:"description=Asked only while none of the others is well"`
}

// UnmarshalText takes the address alone.
func (b *Backend) UnmarshalText(text []byte) error {
	b.URL = string(text)
	return nil
}

// UpstreamTLS is how Noren and an https upstream know each other.
type UpstreamTLS struct {
	CA         string `yaml:"ca" json:"ca,omitempty" jsonschema:"description=Certificates (PEM) the shop's server is trusted by; default: the system's"`
	Cert       string `yaml:"cert" json:"cert,omitempty" jsonschema:"description=Certificate that Noren shows to the shop's server (mTLS)"`
	Key        string `yaml:"key" json:"key,omitempty" jsonschema:"description=Private key of that certificate"`
	ServerName string `yaml:"server_name" json:"server_name,omitempty" jsonschema:"description=Name in the server's certificate; default: the host of the upstream"`
}

// Health is how Noren looks whether the shop's servers are well.
type Health struct {
	Path    string `yaml:"path" json:"path,omitempty" jsonschema:"description=What is asked for (GET); anything below 500 is well,default=/"`
	Every   string `yaml:"every" json:"every,omitempty" jsonschema:"description=How often each server is asked,default=5s"`
	Timeout string `yaml:"timeout" json:"timeout,omitempty" jsonschema:"description=An answer must begin within,default=3s"`
}

// maxBackends bounds the servers of one site, and with them what one request may
// try.
const maxBackends = 8

// Backends lists the site's servers in the order they were written.
func (s *Site) Backends() []Backend {
	if len(s.Upstreams) > 0 {
		return s.Upstreams
	}
	return []Backend{{URL: s.Upstream}}
}

// validUpstreams checks everything about the way to the shop.
func (s *Site) validUpstreams() (errs []error) {
	fault := func(format string, args ...any) { errs = append(errs, noren.Errorf(noren.Invalid, format, args...)) }
	seen, primary, https := map[string]bool{}, false, false
	for _, b := range s.Backends() {
		u, err := parseUpstream(b.URL)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if seen[b.URL] {
			fault("upstream %s stands twice", b.URL)
		}
		seen[b.URL], primary, https = true, primary || !b.Backup, https || u.Scheme == "https"
	}
	if s.Upstream != "" && len(s.Upstreams) > 0 {
		fault("upstream is either one address or a list")
	}
	if len(s.Upstreams) > maxBackends {
		fault("%d upstreams are more than %d; put a load balancer behind Noren", len(s.Upstreams), maxBackends)
	}
	if !primary && len(errs) == 0 {
		fault("every upstream is a backup; one must not be")
	}
	if t := s.UpstreamTLS; t != nil {
		if (t.Cert == "") != (t.Key == "") {
			fault("upstream_tls needs both cert and key, or neither")
		}
		if !https {
			fault("upstream_tls is for an https:// upstream")
		}
	}
	_, err := s.health()
	return append(errs, err)
}

// healthPlan is Health, read.
type healthPlan struct {
	path           string
	every, timeout time.Duration
	asked          bool // the operator wrote it
}

func (s *Site) health() (healthPlan, error) {
	p := healthPlan{path: "/", every: 5 * time.Second, timeout: 3 * time.Second, asked: s.Health != nil}
	if s.Health == nil {
		return p, nil
	}
	var errs []error
	if s.Health.Path != "" {
		p.path = s.Health.Path
	}
	if u, err := url.Parse(p.path); err != nil || !strings.HasPrefix(p.path, "/") || strings.HasPrefix(p.path, "//") || u.Fragment != "" {
		errs = append(errs, noren.Errorf(noren.Invalid, "health path %q is not a path such as /healthz", p.path))
	}
	read := func(name, text string, into *time.Duration, least, most time.Duration) {
		if text == "" {
			return
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < least || d > most {
			errs = append(errs, noren.Errorf(noren.Invalid, "health %s %q is not a time from %s to %s", name, text, least, most))
			return
		}
		*into = d
	}
	read("every", s.Health.Every, &p.every, time.Second, 10*time.Minute)
	read("timeout", s.Health.Timeout, &p.timeout, 100*time.Millisecond, time.Minute)
	return p, errors.Join(errs...)
}

// dialError is a failure before any byte of a request was written: whatever the
// request was, the server has not seen it.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialer connects to shops.
var dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}

func dialShop(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &dialError{err}
	}
	return watchful(c), nil
}

// dialTLS connects and shakes hands, so that a failed handshake is known to have
// come before the request.
func dialTLS(config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
		defer cancel()
		conf := config.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil && conf.ServerName == "" {
			conf.ServerName = host
		}
		c, err := (&tls.Dialer{NetDialer: &dialer, Config: conf}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return c, nil
	}
}

// transportFor is how one server of the site is reached: the shared transport,
// or one of its own for a socket or for TLS with files of its own.
func (s *Site) transportFor(u *url.URL, shared http.RoundTripper) (http.RoundTripper, error) {
	switch {
	case u.Scheme == "unix":
		t := NewTransport()
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialShop(ctx, "unix", u.Path) }
		return t, nil
	case u.Scheme == "https" && s.UpstreamTLS != nil:
		config, err := s.UpstreamTLS.config()
		if err != nil {
			return nil, err
		}
		t := NewTransport()
		t.DialTLSContext = dialTLS(config)
		return t, nil
	}
	return shared, nil
}

func (t *UpstreamTLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, NextProtos: []string{"http/1.1"}}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, noren.WithHint(noren.Errorf(noren.Invalid, "upstream_tls ca: %w", err), "name a file with the CA's certificate in PEM form")
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, noren.Errorf(noren.Invalid, "upstream_tls ca: %s holds no certificate", t.CA)
		}
	}
	if t.Cert == "" {
		return config, nil
	}
	last, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "upstream_tls cert: %w", err), "check cert and key of upstream_tls")
	}
	// Read with every handshake, so that a renewed certificate is used without a
	// reload; a broken one keeps the last good one in use.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if now, err := tls.LoadX509KeyPair(t.Cert, t.Key); err == nil {
			return &now, nil
		}
		return &last, nil
	}
	return config, nil
}

// fingerprint tells whether two versions of a site reach their servers alike.
func (s *Site) fingerprint() string {
	parts := []string{s.Name}
	if t := s.UpstreamTLS; t != nil {
		ca, _ := os.ReadFile(t.CA)
		parts = append(parts, t.CA, string(ca), t.Cert, t.Key, t.ServerName)
	}
	return strings.Join(parts, "\x00")
}

// address is a backend as the transport wants it.
func address(u *url.URL) (scheme, host string) {
	if u.Scheme == "unix" {
		return "http", "localhost"
	}
	return u.Scheme, u.Host
}

// safeMethods may be sent again (RFC 9110, 9.2.2). PUT and DELETE are idempotent
// by the book and not in every shop.
var safeMethods = []string{http.MethodGet, http.MethodHead, http.MethodOptions}

func safe(r *http.Request) bool {
	return slices.Contains(safeMethods, r.Method) && (r.Body == nil || r.Body == http.NoBody) && r.Header.Get("Upgrade") == ""
}
