package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/journal"
)

// Of the stores of the console's measurement.
const (
	consoleDays = 28
	consoleSite = "shop"
	consoleGoal = "≤ 100 ms"
	consoleAsks = 200
)

// consoleSearch measures first pages of the console's search and its trends over
// four weeks of events.
func (b *bencher) consoleSearch() error {
	for _, open := range []func() (*kept, error){b.keptSQLite, b.keptPostgres} {
		k, err := open()
		if err == nil && k != nil {
			err = b.searchKept(k)
			k.stop()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bencher) searchKept(k *kept) error {
	s, err := k.open(b.ctx)
	if err != nil {
		return err
	}
	defer s.close(b.ctx)
	if !k.whole() {
		fmt.Fprintf(os.Stderr, "making %d stored events in %s …\n", k.events, k.dir)
		began := time.Now()
		if err := fillConsole(b.ctx, s, k.events, time.Now()); err != nil {
			return err
		}
		b.add(fmt.Sprintf("console, %s: making %d events", k.engine, k.events), "–", fmt.Sprintf("%.1f GiB", float64(k.size())/(1<<30)), "%s", time.Since(began).Round(time.Second))
	}
	if err := b.rollConsole(k, s); err != nil {
		return err
	}
	if err := k.settle(b.ctx); err != nil {
		return err
	}
	return b.askConsole(k, s)
}

// fillConsole appends what is missing of n events in the order of their times;
// an interrupted one goes on where it stopped.
func fillConsole(ctx context.Context, s *store, n int, end time.Time) error {
	have := 0
	if logs, err := s.journal.Logs(ctx); err != nil {
		return err
	} else if len(logs) > 0 {
		have = int(logs[0].Size)
	}
	begin := end.Add(-consoleDays * 24 * time.Hour)
	var next atomic.Int64
	next.Store(int64(have))
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				at := begin.Add(time.Duration(float64(consoleDays*24*time.Hour) * float64(i) / float64(n)))
				if err := s.journal.Post(ctx, consoleEntry(i, at)); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	return s.journal.Flush(ctx)
}

// consoleEntry is the i-th event: sign-ins, and one in eight a request that was
// stopped. One in fifty thousand was stopped at the admin.
func consoleEntry(i int, at time.Time) noren.Entry {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	id := noren.NewID(at)
	account := fmt.Sprintf("customer%d@example.jp", r.IntN(50_000))
	e := noren.Entry{
		Event: noren.Event{ID: id, Kind: noren.LoginOutcome, At: noren.At(at), Site: consoleSite, Zone: noren.ZoneLogin,
			Entities: noren.Entities{noren.EntityAccount: account, noren.EntityAddress: consoleAddress(r.IntN(60_000))},
			Payload:  &noren.LoginResult{User: account, Success: true}},
		Facts:    noren.Facts{"address.logins_failed_10m": int64(i % 7), "account.logins_1h": int64(2), "address.country": "JP"},
		Decision: noren.Decision{EventID: id, Verdict: noren.Allow, Policies: "0123456789abcdef"}, Count: 1,
	}
	if i%8 != 0 {
		return e
	}
	delete(e.Event.Entities, noren.EntityAccount)
	e.Event.Kind, e.Event.Zone, e.Decision.Verdict = noren.HTTPBlocked, noren.ZoneSearch, noren.Block
	rule := 942000 + r.IntN(60)*10
	e.Rule = fmt.Sprintf("waf:%d", rule)
	switch {
	case i%50_000 == 0:
		e.Event.Zone = noren.ZoneAdmin
	case i%100_000 == 8:
		e.Rule = "waf:920170"
	}
	e.Event.Payload = &noren.Blocked{Request: noren.Request{Method: "GET", Host: "shop.example", Path: "/search", Query: "q=' OR 1=1 --", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"},
		Cause: noren.CauseWAF, Rule: strconv.Itoa(rule), Status: 403, Ticket: consoleTicket(i)}
	return e
}

func consoleAddress(n int) string { return fmt.Sprintf("198.%d.%d.%d", 18+n/65536, n/256%256, n%256) }
func consoleTicket(i int) string  { return fmt.Sprintf("T-%08d", i) }

// rollConsole rolls up what is not yet.
func (b *bencher) rollConsole(k *kept, s *store) error {
	began := time.Now()
	st, err := s.journal.RollState(b.ctx, consoleSite)
	if err != nil {
		return err
	}
	for more := true; more; {
		if more, err = s.journal.RollUp(b.ctx); err != nil {
			return err
		}
	}
	if left := st.Entries - st.Rolled; left > 0 {
		b.add(fmt.Sprintf("console, %s: rolling up %d entries without pause", k.engine, left), "–", "", "%s", time.Since(began).Round(time.Second/10))
	}
	return nil
}

// askConsole asks each question many times.
func (b *bencher) askConsole(k *kept, s *store) error {
	for _, q := range consoleQuestions(k.events) {
		var times []time.Duration
		partial := 0
		for i := range consoleAsks {
			began := time.Now()
			found, err := q.ask(b.ctx, s.journal, i)
			if err != nil {
				return fmt.Errorf("%s: %w", q.what, err)
			}
			times = append(times, time.Since(began))
			if !found {
				partial++
			}
		}
		beside := ""
		if partial > 0 {
			beside = fmt.Sprintf("%d %% came back before the end and went on", partial*100/consoleAsks)
		}
		b.add(fmt.Sprintf("console, %s, %d events: %s", k.engine, k.events, q.what), consoleGoal, beside, "p50 %s, p99 %s", quantile(times, 0.5), quantile(times, 0.99))
	}
	return nil
}

// question asks once; whole says that the answer did not stop for time.
type question struct {
	what string
	ask  func(ctx context.Context, j *journal.Journal, i int) (whole bool, err error)
}

func consoleQuestions(n int) []question {
	page := func(what string, q func(i int) journal.SearchQuery) question {
		return question{what, func(ctx context.Context, j *journal.Journal, i int) (bool, error) {
			sq := q(i)
			sq.Log = consoleSite
			p, err := j.Search(ctx, sq)
			return !p.Partial, err
		}}
	}
	now := time.Now()
	trend := func(what string, q journal.TrendQuery) question {
		return question{what, func(ctx context.Context, j *journal.Journal, i int) (bool, error) {
			q.Log = consoleSite
			t, err := j.Trend(ctx, q)
			return t.State.Whole(), err
		}}
	}
	return []question{
		page("newest entries", func(int) journal.SearchQuery { return journal.SearchQuery{} }),
		page("by address", func(i int) journal.SearchQuery {
			return journal.SearchQuery{Field: noren.EntityAddress, Value: consoleAddress(i * 577 % 60_000)}
		}),
		page("by ticket", func(i int) journal.SearchQuery {
			return journal.SearchQuery{Field: journal.FieldTicket, Value: consoleTicket(i * (n / consoleAsks) / 8 * 8)}
		}),
		page("unknown address", func(i int) journal.SearchQuery {
			return journal.SearchQuery{Field: noren.EntityAddress, Value: fmt.Sprintf("203.0.113.%d", i)}
		}),
		page("by rule", func(i int) journal.SearchQuery {
			return journal.SearchQuery{Which: journal.Which{Rules: []string{fmt.Sprintf("waf:%d", 942000+i%60*10)}}}
		}),
		page("a rule of one entry in 100,000", func(int) journal.SearchQuery {
			return journal.SearchQuery{Which: journal.Which{Rules: []string{"waf:920170"}}}
		}),
		page("a rule that never was", func(int) journal.SearchQuery {
			return journal.SearchQuery{Which: journal.Which{Rules: []string{"waf:999999"}}}
		}),
		page("stopped at the admin, one in 50,000", func(int) journal.SearchQuery {
			return journal.SearchQuery{Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}, Zones: []noren.Zone{noren.ZoneAdmin}}}
		}),
		page("address and stopped", func(i int) journal.SearchQuery {
			return journal.SearchQuery{Field: noren.EntityAddress, Value: consoleAddress(i * 577 % 60_000), Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}}}
		}),
		page("half an hour, two weeks ago", func(i int) journal.SearchQuery {
			since := now.Add(-14*24*time.Hour - time.Duration(i)*7*time.Minute)
			return journal.SearchQuery{Since: since, Until: since.Add(30 * time.Minute)}
		}),
		page("stopped in 28 days", func(int) journal.SearchQuery {
			return journal.SearchQuery{Since: now.Add(-28 * 24 * time.Hour), Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}}}
		}),
		trend("28 days by verdict", journal.TrendQuery{Since: now.Add(-28 * 24 * time.Hour), Until: now, Step: journal.StepDay, By: journal.ByVerdict}),
		trend("7 days in hours by rule", journal.TrendQuery{Since: now.Add(-7 * 24 * time.Hour), Until: now, Step: journal.StepHour, By: journal.ByRule}),
		trend("an hour in minutes by kind", journal.TrendQuery{Since: now.Add(-30*time.Hour - time.Hour), Until: now.Add(-30 * time.Hour), Step: journal.StepMinute, By: journal.ByKind}),
		{"ten most frequent rules of 28 days", func(ctx context.Context, j *journal.Journal, i int) (bool, error) {
			t, err := j.Tops(ctx, journal.TopQuery{Log: consoleSite, Since: now.Add(-28 * 24 * time.Hour), Until: now, By: journal.ByRule, Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}}})
			return t.State.Whole(), err
		}},
		{"how many were stopped, up to 10,000", func(ctx context.Context, j *journal.Journal, i int) (bool, error) {
			_, err := j.Count(ctx, journal.SearchQuery{Log: consoleSite, Since: now.Add(-20*24*time.Hour - time.Duration(i)*time.Minute), Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}}}, 10_000)
			return true, err
		}},
	}
}
