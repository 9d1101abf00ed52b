package policy

import (
	"fmt"
	"strings"
	"testing"

	"noren"
)

// What is not known of a visitor accuses nobody: plain HTTP has no fingerprint,
// a first visit no device, an address no class without the operator's lists.
func TestUnknownIsNotSuspicious(t *testing.T) {
	conditions := map[string]string{
		"fingerprint":   `client.ja4 == "t13d1312h2_f57a46bbacb6_ab7e3b40a677"`,
		"fingerprints":  `client.ja4 in ["t13d1312h2_f57a46bbacb6_ab7e3b40a677", "t12i280600_d943125447b4_e7e480e5a997"]`,
		"old-tls":       `client.ja4.startsWith("t10") || client.ja4.startsWith("t11")`,
		"not-a-browser": `client.ja4 != "" && !client.ja4.startsWith("t13d15")`,
		"young-device":  `device.known && device.age < 1`,
		"network":       `address.network in ["datacentre", "tor"]`,
		"probe":         `tls.probe != ""`,
	}
	known := map[string]string{
		"fingerprint": "client.ja4: t13d1312h2_f57a46bbacb6_ab7e3b40a677", "fingerprints": "client.ja4: t12i280600_d943125447b4_e7e480e5a997",
		"old-tls": "client.ja4: t10d230100_6a57a6f57151_000000000000", "not-a-browser": "client.ja4: t12i280600_d943125447b4_e7e480e5a997",
		"young-device": "device.known: true, device.age: 0", "network": "address.network: tor", "probe": "tls.probe: heartbleed",
	}
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	for name, when := range conditions {
		kind := noren.HTTPRequest
		if name == "probe" {
			kind = noren.TLSProbe
		}
		fmt.Fprintf(&b, "  - name: %s\n    kinds: [%s]\n    mode: on\n    then: block\n    when: '%s'\n    reason: {ja: 理由, en: reason}\n    tests: [{facts: {%s}, fires: true}, {fires: false}]\n",
			name, kind, when, known[name])
	}
	s := mustLoad(t, File{Name: "f.yaml", Data: []byte(b.String())})
	for _, kind := range []noren.Kind{noren.HTTPRequest, noren.HTTPBlocked, noren.LoginAttempt} {
		info, _ := kind.Info()
		ev := &noren.Event{Kind: kind, At: at, Entities: noren.Entities{noren.EntityAddress: "203.0.113.7"}, Payload: info.NewPayload()}
		if d := s.Decide(ev, noren.Facts{}); len(d.Reasons) > 0 || d.Fault != "" {
			t.Errorf("%s of a visitor nobody knows: %+v", kind, d)
		}
	}
	// A device that another program names has no age, so it is not a young one.
	other := &noren.Event{Kind: noren.HTTPRequest, At: at, Payload: &noren.Request{}, Entities: noren.Entities{noren.EntityDevice: "made-by-the-app"}}
	if d := s.Decide(other, noren.Facts{}); len(d.Reasons) > 0 {
		t.Errorf("a device of unknown age: %+v", d)
	}
}
