package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
)

func TestLoad(t *testing.T) {
	s := mustLoad(t, File{Name: "policies/a.yaml", Data: []byte(`version: 1
entities: [terminal]
policies:
  - name: zeta
    kinds: [order.placed]
    zones: [checkout]
    mode: shadow
    when: >-
      terminal.orders_1h >= 5 &&
      order.method == "card"
    then: review
    reason: {ja: 端末, en: terminal}
    tests:
      - {name: many, facts: {terminal.orders_1h: 5, order.method: card}, fires: true}
      - {facts: {order.method: card}, fires: false}
  - name: alpha
    kinds: [account.login.attempt, account.login.outcome]
    mode: off
    when: login.user == "root"
    then: block
    ban: {entity: net, for: 2d}
    reason: {ja: 名前, en: name}
    tests: [{facts: {login.user: root}, fires: true}, {fires: false}]
`)})
	want := []Info{
		{Name: "alpha", File: "policies/a.yaml", Line: 16, Kinds: []noren.Kind{noren.LoginAttempt, noren.LoginOutcome}, Mode: Off,
			When: `login.user == "root"`, Then: noren.Block, Ban: &Ban{Entity: "net", For: 48 * time.Hour},
			Reason: noren.Text{Ja: "名前", En: "name"}, Facts: []string{"login.user"}, Needs: []string{"net.sessions_10m"}},
		{Name: "zeta", File: "policies/a.yaml", Line: 4, Kinds: []noren.Kind{noren.OrderPlaced}, Zones: []noren.Zone{noren.ZoneCheckout}, Mode: Shadow,
			When: `terminal.orders_1h >= 5 && order.method == "card"`, Then: noren.Review,
			Reason: noren.Text{Ja: "端末", En: "terminal"}, Facts: []string{"order.method", "terminal.orders_1h"}, Needs: []string{"terminal.orders_1h"}},
	}
	got := s.Policies()
	for i := range got {
		if got[i].Cost == 0 {
			t.Errorf("%s has no cost", got[i].Name)
		}
		got[i].Cost = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"terminal"}, s.Entities()); diff != "" {
		t.Errorf("entities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"terminal.orders_1h"}, s.Needs(noren.OrderPlaced, noren.ZoneCheckout)); diff != "" {
		t.Errorf("needs of an order in checkout (-want +got):\n%s", diff)
	}
	for _, z := range []noren.Zone{"", noren.ZoneCart} {
		if n := s.Needs(noren.OrderPlaced, z); n != nil {
			t.Errorf("needs of an order in zone %q: %v, want none", z, n)
		}
	}
	if n := s.Needs(noren.LoginAttempt, ""); n != nil {
		t.Errorf("a policy that is off needs %v, want nothing", n)
	}
}

func TestLoadNothing(t *testing.T) {
	s := mustLoad(t)
	d := s.Decide(&noren.Event{ID: "e", Kind: noren.HTTPRequest}, nil)
	if d.Verdict != noren.Allow || d.Policies != s.Version() || len(s.Version()) != 16 || len(s.Hash()) != 64 {
		t.Errorf("decision %+v of an empty set of version %s", d, s.Version())
	}
}

// brokenPolicy is a policy with one fault.
type brokenPolicy struct {
	name string
	file map[string]string
	want string
}

func brokenPolicies() []brokenPolicy {
	set := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	const rows = "[{fires: true}, {fires: false}]"
	return []brokenPolicy{
		{"unknown fact", set("when", "address.listde.size() > 0", "tests", rows), `f.yaml:6:11: unknown fact "address.listde"; did you mean "address.listed"?`},
		{"unknown fact behind others", set("when", "zone == 'login' && adress.asn == 1", "tests", rows), `f.yaml:6:30: unknown fact "adress.asn"; did you mean "address.asn"?`},
		{"unknown fact in a later line", set("when", "|\n      zone == 'ログイン' &&\n        adress.asn == 1", "tests", rows), `f.yaml:8:9: unknown fact "adress.asn"; did you mean "address.asn"?`},
		{"fact of another kind", set("when", "login.cause == 'x'", "tests", rows), `f.yaml:6:11: fact "login.cause" does not exist for account.login.attempt, only for account.login.outcome`},
		{"number", set("when", "address.asn", "tests", rows), `the condition is of type int, not true or false`},
		{"text", set("when", "zone", "tests", rows), `the condition is of type text, not true or false`},
		{"wrong types", set("when", "zone >= 3", "tests", rows), `'>=' cannot be applied to '(string, int)'`},
		{"and of a number", set("when", "zone == 'a' && address.asn", "tests", rows), `f.yaml:6:26: expected type 'bool' but found 'int'`},
		{"not CEL", set("when", "address.asn >= && 3", "tests", rows), `f.yaml:6:26: not a CEL expression: extraneous input '&&'`},
		{"unknown function", set("when", "now() > 3", "tests", rows), `undeclared reference to 'now'`},
		{"has", set("when", "has(address.asn)", "tests", rows), "has() is not needed"},
		{"map", set("when", "'{\"a\": 1}.size() > 0'", "tests", rows), "a condition cannot build maps"},
		{"bad pattern", set("when", "'request.path.matches(\"(\")'", "kinds", "[http.request]", "tests", rows), "f.yaml:6:33: not a regular expression: missing closing ): `(`"},
		{"pattern from outside", set("when", "request.path.matches(request.query)", "kinds", "[http.request]", "tests", rows), "the pattern of matches() must be a constant text"},
		{"large pattern", set("when", "'request.path.matches(\"(a{1000}){2}\")'", "kinds", "[http.request]", "tests", rows), "invalid repeat count"},
		{"large pattern once compiled", set("when", "'request.path.matches(\"a{900}b{900}\")'", "kinds", "[http.request]", "tests", rows), "more than 1000 steps once compiled"},
		{"long pattern", set("when", "'request.path.matches(\""+strings.Repeat("a", 600)+"\")'", "kinds", "[http.request]", "tests", rows), "at most 512 are allowed"},
		{"costly", set("when", "address.listed.exists(a, address.listed.exists(b, a == b + 'x'))", "tests", rows), "more than the limit of 150000"},
		{"deep", set("when", strings.Repeat("(", 100)+"true"+strings.Repeat(")", 100), "tests", rows), "f.yaml:6:11: expression recursion limit exceeded: 32"},
		{"long", set("when", "'"+strings.Repeat("true || ", 600)+"true'", "tests", rows), "at most 4096 are read"},
		{"no name", set("name", "''"), "f.yaml:3:5: name is missing"},
		{"bad name", set("name", "Bad Name"), `f.yaml:3:5: name "Bad Name": use at most 64 lower-case`},
		{"unknown kind", set("kinds", "[account.login.atempt]"), `f.yaml:4:13: unknown kind "account.login.atempt"; did you mean "account.login.attempt"?`},
		{"no kinds", set("kinds", "[]"), "f.yaml:4:5: kinds is missing"},
		{"operational kind", set("kinds", "[settings.changed]"), "settings.changed tells of Noren itself"},
		{"kind twice", set("kinds", "[http.request, http.request]"), "f.yaml:4:27: kind http.request stands twice"},
		{"unknown zone", set("zones", "[logn]"), `f.yaml:5:13: unknown zone "logn"; did you mean "login"?`},
		{"unknown mode", set("mode", "onn"), `f.yaml:5:5: unknown mode "onn"; did you mean "on"?`},
		{"no mode", set("mode", ""), "mode is missing; it is one of off, shadow, on"},
		{"no condition", set("when", ""), "when is missing"},
		{"allow", set("then", "allow"), "f.yaml:7:5: then: allow is what happens when no policy fires"},
		{"unknown verdict", set("then", "reveiw"), `unknown then "reveiw"; did you mean "review"?`},
		{"challenged payment", set("kinds", "[payment.attempt]", "then", "challenge"), "payments are never challenged"},
		{"challenged checkout", set("zones", "[checkout]", "then", "challenge"), "nobody is challenged in zone checkout"},
		{"ban of an account", set("ban", "{entity: account, for: 1h}"), `f.yaml:8:11: unknown entity "account"; it is one of address, net`},
		{"endless ban", set("ban", "{entity: net, for: 31d}"), "a ban lasts 1m to 30d"},
		{"ban without time", set("ban", "{entity: net}"), "a ban lasts 1m to 30d"},
		{"no Japanese", set("reason", "{en: reason}"), "f.yaml:8:5: reason.ja is missing: people read the reason, in Japanese too"},
		{"no English", set("reason", "{ja: 理由}"), "reason.en is missing"},
		{"no rows", set("tests", ""), "tests are missing: at least one row that fires and one that does not"},
		{"no row fires", set("tests", "[{fires: false}]"), "no test row fires"},
		{"every row fires", set("tests", "[{facts: {address.logins_failed_10m: 20}, fires: true}]"), "every test row fires"},
		{"row without fires", set("tests", "[{facts: {address.logins_failed_10m: 20}}, {fires: false}]"), "f.yaml:9:13: a test row says fires"},
		{"row must fire", set("tests", "[{name: a, facts: {address.logins_failed_10m: 19}, fires: true}, {fires: false}]"), `f.yaml:9:13: test row "a" must fire, but the condition is false`},
		{"row must not fire", set("tests", "[{facts: {address.logins_failed_10m: 20}, fires: true}, {facts: {address.logins_failed_10m: 21}, fires: false}]"), `f.yaml:9:68: test row 2 must not fire, but the condition is true`},
		{"row with an unknown fact", set("tests", "[{facts: {address.asnn: 20}, fires: true}, {fires: false}]"), `f.yaml:9:22: unknown fact "address.asnn"; did you mean "address.asn"?`},
		{"row with an unused fact", set("tests", "[{facts: {address.asn: 20}, fires: true}, {fires: false}]"), "the condition does not ask for address.asn"},
		{"row of another type", set("tests", "[{facts: {address.logins_failed_10m: many}, fires: true}, {fires: false}]"), "address.logins_failed_10m is of type int"},
		{"row that fails", set("when", "1 / address.asn > 0", "tests", "[{facts: {address.asn: 1}, fires: true}, {fires: false}]"), "test row 2 cannot be evaluated: division by zero"},
		{"unknown key", set("ban", "{entity: net, for: 1h, untill: 2}"), `f.yaml:8:33: unknown key "untill"`},
		{"anchor bomb", set("tests", bomb()), "values once aliases are followed"},
	}
}

func TestLoadFaults(t *testing.T) {
	for _, tt := range brokenPolicies() {
		t.Run(tt.name, func(t *testing.T) {
			f := file(tt.file)
			s, err := Load([]File{f}, testCatalogue())
			if err == nil || s != nil {
				t.Fatalf("loaded:\n%s", f.Data)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("fault\n got: %v\nwant: %s\n%s", err, tt.want, f.Data)
			}
			if noren.CodeOf(err) != noren.Invalid {
				t.Errorf("code %q, want invalid", noren.CodeOf(err))
			}
		})
	}
}

func bomb() string {
	b := "[{fires: true, facts: &a {address.asn: 1}}, {fires: false}"
	for i := range 5 {
		b += fmt.Sprintf(", {facts: {a: &a%d [%s]}}", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%s, ", map[bool]string{true: "", false: fmt.Sprint(i - 1)}[i == 0]), 100), ", "))
	}
	return b + "]"
}

func TestLoadReportsAllFaultsAtOnce(t *testing.T) {
	a := File{Name: "a.yaml", Data: []byte("version: 2\nentities: [for]\npolicies:\n  - name: p\n")}
	b := file(map[string]string{"then": "allow", "mode": "maybe", "when": "adress.asn == 1 || zonee == ''", "tests": "[{fires: true}, {fires: false}]"})
	_, err := Load([]File{b, a}, testCatalogue())
	want := `a.yaml:1:1: version the number 2 is not known; this program reads version 1
a.yaml:2:12: the word for is taken; choose another name for the entity
a.yaml:4:5: kinds is missing: the kinds of events the policy is about
a.yaml:4:5: then is missing; it is one of limit, challenge, step_up, review, hold, block
a.yaml:4:5: reason.ja is missing: people read the reason, in Japanese too
a.yaml:4:5: reason.en is missing: people read the reason, in English too
a.yaml:4:5: tests are missing: at least one row that fires and one that does not
a.yaml:4:5: mode is missing; it is one of off, shadow, on
a.yaml:4:5: when is missing: the condition as a CEL expression
f.yaml:3:5: policy p stands twice; it is first in a.yaml:4
f.yaml:7:5: then: allow is what happens when no policy fires; a policy cannot overrule another
f.yaml:5:5: unknown mode "maybe"; it is one of off, shadow, on
f.yaml:6:11: unknown fact "adress.asn"; did you mean "address.asn"?
f.yaml:6:30: unknown fact "zonee"; did you mean "zone"?`
	if err == nil {
		t.Fatal("loaded")
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestLoadTooMany(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	for i := range MaxPolicies + 1 {
		fmt.Fprintf(&b, "  - {name: p%d, kinds: [order.placed], mode: on, when: order.total > 0, then: review, reason: {ja: a, en: b}, tests: [{facts: {order.total: 1}, fires: true}, {fires: false}]}\n", i)
	}
	_, err := Load([]File{{Name: "f.yaml", Data: []byte(b.String())}}, testCatalogue())
	want := fmt.Sprintf("f.yaml:%d:5: more than 500 policies", MaxPolicies+3)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %.200v, want %s", err, want)
	}
	if _, err := Load(make([]File, MaxFiles+1), testCatalogue()); err == nil {
		t.Error("loaded too many files")
	}
}

func TestLoadTooMuchWork(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  - {name: p%d, kinds: [account.changed], zones: [profile_change], mode: shadow, when: 'change.fields.exists(f, f == \"mail\" || f == \"pass\")', then: review, reason: {ja: a, en: b}, tests: [{facts: {change.fields: [mail]}, fires: true}, {fires: false}]}\n", i)
	}
	_, err := Load([]File{{Name: "f.yaml", Data: []byte(b.String())}}, testCatalogue())
	want := "f.yaml:3:1: the policies for account.changed in zone profile_change may cost "
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s…", err, want)
	}
}

func TestDeclaredEntities(t *testing.T) {
	got := DeclaredEntities([]File{
		{Name: "a", Data: []byte("version: 1\nentities: [terminal, Bad, if]\npolicies: {broken: true}\n")},
		{Name: "b", Data: []byte("version: 1\nentities: [locker, terminal]\n")},
		{Name: "c", Data: []byte("not: [yaml")},
	})
	if diff := cmp.Diff([]string{"locker", "terminal"}, got); diff != "" {
		t.Errorf("entities (-want +got):\n%s", diff)
	}
}

func TestVersion(t *testing.T) {
	base := mustLoad(t, file(map[string]string{"when": "zone == 'login' && address.asn in [1, 2]", "tests": "[{facts: {zone: login, address.asn: 1}, fires: true}, {fires: false}]"}))
	same := []File{
		{Name: "other name.yaml", Data: []byte(`# a comment
version: 1
policies:
  - tests:
      - facts: {zone: "login", address.asn: 2}
        fires: true
      - fires: false
      - fires: false
    kinds: [ account.login.attempt ]
    name: "p"
    when: |
      zone == "login"   // a comment
        && (address.asn in [1,2])
    reason:
      en: reason
      ja: "理由"
    then: limit
    mode: on
`)},
	}
	if got := mustLoad(t, same...).Hash(); got != base.Hash() {
		t.Errorf("layout and comments changed the version:\n%s\n%s", base.Hash(), got)
	}
	for key, value := range map[string]string{
		"name": "q", "kinds": "[account.login.outcome]", "zones": "[login]", "mode": "shadow", "when": "zone == 'login' && address.asn in [1, 3]",
		"then": "block", "ban": "{entity: net, for: 1h}", "reason": "{ja: 別, en: reason}",
	} {
		m := map[string]string{"when": "zone == 'login' && address.asn in [1, 2]", "tests": "[{facts: {zone: login, address.asn: 1}, fires: true}, {fires: false}]"}
		m[key] = value
		if got := mustLoad(t, file(m)); got.Version() == base.Version() {
			t.Errorf("another %s did not change the version", key)
		}
	}
}
