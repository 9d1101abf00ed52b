package gateway

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/kv"
)

// By says whose requests a limit counts together.
type By string

// What limits count by.
const (
	ByAddress By = "address"
	ByNet     By = "net"
	BySession By = "session"
	ByAccount By = "account"
	BySite    By = "site"
	ByASN     By = "asn"    // the network's operator
	ByPass    By = "pass"   // of the check; who has none is not counted
	ByDevice  By = "device" // of the device cookie; who has none is not counted
)

// factPrefix begins a limit by any fact: fact:request.user_agent.
const factPrefix = "fact:"

func allBy() []By {
	return []By{ByAddress, ByNet, BySession, ByAccount, BySite, ByASN, ByPass, ByDevice}
}

// fact is the fact that b counts by; ok is false when it counts by a party.
func (b By) fact() (name string, ok bool) { return strings.CutPrefix(string(b), factPrefix) }

func (b By) valid() error {
	if _, ok := b.fact(); ok || slices.Contains(allBy(), b) {
		return nil
	}
	return noren.Say(noren.Invalid, noren.Textf("by に %q は使えません。使えるのは address・net・session・account・device・pass・asn・site・fact:名前 です", "by %q is not address, net, session, account, device, pass, asn, site or fact:NAME", b))
}

// one reports whether b stands for one visitor: only then does being too fast
// say something about somebody.
func (b By) one() bool {
	return slices.Contains([]By{ByAddress, BySession, ByPass, ByDevice}, b)
}

// party is whose request is counted.
type party struct {
	addr    netip.Addr
	session string // a keyed hash, "" without one
	pass    string // of the check, "" without one
	account string // a keyed hash, known to sign-ins only
	device  string // of the device cookie, "" without one
	asn     uint32 // 0 when not known
	// fact is the keyed hash of a fact of the request, "" for one it does not
	// have; nil when nobody knows facts.
	fact func(name string) string
}

// key is the name of l's bucket for a party, and whose it is; ok is false when
// the limit does not count this request: what is not known is not suspicious.
func (l *Limit) key(site string, p party) (key string, by By, ok bool) {
	by, who := l.who(p)
	if who == "" && by != BySite {
		return "", by, false
	}
	return "limit|" + site + "|" + l.Name + "|" + who, by, true
}

// who is the party that l counts. A request without a session is counted by its
// pass or its device, or with all others of its address that have none of them.
func (l *Limit) who(p party) (by By, who string) {
	if name, ok := l.By.fact(); ok {
		if p.fact == nil {
			return l.By, ""
		}
		return l.By, p.fact(name)
	}
	switch l.By {
	case ByAddress:
		return ByAddress, textOf(clientNet(p.addr))
	case ByNet:
		return ByNet, textOf(wideNet(p.addr))
	case BySession:
		switch {
		case p.session != "":
			return BySession, p.session
		case p.pass != "":
			return ByPass, "pass " + p.pass
		case p.device != "":
			return ByDevice, "device " + p.device
		}
		return ByAddress, textOf(clientNet(p.addr))
	case ByAccount:
		return ByAccount, p.account
	case ByPass:
		return ByPass, p.pass
	case ByDevice:
		return ByDevice, p.device
	case ByASN:
		if p.asn == 0 {
			return ByASN, ""
		}
		return ByASN, strconv.FormatUint(uint64(p.asn), 10)
	}
	return BySite, ""
}

// clientNet is what one client owns: an IPv4 address or an IPv6 /64.
func clientNet(a netip.Addr) netip.Prefix { return prefixOf(a, 32, 64) }

// wideNet is its neighbourhood: the /24 or the /48.
func wideNet(a netip.Addr) netip.Prefix { return prefixOf(a, 24, 48) }

// textOf is p.String() in one allocation: limits ask for it with every request.
func textOf(p netip.Prefix) string {
	var b [64]byte
	return string(p.AppendTo(b[:0]))
}

func prefixOf(a netip.Addr, bits4, bits6 int) netip.Prefix {
	bits := bits6
	if a = a.Unmap(); a.Is4() {
		bits = bits4
	}
	return netip.PrefixFrom(a.WithZone(""), bits).Masked()
}

// take is the operation that asks l for one request.
func (l *Limit) take(key string, at time.Time, peek bool) kv.Take {
	return kv.Take{Key: key, At: at, Rate: l.deep(), Peek: peek}
}
