package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db/dbtest"
	"noren/gateway"
	"noren/journal"
)

// heartbleed is a heartbeat that asks for 16 KiB and brings nothing
// (CVE-2014-0160).
const heartbleed = "\x18\x03\x02\x00\x03\x01\x40\x00"

// The incident of 2016: somebody reads a shop's memory through Heartbleed. Here
// nothing comes back, the shipped policy bans, the next connection is refused
// before TLS, and the record and `noren why` name the reason.
func TestHeartbleedIsBanned(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			url = ""
		}
		in := open(t, instanceWants{cfg: configFor(t.TempDir(), url, siteFor("tea", "tea.test", startShop(t, "tea")))})
		addr := in.serveTLS(t)
		if status, err := askTLS(addr); err != nil || status != http.StatusOK {
			t.Fatalf("before: %d %v", status, err)
		}
		if got := sayTo(t, addr, heartbleed); got != "" {
			t.Errorf("%d bytes came back", len(got))
		}
		if status, err := askTLS(addr); err == nil {
			t.Errorf("the next connection is answered %d", status)
		}
		bans := in.lists.List("tea")
		if len(bans) != 1 || bans[0].Policy != "tls-heartbleed" || !strings.Contains(bans[0].Reason.Ja, "Heartbleed") {
			t.Fatalf("bans: %+v", bans)
		}
		why, err := in.gateway.Why(t.Context(), "tea", netip.MustParseAddr(prober), "GET", "/")
		if err != nil || why.Would.Pass || !strings.Contains(why.Would.Text.Ja, "サーバーの記憶") || !strings.Contains(why.Would.Text.En, "memory") {
			t.Errorf("why: %+v %v", why.Would, err)
		}
		in.flush(t)
		recorded := false
		for stored, err := range in.journal.Query(t.Context(), journal.Filter{Log: "tea"}) {
			if err != nil {
				t.Fatal(err)
			}
			e := stored.Entry
			recorded = recorded || e.Event.Kind == noren.TLSProbe && e.Decision.Verdict == noren.Block && len(e.Decision.Actions) == 1
		}
		if !recorded {
			t.Error("the probe is not in the record")
		}
		// The owner who tested it is in again as soon as the allow-list says so.
		mine := gateway.Entry{Site: "tea", List: gateway.ListAllow, Prefix: bans[0].Prefix, Author: "owner"}
		if _, err := in.lists.Set(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		if status, err := askTLS(addr); err != nil || status != http.StatusOK {
			t.Errorf("allowed: %d %v", status, err)
		}
	})
}

// serveTLS serves the instance's gateway over TLS as `noren serve` does, with a
// certificate of the test.
func (ti *testInstance) serveTLS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, borrowed := ti.gateway.Server(), httptest.NewTLSServer(nil)
	borrowed.Close()
	s.TLSConfig.GetCertificate, s.TLSConfig.Certificates = nil, borrowed.TLS.Certificates
	go func() { _ = s.ServeTLS(ti.gateway.Listen(l, true), "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

// prober is where the probing client is: not at the machine's own address, from
// which a web server in front may speak for everybody.
const prober = "127.0.0.9"

// visitor dials from another address of the loopback network.
func visitor(from string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
}

func askTLS(addr string) (int, error) {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "tea.test"}, DisableKeepAlives: true, DialContext: visitor(prober).DialContext}}
	req, _ := http.NewRequest("GET", "https://"+addr+"/", nil)
	req.Host = "tea.test"
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode, nil
}

// sayTo sends bytes and returns what comes back until the other side closes.
func sayTo(t *testing.T, addr, what string) string {
	t.Helper()
	c, err := visitor(prober).Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, what)
	got, _ := io.ReadAll(c)
	return string(got)
}
