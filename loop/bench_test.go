package loop_test

import (
	"fmt"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// BenchmarkDecide is an ordinary allowed request with 20 policies on and ten
// counters.
func BenchmarkDecide(b *testing.B) {
	counters := []string{
		"address.requests_30s", "address.requests_1m", "address.requests_10m", "address.blocked_10m", "address.waf_blocked_1h",
		"net.requests_1m", "net.blocked_10m", "session.requests_1m", "session.blocked_10m", "site.requests_1m",
	}
	var policies []string
	for i := range 20 {
		c := counters[i%len(counters)]
		policies = append(policies, pol(fmt.Sprintf("bench-%02d", i), "http.request", fmt.Sprintf(`%s > %d && request.method == "POST"`, c, 1_000_000+i),
			"limit", fmt.Sprintf("%s: %d, request.method: POST", c, 1_000_001+i)))
	}
	w := start(b, dbtest.URL(b, db.SQLite), setup{policies: policies})
	events := make([]noren.Event, 1000)
	for i := range events {
		events[i] = request("", "/products/12")
		events[i].Entities = noren.Entities{"address": fmt.Sprint("198.51.100.", i%200), "session": fmt.Sprint("s", i%500)}
	}
	faults := 0
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if d := w.decide(events[i%len(events)]); d.Verdict != noren.Allow {
			b.Fatalf("%+v", d)
		} else if d.Fault != "" {
			faults++
		}
		i++
	}
	if faults > i/100 {
		b.Errorf("%d of %d decisions were over their deadline", faults, i)
	}
}
