package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
)

// https starts the gateway's TLS listener, as noren serve does.
func (s *standing) https() string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := s.Server()
	go func() { _ = server.ServeTLS(s.Listen(l, true), "", "") }()
	s.t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// secure gives the only site a certificate.
func secure(t testing.TB, o *Options) {
	pair := issueFor(t, t.TempDir(), []string{"a.example.jp"}, []net.IP{net.IPv4(127, 0, 0, 1)})
	o.Settings.Sites[0].TLS = &pair
}

// say sends bytes over a new connection and returns everything that comes back
// until the other side closes.
func say(t testing.TB, addr string, parts ...[]byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	for _, p := range parts {
		if _, err := c.Write(p); err != nil {
			break // closed meanwhile
		}
	}
	got, err := io.ReadAll(c)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		t.Fatal("the connection stays open")
	}
	return got
}

// The heartbeat that asks for 16 KiB and brings nothing (CVE-2014-0160; incident
// of 2016-04).
var heartbleed = []byte{recordHeartbeat, 3, 2, 0, 3, 1, 0x40, 0}

// A hello of TLS 1.2 with the heartbeat extension, as the tools of 2014 send it.
func oldHello(name string) []byte {
	return helloOf(0x303, "c02f,c030,009c,002f,0035,000a", "0000,000a,000b,000d,000f,0023", "0401,0403,0201", "", name)
}

func TestProbesOfTLSAreToldAndCutOff(t *testing.T) {
	s := stand(t, func(o *Options) { secure(t, o) })
	addr := s.https()
	hello := oldHello("a.example.jp")
	for _, c := range []struct {
		name  string
		parts [][]byte
		want  string
		hello bool // our hello may have left before
	}{
		{"before any hello", [][]byte{heartbleed}, probeHeartbleed, false},
		{"with the hello", [][]byte{append(bytes.Clone(hello), heartbleed...)}, probeHeartbleed, false},
		{"after the hello", [][]byte{hello, heartbleed}, probeHeartbleed, true},
		{"byte by byte", bytesOf(heartbleed), probeHeartbleed, false},
		{"a hello in many records", [][]byte{inRecords(hello, 20), heartbleed}, probeHeartbleed, true},
		{"in the middle of a handshake", [][]byte{realHello(t, "curl-7.88.1"), heartbleed}, probeHeartbleed, true},
		{"broken off after its header", [][]byte{heartbleed[:5]}, probeHeartbeat, false},
		{"an honest heartbeat", [][]byte{hello, append([]byte{recordHeartbeat, 3, 3, 0, 20, 1, 0, 1}, make([]byte, 17)...)}, probeHeartbeat, true},
		{"SSL 2.0", [][]byte{{0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10}}, probeSSLv2, false},
	} {
		before := len(s.loop.of(noren.TLSProbe))
		got := say(t, addr, c.parts...)
		if !c.hello && len(got) > 0 {
			t.Errorf("%s: %d bytes came back", c.name, len(got))
		}
		for b := got; len(b) >= recordHeader; {
			if b[0] == recordHeartbeat {
				t.Errorf("%s: a heartbeat came back", c.name)
			}
			b = b[min(len(b), recordHeader+int(b[3])<<8+int(b[4])):]
		}
		told := s.loop.of(noren.TLSProbe)[before:]
		if len(told) != 1 {
			t.Errorf("%s: %d events", c.name, len(told))
			continue
		}
		ev := told[0]
		if p := ev.Payload.(*noren.TLSProbing); p.Probe != c.want || ev.Site != "shop" || ev.Entities[noren.EntityAddress] != "127.0.0.1" {
			t.Errorf("%s: told %+v of %v at %s", c.name, p, ev.Entities, ev.Site)
		}
		if ja4 := ev.Entities[noren.EntityJA4]; c.hello && !strings.HasPrefix(ja4, "t12d0606") && !strings.HasPrefix(ja4, "t13d3112") {
			t.Errorf("%s: fingerprint %q", c.name, ev.Entities[noren.EntityJA4])
		}
	}
}

// Once records are encrypted their type is still to be seen.
func TestProbeAfterTheHandshake(t *testing.T) {
	s := stand(t, func(o *Options) { secure(t, o) })
	raw, err := net.Dial("tcp", s.https())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	if err := tls.Client(raw, &tls.Config{ServerName: "a.example.jp", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake(); err != nil {
		t.Fatal(err)
	}
	_, _ = raw.Write(heartbleed)
	_, _ = io.ReadAll(raw)
	if told := s.loop.of(noren.TLSProbe); len(told) != 1 || told[0].Payload.(*noren.TLSProbing).Probe != probeHeartbeat {
		t.Errorf("told %+v", told)
	}
}

func bytesOf(b []byte) (out [][]byte) {
	for i := range b {
		out = append(out, b[i:i+1])
	}
	return out
}

// What is no attack raises nothing: plain HTTP by mistake, an old program's
// hello in the form of SSL 2.0, a broken-off hello, an alert, garbage.
func TestMistakesAreNoProbes(t *testing.T) {
	s := stand(t, func(o *Options) { secure(t, o) })
	addr := s.https()
	if got := say(t, addr, []byte("GET / HTTP/1.1\r\nHost: a.example.jp\r\n\r\n")); !bytes.Contains(got, []byte("400")) {
		t.Errorf("plain HTTP: %q", got)
	}
	for name, raw := range map[string][]byte{
		"a hello of TLS 1.0 in the form of SSL 2.0": {0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10},
		"an alert":      {recordAlert, 3, 1, 0, 2, 2, 40},
		"data at once":  append([]byte{recordData, 3, 3, 0, 20}, make([]byte, 20)...),
		"SSH":           []byte("SSH-2.0-OpenSSH_9.2\r\n"),
		"a broken body": append([]byte{recordHandshake, 3, 1, 0, 8, 1, 0, 0, 4}, 9, 9, 9, 9),
	} {
		say(t, addr, raw)
		if told := s.loop.of(noren.TLSProbe); len(told) > 0 {
			t.Errorf("%s: told as %+v", name, told[0].Payload)
		}
	}
	// Who says nothing of TLS is unknown, and is served.
	if res, _, err := ask(t, addr, "a.example.jp", nil); err != nil || res.StatusCode != 200 {
		t.Errorf("the next visitor: %v", err)
	}
}

// A hello larger than any program's ends the connection, and one that never
// ends is over when the handshake's time is.
func TestHelloIsBounded(t *testing.T) {
	s := stand(t, func(o *Options) { secure(t, o); o.Settings.Connections.Handshake = time.Second })
	addr := s.https()
	huge := append([]byte{1, 0, 0x80, 0}, make([]byte, 0x8000)...)
	if got := say(t, addr, inRecords(append(make([]byte, recordHeader), huge...), 1<<14)); len(got) > 0 {
		t.Errorf("a hello of 32 KiB: %d bytes came back", len(got))
	}
	begin := time.Now()
	say(t, addr, oldHello("a.example.jp")[:40]) // and nothing more
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("a slow hello was cut off after %s already", took)
	}
	await(t, "all connections are counted out", func() bool { return s.ConnectionCounts().Open == 0 })
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// A client that named none of the sites tried the door of all of them; one that
// named a site tried that one's.
func TestWhoseDoorWasProbed(t *testing.T) {
	s := stand(t, func(o *Options) {
		secure(t, o)
		o.Settings.Sites[0].Hosts = []string{"a.example.jp"}
		other := o.Settings.Sites[0]
		other.Name, other.Hosts, other.TLS = "other", []string{"b.example.jp"}, nil
		o.Settings.Sites = append(o.Settings.Sites, other)
	})
	addr := s.https()
	sites := func(hello []byte) (out string) {
		before := len(s.loop.of(noren.TLSProbe))
		say(t, addr, append(hello, heartbleed...))
		for _, ev := range s.loop.of(noren.TLSProbe)[before:] {
			out += ev.Site + " "
		}
		return out
	}
	for name, want := range map[string]string{"a.example.jp": "shop ", "b.example.jp": "other ", "c.example.jp": "other shop "} {
		if got := sites(oldHello(name)); got != want {
			t.Errorf("%s: told at %q, want %q", name, got, want)
		}
	}
	if got := sites(nil); got != "other shop " {
		t.Errorf("no name: told at %q", got)
	}
}

// A proxy's address stands for its visitors: nobody bans it for what one of them
// did.
func TestProbesThroughAProxyAccuseNobody(t *testing.T) {
	s := stand(t, func(o *Options) {
		secure(t, o)
		o.Settings.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	if got := say(t, s.https(), heartbleed); len(got) > 0 || len(s.loop.of(noren.TLSProbe)) > 0 {
		t.Errorf("%d bytes came back, %d events", len(got), len(s.loop.of(noren.TLSProbe)))
	}
}

// The fingerprint is in the events and the access log; behind a proxy and over
// plain HTTP it is unknown.
func TestFingerprintOfAVisitor(t *testing.T) {
	s := stand(t, func(o *Options) { secure(t, o) })
	addr := s.https()
	for _, change := range []func(*tls.Config){nil, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }} {
		if _, _, err := ask(t, addr, "a.example.jp", change); err != nil {
			t.Fatal(err)
		}
	}
	s.do("GET", "/", "")
	var got []string
	for _, ev := range s.loop.of(noren.HTTPRequest) {
		got = append(got, ev.Entities[noren.EntityJA4])
	}
	if len(got) != 3 || !strings.HasPrefix(got[0], "t13d") || !strings.Contains(got[0], "h2_") || !strings.Contains(got[1], "h1_") || got[2] != "" {
		t.Errorf("fingerprints over HTTP/2, HTTP/1.1 and plain: %q", got)
	}
	t.Logf("Go's own client: %q", got)
}

// A banned client gets a few connections to read why and whom to ask; then it is
// closed before TLS costs anything. Who probed gets none. An allow-list entry
// opens the door again at once.
func TestBannedClientsAtTheDoor(t *testing.T) {
	l := listsInMemory(t)
	s := stand(t, func(o *Options) { secure(t, o); o.Lists = l })
	addr := s.https()
	mustBan(t, l, "127.0.0.1/32")
	pages := 0
	for {
		res, _, err := ask(t, addr, "a.example.jp", nil)
		if err != nil {
			break
		}
		if pages++; res.StatusCode != 403 || pages > 100 {
			t.Fatalf("answer %d: %d", pages, res.StatusCode)
		}
	}
	if pages < pageRate.Burst || s.ConnectionCounts().Refused["banned"] == 0 {
		t.Errorf("a banned client got %d pages, counts %+v", pages, s.ConnectionCounts())
	}
	mustSet(t, l, ListAllow, "127.0.0.1/32")
	if res, _, err := ask(t, addr, "a.example.jp", nil); err != nil || res.StatusCode != 200 {
		t.Errorf("allowed again: %v", err)
	}
	lift(t, l, ListAllow, "127.0.0.1/32")
	lift(t, l, ListBan, "127.0.0.1/32")

	say(t, addr, heartbleed)
	if res, _, err := ask(t, addr, "a.example.jp", nil); err != nil || res.StatusCode != 200 {
		t.Errorf("probed, and no policy banned it: %v", err)
	}
	mustBan(t, l, "127.0.0.1/32")
	if !refusedAtOnce(addr) {
		t.Error("probed and banned, and the next connection is answered")
	}
}

// refusedAtOnce reports whether a new connection is closed before TLS is spoken.
func refusedAtOnce(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return true // reset before the dial was over
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = c.Write(oldHello("a.example.jp"))
	got, err := io.ReadAll(c)
	ne, ok := errors.AsType[net.Error](err)
	return len(got) == 0 && !(ok && ne.Timeout())
}

// A ban of one site does not close the door of the others.
func TestBanOfOneSiteOfTwo(t *testing.T) {
	l := listsInMemory(t)
	s := stand(t, func(o *Options) {
		o.Lists = l
		other := o.Settings.Sites[0]
		o.Settings.Sites[0].Hosts, other.Name, other.Hosts = []string{"a.example.jp"}, "other", []string{"b.example.jp"}
		o.Settings.Sites = append(o.Settings.Sites, other)
	})
	mustBan(t, l, "127.0.0.1/32")
	addr := serve(t, s.Gateway, "127.0.0.1:0")
	for range 3 * pageRate.Burst {
		req, _ := http.NewRequest("GET", addr+"/", nil)
		req.Host, req.Close = "b.example.jp", true
		if res, _ := s.send(req); res.StatusCode != 200 {
			t.Fatalf("the other site: %d", res.StatusCode)
		}
	}
}

// A probe that cannot be recorded is cut off all the same, and somebody is told.
func TestProbeThatCannotBeRecorded(t *testing.T) {
	heard := &alarms{}
	s := stand(t, func(o *Options) { secure(t, o); o.Log = slog.New(heard) })
	s.loop.answer = func(noren.Event) (noren.Decision, error) {
		return noren.Decision{}, noren.Errorf(noren.Unavailable, "the journal is away")
	}
	if got := say(t, s.https(), heartbleed); len(got) > 0 {
		t.Errorf("%d bytes came back", len(got))
	}
	if heard.count("not recorded") != 1 {
		t.Error("nobody is told")
	}
}
