package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
)

// natLab puts many buyers and one attacker behind one address.
func natLab() Lab {
	return Lab{
		Name: "nat",
		Meaning: noren.Text{
			Ja: "携帯回線のように一つのアドレスを大勢のお客様と攻撃者が共有しても、お客様は買い物を終えられることを確かめます",
			En: "many buyers and one attacker behind one address, as at a mobile carrier: the attacker is stopped, and at most one buyer in a thousand may suffer",
		},
		Run: runNAT,
	}
}

const (
	defaultNATBuyers = 100
	natAtMost        = 40 * time.Minute
	// natArrival is how many buyers come in a second; each stays for half a
	// minute at the usual speed.
	natArrival = 4
	// natCrowd is how many buyers are there when the attacker comes. An attacker
	// who has an address for himself is banned, and so are those who come after.
	natCrowd = 20
	// natLost: of so many buyers one may be lost.
	natLost = 1000
)

func runNAT(ctx context.Context, env Env, p Params) (Report, error) {
	if p.Buyers == 0 {
		p.Buyers = defaultNATBuyers
	}
	if p.Speed == 0 {
		p.Speed = defaultSpeed
	}
	in, err := env.Start(ctx, Want{Seed: p.Seed})
	if err != nil {
		return Report{}, fmt.Errorf("start an instance: %w", err)
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(ctx, natAtMost)
	defer cancel()
	n := &nat{in: in, p: p, report: Report{Lab: "nat", Seed: p.Seed, Figures: map[string]any{}}, raids: map[string]*Raid{}}
	if n.before, err = countOrders(ctx, in.Sample); err != nil {
		return n.report, err
	}
	stop := progress(env.Progress, n.progress)
	n.play(ctx)
	stop()
	return n.report, n.judge(ctx)
}

// nat is one run.
type nat struct {
	in     *Instance
	p      Params
	report Report
	before int

	mu       sync.Mutex
	home     int // buyers who are done
	busy     int
	asked    int // buyers' requests answered with the check
	waits    []time.Duration
	attacks  int // attackers' requests
	journeys []Journey
	raids    map[string]*Raid
	took     time.Duration
}

func (n *nat) observe(r Result) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Kind != kindBuyer {
		n.attacks++
		return
	}
	if r.Err == nil {
		n.waits = append(n.waits, r.Took)
	}
	switch r.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		n.busy++
	case http.StatusForbidden:
		n.asked++
	}
}

// play lets the buyers in one after the other while the attacker tries every
// kind of attack, again and again until the last buyer has left.
func (n *nat) play(ctx context.Context) {
	began := time.Now()
	o := PlayOptions{Shop: n.in.ShopURL, Seed: n.p.Seed, Members: sampleMembers, MemberSeed: n.p.Seed, Speed: n.p.Speed,
		Home: netip.AddrFrom4([4]byte{127, 18, 0, byte(1 + n.p.Seed%200)}), Observe: n.observe}
	raiding, over := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if wait(raiding, natCrowd*time.Second/natArrival) == nil {
			n.raid(raiding, o)
		}
	})
	n.journeys = n.buy(ctx, o)
	over()
	wg.Wait()
	n.took = time.Since(began)
}

func (n *nat) buy(ctx context.Context, o PlayOptions) []Journey {
	journeys := make([]Journey, n.p.Buyers)
	var wg sync.WaitGroup
	for i := range n.p.Buyers {
		if wait(ctx, time.Second/natArrival) != nil {
			break
		}
		wg.Go(func() {
			journeys[i] = playBuyer(ctx, o, i)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.home++
		})
	}
	wg.Wait()
	return journeys
}

func (n *nat) raid(ctx context.Context, o PlayOptions) {
	for round := uint64(0); ; round++ {
		for _, kind := range AttackKinds() {
			o.Seed = n.p.Seed + round
			r, err := PlayAttack(ctx, kind, o)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				n.note(r)
			}
		}
	}
}

func (n *nat) note(r Raid) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := n.raids[r.Kind]
	if sum == nil {
		sum = &Raid{Kind: r.Kind, Answers: map[int]int{}}
		n.raids[r.Kind] = sum
	}
	sum.Attempts += r.Attempts
	for status, k := range r.Answers {
		sum.Answers[status] += k
	}
}

func (n *nat) progress() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return fmt.Sprintf("%d of %d buyers have been, %d of their requests, %d of the attacker's", n.home, n.p.Buyers, len(n.waits), n.attacks)
}

func (n *nat) judge(ctx context.Context) error {
	var bad []string
	for _, j := range n.journeys {
		if j.Err != nil {
			bad = append(bad, j.Buyer+" "+j.Err.Error())
		}
	}
	lost := n.p.Buyers / natLost // of fewer than a thousand, nobody
	n.report.Add("buyers_all_well", noren.Text{Ja: "同じアドレスのお客様は買い物を終えられた", En: "the buyers behind that address got to the end"},
		fmt.Sprintf("at least %d of %d", n.p.Buyers-lost, n.p.Buyers),
		fmt.Sprintf("%d of %d %s", n.p.Buyers-len(bad), n.p.Buyers, strings.Join(bad[:min(len(bad), failuresListed)], "; ")), len(bad) <= lost)
	now, err := countOrders(ctx, n.in.Sample)
	if err != nil {
		return err
	}
	told := 0
	for _, j := range n.journeys {
		if j.Ordered {
			told++
		}
	}
	n.report.Add("orders_arrived", noren.Text{Ja: "注文はすべて店に届いた", En: "every order arrived in the shop"},
		fmt.Sprint(told), fmt.Sprint(now-n.before), now-n.before == told && told > 0)
	n.judgeAttacker()
	stops, err := n.in.Journal.Stopped(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	n.report.Figures["stopped_by"] = stops.ByRule
	n.report.Figures["seconds"] = seconds(n.took)
	n.report.Figures["buyers"] = map[string]any{"count": n.p.Buyers, "orders": told, "requests": len(n.waits), "told_to_wait": n.busy, "asked_for_the_check": n.asked,
		"p50_ms": millis(quantile(n.waits, 0.5)), "p95_ms": millis(quantile(n.waits, 0.95))}
	return nil
}

// judgeAttacker: what an injection sends must not get through, also from an
// address that cannot be banned. Volume is another matter: it is held down, and
// the figures say how far.
func (n *nat) judgeAttacker() {
	seen := n.in.Sample.Seen()
	figures := map[string]any{}
	for _, kind := range slices.Sorted(func(yield func(string) bool) {
		for k := range n.raids {
			if !yield(k) {
				return
			}
		}
	}) {
		r, a := n.raids[kind], mustAttack(kind)
		reached := reachedBy(a.bound, seen.Marks[kind])
		figures[kind] = map[string]any{"attempts": r.Attempts, "reached": reached}
		if a.bound.share > 0 && a.bound.perSecond == 0 {
			most := int64(a.bound.share * float64(r.Attempts))
			n.report.Add(kind, noren.Text{Ja: a.meaning.Ja + "は止まった", En: a.meaning.En + ": stopped"},
				fmt.Sprintf("at most %d of %d", most, r.Attempts), fmt.Sprint(reached), reached <= most && r.Attempts > 0)
		}
	}
	n.report.Figures["attacker"] = figures
}

func mustAttack(kind string) attack {
	a, _ := findAttack(kind)
	return a
}
