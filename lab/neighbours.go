package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
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

// A round is a quiet time, the same attack on a program that is not Noren, and
// the attack. What the machine does besides comes and goes; within one round it
// is much the same, and the median over the rounds is what counts.
const (
	neighbourRounds = 5 // unless asked for more or fewer
	calmFor         = 4 * time.Second
	besideFor       = 4 * time.Second
	attackedFor     = 7 * time.Second
	betweenTimes    = 500 * time.Millisecond
	neighbourWarm   = 3 * time.Second
	neighbourSlow   = 1.5
	neighbourHost   = "neighbour.test"
)

func runNeighbours(ctx context.Context, env Env, p Params) (Report, error) {
	if p.Rate == 0 {
		p.Rate = defaultFlood / 2
	}
	if p.Runs == 0 {
		p.Runs = neighbourRounds
	}
	n := &neighbours{env: env, p: p, report: Report{Lab: "neighbours", Seed: p.Seed, Figures: map[string]any{}}}
	if err := n.start(ctx); err != nil {
		n.close()
		return n.report, fmt.Errorf("start an instance: %w", err)
	}
	defer n.close()
	stop := progress(env.Progress, func() string { return n.phase })
	err := n.play(ctx)
	stop()
	if err != nil {
		return n.report, fmt.Errorf("%w\n%s", err, n.noren.lastWords())
	}
	n.judge()
	return n.report, nil
}

// neighbours is one run. Noren, the attackers and the program that stands in for
// Noren are processes of their own; the shops and the neighbour's visitors are
// here.
type neighbours struct {
	env    Env
	p      Params
	report Report
	shops  neighbourShops
	noren  *process
	addr   string // of Noren
	sink   *sinkChild
	phase  string
	rounds []neighbourRound
}

// neighbourRound is what the neighbour's visitors saw in one round.
type neighbourRound struct {
	quiet, beside, loud visits
	flood               FloodDone
}

func (n *neighbours) start(ctx context.Context) (err error) {
	if err := n.shops.open(); err != nil {
		return err
	}
	if n.addr, err = freeAddress(); err != nil {
		return err
	}
	dir := filepath.Join(n.env.Dir, "neighbours")
	text := fmt.Sprintf(neighboursConfig, n.addr, n.shops.attacked.url, neighbourHost, n.shops.neighbour.url)
	if err := put(filepath.Join(dir, "noren.yaml"), text); err != nil {
		return err
	}
	if n.noren, err = serveProcess(ctx, n.env.Exec, dir, n.addr); err != nil {
		return err
	}
	n.sink, err = startSink(ctx, n.env.Exec)
	return err
}

const neighboursConfig = `version: 1
listen: {http: "%s"}
sites:
  - {name: attacked, hosts: ["127.0.0.1"], upstream: "%s", preset: generic}
  - {name: neighbour, hosts: ["%s"], upstream: "%s", preset: generic}
`

func (n *neighbours) close() {
	if n.sink != nil {
		n.sink.stop()
	}
	if n.noren != nil {
		n.noren.stop()
	}
	n.shops.close()
}

func (n *neighbours) visitors() calm { return calm{n.addr, neighbourHost} }

func (n *neighbours) play(ctx context.Context) error {
	n.visitors().look(ctx, neighbourWarm)
	for i := range n.p.Runs {
		var r neighbourRound
		var err error
		n.phase = fmt.Sprintf("round %d of %d: quiet", i+1, n.p.Runs)
		r.quiet = n.visitors().look(ctx, calmFor)
		n.phase = fmt.Sprintf("round %d of %d: the attack on another program", i+1, n.p.Runs)
		if r.beside, _, err = n.during(ctx, n.sink.addr, besideFor); err != nil {
			return err
		}
		n.phase = fmt.Sprintf("round %d of %d: the other shop under attack", i+1, n.p.Runs)
		if r.loud, r.flood, err = n.during(ctx, n.addr, attackedFor); err != nil {
			return err
		}
		n.rounds = append(n.rounds, r)
		if err := wait(ctx, betweenTimes); err != nil {
			return err
		}
	}
	return nil
}

// during looks at the neighbour while target is attacked, from the first moment
// on.
func (n *neighbours) during(ctx context.Context, target string, lasts time.Duration) (visits, FloodDone, error) {
	var done FloodDone
	child, err := startAttackers(ctx, n.env.Exec, "http://"+target, n.p, heavyPosters)
	if err != nil {
		return visits{}, done, err
	}
	v := n.visitors().look(ctx, lasts)
	return v, done, child.end(&done)
}

func (n *neighbours) judge() {
	rep := &n.report
	var failed []string
	for _, r := range n.rounds {
		failed = append(append(append(failed, r.quiet.failed...), r.beside.failed...), r.loud.failed...)
	}
	rep.Add("nobody_turned_away", noren.Text{Ja: "お隣のお客様は一人も断られていない", En: "none of the neighbour's visitors was turned away"}, "0",
		fmt.Sprintf("%d %s", len(failed), strings.Join(failed[:min(len(failed), failuresListed)], "; ")), len(failed) == 0)
	p99 := func(v visits) float64 { return millis(quantile(v.waits, 0.99)) }
	quiet := n.over(func(r neighbourRound) float64 { return p99(r.quiet) })
	loud := n.over(func(r neighbourRound) float64 { return p99(r.loud) })
	ratios := n.over(func(r neighbourRound) float64 { return p99(r.loud) / max(p99(r.quiet), 0.1) })
	beside := n.over(func(r neighbourRound) float64 { return p99(r.beside) / max(p99(r.quiet), 0.1) })
	rep.Add("neighbour_not_slowed", noren.Text{Ja: "お隣のお店の待ち時間（99%）はほぼ変わらない", En: "the neighbour's 99th percentile stays as it was"},
		fmt.Sprintf("at most %.1f times, the median of %d rounds", neighbourSlow, len(n.rounds)),
		fmt.Sprintf("%.2f times (%.1f ms, then %.1f ms; with the same attack on another program %.2f times)", middle(ratios), middle(quiet), middle(loud), middle(beside)),
		middle(ratios) <= neighbourSlow && len(n.rounds[0].loud.waits) > 0)
	perSecond := middle(n.over(func(r neighbourRound) float64 { return r.flood.perSecond() }))
	rep.Add("flood_took_place", noren.Text{Ja: "攻撃は実際に行われた", En: "the attack took place"}, fmt.Sprintf("at least half of %d a second", n.p.Rate),
		fmt.Sprintf("%.0f a second, %d slow connections", perSecond, n.rounds[0].flood.Slow), perSecond >= float64(n.p.Rate)/2)
	n.figures(ratios, beside)
}

func (n *neighbours) figures(ratios, beside []float64) {
	rep := &n.report
	rep.Figures["ratios"], rep.Figures["ratios_beside"] = ratios, beside
	for name, of := range map[string]func(neighbourRound) visits{
		"quiet":    func(r neighbourRound) visits { return r.quiet },
		"beside":   func(r neighbourRound) visits { return r.beside },
		"attacked": func(r neighbourRound) visits { return r.loud },
	} {
		at := func(q float64) []float64 {
			return n.over(func(r neighbourRound) float64 { return millis(quantile(of(r).waits, q)) })
		}
		rep.Figures[name] = map[string]any{"requests": len(of(n.rounds[0]).waits), "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99)}
	}
	answers, heavy := map[string]int64{}, map[string]int64{}
	for _, r := range n.rounds {
		for status, k := range r.flood.Answers {
			answers[fmt.Sprint(status)] += k
		}
		for status, k := range r.flood.Heavy {
			heavy[fmt.Sprint(status)] += k
		}
	}
	rep.Figures["flood"], rep.Figures["heavy"] = answers, heavy
}

// over is one figure of every round.
func (n *neighbours) over(of func(neighbourRound) float64) []float64 {
	var out []float64
	for _, r := range n.rounds {
		out = append(out, of(r))
	}
	return out
}

func middle(xs []float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[len(sorted)/2]
}
