package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"noren"
	"noren/gateway/waf"
)

// exchange is one request on its way, and what is learnt about it.
type exchange struct {
	g     *Gateway
	st    *state
	w     *recorder
	r     *http.Request
	begun time.Time // for durations
	at    noren.Time
	id    string

	peer   netip.AddrPort
	client netip.Addr
	// clientText is client as events, headers and log write it.
	clientText string
	scheme     string
	shop       *shop
	place      Place
	path       string // of the request line, as it came
	session    string // keyed hash
	device     string // id of the device cookie the visitor brought, "" without one
	resign     *token // that cookie, when an old key signed it
	ja4        string // of the TLS client, "" when not known
	pass       string // name of the pass the visitor holds, "" without one
	puzzle     string // the puzzle to show again
	turn       string // the visitor's place in the line, unread
	allow      *Entry // the allow-list entry the client is under
	counted    bool   // among the client's requests under way

	accessShadow string // the access rule in shadow that would have refused

	in     *incoming // the body as it comes, nil without one
	body   *body
	fields url.Values // of the body, read once
	calls  []call     // of a GraphQL request
	// hiddenCalls: a GraphQL request whose calls cannot be read.
	hiddenCalls bool
	// inspected is what the firewall sees of a GraphQL body; nil: the body itself.
	inspected []byte
	result    waf.Result
	attempt   *Attempt
	tryID     string // AttemptID

	early    *noren.Request // what limits by fact know of the request
	recorded *noren.Request // the request as events and log tell it
	verdict  noren.Verdict
	stopped  *stop
	say      [7]headerLine // forwarded
	reached  time.Time     // when the upstream was asked
	upstream time.Duration
	held     time.Duration // how long a limit held the request back
	note     string        // why an allowed request had no answer of the shop
}

// stop says why a request ends at the gateway.
type stop struct {
	cause  noren.Cause
	rule   string // limit name, list entry, firewall rule, policy, pattern
	status int
	retry  time.Duration
	ticket string
	check  bool       // asks for the check instead of refusing
	line   bool       // shows the line of the busy mode
	step   Then       // which answer of a limit
	by     By         // whose requests the limit counted
	said   noren.Text // what was wrong with the last try
	to     string     // sends the visitor there; nothing was wrong
	// address is the visitor's own, shown to who may be one of the shop's people.
	address string
	// shopDown: no server of the shop was reached, so nothing was sent to it.
	shopDown bool
	paused   *paused   // by an emergency switch, nil otherwise
	until    time.Time // when a closed shop is back, as its owner said; zero when not said
}

// path lists the steps before the upstream, in the order of ARCHITECTURE.md.
// The first that returns a stop ends the request. The staff's door has its
// place between limits and firewall.
var path = [...]func(*exchange) *stop{
	(*exchange).bound,
	(*exchange).locate,
	(*exchange).checkServerName,
	(*exchange).httpsOnly,
	(*exchange).checkLists,
	(*exchange).checkStreams,
	(*exchange).checkForbidden,
	(*exchange).placeCalls,
	(*exchange).checkAccess,
	(*exchange).checkDoors,
	(*exchange).checkMode,
	(*exchange).checkSignIn,
	(*exchange).checkLimits,
	(*exchange).inspect,
	(*exchange).checkContent,
	(*exchange).readAttempt,
	(*exchange).decideRequest,
	(*exchange).decideAttempt,
}

// zoneSteps are the steps of path before the firewall that ask for the zone.
// They are asked again when the body leads the request into a stricter one.
var zoneSteps = [...]func(*exchange) *stop{
	(*exchange).checkForbidden,
	(*exchange).checkAccess,
	(*exchange).checkDoors,
	(*exchange).checkMode,
	(*exchange).checkSignIn,
	(*exchange).checkLimits,
}

func (g *Gateway) begin(w http.ResponseWriter, r *http.Request) *exchange {
	now, st := g.opts.Now(), g.state.Load()
	x := &exchange{
		g: g, st: st, w: newRecorder(w, r, st.connections.Stalled), r: r,
		begun: time.Now(), at: noren.At(now), id: noren.NewID(now), peer: peerOf(r), verdict: noren.Allow,
	}
	x.client, x.scheme, x.path = x.peer.Addr(), "http", rawPath(r)
	x.takeBody()
	// Known before the first step, so that also a malformed request stands in
	// its site's journal under its client and not under the proxy before us.
	if x.shop = x.st.find(r.Host); x.shop != nil && x.peer.IsValid() {
		x.client = clientOf(x.peer.Addr(), r.Header, x.shop.trusts)
		x.scheme = schemeOf(r, x.peer.Addr(), x.shop.trusts)
		if !x.shop.trusts(x.peer.Addr()) { // a proxy's hello is not the visitor's
			x.ja4 = ja4Of(r.Context())
			x.noticeProxy()
		}
	}
	x.clientText = x.client.String()
	return x
}

// admit runs the steps. A panic in one of them stops the request, not the
// program.
func (x *exchange) admit() (s *stop) {
	defer func() {
		if p := recover(); p != nil {
			x.g.alarm("gateway panicked", x.siteName(), "zone", x.place.Zone, "panic", panicText(p))
			s = &stop{cause: noren.CauseOverload, rule: "fault", status: http.StatusServiceUnavailable, retry: retryFault}
		}
	}()
	for _, step := range path {
		if s := step(x); s != nil {
			return s
		}
	}
	return nil
}

// Times to wait that stopped visitors are told.
const (
	retryFault    = 30 * time.Second
	retryOverload = 5 * time.Second
	retryPolicy   = 30 * time.Second
	maxRetry      = time.Hour
)

// locate finds the zone, and drops what only a proxy may say.
func (x *exchange) locate() *stop {
	if x.shop == nil {
		return &stop{cause: noren.CauseMalformed, rule: "unknown_host", status: http.StatusMisdirectedRequest}
	}
	if !x.peer.IsValid() {
		return malformed("peer")
	}
	cleanHeaders(x.r.Header)
	if s := x.findPlace(); s != nil {
		return s
	}
	x.readPass()
	x.readDevice()
	if cookie := x.shop.sessionCookie(x.r.Header["Cookie"]); cookie != "" {
		x.session = x.token("session", cookie)
	}
	return nil
}

// rawPath is the path as the client wrote it.
func rawPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return r.URL.EscapedPath() // absolute form
}

// token is the keyed hash that stands for a value in keys and events.
func (x *exchange) token(field, value string) string {
	if x.g.opts.Token == nil {
		return ""
	}
	return hex.EncodeToString(x.g.opts.Token(x.shop.Name, field, value))
}

// checkLists stops who is banned, unless an allow-list names them.
func (x *exchange) checkLists() *stop {
	if x.g.opts.Lists == nil {
		return nil
	}
	allow, ban := x.g.opts.Lists.Check(x.shop.Name, x.client, x.at.Time)
	x.allow = allow
	if allow != nil {
		return nil
	}
	if ban == nil {
		ban = x.g.opts.Lists.CheckSession(x.shop.Name, x.session, x.at.Time)
	}
	if ban != nil {
		return &stop{cause: noren.CauseBan, rule: ban.rule(), status: http.StatusForbidden}
	}
	return x.checkAsked()
}

// checkAsked asks for the check where an attack comes from an address that many
// share. Who has passed goes on, and nobody is asked twice.
func (x *exchange) checkAsked() *stop {
	asked := x.g.opts.Lists.Asked(x.shop.Name, x.client, x.at.Time)
	if asked == nil || x.spareZone() || !x.canCheck() || x.searchEngine() || x.mayUse("pass", x.pass) {
		return nil
	}
	x.pass = ""
	return x.checkFirst(noren.CauseChallenge, asked.rule())
}

// rule is what stops and events call an entry by: its policy, or its own id.
func (e *Entry) rule() string {
	if e.Policy != "" {
		return e.Policy
	}
	return e.ID
}

// checkForbidden stops requests for files that must never be served.
func (x *exchange) checkForbidden() *stop {
	if x.place.Zone != noren.ZoneForbidden {
		return nil
	}
	return &stop{cause: noren.CauseForbidden, rule: x.place.Pattern, status: http.StatusForbidden}
}

// refuse ends a request at the gateway: recorded, then answered.
func (x *exchange) refuse(s *stop) {
	if s.to != "" {
		x.redirect(s)
		return
	}
	s.ticket = noren.NewTicket()
	if s.cause != noren.CauseClosed && s.paused == nil { // how long it takes is known, and said
		s.retry = min(s.retry, maxRetry)
	}
	x.stopped = s
	x.verdict = noren.Block
	switch {
	case s.status == http.StatusTooManyRequests:
		x.verdict = noren.Limit
	case s.check:
		x.verdict = noren.Challenge
	case s.cause == noren.CauseQueue || s.cause == noren.CauseClosed || s.line || s.paused != nil:
		x.verdict = noren.Limit
	}
	x.reportBlock(s)
	x.calmDown(s)
	x.answer(s)
}

// answer writes the page of a stop. A body that was not read is not waited for.
func (x *exchange) answer(s *stop) {
	if x.unread() {
		x.w.closing = true
	}
	var site *Site
	if x.shop != nil {
		site = &x.shop.Site
		x.addHSTS(x.w.Header())
	}
	if _, err := x.g.pages.write(x.w, x.r, s, site, x.at.Time, x.checkForm(s)); err != nil && !errors.Is(err, context.Canceled) {
		x.g.opts.Log.Debug("block page not delivered", "ticket", s.ticket, "err", err)
	}
}

// finish frees what the request held and writes its line of the access log.
func (x *exchange) finish() {
	if x.body != nil {
		x.body.Close()
	}
	x.w.end()
	x.leaveStream()
	if x.g.opts.Access != nil {
		x.g.opts.Access.Write(x.line())
	}
}
