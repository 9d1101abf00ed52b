package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"noren"
)

// paused is what a stop by an emergency switch knows besides.
type paused struct {
	by     Switch
	back   string      // where a buyer chooses another way of paying, "" when not known
	answer *CardAnswer // for the shop's own script
}

// checkDoors keeps strangers out of a closed admin, and visitors from abroad out
// of the shop.
func (x *exchange) checkDoors() *stop {
	e, site := x.g.opts.Emergency, x.shop.Name
	if st := e.on(site, SwitchAdmin, x.at.Time); st != nil && staffZone(x.place.Zone) && !x.insider() {
		return x.paused(st, http.StatusForbidden)
	}
	if st := e.on(site, SwitchOverseas, x.at.Time); st != nil && x.foreign() {
		return x.paused(st, http.StatusServiceUnavailable)
	}
	return nil
}

// insider reports who may enter a closed admin: the allow-list, every named
// place, and who is let in by break-glass.
func (x *exchange) insider() bool {
	return x.allow != nil || x.g.opts.Places.inAny(x.shop.Name, x.client, x.at.Time) != "" ||
		x.g.opts.Places.opened(x.shop.Name, x.place.Zone, x.client, x.at.Time) != nil
}

// foreign reports a visitor who is kept out by the switch for visits from abroad.
// The payment provider's machines stand there more often than not, and who comes
// back from 3-D Secure has a payment under way.
func (x *exchange) foreign() bool {
	if x.g.opts.Country == nil || !abroad(x.g.opts.Country(x.client)) || spareOverseas(x.place.Zone, x.r.Method, x.path) {
		return false
	}
	return !x.insider() && !x.searchEngine()
}

// abroad reports a country that is known and not Japan. What address data write
// where they do not know, and Asia as a whole, are not.
func abroad(country string) bool {
	switch country {
	case "", "JP", "ZZ", "XX", "AP":
		return false
	}
	return true
}

func spareOverseas(z noren.Zone, method, path string) bool {
	info := mustInfo(z)
	return plainPath(path) && (info.Machine || info.Payment && (method == http.MethodGet || method == http.MethodHead))
}

// checkSignIn stops who would sign in, sign up or reset a password. Who is signed
// in has a session and does not come here; the admin's sign-in is another zone.
func (x *exchange) checkSignIn() *stop {
	st := x.g.opts.Emergency.on(x.shop.Name, SwitchLogin, x.at.Time)
	if st == nil || !signInZone(x.place.Zone) && !x.shop.signsInAt(x.changes(), x.path, x.r.URL.RawQuery) {
		return nil
	}
	return x.paused(st, http.StatusServiceUnavailable)
}

func signInZone(z noren.Zone) bool {
	return z == noren.ZoneLogin || z == noren.ZoneSignup || z == noren.ZoneReset
}

// signInMap is where customers sign in, sign up and reset, also where a stricter
// zone has the same page: WordPress signs customers up at its admin's sign-in.
func (s *Site) signInMap(preset Preset) (*zoneMap, error) {
	pick := func(all map[noren.Zone][]string) map[noren.Zone][]string {
		return map[noren.Zone][]string{noren.ZoneLogin: all[noren.ZoneLogin], noren.ZoneSignup: all[noren.ZoneSignup], noren.ZoneReset: all[noren.ZoneReset]}
	}
	return compileZones(s.adminPrefix(preset), pick(preset.Zones), pick(s.Zones))
}

func (s *shop) signsInAt(method, path, query string) bool {
	return signInZone(s.signIn.Find(method, path, query).Zone)
}

// checkContent does what only the body tells: who pays by card, and who signs in
// on a page that is not there for it. Calls from the payment provider, and the
// shop's own people in the admin, are neither.
func (x *exchange) checkContent() *stop {
	e, site := x.g.opts.Emergency, x.shop.Name
	card, login := e.on(site, SwitchCard, x.at.Time), e.on(site, SwitchLogin, x.at.Time)
	if card == nil && login == nil || x.own() || staffZone(x.place.Zone) {
		return nil
	}
	machine := mustInfo(x.place.Zone).Machine && plainPath(x.path)
	if card != nil {
		if s := x.checkCard(card, machine); s != nil {
			return s
		}
	}
	if login != nil && !machine && x.signsIn() {
		return x.paused(login, http.StatusServiceUnavailable)
	}
	return nil
}

func (x *exchange) signsIn() bool {
	if x.body == nil || safeMethod(x.changes()) {
		return false
	}
	fields, whole := bodyViews(x.r.Header.Get("Content-Type"), x.body.inspect)
	return !whole || x.shop.signs.signsIn(fields)
}

// checkCard stops card payments, and cards that would be added for later ones.
func (x *exchange) checkCard(st *SwitchState, machine bool) *stop {
	f := x.shop.cards.find(x.cardRequest(machine))
	if f == nil && (x.place.Zone != noren.ZoneCardAdd || safeMethod(x.changes())) {
		return nil
	}
	s := x.paused(st, http.StatusServiceUnavailable)
	if f == nil {
		return s
	}
	s.paused.back = f.Back
	if f.Answer != nil && form(x.r) != "page" {
		s.paused.answer, s.status = f.Answer, f.Answer.Status
	}
	return s
}

// paused is the stop of a switch.
func (x *exchange) paused(st *SwitchState, status int) *stop {
	s := stopOf(st, status, x.at.Time)
	if st.Switch == SwitchAdmin {
		s.address = x.client.String() // for them to tell the owner
	}
	return s
}

func stopOf(st *SwitchState, status int, at time.Time) *stop {
	s := &stop{cause: noren.CauseEmergency, rule: string(st.Switch), status: status, until: st.Until.Time, paused: &paused{by: st.Switch}}
	if status == http.StatusServiceUnavailable {
		s.retry = closedFor(SiteMode{Until: st.Until}, at)
	}
	return s
}

// inAny names a place of the site that an address is in now, "" for none.
func (p *Places) inAny(site string, addr netip.Addr, at time.Time) string {
	if p == nil {
		return ""
	}
	for key, place := range p.snap.Load().byName {
		if key.site == site && place.Live(at) && place.Contains(addr) {
			return key.name
		}
	}
	return ""
}

// insert puts the message into an answer, as JSON writes texts.
func (a *CardAnswer) insert(message string) []byte {
	quoted := string(mustJSON(message))
	return []byte(strings.ReplaceAll(a.Body, "{message}", quoted[1:len(quoted)-1]))
}
