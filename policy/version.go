package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"noren"
)

// hashOf is the SHA-256 of what decisions depend on: the policies by name,
// conditions in one form. Test rows, file names and layout are left out.
func hashOf(rules []*rule) string {
	type form struct {
		Name   string        `json:"name"`
		Kinds  []noren.Kind  `json:"kinds"`
		Zones  []noren.Zone  `json:"zones"`
		Mode   Mode          `json:"mode"`
		When   string        `json:"when"`
		Then   noren.Verdict `json:"then"`
		Ban    *Ban          `json:"ban"`
		Alarm  Alarm         `json:"alarm,omitempty"`
		Reason noren.Text    `json:"reason"`
	}
	forms := make([]form, len(rules))
	for i, r := range rules {
		forms[i] = form{r.Name, slices.Sorted(slices.Values(r.Kinds)), slices.Sorted(slices.Values(r.Zones)), r.Mode, r.canonical, r.Then, r.Ban, r.Alarm, r.Reason}
	}
	b, err := json.Marshal(forms)
	if err != nil {
		panic("policy: " + err.Error()) // strings and numbers always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// hashWithSteps adds what sequences say to the hash of the policies.
func hashWithSteps(policies string, sequences []noren.Sequence, steps []stepRule) string {
	type form struct {
		Name  string       `json:"name"`
		Kinds []noren.Kind `json:"kinds"`
		When  string       `json:"when"`
	}
	forms := make([]form, len(steps))
	for i, s := range steps {
		forms[i] = form{s.rule.Name, slices.Sorted(slices.Values(s.rule.Kinds)), s.rule.canonical}
	}
	b, err := json.Marshal([]any{policies, sequences, forms})
	if err != nil {
		panic("policy: " + err.Error()) // strings and numbers always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
