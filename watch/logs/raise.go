package logs

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"noren"
)

// Shop is what a log needs to know of its site's shop; the gateway's shop map
// satisfies it.
type Shop interface {
	// Zone is the zone of a request line and the pattern that decided.
	Zone(method, path, query string) (noren.Zone, string)
	// SignIn reads a sign-in from a request and its answer; location is "" when
	// it is not known where a redirect went. kind is "" for other requests.
	SignIn(method, path, query string, status int, location string) (kind noren.Kind, ok, known bool)
	// Trusts reports whether an address is a proxy's of ours.
	Trusts(netip.Addr) bool
	// SafeQuery and SafeReferer make them fit to be recorded.
	SafeQuery(string) string
	SafeReferer(string) string
}

const (
	// late is the age from which a line tells of the past: counters count by when
	// Noren learns of something, and last month's sign-ins are no burst of now.
	late = 10 * time.Minute
	// early is how far a log's clock may be ahead.
	early = 5 * time.Minute
)

// interpreter turns the lines of one log into events. It keeps what belongs
// together over several lines, and is for one goroutine.
type interpreter struct {
	site  string
	shop  Shop
	own   func(netip.Addr) bool
	seen  *Seen
	soft  softPages
	asked redirected
	// now is when the line was read.
	now time.Time
	// always raises, however old a line is: for a dry run in the log's own time.
	always bool
}

// reading is what one line gave: events in order, or why there are none.
type reading struct {
	events  []noren.Event
	left    string
	exposed bool // an alarm: events[0] tells which file
}

// read interprets a line. id makes the ids of its events, the same ones when the
// line is read again.
func (in *interpreter) read(l *Line, id func(n int) string) reading {
	occurred := l.Time
	if occurred.After(in.now.Add(early)) {
		occurred = time.Time{} // its clock is wrong; what is known is when we read it
	}
	old := !in.always && !occurred.IsZero() && in.now.Sub(occurred) > late
	n := 0
	event := func(kind noren.Kind, p noren.Payload) noren.Event {
		n++
		ev := noren.Event{ID: id(n), Kind: kind, Site: in.site, Entities: noren.Entities{noren.EntityAddress: l.Address.String()}, Payload: p}
		if !occurred.IsZero() {
			ev.OccurredAt = noren.At(occurred)
		}
		return ev
	}
	switch {
	case in.own != nil && in.own(l.Address):
		return reading{left: leftOwn}
	case in.shop != nil && in.shop.Trusts(l.Address):
		return reading{left: leftProxy}
	case l.Mail != nil && old:
		return reading{left: leftOld}
	case l.Mail != nil:
		return reading{events: mailEvents(l.Mail, event)}
	}
	return in.web(l, old, event)
}

func mailEvents(m *Mail, event func(noren.Kind, noren.Payload) noren.Event) []noren.Event {
	if m.Refused {
		return []noren.Event{event(noren.MailRefused, &noren.MailRefusal{From: clean(m.From, 254), To: clean(m.To, 254)})}
	}
	var out []noren.Event
	for range max(m.Attempts, 1) {
		ev := event(noren.MailLogin, &noren.MailSignIn{Protocol: m.Protocol, User: clean(m.User, 254), Success: m.Success})
		if m.User != "" {
			ev.Entities[noren.EntityMail] = strings.ToLower(clean(m.User, 254))
		}
		out = append(out, ev)
	}
	return out
}

func (in *interpreter) web(l *Line, old bool, event func(noren.Kind, noren.Payload) noren.Event) reading {
	w := l.Web
	req := in.request(w)
	if w.ViaNoren || in.seen.take(in.site, l.Address.String(), req.Method, req.Path) {
		return reading{left: leftGateway}
	}
	if w.Malformed {
		if old || w.Status < 400 {
			return reading{left: leftOther}
		}
		return reading{events: []noren.Event{event(noren.HTTPBlocked, blocked(req, noren.CauseMalformed, "log"))}}
	}
	zone, pattern := in.shop.Zone(w.Method, w.Path, w.Query)
	r := in.place(w, req, zone, pattern, old, event)
	for i := range r.events {
		r.events[i].Zone = zone
	}
	if old {
		return r
	}
	r.events = append(r.events, in.signIns(l, zone, event)...)
	return r
}

// place is the request itself: an ordinary one, one that was refused where
// nothing may be seen, or a file that got out.
func (in *interpreter) place(w *Web, req *noren.Request, zone noren.Zone, pattern string, old bool, event func(noren.Kind, noren.Payload) noren.Event) reading {
	served := w.Status >= 200 && w.Status < 300
	switch {
	case zone == noren.ZoneForbidden && served && in.soft.answersEverything(w.Path, w.Bytes):
		return reading{left: leftSoft}
	case zone == noren.ZoneForbidden && served:
		return reading{events: []noren.Event{event(noren.HTTPExposed, req)}, exposed: true}
	case old && req.Probe == noren.ProbeShell && served:
		return reading{events: []noren.Event{event(noren.HTTPLogged, req)}} // worth knowing however late
	case old:
		return reading{left: leftOld}
	case zone == noren.ZoneForbidden && w.Status >= 400 && w.Status < 500:
		return reading{events: []noren.Event{event(noren.HTTPBlocked, blocked(req, noren.CauseForbidden, pattern))}}
	}
	return reading{events: []noren.Event{event(noren.HTTPLogged, req)}}
}

func blocked(req *noren.Request, cause noren.Cause, rule string) *noren.Blocked {
	return &noren.Blocked{Request: *req, Cause: cause, Rule: clean(rule, 128), Status: req.Answered}
}

// request is a request fit to be recorded.
func (in *interpreter) request(w *Web) *noren.Request {
	req := &noren.Request{
		Method: clean(w.Method, 32), Host: clean(strings.ToLower(w.Host), 253), Path: clean(w.Path, 1024), Protocol: clean(w.Proto, 16),
		UserAgent: clean(w.Agent, 512), Length: -1, Answered: w.Status, Source: "log",
	}
	if in.shop != nil {
		req.Query, req.Referer = clean(in.shop.SafeQuery(w.Query), 2048), clean(in.shop.SafeReferer(w.Referer), 512)
	}
	if !w.Malformed {
		req.Probe = noren.ProbeOf(w.Method, w.Path, w.Query)
	}
	return req
}

// clean makes outside text fit to be recorded: valid, no card number, short. The
// gateway does the same, so that both write a path alike.
func clean(s string, n int) string {
	return noren.MaskCards(strings.ToValidUTF8(cut(s, n), "\uFFFD"))
}

// signIns are the sign-ins a line tells of: its own, and one before it whose
// redirect this request follows.
func (in *interpreter) signIns(l *Line, zone noren.Zone, event func(noren.Kind, noren.Payload) noren.Event) []noren.Event {
	w := l.Web
	var out []noren.Event
	if a, ok := in.asked.follow(l); ok {
		location := w.Path
		if w.Query != "" {
			location += "?" + w.Query
		}
		if kind, ok, known := in.shop.SignIn(a.method, a.path, a.query, a.status, location); known {
			out = append(out, outcome(kind, ok, a.zone, a.id, event))
		}
	}
	kind, ok, known := in.shop.SignIn(w.Method, w.Path, w.Query, w.Status, w.Location)
	switch {
	case kind == "":
	case known:
		out = append(out, outcome(kind, ok, zone, "", event))
	case w.Status == http.StatusFound || w.Status == http.StatusSeeOther:
		id := ""
		if kind == noren.LoginAttempt { // counts as not succeeded until it is known
			ev := event(kind, &noren.Login{})
			ev.AttemptID, ev.Zone, id = ev.ID, zone, ev.ID
			out = append(out, ev)
		}
		in.asked.note(l, zone, id)
	}
	return out
}

func outcome(kind noren.Kind, ok bool, zone noren.Zone, attempt string, event func(noren.Kind, noren.Payload) noren.Event) noren.Event {
	var ev noren.Event
	if kind == noren.StaffLogin {
		ev = event(kind, &noren.StaffSignIn{Success: ok, Factor: "password"})
	} else {
		ev = event(noren.LoginOutcome, &noren.LoginResult{Success: ok})
		ev.AttemptID = attempt
	}
	ev.Zone = zone
	return ev
}

// redirected are sign-ins that were answered with a redirect of which the log
// does not tell where it went: the next page the same browser asks for does.
type redirected map[string]signIn

type signIn struct {
	method, path, query string
	status              int
	zone                noren.Zone
	id                  string // of the attempt
	at                  time.Time
}

const (
	followWithin   = 10 * time.Second
	redirectedMost = 4096
)

func browser(l *Line) string { return l.Address.String() + " " + cut(l.Web.Agent, 256) }

func (r *redirected) note(l *Line, zone noren.Zone, id string) {
	if *r == nil || len(*r) >= redirectedMost {
		*r = redirected{} // what is forgotten stays an attempt without an answer
	}
	w := l.Web
	(*r)[browser(l)] = signIn{w.Method, cut(w.Path, 512), cut(w.Query, 512), w.Status, zone, id, l.Time}
}

func (r *redirected) follow(l *Line) (signIn, bool) {
	if len(*r) == 0 || l.Web.Method != http.MethodGet {
		return signIn{}, false
	}
	key := browser(l)
	a, ok := (*r)[key]
	delete(*r, key)
	return a, ok && l.Time.Sub(a.at) <= followWithin
}

// softPages knows shops that answer everything with one page and 200: what they
// "serve" under a forbidden path is that page.
type softPages map[int64]map[string]bool

const (
	softAfter = 3   // different paths of one size
	softMost  = 256 // sizes that are kept
)

func (s *softPages) answersEverything(path string, size int64) bool {
	if *s == nil || len(*s) > softMost {
		*s = softPages{}
	}
	paths := (*s)[size]
	if paths == nil {
		paths = map[string]bool{}
		(*s)[size] = paths
	}
	if len(paths) < softAfter {
		paths[cut(path, 256)] = true
	}
	return size > 0 && len(paths) >= softAfter
}

// idMaker names the events of the line that begins at a byte of a log.
func idMaker(node, site, path string, offset int64, at time.Time, line []byte) func(int) string {
	return func(n int) string {
		return noren.IDOf(at, []byte(node), []byte(site), []byte(path), strconv.AppendInt(nil, offset, 10), line, strconv.AppendInt(nil, int64(n), 10))
	}
}
