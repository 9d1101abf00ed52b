package gateway

import (
	"net/http"
	"net/netip"
	"time"

	"noren"
)

// checkAccess keeps out who may not enter the zone. An allow-list entry counts
// for nothing in the admin: it spares bans, limits and challenges, not the door.
// In the shop's public zones it outranks access rules as it outranks bans, and
// so does an address that was verified to be a search engine's.
func (x *exchange) checkAccess() *stop {
	rules := x.shop.access[x.place.Zone]
	if len(rules) == 0 {
		return nil
	}
	c := x.g.caller(x.shop.Name, x.client, x.at.Time)
	v := rules.Judge(x.place.Zone, x.r.Method, c, x.at, false)
	switch {
	case !v.Refused:
		if rules.anyShadow() {
			if would := rules.Judge(x.place.Zone, x.r.Method, c, x.at, true); would.Refused {
				x.accessShadow = would.Rule.Name
			}
		}
		return nil
	case !staffZone(x.place.Zone) && (x.allow != nil || x.searchEngine()):
		return nil
	case x.g.opts.Places.opened(x.shop.Name, x.place.Zone, x.client, x.at.Time) != nil:
		return nil
	}
	s := &stop{cause: noren.CauseAccess, rule: v.Rule.Name, status: http.StatusForbidden}
	if staffZone(x.place.Zone) {
		s.address = x.client.String() // for them to tell the owner
	}
	return s
}

// caller is what rules can know of an address.
func (g *Gateway) caller(site string, addr netip.Addr, at time.Time) *Caller {
	return &Caller{
		Addr: addr, Country: g.opts.Country, ASN: g.opts.ASN,
		In: func(place string) bool { return g.opts.Places.In(site, place, addr, at) },
	}
}

// byZone sorts rules by the zones they are about, so that a request finds its
// own at once.
func (rs AccessRules) byZone() map[noren.Zone]AccessRules {
	out := map[noren.Zone]AccessRules{}
	for _, r := range rs {
		for _, z := range r.Zones {
			if n := len(out[z]); n == 0 || out[z][n-1].Name != r.Name { // a zone may stand twice in a rule
				out[z] = append(out[z], r)
			}
		}
	}
	return out
}

func validAccess(rules AccessRules) (errs []error) {
	for i := range rules {
		errs = append(errs, rules[i].Valid())
	}
	return errs
}

// AccessState is a rule about the zone that is asked about, and what it makes of
// the address.
type AccessState struct {
	Rule  AccessRule `json:"rule"`
	Over  bool       `json:"over,omitempty"`  // its time is over
	Names bool       `json:"names,omitempty"` // it names the address
	By    string     `json:"by,omitempty"`    // by what
}

// access fills in what the access rules say.
func (e *Explanation) access(g *Gateway, sh *shop, at noren.Time) {
	rules := sh.access[e.Place.Zone].About(e.Place.Zone, e.Method)
	c := g.caller(sh.Name, e.Address, at.Time)
	for i := range rules {
		r := &rules[i]
		by := r.who().names(c)
		e.Access = append(e.Access, AccessState{Rule: *r, Over: !r.live(at), Names: by != "", By: by})
	}
	e.Opening = g.opts.Places.opened(sh.Name, e.Place.Zone, e.Address, at.Time)
	if v := rules.Judge(e.Place.Zone, e.Method, c, at, false); v.Refused {
		e.refused = &v
	}
}

// mayNotEnter is what the access rules would do to the request, after all that
// outranks them.
func (e *Explanation) mayNotEnter() *Would {
	if e.refused == nil || e.Opening != nil || len(e.Allow) > 0 && !staffZone(e.Place.Zone) {
		return nil
	}
	return &Would{Cause: noren.CauseAccess, Rule: e.refused.Rule.Name, Status: http.StatusForbidden, Text: e.refused.Explain()}
}
