package kvtest

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"noren/kv"
)

// Pair sends the same calls to a store and to the model.
type Pair struct {
	store  kv.Store
	model  *Model
	prefix string            // keys of no other pair
	epochs map[string]string // what the store calls its logs, by key
}

// NewPair compares s with an empty model, under keys of its own.
func NewPair(s kv.Store) *Pair {
	return &Pair{s, NewModel(), key() + "/", map[string]string{}}
}

// Compare says where the answers to ops differ, "" for nowhere. A Tail reads
// with the present epoch of its log.
func (p *Pair) Compare(ctx context.Context, ops ...kv.Op) string {
	forStore, forModel := make([]kv.Op, len(ops)), make([]kv.Op, len(ops))
	for i, op := range ops {
		var err error
		if forStore[i], forModel[i], err = p.own(ctx, op); err != nil {
			return fmt.Sprintf("%+v: %v", op, err)
		}
	}
	want, err := p.model.Do(ctx, forModel...)
	if err != nil {
		return fmt.Sprintf("%+v: the model: %v", ops, err)
	}
	got, err := p.store.Do(ctx, forStore...)
	if err != nil {
		return fmt.Sprintf("%+v: %v", ops, err)
	}
	for i, op := range forStore {
		if t, ok := op.(kv.Tail); ok && got[i].Epoch == t.Epoch {
			got[i].Epoch = Epoch
		}
		if !reflect.DeepEqual(readable(got[i]), readable(want[i])) {
			return fmt.Sprintf("op %d of %+v:\ngot  %+v\nwant %+v", i, ops, got[i], want[i])
		}
	}
	return ""
}

// own gives op this pair's prefix, and a Tail its epoch.
func (p *Pair) own(ctx context.Context, op kv.Op) (forStore, forModel kv.Op, err error) {
	switch op := op.(type) {
	case kv.Take:
		op.Key = p.prefix + op.Key
		return op, op, nil
	case kv.Count:
		op.Key = p.prefix + op.Key
		return op, op, nil
	case kv.Tail:
		op.Key = p.prefix + op.Key
		store, model := op, op
		store.Epoch, err = p.epoch(ctx, op.Key)
		model.Epoch = Epoch
		return store, model, err
	}
	return op, op, nil
}

func (p *Pair) epoch(ctx context.Context, key string) (string, error) {
	if e, ok := p.epochs[key]; ok {
		return e, nil
	}
	res, err := p.store.Do(ctx, kv.Tail{Key: key, Keep: time.Hour})
	if err != nil {
		return "", err
	}
	p.epochs[key] = res[0].Epoch
	return res[0].Epoch, nil
}

// readable makes no difference between no items and none.
func readable(r kv.Result) any {
	items := make([]string, len(r.Items))
	for i, item := range r.Items {
		items[i] = string(item)
	}
	r.Items = nil
	return []any{r, items}
}
