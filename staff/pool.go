package staff

import (
	"context"
	"time"

	"noren"
)

// Bounds of hashing. Two at once take 38 MiB; whoever comes in a known browser
// waits in a lane of their own, so that strangers never hold both places.
const (
	hashesAtOnce = 2
	maxWaiting   = 16 // in each lane
	longestWait  = 3 * time.Second
)

// pool bounds how many passwords are hashed at once and how many wait.
type pool struct {
	places    chan struct{}
	strangers lane
	known     lane
}

// lane is who waits and who goes on, of one kind.
type lane struct{ waiting, going chan struct{} }

func newPool() *pool {
	return &pool{
		places:    make(chan struct{}, hashesAtOnce),
		strangers: lane{make(chan struct{}, maxWaiting), make(chan struct{}, hashesAtOnce-1)},
		known:     lane{make(chan struct{}, maxWaiting), make(chan struct{}, hashesAtOnce)},
	}
}

// do runs f when there is a place. A lane that is full, or a wait that takes too
// long, is Unavailable at once: a pile of people who wait helps nobody.
func (p *pool) do(ctx context.Context, known bool, f func()) error {
	l := p.strangers
	if known {
		l = p.known
	}
	select {
	case l.waiting <- struct{}{}:
		defer func() { <-l.waiting }()
	default:
		return errBusy()
	}
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	for _, gate := range []chan struct{}{l.going, p.places} {
		select {
		case gate <- struct{}{}:
			defer func() { <-gate }()
		case <-ctx.Done():
			return errBusy()
		}
	}
	f()
	return nil
}

func errBusy() error {
	return noren.WithHint(noren.Errorf(noren.Unavailable, "many people sign in at this moment"), "try again in a few seconds")
}
