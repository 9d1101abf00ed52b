package waf

import (
	"regexp"
	"strconv"
)

// scoreLimit finds the threshold in setup.conf, so that what pages tell is what the
// engine compares with.
var scoreLimit = regexp.MustCompile(`tx\.inbound_anomaly_score_threshold=(\d+)`)

// ScoreLimit is the score from which on a request is stopped (rule 949110).
func ScoreLimit() int {
	m := scoreLimit.FindStringSubmatch(setupConf)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}
