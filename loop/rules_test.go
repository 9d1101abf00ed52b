package loop_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"noren"
	"noren/loop"
	"noren/orient"
)

// One site's policies, counters and entries are none of another's.
func TestSitesAreApart(t *testing.T) {
	strict := []string{pol("strict", "order.placed", "account.orders_24h >= 1", "hold", "account.orders_24h: 1")}
	each(t, setup{own: map[string][]string{"tea": strict, "none": {}}}, func(t *testing.T, w *world) {
		at := func(site, id string) noren.Decision {
			ev := order(id, "hanako")
			ev.Site = site
			return w.decide(ev)
		}
		versions := map[string]string{}
		for i, want := range []noren.Verdict{noren.Allow, noren.Allow, noren.Review} {
			for site, verdict := range map[string]noren.Verdict{"shop": want, "other": want, "tea": noren.Hold, "none": noren.Allow} {
				d := at(site, fmt.Sprint("o", i))
				if d.Verdict != verdict {
					t.Errorf("order %d at %s: %s, want %s", i+1, site, d.Verdict, verdict)
				}
				versions[site] = d.Policies
			}
		}
		if versions["shop"] != versions["other"] || versions["shop"] == versions["tea"] || versions["tea"] == versions["none"] {
			t.Errorf("policy versions %v: shop and other share a set, the others have their own", versions)
		}
		for site := range versions {
			if got := w.entries(site); len(got) != 3 {
				t.Errorf("%d entries of %s, want 3", len(got), site)
			}
		}
	})
}

// New rules are in force for whole decisions: each carries the version that
// gave its verdict.
func TestRulesAreExchangedAsAWhole(t *testing.T) {
	each(t, setup{policies: []string{always("limit")}}, func(t *testing.T, w *world) {
		mild := w.Rules()
		next := must(orient.New(orient.Options{After: mild.Orient}))
		strict := rulesOver(next, []string{always("block")}, nil)
		want := map[string]noren.Verdict{mild.Policies.Shared.Version(): noren.Limit, strict.Policies.Shared.Version(): noren.Block}
		var workers sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for worker := range 4 {
			workers.Go(func() {
				for i := 0; i < 200 || ctx.Err() == nil; i++ {
					d, err := w.Decide(t.Context(), request(fmt.Sprint(worker, "-", i), "/"))
					if err != nil || d.Fault != "" || want[d.Policies] != d.Verdict {
						t.Errorf("version %s says %s, fault %q, %v", d.Policies, d.Verdict, d.Fault, err)
						return
					}
				}
			})
		}
		for range 100 {
			w.SetRules(strict)
			w.SetRules(mild)
		}
		w.SetRules(strict)
		cancel()
		workers.Wait()
		if d := w.decide(request("last", "/")); d.Verdict != noren.Block {
			t.Errorf("after the exchange %s, want block", d.Verdict)
		}
	})
}

func always(then string) string {
	return pol("always", "http.request", `request.method == "GET"`, then, "request.method: GET")
}

// Many at once: every attempt is counted and recorded, and no burst gets more
// than the limit past it.
func TestConcurrentAttempts(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		var mu sync.Mutex
		got := map[noren.Verdict]int{}
		for i := range 40 {
			all.Go(func() {
				d, err := w.Decide(t.Context(), login(id(i), "hanako"))
				mu.Lock()
				defer mu.Unlock()
				if err != nil || d.Fault != "" {
					t.Errorf("%+v, %v", d, err)
				}
				got[d.Verdict]++
			})
		}
		all.Wait()
		if got[noren.Allow] > 3 || got[noren.Allow]+got[noren.Limit] != 40 {
			t.Errorf("verdicts %v: a burst raced past the limit of three", got)
		}
		w.Flush(t.Context())
		var n int64
		for _, e := range w.entries("shop") {
			n += e.Count
		}
		if n != 40 {
			t.Errorf("the journal counts %d attempts, want 40", n)
		}
	})
}

// seen is an observer.
type seen struct {
	mu sync.Mutex
	of []string
}

func (s *seen) Observed(_ context.Context, ev noren.Event, d noren.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of = append(s.of, fmt.Sprint(ev.ID, " ", d.Verdict, " ", ev.At.IsZero()))
}

// Observers learn what was answered, after it was recorded, and not what was not.
func TestObserversLearnTheAnswer(t *testing.T) {
	s := &seen{}
	each(t, setup{watch: []loop.Observer{s}}, func(t *testing.T, w *world) {
		s.of = nil
		w.decide(order("o1", "hanako"))
		w.decide(request("r1", "/odd"))
		if got, want := fmt.Sprint(s.of), "[o1 allow false r1 limit false]"; got != want {
			t.Errorf("observed %s, want %s", got, want)
		}
	})
}
