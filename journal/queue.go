package journal

import (
	"context"
	"sync"

	"noren"
)

// Bounds of what waits to be committed and of one group.
const (
	queueRecords = 16384
	queueBytes   = 64 << 20
	groupRecords = 1024
	groupBytes   = 8 << 20
)

// queue holds records in order until they are settled. What was taken and is
// not settled still counts, so that a slow database slows its writers down
// instead of filling the memory.
type queue struct {
	mu      sync.Mutex
	waiting []*record
	count   int // waiting and taken
	bytes   int
	want    int           // how many must wait before the committer is woken
	closed  bool          // takes barriers only
	dead    bool          // nobody takes anything any more
	room    chan struct{} // closed and renewed when something was settled
	ready   chan struct{} // holds a token when want are waiting
}

func newQueue() *queue {
	return &queue{want: 1, room: make(chan struct{}), ready: make(chan struct{}, 1)}
}

// put adds r, waiting for room up to ctx.
func (q *queue) put(ctx context.Context, r *record) error {
	for {
		room, err := q.tryPut(r)
		if err != nil || room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return noren.Errorf(noren.Unavailable, "journal queue is full: %w", context.Cause(ctx))
		}
	}
}

// tryPut adds r, or returns a channel that closes when there may be room.
func (q *queue) tryPut(r *record) (room chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead || q.closed && !r.barrier {
		return nil, noren.Errorf(noren.Unavailable, "the journal is closed")
	}
	if q.count > 0 && (q.count >= queueRecords || q.bytes+r.size > queueBytes) {
		return q.room, nil
	}
	q.waiting = append(q.waiting, r)
	q.count++
	q.bytes += r.size
	if len(q.waiting) >= q.want || r.barrier {
		q.wake()
	}
	return nil, nil
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// expect makes ready fire once n records wait; at once when they do already.
func (q *queue) expect(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.ready:
	default:
	}
	q.want = max(n, 1)
	if len(q.waiting) >= q.want {
		q.wake()
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// take removes the next group, of so many records at most, from the front.
func (q *queue) take(most int) []*record {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && n < most && (n == 0 || bytes+q.waiting[n].size <= groupBytes) {
		bytes += q.waiting[n].size
		n++
	}
	group := append([]*record(nil), q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return group
}

// giveBack puts records that could not be settled in front again.
func (q *queue) giveBack(group []*record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(append([]*record(nil), group...), q.waiting...)
}

// settle reports results to those who wait and makes room.
func (q *queue) settle(group []*record) {
	q.mu.Lock()
	for _, r := range group {
		q.count--
		q.bytes -= r.size
	}
	close(q.room)
	q.room = make(chan struct{})
	q.mu.Unlock()
	for _, r := range group {
		if r.done != nil {
			close(r.done)
		}
	}
}

// close refuses further records; those that wait for room learn it.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	close(q.room)
	q.room = make(chan struct{})
}

// drop forgets what is left and tells those who wait; it returns how many
// records carried data.
func (q *queue) drop() (lost int) {
	q.mu.Lock()
	q.dead = true
	left := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	for _, r := range left {
		r.err = noren.Errorf(noren.Unavailable, "the journal was closed before the entry was durable")
		if !r.barrier {
			lost++
		}
	}
	q.settle(left)
	return lost
}
