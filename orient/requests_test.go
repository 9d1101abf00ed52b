package orient_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/kv"
	"noren/kv/kvtest"
	"noren/kv/valkey"
	"noren/orient"
)

func request(id string, after time.Duration, p noren.Payload) *noren.Event {
	ev := &noren.Event{ID: id, Kind: noren.HTTPRequest, Site: "shop", At: noren.At(start.Add(after)), Entities: noren.Entities{"address": "203.0.113.7"}, Payload: p}
	if _, ok := p.(*noren.Blocked); ok {
		ev.Kind = noren.HTTPBlocked
	}
	return ev
}

var rates = []string{"address.requests_1m", "address.blocked_1m", "address.forbidden_10m", "address.waf_blocked_10m", "net.requests_1m", "site.requests_1h"}

func TestRequestRates(t *testing.T) {
	stores := map[string]func(t *testing.T) kv.Store{
		"memory": func(*testing.T) kv.Store { return kv.NewMemory(0) },
		"valkey": func(t *testing.T) kv.Store { return must(valkey.Open(t.Context(), kvtest.Valkey(t))) },
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			o := must(orient.New(orient.Options{KV: open(t)}))
			if err := o.Track(rates); err != nil {
				t.Fatal(err)
			}
			ok, forbidden, waf, policy := &noren.Request{}, &noren.Blocked{Cause: noren.CauseForbidden}, &noren.Blocked{Cause: noren.CauseWAF}, &noren.Blocked{Cause: noren.CausePolicy}
			for i, p := range []noren.Payload{ok, ok, forbidden, waf, waf, policy} {
				facts(t, o, request(fmt.Sprint(i), time.Duration(i)*time.Second, p)) // nothing is needed, all is counted
			}
			facts(t, o, request("1", 0, ok)) // the same request again
			want := noren.Facts{rates[0]: int64(5), rates[1]: int64(4), rates[2]: int64(1), rates[3]: int64(2), rates[4]: int64(5), rates[5]: int64(5)}
			signIn := login("signin", "hanako", 6*time.Second)
			signIn.Entities["address"] = "203.0.113.7"
			if diff := cmp.Diff(want, facts(t, o, signIn, rates...)); diff != "" {
				t.Errorf("a sign-in looks without counting: (-want +got)\n%s", diff)
			}
			got := facts(t, o, request("7", time.Minute+time.Second, ok), rates...)
			want = noren.Facts{rates[0]: int64(4), rates[1]: int64(4), rates[2]: int64(1), rates[3]: int64(2), rates[4]: int64(4), rates[5]: int64(6)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a minute later, its own request included: (-want +got)\n%s", diff)
			}
		})
	}
}

// A customer who meets a rule of the shop's own again and again is no attacker;
// who meets one of ours beside it is.
func TestOwnRulesAreNotCountedAsAttacks(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	var got noren.Facts
	for i, hits := range [][]noren.Hit{{{Rule: 1001}}, {{Rule: noren.MaxOwnRule}, {Rule: 7}}, {{Rule: 1001}, {Rule: 942100}}, {{Rule: 100930}}, nil} {
		p := &noren.Blocked{Request: noren.Request{Hits: hits}, Cause: noren.CauseWAF}
		got = facts(t, o, request(fmt.Sprint(i), time.Duration(i)*time.Second, p), "address.waf_blocked_10m", "address.blocked_10m")
	}
	if got["address.waf_blocked_10m"] != int64(3) || got["address.blocked_10m"] != int64(5) {
		t.Errorf("got %v, want 3 attacks of 5 stopped requests", got)
	}
}

func TestRequestRatesSaturate(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	var got noren.Facts
	for i := range 4200 {
		got = facts(t, o, request(fmt.Sprint(i), time.Duration(i)*time.Millisecond, &noren.Request{}), "address.requests_1m", "site.requests_1m")
	}
	if got["address.requests_1m"] != int64(4096) || got["site.requests_1m"] != int64(4200) {
		t.Errorf("got %v, want the address at its limit and the site exact", got)
	}
}

// broken is a store that fails when told to.
type broken struct {
	kv.Store
	away bool
}

func (b *broken) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	if b.away {
		return nil, errors.New("connection refused")
	}
	return b.Store.Do(ctx, ops...)
}

func TestRequestRatesWithoutSharedState(t *testing.T) {
	store := &broken{Store: kv.NewMemory(0)}
	o := must(orient.New(orient.Options{KV: store}))
	need := []string{"address.requests_1m"}
	facts(t, o, request("a", 0, &noren.Request{}), need...)
	store.away = true
	for i := range 3 {
		obs := must(o.Observe(t.Context(), request(fmt.Sprint(i), time.Second, &noren.Request{}), need))
		if !obs.Degraded || obs.Facts[need[0]] != int64(i+1) {
			t.Errorf("request %d while the store is away: got %v, degraded %v; want this process's own count", i, obs.Facts, obs.Degraded)
		}
	}
	store.away = false
	if got := fact(t, o, request("b", 2*time.Second, &noren.Request{}), need[0]); got != int64(2) {
		t.Errorf("with the store back: got %v", got)
	}
}

func TestTooManyRequestRates(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("address.requests_%dm", i+1))
	}
	if err := o.Track(names); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("300 request rates: got %v, want them refused", err)
	}
}
