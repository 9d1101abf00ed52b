package orient

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"noren/kv"
)

// Requests of one entity and window are counted exactly up to these.
const (
	maxRequests       = 4_096
	maxCoarseRequests = 16_384
)

// tailKeep is how long the shared log of an entity outlives its last use.
const tailKeep = 15 * time.Minute

// ask makes the one round trip to the kv store: it counts the request, reads
// request rates and, between nodes, exchanges marks.
func (o *Orient) ask(ctx context.Context, w *work) {
	if len(w.plan.layout.requests) == 0 && !o.shared {
		return
	}
	a := asking{o: o, w: w}
	a.rates()
	if o.shared {
		a.tails()
	}
	if len(a.ops) == 0 { // nobody to count for: the event lacks the entities asked about
		w.rates = make([]int64, len(w.plan.requests))
		return
	}
	res, err := o.kv.Do(ctx, a.ops...)
	if err == nil && o.alone() {
		w.degraded = true
		a.keepUnsent()
	}
	if err != nil {
		w.degraded = true
		a.keepUnsent()
		if res, err = o.spare.Do(context.WithoutCancel(ctx), a.ops[:a.counts]...); err != nil {
			o.log.Error("request rates could not be counted", "err", err)
			w.rates = make([]int64, len(w.plan.requests))
			return
		}
	}
	w.rates = a.counted(res)
	if len(res) == len(a.ops) {
		a.received(res[a.counts:])
	}
}

// alone reports that the kv store serves from this process while the shared
// one is away.
func (c *core) alone() bool {
	d, ok := c.kv.(interface{ Degraded() bool })
	return ok && d.Degraded()
}

// asking is one round trip being put together: counts first, then tails.
type asking struct {
	o      *Orient
	w      *work
	ops    []kv.Op
	counts int
	opOf   [maxRates]int16 // of layout.requests: index of its op and 1
	tail   []party         // of each tail op
	resent []unsentItem
}

// maxRates bounds the request rates of one layout that one event can carry.
const maxRates = 256

// rates adds to the request rates the event counts for and looks at those that
// are only needed.
func (a *asking) rates() {
	layout := a.w.plan.layout
	for i := range layout.requests {
		spec := &layout.requests[i]
		counts := spec.measure.counts(a.w.ev)
		if !counts && !a.needed(i) {
			continue
		}
		if k := a.w.parties.of(spec.slot); k != 0 && i < maxRates {
			op := spec.op(k, a.w.ev.At.Time, a.id(), !counts)
			if spec.measure.member != 0 {
				op = a.member(spec, op)
			}
			a.ops = append(a.ops, op)
			a.opOf[i] = int16(len(a.ops))
		}
	}
	a.counts = len(a.ops)
}

func (a *asking) needed(request int) bool {
	for _, i := range a.w.plan.requests {
		if i == request {
			return true
		}
	}
	return false
}

// id is what a request is counted by once; an event without one is not like any
// other.
func (a *asking) id() string {
	if a.w.ev.ID != "" {
		return a.w.ev.ID
	}
	return "#" + strconv.FormatUint(a.o.nameless.Add(1), 36)
}

// member makes op count its party once. An event without one only looks.
func (a *asking) member(r *requestSpec, op kv.Count) kv.Count {
	k := a.w.parties.of(r.measure.member)
	op.Member, op.Cap, op.Peek = kvKey("", k, ""), maxMembers, op.Peek || k == 0
	return op
}

// maxMembers bounds how many different parties are told apart: enough to know a
// crowd.
const maxMembers = 256

func (r *requestSpec) op(k key, at time.Time, id string, peek bool) kv.Count {
	most := maxRequests
	if coarse(r.slot) {
		most = maxCoarseRequests
	}
	return kv.Count{Key: kvKey("n:", k, r.suffix), At: at, Window: r.window, ID: id, Peek: peek, Cap: most}
}

func kvKey(kind string, k key, suffix string) string {
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(k >> (56 - 8*i))
	}
	b := make([]byte, 0, 64)
	b = append(b, kind...)
	b = hex.AppendEncode(b, raw[:])
	return string(append(b, suffix...))
}

// counted are the answers for plan.requests.
func (a *asking) counted(res []kv.Result) []int64 {
	if len(a.w.plan.requests) == 0 {
		return nil
	}
	out := make([]int64, len(a.w.plan.requests))
	for i, request := range a.w.plan.requests {
		if request < maxRates && a.opOf[request] > 0 {
			out[i] = res[a.opOf[request]-1].N
		}
	}
	return out
}
