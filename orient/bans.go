package orient

import (
	"net/netip"

	"noren"
)

// Bans that were recorded count like any other event, so that how often
// somebody was banned is the same after a restart, on every node and in a
// replay. What a ban was for is not kept here, only when and how long.

// What the quantity of a ban's mark says.
const (
	banSet    = 0
	banLifted = 1 // by a person: what was before it counts no more
	banFailed = 2 // recorded, and then it could not be stored
)

// countsAsBan reports whether a change of a list counts: a ban of one client or
// session set, lifted or not made. A ban of a network counts for nobody in it.
func countsAsBan(ev *noren.Event) bool {
	p, ok := ev.Payload.(*noren.BanEntry)
	return ok && p.List == "ban" && p.Op != "expire"
}

// banNumbers are the length of a ban in seconds and what became of it.
func banNumbers(ev *noren.Event, p *noren.BanEntry) (seconds, what int64) {
	switch p.Op {
	case "lift":
		return 0, banLifted
	case "failed":
		return 0, banFailed
	}
	if p.Until.IsZero() {
		return maxAmount, banSet
	}
	return int64(p.Until.Sub(ev.At.Time).Seconds()), banSet
}

// offences counts the bans among marks that are over at a time. Bans that
// overlap are one: the requests of one burst that several nodes judge at once
// must not make somebody a repeat offender. One in force is not over, and what a
// person lifted is forgiven with all before it.
func offences(marks []mark, at int64) (n int64) {
	const second = 1_000_000
	var end, before int64
	for i := range marks {
		m := &marks[i]
		switch {
		case m.quantity == banLifted:
			n, end, before = 0, 0, 0
		case m.quantity == banFailed:
			if n > 0 && end > before {
				n, end = n-1, before
			}
		case m.at >= end:
			n, before, end = n+1, end, m.at+m.amount*second
		default:
			end = max(end, m.at+m.amount*second)
		}
	}
	if end > at {
		n--
	}
	return n
}

// freed counts the bans among marks that a person lifted: for a while they mean
// more than what was counted before, and what is much like it.
func freed(marks []mark) (n int64) {
	for i := range marks {
		if marks[i].quantity == banLifted {
			n++
		}
	}
	return n
}

// clientKey is the key of an address's client.
func (o *Orient) clientKey(site string, a netip.Addr) key {
	raw := a.As16()
	if !a.Is4() {
		clear(raw[8:])
	}
	return o.tokens.ofBytes(site, entityClient, raw[:])
}

// carrying are the parties that carry a mark of a group. A client carries bans
// alone, and a ban is a matter of the banned session or client: who else an
// address belongs to was not banned.
func (ps *parties) carrying(g group) []party {
	out := make([]party, 0, ps.n)
	banned := slotClient
	if ps.of(slotSession) != 0 {
		banned = slotSession
	}
	for _, p := range ps.list() {
		if g == groupBan && (p.slot == banned || p.slot == slotSite) || g != groupBan && p.slot != slotClient {
			out = append(out, p)
		}
	}
	return out
}
