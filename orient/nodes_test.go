package orient_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/kv/kvtest"
	"noren/kv/valkey"
	"noren/orient"
)

// emptied is a shared store that can be lost, as a restarted Valkey is.
type emptied struct {
	kv.Store
	fresh func() kv.Store
}

func (e *emptied) empty() { e.Store = e.fresh() }

func TestNodesCountLikeOne(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	rapid.Check(t, func(t *rapid.T) {
		shared := &emptied{fresh: func() kv.Store { return kv.NewMemory(0) }}
		nodesCountLikeOne(t, d, shared)
	})
}

func TestNodesCountLikeOneOverValkeyAndPostgres(t *testing.T) {
	d, url := dbtest.Open(t, db.Postgres), kvtest.Valkey(t)
	rapid.Check(t, func(rt *rapid.T) {
		flushes := 0
		shared := &emptied{fresh: func() kv.Store {
			s, err := valkey.New(url)
			if err != nil {
				rt.Fatal(err)
			}
			flushes++
			return &prefixed{s, fmt.Sprintf("%d.%d.", sites.Load(), flushes)}
		}}
		nodesCountLikeOne(rt, d, shared)
	})
}

// prefixed gives each use of one server keys of its own: another prefix is an
// emptied server.
type prefixed struct {
	kv.Store
	prefix string
}

func (p *prefixed) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	mine := make([]kv.Op, len(ops))
	for i, op := range ops {
		switch op := op.(type) {
		case kv.Count:
			op.Key = p.prefix + op.Key
			mine[i] = op
		case kv.Tail:
			op.Key = p.prefix + op.Key
			mine[i] = op
		}
	}
	return p.Store.Do(ctx, mine...)
}

func nodesCountLikeOne(t *rapid.T, d *db.DB, shared *emptied) {
	m, g := newModel(), &gen{site: fmt.Sprintf("nodes%d", sites.Add(1)), now: start, late: 5 * time.Minute, once: true}
	shared.empty()
	nodes := make([]*node, 2)
	start := func(i int) {
		o, err := orient.New(orient.Options{DB: d, KV: shared, Shared: true, Token: token, Entities: []string{"terminal"}, MaxEntities: rapid.SampledFrom([]int{4, 1000}).Draw(t, "room")})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Track(asked); err != nil {
			t.Fatal(err)
		}
		nodes[i] = &node{t: t, o: o, d: d}
	}
	start(0)
	start(1)
	for range rapid.IntRange(1, 50).Draw(t, "events") {
		before := g.now
		ev := g.next(t)
		_, outcome := ev.Payload.(*noren.LoginResult)
		_, paid := ev.Payload.(*noren.PaymentResult)
		if g.now.Sub(before) > time.Minute || outcome || paid {
			nodes[0].commit(len(nodes[0].open)) // an answer leaves after the commit
			nodes[1].commit(len(nodes[1].open))
		}
		n := nodes[rapid.IntRange(0, 1).Draw(t, "node")]
		got := n.observe(ev, asked)
		expect(t, m, ev, m.observe(ev), asked, got)
		switch rapid.IntRange(0, 9).Draw(t, "then") {
		case 0: // the store is lost
			nodes[0].commit(len(nodes[0].open))
			nodes[1].commit(len(nodes[1].open))
			shared.empty()
		case 1: // a node restarts
			i := rapid.IntRange(0, 1).Draw(t, "which")
			nodes[i].commit(len(nodes[i].open))
			start(i)
		case 2:
			if _, err := n.o.Roll(t.Context(), g.now); err != nil {
				t.Fatal(err)
			}
		case 3, 4:
			n.commit(len(n.open))
		}
	}
	nodes[0].commit(len(nodes[0].open))
	nodes[1].commit(len(nodes[1].open))
}

// between runs something after the store's next answer, before its caller sees it.
type between struct {
	kv.Store
	run func()
}

func (b *between) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	res, err := b.Store.Do(ctx, ops...)
	if run := b.run; run != nil {
		b.run = nil
		run()
	}
	return res, err
}

// Another node reserves and commits just before this one loads: the event is in
// SQL, and shared state tells of it afterwards. It counts once.
func TestEventThatArrivesByBothWaysCountsOnce(t *testing.T) {
	d, store := dbtest.Open(t, db.SQLite), kv.NewMemory(0)
	mine := &between{Store: store}
	a := must(orient.New(orient.Options{DB: d, KV: mine, Shared: true, Token: token}))
	b := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
	needs := []string{"site.logins_failed_24h", "account.logins_failed_24h", "site.logins_24h", "account.logins_24h"}
	mine.run = func() {
		keep(t, d, b, login("b1", "hanako", time.Second), needs...)
		keep(t, d, b, withParty(answer("b2", "b1", true, 2*time.Second), "hanako"), needs...)
	}
	facts(t, a, login("a1", "hanako", 0), needs...)
	if got := facts(t, a, login("a2", "hanako", 3*time.Second), needs...); got[needs[0]] != int64(2) || got[needs[1]] != int64(2) || got[needs[2]] != int64(3) || got[needs[3]] != int64(3) {
		t.Errorf("got %v, want three, two of them failed", got)
	}
}
