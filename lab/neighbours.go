package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"noren"
)

// neighboursLab floods one of two sites and looks at the other.
func neighboursLab() Lab {
	return Lab{
		Name: "neighbours",
		Meaning: noren.Text{
			Ja: "同じのれんの下にある二つのお店の一方が攻撃されても、もう一方のお客様を待たせないことを確かめます",
			En: "two shops behind one Noren: a flood and a full firewall on one leave the other's visitors as they were",
		},
		Run: runNeighbours,
	}
}

const (
	calmFor       = 20 * time.Second
	calmPause     = 40 * time.Millisecond // between a visitor's requests
	calmVisitors  = 4
	heavyPosters  = 8
	neighbourSlow = 1.5
	heavyField    = 24 << 10 // a field that keeps the firewall busy
)

func runNeighbours(ctx context.Context, env Env, p Params) (Report, error) {
	if p.Rate == 0 {
		p.Rate = defaultFlood / 2
	}
	n := &neighbours{env: env, p: p, report: Report{Lab: "neighbours", Seed: p.Seed, Figures: map[string]any{}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return n.report, err
	}
	shop := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>お隣</title>"+strings.Repeat("<p>お茶と器</p>", 100))
	})}
	go shop.Serve(l)
	defer shop.Close()
	in, err := env.Start(ctx, Want{Seed: p.Seed, Neighbour: "http://" + l.Addr().String()})
	if err != nil {
		return n.report, fmt.Errorf("start an instance: %w", err)
	}
	defer in.Close()
	n.url = in.ShopURL
	stop := progress(env.Progress, func() string { return n.phase })
	err = n.play(ctx, in)
	stop()
	if err == nil {
		n.judge()
	}
	return n.report, err
}

type neighbours struct {
	env    Env
	p      Params
	report Report
	url    string
	phase  string

	quiet, loud visits
	flood       FloodDone
}

// visits are what the neighbour's visitors saw.
type visits struct {
	mu     sync.Mutex
	waits  []time.Duration
	failed []string
}

// play looks at the neighbour before, during and after the attack; the quiet
// before and after count together, because the machine has other work too.
func (n *neighbours) play(ctx context.Context, in *Instance) error {
	var warm visits
	n.visit(ctx, calmFor/10, &warm)
	n.phase = "a quiet day"
	n.visit(ctx, calmFor/2, &n.quiet)
	n.phase = "the other shop under attack"
	f := &flooded{env: n.env, in: in, p: n.p}
	child, err := f.attack(ctx)
	if err != nil {
		return err
	}
	posting, done := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range heavyPosters {
		wg.Go(func() { n.post(posting, i) })
	}
	wait(ctx, floodWarmup)
	n.visit(ctx, calmFor, &n.loud)
	done()
	wg.Wait()
	if err := child.end(&n.flood); err != nil {
		return err
	}
	n.phase = "quiet again"
	wait(ctx, floodWarmup)
	n.visit(ctx, calmFor/2, &n.quiet)
	return nil
}

// visit lets the neighbour's visitors look at pages and send forms.
func (n *neighbours) visit(ctx context.Context, lasts time.Duration, into *visits) {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	var wg sync.WaitGroup
	for i := range calmVisitors {
		wg.Go(func() {
			over := transport(netip.AddrFrom4([4]byte{127, 40, 0, byte(1 + i)}))
			defer over.CloseIdleConnections()
			for k := 0; wait(ctx, calmPause) == nil; k++ {
				begun := time.Now()
				err := n.ask(over, i, k)
				into.mu.Lock()
				if err != nil && ctx.Err() == nil {
					into.failed = append(into.failed, err.Error())
				} else if err == nil {
					into.waits = append(into.waits, time.Since(begun))
				}
				into.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (n *neighbours) ask(over http.RoundTripper, visitor, k int) error {
	method, path, body := http.MethodGet, fmt.Sprintf("/products/%d", k%40), ""
	if k%5 == 4 {
		method, path, body = http.MethodPost, "/cart", "product=cha&quantity=1&note=%E3%83%A1%E3%83%BC%E3%82%AB%E3%83%BC"
	}
	req, err := http.NewRequest(method, n.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Host = NeighbourHost
	req.Header.Set("User-Agent", profiles()[visitor].agent)
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Cookie", fmt.Sprintf("session=visitor%d", visitor))
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := over.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", path, res.StatusCode)
	}
	return nil
}

// post keeps the other shop's firewall as busy as it can be, from an address
// that no limit stops.
func (n *neighbours) post(ctx context.Context, i int) {
	over := transport(netip.AddrFrom4([4]byte{127, 60, byte(i), 1}))
	defer over.CloseIdleConnections()
	form := "note=" + strings.Repeat("a+b%2F", heavyField/6)
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/products/hojicha", strings.NewReader(form))
		if err != nil {
			return
		}
		req.Header.Set("User-Agent", profiles()[i%len(profiles())].agent)
		req.Header.Set("Accept", "text/html")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if res, err := over.RoundTrip(req); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		} else if !errors.Is(err, context.Canceled) {
			wait(ctx, 10*time.Millisecond)
		}
	}
}

func (n *neighbours) judge() {
	rep := &n.report
	failed := append(n.quiet.failed, n.loud.failed...)
	rep.Add("nobody_turned_away", noren.Text{Ja: "お隣のお客様は一人も断られていない", En: "none of the neighbour's visitors was turned away"}, "0",
		fmt.Sprintf("%d %s", len(failed), strings.Join(failed[:min(len(failed), failuresListed)], "; ")), len(failed) == 0)
	was, is := quantile(n.quiet.waits, 0.99), quantile(n.loud.waits, 0.99)
	ratio := float64(is) / float64(max(was, 1))
	rep.Add("neighbour_not_slowed", noren.Text{Ja: "お隣のお店の待ち時間（99%）はほぼ変わらない", En: "the neighbour's 99th percentile stays as it was"},
		fmt.Sprintf("at most %.1f times", neighbourSlow), fmt.Sprintf("%.2f times (%.1f ms, then %.1f ms)", ratio, millis(was), millis(is)), ratio <= neighbourSlow && len(n.loud.waits) > 0)
	rep.Add("flood_took_place", noren.Text{Ja: "攻撃は実際に行われた", En: "the attack took place"}, fmt.Sprintf("at least half of %d a second", n.p.Rate),
		fmt.Sprintf("%.0f a second, %d slow connections", n.flood.perSecond(), n.flood.Slow), n.flood.perSecond() >= float64(n.p.Rate)/2)
	for name, v := range map[string]*visits{"quiet": &n.quiet, "attacked": &n.loud} {
		rep.Figures[name] = map[string]any{"requests": len(v.waits), "p50_ms": millis(quantile(v.waits, 0.5)), "p95_ms": millis(quantile(v.waits, 0.95)), "p99_ms": millis(quantile(v.waits, 0.99))}
	}
	answers := map[string]int64{}
	for status, k := range n.flood.Answers {
		answers[fmt.Sprint(status)] = k
	}
	rep.Figures["flood"] = map[string]any{"requests": n.flood.Requests, "answers": answers}
}
