package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
)

func mustAccess(t testing.TB, text string) AccessRules {
	t.Helper()
	rules, err := ParseAccess("access.yaml", []byte("version: 1\nrules:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

const why = "    reason: {ja: 試験, en: a test}\n"

// who is a caller of a test: an address with what the test's data say of it.
func who(addr string, places ...string) *Caller {
	countries := map[string]string{"192.0.2.1": "JP", "192.0.2.2": "KP"}
	return &Caller{
		Addr:    netip.MustParseAddr(addr),
		In:      func(p string) bool { return strings.Contains(strings.Join(places, "|"), p) },
		Country: func(a netip.Addr) string { return countries[a.String()] },
		ASN: func(a netip.Addr) uint32 {
			if a.String() == "192.0.2.1" {
				return 2497
			}
			return 0
		},
	}
}

func TestAccessRulesInTwoSentences(t *testing.T) {
	office := "  - name: office\n    allow: {places: [本社], networks: [198.51.100.0/28, \"2001:db8::/48\"]}\n" + why
	agency := "  - name: agency\n    allow: {places: [制作会社]}\n    until: 2026-09-30\n" + why
	japan := "  - name: japan\n    zones: [admin]\n    allow: {countries: [JP]}\n" + why
	iij := "  - name: iij\n    allow: {asns: [2497]}\n" + why
	noKP := "  - name: no-kp\n    zones: [shop, staff]\n    deny: {countries: [KP]}\n" + why
	posts := "  - name: posts\n    zones: [admin]\n    methods: [POST]\n    allow: {places: [本社]}\n" + why
	lost := "  - name: lost\n    deny: {places: [旧オフィス]}\n" + why
	denyOver := "  - name: over\n    deny: {networks: [192.0.2.0/24]}\n    until: 2026-01-01\n" + why
	shadow := "  - name: try\n    mode: shadow\n    allow: {places: [本社]}\n" + why
	day := time.Date(2026, 9, 30, 14, 59, 59, 0, time.UTC) // one second before midnight in Japan
	for _, tt := range []struct {
		name, rules string
		zone        noren.Zone
		method      string
		c           *Caller
		at          time.Time
		refused     string // rule, "" passes
	}{
		{"no rule", "  []\n", noren.ZoneAdmin, "GET", who("203.0.113.7"), day, ""},
		{"in the network", office, noren.ZoneAdmin, "GET", who("198.51.100.3"), day, ""},
		{"in IPv6", office, noren.ZoneAdmin, "GET", who("2001:db8:0:1::9"), day, ""},
		{"in the place", office, noren.ZoneAdminLogin, "GET", who("203.0.113.7", "本社"), day, ""},
		{"elsewhere", office, noren.ZoneExport, "GET", who("203.0.113.7"), day, "office"},
		{"elsewhere, the code", office, noren.ZoneCodeEdit, "POST", who("203.0.113.7"), day, "office"},
		{"elsewhere, the shop", office, noren.ZoneStorefront, "GET", who("203.0.113.7"), day, ""},
		{"the payment provider", office + noKP, noren.ZoneCallback, "POST", who("192.0.2.2"), day, ""},
		{"allow rules add up", office + agency, noren.ZoneAdmin, "GET", who("203.0.113.7", "制作会社"), day, ""},
		{"one of them over", office + agency, noren.ZoneAdmin, "GET", who("203.0.113.7", "制作会社"), day.Add(time.Second), "office"},
		{"the only one over closes", agency, noren.ZoneAdmin, "GET", who("203.0.113.7", "制作会社"), day.Add(time.Second), "agency"},
		{"country", japan, noren.ZoneAdmin, "GET", who("192.0.2.1"), day, ""},
		{"another country", japan, noren.ZoneAdmin, "GET", who("192.0.2.2"), day, "japan"},
		{"unknown country is not let in", japan, noren.ZoneAdmin, "GET", who("192.0.2.9"), day, "japan"},
		{"unknown country is not kept out", noKP, noren.ZoneStorefront, "GET", who("192.0.2.9"), day, ""},
		{"denied country", noKP, noren.ZoneCheckout, "GET", who("192.0.2.2"), day, "no-kp"},
		{"deny comes first", office + noKP, noren.ZoneAdmin, "GET", who("192.0.2.2", "本社"), day, "no-kp"},
		{"network's number", iij, noren.ZoneAdmin, "GET", who("192.0.2.1"), day, ""},
		{"another number", iij, noren.ZoneAdmin, "GET", who("192.0.2.2"), day, "iij"},
		{"method", posts, noren.ZoneAdmin, "POST", who("203.0.113.7"), day, "posts"},
		{"another method", posts, noren.ZoneAdmin, "GET", who("203.0.113.7"), day, ""},
		{"HEAD is GET", strings.Replace(posts, "POST", "GET", 1), noren.ZoneAdmin, "HEAD", who("203.0.113.7"), day, "posts"},
		{"denied place", lost, noren.ZoneAdmin, "GET", who("203.0.113.7", "旧オフィス"), day, "lost"},
		{"deny over", denyOver, noren.ZoneAdmin, "GET", who("192.0.2.1"), day, ""},
		{"shadow", shadow, noren.ZoneAdmin, "GET", who("203.0.113.7"), day, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := mustAccess(t, tt.rules).Judge(tt.zone, tt.method, tt.c, noren.At(tt.at), false)
			got := ""
			if v.Refused {
				got = v.Rule.Name
				if e := v.Explain(); !strings.Contains(e.Ja, got) || !strings.Contains(e.En, got) {
					t.Errorf("the explanation does not name the rule: %v", e)
				}
			}
			if got != tt.refused {
				t.Errorf("refused by %q, want %q", got, tt.refused)
			}
		})
	}
	if r := mustAccess(t, "  - name: norway\n    deny: {countries: [NO]}\n"+why); r[0].Deny.Countries[0] != "NO" {
		t.Errorf("Norway is %q", r[0].Deny.Countries)
	}
	if v := mustAccess(t, shadow).Judge(noren.ZoneAdmin, "GET", who("203.0.113.7"), noren.At(day), true); !v.Refused || v.Rule.Name != "try" {
		t.Errorf("what the shadow would do: %+v", v)
	}
	if v := mustAccess(t, japan).Judge(noren.ZoneAdmin, "GET", &Caller{Addr: netip.MustParseAddr("192.0.2.1")}, noren.At(day), false); !v.Refused {
		t.Error("without data an allow rule by country let somebody in")
	}
}

// However rules are ordered, the same people come in; one more deny rule lets in
// nobody who was kept out, and no rule about a zone lets everybody in.
func TestAccessOrderDoesNotMatter(t *testing.T) {
	pool := mustAccess(t, strings.Join([]string{
		"  - name: a\n    allow: {places: [本社]}\n" + why, "  - name: b\n    allow: {countries: [JP]}\n    zones: [admin]\n" + why,
		"  - name: c\n    deny: {networks: [192.0.2.0/25]}\n" + why, "  - name: d\n    deny: {countries: [KP]}\n    zones: [shop]\n" + why,
		"  - name: e\n    mode: shadow\n    deny: {networks: [0.0.0.0/1, 128.0.0.0/1]}\n" + why, "  - name: f\n    allow: {asns: [2497]}\n    methods: [POST]\n" + why,
	}, ""))
	at := noren.At(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	rapid.Check(t, func(t *rapid.T) {
		rules := AccessRules(rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 0, 6, func(r AccessRule) string { return r.Name }).Draw(t, "rules"))
		z := rapid.SampledFrom(noren.Zones()).Draw(t, "zone").Zone
		method := rapid.SampledFrom([]string{"GET", "POST"}).Draw(t, "method")
		c := who(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "192.0.2.200", "203.0.113.7"}).Draw(t, "address"), rapid.SampledFrom([]string{"", "本社"}).Draw(t, "place"))
		got := rules.Judge(z, method, c, at, false).Refused
		if again := AccessRules(rapid.Permutation(rules).Draw(t, "order")).Judge(z, method, c, at, false).Refused; again != got {
			t.Fatalf("another order, another answer: %v, %v", got, again)
		}
		if sorted := rules.byZone()[z].Judge(z, method, c, at, false).Refused; sorted != got {
			t.Fatalf("the zone's own rules say %v, all rules %v", sorted, got)
		}
		more := append(AccessRules{{Name: "more", Zones: []noren.Zone{z}, Deny: &Who{Countries: []string{"KP"}}}}, rules...)
		if got && !more.Judge(z, method, c, at, false).Refused {
			t.Fatal("a further deny rule let somebody in")
		}
		if len(rules.About(z, method)) == 0 && got {
			t.Fatal("refused without a rule")
		}
	})
}

func TestAccessFileFaults(t *testing.T) {
	for want, text := range map[string]string{
		"version is missing":                       "rules: []\n",
		"needs either allow or deny":               "version: 1\nrules:\n  - name: a\n" + why,
		"rule a needs either allow or":             "version: 1\nrules:\n  - name: a\n    allow: {places: [x]}\n    deny: {places: [y]}\n" + why,
		"names nobody":                             "version: 1\nrules:\n  - name: a\n    allow: {}\n" + why,
		"unknown zone \"kitchen\"":                 "version: 1\nrules:\n  - name: a\n    zones: [kitchen]\n    allow: {places: [x]}\n" + why,
		"mode \"off\" is not on or shadow":         "version: 1\nrules:\n  - name: a\n    mode: \"off\"\n    allow: {places: [x]}\n" + why,
		"needs a reason":                           "version: 1\nrules:\n  - name: a\n    allow: {places: [x]}\n",
		"stands twice":                             "version: 1\nrules:\n  - name: a\n    allow: {places: [x]}\n" + why + "  - name: a\n    allow: {places: [x]}\n" + why,
		"country \"jp\" is not a code":             "version: 1\nrules:\n  - name: a\n    allow: {countries: [jp]}\n" + why,
		"is neither an address nor a network":      "version: 1\nrules:\n  - name: a\n    allow: {networks: [office]}\n" + why,
		"network 0.0.0.0/0 is everybody":           "version: 1\nrules:\n  - name: a\n    allow: {networks: [0.0.0.0/0]}\n" + why,
		"is not a day such as 2026-09-30":          "version: 1\nrules:\n  - name: a\n    until: tomorrow\n    allow: {places: [x]}\n" + why,
		"access.yaml:3:5: rule name \"A\"":         "version: 1\nrules:\n  - name: A\n    allow: {places: [x]}\n" + why,
		"is not a method in capital":               "version: 1\nrules:\n  - name: a\n    methods: [post]\n    allow: {places: [x]}\n" + why,
		"0 is no network's number":                 "version: 1\nrules:\n  - name: a\n    allow: {asns: [0]}\n" + why,
		"unknown key \"place\"; did you mean":      "version: 1\nrules:\n  - name: a\n    allow: {place: [x]}\n" + why,
		"is not a name of a place such as 本社":      "version: 1\nrules:\n  - name: a\n    allow: {places: [\"a\\u200bb\"]}\n" + why,
		"yaml: \"-here\" is not a name of a place": "version: 1\nrules:\n  - name: a\n    allow: {places: [-here]}\n" + why,
	} {
		want = strings.TrimPrefix(want, "yaml: ")
		if _, err := ParseAccess("access.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || noren.CodeOf(err) != noren.Invalid {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	rules, err := ParseAccess("access.yaml", ShippedAccessFile())
	if err != nil || len(rules) != 0 {
		t.Errorf("the shipped file has %d rules, %v; installing must lock nobody out", len(rules), err)
	}
}

func TestPlaceNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"本社": true, "自宅（田中）": true, "制作会社 A": true, "office-2": true, "ガレージ": true, "": false, " 本社": false, "本社\n": false,
		"--here": false, "カ\u3099": false /* decomposed */, "a\x00b": false, "<b>": false, strings.Repeat("社", 65): false, strings.Repeat("社", 64): true, "\xff": false,
	} {
		if err := ValidPlaceName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParseAccess(f *testing.F) {
	f.Add(string(ShippedAccessFile()))
	f.Add("version: 1\nrules:\n  - name: a\n    zones: [shop, admin]\n    methods: [POST]\n    until: 2026-09-30 18:00\n    mode: shadow\n    deny: {places: [本社], networks: [10.0.0.0/8, \"::1\"], countries: [JP], asns: [2497]}\n" + why)
	f.Add("version: 1\nrules: [{name: a, allow: {networks: [\"::ffff:10.0.0.1/128\"]}, reason: {en: x}}]")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseAccess("access.yaml", []byte(text))
		if err != nil {
			if noren.CodeOf(err) != noren.Invalid {
				t.Fatalf("code %s: %v", noren.CodeOf(err), err)
			}
			return
		}
		c := &Caller{Addr: netip.MustParseAddr("192.0.2.1")}
		for i := range rules {
			r := &rules[i]
			if err := r.Valid(); err != nil || len(r.Zones) == 0 || r.Reason.Ja == "" {
				t.Fatalf("accepted and not valid: %+v, %v", r, err)
			}
			for _, n := range r.who().Networks {
				if n.Prefix != n.Masked() || n.Addr().Is4In6() {
					t.Fatalf("network %s is not in its plain form", n)
				}
			}
		}
		for _, z := range noren.Zones() {
			// Without data and places only networks let anybody in.
			v := rules.Judge(z.Zone, "GET", c, noren.At(noon), true)
			if v.Refused && v.Rule == nil || !v.Refused && v.Rule != nil && v.By == "" {
				t.Fatalf("%s: a verdict without its reason: %+v", z.Zone, v)
			}
		}
	})
}
