package gateway

import (
	"context"
	"sync"
	"time"

	"noren"
)

// Bounds on requests that are held back at the same time: in all, of one bucket
// and of one client's network. A held request costs a goroutine and what its
// connection holds, some 50 KiB, so all of them stay below 30 MiB.
const (
	maxHeld       = 512
	maxHeldBucket = 16
	maxHeldClient = 64
	// maxRefused bounds refusals that wait. They have places of their own: what
	// attackers wait for takes none from buyers who are slowed down.
	maxRefused = 256
)

// slowLane counts the requests that are held back. The zero value is ready.
// HTTP/2 makes no difference: each stream counts, whatever its connection.
type slowLane struct {
	mu   sync.Mutex
	all  int
	held map[string]int // by bucket and by client
}

// enter takes one of so many places for a request; free gives it back. ok is
// false when there is none.
func (s *slowLane) enter(most int, bucket, client string) (free func(), ok bool) {
	client = "client|" + client
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= most || s.held[bucket] >= maxHeldBucket || s.held[client] >= maxHeldClient {
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

// refusedHold is how long the answer to a refused request waits whose client goes
// on being refused. A program that asks again as soon as it is answered costs the
// shop a thousandth of what it did, and its neighbours notice nothing.
const refusedHold = time.Second

// calmDown holds the refusal of a client back that had too many of them, or ends
// its connection where as many are held already. The line and the standby page
// ask to come back themselves.
func (x *exchange) calmDown(s *stop) {
	if s.line || s.cause == noren.CauseQueue || s.cause == noren.CauseClosed || !x.g.callers.overdoes(x.client, time.Now()) {
		return
	}
	client := clientNet(x.client).String()
	free, ok := x.g.refusing.enter(maxRefused, "refused|"+client, client)
	if !ok {
		x.w.closing = true
		return
	}
	defer free()
	pause(x.r.Context(), refusedHold)
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
