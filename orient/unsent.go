package orient

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"noren"
	"noren/kv"
)

// unsent holds items that could not be told to other nodes.
type unsent struct {
	mu    sync.Mutex
	items []unsentItem
}

type unsentItem struct {
	party party
	item  []byte
}

// maxUnsent bounds what is kept while shared state is away; beyond it, other
// nodes see the marks when they load the entity again.
// An erasure is always kept: nothing else would make them load it.
const maxUnsent = 10_000

func (u *unsent) add(p party, item []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.items) < maxUnsent || itemKind(item[0]) == itemForget {
		u.items = append(u.items, unsentItem{p, item})
	}
}

// dropErasures forgets erasures that were not carried out.
func (u *unsent) dropErasures() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.items = slices.DeleteFunc(u.items, func(i unsentItem) bool { return itemKind(i.item[0]) == itemForget })
}

// take removes up to n items.
func (u *unsent) take(n int) []unsentItem {
	u.mu.Lock()
	defer u.mu.Unlock()
	n = min(n, len(u.items))
	out := u.items[:n:n]
	u.items = u.items[n:]
	return out
}

// resendBatch is how many unsent items go along with one event.
const resendBatch = 32

func (a *asking) resend() {
	a.resent = a.o.unsent.take(resendBatch)
	for _, u := range a.resent {
		a.exchange(u.party, u.item)
	}
}

// keepUnsent keeps what this round trip did not tell the others.
func (a *asking) keepUnsent() {
	if !a.o.shared {
		return
	}
	a.w.news(a.o.unsent.add)
	for _, u := range a.resent {
		a.o.unsent.add(u.party, u.item)
	}
}

// tellBatch is how many items go along in one round trip without an event.
const tellBatch = 256

// Tell tells other nodes what waits for the next event, for a process that ends
// before it. What could not be told goes on waiting.
func (c *core) Tell(ctx context.Context) error {
	for {
		items := c.unsent.take(tellBatch)
		if len(items) == 0 {
			return nil
		}
		if err := c.tell(ctx, items); err != nil {
			for _, u := range items {
				c.unsent.add(u.party, u.item)
			}
			return fmt.Errorf("tell other nodes: %w", err)
		}
	}
}

func (c *core) tell(ctx context.Context, items []unsentItem) error {
	ops := make([]kv.Op, len(items))
	for i, u := range items {
		ops[i] = kv.Tail{Key: kvKey("m:", u.party.key, ""), Items: [][]byte{u.item}, Keep: tailKeep}
	}
	_, err := c.kv.Do(ctx, ops...)
	if err == nil && c.alone() {
		return noren.Errorf(noren.Unavailable, "shared state is away")
	}
	return err
}
