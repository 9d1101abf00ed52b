package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"noren"
	"noren/kv"
	"noren/kv/valkey"
	"noren/lab/peer"
	"noren/loop"
	"noren/orient"
	"noren/policy"
)

// twentyPolicies ask ten counters of an ordinary request, two conditions each.
func twentyPolicies() []policy.File {
	counters := []string{
		"address.requests_30s", "address.requests_1m", "address.requests_10m", "address.blocked_10m", "address.waf_blocked_1h",
		"net.requests_1m", "net.blocked_10m", "session.requests_1m", "session.blocked_10m", "site.requests_1m",
	}
	var y strings.Builder
	y.WriteString("version: 1\npolicies:\n")
	for i := range 20 {
		c := counters[i%len(counters)]
		fmt.Fprintf(&y, `  - name: bench-%02d
    kinds: [http.request]
    mode: on
    when: %s > %d && request.method == "POST"
    then: limit
    reason: {ja: 計測用, en: for measuring}
    tests:
      - {facts: {%s: %d, request.method: POST}, fires: true}
      - {facts: {%s: 1}, fires: false}
`, i, c, 1_000_000+i, c, 1_000_001+i, c)
	}
	return []policy.File{{Name: "bench.yaml", Data: []byte(y.String())}}
}

// decide measures the whole loop for an ordinary allowed request.
func (b *bencher) decide() error {
	s, err := openStore(b.ctx, "sqlite:"+filepath.Join(b.dir, "decide", "noren.db"), filepath.Join(b.dir, "decide"), nil)
	if err != nil {
		return err
	}
	defer s.close(b.ctx)
	memory, err := timeDecisions(b.ctx, s, kv.NewMemory(0), 200_000)
	if err != nil {
		return err
	}
	b.add("decision, allowed request, 20 policies on, 10 counters, memory", "≤ 30 µs", "", "%.1f µs", memory)

	server, err := peer.StartValkey(b.ctx, "")
	if err != nil {
		return err
	}
	defer server.Stop()
	store, err := valkey.Open(b.ctx, server.URL())
	if err != nil {
		return err
	}
	defer store.Close()
	ping, err := timePing(b.ctx, store)
	if err != nil {
		return err
	}
	shared, err := timeDecisions(b.ctx, s, store, 20_000)
	if err != nil {
		return err
	}
	b.add("the same over Valkey/Redis", "one round trip", fmt.Sprintf("one round trip of one op: %.0f µs", ping), "%.0f µs", shared)
	return nil
}

func timeDecisions(ctx context.Context, s *store, k kv.Store, n int) (micros float64, err error) {
	o, err := orient.New(orient.Options{DB: s.db, KV: k, Token: s.vault.Token})
	if err != nil {
		return 0, err
	}
	set, err := policy.Load(twentyPolicies(), o.Catalogue())
	if err != nil {
		return 0, err
	}
	if err := o.Track(set.Needs(noren.HTTPRequest, noren.ZoneStorefront)); err != nil {
		return 0, err
	}
	l := loop.New(loop.Options{DB: s.db, Rules: loop.Rules{Orient: o, Policies: loop.Policies{Shared: set}},
		Journal: s.journal, Sealer: s.vault, Log: slog.New(slog.DiscardHandler)})
	run := func(n int) (time.Duration, error) {
		began := time.Now()
		for i := range n {
			d, err := l.Decide(ctx, noren.Event{Kind: noren.HTTPRequest, Site: "shop", Zone: noren.ZoneStorefront,
				Entities: noren.Entities{noren.EntityAddress: fmt.Sprintf("198.51.100.%d", i%200), noren.EntitySession: fmt.Sprint("s", i%500)},
				Payload:  &noren.Request{Method: "GET", Host: "shop.example", Path: "/products/12", UserAgent: "Mozilla/5.0"}})
			if err != nil || d.Verdict != noren.Allow {
				return 0, fmt.Errorf("decision %d: %+v %w", i, d, err)
			}
		}
		return time.Since(began), nil
	}
	if _, err := run(n / 10); err != nil {
		return 0, err
	}
	took, err := run(n)
	return float64(took.Microseconds()) / float64(n), err
}

func timePing(ctx context.Context, k kv.Store) (micros float64, err error) {
	const n = 5000
	began := time.Now()
	for i := range n {
		if _, err := k.Do(ctx, kv.Count{Key: "bench", At: time.Now(), Window: time.Minute, ID: fmt.Sprint(i)}); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(began).Microseconds()) / n, nil
}
