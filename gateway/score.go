package gateway

import "noren/gateway/waf"

// ScoreLimit is the firewall's score from which on it stops a request.
func ScoreLimit() int { return waf.ScoreLimit() }
