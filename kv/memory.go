package kv

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"noren"
)

const (
	// DefaultMaxKeys bounds Memory: at about 200 bytes for most keys some 50 MiB.
	DefaultMaxKeys = 250_000
	// marksPerKey is how many counted members and tail items Memory holds per
	// key on average, so that many keys of many members stay bounded too.
	marksPerKey = 4
	shards      = 64
)

// Memory is a Store in this process. Keys beyond its bound push out those that
// were unused long, about as least-recently-used would: a key that was used since
// it came to its place gets a second round (the clock of virtual memory). Using a
// key then touches no other.
type Memory struct {
	seed  maphash.Seed
	shard [shards]shard
}

type shard struct {
	mu    sync.Mutex
	most  int // keys at most
	marks int // weight of all cells, at most marksPerKey*most and one cell
	keys  [kinds]map[string]*cell
	n     int  // keys
	ring  cell // of all: next is the one that came last
}

// kind is what a key counts: the same key of two kinds is two.
type kind uint8

const (
	taken kind = iota
	counted
	tailed
	beaten
	kinds
)

// cell is the state of one key; which part is in use is told by the kind.
type cell struct {
	kind   kind
	key    string
	tat    int64 // Take: theoretical arrival time, Unix µs
	window window
	tail   *tail

	again      bool // used since it came to its place in the ring
	next, prev *cell
}

func (c *cell) unlink() { c.prev.next, c.next.prev = c.next, c.prev }

func (c *cell) linkBehind(p *cell) {
	c.prev, c.next = p, p.next
	c.next.prev, p.next = c, c
}

func (c *cell) weight() int {
	n := len(c.window.order)
	if c.tail != nil {
		n += len(c.tail.items)
	}
	return n
}

type tail struct {
	epoch string
	base  int64 // the number of the first item
	items [][]byte
}

// NewMemory makes a store of at most maxKeys keys; DefaultMaxKeys when 0.
func NewMemory(maxKeys int) *Memory {
	if maxKeys <= 0 {
		maxKeys = DefaultMaxKeys
	}
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shard {
		s := &m.shard[i]
		s.most = max(1, maxKeys/shards)
		s.ring.next, s.ring.prev = &s.ring, &s.ring
		for k := range s.keys {
			s.keys[k] = make(map[string]*cell)
		}
	}
	return m
}

// Do implements Store; it never fails on valid ops.
func (m *Memory) Do(_ context.Context, ops ...Op) ([]Result, error) {
	if err := Validate(ops); err != nil {
		return nil, err
	}
	return m.do(ops)
}

func (m *Memory) do(ops []Op) ([]Result, error) {
	out := make([]Result, len(ops))
	for i, op := range ops {
		switch op := op.(type) {
		case Take:
			m.with(taken, op.Key, func(c *cell) { out[i] = c.take(op) })
		case Count:
			id := maphash.String(m.seed, op.Counted())
			m.with(counted, op.Key, func(c *cell) { out[i] = c.window.count(&op, id) })
		case Tail:
			m.with(tailed, op.Key, func(c *cell) { out[i] = c.exchange(op) })
		case Beat:
			beat := op.Count()
			id := maphash.String(m.seed, beat.Counted())
			m.with(beaten, beat.Key, func(c *cell) { out[i] = Result{N: c.window.count(&beat, id).N} })
		default:
			return nil, noren.Errorf(noren.Internal, "kv: unknown op %T", op)
		}
	}
	return out, nil
}

// Close does nothing; the memory goes with the process.
func (m *Memory) Close() error { return nil }

// with runs f on the key's cell, alone.
func (m *Memory) with(k kind, key string, f func(c *cell)) {
	s := &m.shard[maphash.String(m.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cell(k, key)
	before := c.weight()
	f(c)
	s.marks += c.weight() - before
	for s.n > s.most || s.marks > marksPerKey*s.most && s.n > 1 {
		s.dropOldest(c)
	}
}

// cell finds or makes the key's cell.
func (s *shard) cell(k kind, key string) *cell {
	c, ok := s.keys[k][key]
	if !ok {
		c = &cell{kind: k, key: key}
		s.keys[k][key] = c
		s.n++
		c.linkBehind(&s.ring)
	} else if !c.again {
		c.again = true
	}
	return c
}

// dropOldest forgets the key that was unused longest, but not now's.
func (s *shard) dropOldest(now *cell) {
	c := s.ring.prev
	for ; c.again || c == now; c = s.ring.prev {
		c.again = false
		c.unlink()
		c.linkBehind(&s.ring)
	}
	c.unlink()
	delete(s.keys[c.kind], c.key)
	s.n--
	s.marks -= c.weight()
}

func (c *cell) take(t Take) Result {
	now, interval := t.At.UnixMicro(), t.Rate.Interval()
	if t.Back {
		c.tat = max(c.tat-interval*t.cost(), min(c.tat, now))
		return Result{Allowed: true, Remaining: max(0, now-max(c.tat, now)+interval*t.Rate.Capacity()) / interval}
	}
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

func (c *cell) exchange(t Tail) Result {
	if c.tail == nil {
		c.tail = &tail{epoch: noren.NewID(time.Now())}
	}
	l := c.tail
	r := Result{Epoch: l.epoch}
	end := l.base + int64(len(l.items))
	from := t.From
	if t.Epoch != l.epoch || from < l.base || from > end {
		r.Fresh, from = true, l.base
	}
	if from < end {
		r.Items = append(r.Items, l.items[from-l.base:]...)
	}
	for _, item := range t.Items {
		l.items = append(l.items, append([]byte{}, item...))
	}
	r.Next = end + int64(len(t.Items))
	if over := len(l.items) - MaxTail; over > 0 {
		clear(l.items[:over])
		l.items = l.items[over:]
		l.base += int64(over)
	}
	return r
}
