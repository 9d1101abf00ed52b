package policy

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"noren"
)

// The shipped policies load (which runs their test rows), are many enough, and
// speak to people: Japanese in Japanese, English without it.
func TestShipped(t *testing.T) {
	s := mustLoad(t, Shipped()...)
	infos := s.Policies()
	if len(infos) < 14 {
		t.Errorf("%d policies are shipped", len(infos))
	}
	for _, p := range infos {
		if !strings.HasPrefix(p.File, "policies/") {
			t.Errorf("%s: file %s is not under policies/", p.Name, p.File)
		}
		if !strings.ContainsFunc(p.Reason.Ja, func(r rune) bool { return unicode.Is(unicode.Hiragana, r) }) || strings.HasSuffix(p.Reason.Ja, "。") {
			t.Errorf("%s: Japanese reason %q", p.Name, p.Reason.Ja)
		}
		if strings.ContainsFunc(p.Reason.En, func(r rune) bool { return r > unicode.MaxLatin1 }) {
			t.Errorf("%s: English reason %q", p.Name, p.Reason.En)
		}
		if p.Cost > MaxCost/100 {
			t.Errorf("%s may cost %d; a shipped condition should be far from the limit", p.Name, p.Cost)
		}
		if p.Ban != nil && p.Ban.For > time.Hour {
			t.Errorf("%s bans for %v; nobody is watching yet when it first fires", p.Name, p.Ban.For)
		}
	}
}

// A visitor of whom nothing is known is never touched: a missing signal is
// unknown, not suspicious.
func TestShippedLeaveTheUnknownAlone(t *testing.T) {
	s := mustLoad(t, Shipped()...)
	for _, k := range noren.Kinds() {
		for _, z := range noren.Zones() {
			ev := &noren.Event{ID: "e", Kind: k.Kind, Zone: z.Zone, At: at, Payload: k.NewPayload(), Entities: noren.Entities{"address": "203.0.113.7"}}
			d := s.Decide(ev, nil)
			if d.Verdict != ev.Given() || len(d.Reasons)+len(d.Shadow)+len(d.Actions) > 0 || d.Fault != "" {
				t.Errorf("%s in %s: %+v", k.Kind, z.Zone, d)
			}
		}
	}
}

// Nothing a stranger does refuses, limits or challenges an account as such: no
// policy that is on and about sign-ins may fire by facts of the account alone.
func TestShippedNeverLockAnAccountOut(t *testing.T) {
	s := mustLoad(t, Shipped()...)
	facts := noren.Facts{}
	for _, n := range s.Needs(noren.LoginAttempt, noren.ZoneLogin) {
		if strings.HasPrefix(n, "account.") || strings.HasPrefix(n, "site.") {
			f, err := testCatalogue().Lookup(n)
			if err != nil {
				t.Fatal(err)
			}
			if f.Type == noren.Float {
				facts[n] = 1.0
			} else {
				facts[n] = int64(1_000_000)
			}
		}
	}
	facts["address.first_seen_days"] = int64(-1)
	if d := s.Decide(&noren.Event{Kind: noren.LoginAttempt, Zone: noren.ZoneLogin, Payload: &noren.Login{}}, facts); d.Verdict != noren.Allow {
		t.Errorf("a customer whose account others attack gets %s because of %v", d.Verdict, d.Reasons)
	}
}

// A thousand buyers behind one carrier's address: every count is high, and
// hardly anything fails.
func TestShippedLeaveACarriersCustomersAlone(t *testing.T) {
	s := mustLoad(t, Shipped()...)
	busy := map[string]any{
		"requests_30s": 2000, "requests_1m": 3600, "requests_10m": 4096, "blocked_10m": 60, "waf_blocked_10m": 4, "forbidden_10m": 1,
		"logins_failed_1m": 12, "logins_failed_10m": 120, "logins_failed_1h": 160, "login_accounts_10m": 700, "login_failure_rate_1h": 0.16,
		"payments_1h": 1000, "payments_10m": 700, "payments_failed_2m": 140, "payments_failed_10m": 150, "payments_failed_1h": 190, "payment_failure_rate_1h": 0.19,
		"payment_cards_1h": 900, "payment_bins_1h": 120, "payment_sum_1h": 5_000_000, "first_seen_days": 300, "staff_logins_failed_10m": 0,
		"sessions_10m": 3, "bans_7d": 0, "freed_1h": 0, "payments_24h": 2000, "payments_failed_24h": 240, "logins_1h": 1000,
	}
	for _, k := range []noren.Kind{noren.HTTPRequest, noren.HTTPBlocked, noren.LoginAttempt, noren.LoginOutcome, noren.PaymentAttempt, noren.PaymentOutcome, noren.OrderPlaced} {
		facts := noren.Facts{}
		for _, n := range s.Needs(k, noren.ZoneCheckout) {
			entity, measure, _ := strings.Cut(n, ".")
			f, err := testCatalogue().Lookup(n)
			if err != nil {
				t.Fatal(err)
			}
			facts[n] = f.Type.Zero()
			if entity != "address" && entity != "site" {
				continue
			}
			switch v := busy[measure].(type) {
			case int:
				facts[n] = int64(v)
			case float64:
				facts[n] = v
			case nil:
				if f.Type == noren.Int || f.Type == noren.Float {
					t.Errorf("no value for %s: add it to the test", n)
				}
			}
		}
		info, _ := k.Info()
		ev := &noren.Event{Kind: k, Zone: noren.ZoneCheckout, Payload: info.NewPayload(), Entities: noren.Entities{"address": "203.0.113.7"}}
		d := s.Decide(ev, facts)
		if d.Verdict != ev.Given() {
			t.Errorf("%s: %s because of %v", k, d.Verdict, d.Reasons)
		}
	}
}
