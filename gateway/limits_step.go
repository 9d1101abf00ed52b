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
	p := party{addr: x.client, session: x.session, pass: x.pass, device: x.device, fact: x.limitFact}
	if x.shop.asksASN {
		p.asn = x.g.asn(x.client)
	}
	return x.take(p, func(l *Limit) bool {
		// Passing the check must not run into the limit that asks for it.
		return l.By != ByAccount && !(x.own() && l.Then.has(ThenCheck))
	})
}

// take asks the limits that want is true for. The first that is used up
// answers; one that only slows down lets the later ones speak, and the longest
// wait among those that slow is waited once, at the end.
func (x *exchange) take(p party, want func(*Limit) bool) (s *stop) {
	if x.g.opts.KV == nil || x.allow != nil {
		return nil
	}
	asked := x.shop.takes(x.place.Zone, x.r.Method, p, x.at.Time, false, want)
	if len(asked) == 0 {
		return nil
	}
	results, err := x.g.askKV(x.r.Context(), ops(asked))
	if err != nil {
		if x.r.Context().Err() == nil {
			x.g.alarm("limits cannot be asked; the request passes", x.shop.Name, "zone", x.place.Zone, "err", err)
		}
		return nil
	}
	defer func() {
		if s != nil {
			x.giveBack(asked, results, s)
		}
	}()
	slowest := -1
	var longest reading
	for i, a := range asked {
		r := a.limit.read(results[i], x.g.share())
		switch t := x.answerTo(a, r); {
		case t == "":
		case t != ThenSlow:
			return x.stopBy(a, t, r)
		case slowest < 0 || r.wait > longest.wait:
			slowest, longest = i, r
		}
	}
	if slowest < 0 {
		return nil
	}
	return x.slowDown(asked[slowest], longest)
}

// giveBack returns what a request that is stopped took of the limits that did not
// stop it: what one attacker is refused must not use up what a thousand
// neighbours behind the same address have together.
func (x *exchange) giveBack(asked []question, results []kv.Result, s *stop) {
	var back []kv.Op
	for i, a := range asked {
		if a.limit.Name != s.rule && results[i].Allowed {
			op := a.op
			op.Back = true
			back = append(back, op)
		}
	}
	if len(back) == 0 {
		return
	}
	if _, err := x.g.askKV(context.WithoutCancel(x.r.Context()), back); err != nil {
		x.g.opts.Log.Debug("limits keep what a stopped request took", "site", x.shop.Name, "err", err)
	}
}

// askKV waits no longer than kvTimeout. A store in this process waits for
// nobody, and a timer for it would cost more than the answer.
func (g *Gateway) askKV(ctx context.Context, ops []kv.Op) ([]kv.Result, error) {
	if _, own := g.opts.KV.(*kv.Memory); !own {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, kvTimeout)
		defer cancel()
	}
	return g.opts.KV.Do(ctx, ops...)
}

// question is one limit asked for one request.
type question struct {
	limit *Limit
	by    By
	op    kv.Take
}

func ops(asked []question) []kv.Op {
	out := make([]kv.Op, len(asked))
	for i := range asked {
		out[i] = asked[i].op
	}
	return out
}

// usualLimits is how many limits most requests are asked for.
const usualLimits = 4

// takes are the questions to a request's limits.
func (s *shop) takes(z noren.Zone, method string, p party, at time.Time, peek bool, want func(*Limit) bool) (asked []question) {
	for i := range s.limits {
		l := &s.limits[i]
		if !l.applies(z, method) || !want(l) {
			continue
		}
		if asked == nil {
			asked = make([]question, 0, usualLimits)
		}
		if key, by, ok := l.key(s.Name, p); ok {
			asked = append(asked, question{l, by, l.take(key, at, peek)})
		}
	}
	return asked
}

// answerTo is the mildest answer from the step reached that suits the visitor;
// "" within the limit.
func (x *exchange) answerTo(a question, r reading) Then {
	if r.step == 0 {
		return ""
	}
	for _, t := range a.limit.steps()[r.step-1:] {
		if x.suits(t, r) {
			return t
		}
	}
	return ThenWait
}

// suits reports whether an answer can be given to this visitor. Who pays and
// whose machine calls back is neither asked for the check nor put in the line;
// a check is for who can pass it and has not.
func (x *exchange) suits(t Then, r reading) bool {
	switch t {
	case ThenSlow:
		return r.wait <= maxSlow
	case ThenLine:
		return x.canLine()
	case ThenCheck:
		return x.pass == "" && x.session == "" && x.device == "" && x.canCheck()
	}
	return true
}

// canLine reports whether the page of the line can be shown: to somebody who
// looks at a page that may be asked for again.
func (x *exchange) canLine() bool {
	get := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	return get && !x.spareZone() && !x.own() && !x.asset() && form(x.r) == "page"
}

// status is what a visitor gets with an answer.
func (t Then) status() int {
	switch t {
	case ThenCheck, ThenBlock, ThenBan:
		return http.StatusForbidden
	case ThenLine:
		return http.StatusServiceUnavailable
	}
	return http.StatusTooManyRequests
}

// stopBy is the stop of a limit's answer.
func (x *exchange) stopBy(a question, t Then, r reading) *stop {
	s := &stop{cause: noren.CauseLimit, rule: a.limit.Name, status: t.status(), step: t, by: a.by}
	switch t {
	case ThenCheck:
		s.check = true
	case ThenWait, ThenLine:
		s.retry, s.line = max(r.wait, time.Second), t == ThenLine
	}
	return s
}

// slowDown holds the request back for as long as the limit needs. Without room
// the next answer that suits is given: slow answers cost us a held request each
// and must not be what an attack wants.
func (x *exchange) slowDown(a question, r reading) *stop {
	free, ok := x.g.slow.enter(maxHeld, a.op.Key, clientNet(x.client).String())
	if !ok {
		return x.stopBy(a, x.after(a, r), r)
	}
	defer free()
	began := time.Now()
	gone := !pause(x.r.Context(), r.wait)
	x.held = time.Since(began)
	if gone {
		x.note = "client_gone"
		return &stop{cause: noren.CauseLimit, rule: a.limit.Name, status: http.StatusTooManyRequests, retry: r.wait, step: ThenSlow, by: a.by}
	}
	return nil
}

// after is the answer that follows slow.
func (x *exchange) after(a question, r reading) Then {
	for _, t := range a.limit.steps() {
		if t != ThenSlow && x.suits(t, r) {
			return t
		}
	}
	return ThenWait
}

// share is by how much limits are divided among nodes at this moment.
func (g *Gateway) share() int64 {
	if s, ok := g.opts.KV.(interface{ Share() int64 }); ok {
		return s.Share()
	}
	return 1
}
