package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"noren"
	"noren/gateway/waf/exclusion"
)

// shop is a site, compiled.
type shop struct {
	Site
	preset    Preset
	zones     *zoneMap
	guards    []Guard
	limits    []Limit
	asksASN   bool // some limit counts by asn
	access    map[noren.Zone]AccessRules
	sessions  []string
	encodings []string
	pool      *pool
	graphql   []graphqlAPI
	cards     *cardMap
	signs     *ShopGuard
	signIn    *zoneMap

	exclusions *exclusion.Set // nil without any

	originSecret string // "" without one
}

func (g *Gateway) newShop(s Site, limits []Limit) (*shop, error) {
	if err := s.Valid(); err != nil {
		return nil, err
	}
	preset, err := LookupPreset(s.Preset)
	if err != nil {
		return nil, err
	}
	zones, errZones := s.zoneMap(preset)
	guard, errGuard := s.guards(preset)
	pool, errPool := g.newPool(&s, g.shopNow(s.Name))
	apis, errAPIs := s.graphqlAPIs(preset)
	cards, errCards := s.cardMap(preset)
	signIn, errSignIn := s.signInMap(preset)
	if err := errors.Join(errZones, errGuard, errPool, errAPIs, errCards, errSignIn); err != nil {
		return nil, err
	}
	return &shop{
		Site: s, preset: preset, zones: zones, limits: limits, pool: pool, graphql: apis, cards: cards, signs: guard, signIn: signIn,
		asksASN:  slices.ContainsFunc(limits, func(l Limit) bool { return l.By == ByASN }),
		guards:   append([]Guard{guard}, g.opts.Guards...),
		sessions: pick(s.Session, preset.Session), encodings: pick(s.Encodings, preset.Encodings),
	}, nil
}

// shopNow is the site in force, nil for a new one.
func (g *Gateway) shopNow(name string) *shop {
	if st := g.state.Load(); st != nil {
		return st.shops[name]
	}
	return nil
}

func pick(own, preset []string) []string {
	if len(own) > 0 {
		return own
	}
	return preset
}

func (s *shop) bodyLimit() int64 {
	if s.BodyLimit > 0 {
		return s.BodyLimit
	}
	return DefaultBodyLimit
}

// inspectLimit is how much of a form or JSON is accepted, because all of it is
// inspected. The shop's own people save long texts.
func (s *shop) inspectLimit(z noren.Zone) int64 {
	n := s.InspectLimit
	if n <= 0 {
		n = DefaultInspectLimit
	}
	if z == noren.ZoneAdmin || z == noren.ZoneCodeEdit {
		n *= staffFactor
	}
	return n
}

func (s *shop) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// sessionCookie returns the value of the shop's session cookie, "" without one.
func (s *shop) sessionCookie(lines []string) string {
	for _, want := range s.sessions {
		for _, line := range lines {
			for part := range strings.SplitSeq(line, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
				if value != "" && glob(want, name) {
					return value
				}
			}
		}
	}
	return ""
}
