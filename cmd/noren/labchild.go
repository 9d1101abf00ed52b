package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"noren"
	"noren/gateway"
	"noren/settings"
)

// labChildCmd is the process that the kill lab kills: a whole instance without
// listeners that records events as fast as it can and says which were
// acknowledged. Hidden, because it is of no use by itself.
type labChildCmd struct {
	Dir     string        `required:"" help:"Data directory."`
	URL     string        `help:"Database address (default: SQLite in the data directory)."`
	Seed    uint64        `help:"Seed of the events."`
	Writers int           `default:"8" help:"How many events are under way at once."`
	Events  int64         `help:"End after so many events; 0: go on."`
	For     time.Duration `default:"20s" help:"End after this time."`
	DieStep string        `help:"End by kill -9 after this step of the loop …"`
	DieAt   int64         `default:"1" help:"… the so-many-th time."`
}

// labSite is the one site of a lab instance.
const labSite = "lab"

func (c labChildCmd) Run(e *env) error {
	ctx, cancel := context.WithTimeout(e.ctx, c.For)
	defer cancel()
	in, err := openInstance(ctx, labConfig(c.Dir, c.URL), wants{create: true, getenv: e.getenv, initial: labSettings(), step: c.dieStep()}, e.log)
	if err != nil {
		return err
	}
	in.run(ctx)
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(c.Events)
	acks := &ackWriter{e: e}
	for w := range c.Writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(c.Seed, uint64(w)))
			for ctx.Err() == nil && (c.Events == 0 || left.Add(-1) >= 0) {
				ev := labEvent(r)
				if d, err := in.loop.Decide(ctx, ev); err == nil && d.Fault == "" {
					acks.write(ev.Kind, d.EventID)
				}
			}
		})
	}
	wg.Wait()
	return in.Close(context.WithoutCancel(ctx))
}

// dieStep returns the hook that kills this process between two steps.
func (c labChildCmd) dieStep() func(string) {
	var n atomic.Int64
	return func(step string) {
		if step == c.DieStep && n.Add(1) == c.DieAt {
			syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

// ackWriter writes one line per acknowledged event, each with one system call.
type ackWriter struct {
	mu sync.Mutex
	e  *env
}

func (a *ackWriter) write(kind noren.Kind, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.e.io.out, "ack %s %s\n", kind, id)
}

func labConfig(dir, url string) *Config {
	c := &Config{Version: 1, Data: dir, dir: dir, Sites: []gateway.Site{{Name: labSite, Hosts: []string{"lab.test"}, Upstream: "http://127.0.0.1:9", Preset: "generic"}}}
	c.Database.URL = url
	c.Listen.HTTP = "127.0.0.1:0"
	c.fill()
	if url == "" {
		c.Database.URL = "sqlite:" + filepath.Join(dir, "noren.db")
	}
	return c
}

// labSettings are policies that act often, so that a kill finds actions at
// every step.
func labSettings() settings.Set {
	set := settings.Set{limitsFile: string(gateway.ShippedLimitsFile())}
	set[policiesDir+"lab.yaml"] = `version: 1
policies:
  - name: lab-ban
    kinds: [payment.attempt]
    mode: on
    when: address.payments_failed_1h % 5 == 4
    then: block
    ban: {entity: address, for: 10m}
    reason: {ja: 実験用の遮断, en: ban of the lab}
    tests:
      - {facts: {address.payments_failed_1h: 4}, fires: true}
      - {facts: {address.payments_failed_1h: 5}, fires: false}
  - name: lab-orders
    kinds: [order.placed]
    mode: on
    when: account.orders_1h > 1000000 || account.order_sum_24h > 1000000000
    then: review
    reason: {ja: 実験用の確認, en: review of the lab}
    tests:
      - {facts: {account.orders_1h: 1000001}, fires: true}
      - {facts: {account.orders_1h: 1}, fires: false}
`
	return set
}

func labEvent(r *rand.Rand) noren.Event {
	account := fmt.Sprintf("customer%02d@lab.test", r.IntN(20))
	address := fmt.Sprintf("198.51.100.%d", 1+r.IntN(60))
	ev := noren.Event{Site: labSite, Entities: noren.Entities{noren.EntityAccount: account, noren.EntityAddress: address}}
	switch r.IntN(3) {
	case 0:
		ev.Kind, ev.Zone = noren.OrderPlaced, noren.ZoneCheckout
		ev.Payload = &noren.Order{Number: noren.NewID(time.Now()), Total: noren.Yen(int64(1000 + r.IntN(9000))), Method: "card"}
	case 1:
		ev.Kind, ev.Zone = noren.PaymentAttempt, noren.ZoneCheckout
		ev.Entities[noren.EntityCard] = fmt.Sprintf("tok_%d", r.IntN(100))
		ev.Payload = &noren.Payment{Amount: noren.Yen(980), Method: "card"}
	default:
		ev.Kind, ev.Zone = noren.LoginOutcome, noren.ZoneLogin
		ev.Payload = &noren.LoginResult{User: account, Success: true}
	}
	return ev
}
