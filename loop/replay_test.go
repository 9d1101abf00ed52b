package loop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/loop"
	"noren/orient"
)

// day plays events of every kind with all that can happen to them, and returns
// what the journal has of them.
func day(t *testing.T, w *world, src *trouble) []noren.Entry {
	t.Helper()
	end := w.run()
	for i := range 30 {
		who := []string{"hanako", "taro", "jiro"}[i%3]
		n := fmt.Sprint(i)
		w.decide(login("l"+n, who))
		w.decide(answered("r"+n, "l"+n, who, i%4 == 0))
		w.decide(order("o"+n, who))
		w.decide(payment("p"+n, "tok"+fmt.Sprint(i%2), []int64{4000, 666, 777}[i%3]))
		w.decide(blocked("b"+n, client, noren.CauseWAF, "942100"))
		w.decide(blocked("c"+n, client, noren.CauseLimit, "pages"))
		w.decide(request("q"+n, []string{"/", "/odd"}[i%2]))
		w.decide(scored(i))
		w.decide(staffLogin("s"+n, true))
		time.Sleep(20 * time.Second)
	}
	src.slow.Store(int64(time.Second))
	eachKind(func(ev noren.Event, _ noren.KindInfo, _ noren.Verdict) { ev.ID += "slow"; w.decide(ev) })
	src.slow.Store(0)
	src.panics.Store(true)
	eachKind(func(ev noren.Event, _ noren.KindInfo, _ noren.Verdict) { ev.ID += "panic"; w.decide(ev) })
	w.decide(request("qp", "/odd"))
	src.panics.Store(false)
	w.faults.commits(db.Fault{Delay: 2 * time.Second})
	eachKind(func(ev noren.Event, _ noren.KindInfo, _ noren.Verdict) { ev.ID += "late"; w.decide(ev) })
	w.faults.heal()
	end()
	return w.entries("shop")
}

// Decided again from what is stored with it, every entry comes to the same
// decision, bit for bit – the faulted ones too.
func TestRecordedReplayIsIdentical(t *testing.T) {
	src := &trouble{}
	s := setup{policies: append(slices.Clone(house), asking...), sources: []orient.Source{src}}
	each(t, s, func(t *testing.T, w *world) {
		entries := day(t, w, src)
		faults := map[string]int{}
		verdicts := map[noren.Verdict]int{}
		fired, shadow, actions := 0, 0, 0
		rep := w.replay()
		for _, e := range entries {
			if e.Count > 1 || e.Event.Kind == noren.HTTPRequest && len(e.Event.Entities) == 0 {
				continue
			}
			faults[e.Decision.Fault]++
			verdicts[e.Decision.Verdict]++
			fired, shadow, actions = fired+len(e.Decision.Reasons), shadow+len(e.Decision.Shadow), actions+len(e.Decision.Actions)
			if got, want := asJSON(t, rep.Recorded(&e)), asJSON(t, e.Decision); got != want {
				t.Errorf("%s %s: decided again\n%s\nwas\n%s", e.Event.Kind, e.Event.ID, got, want)
			}
		}
		if faults[""] < 100 || faults["deadline"] < 10 || faults["panic"] < 10 || faults["policy broken: division by zero"] == 0 || fired == 0 || shadow == 0 || actions == 0 {
			t.Errorf("the day was too quiet to show anything: faults %v, verdicts %v, %d reasons, %d in shadow, %d actions", faults, verdicts, fired, shadow, actions)
		}
	})
}

// Facts rebuilt from the events in order are those of the day itself, for all
// counters of history.
func TestRecomputedFactsAreTheSame(t *testing.T) {
	policies := append(slices.Clone(house),
		pol("h1", "account.login.attempt", "account.login_failure_rate_1h > 2.0 || address.login_accounts_24h > 99 || account.first_seen_days > 900", "hold", "address.login_accounts_24h: 100"),
		pol("h2", "account.login.outcome", "account.logins_failed_1h > 99 || address.login_failure_rate_10m > 2.0", "hold", "account.logins_failed_1h: 100"),
		pol("h3", "order.placed", "account.order_sum_30d > 999999 || site.orders_1h > 9999", "hold", "site.orders_1h: 10000"),
		pol("h4", "payment.attempt", "card.payment_sum_24h > 999999999", "hold", "card.payment_sum_24h: 1000000000"))
	each(t, setup{policies: policies}, func(t *testing.T, w *world) {
		for i := range 60 {
			who, n := []string{"hanako", "taro", "jiro"}[i%3], fmt.Sprint(i)
			w.decide(login("l"+n, who))
			w.decide(answered("r"+n, "l"+n, who, true)) // failed ones would be sampled
			w.decide(order("o"+n, who))
			w.decide(payment("p"+n, "tok"+fmt.Sprint(i%2), 4000))
			if i%20 == 19 {
				w.restart() // and from the database as from memory
			}
			time.Sleep(time.Duration(i) * 10 * time.Second)
		}
		rep, compared := w.replay(), 0
		for _, was := range w.entries("shop") {
			got, err := rep.Recomputed(t.Context(), was.Event)
			if err != nil {
				t.Fatal(err)
			}
			if was.Event.Kind == noren.LoginAttempt && was.Decision.Verdict == noren.Limit {
				t.Fatal("the day must not sample anything")
			}
			compared += len(was.Facts)
			if diff := cmp.Diff(was.Facts, got.Facts); diff != "" {
				t.Errorf("%s: facts (-then +now):\n%s", was.Event.ID, diff)
			}
			if diff := cmp.Diff(was.Decision, got.Decision); diff != "" || got.Rule != was.Rule {
				t.Errorf("%s: decision, rule %q, now %q (-then +now):\n%s", was.Event.ID, was.Rule, got.Rule, diff)
			}
			if d := loop.Differences(&was, got.Facts, 0); len(d) != 0 {
				t.Errorf("%s: differences %+v", was.Event.ID, d)
			}
		}
		if compared < 500 {
			t.Errorf("%d facts compared, want some more", compared)
		}
	})
}

func TestDifferencesNameTheCause(t *testing.T) {
	was := noren.Entry{Facts: noren.Facts{
		"account.logins_1h": int64(5), "account.same_1h": int64(1), "address.country": "JP", "address.asn_name": "Example", "address.verified_bot": "google",
		"address.logins_failed_1h": int64(4), "address.requests_1m": int64(9), "address.waf_blocked_10m": int64(2), "address.listed": []string{"a"}, "account.gone_1h": int64(1),
	}}
	now := noren.Facts{
		"account.logins_1h": int64(3), "account.same_1h": int64(1), "address.country": "US", "address.asn_name": "Other", "address.verified_bot": "",
		"address.logins_failed_1h": int64(3), "address.requests_1m": int64(1), "address.waf_blocked_10m": int64(0), "address.listed": []string{"b"}, "account.new_1h": int64(7),
	}
	const files, counts, before, erased, away = "address data", "counts", "before the first", "erased", "away"
	for _, tt := range []struct {
		name     string
		degraded bool
		skipped  int64
		want     map[string]string
	}{
		{"complete", false, 0, map[string]string{"account.logins_1h": before, "address.asn_name": files, "address.country": files, "address.listed": files,
			"address.logins_failed_1h": before, "address.requests_1m": counts, "address.verified_bot": files, "address.waf_blocked_10m": counts}},
		{"some erased", false, 2, map[string]string{"account.logins_1h": erased, "address.asn_name": files, "address.country": files, "address.listed": files,
			"address.logins_failed_1h": erased, "address.requests_1m": counts, "address.verified_bot": files, "address.waf_blocked_10m": counts}},
		{"degraded", true, 2, map[string]string{"account.logins_1h": away, "address.asn_name": away, "address.country": away, "address.listed": away,
			"address.logins_failed_1h": away, "address.requests_1m": away, "address.verified_bot": away, "address.waf_blocked_10m": away}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was.Decision.Degraded = tt.degraded
			got := map[string]string{}
			var order []string
			for _, d := range loop.Differences(&was, now, tt.skipped) {
				order = append(order, d.Fact)
				for _, part := range []string{files, counts, before, erased, away} {
					if strings.Contains(d.Cause, part) {
						got[d.Fact] = part
					}
				}
				if cmp.Equal(d.Recorded, d.Recomputed) || !cmp.Equal(d.Recorded, was.Facts[d.Fact]) || !cmp.Equal(d.Recomputed, now[d.Fact]) {
					t.Errorf("%s: recorded %v, recomputed %v", d.Fact, d.Recorded, d.Recomputed)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
			if !slices.IsSorted(order) {
				t.Errorf("order %v", order)
			}
		})
	}
}
