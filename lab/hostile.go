package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"noren"
)

// hostileLab keeps feeding the firewall what is dear to read.
func hostileLab() Lab {
	return Lab{
		Name: "hostile",
		Meaning: noren.Text{
			Ja: "巨大な入力、深い JSON、崩れた添付、照合を苦しめる文字列を送り続けても、攻撃は1件も通らず、メモリーも処理時間も増えず、お客様は待たされないことを確かめます",
			En: "huge fields, deep JSON, odd multipart and strings that hurt patterns, on and on: no attack gets through, memory and processor time stay level, customers are served",
		},
		Run: runHostile,
	}
}

const (
	hostileFor   = 75 * time.Second // unless asked for longer
	hostileHands = 6
	// At the end everything comes at once: more senders than the firewall has places,
	// all with an attack behind padding.
	hostileRush    = 10 * time.Second
	hostileRushers = 48
	hostileHost    = "hostile.test"
	hostileLevel   = 1.25 // the last third against the one before it
	hostileMost    = 768  // MiB
)

func runHostile(ctx context.Context, env Env, p Params) (Report, error) {
	if p.For == 0 {
		p.For = hostileFor
	}
	h := &hostile{env: env, p: p, report: Report{Lab: "hostile", Seed: p.Seed, Figures: map[string]any{}}, answers: map[string]map[int]int64{}}
	if err := h.start(ctx); err != nil {
		h.close()
		return h.report, fmt.Errorf("start an instance: %w", err)
	}
	defer h.close()
	stop := progress(env.Progress, h.line)
	h.play(ctx)
	stop()
	if err := ctx.Err(); err != nil {
		return h.report, err
	}
	h.judge()
	return h.report, nil
}

// hostile is one run.
type hostile struct {
	env    Env
	p      Params
	report Report
	shop   hostileShop
	noren  *process
	addr   string // of Noren

	mu      sync.Mutex
	sent    int64
	opened  []string                 // attacks that were answered as if they were none
	answers map[string]map[int]int64 // by kind of request
	samples []sample
	seen    visits // by visitors, until the rush
	rushed  visits // and in it
}

// sample is what Noren's process took so far.
type sample struct {
	at     time.Duration // since the beginning
	cpu    time.Duration
	memory int64
	sent   int64
}

const hostileConfig = `version: 1
listen: {http: "%s"}
sites:
  - {name: shop, hosts: ["%s"], upstream: "%s", preset: generic, attack_mode: by_hand}
`

func (h *hostile) start(ctx context.Context) (err error) {
	if err := h.shop.start(); err != nil {
		return err
	}
	if h.addr, err = freeAddress(); err != nil {
		return err
	}
	dir := filepath.Join(h.env.Dir, "hostile")
	if err := put(filepath.Join(dir, "noren.yaml"), fmt.Sprintf(hostileConfig, h.addr, hostileHost, h.shop.url)); err != nil {
		return err
	}
	h.noren, err = serveProcess(ctx, h.env.Exec, dir, h.addr)
	return err
}

func (h *hostile) close() {
	if h.noren != nil {
		h.noren.stop()
	}
	if h.shop.http != nil {
		h.shop.http.Close()
	}
}

func (h *hostile) line() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.samples) == 0 {
		return "the first requests are on their way"
	}
	s := h.samples[len(h.samples)-1]
	return fmt.Sprintf("%s of %s, %d requests, %d MiB", s.at.Round(time.Second), h.p.For, s.sent, s.memory>>20)
}

// play sends, shops and measures side by side; then comes the rush.
func (h *hostile) play(ctx context.Context) {
	h.seen = h.during(ctx, h.p.For, func(ctx context.Context, wg *sync.WaitGroup) {
		for i := range hostileHands {
			wg.Go(func() { h.hand(ctx, i, hostileKinds) })
		}
		wg.Go(func() { h.measure(ctx) })
	})
	h.rushed = h.during(ctx, hostileRush, func(ctx context.Context, wg *sync.WaitGroup) {
		for i := range hostileRushers {
			wg.Go(func() { h.hand(ctx, hostileHands+i, rushKinds) })
		}
	})
}

// during looks at the shop while others do something for a time.
func (h *hostile) during(ctx context.Context, lasts time.Duration, others func(context.Context, *sync.WaitGroup)) visits {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	var wg sync.WaitGroup
	others(ctx, &wg)
	v := calm{h.addr, hostileHost}.look(ctx, lasts)
	wg.Wait()
	return v
}

func (h *hostile) measure(ctx context.Context) {
	began := time.Now()
	for wait(ctx, time.Second) == nil {
		memory, err := h.noren.memory()
		cpu, err2 := h.noren.cpu()
		if err != nil || err2 != nil {
			return // it has ended, which the visitors tell
		}
		h.mu.Lock()
		h.samples = append(h.samples, sample{time.Since(began), cpu, memory, h.sent})
		h.mu.Unlock()
	}
}

func (h *hostile) judge() {
	rep := &h.report
	passed := h.shop.attacks()
	rep.Add("no_attack_passed", noren.Text{Ja: "攻撃は1件もお店に届いていない", En: "no attack reached the shop"}, "0 reached the shop, 0 answered as if they were none",
		fmt.Sprintf("%d and %d of %d requests %s", len(passed), len(h.opened), h.sent, first(append(passed, h.opened...))), len(passed)+len(h.opened) == 0 && h.sent > 0)
	failed := append(h.seen.failed, h.rushed.failed...)
	rep.Add("nobody_turned_away", noren.Text{Ja: "お客様は一人も断られていない", En: "no visitor was turned away"}, "0",
		fmt.Sprintf("%d of %d, and %d in the rush %s", len(failed), len(h.seen.waits), len(h.rushed.waits), first(failed)), len(failed) == 0 && len(h.seen.waits) > 0 && len(h.rushed.waits) > 0)
	third := len(h.samples) / 3
	if third < 2 {
		rep.Add("measured", noren.Text{Ja: "測れた", En: "it was measured"}, "6 seconds or more: --for 8s", fmt.Sprintf("%d seconds", len(h.samples)), false)
		return
	}
	middle, last := h.samples[third:2*third], h.samples[2*third:]
	memory := func(part []sample) float64 {
		var xs []float64
		for _, s := range part {
			xs = append(xs, float64(s.memory)/(1<<20))
		}
		slices.Sort(xs)
		return xs[len(xs)/2]
	}
	each := func(part []sample) float64 {
		a, b := part[0], part[len(part)-1]
		return float64((b.cpu - a.cpu).Microseconds()) / 1000 / max(float64(b.sent-a.sent), 1)
	}
	peak := slices.MaxFunc(h.samples, func(a, b sample) int { return int(a.memory - b.memory) }).memory >> 20
	rep.Add("memory_level", noren.Text{Ja: "メモリーは増えていかない", En: "memory stays level"}, fmt.Sprintf("at most %.2f times the third before, %d MiB at most", hostileLevel, hostileMost),
		fmt.Sprintf("%.2f times (%.0f MiB, then %.0f MiB; at most %d MiB)", memory(last)/memory(middle), memory(middle), memory(last), peak), memory(last) <= hostileLevel*memory(middle) && peak <= hostileMost)
	rep.Add("cpu_level", noren.Text{Ja: "1件あたりの処理時間は増えていかない", En: "processor time of a request stays level"}, fmt.Sprintf("at most %.2f times the third before", hostileLevel),
		fmt.Sprintf("%.2f times (%.1f ms, then %.1f ms)", each(last)/each(middle), each(middle), each(last)), each(last) <= hostileLevel*each(middle))
	h.figures()
}

func (h *hostile) figures() {
	rep := &h.report
	rep.Figures["sent"], rep.Figures["answers"] = h.sent, h.answers
	for name, v := range map[string]visits{"visitors": h.seen, "visitors_in_the_rush": h.rushed} {
		rep.Figures[name] = map[string]any{"requests": len(v.waits), "p50_ms": millis(quantile(v.waits, 0.5)), "p95_ms": millis(quantile(v.waits, 0.95)), "p99_ms": millis(quantile(v.waits, 0.99))}
	}
	var memory []int64
	for i := range h.samples {
		if i%max(len(h.samples)/20, 1) == 0 {
			memory = append(memory, h.samples[i].memory>>20)
		}
	}
	rep.Figures["memory_mib"] = memory
}

func first(of []string) string {
	if len(of) == 0 {
		return ""
	}
	return of[0]
}
