package orient_test

import (
	"fmt"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/orient"
)

// ten are ten counters over six entities, as sign-in policies ask for them.
var ten = []string{
	"account.logins_failed_10m", "account.logins_failed_24h", "account.login_addresses_1h",
	"address.logins_failed_10m", "address.login_accounts_1h", "address.login_failure_rate_1h",
	"device.login_accounts_24h", "net.logins_failed_10m", "net.login_accounts_1h", "site.login_failure_rate_10m",
}

// loginPair is an attempt and its outcome, of one of many customers.
func loginPair(i int, at time.Time) (attempt, outcome *noren.Event) {
	who := noren.Entities{
		"account": fmt.Sprintf("customer%d@example.jp", i*7919%5000),
		"device":  fmt.Sprintf("device%d", i*7919%6000),
		"address": fmt.Sprintf("203.%d.%d.%d", i%7, i*31%250, i*7919%250),
	}
	id := noren.NewID(at)
	attempt = &noren.Event{ID: id, Kind: noren.LoginAttempt, Site: "shop", At: noren.At(at), Entities: who, Payload: &noren.Login{}}
	outcome = &noren.Event{ID: noren.NewID(at), Kind: noren.LoginOutcome, AttemptID: id, Site: "shop", At: noren.At(at.Add(100 * time.Millisecond)), Entities: who, Payload: &noren.LoginResult{Success: i%10 != 0}}
	return attempt, outcome
}

func benchPairs(n int) (events []*noren.Event) {
	at := start
	for i := range (n + 1) / 2 {
		at = at.Add(300 * time.Millisecond)
		a, o := loginPair(i, at)
		events = append(events, a, o)
	}
	return events[:n]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkObserveMemory(b *testing.B) {
	o := must(orient.New(orient.Options{}))
	if err := o.Track(ten); err != nil {
		b.Fatal(err)
	}
	events := benchPairs(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for _, ev := range events {
		if _, err := o.Observe(b.Context(), ev, ten); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkObserveStored commits the rows as the journal does, in groups, out
// of the measured time.
func BenchmarkObserveStored(b *testing.B) {
	for _, engine := range []db.Engine{db.SQLite} {
		b.Run(string(engine), func(b *testing.B) {
			d := dbtest.Open(b, engine)
			o := must(orient.New(orient.Options{DB: d, Token: token}))
			if err := o.Track(ten); err != nil {
				b.Fatal(err)
			}
			var rows []db.Row
			events := benchPairs(b.N)
			b.ReportAllocs()
			b.ResetTimer()
			for i, ev := range events {
				obs, err := o.Observe(b.Context(), ev, ten)
				if err != nil || obs.Degraded {
					b.Fatal(err, obs.Degraded)
				}
				rows = append(rows, obs.Rows...)
				o.Committed(ev)
				if i%1000 == 999 {
					b.StopTimer()
					commit(b, d, rows)
					rows = rows[:0]
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkObserveCold loads every entity of every event: the cache holds none.
func BenchmarkObserveCold(b *testing.B) {
	d := dbtest.Open(b, db.SQLite)
	o := must(orient.New(orient.Options{DB: d, Token: token}))
	var rows []db.Row
	for _, ev := range benchPairs(100_000) {
		rows = append(rows, must(o.Observe(b.Context(), ev, nil)).Rows...)
		o.Committed(ev)
	}
	commit(b, d, rows)
	if _, err := o.Roll(b.Context(), start.Add(48*time.Hour)); err != nil {
		b.Fatal(err)
	}
	o = must(orient.New(orient.Options{DB: d, Token: token, MaxEntities: 1}))
	needs := []string{
		"account.logins_failed_365d", "account.login_addresses_30d", "account.first_seen_days",
		"address.logins_failed_24h", "device.login_accounts_24h", "site.logins_failed_30d",
	}
	if err := o.Track(needs); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		attempt, _ := loginPair(i, start.Add(5*time.Hour))
		obs, err := o.Observe(b.Context(), attempt, needs)
		if err != nil || obs.Degraded {
			b.Fatal(err, obs.Degraded)
		}
		o.Cancel(attempt)
	}
}

func commit(t testing.TB, d *db.DB, rows []db.Row) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Insert(t.Context(), rows) }); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkObserveRequest(b *testing.B) {
	needs := []string{
		"address.requests_1m", "address.requests_10m", "address.blocked_10m", "address.waf_blocked_1h", "address.forbidden_1h",
		"device.requests_1m", "net.requests_1m", "net.blocked_10m", "site.requests_1m", "address.logins_failed_10m",
	}
	o := must(orient.New(orient.Options{}))
	if err := o.Track(needs); err != nil {
		b.Fatal(err)
	}
	events := make([]*noren.Event, b.N)
	at := start
	for i := range events {
		at = at.Add(10 * time.Millisecond)
		events[i] = &noren.Event{ID: noren.NewID(at), Kind: noren.HTTPRequest, Site: "shop", At: noren.At(at), Payload: &noren.Request{Path: "/"},
			Entities: noren.Entities{"device": fmt.Sprint(i % 3000), "address": fmt.Sprintf("203.0.%d.%d", i%7, i%250)}}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, ev := range events {
		if _, err := o.Observe(b.Context(), ev, needs); err != nil {
			b.Fatal(err)
		}
	}
}
