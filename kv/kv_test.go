package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/kv"
	"noren/kv/kvtest"
)

var start = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

func TestMemory(t *testing.T) {
	kvtest.Run(t, func(*testing.T) kv.Store { return kv.NewMemory(0) })
}

func TestMemoryIsBounded(t *testing.T) {
	m := kv.NewMemory(640)
	for i := range 100_000 {
		if _, err := m.Do(t.Context(), kv.Count{Key: fmt.Sprint(i), At: start, Window: time.Hour, ID: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := held(t, m, 100_000); n > 640 || n < 320 {
		t.Errorf("%d keys are held, want the newest, at most 640", n)
	}
}

func TestMemoryOfManyMembersIsBounded(t *testing.T) {
	m := kv.NewMemory(640)
	const keys, each, shards = 200, 100, 64
	for i := range keys * each {
		if _, err := m.Do(t.Context(), kv.Count{Key: fmt.Sprint(i % keys), At: start, Window: time.Hour, ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	// In each part of the memory the key used last may be as heavy as it is.
	if n, marks := held(t, m, keys); marks > 4*640+shards*each {
		t.Errorf("%d keys hold %d members, want at most 4 per key of the bound and %d keys more", n, marks, shards)
	}
	one := kv.NewMemory(64)
	for i := range 10_000 { // one heavy key alone may be as heavy as its cap
		if _, err := one.Do(t.Context(), kv.Count{Key: "k", At: start, Window: time.Hour, ID: fmt.Sprint(i), Cap: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	if res, _ := one.Do(t.Context(), kv.Count{Key: "k", At: start, Window: time.Hour, Peek: true, Cap: 1000}); res[0].N != 1000 {
		t.Errorf("got %d, want a key in use to stay whole", res[0].N)
	}
}

// held counts, from the newest key on, keys and members that are there.
func held(t *testing.T, m *kv.Memory, keys int) (n int, members int64) {
	t.Helper()
	ops := make([]kv.Op, keys)
	for i := range ops {
		ops[i] = kv.Count{Key: fmt.Sprint(keys - 1 - i), At: start, Window: time.Hour, Peek: true}
	}
	for _, op := range ops {
		res, err := m.Do(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		if res[0].N > 0 {
			n++
		}
		members += res[0].N
	}
	return n, members
}

// TestTakeKeepsItsPromise: whatever is asked and when, no stretch of time gives
// more than the bucket and what flows back meanwhile.
func TestTakeKeepsItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := kv.Rate{
			Events: rapid.IntRange(1, 20).Draw(t, "events"),
			Per:    time.Duration(rapid.IntRange(1, 60_000).Draw(t, "per ms")) * time.Millisecond,
			Burst:  rapid.IntRange(0, 10).Draw(t, "burst"),
		}
		m, now := kv.NewMemory(0), start
		type taken struct {
			at   time.Time
			cost int64
		}
		var got []taken
		for range rapid.IntRange(1, 80).Draw(t, "takes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, rate.Per.Microseconds()/4).Draw(t, "pause")) * time.Microsecond)
			cost := rapid.IntRange(1, 3).Draw(t, "cost")
			res, err := m.Do(context.Background(), kv.Take{Key: "k", At: now, Rate: rate, Cost: cost})
			if err != nil {
				t.Fatal(err)
			}
			if res[0].Allowed {
				got = append(got, taken{now, int64(cost)})
			}
		}
		for i := range got {
			sum := int64(0)
			for _, g := range got[i:] {
				sum += g.cost
				back := g.at.Sub(got[i].at).Microseconds() / rate.Interval()
				if most := rate.Capacity() + back; sum > most {
					t.Fatalf("%d units from %s to %s, want at most %d", sum, got[i].at, g.at, most)
				}
			}
		}
	})
}

func TestDivide(t *testing.T) {
	for _, tt := range []struct {
		rate  kv.Rate
		nodes int64
		want  kv.Rate
	}{
		{kv.Rate{Events: 10, Per: time.Minute, Burst: 5}, 0, kv.Rate{Events: 10, Per: time.Minute, Burst: 5}},
		{kv.Rate{Events: 10, Per: time.Minute, Burst: 5}, 1, kv.Rate{Events: 10, Per: time.Minute, Burst: 5}},
		{kv.Rate{Events: 10, Per: time.Minute, Burst: 5}, 2, kv.Rate{Events: 5, Per: time.Minute, Burst: 2}},
		{kv.Rate{Events: 10, Per: time.Minute}, 3, kv.Rate{Events: 3, Per: time.Minute}},
		{kv.Rate{Events: 1, Per: time.Minute}, 3, kv.Rate{Events: 1, Per: 3 * time.Minute}},
		{kv.Rate{Events: 2, Per: time.Minute, Burst: 1}, 4, kv.Rate{Events: 1, Per: 2 * time.Minute}},
	} {
		if got := tt.rate.Divide(tt.nodes); got != tt.want {
			t.Errorf("%+v among %d: got %+v, want %+v", tt.rate, tt.nodes, got, tt.want)
		}
	}
}

// flaky is a memory store that can be switched off.
type flaky struct {
	*kv.Memory
	off, hang atomic.Bool
	calls     atomic.Int64
}

func (f *flaky) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	f.calls.Add(1)
	if f.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if f.off.Load() {
		return nil, errors.New("connection refused")
	}
	return f.Memory.Do(ctx, ops...)
}

// alarms counts the log lines that are alarms.
type alarms struct {
	slog.Handler
	n *atomic.Int64
}

func (a alarms) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "alarm" && attr.Value.Bool() {
			a.n.Add(1)
		}
		return true
	})
	return nil
}

func (a alarms) Enabled(context.Context, slog.Level) bool { return true }

func TestFailoverEnforcesItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, rung := &flaky{Memory: kv.NewMemory(0)}, new(atomic.Int64)
		shared.Memory.Do(t.Context(), kv.Beat{Node: "other", At: time.Now(), Window: 10 * time.Second})
		f := kv.NewFailover(shared, "me", slog.New(alarms{slog.DiscardHandler, rung}))
		defer f.Close()
		if f.Nodes() != 2 || f.Degraded() {
			t.Fatalf("got %d nodes, degraded %t; want 2, false", f.Nodes(), f.Degraded())
		}
		shared.off.Store(true)
		allowed := 0
		for range 20 {
			res, err := f.Do(t.Context(), kv.Take{Key: "k", At: time.Now(), Rate: kv.Rate{Events: 10, Per: time.Hour}})
			if err != nil {
				t.Fatal(err)
			}
			if res[0].Allowed {
				allowed++
			}
		}
		if allowed != 5 || !f.Degraded() || rung.Load() != 1 {
			t.Errorf("%d of 20 allowed, degraded %t, %d alarms; want half of the rate of 10, true, 1", allowed, f.Degraded(), rung.Load())
		}
		time.Sleep(time.Minute)
		if !f.Degraded() || rung.Load() != 1 {
			t.Errorf("still away: degraded %t, %d alarms; want true, 1", f.Degraded(), rung.Load())
		}
		shared.off.Store(false)
		time.Sleep(2 * time.Second)
		if f.Degraded() || rung.Load() != 2 {
			t.Errorf("back: degraded %t, %d alarms; want false, 2", f.Degraded(), rung.Load())
		}
	})
}

func TestFailoverDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &flaky{Memory: kv.NewMemory(0)}
		f := kv.NewFailover(shared, "me", nil)
		defer f.Close()
		shared.hang.Store(true)
		take := kv.Take{Key: "k", At: time.Now(), Rate: kv.Rate{Events: 10, Per: time.Hour}}
		for i, most := range []time.Duration{50 * time.Millisecond, 0, 0} {
			began := time.Now()
			if _, err := f.Do(t.Context(), take); err != nil || time.Since(began) > most {
				t.Errorf("call %d: got %v after %s, want no error within %s", i, err, time.Since(began), most)
			}
		}
	})
}

func TestFailoverErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &flaky{Memory: kv.NewMemory(0)}
		f := kv.NewFailover(shared, "me", nil)
		defer f.Close()
		calls := shared.calls.Load()
		if _, err := f.Do(t.Context(), kv.Take{}); noren.CodeOf(err) != noren.Invalid || shared.calls.Load() != calls {
			t.Errorf("got %v, want it refused before it is sent", err)
		}
		shared.hang.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := f.Do(ctx, kv.Take{Key: "k", At: time.Now(), Rate: kv.Rate{Events: 10, Per: time.Hour}})
		if !errors.Is(err, context.DeadlineExceeded) || f.Degraded() {
			t.Errorf("got %v, degraded %t; a caller in a hurry says nothing about the store", err, f.Degraded())
		}
	})
}

// TestDividedRatesAreServed: a rate that is valid stays so in every share.
func TestDividedRatesAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &flaky{Memory: kv.NewMemory(0)}
		var beats []kv.Op
		for i := range 1000 {
			beats = append(beats, kv.Beat{Node: fmt.Sprint(i), At: time.Now(), Window: 10 * time.Second})
		}
		shared.Memory.Do(t.Context(), beats...)
		f := kv.NewFailover(shared, "me", nil)
		defer f.Close()
		shared.off.Store(true)
		for i := range 200 {
			rate := kv.Rate{Events: 1 + rand.IntN(1000), Per: time.Duration(1+rand.IntN(365*24)) * time.Hour}
			take := kv.Take{Key: fmt.Sprint(i), At: time.Now(), Rate: rate}
			if take.Valid() != nil {
				continue
			}
			if res, err := f.Do(t.Context(), take); err != nil || !res[0].Allowed {
				t.Errorf("%+v: got %+v, %v; want the first to be allowed", rate, res, err)
			}
		}
	})
}

func BenchmarkMemory(b *testing.B) {
	m := kv.NewMemory(0)
	for name, op := range map[string]func(i int) kv.Op{
		"take": func(i int) kv.Op {
			return kv.Take{Key: "203.0.113.7", At: start.Add(time.Duration(i) * time.Millisecond), Rate: kv.Rate{Events: 100, Per: time.Minute}}
		},
		"count": func(i int) kv.Op {
			return kv.Count{Key: "k", At: start.Add(time.Duration(i) * time.Millisecond), Window: time.Minute, ID: fmt.Sprint(i)}
		},
		"count again": func(i int) kv.Op {
			return kv.Count{Key: "m", At: start.Add(time.Duration(i) * time.Millisecond), Window: time.Minute, Member: strings.Repeat("x", i%100) + "y"}
		},
	} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				if _, err := m.Do(b.Context(), op(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMemoryKeepsWhatIsUsed: a crowd of keys that are used once pushes none out
// that is used all the time.
func TestMemoryKeepsWhatIsUsed(t *testing.T) {
	m := kv.NewMemory(6400)
	busy := func(i int) kv.Result {
		res, err := m.Do(t.Context(), kv.Count{Key: "busy", At: start, Window: time.Hour, ID: fmt.Sprint(i), Cap: 50})
		if err != nil {
			t.Fatal(err)
		}
		return res[0]
	}
	for i := range 100_000 {
		if _, err := m.Do(t.Context(), kv.Count{Key: fmt.Sprint("once", i), At: start, Window: time.Hour, ID: "x"}); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if n, want := busy(i/100).N, int64(min(i/100+1, 50)); n != want {
				t.Fatalf("after %d others: %d counted, want %d", i, n, want)
			}
		}
	}
}
