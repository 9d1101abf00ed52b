package gateway

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"

	"noren"
)

// ShopMap is what a site knows of its shop, without a gateway: for those who
// read of requests that did not come by here.
type ShopMap struct {
	site   Site
	zones  *zoneMap
	guards *ShopGuard
}

// NewShopMap compiles the map of a site.
func NewShopMap(s Site) (*ShopMap, error) {
	preset, err := LookupPreset(s.Preset)
	if err != nil {
		return nil, err
	}
	zones, errZones := s.zoneMap(preset)
	guards, errGuards := s.guards(preset)
	if err := errors.Join(errZones, errGuards); err != nil {
		return nil, siteFault(&s, err)
	}
	return &ShopMap{site: s, zones: zones, guards: guards}, nil
}

// Zone is the zone of a request line, and the pattern that decided.
func (m *ShopMap) Zone(method, path, query string) (noren.Zone, string) {
	p := m.zones.Find(method, path, query)
	return p.Zone, p.Pattern
}

// SignIn reads a sign-in from a line of a log, which tells the status and at
// best where a redirect went (location, "" when it is not known). kind is ""
// for a request that is no sign-in, account.login.attempt for a customer's and
// staff.login for one to the admin. known is false while the answer could be
// either: a redirect whose target the log does not tell.
func (m *ShopMap) SignIn(method, path, query string, status int, location string) (kind noren.Kind, ok, known bool) {
	in := &Inspected{Method: method, Path: path, RawQuery: query}
	for i := range m.guards.logins {
		if f := &m.guards.logins[i]; atForm(&f.at, f.Call, in) && !otherForm(query) {
			ok, known = successByLog(f.Success, f.Failure, status, location)
			return noren.LoginAttempt, ok, known
		}
	}
	zone, _ := m.Zone(method, path, query)
	if zone != noren.ZoneAdminLogin || method != http.MethodPost || !signsIn(path) || otherForm(query) {
		return "", false, false
	}
	ok, known = successByLog(adminSuccess, adminFailure, status, location)
	return noren.StaffLogin, ok, known
}

// otherForm leaves out what WordPress does at its sign-in page besides: lost
// passwords, protected posts, registering.
func otherForm(query string) bool {
	for _, q := range queryPairs(query) {
		if q.key == "action" && q.value != "" && q.value != "login" {
			return true
		}
	}
	return false
}

// signsIn leaves out machines' doors of the admin's sign-in zone: they answer
// 200 whatever came of it, or are not asked for a password.
func signsIn(path string) bool {
	found := true
	pathViews(path, func(view string) {
		if glob("*/xmlrpc.php", view) || glob("/wp-json/*", view) || glob("*/two_factor_auth/*", view) {
			found = false
		}
	})
	return found
}

// How a form that asks for a password answers: with itself again when it was
// wrong, with a redirect to somewhere else when it was right. EC-CUBE 4 redirects
// either way, to its sign-in page when it was wrong.
var (
	redirects    = []int{http.StatusFound, http.StatusSeeOther}
	adminSuccess = []AnswerRule{{Status: redirects, NotLocation: "*login*"}}
	adminFailure = []AnswerRule{{Status: []int{200, 401, 403, 422, 429}}, {Status: redirects, Location: "*login*"}}
)

// fit is whether a rule about answers fits what a log tells.
type fit int

const (
	no fit = iota
	maybe
	yes
)

func successByLog(success, failure []AnswerRule, status int, location string) (ok, known bool) {
	good, bad := bestFit(success, status, location), bestFit(failure, status, location)
	switch {
	case good == yes:
		return true, true
	case good == maybe:
		return false, false
	}
	return false, bad == yes
}

func bestFit(rules []AnswerRule, status int, location string) fit {
	best := no
	for _, r := range rules {
		best = max(best, r.fitsLog(status, location))
	}
	return best
}

// fitsLog is fits for a log, which tells no cookies: a form that sets one for
// who signed in redirects them as well.
func (r AnswerRule) fitsLog(status int, location string) fit {
	redirect := slices.Contains(redirects, status)
	switch {
	case len(r.Status) > 0 && !slices.Contains(r.Status, status):
		return no
	case r.Cookie != "" && !redirect:
		return no
	case r.Location == "" && r.NotLocation == "":
		return yes
	case !redirect:
		return no
	case location == "":
		return maybe
	case r.Location != "" && !glob(r.Location, location), r.NotLocation != "" && glob(r.NotLocation, location):
		return no
	}
	return yes
}

// Trusts reports whether an address is a proxy's of the site.
func (m *ShopMap) Trusts(a netip.Addr) bool {
	return slices.ContainsFunc(m.site.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// SafeQuery is a query fit to be recorded: values cut, secrets and mail addresses
// hidden, cards masked.
func (m *ShopMap) SafeQuery(raw string) string { return safeQuery(raw) }

// SafeReferer is the address of the page before, fit to be recorded.
func (m *ShopMap) SafeReferer(raw string) string { return safeReferer(raw) }
