package gateway

import (
	"net/http"
	"time"

	"noren"
)

// ruleStreams names the stop of a client with too many requests at once.
const ruleStreams = "streams"

// checkStreams bounds how many requests of one client are under way on all its
// connections together: HTTP/2 lets each connection carry a hundred.
func (x *exchange) checkStreams() *stop {
	if x.allow != nil || x.shop.trusts(x.client) {
		return nil
	}
	x.counted = true
	if x.g.callers.begin(x.client, x.st.connections.StreamsPerClient) {
		return nil
	}
	return &stop{cause: noren.CauseLimit, rule: ruleStreams, status: http.StatusTooManyRequests, retry: retryOverload}
}

func (x *exchange) leaveStream() {
	if x.counted {
		x.g.callers.end(x.client, time.Now())
	}
}
