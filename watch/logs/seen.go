package logs

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"noren"
)

// seenAtMost bounds the requests of one half of the memory; two halves are kept.
const seenAtMost = 32 << 10

// Seen remembers what has lately come through the gateway, so that its lines in
// the log of the web server behind are not counted a second time. It is an
// observer of the loop.
type Seen struct {
	seed maphash.Seed
	on   atomic.Bool

	mu        sync.Mutex
	now, past map[uint64]uint16
}

// NewSeen makes an empty memory.
func NewSeen() *Seen {
	return &Seen{seed: maphash.MakeSeed(), now: map[uint64]uint16{}}
}

// Use switches the memory on or off: where no log is read it costs nothing.
func (s *Seen) Use(on bool) { s.on.Store(on) }

// Observed notes a request that the gateway decided about.
func (s *Seen) Observed(_ context.Context, ev noren.Event, _ noren.Decision) {
	r, ok := ev.Payload.(*noren.Request)
	if !s.on.Load() || !ok || ev.Kind != noren.HTTPRequest {
		return // what was stopped stands in no log behind
	}
	key := s.key(ev.Site, ev.Entities[noren.EntityAddress], r.Method, r.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.now) >= seenAtMost {
		s.past, s.now = s.now, make(map[uint64]uint16, seenAtMost)
	}
	if s.now[key] < 1<<15 {
		s.now[key]++
	}
}

// take reports whether a request of a log came through the gateway; each is
// taken once.
func (s *Seen) take(site, address, method, path string) bool {
	if s == nil {
		return false
	}
	key := s.key(site, address, method, path)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range []map[uint64]uint16{s.past, s.now} {
		if m[key] > 0 {
			m[key]--
			return true
		}
	}
	return false
}

func (s *Seen) key(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, p := range parts {
		h.WriteString(p)
		h.WriteByte(0)
	}
	return h.Sum64()
}
