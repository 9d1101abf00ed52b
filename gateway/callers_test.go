package gateway

import (
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

// fill opens as many connections of addr as it gets.
func (c *callers) fill(addr string, limits *Connections, now time.Time) (n int, why refusal) {
	for ; n < 1<<20; n++ {
		if why = c.enter(netip.MustParseAddr(addr), limits, func() bool { return false }, now); why != "" {
			break
		}
	}
	return n, why
}

func TestNobodyTakesEverything(t *testing.T) {
	limits := DefaultConnections()
	limits.Burst, limits.Rate = 1_000_000, Rate{1_000_000, time.Second} // only the number matters here
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	c := newCallers()
	one, why := c.fill("203.0.113.7", &limits, now)
	if one != limits.PerClient || why != tooManyOfOne {
		t.Errorf("one client got %d (%s), want %d", one, why, limits.PerClient)
	}
	// One IPv6 customer has a /64 and walks through it.
	walked := 0
	for _, a := range []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"} {
		n, _ := c.fill(a, &limits, now)
		walked += n
	}
	if walked != limits.PerClient {
		t.Errorf("one /64 got %d", walked)
	}
	// A provider's customer with a /48 gets twice as many, not 65,536 times.
	for _, a := range []string{"2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1"} {
		c.fill(a, &limits, now)
	}
	if got := c.by[wideNet(netip.MustParseAddr("2001:db8:1::"))].open; got > 2*limits.PerClient {
		t.Errorf("one /48 holds %d", got)
	}
	// A hundred more attackers, each taking what it can: who comes then still
	// finds room, and a browser needs six.
	for i := range 100 {
		c.fill(netip.AddrFrom4([4]byte{198, 51, byte(i), 1}).String(), &limits, now)
	}
	for i := range 100 {
		addr := netip.AddrFrom4([4]byte{192, 0, byte(i), 1})
		for range 6 {
			if why := c.enter(addr, &limits, func() bool { return false }, now); why != "" {
				t.Fatalf("buyer %d is refused (%s) with %d of %d open", i, why, c.open, limits.Most)
			}
		}
	}
}

// A sale begins: a thousand buyers behind one address, six connections each,
// within three seconds.
func TestThousandBuyersBehindOneAddress(t *testing.T) {
	limits := DefaultConnections()
	c, now := newCallers(), time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("203.0.113.7")
	for i := range 4_000 {
		if why := c.enter(addr, &limits, func() bool { return false }, now.Add(time.Duration(i)*750*time.Microsecond)); why != "" {
			t.Fatalf("connection %d is refused: %s", i, why)
		}
	}
	// Two thousand close and come again in the next ten seconds.
	for i := range 2_000 {
		at := now.Add(3*time.Second + time.Duration(i)*5*time.Millisecond)
		c.leave(addr, at)
		if why := c.enter(addr, &limits, func() bool { return false }, at); why != "" {
			t.Fatalf("connection %d is refused: %s", i, why)
		}
	}
}

func TestConnectionRateAndForgetting(t *testing.T) {
	limits := DefaultConnections()
	c, now := newCallers(), time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("203.0.113.7")
	open := func(at time.Time) refusal {
		why := c.enter(addr, &limits, func() bool { return false }, at)
		if why == "" {
			c.leave(addr, at)
		}
		return why
	}
	n := 0
	for open(now) == "" {
		n++
	}
	if want := limits.Burst + limits.Rate.Events; n != want {
		t.Errorf("%d connections at once, want %d", n, want)
	}
	if got := c.counts(); got.Refused["rate"] != 1 || got.Open != 0 {
		t.Errorf("counts %+v", got)
	}
	if why := c.enter(addr, &limits, func() bool { return true }, now); why != "" {
		t.Errorf("a spared client is refused: %s", why)
	}
	c.leave(addr, now)
	if open(now.Add(5*time.Millisecond)) != "" {
		t.Error("the next one's time came, and it is refused")
	}
	open(now.Add(time.Hour)) // tidies
	c.sweep(now.Add(2 * time.Hour))
	if len(c.by) != 0 {
		t.Errorf("%d callers are remembered", len(c.by))
	}
}

// The newest connections are closed at once, counted and told once; who is on
// the allow-list or a proxy of a site comes in.
func TestConnectionsOverTheCap(t *testing.T) {
	l := listsInMemory(t)
	heard := &alarms{}
	s := stand(t, func(o *Options) {
		o.Lists, o.Log = l, slog.New(heard)
		o.Settings.Connections = Connections{Most: 64, PerClient: 16}
	})
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	dial := func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return false
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if n, _ := c.Read(make([]byte, 12)); n == 0 {
			c.Close()
			return false
		}
		open = append(open, c)
		return true
	}
	for i := range 16 {
		if !dial() {
			t.Fatalf("connection %d is refused", i)
		}
	}
	for range 5 {
		if dial() {
			t.Error("a connection over the cap is answered")
		}
	}
	if got := s.ConnectionCounts(); got.Open != 16 || got.Refused["per_client"] != 5 {
		t.Errorf("counts %+v", got)
	}
	if n := heard.count("refused at the door"); n != 1 {
		t.Errorf("told %d times", n)
	}
	mustSet(t, l, ListAllow, "127.0.0.1/32")
	if !dial() {
		t.Error("the owner on the allow-list is refused")
	}
	lift(t, l, ListAllow, "127.0.0.1/32")
	site := s.Sites()[0]
	site.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := s.Apply(Settings{Sites: []Site{site}, Connections: Connections{Most: 64, PerClient: 16}}); err != nil {
		t.Fatal(err)
	}
	if !dial() {
		t.Error("a proxy of the site is refused")
	}
	for _, c := range open {
		c.Close()
	}
	open = nil
	await(t, "all are counted out", func() bool { return s.ConnectionCounts().Open == 0 })
}

// One client's requests at once are bounded over all its connections; the rest
// is answered at once, and what ends makes room.
func TestStreamsOfOneClient(t *testing.T) {
	release := make(chan struct{})
	s := stand(t, func(o *Options) {
		secure(t, o)
		o.Settings.Connections = Connections{Streams: 10, StreamsPerClient: 15}
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	})
	addr := s.https()
	answers := make(chan int, 40)
	for range 4 {
		c := tlsClient([]string{"h2"})
		for range 5 {
			go func() {
				res, err := c.Get("https://" + addr + "/")
				if err != nil {
					t.Error(err)
					answers <- 0
					return
				}
				res.Body.Close()
				answers <- res.StatusCode
			}()
		}
	}
	for range 5 {
		if got := <-answers; got != http.StatusTooManyRequests {
			t.Errorf("over the bound: %d", got)
		}
	}
	for _, ev := range s.loop.of(noren.HTTPBlocked) {
		if p := ev.Payload.(*noren.Blocked); p.Cause != noren.CauseLimit || p.Rule != ruleStreams {
			t.Errorf("told as %s %s", p.Cause, p.Rule)
		}
	}
	close(release)
	for range 15 {
		if got := <-answers; got != http.StatusOK {
			t.Errorf("within the bound: %d", got)
		}
	}
	await(t, "all are counted out", func() bool {
		s.callers.mu.Lock()
		defer s.callers.mu.Unlock()
		have := s.callers.by[clientNet(netip.MustParseAddr("127.0.0.1"))]
		return have == nil || have.streams == 0
	})
}

func TestConnectionsAreChecked(t *testing.T) {
	for name, c := range map[string]Connections{
		"per_client": {PerClient: 20_000}, "most": {Most: 1}, "handshake": {Handshake: time.Minute}, "stalled": {Stalled: time.Millisecond}, "streams": {Streams: 5_000},
	} {
		if err := c.Valid(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := (Connections{}).Valid(); err != nil {
		t.Error(err)
	}
}
