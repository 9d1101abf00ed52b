package policy

import (
	"fmt"
	"strings"
	"testing"

	"noren"
)

// twenty policies with two comparisons each, as a shop would have them on.
func twenty(tb testing.TB) *Set {
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	for i := range 20 {
		entity := []string{"address", "account", "session", "device", "net"}[i%5]
		failed, rate := fmt.Sprintf("%s.logins_failed_%dm", entity, 5+i/5*5), entity+".login_failure_rate_1h"
		fmt.Fprintf(&b, "  - {name: p%02d, kinds: [account.login.attempt], mode: on, when: %s >= 20 && %s >= 0.7, then: limit, reason: {ja: a, en: b}, tests: [{facts: {%s: 20, %s: 0.7}, fires: true}, {fires: false}]}\n",
			i, failed, rate, failed, rate)
	}
	return mustLoad(tb, File{Name: "f.yaml", Data: []byte(b.String())})
}

func factsOf(s *Set, failed int64, rate float64) noren.Facts {
	f := noren.Facts{}
	for _, n := range s.Needs(noren.LoginAttempt, noren.ZoneLogin) {
		if strings.Contains(n, "rate") {
			f[n] = rate
		} else {
			f[n] = failed
		}
	}
	return f
}

// BenchmarkDecide is the cost of a decision with 20 policies on: quiet is the
// ordinary customer, near has every first comparison true, fires every policy.
func BenchmarkDecide(b *testing.B) {
	s := twenty(b)
	ev := &noren.Event{ID: "e", Kind: noren.LoginAttempt, Zone: noren.ZoneLogin, At: at}
	for _, bb := range []struct {
		name   string
		failed int64
		rate   float64
	}{{"quiet", 1, 1}, {"near", 1000, 0.5}, {"fires", 1000, 0.9}} {
		facts := factsOf(s, bb.failed, bb.rate)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(ev, facts)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		facts := factsOf(s, 1000, 0.5)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				s.Decide(ev, facts)
			}
		})
	})
}

// BenchmarkShipped decides with the policies that come with Noren.
func BenchmarkShipped(b *testing.B) {
	s := mustLoad(b, Shipped()...)
	for _, k := range []noren.Kind{noren.HTTPRequest, noren.HTTPBlocked, noren.LoginAttempt, noren.OrderPlaced, noren.PaymentAttempt} {
		b.Run(string(k), func(b *testing.B) {
			facts := noren.Facts{}
			for _, n := range s.Needs(k, "") {
				f, _ := testCatalogue().Lookup(n)
				facts[n] = f.Type.Zero()
			}
			info, err := k.Info()
			if err != nil {
				b.Fatal(err)
			}
			ev := &noren.Event{ID: "e", Kind: k, At: at, Payload: info.NewPayload()}
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(ev, facts)
			}
		})
	}
}

// BenchmarkWorstCondition shows what conditions near the cost limit take when
// an event of the greatest size meets them.
func BenchmarkWorstCondition(b *testing.B) {
	long := strings.Repeat("a", noren.MaxEventBytes)
	many := strings.Split(strings.Repeat("a,", noren.MaxEventBytes/3), ",")
	tests := []struct {
		name, kind, when, given string
		ev                      *noren.Event
	}{
		{"regular expression", "http.request", `request.query.matches("(a|aa|aaa)*[bc][de]{3,9}$")`, "request.query: abdddd",
			&noren.Event{Kind: noren.HTTPRequest, Payload: &noren.Request{Query: long}}},
		{"texts in texts", "http.request", `request.query.contains("aaaaaaaaaaaab") || request.query.contains("aaaaaaaaaaaaaaaaaaaac")`, "request.query: aaaaaaaaaaaab",
			&noren.Event{Kind: noren.HTTPRequest, Payload: &noren.Request{Query: long}}},
		{"list", "account.changed", `change.fields.exists(f, f == "mail" || f == "pass")`, "change.fields: [mail]",
			&noren.Event{Kind: noren.AccountChanged, Payload: &noren.AccountChange{Fields: many}}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			s := mustLoad(b, file(map[string]string{"kinds": "[" + tt.kind + "]", "when": "'" + tt.when + "'", "tests": "[{facts: {" + tt.given + "}, fires: true}, {fires: false}]"}))
			for b.Loop() {
				s.Decide(tt.ev, nil)
			}
			b.ReportMetric(float64(s.Policies()[0].Cost), "units")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	cat := testCatalogue()
	for b.Loop() {
		if _, err := Load(Shipped(), cat); err != nil {
			b.Fatal(err)
		}
	}
}
