package waf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A site alone has all places; as soon as a neighbour has visitors, half of
// them, and a place that comes free is the neighbour's next.
func TestLaneIsSharedAmongSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(4)
		enter := func(site string) func() {
			leave, err := l.enter(t.Context(), site, time.Millisecond)
			if err != nil {
				return nil
			}
			return leave
		}
		var held []func()
		for range 4 {
			held = append(held, enter("loud"))
		}
		if enter("loud") != nil {
			t.Fatal("five places of four")
		}
		// the loud site queues up; its neighbour comes later and is next
		order := make(chan string, 8)
		queue := func(site string) {
			go func() {
				if leave, err := l.enter(t.Context(), site, time.Minute); err == nil {
					order <- site
					_ = leave
				}
			}()
			synctest.Wait()
		}
		for range 3 {
			queue("loud")
		}
		queue("quiet")
		held[0]()
		held[1]()
		synctest.Wait()
		if got := <-order; got != "quiet" {
			t.Errorf("the first free place went to %s", got)
		}
		if len(order) != 0 {
			t.Error("the loud site was given more than half beside its neighbour")
		}
		held[2]() // two of four are the loud site's now, one more may run
		synctest.Wait()
		if len(order) != 1 || <-order != "loud" {
			t.Error("the loud site was given nothing")
		}
	})
}

// The property: never more at once than there are places, nobody waits for ever,
// and in the end all places are free again.
func TestLaneUnderLoad(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := newLane(3)
	var running, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range 200 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(3000))*time.Microsecond)
				leave, err := l.enter(ctx, fmt.Sprint("site", i%5), time.Duration(r.IntN(3000))*time.Microsecond)
				if err == nil {
					if n := running.Add(1); n > most.Load() {
						most.Store(n)
					}
					running.Add(-1)
					leave()
				} else if !errors.Is(err, ErrOverload) && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if most.Load() > 3 {
		t.Errorf("%d at once", most.Load())
	}
	if l.free != 3 {
		t.Errorf("%d places are free in the end", l.free)
	}
	for site, q := range l.sites {
		if q.running != 0 || len(q.waiting) != 0 {
			t.Errorf("%s: %d running, %d waiting", site, q.running, len(q.waiting))
		}
	}
}
