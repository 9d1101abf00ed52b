package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/console"
	"noren/gateway"
	"noren/journal"
)

// tries hears what the loop decides about the console's own test requests, which
// carry a mark in their address. It is an observer of the loop and costs it one
// load while nothing is tried.
type tries struct {
	open atomic.Int32
	mu   sync.Mutex
	wait map[string]chan heard
}

type heard struct {
	event    noren.Event
	decision noren.Decision
}

func newTries() *tries { return &tries{wait: map[string]chan heard{}} }

// markName is the parameter that carries the mark.
const markName = "noren_test"

// Observed implements loop.Observer.
func (t *tries) Observed(_ context.Context, ev noren.Event, d noren.Decision) {
	if t.open.Load() == 0 {
		return
	}
	var query string
	switch p := ev.Payload.(type) {
	case *noren.Blocked:
		query = p.Query
	case *noren.Request:
		query = p.Query
	default:
		return
	}
	_, rest, found := strings.Cut(query, markName+"=")
	if !found || len(rest) < 26 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ch := t.wait[rest[:26]]; ch != nil {
		select {
		case ch <- heard{ev, d}:
		default: // two events of one request: the first tells
		}
	}
}

// listen hears about one mark until done is called.
func (t *tries) listen(mark string) (ch chan heard, done func()) {
	ch = make(chan heard, 4)
	t.mu.Lock()
	t.wait[mark] = ch
	t.mu.Unlock()
	t.open.Add(1)
	return ch, func() {
		t.open.Add(-1)
		t.mu.Lock()
		delete(t.wait, mark)
		t.mu.Unlock()
	}
}

// tryAgent is how test requests call themselves.
const tryAgent = "Mozilla/5.0 (compatible; Noren-Test/1)"

// tryTarget is what is asked for. The attack is a text that no shop acts on: it
// stands in a parameter which is Noren's own.
func tryTarget(kind console.TryKind, mark string) string {
	switch kind {
	case console.TryAttack:
		return "/?" + markName + "=" + mark + url.QueryEscape("' OR '1'='1' UNION SELECT password FROM users-- <script>alert(1)</script>")
	case console.TrySecret:
		return "/.env?" + markName + "=" + mark
	}
	return "/?" + markName + "=" + mark
}

// trial sends test requests through the open door.
type trial struct{ s *server }

// Try implements console.Trial.
func (t trial) Try(ctx context.Context, site string, kind console.TryKind) (console.Tried, error) {
	cfg := t.s.in.present()
	i := slices.IndexFunc(cfg.Sites, func(s gateway.Site) bool { return s.Name == site })
	if i < 0 {
		return console.Tried{}, noren.Errorf(noren.NotFound, "no site %s", site)
	}
	ctx, cancel := context.WithTimeout(ctx, setupWithin)
	defer cancel()
	mark := noren.NewID(time.Now())
	out := console.Tried{Kind: kind, Mark: mark}
	ch, done := t.s.in.tries.listen(mark)
	defer done()
	if err := t.ask(ctx, &cfg.Sites[i], tryTarget(kind, mark), &out); err != nil {
		return out, noren.WithText(noren.Errorf(noren.Unavailable, "the gateway's own door does not answer: %w", err),
			noren.Text{Ja: "Noren の入口に試しの通信を送れませんでした。", En: "A test request could not be sent to Noren's own door."})
	}
	select {
	case h := <-ch:
		tellTried(&out, h)
	case <-time.After(2 * time.Second): // told nobody: it never came to a decision
	}
	return out, t.find(ctx, site, &out)
}

// ask sends the request to our own listener, as a visitor of the site does.
func (t trial) ask(ctx context.Context, site *gateway.Site, target string, out *console.Tried) error {
	l, scheme := t.s.listeners["http"], "http"
	if secure := t.s.listeners["https"]; secure != nil && (site.TLS != nil || l == nil) {
		l, scheme = secure, "https"
	}
	if l == nil {
		return noren.Errorf(noren.Unavailable, "there is no listener")
	}
	addr := reachable(l.Addr().String())
	host := someHost(site.Hosts[0])
	if site.Hosts[0] == "*" {
		host, _, _ = net.SplitHostPort(addr)
	}
	// The certificate is graded elsewhere; here one's own door is asked at its own
	// address, whatever name it shows.
	via := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		},
		TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true},
	}
	defer via.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+target, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", tryAgent)
	req.Header.Set("Accept", "text/html")
	if at, err := netip.ParseAddrPort(addr); err == nil && slices.ContainsFunc(site.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) }) {
		// Whatever a mock attack brings on its sender, it hits an address that nobody
		// has (RFC 5737), and not the proxy all customers come through.
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
	}
	req.Header.Set("Accept-Language", "ja,en;q=0.5")
	began := time.Now()
	res, err := via.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 256<<10)) // a page that breaks off has its number at the top all the same
	out.Status, out.Took, out.Line = res.StatusCode, time.Since(began), "GET "+scheme+"://"+host+target
	if res.StatusCode >= 400 {
		out.Ticket = ticketIn(string(body))
	}
	return nil
}

var ticketForm = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}\b`)

// ticketIn is the reference number on a page that stopped somebody.
func ticketIn(page string) string {
	for _, s := range ticketForm.FindAllString(page, 20) {
		if noren.ValidTicket(s) {
			return s
		}
	}
	return ""
}

// find looks the stopped request up in the record by the number on its page. The
// record is written within the second.
func (t trial) find(ctx context.Context, site string, out *console.Tried) error {
	if out.Ticket == "" {
		return nil
	}
	for range 20 {
		for s, err := range t.s.in.journal.Query(ctx, journal.Filter{Log: site, Site: site, Field: journal.FieldTicket, Value: out.Ticket, Limit: 1, Desc: true}) {
			if err != nil {
				return err
			}
			out.Entry = s.Entry.Event.ID
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// tellTried fills in what was decided, and by what.
func tellTried(out *console.Tried, h heard) {
	out.Seen, out.Zone, out.Verdict, out.Reasons, out.Shadow = true, h.event.Zone, h.decision.Verdict, h.decision.Reasons, h.decision.Shadow
	out.Address = h.event.Entities[noren.EntityAddress]
	switch p := h.event.Payload.(type) {
	case *noren.Blocked:
		out.Cause, out.Rule, out.Score, out.Hits = p.Cause, p.Rule, p.Score, p.Hits
		if out.Ticket == "" {
			out.Ticket = p.Ticket
		}
	case *noren.Request:
		out.Score, out.Hits = p.Score, p.Hits
	}
}
