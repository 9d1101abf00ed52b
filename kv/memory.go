package kv

import (
	"container/list"
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"noren"
)

// DefaultMaxKeys bounds Memory: at about 200 bytes for most keys some 50 MiB.
const DefaultMaxKeys = 250_000

const shards = 64

// Memory is a Store in this process. Keys beyond its bound push out those that
// were unused longest.
type Memory struct {
	seed  maphash.Seed
	shard [shards]shard
}

type shard struct {
	mu   sync.Mutex
	most int
	keys map[string]*list.Element // of *cell
	use  list.List                // front: used last
}

// cell is the state of one key; kind tells which part is in use.
type cell struct {
	key   string
	tat   int64            // Take: theoretical arrival time, Unix µs
	seen  map[string]int64 // Count: counted → At, Unix µs
	order []mark           // Count: by At, may hold stale marks of moved members
	tail  *tail
}

type mark struct {
	at int64
	id string
}

// before orders marks by time, then name, as a sorted set does.
func (m mark) before(o mark) bool { return m.at < o.at || m.at == o.at && m.id < o.id }

type tail struct {
	epoch string
	base  int64
	items [][]byte
}

// NewMemory makes a store of at most maxKeys keys; DefaultMaxKeys when 0.
func NewMemory(maxKeys int) *Memory {
	if maxKeys <= 0 {
		maxKeys = DefaultMaxKeys
	}
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shard {
		m.shard[i].most = max(1, maxKeys/shards)
		m.shard[i].keys = make(map[string]*list.Element)
	}
	return m
}

// Do implements Store; it never fails on valid ops.
func (m *Memory) Do(_ context.Context, ops ...Op) ([]Result, error) {
	if err := Validate(ops); err != nil {
		return nil, err
	}
	out := make([]Result, len(ops))
	for i, op := range ops {
		switch op := op.(type) {
		case Take:
			m.with("t:", op.Key, func(c *cell) { out[i] = c.take(op) })
		case Count:
			m.with("c:", op.Key, func(c *cell) { out[i] = c.count(op) })
		case Tail:
			m.with("l:", op.Key, func(c *cell) { out[i] = c.exchange(op) })
		case Beat:
			beat := Count{Key: "beat", At: op.At, Window: op.Window, Member: op.Node}
			m.with("c:", beat.Key, func(c *cell) { out[i] = Result{N: c.count(beat).N} })
		default:
			return nil, noren.Errorf(noren.Internal, "kv: unknown op %T", op)
		}
	}
	return out, nil
}

// Close does nothing; the memory goes with the process.
func (m *Memory) Close() error { return nil }

// with runs f on the key's cell, alone.
func (m *Memory) with(kind, key string, f func(c *cell)) {
	key = kind + key
	s := &m.shard[maphash.String(m.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.keys[key]
	if ok {
		s.use.MoveToFront(e)
	} else {
		if s.use.Len() >= s.most {
			oldest := s.use.Back()
			delete(s.keys, s.use.Remove(oldest).(*cell).key)
		}
		e = s.use.PushFront(&cell{key: key})
		s.keys[key] = e
	}
	f(e.Value.(*cell))
}

func (c *cell) take(t Take) Result {
	now, interval := t.At.UnixMicro(), t.Rate.Interval()
	next := max(c.tat, now) + interval*t.cost()
	allowAt := next - interval*t.Rate.Capacity()
	if now < allowAt {
		return Result{RetryAfter: time.Duration(allowAt-now) * time.Microsecond}
	}
	if !t.Peek {
		c.tat = next
	}
	return Result{Allowed: true, Remaining: (now - allowAt) / interval}
}

func (c *cell) count(o Count) Result {
	if c.seen == nil {
		c.seen = make(map[string]int64)
	}
	at := o.At.UnixMicro()
	c.forget(at - o.Window.Microseconds())
	if !o.Peek {
		c.add(mark{at, o.Counted()})
		for len(c.seen) > o.Limit() {
			c.dropOldest()
		}
	}
	return Result{N: int64(len(c.seen)), Capped: len(c.seen) >= o.Limit()}
}

// add notes that m.id was counted at m.at, the later time when it was before.
func (c *cell) add(m mark) {
	if was, ok := c.seen[m.id]; ok && was >= m.at {
		return
	}
	c.seen[m.id] = m.at
	i := len(c.order)
	for i > 0 && m.before(c.order[i-1]) { // late ones are rare and near the end
		i--
	}
	c.order = slices.Insert(c.order, i, m)
}

// forget drops what was counted at or before.
func (c *cell) forget(before int64) {
	n := 0
	for n < len(c.order) && c.order[n].at <= before {
		c.dropMark(c.order[n])
		n++
	}
	c.order = slices.Delete(c.order, 0, n)
}

func (c *cell) dropOldest() {
	for len(c.order) > 0 {
		m := c.order[0]
		c.order = c.order[1:]
		if c.dropMark(m) {
			return
		}
	}
}

// dropMark forgets m unless its member was counted again later.
func (c *cell) dropMark(m mark) bool {
	if c.seen[m.id] != m.at {
		return false
	}
	delete(c.seen, m.id)
	return true
}

func (c *cell) exchange(t Tail) Result {
	if c.tail == nil {
		c.tail = &tail{epoch: newEpoch()}
	}
	l := c.tail
	r := Result{Epoch: l.epoch}
	end := l.base + int64(len(l.items))
	from := t.From
	if t.Epoch != l.epoch || from < l.base || from > end {
		r.Fresh, from = true, l.base
	}
	r.Items = slices.Clone(l.items[from-l.base:])
	for _, item := range t.Items {
		l.items = append(l.items, slices.Clone(item))
	}
	r.Next = l.base + int64(len(l.items))
	if over := len(l.items) - MaxTail; over > 0 {
		l.items = slices.Delete(l.items, 0, over)
		l.base += int64(over)
	}
	return r
}

func newEpoch() string { return noren.NewID(time.Now()) }
