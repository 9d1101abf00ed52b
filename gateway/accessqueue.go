package gateway

import "sync"

// lineQueue holds the lines that wait to be written, in one piece: a channel
// would wake the writer for every line, which costs more than the line.
type lineQueue struct {
	mu    sync.Mutex
	lines []Line
	spare []Line // what was written last, to be filled again

	full chan struct{} // there is enough to write
	room chan struct{} // there is room again
}

// wakeAt is how many lines wake the writer before its second is over.
const wakeAt = 256

func newLineQueue() lineQueue {
	return lineQueue{full: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// add queues a line; false when there are as many as may wait.
func (q *lineQueue) add(l *Line) bool {
	q.mu.Lock()
	if len(q.lines) >= accessQueue {
		q.mu.Unlock()
		return false
	}
	q.lines = append(q.lines, *l)
	n := len(q.lines)
	q.mu.Unlock()
	if n >= wakeAt {
		signal(q.full)
	}
	return true
}

// take returns all lines that wait; the writer's alone.
func (q *lineQueue) take() []Line {
	q.mu.Lock()
	lines := q.lines
	q.lines, q.spare = q.spare, nil
	q.mu.Unlock()
	signal(q.room)
	return lines
}

// giveBack takes memory back that take handed out. What a rush needed is not
// kept.
func (q *lineQueue) giveBack(lines []Line) {
	clear(lines)
	if cap(lines) > 2*wakeAt {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = lines[:0]
}

// signal wakes whoever waits, and nobody twice.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
