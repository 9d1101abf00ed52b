package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"noren"
)

// HookOptions say where a webhook is.
type HookOptions struct {
	Name   string
	Chat   bool   // {"text": …} as Slack reads it; else Noren's own JSON
	URL    string // a secret: https, without user name; http on loopback alone
	Secret string // signs Noren's own JSON; never logged
	// Allow names networks of this machine and its neighbours that may be called.
	Allow   []netip.Prefix
	RootCAs *x509.CertPool // the system's when nil
}

// Hook is a webhook.
type Hook struct {
	o      HookOptions
	client *http.Client
}

// NewHook checks the options; nothing is connected yet. Names are resolved at each
// call, and where they lead is checked when connecting.
func NewHook(o HookOptions) (*Hook, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, noren.Errorf(noren.Invalid, "hook %s needs an https:// URL without user name", o.Name) // the URL is a secret
	}
	if o.Secret != "" && len(o.Secret) < 16 {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "the secret of hook %s is shorter than 16 letters", o.Name), "Make one: openssl rand -hex 32")
	}
	h := &Hook{o: o}
	d := &net.Dialer{Timeout: 10 * time.Second, Control: guard(o.Allow)}
	h.client = &http.Client{
		Timeout: sendFor,
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a call now and then keeps no connection
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// guard refuses addresses of this machine, its neighbours and its cloud's metadata
// service unless they are allowed. It sees the address that is really connected to,
// so that a name cannot be turned towards an inner service later.
func guard(allow []netip.Prefix) func(string, string, syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %q: %w", address, err)
		}
		a := noren.PlainAddr(ap.Addr())
		if !noren.OwnNetAddr(a) || slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return nil
		}
		return noren.WithHint(noren.Errorf(noren.Denied, "%s is an address of this machine, its network or a metadata service", a),
			"Name the network under allow: if it is meant.")
	}
}

// send posts one message. Any answer but 2xx is a failure.
func (h *Hook) send(ctx context.Context, l *letter) error {
	body, err := h.body(l)
	if err != nil {
		return refused(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.o.URL, bytes.NewReader(body))
	if err != nil {
		return refused(noren.Errorf(noren.Invalid, "hook %s: the URL cannot be used", h.o.Name))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "noren")
	req.Header.Set("Idempotency-Key", l.id)
	if h.o.Secret != "" && !h.o.Chat {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		req.Header.Set("Noren-Timestamp", at)
		req.Header.Set("Noren-Signature", Signature(h.o.Secret, at, body))
	}
	res, err := h.client.Do(req)
	if err != nil {
		return h.fault(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // politeness only: the status has been read
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode/100 == 5 || res.StatusCode == http.StatusRequestTimeout:
		return noren.Errorf(noren.Unavailable, "hook %s answered %d", h.o.Name, res.StatusCode)
	}
	return refused(noren.WithHint(noren.Errorf(noren.Unavailable, "hook %s answered %d", h.o.Name, res.StatusCode),
		"Look whether its address was withdrawn; redirects are not followed."))
}

// fault drops the URL that net/http puts into its errors: it is a secret.
func (h *Hook) fault(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	out := noren.WithHint(noren.Errorf(noren.Unavailable, "hook %s: %s", h.o.Name, CleanLine(err.Error(), 300)), noren.HintOf(err))
	if noren.CodeOf(err) == noren.Denied {
		return refused(out)
	}
	return out
}

// Signature is what the header Noren-Signature holds: HMAC-SHA256 over timestamp,
// a dot and the body.
func Signature(secret, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(timestamp + "."))
	m.Write(body)
	return "v1=" + hex.EncodeToString(m.Sum(nil))
}

func (h *Hook) body(l *letter) ([]byte, error) {
	if !h.o.Chat {
		return json.Marshal(l.report)
	}
	text := EscapeChat(l.subject) + "\n" + EscapeChat(l.text)
	if l.links != "" {
		text += "\n" + chatSigns.Replace(l.links)
	}
	return json.Marshal(struct {
		Text     string `json:"text"`
		Mrkdwn   bool   `json:"mrkdwn"`
		Unfurl   bool   `json:"unfurl_links"`
		Media    bool   `json:"unfurl_media"`
		Parse    string `json:"parse"`
		LinkName bool   `json:"link_names"`
	}{Text: text, Parse: "none"})
}

// chatSigns are the three that Slack gives a meaning (and with them <!channel> and
// <https://…|words>).
var chatSigns = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// joiner is shown as nothing and keeps words from being read as one.
const joiner = "\u2060"

// dotted finds what chats make links of by themselves.
var dotted = regexp.MustCompile(`[\pL\pN]\.[\pL\pN]`)

// EscapeChat makes text of what others wrote: no mention, no link, no formatting,
// in Slack and in those that read its webhooks (Mattermost, Rocket.Chat, Discord).
func EscapeChat(s string) string {
	s = strings.NewReplacer("@", "@"+joiner, "://", ":"+joiner+"//", "](", "]"+joiner+"(", "mailto:", "mailto"+joiner+":").Replace(s)
	for range 2 { // letters may be shared by two finds
		s = dotted.ReplaceAllStringFunc(s, func(m string) string { return strings.Replace(m, ".", "."+joiner, 1) })
	}
	return chatSigns.Replace(s)
}
