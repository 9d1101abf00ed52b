package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"noren"
	"noren/gateway/waf"
)

// Lengths to which the parts of a request are cut in events and the access log.
const (
	maxLoggedPath    = 1024
	maxLoggedQuery   = 1024
	maxLoggedValue   = 128
	maxLoggedAgent   = 512
	maxLoggedReferer = 512
	maxLoggedHost    = 253
)

// decideRequest takes the request itself through the loop.
func (x *exchange) decideRequest() *stop {
	if x.g.opts.Decider == nil {
		return nil
	}
	d, err := x.g.opts.Decider.Decide(x.r.Context(), noren.Event{
		ID: x.id, Kind: noren.HTTPRequest, At: x.at, Site: x.shop.Name, Zone: x.place.Zone,
		Entities: x.entities(), Payload: x.requestPayload(),
	})
	return x.obey(d, err, noren.HTTPRequest)
}

// decideAttempt takes a sign-in or payment through the loop before the shop
// sees it.
func (x *exchange) decideAttempt() *stop {
	if x.attempt == nil || x.g.opts.Decider == nil {
		return nil
	}
	d, err := x.g.opts.Decider.Decide(x.r.Context(), noren.Event{
		ID: x.tryID, Kind: x.attempt.Kind, At: x.at, Site: x.shop.Name, Zone: x.place.Zone, AttemptID: x.tryID,
		Entities: x.attemptEntities(), Payload: x.attempt.Payload,
	})
	return x.obey(d, err, x.attempt.Kind)
}

// obey turns a decision into a stop, or nil to go on.
func (x *exchange) obey(d noren.Decision, err error, kind noren.Kind) *stop {
	if err != nil {
		return x.notRecorded(err, kind)
	}
	v := d.Verdict
	info := mustInfo(x.place.Zone)
	switch {
	case v == noren.Block:
		return &stop{cause: noren.CausePolicy, rule: firedPolicy(d, v), status: http.StatusForbidden}
	case v == noren.Challenge || v == noren.StepUp:
		// Who pays, and whose machine calls back, is never challenged, nor is who
		// has passed the check.
		if info.Payment || info.Machine || kind == noren.PaymentAttempt || x.spared(d) || x.pass != "" || x.own() || x.allow != nil && v == noren.Challenge {
			return nil
		}
		if x.canCheck() {
			return x.checkFirst(noren.CauseChallenge, firedPolicy(d, v))
		}
	case v != noren.Limit:
		x.verdict = noren.Strictest(x.verdict, v)
		return nil
	}
	if x.allow != nil && v != noren.StepUp {
		return nil
	}
	return &stop{cause: noren.CausePolicy, rule: firedPolicy(d, v), status: http.StatusTooManyRequests, retry: retryPolicy}
}

// spared reports whether a step-up comes from a fault of ours and could not be
// passed: a program that signs in for a customer shows no page, and without keys
// nobody can be given a pass. Limits hold.
func (x *exchange) spared(d noren.Decision) bool {
	return d.Fault != "" && (form(x.r) != "page" || x.g.secrets(x.r.Context()) == nil)
}

// notRecorded follows the kind's declared side when its event could not be
// recorded although it must be. A sign-in that would leave no trace waits.
func (x *exchange) notRecorded(err error, kind noren.Kind) *stop {
	if x.r.Context().Err() == nil {
		x.g.alarm("event not recorded", x.shop.Name, "kind", kind, "zone", x.place.Zone, "err", err)
	}
	if info, kerr := kind.Info(); kerr == nil && info.Side == noren.SideOpen {
		return nil
	}
	return &stop{cause: noren.CauseOverload, rule: "not_recorded", status: http.StatusServiceUnavailable, retry: retryFault}
}

func firedPolicy(d noren.Decision, v noren.Verdict) string {
	for _, r := range d.Reasons {
		if r.Verdict == v {
			return r.Policy
		}
	}
	return d.Fault
}

func (x *exchange) entities() noren.Entities {
	es := noren.Entities{noren.EntityAddress: x.clientText}
	if x.session != "" {
		es[noren.EntitySession] = x.session
	}
	if x.device != "" {
		es[noren.EntityDevice] = x.device
	}
	if x.ja4 != "" {
		es[noren.EntityJA4] = x.ja4
	}
	return es
}

func (x *exchange) attemptEntities() noren.Entities {
	es := x.entities()
	for k, v := range x.attempt.Entities {
		es[k] = v
	}
	return es
}

// requestPayload is the request fit to be recorded. It is made once, when the
// firewall has spoken or will not any more, and must not be changed.
func (x *exchange) requestPayload() *noren.Request {
	if x.recorded != nil {
		return x.recorded
	}
	r := x.r
	p := &noren.Request{
		Method: cutText(r.Method, 32), Host: cutText(hostOf(r.Host), maxLoggedHost), Path: cutText(x.path, maxLoggedPath),
		Query: safeQuery(r.URL.RawQuery), UserAgent: cutText(r.UserAgent(), maxLoggedAgent), Referer: safeReferer(r.Referer()),
		Protocol: r.Proto, Length: r.ContentLength, Score: x.result.Score, Hits: x.result.Hits, Passed: x.pass != "", AccessShadow: x.accessShadow,
		Probe: noren.ProbeOf(r.Method, x.path, r.URL.RawQuery),
	}
	if x.body != nil && x.body.stream == nil {
		p.Length = x.body.size
	}
	x.recorded = p
	return p
}

// reportTimeout bounds the report of a stop; the visitor waits for it.
const reportTimeout = 300 * time.Millisecond

// reportBlock takes a stopped request through the loop: policies on blocked
// requests may ban, and the journal samples them.
func (x *exchange) reportBlock(s *stop) {
	if x.g.opts.Decider == nil || x.shop == nil {
		return // a host that is nobody's has no site's journal to stand in
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), reportTimeout)
	defer cancel()
	_, err := x.g.opts.Decider.Decide(ctx, noren.Event{
		ID: noren.NewID(x.at.Time), Kind: noren.HTTPBlocked, At: x.at, Site: x.shop.Name, Zone: x.place.Zone, Entities: x.entities(),
		Payload: &noren.Blocked{Request: *x.requestPayload(), Cause: s.cause, Rule: cutText(s.rule, 128), Status: s.status, Ticket: s.ticket, Step: string(s.step), By: string(s.by)},
	})
	if err != nil {
		x.g.alarm("block not recorded", x.shop.Name, "zone", x.place.Zone, "ticket", s.ticket, "err", err)
	}
}

// reportOutcome tells the loop what the shop answered to an attempt. It runs
// before the answer leaves, because a sign-in is durable first.
func (x *exchange) reportOutcome(res *http.Response) {
	if x.attempt == nil || x.attempt.Outcome == nil || x.g.opts.Decider == nil {
		return
	}
	answer := &Answer{Status: res.StatusCode, Location: redirectPath(res), Cookies: res.Cookies(), Header: res.Header}
	if x.attempt.ReadsBody {
		answer.Body = peek(res)
	}
	payload := x.attempt.Outcome(answer)
	if payload == nil {
		return
	}
	kind, err := x.attempt.Kind.Info()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), 2*time.Second)
	defer cancel()
	at := noren.At(x.g.opts.Now())
	_, err = x.g.opts.Decider.Decide(ctx, noren.Event{
		ID: noren.NewID(at.Time), Kind: kind.Pair, At: at, Site: x.shop.Name, Zone: x.place.Zone, AttemptID: x.tryID,
		Entities: x.attemptEntities(), Payload: payload,
	})
	if err != nil {
		x.g.alarm("outcome not recorded", x.shop.Name, "kind", kind.Pair, "err", err)
	}
}

// redirectPath is where a redirect goes, without the host.
func redirectPath(res *http.Response) string {
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.Header.Get("Location") == "" {
		return ""
	}
	return u.RequestURI()
}

// cutText makes outside text fit to be recorded: valid, no card number, short.
func cutText(s string, n int) string {
	return noren.MaskCards(strings.ToValidUTF8(cutBytes(s, n), "\uFFFD"))
}

// safeQuery is a query fit to be recorded: values cut, secrets and mail
// addresses hidden, cards masked.
func safeQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var b strings.Builder
	for part := range strings.SplitSeq(raw, "&") {
		if b.Len() > maxLoggedQuery {
			b.WriteString("&…")
			break
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		name, value, has := strings.Cut(part, "=")
		b.WriteString(cutText(name, maxLoggedValue))
		if has {
			b.WriteByte('=')
			b.WriteString(safeValue(name, value))
		}
	}
	return b.String()
}

func safeValue(name, value string) string {
	if waf.SecretField(waf.Unescape(name)) && value != "" {
		return "[redacted]"
	}
	if plain := waf.Unescape(value); waf.Mask(plain) != plain {
		return url.QueryEscape(waf.Mask(cutText(plain, maxLoggedValue)))
	}
	return cutText(value, maxLoggedValue)
}

// safeReferer drops what a foreign page had in its query, and treats our own
// like any query.
func safeReferer(s string) string {
	u, err := url.Parse(cutBytes(s, 4096))
	if err != nil || s == "" {
		return ""
	}
	u.RawQuery, u.Fragment, u.User = safeQuery(u.RawQuery), "", nil
	return cutText(u.String(), maxLoggedReferer)
}
