package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
)

// reloadLab changes a serving process under load, again and again, the way an
// operator does.
func reloadLab() Lab {
	return Lab{
		Name: "reload",
		Meaning: noren.Text{
			Ja: "お客様が通っている最中に設定を何度も変え、一つの通信も失敗せず、変更が次の通信から効くことを確かめます",
			En: "changes settings again and again under load: no request may fail, each change must show on the next request, a WebSocket must live on, memory must not grow",
		},
		Run: runReload,
	}
}

const (
	defaultReloads = 120
	settledAfter   = 50  // from then on memory is held against what it was
	memoryGrowth   = 1.2 // times
	firewallEvery  = 50
	loadPause      = 3 * time.Millisecond
	// reloadWarmup is load before the first change, so that memory is held against
	// that of a process at work and not of one that has just begun.
	reloadWarmup = 20 * time.Second
)

func runReload(ctx context.Context, env Env, p Params) (Report, error) {
	n := p.Runs
	if n == 0 {
		n = defaultReloads
	}
	r := &reloads{env: env, report: Report{Lab: "reload", Seed: p.Seed, Figures: map[string]any{}}, seed: p.Seed}
	if err := r.start(ctx); err != nil {
		return r.report, err
	}
	defer r.close()
	load, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i, work := range r.workers() {
		wg.Go(func() { r.load(load, i, work) })
	}
	shown := progress(env.Progress, func() string {
		return fmt.Sprintf("reload %d of %d, %d requests, %d failed", r.n.Load(), n, r.requests.Load(), r.failed.Load())
	})
	err := wait(ctx, reloadWarmup)
	if err == nil {
		err = r.changes(ctx, n)
	}
	shown()
	stop()
	wg.Wait()
	if err != nil {
		return r.report, fmt.Errorf("reload %d: %w\n%s", r.n.Load(), err, r.noren.lastWords())
	}
	r.judge(n)
	return r.report, nil
}

// reloads is one run.
type reloads struct {
	env    Env
	seed   uint64
	report Report

	shop        *http.Server
	noren       *process
	plain, safe string // the listeners
	files       reloadFiles

	n                atomic.Int64
	requests, failed atomic.Int64
	mu               sync.Mutex
	faults           []string
	missed           []string // changes that did not show
	socketErr        error
	spoken           int
	memory           []int64
	took             []time.Duration
}

func (r *reloads) start(ctx context.Context) (err error) {
	if r.plain, err = freeAddress(); err != nil {
		return err
	}
	if r.safe, err = freeAddress(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/socket", echoSocket)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>お店</title>"+strings.Repeat("<p>お茶と器</p>", 200))
	})
	r.shop = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go r.shop.Serve(l)
	dir := filepath.Join(r.env.Dir, "reload")
	r.files = reloadFiles{dir: dir, plain: r.plain, safe: r.safe, upstream: "http://" + l.Addr().String()}
	if err := r.files.write(0); err != nil {
		return err
	}
	r.noren, err = serveProcess(ctx, r.env.Exec, dir, r.plain)
	return err
}

func (r *reloads) close() {
	if r.noren != nil {
		r.noren.stop()
	}
	r.shop.Close()
}

// changes makes n changes, each of the next kind, and looks whether each shows
// on the next request.
func (r *reloads) changes(ctx context.Context, n int) error {
	ws, err := dialSocket(r.plain)
	if err != nil {
		return err
	}
	defer ws.conn.Close()
	for i := 1; i <= n; i++ {
		c := reloadKinds()[i%len(reloadKinds())]
		if i%firewallEvery == 0 {
			c = firewallChange()
		}
		if err := r.files.change(c, i); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.noren.command(ctx, "reload"); err != nil {
			return err
		}
		r.took = append(r.took, time.Since(begun))
		if err := c.shows(r.visitor(i), i); err != nil {
			r.missed = append(r.missed, fmt.Sprintf("%d (%s): %v", i, c.name, err))
		}
		if r.socketErr == nil {
			r.socketErr = ws.say(fmt.Sprintf("after reload %d", i))
			r.spoken++
		}
		m, err := r.noren.memory()
		if err != nil {
			return err
		}
		r.memory = append(r.memory, m)
		r.n.Store(int64(i))
	}
	return nil
}

// visitor comes on a connection of their own. There are only a few, so that the
// memory measured is that of reloading and not of what is known about visitors.
func (r *reloads) visitor(i int) *onlooker {
	t := transport(netip.AddrFrom4([4]byte{127, 100, 0, byte(1 + i%16)}))
	t.DisableKeepAlives = true
	return &onlooker{http: &http.Client{Transport: t, Timeout: answerWithin}, plain: "http://" + r.plain, safe: r.safe}
}

// workers are the ways in which requests come meanwhile.
func (r *reloads) workers() []func() (*http.Request, http.RoundTripper) {
	kept := transport(netip.MustParseAddr("127.90.0.1"))
	once := transport(netip.MustParseAddr("127.90.0.2"))
	once.DisableKeepAlives = true
	secure := transport(netip.MustParseAddr("127.90.0.3"))
	secure.TLSClientConfig, secure.ForceAttemptHTTP2 = &tls.Config{InsecureSkipVerify: true}, true // the certificate changes; its own check looks at it
	form := func() *http.Request {
		req, _ := http.NewRequest(http.MethodPost, "http://"+r.plain+"/cart", strings.NewReader("product=cha&quantity=1&note=%E8%B5%A4"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req
	}
	page := func(base string) *http.Request {
		req, _ := http.NewRequest(http.MethodGet, base+"/products/cha", nil)
		return req
	}
	return []func() (*http.Request, http.RoundTripper){
		func() (*http.Request, http.RoundTripper) { return page("http://" + r.plain), kept },
		func() (*http.Request, http.RoundTripper) { return form(), kept },
		func() (*http.Request, http.RoundTripper) { return page("http://" + r.plain), once },
		func() (*http.Request, http.RoundTripper) { return page("https://" + r.safe), secure },
	}
}

func (r *reloads) load(ctx context.Context, worker int, next func() (*http.Request, http.RoundTripper)) {
	for ctx.Err() == nil {
		req, over := next()
		req.Header.Set("User-Agent", profiles()[worker%len(profiles())].agent)
		req.Header.Set("Accept", "text/html")
		if err := r.ask(req, over); err != nil {
			r.failed.Add(1)
			r.mu.Lock()
			if len(r.faults) < failuresListed {
				r.faults = append(r.faults, fmt.Sprintf("after %d: %s %s: %v", r.n.Load(), req.Method, req.URL, err))
			}
			r.mu.Unlock()
		}
		r.requests.Add(1)
		wait(ctx, loadPause)
	}
}

// ask wants the whole page of the shop.
func (r *reloads) ask(req *http.Request, over http.RoundTripper) error {
	res, err := over.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.HasSuffix(string(b), "</p>") {
		return fmt.Errorf("answered %d, %d bytes", res.StatusCode, len(b))
	}
	return nil
}

func (r *reloads) judge(n int) {
	rep := &r.report
	rep.Add("no_request_failed", noren.Text{Ja: "設定の変更中に失敗した通信はない", En: "no request failed"}, "0",
		fmt.Sprintf("%d of %d %s", r.failed.Load(), r.requests.Load(), strings.Join(r.faults, "; ")), r.failed.Load() == 0 && r.requests.Load() > int64(n))
	rep.Add("changes_show", noren.Text{Ja: "変更はすべて次の通信から効いた", En: "every change showed on the next request"},
		fmt.Sprintf("%d of %d", n, n), fmt.Sprintf("%d of %d %s", n-len(r.missed), n, strings.Join(r.missed[:min(len(r.missed), failuresListed)], "; ")), len(r.missed) == 0)
	rep.Add("websocket_lives", noren.Text{Ja: "WebSocketは切れなかった", En: "the WebSocket lived on"},
		fmt.Sprintf("%d messages", n), fmt.Sprintf("%d messages, %v", r.spoken, r.socketErr), r.socketErr == nil && r.spoken == n)
	if n > settledAfter {
		was, is := mean(r.memory[settledAfter-10:settledAfter]), mean(r.memory[n-10:])
		rep.Add("memory_flat", noren.Text{Ja: "メモリは増え続けない", En: "memory does not grow"},
			fmt.Sprintf("at most %.1f times what it was after %d", memoryGrowth, settledAfter),
			fmt.Sprintf("%.2f times (%d MiB, then %d MiB)", is/was, int64(was)>>20, int64(is)>>20), is <= memoryGrowth*was)
	}
	rep.Figures["reloads"] = map[string]any{"count": n, "p50_ms": millis(quantile(r.took, 0.5)), "max_ms": millis(quantile(r.took, 1))}
	rep.Figures["requests"] = r.requests.Load()
}

// mean of the last readings, because memory breathes with the collector.
func mean(xs []int64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += float64(x)
	}
	return sum / float64(len(xs))
}

// onlooker looks whether a change shows.
type onlooker struct {
	http        *http.Client
	plain, safe string
}

// status asks for a path and returns what came.
func (o *onlooker) get(path string) (status int, h http.Header, body string, err error) {
	req, err := http.NewRequest(http.MethodGet, o.plain+path, nil)
	if err != nil {
		return 0, nil, "", err
	}
	req.Header.Set("User-Agent", profiles()[0].agent)
	req.Header.Set("Accept", "text/html")
	res, err := o.http.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, res.Header, string(b), err
}

// wants asks for a path and wants a status.
func (o *onlooker) wants(path string, status int) error {
	got, _, _, err := o.get(path)
	if err == nil && got != status {
		err = fmt.Errorf("%s answered %d instead of %d", path, got, status)
	}
	return err
}

// put writes a file in one step, as an editor or a deployment does.
func put(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
