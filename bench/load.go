package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// shopHost is the name that visitors ask for.
const shopHost = "shop.example"

// loadPlan is what a load process is to do, as JSON on its standard input.
type loadPlan struct {
	Addr    string        `json:"addr"`
	CA      string        `json:"ca"`      // PEM file; "" is HTTP/1.1 without TLS
	Round   int           `json:"round"`   // every round comes from addresses of its own
	Conns   int           `json:"conns"`   // kept open
	Streams int           `json:"streams"` // requests at once on each
	Warm    time.Duration `json:"warm"`
	Window  time.Duration `json:"window"`
	Mix     bool          `json:"mix"`  // a shop's mix instead of one page
	PIDs    []int         `json:"pids"` // of the proxy, whose processor time is read
}

// loadResult is what was seen within the window.
type loadResult struct {
	Requests int           `json:"requests"`
	Other    map[int]int   `json:"other"` // answers that were not 200, by status
	Took     time.Duration `json:"took"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	CPU      time.Duration `json:"cpu"` // of the proxy's processes
}

func (r loadResult) perSecond() float64 { return float64(r.Requests) / r.Took.Seconds() }

// cpuEach is the processor time of the proxy for one request, in microseconds.
func (r loadResult) cpuEach() float64 {
	return float64(r.CPU.Microseconds()) / float64(max(r.Requests, 1))
}

func childLoad(ctx context.Context) error {
	var p loadPlan
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	r, err := p.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// run asks as fast as answers come: each worker sends its next request when it
// has the answer to the last.
func (p *loadPlan) run(ctx context.Context) (loadResult, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Warm+p.Window+time.Minute)
	defer cancel()
	workers := make([]worker, p.Conns*p.Streams)
	for c := range p.Conns {
		ask, hangUp, err := p.dial(ctx, c)
		if err != nil {
			return loadResult{}, err
		}
		defer hangUp()
		for s := range p.Streams {
			workers[c*p.Streams+s] = worker{ask: ask, visitors: p.visitors(c, s), other: map[int]int{}}
		}
	}
	begin := time.Now().Add(p.Warm)
	end := begin.Add(p.Window)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { workers[i].work(begin, end) })
	}
	time.Sleep(time.Until(begin))
	before, started := cpuOf(p.PIDs), time.Now()
	time.Sleep(time.Until(end))
	r := loadResult{CPU: cpuOf(p.PIDs) - before, Took: time.Since(started), Other: map[int]int{}}
	wg.Wait()
	return r, r.sum(workers)
}

func (r *loadResult) sum(workers []worker) error {
	var times []time.Duration
	for i := range workers {
		if err := workers[i].err; err != nil {
			return fmt.Errorf("load: %w", err)
		}
		times = append(times, workers[i].times...)
		for status, n := range workers[i].other {
			r.Other[status] += n
		}
	}
	if len(times) == 0 {
		return errors.New("load: no answer within the time")
	}
	r.Requests = len(times)
	r.P50, r.P99 = quantile(times, 0.5), quantile(times, 0.99)
	return nil
}

// exchange sends one request and returns its answer, read to the end.
type exchange func(*http.Request) (*http.Response, error)

// worker is one visitor's browser after the other on a kept connection.
type worker struct {
	ask      exchange
	visitors []*visitor
	times    []time.Duration
	other    map[int]int
	err      error
}

func (w *worker) work(begin, end time.Time) {
	for i := 0; ; i++ {
		v := w.visitors[i%len(w.visitors)]
		asked := time.Now()
		if asked.After(end) {
			return
		}
		res, err := w.ask(v.ready())
		if err != nil {
			w.err = err
			return
		}
		v.keep(res)
		switch {
		case asked.Before(begin):
		case res.StatusCode != http.StatusOK:
			w.other[res.StatusCode]++
		default:
			w.times = append(w.times, time.Since(asked))
		}
	}
}

// visitor keeps the cookies it gets, like a browser.
type visitor struct {
	next  *http.Request
	jar   map[string]string
	turns []turn // of a mix; the next is first
}

// turn is one request of a mix.
type turn struct{ method, path, kind, body string }

// ready makes the next request of a mix.
func (v *visitor) ready() *http.Request {
	if len(v.turns) == 0 {
		return v.next
	}
	t, r := v.turns[0], v.next
	v.turns = append(v.turns[1:], t)
	r.Method, r.Body, r.ContentLength = t.method, http.NoBody, 0
	path, query, _ := strings.Cut(t.path, "?")
	r.URL.Path, r.URL.RawQuery = path, query
	r.Header.Del("Content-Type")
	if t.body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(t.body)), int64(len(t.body))
		r.Header.Set("Content-Type", t.kind)
	}
	return r
}

// visitorsEach is how many visitors take turns on a connection, so that nobody
// comes near the shipped limits: what is measured is asking them, not meeting
// them.
const visitorsEach = 16

func (p *loadPlan) visitors(conn, stream int) []*visitor {
	var out []*visitor
	for i := range visitorsEach {
		scheme := "http"
		if p.CA != "" {
			scheme = "https"
		}
		url := fmt.Sprintf("%s://%s/products/detail/%d", scheme, p.Addr, 1+conn*visitorsEach+i)
		r, _ := http.NewRequest(http.MethodGet, url, nil) // made of numbers and an address
		r.Host = shopHost
		for _, h := range browserHeaders {
			r.Header.Set(h[0], h[1])
		}
		v := &visitor{next: r, jar: map[string]string{"eccube": fmt.Sprintf("session-%d-%d-%d-%d", p.Round, conn, stream, i)}}
		if p.Mix {
			n := conn*visitorsEach + i
			turns := mixTurns(n)
			v.turns = append(turns[n%len(turns):], turns[:n%len(turns)]...) // not all sign in at once
		}
		v.pack()
		out = append(out, v)
	}
	return out
}

// browserHeaders are what a browser sends with a page.
var browserHeaders = [][2]string{
	{"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"},
	{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
	{"Accept-Language", "ja,en-US;q=0.9,en;q=0.8"},
	{"Accept-Encoding", "gzip, deflate, br, zstd"},
	{"Referer", "https://" + shopHost + "/products/list?category_id=5"},
	{"Sec-Fetch-Dest", "document"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Site", "same-origin"},
	{"Upgrade-Insecure-Requests", "1"},
}

func (v *visitor) keep(res *http.Response) {
	if len(res.Header["Set-Cookie"]) == 0 {
		return
	}
	for _, c := range res.Cookies() {
		v.jar[c.Name] = c.Value
	}
	v.pack()
}

func (v *visitor) pack() {
	var all []string
	for name, value := range v.jar {
		all = append(all, name+"="+value)
	}
	v.next.Header.Set("Cookie", strings.Join(all, "; "))
}

// dialer comes from an address of its own in 127/8, each in another /24, as
// visitors do.
func (p *loadPlan) dialer(conn int) *net.Dialer { return dialerFrom(p.Round, conn) }

func dialerFrom(round, conn int) *net.Dialer {
	from := netip.AddrFrom4([4]byte{127, byte(10 + round%240), byte(conn % 256), byte(1 + conn/256)})
	return &net.Dialer{Timeout: 10 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
}

// dial opens one kept connection.
func (p *loadPlan) dial(ctx context.Context, conn int) (exchange, func(), error) {
	if p.CA != "" {
		return p.dialHTTP2(ctx, conn)
	}
	c, err := p.dialer(conn).DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return nil, nil, err
	}
	in, out := bufio.NewReader(c), bufio.NewWriter(c)
	return func(r *http.Request) (*http.Response, error) {
		if err := errors.Join(r.Write(out), out.Flush()); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(in, r)
		return readAll(res, err)
	}, func() { c.Close() }, nil
}

func (p *loadPlan) dialHTTP2(ctx context.Context, conn int) (exchange, func(), error) {
	roots, err := rootsOf(p.CA)
	if err != nil {
		return nil, nil, err
	}
	t := &http.Transport{
		DialContext:       p.dialer(conn).DialContext,
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: shopHost},
		ForceAttemptHTTP2: true, DisableCompression: true,
	}
	ask := func(r *http.Request) (*http.Response, error) {
		res, err := readAll(t.RoundTrip(r))
		if err == nil && res.ProtoMajor != 2 {
			err = fmt.Errorf("%s instead of HTTP/2", res.Proto)
		}
		return res, err
	}
	first := p.visitors(conn, p.Streams)[0] // so that the workers share one connection
	_, err = ask(first.next.WithContext(ctx))
	return ask, t.CloseIdleConnections, err
}

func rootsOf(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

func readAll(res *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res, err
}

// tick is the unit of processor time in /proc (USER_HZ), 100 a second on every
// Linux since 2.6.
const tick = time.Second / 100

// cpuOf is the processor time that processes have used so far (proc(5), stat:
// utime and stime, the 14th and 15th field).
func cpuOf(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold spaces
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			continue
		}
		var user, system int64
		fmt.Sscan(fields[11], &user)
		fmt.Sscan(fields[12], &system)
		sum += time.Duration(user+system) * tick
	}
	return sum
}
