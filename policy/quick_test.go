package policy

import (
	"strings"
	"testing"

	"noren"
)

// FuzzQuickAgrees: what quick knows of a condition is what CEL says, also where
// parts of it cannot be evaluated or a fact has the wrong type.
func FuzzQuickAgrees(f *testing.F) {
	for _, when := range []string{
		"address.asn >= 5 && address.network != 'private'", "address.asn < 5 || address.network in ['tor', 'datacentre']", "!login.success",
		"!(address.asn == 0 || login.success) && address.asn / 0 == 1", "address.asn / address.asn == 1 && zone == 'x'", "login.success || address.asn % 0 == 1",
		"address.asn <= -3 && !(zone > 'm')", "address.asn > 2.5", "5 <= address.asn && zone == ''", "address.asn == 1 ? login.success : zone == 'x'",
		"address.listed.exists(zone, zone == 'a') && zone == 'b'", "zone in [] || 'x' in address.listed", "address.login_failure_rate_1h >= 0.5 && address.asn != 7",
		"address.asn * 5 >= address.asn || zone in ['a', zone]", "login.success == true && true", "(address.network == 'tor') == login.success",
	} {
		f.Add(when, int64(1), "x", "tor", true, uint8(0))
		f.Add(when, int64(0), "", "", false, uint8(3))
	}
	cat := testCatalogue()
	f.Fuzz(func(t *testing.T, when string, asn int64, zone, network string, success bool, odd uint8) {
		// Rows that hold whatever the condition says let it through.
		s, err := Load([]File{file(map[string]string{"kinds": "[account.login.outcome]", "tests": "[{facts: {zone: x}, fires: true}, {facts: {zone: y}, fires: false}]",
			"when": "|-\n      zone == 'x' || zone != 'y' && (" + strings.ReplaceAll(when, "\n", "\n      ") + "\n      )"})}, cat)
		if err != nil {
			return
		}
		facts := noren.Facts{"address.asn": asn, "address.network": network, "address.login_failure_rate_1h": float64(asn) / 3, "address.listed": []string{network, "a"}}
		switch odd % 6 { // of another type, or not known
		case 3:
			facts["address.asn"] = network
		case 4:
			facts["address.network"] = asn
		case 5:
			delete(facts, "address.asn")
		}
		ev := &noren.Event{ID: "e", Kind: noren.LoginOutcome, At: at, Zone: noren.Zone(zone), Payload: &noren.LoginResult{Success: success}}
		for _, r := range s.rules {
			v := s.takeVars(ev, facts)
			fires, err := r.eval(v)
			switch got := r.quick.of(v); {
			case got == no && (fires || err != nil), got == yes && (!fires || err != nil):
				t.Fatalf("%s: quick %d, CEL %v %v", when, got, fires, err)
			}
			s.giveBack(v)
		}
	})
}

// TestQuickKnowsTheShippedPolicies: a plain request meets no CEL.
func TestQuickKnowsTheShippedPolicies(t *testing.T) {
	s := mustLoad(t, Shipped()...)
	ev := &noren.Event{ID: "e", Kind: noren.HTTPRequest, At: at, Site: "shop", Zone: noren.ZoneStorefront, Payload: &noren.Request{Method: "GET", Path: "/"}}
	v := s.takeVars(ev, noren.Facts{"address.requests_1m": int64(3), "session.requests_1m": int64(2), "address.network": "mobile"})
	defer s.giveBack(v)
	for _, r := range s.bucketFor(ev.Kind, ev.Zone).rules {
		if r.quick.of(v) != no {
			t.Errorf("%s is not known to be false: %s", r.Name, r.When)
		}
	}
	for _, r := range s.stepsOf[ev.Kind] {
		if r.rule.quick.of(v) != no {
			t.Errorf("step %s is not known to be none: %s", r.rule.Name, r.rule.When)
		}
	}
}
