package lab

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/sampleshop"
)

const (
	defaultBuyers  = 40
	defaultSpeed   = 6
	arriveWithin   = 10 * time.Second
	trafficAtMost  = 110 * time.Second
	sampleMembers  = 200
	failuresListed = 5
	busyPercent    = 2
)

// trafficLab plays ordinary buyers and all attacks at once.
func trafficLab() Lab {
	return Lab{
		Name: "traffic",
		Meaning: noren.Text{
			Ja: "お買い物客と8種類の攻撃を同時に再現し、お客様は一人も止めず、攻撃だけが止まるか、記録が残るかを確かめます",
			En: "plays ordinary buyers and eight kinds of attack at once: no buyer may be stopped, every attack must be stopped or limited, and the journal must hold it",
		},
		Run: runTraffic,
	}
}

func runTraffic(ctx context.Context, env Env, p Params) (Report, error) {
	in, err := env.Start(ctx, Want{Seed: p.Seed})
	if err != nil {
		return Report{}, fmt.Errorf("start an instance: %w", err)
	}
	defer in.Close()
	if p.Buyers == 0 {
		p.Buyers = defaultBuyers
	}
	if p.Speed == 0 {
		p.Speed = defaultSpeed
	}
	ctx, cancel := context.WithTimeout(ctx, trafficAtMost)
	defer cancel()
	t := &traffic{in: in, p: p, began: time.Now(), report: Report{Lab: "traffic", Seed: p.Seed, Figures: map[string]any{}}}
	if t.before, err = countOrders(ctx, in.Sample); err != nil {
		return Report{}, err
	}
	stop := progress(env.Progress, t.progress)
	t.play(ctx)
	stop()
	if err := t.judge(ctx); err != nil {
		return Report{}, err
	}
	return t.report, nil
}

// traffic is one run.
type traffic struct {
	in     *Instance
	p      Params
	report Report
	before int // orders in the shop
	began  time.Time

	mu       sync.Mutex
	requests int
	busy     int             // buyers' requests answered 503
	waits    []time.Duration // of buyers' answers
	journeys []Journey
	raids    []Raid
	took     time.Duration
}

func (t *traffic) observe(r Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if r.Kind != kindBuyer || r.Err != nil {
		return
	}
	t.waits = append(t.waits, r.Took)
	if r.Status == http.StatusServiceUnavailable {
		t.busy++
	}
}

func (t *traffic) play(ctx context.Context) {
	o := PlayOptions{Shop: t.in.ShopURL, Seed: t.p.Seed, Members: sampleMembers, MemberSeed: t.p.Seed, Speed: t.p.Speed, Observe: t.observe}
	var wg sync.WaitGroup
	wg.Go(func() {
		js := PlayBuyers(ctx, o, t.p.Buyers, arriveWithin)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.journeys = js
	})
	for _, kind := range AttackKinds() {
		wg.Go(func() {
			raid, err := PlayAttack(ctx, kind, o)
			if err != nil {
				raid = Raid{Kind: kind}
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.raids = append(t.raids, raid)
		})
	}
	wg.Wait()
	t.took = time.Since(t.began)
	slices.SortFunc(t.raids, func(a, b Raid) int { return strings.Compare(a.Kind, b.Kind) })
}

// progress is how far it is, in one line.
func (t *traffic) progress() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%3.0f s  requests %d  attacks over %d of %d", time.Since(t.began).Seconds(), t.requests, len(t.raids), len(attacks()))
}

// judge turns what happened into checks and figures.
func (t *traffic) judge(ctx context.Context) error {
	seen := t.in.Sample.Seen()
	t.judgeBuyers()
	t.judgePatience()
	if err := t.judgeOrders(ctx); err != nil {
		return err
	}
	for _, r := range t.raids {
		if err := t.judgeRaid(r, seen.Marks[r.Kind]); err != nil {
			return err
		}
	}
	if err := t.judgeJournal(ctx, seen); err != nil {
		return err
	}
	accepted, declined := t.in.Sample.Charges()
	t.report.Figures["requests"] = t.requests
	t.report.Figures["seconds"] = seconds(t.took)
	t.report.Figures["buyers"] = map[string]any{
		"count": len(t.journeys), "requests": len(t.waits), "told_to_come_back": t.busy,
		"p50_ms": millis(quantile(t.waits, 0.50)), "p95_ms": millis(quantile(t.waits, 0.95)), "max_ms": millis(quantile(t.waits, 1)),
	}
	t.report.Figures["charges"] = map[string]int64{"accepted": accepted, "declined": declined}
	return nil
}

func (t *traffic) judgeBuyers() {
	bad, steps := []string(nil), 0
	for _, j := range t.journeys {
		steps += j.Steps
		if j.Err != nil && len(bad) < failuresListed {
			bad = append(bad, j.Buyer+" "+j.Err.Error())
		}
	}
	failed := 0
	for _, j := range t.journeys {
		if j.Err != nil {
			failed++
		}
	}
	got := fmt.Sprintf("%d of %d buyers, %d steps", len(t.journeys)-failed, len(t.journeys), steps)
	if failed > 0 {
		got += ": " + strings.Join(bad, "; ")
	}
	t.report.Add("buyers_all_well", noren.Text{Ja: "お買い物客は全員、最後まで買い物ができた", En: "every buyer got to the end of every step"},
		fmt.Sprintf("%d of %d buyers", t.p.Buyers, t.p.Buyers), got, failed == 0 && len(t.journeys) == t.p.Buyers && steps > 0)
}

// judgePatience bounds how often buyers were asked to come back in a moment.
// Under more load than the machine bears some are, and then they get through.
func (t *traffic) judgePatience() {
	most := len(t.waits) * busyPercent / 100
	t.report.Add("buyers_rarely_waited", noren.Text{Ja: "「混み合っています」と言われたお買い物客はごくわずか", En: "buyers were hardly ever told to come back in a moment"},
		fmt.Sprintf("at most %d %% of %d requests", busyPercent, len(t.waits)), fmt.Sprintf("%d requests", t.busy), t.busy <= most)
}

func countOrders(ctx context.Context, s *sampleshop.Shop) (int, error) {
	os, err := s.Orders(ctx, math.MaxInt32)
	return len(os), err
}

// judgeOrders holds what buyers were told against what the shop has.
func (t *traffic) judgeOrders(ctx context.Context) error {
	now, err := countOrders(ctx, t.in.Sample)
	if err != nil {
		return err
	}
	told := 0
	for _, j := range t.journeys {
		if j.Ordered {
			told++
		}
	}
	t.report.Add("orders_arrived", noren.Text{Ja: "注文はすべて店に届いた", En: "every order arrived in the shop"},
		fmt.Sprintf("%d orders", told), fmt.Sprintf("%d orders", now-t.before), now-t.before == told && told > 0)
	return nil
}

func (t *traffic) judgeRaid(r Raid, got sampleshop.MarkSeen) error {
	a, err := findAttack(r.Kind)
	if err != nil {
		return err
	}
	reached := reachedBy(a.bound, got)
	ok := reached <= a.bound.most(r) && r.Attempts > 0 && r.Refused < r.Attempts
	found := fmt.Sprintf("%d of %d", reached, r.Attempts)
	if !ok && len(r.Passed) > 0 {
		found += ": " + strings.Join(r.Passed, "; ")
	}
	t.report.Add(r.Kind, noren.Text{Ja: a.meaning.Ja + "は止まった、または抑えられた", En: a.meaning.En + ": stopped or limited"},
		a.bound.String(), found, ok)
	figures, _ := t.report.Figures["attacks"].(map[string]any)
	if figures == nil {
		figures = map[string]any{}
		t.report.Figures["attacks"] = figures
	}
	answers := map[string]int{}
	for status, n := range r.Answers {
		answers[fmt.Sprint(status)] = n
	}
	figures[r.Kind] = map[string]any{"attempts": r.Attempts, "reached": reached, "requests_in_shop": got.Total, "sources": len(r.Sources), "answers": answers, "refused": r.Refused, "seconds": seconds(r.Took)}
	return nil
}

func reachedBy(b bound, m sampleshop.MarkSeen) int64 {
	switch b.route {
	case "":
		return m.Total
	case routeCharge:
		return m.Charges
	}
	return m.Routes[b.route]
}

// judgeJournal holds what attackers were answered against the record: whatever
// was answered and never reached the shop was stopped, and must be in there.
func (t *traffic) judgeJournal(ctx context.Context, seen sampleshop.Seen) error {
	stops, err := t.in.Journal.Stopped(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	var stopped int64
	sources := map[netip.Addr]bool{}
	for _, r := range t.raids {
		answered := int64(0)
		for _, n := range r.Answers {
			answered += int64(n)
		}
		stopped += max(answered-seen.Marks[r.Kind].Total, 0)
		for _, s := range r.Sources {
			sources[s] = true
		}
	}
	named := 0
	for s := range sources {
		if stops.ByClient[s] > 0 {
			named++
		}
	}
	t.report.Add("journal_holds_stops", noren.Text{Ja: "止めた通信はすべて記録にある", En: "the journal holds every stop"},
		fmt.Sprintf("at least %d", stopped), fmt.Sprint(stops.Total()), stops.Total() >= stopped && stopped > 0)
	t.report.Add("journal_names_attackers", noren.Text{Ja: "攻撃元のアドレスはすべて記録にある", En: "the journal names every attacker's address"},
		fmt.Sprintf("%d of %d addresses", len(sources), len(sources)), fmt.Sprintf("%d of %d addresses", named, len(sources)), named == len(sources))
	t.report.Figures["journal"] = map[string]any{"stopped": stops.Total(), "by_rule": maps.Clone(stops.ByRule)}
	return nil
}

// quantile of durations; 0 for none.
func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func millis(d time.Duration) float64  { return math.Round(float64(d)/float64(time.Millisecond)*10) / 10 }
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }
