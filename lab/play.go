package lab

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// PlayOptions say who comes into a shop and how fast.
type PlayOptions struct {
	Shop string // its address, through whatever stands in front
	Seed uint64
	// Members is how many invented members the sample shop has, and MemberSeed
	// of which seed: players sign in as them.
	Members    int
	MemberSeed uint64
	// Speed is how much faster than people buyers click; 0 means 1.
	Speed float64
	// Scale makes attacks smaller; 0 means 1.
	Scale float64
	// Home is the one address that everybody comes from, as behind a mobile
	// carrier's; the zero value gives each an address of their own.
	Home netip.Addr
	// Observe is called after each request, from many goroutines at once.
	Observe func(Result)
}

// from is the address of the n-th of a role.
func (o PlayOptions) from(role string, n int) netip.Addr {
	if o.Home.IsValid() {
		return o.Home
	}
	return source(o.Seed, role, n)
}

// PlayBuyers plays n buyers who arrive within a time, and waits for all of them.
func PlayBuyers(ctx context.Context, o PlayOptions, n int, within time.Duration) []Journey {
	journeys := make([]Journey, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := wait(ctx, within*time.Duration(i)/time.Duration(n)); err != nil {
				journeys[i] = Journey{Err: err}
				return
			}
			journeys[i] = playBuyer(ctx, o, i)
		})
	}
	wg.Wait()
	return journeys
}

func playBuyer(ctx context.Context, o PlayOptions, n int) Journey {
	b, err := buyerOf(o, n)
	if err != nil {
		return Journey{Err: err}
	}
	return b.visit(ctx, n, o)
}

// PlayForever keeps buyers in the shop until ctx ends, and now and then an
// attack: the demo's traffic. Each attack comes from other addresses than the
// one before. visited is called after each visit, raided after each attack;
// either may be nil.
func PlayForever(ctx context.Context, o PlayOptions, buyers int, every time.Duration, visited func(Journey), raided func(Raid)) {
	var wg sync.WaitGroup
	numbers := make(chan int)
	for range buyers {
		wg.Go(func() {
			for n := range numbers {
				j := playBuyer(ctx, o, n)
				if visited != nil && ctx.Err() == nil {
					visited(j)
				}
			}
		})
	}
	wg.Go(func() {
		defer close(numbers)
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case numbers <- n:
			}
		}
	})
	wg.Go(func() { raidForever(ctx, o, every, raided) })
	wg.Wait()
}

func raidForever(ctx context.Context, o PlayOptions, every time.Duration, raided func(Raid)) {
	r := rand.New(rand.NewPCG(o.Seed, 3))
	kinds := AttackKinds()
	for {
		r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		for _, kind := range kinds {
			if wait(ctx, time.Duration((0.5+r.Float64())*float64(every))) != nil {
				return
			}
			o.Seed = r.Uint64()
			raid, err := PlayAttack(ctx, kind, o)
			if err == nil && raided != nil && ctx.Err() == nil {
				raided(raid)
			}
		}
	}
}
