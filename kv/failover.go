package kv

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of Failover.
const (
	sharedTimeout = 50 * time.Millisecond // how long one Do waits for the shared store
	retryEvery    = time.Second           // give or take a fifth, so that nodes do not come back as one
	beatWindow    = 10 * time.Second
)

// Failover serves from a shared store. When that fails it serves from this
// process with every rate divided by the number of nodes last seen alive, and
// tries the shared store again in the background. The first failure switches,
// so one outage holds up each call in flight by 50 ms at most and no later one.
type Failover struct {
	shared Store
	local  *Memory
	node   string
	log    *slog.Logger
	away   atomic.Bool
	nodes  atomic.Int64
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// NewFailover watches shared until Close, as node.
func NewFailover(shared Store, node string, log *slog.Logger) *Failover {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &Failover{shared: shared, local: NewMemory(0), node: node, log: log, stop: stop}
	f.nodes.Store(1)
	f.beat(ctx)
	f.done.Go(func() { f.watch(ctx) })
	return f
}

// Degraded reports whether this node serves alone.
func (f *Failover) Degraded() bool { return f.away.Load() }

// Nodes is how many nodes were alive when that was last known.
func (f *Failover) Nodes() int64 { return f.nodes.Load() }

// Do implements Store. It errs only on invalid ops and on an ended ctx.
func (f *Failover) Do(ctx context.Context, ops ...Op) ([]Result, error) {
	if err := Validate(ops); err != nil {
		return nil, err
	}
	if !f.away.Load() {
		bounded, cancel := context.WithTimeout(ctx, sharedTimeout)
		res, err := f.shared.Do(bounded, ops...)
		cancel()
		if err == nil {
			return res, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f.leave(err)
	}
	return f.local.do(f.divided(ops))
}

// Share is by how much limits are divided now: 1 while the shared state answers.
func (f *Failover) Share() int64 {
	if !f.away.Load() {
		return 1
	}
	return max(1, f.nodes.Load())
}

// divided gives this node its share of every limit.
func (f *Failover) divided(ops []Op) []Op {
	n := f.nodes.Load()
	out := make([]Op, len(ops))
	for i, op := range ops {
		if t, ok := op.(Take); ok {
			t.Rate = t.Rate.Divide(n)
			op = t
		}
		out[i] = op
	}
	return out
}

func (f *Failover) leave(err error) {
	if !f.away.Swap(true) {
		f.log.Error("shared state is away; this node enforces its share of every limit alone", "alarm", true, "nodes", f.nodes.Load(), "err", err)
	}
}

func (f *Failover) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(retryEvery*4/5 + rand.N(retryEvery*2/5))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			f.beat(ctx)
		}
	}
}

// beat tells the others that this node lives and learns how many do; it is also
// how a store that was away is found again. Nodes come and go with their beats,
// so the time of one is the clock's.
func (f *Failover) beat(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, retryEvery)
	defer cancel()
	res, err := f.shared.Do(bounded, Beat{Node: f.node, At: time.Now(), Window: beatWindow})
	if err != nil {
		if ctx.Err() == nil {
			f.leave(err)
		}
		return
	}
	f.nodes.Store(max(1, res[0].N))
	if f.away.Swap(false) {
		f.log.Warn("shared state is back", "alarm", true, "nodes", res[0].N)
	}
}

// Close stops watching and closes the shared store.
func (f *Failover) Close() error {
	f.stop()
	f.done.Wait()
	return f.shared.Close()
}
