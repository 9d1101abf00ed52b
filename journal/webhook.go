package journal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"noren"
)

// WebhookOptions say where checkpoints are posted.
type WebhookOptions struct {
	URL string // https only, without user name
	// Authorization is sent as that header; it is never logged.
	Authorization string
	// Allow names networks that are otherwise refused: loopback, link-local and
	// those of cloud metadata services.
	Allow   []netip.Prefix
	RootCAs *x509.CertPool // the system's when nil
	Timeout time.Duration  // 10 s when 0
}

// WebhookSink posts checkpoints as text to an HTTPS address. Any answer but 2xx
// is a failure; redirects are not followed.
type WebhookSink struct {
	o      WebhookOptions
	host   string
	client *http.Client
}

// NewWebhookSink checks the address. Names are resolved at each call, and what
// they resolve to is checked when connecting, so that a name cannot be turned
// towards an inner service later.
func NewWebhookSink(o WebhookOptions) (*WebhookSink, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, noren.Errorf(noren.Invalid, "checkpoint webhook needs an https:// URL without user name")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	s := &WebhookSink{o: o, host: u.Host}
	dialer := &net.Dialer{Timeout: o.Timeout, Control: s.control}
	s.client = &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    o.Timeout,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a call an hour keeps no connection
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Name is the host only: the path of a webhook is often a secret.
func (s *WebhookSink) Name() string { return "webhook " + s.host }

// Put posts the note.
func (s *WebhookSink) Put(ctx context.Context, origin string, note []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(note))
	if err != nil {
		return noren.Errorf(noren.Invalid, "checkpoint webhook: the URL cannot be used")
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("User-Agent", "noren")
	req.Header.Set("Noren-Origin", origin)
	if s.o.Authorization != "" {
		req.Header.Set("Authorization", s.o.Authorization)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "%s: %w", s.Name(), withoutURL(err))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // politeness only: the status has been read
	if res.StatusCode/100 != 2 {
		return noren.Errorf(noren.Unavailable, "%s answered %s", s.Name(), res.Status)
	}
	return nil
}

// withoutURL drops the URL that net/http puts into its errors.
func withoutURL(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

// control sees the address that is really connected to.
func (s *WebhookSink) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	a := plainAddr(ap.Addr())
	if !inner(a) || slices.ContainsFunc(s.o.Allow, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	return noren.WithHint(noren.Errorf(noren.Denied, "%s is an address of this machine, its link or a metadata service", a),
		"Name the network in the webhook's allow list if it is meant.")
}

// plainAddr undoes the ways of writing an IPv4 address as IPv6.
func plainAddr(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	nat64 := netip.MustParsePrefix("64:ff9b::/96")
	if b := a.As16(); a.Is6() && nat64.Contains(a) {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// inner reports addresses that only the machine itself, its link or its cloud's
// metadata service answers at.
func inner(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsInterfaceLocalMulticast() {
		return true
	}
	metadata := []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
		netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure
		netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
		netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	}
	return slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(a) })
}
