package acme

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"noren"
	"noren/db"
)

// locks are named locks over SQL, one holder among all nodes. A holder counts
// its beat up three times a lease. Who waits and sees the same beat for a whole
// lease of its own clock takes the lock over: clocks of nodes are never compared,
// and a node that died holds nobody up for longer.
//
// There is no fencing: a process that stood still for a lease (a suspended
// machine) and wakes may finish an order that another one repeats. It costs one
// certificate more at the authority and breaks nothing, because what is stored
// is whole in either case (see mend).
type locks struct {
	db    *db.DB
	token func(field, value string) []byte
	lease time.Duration
	log   *slog.Logger

	mu   sync.Mutex
	held map[string]*grip // by id
}

// grip is a lock this process holds.
type grip struct {
	owner string
	stop  context.CancelFunc
	done  chan struct{}
}

func newLocks(o *Options) *locks {
	return &locks{db: o.DB, token: o.Token, lease: o.Lease, log: o.Log, held: map[string]*grip{}}
}

// Lock implements certmagic.Locker.
func (l *locks) Lock(ctx context.Context, name string) error {
	id, owner := l.id(name), noren.NewID(time.Now())
	tick := time.NewTicker(max(l.lease/30, 10*time.Millisecond))
	defer tick.Stop()
	var seen holder
	var since time.Time
	for {
		h, held, err := l.readLock(ctx, id)
		gone := held && h == seen && time.Since(since) > l.lease
		if err == nil && (!held || gone) {
			h, err = l.take(ctx, id, owner, gone, seen)
			if err == nil && h.owner == owner {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("lock %s: %w", name, err)
		}
		if h != seen {
			seen, since = h, time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", name, ctx.Err())
		case <-tick.C:
		}
	}
}

// TryLock implements certmagic.TryLocker.
func (l *locks) TryLock(ctx context.Context, name string) (bool, error) {
	id, owner := l.id(name), noren.NewID(time.Now())
	h, err := l.take(ctx, id, owner, false, holder{})
	return err == nil && h.owner == owner, err
}

func (l *locks) take(ctx context.Context, id, owner string, gone bool, seen holder) (holder, error) {
	var from *holder
	if gone {
		from = &seen
	}
	h, err := l.takeLock(ctx, id, owner, from)
	if err == nil && h.owner == owner {
		l.keep(id, owner)
	}
	return h, err
}

// keep beats for a lock until it is unlocked.
func (l *locks) keep(id, owner string) {
	ctx, stop := context.WithCancel(context.Background())
	g := &grip{owner: owner, stop: stop, done: make(chan struct{})}
	l.mu.Lock()
	l.held[id] = g
	l.mu.Unlock()
	go func() {
		defer close(g.done)
		tick := time.NewTicker(l.lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			switch ok, err := l.beatLock(ctx, id, owner); {
			case ctx.Err() != nil:
				return
			case err != nil:
				l.log.Debug("a lock cannot be kept", "err", err)
			case !ok:
				l.log.Warn("a lock was taken over by another node: this one stood still for too long")
				return
			}
		}
	}()
}

// Unlock implements certmagic.Locker.
func (l *locks) Unlock(ctx context.Context, name string) error {
	id := l.id(name)
	l.mu.Lock()
	g := l.held[id]
	delete(l.held, id)
	l.mu.Unlock()
	if g == nil {
		return nil
	}
	g.stop()
	<-g.done
	if err := l.dropLock(context.WithoutCancel(ctx), id, g.owner); err != nil {
		return fmt.Errorf("unlock %s: %w", name, err) // it falls after a lease
	}
	return nil
}

func (l *locks) id(name string) string { return hex.EncodeToString(l.token("acme.lock", name)) }
