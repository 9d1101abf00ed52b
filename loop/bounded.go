package loop

import (
	"context"
	"sync"
	"time"
)

// bounded is a context with a deadline whose timer is started when somebody
// waits for it. A decision that asks only memory waits for nothing, and the timer
// was a twentieth of it.
type bounded struct {
	context.Context
	deadline time.Time

	mu     sync.Mutex
	real   context.Context // once somebody waits
	cancel context.CancelFunc
}

// bound is ctx without its end and with a deadline. release must be called.
func bound(ctx context.Context, d time.Duration) *bounded {
	return &bounded{Context: context.WithoutCancel(ctx), deadline: time.Now().Add(d)}
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.deadline, true }

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.real == nil {
		b.real, b.cancel = context.WithDeadline(b.Context, b.deadline)
	}
	return b.real.Done()
}

func (b *bounded) waited() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.real
}

// Err implements context.Context.
func (b *bounded) Err() error {
	if real := b.waited(); real != nil {
		return real.Err()
	}
	if time.Now().Before(b.deadline) {
		return nil
	}
	return context.DeadlineExceeded
}

// Value implements context.Context. The context package asks it for what it joins
// children to.
func (b *bounded) Value(key any) any {
	if real := b.waited(); real != nil {
		return real.Value(key)
	}
	return b.Context.Value(key)
}

// release ends the timer, if there is one, and whoever waits.
func (b *bounded) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}
