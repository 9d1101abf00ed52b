package gateway

import (
	"net/netip"
	"strings"
	"time"

	"noren"
)

// Names of the lists.
const (
	ListBan   = "ban"
	ListAllow = "allow"
	// ListCheck names addresses whose visitors are asked for the check: an attack
	// comes from there, and so do too many others to ban it.
	ListCheck = "check"
)

// Entry is one network, or one session, on a list of a site.
type Entry struct {
	ID     string       `json:"id"`
	Site   string       `json:"site"`
	List   string       `json:"list"` // ban, allow or check
	Prefix netip.Prefix `json:"prefix,omitzero"`
	// Session is the keyed hash of a banned session, which then has no Prefix.
	Session string     `json:"session,omitempty"`
	Reason  noren.Text `json:"reason"`
	Author  string     `json:"author"`           // a person, or policy:NAME
	Policy  string     `json:"policy,omitempty"` // the policy that set it
	At      noren.Time `json:"at"`
	Until   noren.Time `json:"until,omitzero"` // zero: until it is lifted
	// Repeat is how many bans before this one counted when its time was set.
	Repeat int64 `json:"repeat,omitempty"`

	about netip.Addr // whose entry it is, when Prefix is wider than one address
}

// live reports whether e holds at a time.
func (e *Entry) live(at time.Time) bool { return e.Until.IsZero() || at.Before(e.Until.Time) }

// Limits on what a list takes.
const (
	maxEntries     = 200_000 // per site
	maxReasonBytes = 2000
	// Wider networks than these are half a provider; banning one is a mistake
	// far more often than a defence.
	minBanBits4 = 16
	minBanBits6 = 32
)

// ParsePrefix reads "203.0.113.7" or "203.0.113.0/24", v4-mapped IPv6 as IPv4.
func ParsePrefix(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, noren.Errorf(noren.Invalid, "%q is neither an address nor a network like 203.0.113.0/24", s)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, noren.Errorf(noren.Invalid, "%q is wider than all of IPv4", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// valid reports what is wrong with an entry to be set.
func (e *Entry) valid() error {
	switch {
	case e.Site == "":
		return noren.Errorf(noren.Invalid, "a list entry needs a site")
	case e.List != ListBan && e.List != ListAllow && e.List != ListCheck:
		return noren.Errorf(noren.Invalid, "list %q is not %s, %s or %s", e.List, ListBan, ListAllow, ListCheck)
	case e.Session != "" && (e.List != ListBan || e.Prefix.IsValid() || len(e.Session) > maxSession):
		return noren.Errorf(noren.Invalid, "a session can only be banned, and without an address")
	case e.Session == "" && !e.Prefix.IsValid():
		return noren.Errorf(noren.Invalid, "a list entry needs an address or a network")
	case len(e.Reason.Ja)+len(e.Reason.En) > maxReasonBytes:
		return noren.Errorf(noren.Invalid, "the reason is longer than %d bytes", maxReasonBytes)
	case !e.Until.IsZero() && !e.Until.After(e.At.Time):
		return noren.Errorf(noren.Invalid, "the entry would end %s, before it begins", e.Until.Format(time.RFC3339))
	}
	if e.Session != "" {
		return nil
	}
	bits, least := e.Prefix.Bits(), minBanBits6
	if e.Prefix.Addr().Is4() {
		least = minBanBits4
	}
	if bits < least {
		return noren.WithHint(noren.Errorf(noren.Invalid, "network %s is too wide for a list", e.Prefix),
			"Give networks of /16 or narrower for IPv4 and /32 or narrower for IPv6.")
	}
	return nil
}

// banPrefix is what a ban of one client covers: its IPv4 address, or the /64
// that one IPv6 customer owns and walks through at will.
func banPrefix(entity, target string) (netip.Prefix, error) {
	p, err := ParsePrefix(target)
	if err != nil {
		return p, err
	}
	if entity == noren.EntityAddress && p.Addr().Is6() && p.Bits() > 64 {
		return netip.PrefixFrom(p.Addr(), 64).Masked(), nil
	}
	return p, nil
}

// person is the address whose entry it is; the zero Addr for a network's.
func (e *Entry) person() netip.Addr {
	if e.about.IsValid() || !e.Prefix.IsSingleIP() {
		return e.about
	}
	return e.Prefix.Addr()
}

// entities name whose entry it is: the session, or the client as far as the
// network is no wider than what one client owns.
func (e *Entry) entities() noren.Entities {
	switch a := e.person(); {
	case e.Session != "":
		return noren.Entities{noren.EntitySession: e.Session}
	case a.IsValid():
		return noren.Entities{noren.EntityAddress: a.String()}
	case e.Prefix.IsValid() && e.Prefix == clientNet(e.Prefix.Addr()):
		return noren.Entities{noren.EntityAddress: e.Prefix.Addr().String()}
	}
	return nil
}

// What names the network or session for people.
func (e *Entry) What() string {
	if e.Session != "" {
		return SessionName(e.Session)
	}
	return e.Prefix.String()
}
