package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
)

// What a ban looks at besides its condition. These facts are recorded with the
// decision, so that a replay bans for as long.
const (
	// crowdFact counts who is behind an address or network: sessions whose
	// requests reached the shop in the last ten minutes.
	crowdFact = ".sessions_10m"
	// crowd is from how many on nobody is banned for a neighbour: a household and
	// its phones are fewer, a carrier's address and an office are more.
	crowd = 10
	// defaultForget is after how long a ban is forgotten.
	defaultForget = 7 * 24 * time.Hour
)

// checkBan holds what needs no CEL.
func (s *source) checkBan(b *Ban) {
	if !slices.Contains([]string{noren.EntityAddress, noren.EntityNet, noren.EntitySession}, b.Entity) {
		s.fault(missingOr(b.Entity, "entity", []string{"address", "net", "session"}), "ban", "entity")
	}
	if b.For < MinBan || b.For > MaxBan {
		s.fault(noren.Textf("for: 遮断の長さは 1m（1分）から 30d（30日）です", "for: a ban lasts 1m to 30d"), "ban", "for")
	}
	switch {
	case b.UpTo == 0 && b.Forget != 0:
		s.fault(noren.Textf("forget: up_to がないと遮断の長さはいつも同じです。up_to も書いてください", "forget: without up_to every ban lasts the same; add up_to"), "ban", "forget")
	case b.UpTo == 0:
	case b.Entity == noren.EntityNet:
		s.fault(noren.Textf("up_to: ネットワークの中の別々の人のしたことで、遮断を長くはできません。up_to を消してください", "up_to: a network is not banned longer because of what different people in it did; leave up_to out"), "ban", "up_to")
	case b.UpTo < b.For || b.UpTo > MaxBan:
		s.fault(noren.Textf("up_to: いちばん長い遮断は、はじめの長さ（for）以上、30d（30日）までです", "up_to: the longest ban is at least as long as the first and at most 30d"), "ban", "up_to")
	case b.forget() < 2*b.UpTo || b.forget() > MaxForget || b.forget()%time.Hour != 0:
		s.fault(noren.Textf("forget: 1時間単位で、up_to の2倍（%s）以上、365d（365日）までです", "forget: whole hours, at least twice up_to (%s) and at most 365d, so that somebody can be quiet that long", 2*b.UpTo), "ban", "forget")
	}
}

// checkEvidence holds that who is banned is whom the condition counts: one
// visitor's deeds must not ban an address where a thousand others are.
func (p *parsed) checkEvidence() {
	b := p.policy.Ban
	if b == nil {
		return
	}
	of := func(entity string) bool {
		return slices.ContainsFunc(p.computed(), func(name string) bool { return p.about(name) == entity })
	}
	wide := of(noren.EntityAddress) || of(noren.EntityNet)
	narrow := of(noren.EntitySession) || of(noren.EntityDevice) || of(noren.EntityAccount)
	switch {
	case b.Entity == noren.EntitySession && wide && !narrow:
		p.fault(noren.Textf("条件はアドレスについてですが、そこの訪問（session）はだれのものか分かりません。address を遮断するか、訪問ごとに数えてください", "the condition is about an address; a session there may be anybody's. Ban the address, or count by session"), "ban", "entity")
	case b.Entity != noren.EntitySession && narrow && !wide:
		p.fault(noren.Textf("条件は一人の訪問者についてですが、同じアドレスにいるほかの方は何もしていません。session を遮断するか、アドレスごとに数えてください", "the condition is about one visitor; whoever else is behind the address did nothing. Ban the session, or count by address"), "ban", "entity")
	}
}

// about is the entity that a fact counts: its own, or whose steps a sequence puts
// together. What files tell of an address is no deed.
func (p *parsed) about(fact string) string {
	entity, rest, _ := strings.Cut(fact, ".")
	switch {
	case entity == "sequence":
		for _, q := range p.l.sequences {
			if q.Name == rest {
				return q.By
			}
		}
	case slices.Contains([]string{"country", "asn", "asn_name", "network", "verified_bot", "listed"}, rest):
		return ""
	}
	return entity
}

func (b *Ban) forget() time.Duration {
	if b.Forget == 0 {
		return defaultForget
	}
	return b.Forget
}

// facts are the computed facts that the ban needs.
func (b *Ban) facts() []string {
	if b == nil {
		return nil
	}
	var out []string
	if b.Entity != noren.EntitySession {
		out = append(out, b.crowdFact())
	}
	if b.UpTo > 0 {
		out = append(out, b.repeatFact())
	}
	return out
}

func (b *Ban) crowdFact() string { return b.Entity + crowdFact }

func (b *Ban) repeatFact() string {
	h := int(b.forget() / time.Hour)
	if h%24 == 0 {
		return b.Entity + ".bans_" + strconv.Itoa(h/24) + "d"
	}
	return b.Entity + ".bans_" + strconv.Itoa(h) + "h"
}

// Last is how long a ban lasts when so many before it count: the first time
// doubled with each, up to the longest.
func (b *Ban) Last(repeat int64) time.Duration {
	d := b.For
	for range min(max(repeat, 0), 40) {
		if d >= b.UpTo {
			break
		}
		d *= 2
	}
	return min(d, max(b.UpTo, b.For))
}

// ban is the rule's action for ev; false when it has none or ev nobody to ban.
func (r *rule) ban(ev *noren.Event, facts noren.Facts) (a noren.Action, ok bool) {
	if r.Ban == nil {
		return a, false
	}
	a = noren.Action{ID: ev.ID + "/" + r.Name + "/ban", Kind: noren.ActBan, Site: ev.Site, Entity: r.Ban.Entity, Policy: r.Name, Reason: r.Reason}
	if a.Target, ok = r.Ban.target(ev); !ok {
		return a, false
	}
	if r.Ban.UpTo > 0 {
		a.Repeat, _ = facts[r.Ban.repeatFact()].(int64)
	}
	if n, _ := facts[r.Ban.crowdFact()].(int64); r.Ban.Entity != noren.EntitySession && (n >= crowd || ownMachine(ev.Address())) {
		a.Kind, a.ID = noren.ActCheck, ev.ID+"/"+r.Name+"/check"
	}
	last := r.Ban.Last(a.Repeat)
	a.Until = noren.At(ev.At.Add(last))
	a.Expires = noren.At(ev.At.Add(min(last, noren.DefaultActionLife)))
	return a, true
}

// ownMachine reports whether an address is the machine's own or of the shop's
// private network. A web server in front, whose visitors nobody told us to look
// behind (trusted_proxies), speaks from there for all of them.
func ownMachine(a netip.Addr) bool {
	return a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback() || a.IsPrivate()
}

// target is who is banned because of ev; ok is false when ev does not name them.
func (b *Ban) target(ev *noren.Event) (string, bool) {
	if b.Entity == noren.EntitySession {
		s := ev.Entities[noren.EntitySession]
		return s, s != ""
	}
	addr := ev.Address()
	if !addr.IsValid() {
		return "", false
	}
	if b.Entity != noren.EntityNet {
		return addr.String(), true
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(addr, bits).Masked().String(), true
}
