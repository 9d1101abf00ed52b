package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// drain knows which connections of a server have a request under way or to come.
// http.Server.Shutdown alone drops a request whose header it reads after it was
// called: a visitor whose connection was just taken would get no answer.
type drain struct {
	mu      sync.Mutex
	busy    map[net.Conn]time.Time // since when it is new; zero: with a request under way
	leaving atomic.Bool
}

// silentAfter is when a connection that never sent anything is given up, as
// Shutdown does; browsers open some in advance.
const silentAfter = 5 * time.Second

// newDrain watches the connections of s, which does not serve yet.
func newDrain(s *http.Server) *drain {
	d := &drain{busy: map[net.Conn]time.Time{}}
	s.ConnState = d.state
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.leaving.Load() { // the visitor's next request goes to the successor
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
	return d
}

func (d *drain) state(c net.Conn, s http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case http.StateNew:
		d.busy[c] = time.Now()
	case http.StateActive:
		d.busy[c] = time.Time{}
	default:
		delete(d.busy, c)
	}
}

// wait returns when every request that was begun has its answer, or with ctx.
// Nothing may be accepted any more.
func (d *drain) wait(ctx context.Context) {
	d.leaving.Store(true)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for d.anyBusy() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (d *drain) anyBusy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, since := range d.busy {
		if since.IsZero() || time.Since(since) < silentAfter {
			return true
		}
	}
	return false
}
