package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"noren"
	"noren/journal"
	"noren/lab/peer"
)

// acmeRun is a served instance whose certificates come from a real authority.
type acmeRun struct {
	*handOverRun
	ca           *peer.Pebble
	trust        *x509.CertPool
	plain, https string // ports
	shop         string
}

func newACMERun(t *testing.T) *acmeRun {
	t.Helper()
	h := newHandOver(t)
	p := new(ports)
	plain, err1 := p.free()
	secure, err2 := p.free()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	r := &acmeRun{handOverRun: h, plain: plain, https: secure, shop: startShop(t, "shop")}
	h.url = "http://127.0.0.1:" + plain
	n1, _ := strconv.Atoi(plain)
	n2, _ := strconv.Atoi(secure)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var err error
	if r.ca, err = peer.StartPebble(ctx, peer.PebbleOptions{HTTP: n1, TLS: n2}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.ca.Stop)
	if r.trust, err = r.ca.Roots(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// write writes the configuration, with a site for 127.0.0.1 and one by ACME.
func (r *acmeRun) write(t *testing.T, hosts ...string) {
	t.Helper()
	text := fmt.Sprintf(`version: 1
listen: {http: "127.0.0.1:%s", https: "127.0.0.1:%s", http3: true}
acme: {email: owner@example.jp, agree: true, directory: "%s", ca_root: "%s"}
sites:
  - {name: plain, hosts: [127.0.0.1], upstream: "%s"}
  - name: shop
    hosts: [%s]
    upstream: %s
    tls: {acme: true}
    https_only: true
    headers: {hsts: {since: "2026-01-01"}}
`, r.plain, r.https, r.ca.Directory(), r.ca.OwnFile(), r.shop, strings.Join(hosts, ", "), r.shop)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// visit asks a host for its first page, over TCP or QUIC.
func (r *acmeRun) visit(host string, overQUIC bool) (*http.Response, error) {
	config := &tls.Config{RootCAs: r.trust, ServerName: host}
	var transport http.RoundTripper = &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	if overQUIC {
		t := &http3.Transport{TLSClientConfig: config, QUICConfig: &quic.Config{HandshakeIdleTimeout: time.Second}}
		defer t.Close()
		transport = t
	}
	req, err := http.NewRequest("GET", "https://127.0.0.1:"+r.https+"/", nil)
	if err != nil {
		return nil, err
	}
	req.Host = host
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	io.Copy(io.Discard, res.Body)
	return res, res.Body.Close()
}

func (r *acmeRun) open(t *testing.T, host string) {
	t.Helper()
	await(t, "a certificate for "+host, func() bool {
		res, err := r.visit(host, false)
		return err == nil && res.StatusCode == 200
	})
}

// The whole way: six lines, a certificate, a new host by reload, a hand-over with
// HTTP/3, a restart that asks the authority for nothing, and a check that grades
// it all.
func TestServeWithACME(t *testing.T) {
	r := newACMERun(t)
	r.write(t, "shop.example.jp")
	first := r.serve(t)
	r.open(t, "shop.example.jp")

	r.write(t, "shop.example.jp", "www.example.jp")
	if err := first.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.open(t, "www.example.jp")
	if n := r.ca.Orders(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
	if res, err := r.visit("shop.example.jp", true); err != nil || res.ProtoMajor != 3 || res.StatusCode != 200 {
		t.Errorf("HTTP/3: %v", err)
	}
	if res, err := r.visit("shop.example.jp", false); err != nil || res.Header.Get("Alt-Svc") == "" || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%v, headers %v", err, res.Header)
	}

	if err := first.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(first); err != nil {
		t.Fatalf("the old process: %v\n%s", err, r.said(t))
	}
	second := r.pid(t)
	t.Cleanup(func() { syscall.Kill(second, syscall.SIGKILL) })
	r.open(t, "shop.example.jp")
	await(t, "HTTP/3 of the successor", func() bool {
		res, err := r.visit("www.example.jp", true)
		return err == nil && res.StatusCode == 200
	})

	r.checkGrade(t)
	r.end(t, second)
	third := r.serve(t)
	r.open(t, "shop.example.jp")
	r.open(t, "www.example.jp")
	if n := r.ca.Orders(); n != 2 {
		t.Errorf("%d orders after a restart, want 2\n%s", n, r.said(t))
	}
	r.end(t, third.Process.Pid)
	third.Wait()
	r.checkJournal(t)
}

func (r *acmeRun) checkGrade(t *testing.T) {
	t.Helper()
	var out, said strings.Builder
	run(t.Context(), []string{"--config", r.config, "--lang", "en", "check"}, stdio{strings.NewReader(""), &out, &said}, os.Getenv)
	// Pebble's root is in no browser: that is the one point lost, and it is an F.
	if got := out.String(); !strings.Contains(got, "BAD  tls shop                 F, valid until ") ||
		strings.Count(got, "does not know the authority") != 2 || strings.Contains(got, "no HSTS") || strings.Contains(got, "stay there") {
		t.Errorf("check says:\n%s%s", got, said.String())
	}
}

// checkJournal sees that no challenge is among the blocked requests.
func (r *acmeRun) checkJournal(t *testing.T) {
	t.Helper()
	cfg, err := loadConfig(r.config)
	if err != nil {
		t.Fatal(err)
	}
	in := open(t, instanceWants{cfg: cfg})
	for s, err := range in.journal.Query(t.Context(), journal.Filter{Log: "shop", Kinds: []noren.Kind{noren.HTTPBlocked}}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("a block is on record: %+v", s.Entry.Event.Payload)
	}
}
