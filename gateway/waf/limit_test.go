package waf

import "testing"

// What pages call the limit is what the engine stops at.
func TestScoreLimitIsWhatTheEngineStopsAt(t *testing.T) {
	limit, below, stopped := ScoreLimit(), false, false
	if limit <= 0 {
		t.Fatalf("the limit is %d", limit)
	}
	for _, query := range []string{"q=%27%20or%201%3D1--%20-", "q=%3Cscript%3Ealert(1)%3C/script%3E", "q=..%2f..%2fetc%2fpasswd", "q=tea"} {
		res := inspect(t, request("GET", "/search?"+query, ""))
		if res.Blocked != (res.Score >= limit) {
			t.Errorf("%s has score %d and stopped=%v; the limit is %d", query, res.Score, res.Blocked, limit)
		}
		below, stopped = below || res.Score < limit, stopped || res.Blocked
	}
	if !below || !stopped {
		t.Error("nothing on one side of the limit was tried")
	}
}
