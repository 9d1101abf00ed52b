package valkey

import (
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"noren"
	"noren/kv"
)

// call is an op as the server gets it.
type call struct {
	script *redis.Script
	keys   []string
	args   []any
}

func (l *library) call(op kv.Op) (call, error) {
	switch op := op.(type) {
	case kv.Take:
		return call{l.take, []string{"noren:t:" + op.Key},
			[]any{op.At.UnixMicro(), op.Rate.Interval(), op.Rate.Capacity(), max(1, op.Cost), takes(op)}}, nil
	case kv.Count:
		return l.countCall("noren:c:"+op.Key, op), nil
	case kv.Beat:
		c := op.Count()
		return l.countCall("noren:b:"+c.Key, c), nil
	case kv.Tail:
		return l.tailCall(op), nil
	}
	return call{}, noren.Errorf(noren.Internal, "kv: unknown op %T", op)
}

// takes is what a Take does: 0 take, 1 look, 2 give back.
func takes(t kv.Take) int {
	switch {
	case t.Back:
		return 2
	case t.Peek:
		return 1
	}
	return 0
}

func (l *library) countCall(key string, op kv.Count) call {
	return call{l.count, []string{key}, []any{op.At.UnixMicro(), op.Window.Microseconds(), op.Counted(), op.Limit(), flag(op.Peek)}}
}

// tailCall puts a log's two keys into one slot of a cluster: what is between
// the braces decides. The key itself must not hold any.
func (l *library) tailCall(op kv.Tail) call {
	tag := "{" + url.QueryEscape(op.Key) + "}"
	args := []any{op.Epoch, op.From, op.Keep.Milliseconds(), kv.MaxTail, noren.NewID(time.Now())}
	for _, item := range op.Items {
		args = append(args, item)
	}
	return call{l.tail, []string{"noren:l:" + tag, "noren:m:" + tag}, args}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

var errAnswer = errors.New("answer has another shape than the script gives")

// read is the answer to op.
func read(op kv.Op, cmd *redis.Cmd) (kv.Result, error) {
	v, err := cmd.Slice()
	if err != nil {
		return kv.Result{}, err
	}
	if _, ok := op.(kv.Tail); ok {
		return readTail(v)
	}
	n, err := ints(v)
	if err != nil {
		return kv.Result{}, err
	}
	switch op := op.(type) {
	case kv.Take:
		if len(n) == 3 {
			return kv.Result{Allowed: n[0] == 1, Remaining: n[1], RetryAfter: time.Duration(n[2]) * time.Microsecond}, nil
		}
	case kv.Count:
		if len(n) == 1 {
			return kv.Result{N: n[0], Capped: n[0] >= int64(op.Limit())}, nil
		}
	case kv.Beat:
		if len(n) == 1 {
			return kv.Result{N: n[0]}, nil
		}
	}
	return kv.Result{}, errAnswer
}

func ints(v []any) ([]int64, error) {
	out := make([]int64, len(v))
	for i := range out {
		x, ok := v[i].(int64)
		if !ok {
			return nil, errAnswer
		}
		out[i] = x
	}
	return out, nil
}

func readTail(v []any) (kv.Result, error) {
	if len(v) != 4 {
		return kv.Result{}, errAnswer
	}
	fresh, ok1 := v[0].(int64)
	epoch, ok2 := v[1].(string)
	next, ok3 := v[2].(int64)
	items, ok4 := v[3].([]any)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return kv.Result{}, errAnswer
	}
	r := kv.Result{Fresh: fresh == 1, Epoch: epoch, Next: next}
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return kv.Result{}, errAnswer
		}
		r.Items = append(r.Items, []byte(s))
	}
	return r, nil
}
