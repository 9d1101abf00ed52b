package kv_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"noren/kv"
	"noren/kv/kvtest"
)

func TestMemory(t *testing.T) {
	kvtest.Run(t, func(*testing.T) kv.Store { return kv.NewMemory(0) })
}

func TestMemoryIsBounded(t *testing.T) {
	m := kv.NewMemory(640)
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for i := range 100_000 {
		if _, err := m.Do(t.Context(), kv.Count{Key: fmt.Sprint(i), At: at, Window: time.Hour, ID: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	res, _ := m.Do(t.Context(),
		kv.Count{Key: "99999", At: at, Window: time.Hour, Peek: true}, kv.Count{Key: "0", At: at, Window: time.Hour, Peek: true})
	if res[0].N != 1 || res[1].N != 0 {
		t.Errorf("got %d for the newest and %d for the oldest key, want 1 and 0", res[0].N, res[1].N)
	}
}

// flaky is a memory store that can be switched off.
type flaky struct {
	*kv.Memory
	off atomic.Bool
}

func (f *flaky) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	if f.off.Load() {
		return nil, errors.New("connection refused")
	}
	return f.Memory.Do(ctx, ops...)
}

func TestFailoverEnforcesItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &flaky{Memory: kv.NewMemory(0)}
		shared.Memory.Do(t.Context(), kv.Beat{Node: "other", At: time.Now(), Window: 10 * time.Second})
		f := kv.NewFailover(shared, "me", nil)
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
		if allowed != 5 || !f.Degraded() {
			t.Errorf("%d of 20 allowed, degraded %t; want half of the rate of 10, true", allowed, f.Degraded())
		}
		shared.off.Store(false)
		time.Sleep(2 * time.Second)
		if f.Degraded() {
			t.Error("the shared store is back and not used")
		}
	})
}

func BenchmarkMemoryCount(b *testing.B) {
	m := kv.NewMemory(0)
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for i := range b.N {
		m.Do(context.Background(), kv.Count{Key: "k", At: at.Add(time.Duration(i) * time.Millisecond), Window: time.Minute, ID: fmt.Sprint(i)})
	}
}
