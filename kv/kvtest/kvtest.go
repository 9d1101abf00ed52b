// Package kvtest is one conformance suite that every kv.Store passes, and the
// Valkey or Redis that a test needs.
package kvtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/kv"
	"noren/lab/peer"
)

// Run runs the suite on the stores that open gives; each must start empty or
// share nothing with the keys of an earlier one.
func Run(t *testing.T, open func(t *testing.T) kv.Store) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, s kv.Store)
	}{
		{"take refills by the interval", takeRefills},
		{"what is given back can be taken again", takeBack},
		{"take never exceeds the rate in parallel", takeParallel},
		{"take with another rate", takeChangesRate},
		{"count is an exact sliding window", countWindow},
		{"count of distinct members", countMembers},
		{"count saturates", countSaturates},
		{"count is exact in parallel", countParallel},
		{"tail exchanges items", tailExchanges},
		{"tail starts anew when trimmed", tailTrims},
		{"tail loses nothing in parallel", tailParallel},
		{"beat counts live nodes", beats},
		{"bad ops are refused whole", badOps},
		{"ops of one call keep their order", order},
		{"kinds of ops share no keys", kindsApart},
		{"any key will do", anyKey},
		{"random calls agree with the model", random},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

// Valkey starts a server of its own for the test and returns its address. More
// arguments go to the server.
func Valkey(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	v, err := peer.StartValkey(ctx, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Stop)
	return v.URL()
}

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func key() string { return noren.NewID(time.Now()) }

func do(t *testing.T, s kv.Store, op kv.Op) kv.Result {
	t.Helper()
	res, err := s.Do(t.Context(), op)
	if err != nil {
		t.Fatalf("%+v: %v", op, err)
	}
	return res[0]
}

func takeRefills(t *testing.T, s kv.Store) {
	k, rate := key(), kv.Rate{Events: 6, Per: time.Minute, Burst: 2}
	take := func(after time.Duration) kv.Result {
		return do(t, s, kv.Take{Key: k, At: start.Add(after), Rate: rate})
	}
	for i := range int64(8) {
		if r := take(0); !r.Allowed || r.Remaining != 7-i {
			t.Fatalf("take %d of a full bucket: got %+v, want it allowed with %d left", i, r, 7-i)
		}
	}
	if r := take(0); r.Allowed || r.RetryAfter != 10*time.Second {
		t.Errorf("take of an empty bucket: got %+v, want a wait of 10s", r)
	}
	if r := take(10*time.Second - time.Microsecond); r.Allowed {
		t.Errorf("a microsecond early: got %+v", r)
	}
	if r := do(t, s, kv.Take{Key: k, At: start.Add(10 * time.Second), Rate: rate, Peek: true}); !r.Allowed {
		t.Errorf("peek after the interval: got %+v", r)
	}
	if r := take(10 * time.Second); !r.Allowed || r.Remaining != 0 {
		t.Errorf("take after the interval: got %+v", r)
	}
	if r := do(t, s, kv.Take{Key: k, At: start.Add(time.Hour), Rate: rate, Cost: 9}); r.Allowed {
		t.Errorf("a cost over the capacity: got %+v", r)
	}
	if r := do(t, s, kv.Take{Key: k, At: start.Add(time.Hour), Rate: rate, Cost: 8}); !r.Allowed {
		t.Errorf("a cost of the capacity: got %+v", r)
	}
}

func takeBack(t *testing.T, s kv.Store) {
	k, rate := key(), kv.Rate{Events: 2, Per: time.Minute}
	op := func(back bool) kv.Result { return do(t, s, kv.Take{Key: k, At: start, Rate: rate, Back: back}) }
	op(false)
	op(false)
	if op(false).Allowed {
		t.Fatal("three of two")
	}
	if r := op(true); !r.Allowed || r.Remaining != 1 {
		t.Errorf("given back: %+v", r)
	}
	if !op(false).Allowed || op(false).Allowed {
		t.Error("what was given back is not exactly one")
	}
	for range 5 {
		op(true)
	}
	if r := op(true); r.Remaining != 2 {
		t.Errorf("a bucket of two holds %d", r.Remaining)
	}
}

func takeParallel(t *testing.T, s kv.Store) {
	k, rate := key(), kv.Rate{Events: 100, Per: time.Hour}
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				res, err := s.Do(t.Context(), kv.Take{Key: k, At: start, Rate: rate})
				if err != nil {
					t.Error(err)
					return
				}
				if res[0].Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 100 {
		t.Errorf("%d of 400 parallel takes allowed, want exactly 100", allowed.Load())
	}
}

func takeChangesRate(t *testing.T, s kv.Store) {
	k := key()
	for range 10 {
		do(t, s, kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 10, Per: time.Minute}})
	}
	if r := do(t, s, kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 20, Per: time.Minute}}); r.Allowed {
		t.Errorf("a minute's worth is used up under the faster rate as well: got %+v", r)
	}
	if r := do(t, s, kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 20, Per: 2 * time.Minute}}); !r.Allowed || r.Remaining != 9 {
		t.Errorf("half of two minutes' worth is used up: got %+v", r)
	}
}

// countWindow compares with a model that keeps everything.
func countWindow(t *testing.T, s kv.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	k, window := key(), 30*time.Second
	model := map[string]time.Time{}
	now := start
	for i := range 400 {
		now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		id := fmt.Sprint("e", r.IntN(i+1)) // some twice
		got := do(t, s, kv.Count{Key: k, At: now, Window: window, ID: id})
		model[id] = now
		if want := inWindow(model, now, window); got.N != want || got.Capped {
			t.Fatalf("step %d: got %+v, want %d", i, got, want)
		}
	}
	at := now.Add(window)
	model["edge"] = at
	if got := do(t, s, kv.Count{Key: k, At: at, Window: window, ID: "edge"}); got.N != inWindow(model, at, window) {
		t.Errorf("exactly at the window's edge: got %d, want %d", got.N, inWindow(model, at, window))
	}
	if got := do(t, s, kv.Count{Key: k, At: at, Window: window, Peek: true}); got.N != 1 {
		t.Errorf("peek: got %d, want 1", got.N)
	}
}

func inWindow(model map[string]time.Time, now time.Time, window time.Duration) (n int64) {
	for _, at := range model {
		if at.After(now.Add(-window)) {
			n++
		}
	}
	return n
}

func countParallel(t *testing.T, s kv.Store) {
	k := key()
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			for i := range 40 {
				op := kv.Count{Key: k, At: start, Window: time.Minute, ID: fmt.Sprint(n*20 + i)} // each twice, in two goroutines
				if _, err := s.Do(t.Context(), op); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := do(t, s, kv.Count{Key: k, At: start, Window: time.Minute, Peek: true}).N; got != 420 {
		t.Errorf("got %d, want 420 different ids", got)
	}
}

func countMembers(t *testing.T, s kv.Store) {
	k := key()
	add := func(after time.Duration, member string) int64 {
		return do(t, s, kv.Count{Key: k, At: start.Add(after), Window: time.Minute, Member: member}).N
	}
	for _, step := range []struct {
		after  time.Duration
		member string
		want   int64
	}{
		{0, "a", 1}, {time.Second, "b", 2}, {30 * time.Second, "a", 2}, // a is seen again
		{61 * time.Second, "c", 2},  // b is gone, a is not
		{89 * time.Second, "c", 2},  // a is still within the minute
		{90 * time.Second, "c", 1},  // now it is exactly a minute old
		{60 * time.Second, "d", 2},  // a late one still counts
		{151 * time.Second, "e", 1}, // all others are gone
	} {
		if got := add(step.after, step.member); got != step.want {
			t.Errorf("%s after %s: got %d, want %d", step.member, step.after, got, step.want)
		}
	}
}

func countSaturates(t *testing.T, s kv.Store) {
	k := key()
	for i := range 50 {
		got := do(t, s, kv.Count{Key: k, At: start.Add(time.Duration(i) * time.Millisecond), Window: time.Minute, ID: fmt.Sprint(i), Cap: 20})
		if want := int64(min(i+1, 20)); got.N != want || got.Capped != (i >= 19) {
			t.Fatalf("event %d: got %+v, want %d", i, got, want)
		}
	}
}

func tailExchanges(t *testing.T, s kv.Store) {
	k := key()
	push := func(epoch string, from int64, items ...string) kv.Result {
		op := kv.Tail{Key: k, Epoch: epoch, From: from, Keep: time.Minute}
		for _, i := range items {
			op.Items = append(op.Items, []byte(i))
		}
		return do(t, s, op)
	}
	a := push("", 0, "a1")
	if !a.Fresh || a.Epoch == "" || a.Next != 1 || len(a.Items) != 0 {
		t.Fatalf("first contact: got %+v, want a fresh empty log", a)
	}
	b := push("", 0, "b1", "b2")
	if !b.Fresh || b.Epoch != a.Epoch || b.Next != 3 || len(b.Items) != 1 || string(b.Items[0]) != "a1" {
		t.Fatalf("second node: got %+v, want a1 and to be told to reload", b)
	}
	a2 := push(a.Epoch, a.Next, "a2")
	if a2.Fresh || len(a2.Items) != 2 || string(a2.Items[1]) != "b2" || a2.Next != 4 {
		t.Fatalf("first node again: got %+v, want b1 and b2", a2)
	}
	if r := push("elsewhere", 2); !r.Fresh || len(r.Items) != 4 {
		t.Errorf("another epoch: got %+v, want everything, fresh", r)
	}
}

func tailTrims(t *testing.T, s kv.Store) {
	k := key()
	first := do(t, s, kv.Tail{Key: k, Keep: time.Minute, Items: [][]byte{[]byte("x")}})
	for range 3 {
		items := make([][]byte, kv.MaxTail/2)
		for i := range items {
			items[i] = []byte{1}
		}
		do(t, s, kv.Tail{Key: k, Keep: time.Minute, Items: items})
	}
	r := do(t, s, kv.Tail{Key: k, Epoch: first.Epoch, From: first.Next, Keep: time.Minute})
	if !r.Fresh || len(r.Items) != kv.MaxTail || r.Next != 1+3*kv.MaxTail/2 {
		t.Errorf("a reader that fell behind: got fresh %t, %d items, next %d", r.Fresh, len(r.Items), r.Next)
	}
}

// tailParallel: several nodes write and read; each learns all that others wrote.
func tailParallel(t *testing.T, s kv.Store) {
	const nodes, each = 8, 30
	k := key()
	epoch := do(t, s, kv.Tail{Key: k, Keep: time.Minute}).Epoch
	var wg sync.WaitGroup
	for n := range nodes {
		wg.Go(func() {
			from, got := int64(0), 0
			for i := range each + 1 {
				op := kv.Tail{Key: k, Epoch: epoch, From: from, Keep: time.Minute}
				if i < each {
					op.Items = [][]byte{{byte(n)}}
				}
				res, err := s.Do(t.Context(), op)
				if err != nil || res[0].Fresh {
					t.Errorf("node %d: got %+v, %v", n, res, err)
					return
				}
				from, got = res[0].Next, got+len(res[0].Items)+len(op.Items)
			}
			if int64(got) != from {
				t.Errorf("node %d saw or wrote %d items of %d", n, got, from)
			}
		})
	}
	wg.Wait()
	if all := do(t, s, kv.Tail{Key: k, Epoch: epoch, Keep: time.Minute}); len(all.Items) != nodes*each {
		t.Errorf("got %d items, want %d", len(all.Items), nodes*each)
	}
}

func beats(t *testing.T, s kv.Store) {
	at := start.Add(time.Duration(rand.IntN(1e6)) * time.Hour)
	for i, want := range []int64{1, 2, 2} {
		node := []string{"n1", "n2", "n1"}[i]
		if got := do(t, s, kv.Beat{Node: node, At: at.Add(time.Duration(i) * time.Second), Window: 10 * time.Second}).N; got != want {
			t.Errorf("beat %d: got %d nodes, want %d", i, got, want)
		}
	}
	if got := do(t, s, kv.Beat{Node: "n1", At: at.Add(12 * time.Second), Window: 10 * time.Second}).N; got != 1 {
		t.Errorf("after n2 fell silent: got %d nodes, want 1", got)
	}
}

func badOps(t *testing.T, s kv.Store) {
	k := key()
	rate := kv.Rate{Events: 1, Per: time.Hour}
	good := kv.Take{Key: k, At: start, Rate: rate}
	for _, bad := range []kv.Op{
		kv.Take{At: start, Rate: rate},
		kv.Take{Key: k, Rate: rate},
		kv.Take{Key: k, At: start},
		kv.Take{Key: k, At: start, Rate: rate, Cost: -1},
		kv.Take{Key: k, At: start, Rate: rate, Cost: 1 << 40},
		kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 1, Per: time.Hour, Burst: -1}},
		kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 1, Per: 1 << 62}},
		kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 1, Per: time.Hour, Burst: 1 << 30}},
		kv.Take{Key: k, At: start.AddDate(500, 0, 0), Rate: rate},
		kv.Count{Key: k, At: start, Window: time.Minute},
		kv.Count{Key: k, At: start, ID: "a"},
		kv.Count{Key: k, Window: time.Minute, ID: "a"},
		kv.Count{Key: k, At: start, Window: time.Minute, ID: "a", Cap: 1 << 20},
		kv.Count{Key: k, At: start, Window: time.Minute, ID: string(make([]byte, 1000))},
		kv.Tail{Key: k},
		kv.Tail{Key: k, Keep: time.Minute, From: -1},
		kv.Tail{Key: k, Keep: time.Minute, Items: [][]byte{make([]byte, 1<<20)}},
		kv.Tail{Key: k, Keep: time.Minute, Items: make([][]byte, kv.MaxTail+1)},
		kv.Beat{Node: "n"},
		kv.Beat{Node: "n", Window: time.Minute},
		kv.Beat{At: start, Window: time.Minute},
	} {
		if _, err := s.Do(t.Context(), good, bad); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%+v: got %v, want it refused as invalid", bad, err)
		}
	}
	if r := do(t, s, good); !r.Allowed {
		t.Error("a refused call used up the limit")
	}
}

func order(t *testing.T, s kv.Store) {
	k := key()
	var ops []kv.Op
	for i := range 10 {
		ops = append(ops, kv.Count{Key: k, At: start, Window: time.Minute, ID: fmt.Sprint(i)})
	}
	res, err := s.Do(t.Context(), ops...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range res {
		if r.N != int64(i+1) {
			t.Errorf("op %d: got %d, want %d", i, r.N, i+1)
		}
	}
	if res, err := s.Do(t.Context()); err != nil || len(res) != 0 {
		t.Errorf("no ops: got %v, %v", res, err)
	}
}

func kindsApart(t *testing.T, s kv.Store) {
	k := key()
	do(t, s, kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 5, Per: time.Minute}})
	do(t, s, kv.Tail{Key: k, Keep: time.Minute, Items: [][]byte{[]byte("x")}})
	if got := do(t, s, kv.Count{Key: k, At: start, Window: time.Minute, ID: "a"}); got.N != 1 {
		t.Errorf("got %+v, want a count of its own", got)
	}
	before := do(t, s, kv.Beat{Node: k, At: start, Window: time.Minute}).N
	do(t, s, kv.Count{Key: "nodes", At: start, Window: time.Minute, ID: k + " is no node"})
	if got := do(t, s, kv.Beat{Node: k, At: start, Window: time.Minute}).N; got != before {
		t.Errorf("got %d nodes, want %d: a count changed them", got, before)
	}
}

// anyKey: keys hold what visitors send.
func anyKey(t *testing.T, s kv.Store) {
	for _, odd := range []string{"}", "{}", "{a}b", "a b\r\nFLUSHALL", "\x00\xff", "店", "%7B"} {
		k := key() + odd
		first, err := s.Do(t.Context(),
			kv.Take{Key: k, At: start, Rate: kv.Rate{Events: 2, Per: time.Hour}},
			kv.Count{Key: k, At: start, Window: time.Minute, ID: odd},
			kv.Tail{Key: odd + k, Keep: time.Minute, Items: [][]byte{[]byte(odd), {}}})
		if err != nil || first[0].Remaining != 1 || first[1].N != 1 {
			t.Errorf("%q: got %+v, %v", odd, first, err)
			continue
		}
		again := do(t, s, kv.Tail{Key: odd + k, Epoch: first[2].Epoch, Keep: time.Minute})
		if again.Fresh || len(again.Items) != 2 || string(again.Items[0]) != odd || len(again.Items[1]) != 0 {
			t.Errorf("%q: got %+v, want the item as it was", odd, again)
		}
	}
}

// random sends calls of several ops to the store and to the model.
func random(t *testing.T, s kv.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	pair := NewPair(s)
	now := start
	for range 300 {
		ops := make([]kv.Op, 1+r.IntN(6))
		for i := range ops {
			now = now.Add(time.Duration(r.IntN(2_000_000)-200_000) * time.Microsecond) // back at times
			ops[i] = randomOp(r, now)
		}
		if diff := pair.Compare(t.Context(), ops...); diff != "" {
			t.Fatal(diff)
		}
	}
}

func randomOp(r *rand.Rand, now time.Time) kv.Op {
	k := fmt.Sprint(r.IntN(3))
	switch r.IntN(4) {
	case 0:
		return kv.Take{Key: k, At: now, Rate: kv.Rate{Events: 1 + r.IntN(5), Per: time.Duration(1+r.IntN(20)) * time.Second, Burst: r.IntN(4)},
			Cost: r.IntN(4), Peek: r.IntN(4) == 0, Back: r.IntN(5) == 0}
	case 1:
		return kv.Count{Key: k, At: now, Window: time.Duration(1+r.IntN(30)) * time.Second, ID: fmt.Sprint(r.IntN(30)), Peek: r.IntN(4) == 0, Cap: r.IntN(12)}
	case 2:
		return kv.Tail{Key: k, From: int64(r.IntN(20)), Keep: time.Minute, Items: make([][]byte, r.IntN(4))}
	}
	return kv.Count{Key: "m" + k, At: now, Window: time.Duration(1+r.IntN(30)) * time.Second, Member: fmt.Sprint(r.IntN(30))}
}
