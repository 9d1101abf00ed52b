package gateway

import (
	"context"
	"sync"
	"time"
)

// Bounds on requests that are held back at the same time: in all, of one bucket
// and of one client's network. A held request costs a goroutine and what its
// connection holds, some 50 KiB, so all of them stay below 30 MiB.
const (
	maxHeld       = 512
	maxHeldBucket = 16
	maxHeldClient = 64
)

// slowLane counts the requests that are held back. The zero value is ready.
// HTTP/2 makes no difference: each stream counts, whatever its connection.
type slowLane struct {
	mu   sync.Mutex
	all  int
	held map[string]int // by bucket and by client
}

// enter takes a place for one request; free gives it back. ok is false when
// there is none.
func (s *slowLane) enter(bucket, client string) (free func(), ok bool) {
	client = "client|" + client
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxHeld || s.held[bucket] >= maxHeldBucket || s.held[client] >= maxHeldClient {
		return nil, false
	}
	if s.held == nil {
		s.held = map[string]int{}
	}
	s.all++
	s.held[bucket]++
	s.held[client]++
	return func() { s.leave(bucket, client) }, true
}

func (s *slowLane) leave(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	for _, k := range keys {
		if s.held[k]--; s.held[k] <= 0 {
			delete(s.held, k)
		}
	}
}

// pause waits for d; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
