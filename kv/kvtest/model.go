package kvtest

import (
	"context"
	"math/big"
	"slices"
	"time"

	"noren/kv"
)

// Model is a kv.Store that keeps everything and computes as the documentation
// says it, slowly: what every store must agree with. It is for one goroutine.
type Model struct {
	buckets map[string]*big.Int             // Take: when the bucket is full again, Unix µs
	seen    map[string]map[string]time.Time // Count
	logs    map[string]*log
}

type log struct {
	first int64 // the number of items[0]
	items [][]byte
}

// NewModel is an empty model.
func NewModel() *Model {
	return &Model{map[string]*big.Int{}, map[string]map[string]time.Time{}, map[string]*log{}}
}

// Epoch is what the model calls each log; stores call theirs as they like.
const Epoch = "the only one"

// Do implements kv.Store.
func (m *Model) Do(_ context.Context, ops ...kv.Op) ([]kv.Result, error) {
	if err := kv.Validate(ops); err != nil {
		return nil, err
	}
	out := make([]kv.Result, len(ops))
	for i, op := range ops {
		switch op := op.(type) {
		case kv.Take:
			out[i] = m.take(op)
		case kv.Count:
			out[i] = m.count("c:"+op.Key, op)
		case kv.Beat:
			out[i] = kv.Result{N: m.count("b:", kv.Count{At: op.At, Window: op.Window, Member: op.Node, Cap: 1 << 16}).N}
		case kv.Tail:
			out[i] = m.tail(op)
		}
	}
	return out, nil
}

// Close implements kv.Store.
func (m *Model) Close() error { return nil }

// take: a bucket of capacity units, of which one flows back each interval, is
// described by the time at which it is full again.
func (m *Model) take(t kv.Take) kv.Result {
	now, interval := big.NewInt(t.At.UnixMicro()), big.NewInt(t.Rate.Interval())
	full := m.buckets[t.Key]
	if full == nil || full.Cmp(now) < 0 {
		full = now
	}
	units := func(n int) *big.Int { return new(big.Int).Mul(interval, big.NewInt(int64(n))) }
	deepest := new(big.Int).Add(now, units(t.Rate.Events+t.Rate.Burst))
	if t.Back {
		if full.Cmp(now) > 0 { // a full bucket is left as it is
			if full = new(big.Int).Sub(full, units(max(1, t.Cost))); full.Cmp(now) < 0 {
				full = now
			}
			m.buckets[t.Key] = full
		}
		left := max(0, new(big.Int).Sub(deepest, full).Int64())
		return kv.Result{Allowed: true, Remaining: left / interval.Int64()}
	}
	after := new(big.Int).Add(full, units(max(1, t.Cost)))
	left := new(big.Int).Sub(deepest, after) // until the bucket were empty
	if left.Sign() < 0 {
		return kv.Result{RetryAfter: time.Duration(-left.Int64()) * time.Microsecond}
	}
	if !t.Peek {
		m.buckets[t.Key] = after
	}
	return kv.Result{Allowed: true, Remaining: new(big.Int).Div(left, interval).Int64()}
}

func (m *Model) count(key string, c kv.Count) kv.Result {
	seen := m.seen[key]
	if seen == nil {
		seen = map[string]time.Time{}
		m.seen[key] = seen
	}
	for id, at := range seen {
		if !at.After(c.At.Add(-c.Window)) {
			delete(seen, id)
		}
	}
	if !c.Peek {
		if at, ok := seen[c.Counted()]; !ok || c.At.After(at) {
			seen[c.Counted()] = c.At
		}
		for len(seen) > c.Limit() {
			delete(seen, oldest(seen))
		}
	}
	return kv.Result{N: int64(len(seen)), Capped: len(seen) >= c.Limit()}
}

// oldest is the earliest; of several, the first by name.
func oldest(seen map[string]time.Time) (id string) {
	var at time.Time
	for i, a := range seen {
		if id == "" || a.Before(at) || a.Equal(at) && i < id {
			id, at = i, a
		}
	}
	return id
}

func (m *Model) tail(t kv.Tail) kv.Result {
	l := m.logs[t.Key]
	if l == nil {
		l = &log{}
		m.logs[t.Key] = l
	}
	end := l.first + int64(len(l.items))
	r := kv.Result{Epoch: Epoch, Next: end + int64(len(t.Items)), Fresh: t.Epoch != Epoch || t.From < l.first || t.From > end}
	if from := t.From; r.Fresh {
		r.Items = slices.Clone(l.items)
	} else {
		r.Items = slices.Clone(l.items[from-l.first:])
	}
	l.items = append(l.items, t.Items...)
	if over := len(l.items) - kv.MaxTail; over > 0 {
		l.items, l.first = l.items[over:], l.first+int64(over)
	}
	return r
}
