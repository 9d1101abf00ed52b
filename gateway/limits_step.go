package gateway

import (
	"context"
	"net/http"
	"time"

	"noren"
	"noren/kv"
)

// kvTimeout bounds how long a request waits for the shared state. The limits
// are a protection, not a promise: without an answer the request passes.
const kvTimeout = 100 * time.Millisecond

// checkLimits asks all limits of the request in one call.
func (x *exchange) checkLimits() *stop {
	return x.take(party{addr: x.client, session: x.session, pass: x.pass}, func(l *Limit) bool {
		// Passing the check must not run into the limit that asks for it.
		return l.By != ByAccount && !(x.own() && l.Then == ThenCheck)
	})
}

// take asks the limits that want is true for.
func (x *exchange) take(p party, want func(*Limit) bool) *stop {
	if x.g.opts.KV == nil || x.allow != nil {
		return nil
	}
	limits, ops := x.shop.takes(x.place.Zone, x.r.Method, p, x.at.Time, false, want)
	if len(ops) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), kvTimeout)
	defer cancel()
	results, err := x.g.opts.KV.Do(ctx, ops...)
	if err != nil {
		if x.r.Context().Err() == nil {
			x.g.alarm("limits cannot be asked; the request passes", x.shop.Name, "zone", x.place.Zone, "err", err)
		}
		return nil
	}
	for i, res := range results {
		if !res.Allowed && limits[i].Then == ThenCheck && x.pass == "" && x.session == "" && x.canCheck() {
			return x.checkFirst(noren.CauseLimit, limits[i].Name)
		}
		if !res.Allowed {
			return &stop{cause: noren.CauseLimit, rule: limits[i].Name, status: http.StatusTooManyRequests, retry: max(res.RetryAfter, time.Second)}
		}
	}
	return nil
}

// takes are the operations that ask a request's limits.
func (s *shop) takes(z noren.Zone, method string, p party, at time.Time, peek bool, want func(*Limit) bool) ([]*Limit, []kv.Op) {
	var limits []*Limit
	var ops []kv.Op
	for i := range s.limits {
		l := &s.limits[i]
		if !l.applies(z, method) || !want(l) {
			continue
		}
		if key, ok := l.key(s.Name, p); ok {
			limits = append(limits, l)
			ops = append(ops, l.take(key, at, peek))
		}
	}
	return limits, ops
}
