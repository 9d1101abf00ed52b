package orient

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"noren"
)

// erased remembers the erasures of this process and which entities they touched:
// until an erasure is committed, what is loaded of them is not kept, and what
// shared state still holds of the person is not taken in.
type erased struct {
	n  atomic.Int64 // erasures so far
	mu sync.Mutex
	by map[key][]*erasure
}

// How many entities are remembered, and of each how many erasures: the newest.
const (
	maxErased   = 50_000
	maxErasures = 8
)

// add remembers e for keys.
func (es *erased) add(e *erasure, keys []key) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if es.by == nil || len(es.by)+len(keys) > maxErased {
		es.by = map[key][]*erasure{}
	}
	for _, k := range keys {
		list := es.by[k]
		if !slices.ContainsFunc(list, e.same) {
			es.by[k] = append(slices.Clone(list[max(0, len(list)-maxErasures+1):]), e)
		}
	}
	es.n.Add(1)
}

// same reports whether two nodes' words of an erasure are of one.
func (e *erasure) same(o *erasure) bool {
	return o.who == e.who && o.upTo == e.upTo && o.last == e.last && o.step == e.step
}

// clear forgets all of them: memory was emptied of what is committed. Shared state
// tells again of those whose marks it holds.
func (es *erased) clear() {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.by = nil
}

func (es *erased) knows(e *erasure, k key) bool { return slices.ContainsFunc(es.of(k), e.same) }

// of are the erasures that touched k. The list itself does not change.
func (es *erased) of(k key) []*erasure {
	if es.n.Load() == 0 {
		return nil
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	return es.by[k]
}

// settled are those erasures of k that are committed now: whatever is read
// afterwards is read without the person.
func (o *Orient) settled(ctx context.Context, q querier, k key) (out []*erasure, err error) {
	for _, e := range o.erased.of(k) {
		there := false
		if !e.committed.Load() {
			if there, err = e.waits(ctx, q); err != nil {
				return nil, noren.Errorf(noren.Unavailable, "look for erased rows: %w", err)
			}
		}
		if !there {
			e.committed.Store(true)
			out = append(out, e)
		}
	}
	return out, nil
}

// waits reports whether rows that are to go are still there.
func (e *erasure) waits(ctx context.Context, q querier) (there bool, err error) {
	found := func(key) { there = true }
	who := int64(e.who.key)
	err = eachID(ctx, q, found, `SELECT id FROM orient_links WHERE token = $1 AND id = $2`, who, int64(e.last))
	if err == nil && e.who.slot < columns {
		err = eachID(ctx, q, found, `SELECT id FROM orient_events WHERE `+builtins[e.who.slot].name+` = $1 AND id = $2`, who, int64(e.last))
	}
	if err == nil && e.step != 0 {
		err = eachID(ctx, q, found, `SELECT id FROM orient_steps WHERE token = $1 AND at = $2`, who, e.step)
	}
	return there, err
}

// unsettled are the erasures of k but those.
func (o *Orient) unsettled(k key, settled []*erasure) []*erasure {
	return slices.DeleteFunc(slices.Clone(o.erased.of(k)), func(e *erasure) bool { return slices.Contains(settled, e) })
}
