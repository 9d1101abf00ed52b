package orient_test

import (
	"strings"
	"testing"

	"noren"
	"noren/orient"
)

func catalogue(t testing.TB, o orient.Options) *noren.Catalogue {
	t.Helper()
	n, err := orient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n.Catalogue()
}

func TestNamesOfFacts(t *testing.T) {
	c := catalogue(t, orient.Options{Entities: []string{"terminal"}})
	for _, tt := range []struct {
		name string
		typ  noren.FactType
		unit string
		en   string
	}{
		{"account.logins_failed_1h", noren.Int, "count", "Sign-ins that did not succeed, attempts still without an answer included, of this account in the last hour"},
		{"site.login_failure_rate_90d", noren.Float, "share", "Share of sign-ins that did not succeed, attempts still without an answer included, of the whole shop in the last 90 days"},
		{"terminal.order_sum_365d", noren.Int, "minor units", "Sum of order totals of this terminal in the last 365 days"},
		{"address.requests_30s", noren.Int, "count", "Requests, stopped ones included, of this address in the last 30 seconds"},
		{"net.login_accounts_24h", noren.Int, "count", "Different accounts in sign-ins of this address's network (/24 or /48) in the last day"},
		{"device.first_seen_days", noren.Int, "days", "Days since this device first appeared in a sign-in, order, payment, change or staff event; -1 when this is the first"},
		{"address.country", noren.Str, "", "Country of the address (ISO 3166-1, two letters); empty when not known"},
		{"entity.terminal", noren.Str, "", ""},
	} {
		f, err := c.Lookup(tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if f.Name != tt.name || f.Type != tt.typ || f.Unit != tt.unit || f.Meaning.En != tt.en || f.Kinds != nil {
			t.Errorf("%s: got %+v", tt.name, f)
		}
	}
}

func TestWrongNamesOfFactsAreExplained(t *testing.T) {
	c := catalogue(t, orient.Options{})
	for _, tt := range []struct{ name, want string }{
		{"account.loginz_failed_1h", `unknown measure "loginz_failed"; did you mean "logins_failed"?`},
		{"acount.logins_failed_1h", `unknown entity "acount"; did you mean "account"?`},
		{"terminal.logins_1h", `unknown entity "terminal"; a policy file may declare it`},
		{"account.logins_failed", `needs a window, for example "account.logins_failed_1h"`},
		{"account.logins_1w", "is not a number with s, m, h or d"},
		{"account.logins_01h", "is not a number with s, m, h or d"},
		{"account.logins_20s", "is not between 30s and 365d"},
		{"account.logins_366d", "is not between 30s and 365d"},
		{"account.logins_99999999999999999999d", "is not"},
		{"address.requests_25h", "request rates live in memory and end at 24h"},
		{"site.login_accounts_7d", "use a window up to 24h"},
		{"bin.payment_cards_25h", "asn, bin, country, item, net, site"},
		{"adress.first_seen_days", `did you mean "address"?`},
		{"address.contry", `did you mean "address.country"?`},
		{"account.", "unknown fact"},
		{"request.pathh", `did you mean "request.path"?`},
	} {
		_, err := c.Lookup(tt.name)
		if err == nil || !strings.Contains(err.Error(), tt.want) || noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestEveryFamilyIsDocumented(t *testing.T) {
	c := catalogue(t, orient.Options{})
	for _, f := range c.Families() {
		fact, err := c.Lookup(f.Example)
		if err != nil {
			t.Errorf("%s: example %s: %v", f.Pattern, f.Example, err)
		}
		for _, text := range []noren.Text{f.Meaning, fact.Meaning} {
			if text == (noren.Text{}) && strings.HasPrefix(f.Pattern, "entity.") {
				continue
			}
			if text.Ja == "" || text.En == "" || strings.ContainsAny(text.En, "（）") {
				t.Errorf("%s: meaning %+v is not in both languages", f.Pattern, text)
			}
		}
	}
	for _, f := range c.All() {
		if f.Meaning.Ja == "" || f.Meaning.En == "" {
			t.Errorf("%s has no meaning", f.Name)
		}
	}
}

func TestDeclaredEntities(t *testing.T) {
	for _, name := range []string{"", "Terminal", "a b", "entity", "9x", strings.Repeat("x", 65)} {
		if _, err := orient.New(orient.Options{Entities: []string{name}}); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("declared entity %q: got %v, want it refused", name, err)
		}
	}
	many := make([]string, 60)
	for i := range many {
		many[i] = "e" + strings.Repeat("x", i)
	}
	if _, err := orient.New(orient.Options{Entities: many}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("60 declared entities: got %v, want them refused", err)
	}
	catalogue(t, orient.Options{Entities: []string{"account", "terminal", "terminal"}}) // twice is once
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"account.logins_1h", "site.first_seen_days", "account.logins_failed", "..", "a._1h", "account.logins_9999999999d", "é.logins_1h"} {
		f.Add(name)
	}
	c := catalogue(f, orient.Options{Entities: []string{"terminal"}})
	f.Fuzz(func(t *testing.T, name string) {
		fact, err := c.Lookup(name)
		if err != nil {
			if noren.CodeOf(err) != noren.Invalid {
				t.Errorf("%q: error %v is not the asker's fault", name, err)
			}
			return
		}
		if fact.Name != name {
			t.Errorf("%q was found as %q", name, fact.Name)
		}
		if fact.Read != nil {
			return
		}
		o := must(orient.New(orient.Options{Entities: []string{"terminal"}}))
		ev := &noren.Event{ID: "e", Kind: noren.LoginAttempt, At: noren.At(start), Payload: &noren.Login{}}
		obs, err := o.Observe(t.Context(), ev, []string{name})
		if v, ok := obs.Facts[name]; err != nil || !ok || v == nil {
			t.Errorf("%q is in the catalogue and was computed as %v, %v", name, v, err)
		}
	})
}
