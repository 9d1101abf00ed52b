package policy

import (
	"strings"
	"testing"
	"time"

	"noren"
)

// FuzzLoad holds that any file ends, soon, in faults or in a set that decides
// without a panic.
func FuzzLoad(f *testing.F) {
	f.Add(string(file(nil).Data))
	f.Add(string(file(map[string]string{"ban": "{entity: net, for: 1h}", "zones": "[login]", "mode": "shadow"}).Data))
	f.Add("version: 1\nentities: [a, b]\npolicies: []\n")
	f.Add("version: 1\npolicies: [{name: &n p, when: *n}]\n")
	cat := testCatalogue("a")
	f.Fuzz(func(t *testing.T, data string) { loadAndDecide(t, cat, File{Name: "f", Data: []byte(data)}) })
}

// FuzzCondition does the same for what stands behind when.
func FuzzCondition(f *testing.F) {
	for _, when := range []string{"address.asn % 2 == 0", "zone.matches('^a+$') || !login.success", "address.listed.exists(x, x in ['a'])",
		"[1,2].map(x, x*2)[0] > address.asn", "int(zone) / 0 > 1", "a.b.c", "'\\u3042' == zone", "duration('1h') > duration(zone)",
		"entity.account == '' ? true : size(zone) > 3", "address.login_failure_rate_1h > 1", "{'a': 1}.a == 1", "[[[1]]] == [[[2]]]"} {
		f.Add(when)
	}
	cat := testCatalogue()
	f.Fuzz(func(t *testing.T, when string) {
		block := "|-\n      " + strings.ReplaceAll(when, "\n", "\n      ")
		loadAndDecide(t, cat, file(map[string]string{"when": block, "kinds": "[account.login.outcome]", "tests": "[{fires: true}, {fires: false}]"}))
		// Rows that hold whatever the condition says let it reach Decide.
		loadAndDecide(t, cat, file(map[string]string{"when": "|-\n      zone == 'x' || zone != 'y' && (" + strings.ReplaceAll(when, "\n", "\n      ") + "\n      )",
			"kinds": "[account.login.outcome]", "tests": "[{facts: {zone: x}, fires: true}, {facts: {zone: y}, fires: false}]"}))
	})
}

func loadAndDecide(t *testing.T, cat *noren.Catalogue, f File) {
	t.Helper()
	start := time.Now()
	s, err := Load([]File{f}, cat)
	if (s == nil) == (err == nil) {
		t.Fatalf("set %v with error %v", s, err)
	}
	if err == nil {
		decideAll(t, s)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Fatalf("took %v", took)
	}
}

// decideAll decides about an empty event and about one full of text.
func decideAll(t *testing.T, s *Set) {
	t.Helper()
	for _, p := range s.Policies() {
		info, err := p.Kinds[0].Info()
		if err != nil {
			t.Fatal(err)
		}
		for _, payload := range []noren.Payload{info.NewPayload(), &noren.LoginResult{User: strings.Repeat("a", noren.MaxEventBytes)}} {
			ev := &noren.Event{ID: "e", Kind: p.Kinds[0], At: at, Payload: payload, Entities: noren.Entities{"address": "203.0.113.7"}}
			d := s.Decide(ev, nil)
			if !d.Verdict.Valid() {
				t.Fatalf("verdict %q", d.Verdict)
			}
			if again := s.Decide(ev, nil); Diff(d, again) != "" {
				t.Fatalf("the same event was decided differently: %s", Diff(d, again))
			}
		}
	}
}
