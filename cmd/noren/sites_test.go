package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"noren"
	"noren/db/dbtest"
	"noren/gateway"
	"noren/journal"
	"noren/settings"
)

// twoSitesSettings are shared rules, and rules of one site alone.
func twoSitesSettings() settings.Set {
	return settings.Set{
		limitsFile: string(gateway.ShippedLimitsFile()),
		policiesDir + "shared.yaml": `version: 1
policies:
  - name: many-orders
    kinds: [order.placed]
    mode: shadow
    when: account.orders_1h >= 3
    then: review
    reason: {ja: ご注文が多い, en: many orders}
    tests: [{facts: {account.orders_1h: 3}, fires: true}, {facts: {account.orders_1h: 2}, fires: false}]
`,
		sitesDir + "tea/policies/tea.yaml": `version: 1
policies:
  - name: tea-only
    kinds: [payment.attempt]
    mode: on
    when: address.payments_failed_1h >= 0
    then: block
    ban: {entity: address, for: 10m}
    reason: {ja: お茶のお店だけの決まり, en: a rule of the tea shop}
    tests: [{facts: {address.payments_failed_1h: 0}, fires: true}, {facts: {address.payments_failed_1h: -1}, fires: false}]
`,
		sitesDir + "cakes/limits.yaml": `version: 1
limits:
  - {name: cakes-only, zones: [storefront], by: address, rate: 1/1h, burst: 0}
`,
	}
}

// Two shops behind one Noren know nothing of each other: requests, limits, bans,
// policies, counters, records, keys and erasures.
func TestSitesDoNotShareAnything(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			url = ""
		}
		cfg := configFor(t.TempDir(), url, siteFor("tea", "tea.test", startShop(t, "tea")), siteFor("cakes", "cakes.test", startShop(t, "cakes")))
		in := open(t, instanceWants{cfg: cfg, initial: twoSitesSettings()})
		t.Run("requests", func(t *testing.T) { requestsReachTheirShop(t, in) })
		t.Run("limits", func(t *testing.T) { limitsHoldAtTheirSite(t, in) })
		t.Run("bans by hand", func(t *testing.T) { bansHoldAtTheirSite(t, in) })
		t.Run("policies", func(t *testing.T) { policiesDecideForTheirSite(t, in) })
		t.Run("counters", func(t *testing.T) { countersCountTheirSite(t, in) })
		in.flush(t)
		t.Run("records", func(t *testing.T) { recordsHoldTheirSite(t, in) })
		t.Run("keys", func(t *testing.T) { keysSealTheirSite(t, in) })
		t.Run("erasure", func(t *testing.T) { erasureConcernsItsSite(t, in) })
	})
}

func requestsReachTheirShop(t *testing.T, in *testInstance) {
	for host, want := range map[string]string{"tea.test": "tea here", "cakes.test": "cakes here"} {
		if rec := in.ask(t, host, "203.0.113.1", "/"); rec.Code != http.StatusOK || !strings.HasPrefix(rec.Body.String(), want) {
			t.Errorf("%s: %d %q", host, rec.Code, rec.Body)
		}
	}
	if rec := in.ask(t, "nobody.test", "203.0.113.1", "/"); rec.Code != http.StatusMisdirectedRequest {
		t.Errorf("a host of nobody is answered %d", rec.Code)
	}
}

func limitsHoldAtTheirSite(t *testing.T, in *testInstance) {
	for range 5 {
		if rec := in.ask(t, "tea.test", "203.0.113.2", "/"); rec.Code != http.StatusOK {
			t.Errorf("tea has no limit of its own and answers %d", rec.Code)
		}
	}
	first, second := in.ask(t, "cakes.test", "203.0.113.2", "/"), in.ask(t, "cakes.test", "203.0.113.2", "/")
	if first.Code != http.StatusOK || second.Code != http.StatusTooManyRequests {
		t.Errorf("cakes lets one an hour through; answered %d, then %d", first.Code, second.Code)
	}
}

func bansHoldAtTheirSite(t *testing.T, in *testInstance) {
	prefix, err := gateway.ParsePrefix("203.0.113.3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.lists.Set(t.Context(), gateway.Entry{Site: "cakes", List: gateway.ListBan, Prefix: prefix, Author: "test"}); err != nil {
		t.Fatal(err)
	}
	if rec := in.ask(t, "cakes.test", "203.0.113.3", "/"); rec.Code != http.StatusForbidden {
		t.Errorf("banned at cakes and answered %d there", rec.Code)
	}
	if rec := in.ask(t, "tea.test", "203.0.113.3", "/"); rec.Code != http.StatusOK {
		t.Errorf("banned at cakes and answered %d at tea", rec.Code)
	}
	if got := in.lists.List("tea"); len(got) != 0 {
		t.Errorf("tea lists %v", got)
	}
}

// visitorOf is one person who buys in both shops.
func visitorOf(site string, kind noren.Kind, p noren.Payload) noren.Event {
	return noren.Event{Kind: kind, Zone: noren.ZoneCheckout, Site: site, Payload: p,
		Entities: noren.Entities{noren.EntityAccount: "both@example.jp", noren.EntityAddress: "203.0.113.4"}}
}

func policiesDecideForTheirSite(t *testing.T, in *testInstance) {
	pay := &noren.Payment{Amount: noren.Yen(500), Method: "card"}
	if d := in.decide(t, visitorOf("cakes", noren.PaymentAttempt, pay)); d.Verdict != noren.Allow || len(d.Reasons) > 0 {
		t.Errorf("the policy of tea decides at cakes: %+v", d)
	}
	d := in.decide(t, visitorOf("tea", noren.PaymentAttempt, pay))
	if d.Verdict != noren.Block || len(d.Actions) != 1 || d.Actions[0].Site != "tea" {
		t.Errorf("the policy of tea does not decide at tea: %+v", d)
	}
	if rec := in.ask(t, "tea.test", "203.0.113.4", "/"); rec.Code != http.StatusForbidden {
		t.Errorf("banned by the policy of tea and answered %d there", rec.Code)
	}
	if rec := in.ask(t, "cakes.test", "203.0.113.4", "/"); rec.Code != http.StatusOK {
		t.Errorf("banned by the policy of tea and answered %d at cakes", rec.Code)
	}
}

func countersCountTheirSite(t *testing.T, in *testInstance) {
	order := &noren.Order{Number: "1", Total: noren.Yen(900), Method: "cod"}
	for range 4 {
		in.decide(t, visitorOf("tea", noren.OrderPlaced, order))
	}
	if d := in.decide(t, visitorOf("tea", noren.OrderPlaced, order)); len(d.Shadow) != 1 {
		t.Errorf("five orders at tea are not counted there: %+v", d)
	}
	if d := in.decide(t, visitorOf("cakes", noren.OrderPlaced, order)); len(d.Shadow) != 0 {
		t.Errorf("orders at tea count at cakes: %+v", d)
	}
}

// entriesOf reads a site's log, and fails on what belongs to another.
func entriesOf(t *testing.T, in *testInstance, f journal.Filter) []journal.Stored {
	t.Helper()
	var out []journal.Stored
	for s, err := range in.journal.Query(t.Context(), f) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Entry.Event.Site != f.Log {
			t.Errorf("log %s holds an entry of %q", f.Log, s.Entry.Event.Site)
		}
		out = append(out, s)
	}
	return out
}

func recordsHoldTheirSite(t *testing.T, in *testInstance) {
	for site, orders := range map[string]int{"tea": 5, "cakes": 1} {
		got := entriesOf(t, in, journal.Filter{Log: site, Kinds: []noren.Kind{noren.OrderPlaced}, Field: noren.EntityAccount, Value: "both@example.jp"})
		if len(got) != orders {
			t.Errorf("%s: %d orders of the account, want %d", site, len(got), orders)
		}
	}
	rep, err := in.journal.Verify(t.Context(), journal.VerifyOptions{})
	if err != nil || !rep.Clean() {
		t.Errorf("verify: %v %+v", err, rep.Findings)
	}
}

func keysSealTheirSite(t *testing.T, in *testInstance) {
	used := map[string]string{}
	for _, site := range []string{"tea", "cakes"} {
		for _, s := range entriesOf(t, in, journal.Filter{Log: site}) {
			var leaf struct {
				Sealed struct {
					Key string `json:"key"`
				} `json:"sealed"`
			}
			if err := json.Unmarshal(s.Leaf, &leaf); err != nil || leaf.Sealed.Key == "" {
				t.Fatalf("leaf without a key: %v %s", err, s.Leaf)
			}
			if other, known := used[leaf.Sealed.Key]; known && other != site {
				t.Errorf("one key seals entries of %s and %s", other, site)
			}
			used[leaf.Sealed.Key] = site
		}
	}
	if a, b := in.vault.Token("tea", "account", "x"), in.vault.Token("cakes", "account", "x"); string(a) == string(b) {
		t.Error("one person has the same token at both sites")
	}
}

func erasureConcernsItsSite(t *testing.T, in *testInstance) {
	if _, err := in.erase(t.Context(), "tea", noren.Subject{Kind: noren.EntityAccount, ID: "both@example.jp"}, "test"); err != nil {
		t.Fatal(err)
	}
	erased := map[string]int{}
	for _, site := range []string{"tea", "cakes"} {
		for _, s := range entriesOf(t, in, journal.Filter{Log: site, Kinds: []noren.Kind{noren.OrderPlaced}}) {
			if s.Erased {
				erased[site]++
			}
		}
	}
	if erased["tea"] != 5 || erased["cakes"] != 0 {
		t.Errorf("erased at tea; erased entries by site: %v, want all five of tea", erased)
	}
}
