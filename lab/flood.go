package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"noren"
)

// floodLab replays C13: a flood, clients that hold connections by being slow,
// and requests made so that no cache helps, all at once while people shop.
func floodLab() Lab {
	return Lab{
		Name: "flood",
		Meaning: noren.Text{
			Ja: "大量アクセス・低速接続・キャッシュ回避の攻撃を受けても、お買い物客の待ち時間が2倍にならず、ディスクも埋まらないことを確かめます",
			En: "a flood, slow clients and cache-busting while people shop: their waiting stays below twice that of a quiet hour, and the disk does not fill",
		},
		Run: runFlood,
	}
}

const (
	floodBuyers   = 30
	floodArrive   = 15 * time.Second
	defaultFlood  = 2000 // requests a second
	floodWarmup   = 3 * time.Second
	floodAtMost   = 15 * time.Minute
	slowdown      = 2.0
	hourlyMiB     = 100
	floodChildFor = 10 * time.Minute // it ends by itself, whatever happens to us
)

func runFlood(ctx context.Context, env Env, p Params) (Report, error) {
	if p.Buyers == 0 {
		p.Buyers = floodBuyers
	}
	if p.Speed == 0 {
		p.Speed = defaultSpeed
	}
	if p.Rate == 0 {
		p.Rate = defaultFlood
	}
	in, err := env.Start(ctx, Want{Seed: p.Seed})
	if err != nil {
		return Report{}, fmt.Errorf("start an instance: %w", err)
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(ctx, floodAtMost)
	defer cancel()
	f := &flooded{env: env, in: in, p: p, report: Report{Lab: "flood", Seed: p.Seed, Figures: map[string]any{}}}
	stop := progress(env.Progress, f.progress)
	err = f.play(ctx)
	stop()
	if err != nil {
		return f.report, err
	}
	f.judge()
	return f.report, nil
}

// flooded is one run.
type flooded struct {
	env    Env
	in     *Instance
	p      Params
	report Report

	mu          sync.Mutex
	phase       string
	quiet, busy shoppers
	flood       FloodDone
	grew        map[string]int64 // bytes, by file
	lasted      time.Duration
}

// shoppers are the people of one phase.
type shoppers struct {
	journeys []Journey
	waits    []time.Duration
}

func (s *shoppers) lost() (n int, why []string) {
	for _, j := range s.journeys {
		if j.Err != nil {
			n++
			why = append(why, j.Buyer+" "+j.Err.Error())
		}
	}
	return n, why[:min(len(why), failuresListed)]
}

// play has the same number of people shop twice: on a quiet day, then during
// the attack. The first few come beforehand and are not counted: a program
// that has just started is slower.
func (f *flooded) play(ctx context.Context) error {
	var warm shoppers
	f.shop(ctx, "warming up", 0, 5, floodWarmup, &warm)
	f.shop(ctx, "a quiet day", 1, f.p.Buyers, floodArrive, &f.quiet)
	child, err := startAttackers(ctx, f.env.Exec, f.in.ShopURL, f.p, 0)
	if err != nil {
		return err
	}
	wait(ctx, floodWarmup)
	before, err := f.in.Disk(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	f.shop(ctx, "under attack", 2, f.p.Buyers, floodArrive, &f.busy)
	after, err := f.in.Disk(ctx)
	f.grew, f.lasted = growth(before, after), time.Since(began)
	return errors.Join(err, child.end(&f.flood))
}

func (f *flooded) shop(ctx context.Context, phase string, n uint64, buyers int, within time.Duration, into *shoppers) {
	f.mu.Lock()
	f.phase = phase
	f.mu.Unlock()
	o := PlayOptions{Shop: f.in.ShopURL, Seed: f.p.Seed + n, Members: sampleMembers, MemberSeed: f.p.Seed, Speed: f.p.Speed, Observe: func(r Result) {
		if r.Kind == kindBuyer && r.Err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			into.waits = append(into.waits, r.Took)
		}
	}}
	js := PlayBuyers(ctx, o, buyers, within)
	f.mu.Lock()
	defer f.mu.Unlock()
	into.journeys = js
}

func (f *flooded) progress() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%s: %d requests of shoppers", f.phase, len(f.quiet.waits)+len(f.busy.waits))
}

func (c *floodChild) end(into *FloodDone) error {
	c.cmd.Process.Signal(syscall.SIGTERM)
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the attackers ended badly: %w", err)
	}
	return json.Unmarshal([]byte(c.out.String()), into)
}

// growth is by how much each file grew.
func growth(before, after map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for name, n := range after {
		if n != before[name] {
			out[name] = n - before[name]
		}
	}
	return out
}

func (f *flooded) judge() {
	rep := &f.report
	lostQuiet, _ := f.quiet.lost()
	lost, why := f.busy.lost()
	rep.Add("shoppers_all_well", noren.Text{Ja: "攻撃中もお買い物客は全員、買い物を終えられた", En: "every shopper got to the end during the attack"},
		fmt.Sprintf("%d of %d", f.p.Buyers, f.p.Buyers), fmt.Sprintf("%d of %d %s", f.p.Buyers-lost, f.p.Buyers, strings.Join(why, "; ")), lost == 0 && lostQuiet == 0)
	was, is := quantile(f.quiet.waits, 0.95), quantile(f.busy.waits, 0.95)
	ratio := float64(is) / float64(max(was, 1))
	rep.Add("shoppers_not_slowed", noren.Text{Ja: "お買い物客の待ち時間（95%）は2倍にならない", En: "shoppers' 95th percentile stays below twice that of a quiet day"},
		fmt.Sprintf("below %.1f times", slowdown), fmt.Sprintf("%.2f times (%.1f ms, then %.1f ms)", ratio, millis(was), millis(is)), ratio < slowdown && len(f.busy.waits) > 0)
	grew := int64(0)
	for _, n := range f.grew {
		grew += n
	}
	rep.Figures["grew_bytes"] = f.grew
	hourly := float64(grew) / f.lasted.Hours() / (1 << 20)
	// Shoppers leave their own lines and orders; what they leave in the quiet
	// is no part of a flood, and this bound counts it nevertheless.
	rep.Add("disk_does_not_fill", noren.Text{Ja: "攻撃でディスクが埋まらない", En: "the attack does not fill the disk"},
		fmt.Sprintf("at most %d MiB an hour and what shoppers leave", hourlyMiB), fmt.Sprintf("%.0f MiB an hour", hourly), hourly <= hourlyMiB+f.ordinary())
	rep.Add("flood_took_place", noren.Text{Ja: "攻撃は実際に行われた", En: "the attack took place"}, fmt.Sprintf("at least half of %d a second", f.p.Rate),
		fmt.Sprintf("%.0f a second, %d slow connections", f.flood.perSecond(), f.flood.Slow), f.flood.perSecond() >= float64(f.p.Rate)/2 && f.flood.Slow > 0)
	answers := map[string]int64{}
	for status, n := range f.flood.Answers {
		answers[strconv.Itoa(status)] = n
	}
	rep.Figures["flood"] = map[string]any{"requests": f.flood.Requests, "answers": answers, "refused": f.flood.Refused, "slow": f.flood.Slow}
	rep.Figures["seconds"] = seconds(f.lasted)
	for name, s := range map[string]*shoppers{"quiet": &f.quiet, "attacked": &f.busy} {
		rep.Figures[name] = map[string]any{"requests": len(s.waits), "p50_ms": millis(quantile(s.waits, 0.5)), "p95_ms": millis(quantile(s.waits, 0.95)), "max_ms": millis(quantile(s.waits, 1))}
	}
}

// ordinary is what shoppers at this pace leave in an hour, in MiB: about 600
// bytes a request in log, record and counters, and their orders in the shop.
func (f *flooded) ordinary() float64 {
	const perRequest = 2000
	return float64(len(f.busy.waits)*perRequest) / f.lasted.Hours() / (1 << 20)
}

// FloodDone is what the attackers did.
type FloodDone struct {
	Requests int64         `json:"requests"`
	Refused  int64         `json:"refused"` // connections that were cut or not taken
	Slow     int64         `json:"slow"`    // slow connections opened
	Answers  map[int]int64 `json:"answers"`
	Heavy    map[int]int64 `json:"heavy,omitempty"` // answers to heavy forms
	Seconds  float64       `json:"seconds"`
}

func (d FloodDone) perSecond() float64 { return float64(d.Requests) / max(d.Seconds, 0.001) }
