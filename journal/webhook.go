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
	a := noren.PlainAddr(ap.Addr())
	if !noren.InnerAddr(a) || slices.ContainsFunc(s.o.Allow, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	return noren.WithHint(noren.Errorf(noren.Denied, "%s is an address of this machine, its link or a metadata service", a),
		"Name the network in the webhook's allow list if it is meant.")
}
