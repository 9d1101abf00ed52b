package rehearse

import (
	"testing"
	"time"

	"noren"
	"noren/gateway/waf"
	"noren/gateway/waf/exclusion"
)

// An own rule that is too strict saves buyers and opens nothing; the rule that
// finds SQL opens attacks, and they are told.
func TestRun(t *testing.T) {
	own := []waf.RuleFile{{Name: "firewall/own.conf", Data: []byte(`SecRule ARGS "@contains のし" "id:501,phase:2,deny,t:none,msg:'strict'"` + "\n")}}
	for _, c := range []struct {
		target exclusion.Target
		opens  bool
		saves  bool
	}{
		{exclusion.Target{Rule: 501, Field: "ARGS:note"}, false, true},
		{exclusion.Target{Rule: 100980, Field: "ARGS:note"}, true, false},
		{exclusion.Target{Rule: 930130, Field: "REQUEST_FILENAME"}, false, false},
	} {
		x := exclusion.Exclusion{Path: "/shopping/confirm", Zone: noren.ZoneCheckout, Targets: []exclusion.Target{c.target}}
		began := time.Now()
		got, err := Run(t.Context(), &x, Options{Rules: own})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: attacks %d opened %d (held out %d of %d), honest %d saved %d in %s", c.target, got.Attacks, got.Opened, got.HeldOpened, got.HeldAttacks, got.Benign, got.Saved, time.Since(began))
		if (got.Opened > 0) != c.opens || c.saves && got.Saved == 0 || c.opens && (len(got.Samples) == 0 || len(got.ByClass) == 0) {
			t.Errorf("%s: %+v", c.target, got)
		}
	}
	bad := exclusion.Exclusion{Path: "/a", Zone: noren.ZoneCheckout, Targets: []exclusion.Target{{Rule: 949110, Field: "ARGS:a"}}}
	if _, err := Run(t.Context(), &bad, Options{}); noren.CodeOf(err) != noren.Denied {
		t.Error(err)
	}
}
