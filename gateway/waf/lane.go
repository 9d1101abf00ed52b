package waf

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// lane bounds how many inspections run at once, and shares the places among
// sites: while another site has visitors, none holds more than half of them, and
// places that come free go round. A flood on one shop then costs its neighbour
// at most the time of one inspection.
type lane struct {
	mu     sync.Mutex
	places int
	free   int
	sites  map[string]*queue
	ring   []*queue // in the order the sites came
	next   int
}

// queue is one site's part of a lane.
type queue struct {
	running int
	waiting []chan struct{}
	seen    time.Time
}

// neighbourly is how long a site counts as having visitors after the last one.
const neighbourly = 2 * time.Second

func newLane(places int) *lane {
	return &lane{places: places, free: places, sites: map[string]*queue{}}
}

// enter waits for a place. leave gives it back.
func (l *lane) enter(ctx context.Context, site string, wait time.Duration) (leave func(), err error) {
	q, turn := l.ask(site)
	leave = func() { l.leave(q) }
	if turn == nil {
		return leave, nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-turn:
		return leave, nil
	case <-t.C:
		err = ErrOverload
	case <-ctx.Done():
		err = fmt.Errorf("waf: wait for a place: %w", ctx.Err())
	}
	if l.giveUp(q, turn) {
		return nil, err
	}
	return leave, nil // the place came free at the same moment
}

// try takes a place if one is free now.
func (l *lane) try(site string) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue(site)
	if l.free == 0 || len(q.waiting) > 0 || q.running >= l.most(q) {
		return nil, false
	}
	l.free--
	q.running++
	return func() { l.leave(q) }, true
}

// ask takes a place at once, or returns what is closed when one is free.
func (l *lane) ask(site string) (q *queue, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q = l.queue(site)
	if l.free > 0 && len(q.waiting) == 0 && q.running < l.most(q) {
		l.free--
		q.running++
		return q, nil
	}
	turn = make(chan struct{})
	q.waiting = append(q.waiting, turn)
	return q, turn
}

// queue is the site's part, made when its first visitor comes.
func (l *lane) queue(site string) *queue {
	q := l.sites[site]
	if q == nil {
		q = &queue{}
		l.sites[site] = q
		l.ring = append(l.ring, q)
	}
	q.seen = time.Now()
	return q
}

// most is how many places a site may hold now.
func (l *lane) most(q *queue) int {
	for _, other := range l.ring {
		if other != q && (other.running > 0 || len(other.waiting) > 0 || q.seen.Sub(other.seen) < neighbourly) {
			return max(1, l.places/2)
		}
	}
	return l.places
}

// giveUp takes a waiting request out of the queue; false means that its place
// came.
func (l *lane) giveUp(q *queue, turn chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range q.waiting {
		if w == turn {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (l *lane) leave(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.running--
	l.free++
	for range l.ring {
		l.next = (l.next + 1) % len(l.ring)
		if q := l.ring[l.next]; l.free > 0 && len(q.waiting) > 0 && q.running < l.most(q) {
			l.free--
			q.running++
			close(q.waiting[0])
			q.waiting = q.waiting[1:]
		}
	}
}
