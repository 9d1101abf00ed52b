package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"noren"
)

// AccessRules say who may enter where. Whoever a deny rule names is kept out.
// Where a zone has allow rules, only those come in whom one of them names. The
// order of rules decides nothing but which of them is named.
//
// What is not known names nobody: an address without a country matches neither
// "deny KP" nor "allow JP". So a gap in the data keeps no buyer out and lets no
// stranger in. A rule whose time is over names nobody either; a zone whose only
// allow rule is over is closed, not open.
type AccessRules []AccessRule

// Caller is who asks to enter. The functions are called only when a rule needs
// them; nil knows nothing.
type Caller struct {
	Addr    netip.Addr
	In      func(place string) bool // whether Addr is in a named place that holds now
	Country func(netip.Addr) string // "" is unknown
	ASN     func(netip.Addr) uint32 // 0 is unknown
}

// AccessVerdict is what the rules say about a caller.
type AccessVerdict struct {
	Refused bool
	Rule    *AccessRule // that decided; nil when no rule is about the zone
	By      string      // what of the caller the rule named: "place 本社", "country KP"
}

// About returns the rules about a zone and method.
func (rs AccessRules) About(z noren.Zone, method string) (out AccessRules) {
	for i := range rs {
		if rs[i].about(z, method) {
			out = append(out, rs[i])
		}
	}
	return out
}

func (r *AccessRule) about(z noren.Zone, method string) bool {
	if method == http.MethodHead {
		method = http.MethodGet // tells almost as much
	}
	return slices.Contains(r.Zones, z) && (len(r.Methods) == 0 || slices.Contains(r.Methods, method))
}

// live reports whether r's time is not over.
func (r *AccessRule) live(at noren.Time) bool {
	return r.Until.IsZero() || at.Before(r.Until.Time.Time)
}

// Judge says whether c may enter. With shadow the rules in shadow count too.
func (rs AccessRules) Judge(z noren.Zone, method string, c *Caller, at noren.Time, shadow bool) AccessVerdict {
	var closed, let *AccessRule
	var by string
	for i := range rs {
		r := &rs[i]
		if r.Mode == AccessShadow && !shadow || !r.about(z, method) {
			continue
		}
		if r.Allow != nil && closed == nil {
			closed = r
		}
		if r.Allow != nil && let != nil || !r.live(at) {
			continue
		}
		what := r.who().names(c)
		switch {
		case what == "":
		case r.Deny != nil:
			return AccessVerdict{true, r, what}
		default:
			let, by = r, what
		}
	}
	if closed != nil && let == nil {
		return AccessVerdict{Refused: true, Rule: closed}
	}
	return AccessVerdict{Rule: let, By: by}
}

func (rs AccessRules) anyShadow() bool {
	return slices.ContainsFunc(rs, func(r AccessRule) bool { return r.Mode == AccessShadow })
}

// names says by what w names c, "" when it does not.
func (w *Who) names(c *Caller) string {
	for _, n := range w.Networks {
		if n.Contains(c.Addr) {
			return "network " + n.String()
		}
	}
	for _, p := range w.Places {
		if c.In != nil && c.In(p) {
			return "place " + p
		}
	}
	if len(w.Countries) > 0 && c.Country != nil {
		if code := c.Country(c.Addr); code != "" && slices.Contains(w.Countries, code) {
			return "country " + code
		}
	}
	if len(w.ASNs) > 0 && c.ASN != nil {
		if n := c.ASN(c.Addr); n != 0 && slices.Contains(w.ASNs, int64(n)) {
			return "AS" + strconv.FormatUint(uint64(n), 10)
		}
	}
	return ""
}

// String lists whom w names.
func (w *Who) String() string {
	var parts []string
	parts = append(parts, w.Places...)
	for _, n := range w.Networks {
		parts = append(parts, n.String())
	}
	parts = append(parts, w.Countries...)
	for _, a := range w.ASNs {
		parts = append(parts, "AS"+strconv.FormatInt(a, 10))
	}
	return strings.Join(parts, ", ")
}

// Explain puts a refusal into words for the shop's people.
func (v AccessVerdict) Explain() noren.Text {
	if v.Rule.Deny != nil {
		return noren.Text{
			Ja: "「" + v.Rule.Name + "」のルールで、入れないことになっています（" + v.By + "、" + v.Rule.Reason.In("ja") + "）",
			En: "The rule " + v.Rule.Name + " keeps out " + v.By + " (" + v.Rule.Reason.In("en") + ")",
		}
	}
	return noren.Text{
		Ja: "ここに入れるのは「" + v.Rule.Name + "」のルールにある人だけで、このアドレスは含まれていません（" + v.Rule.Allow.String() + "）",
		En: "Only those come in whom " + v.Rule.Name + " names, and it does not name this address (" + v.Rule.Allow.String() + ")",
	}
}
