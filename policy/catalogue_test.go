package policy

import (
	"slices"
	"strings"
	"testing"

	"noren"
)

// testCatalogue has the families that the real one has.
func testCatalogue(entities ...string) *noren.Catalogue {
	facts := append(noren.EventFacts(),
		noren.Fact{Name: "address.country", Type: noren.Str},
		noren.Fact{Name: "address.asn", Type: noren.Int},
		noren.Fact{Name: "address.asn_name", Type: noren.Str},
		noren.Fact{Name: "address.network", Type: noren.Str},
		noren.Fact{Name: "address.verified_bot", Type: noren.Str},
		noren.Fact{Name: "address.listed", Type: noren.List},
	)
	known := append([]string{"account", "device", "address", "net", "asn", "country", "session", "staff", "card", "bin",
		"mail", "phone", "item", "order", "site"}, entities...)
	return noren.NewCatalogue(facts, []noren.Family{noren.EntityFacts(), sequences(), counters(known)})
}

var measures = []string{"requests", "sessions", "bans", "freed", "blocked", "forbidden", "waf_blocked", "logins", "logins_failed", "login_failure_rate",
	"login_accounts", "login_addresses", "login_devices", "changes", "orders", "order_sum", "order_accounts", "order_addresses",
	"payments", "payments_failed", "payment_failure_rate", "payment_sum", "payment_cards", "payment_accounts",
	"payment_addresses", "payment_bins", "staff_actions", "staff_records", "staff_logins_failed",
	"probes_refused", "not_found", "mail_refused", "mail_logins_failed"}

// sequences takes any name for a sequence: the real catalogue knows the declared.
func sequences() noren.Family {
	return noren.Family{Pattern: "sequence.<name>", Lookup: func(name string) (noren.Fact, bool, error) {
		_, ok := strings.CutPrefix(name, "sequence.")
		return noren.Fact{Name: name, Type: noren.Int}, ok, nil
	}}
}

func counters(entities []string) noren.Family {
	return noren.Family{Pattern: "<entity>.<measure>_<window>", Lookup: func(name string) (noren.Fact, bool, error) {
		entity, rest, _ := strings.Cut(name, ".")
		if !slices.Contains(entities, entity) {
			return noren.Fact{}, false, nil
		}
		if rest == "first_seen_days" {
			return noren.Fact{Name: name, Type: noren.Int}, true, nil
		}
		i := strings.LastIndexByte(rest, '_')
		if i < 0 || !slices.Contains(measures, rest[:i]) || len(rest) < i+3 || !strings.ContainsAny(rest[i+1:i+2], "123456789") {
			return noren.Fact{}, false, nil
		}
		if strings.HasSuffix(rest[:i], "_rate") {
			return noren.Fact{Name: name, Type: noren.Float}, true, nil
		}
		return noren.Fact{Name: name, Type: noren.Int}, true, nil
	}}
}

// file makes a policy file of one policy whose keys may be replaced or, with
// an empty value, left out.
func file(replace map[string]string) File {
	keys := []struct{ name, value string }{
		{"name", "p"},
		{"kinds", "[account.login.attempt]"},
		{"zones", ""},
		{"mode", "on"},
		{"when", "address.logins_failed_10m >= 20"},
		{"then", "limit"},
		{"ban", ""},
		{"reason", "{ja: 理由, en: reason}"},
		{"tests", "[{facts: {address.logins_failed_10m: 20}, fires: true}, {fires: false}]"},
	}
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	indent := "  - "
	for _, k := range keys {
		value := k.value
		if v, ok := replace[k.name]; ok {
			value = v
		}
		if value == "" {
			continue
		}
		b.WriteString(indent + k.name + ": " + value + "\n")
		indent = "    "
	}
	return File{Name: "f.yaml", Data: []byte(b.String())}
}

// mustLoad loads files that have no fault.
func mustLoad(t testing.TB, files ...File) *Set {
	t.Helper()
	s, err := Load(files, testCatalogue(DeclaredEntities(files)...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
