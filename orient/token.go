package orient

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"noren"
)

// key is the keyed token of one entity (or event) of one site: 64 bits of
// SHA-256 under a key that only the vault can derive again. It is what rows,
// shared state and the cache know an entity by. 0 is nobody.
type key uint64

// tokens makes keys. Deriving one secret from the vault at start instead of
// asking it for every entity keeps a decision's six to nine tokens near a
// microsecond.
type tokens struct{ secret [32]byte }

func newTokens(token func(site, field, value string) []byte) *tokens {
	h := sha256.New()
	for _, part := range []string{"1", "2"} {
		h.Write(token("", "orient", part))
	}
	t := &tokens{}
	h.Sum(t.secret[:0])
	return t
}

// of returns the key of value, which is an entity (field is its name) or an
// event of site.
func (t *tokens) of(site, field, value string) key {
	var stack [256]byte
	return sum(append(t.head(stack[:0], site, field), value...))
}

// ofBytes is of for values that are not text.
func (t *tokens) ofBytes(site, field string, value []byte) key {
	var stack [256]byte
	return sum(append(t.head(stack[:0], site, field), value...))
}

func (t *tokens) head(b []byte, site, field string) []byte {
	b = append(b, t.secret[:]...)
	b = binary.AppendUvarint(b, uint64(len(site)))
	b = append(b, site...)
	b = binary.AppendUvarint(b, uint64(len(field)))
	return append(b, field...)
}

func sum(b []byte) key {
	h := sha256.Sum256(b)
	return max(key(binary.LittleEndian.Uint64(h[:])), 1)
}

// party is one entity of an event.
type party struct {
	slot slot
	key  key
}

// parties are the entities of one event that are counted by.
type parties struct {
	all  [maxParties]party
	n    int
	addr netip.Addr
}

// maxParties: every entity an event may carry and the five derived ones.
const maxParties = noren.MaxEntities + 5

func (ps *parties) add(s slot, k key) {
	if ps.n < len(ps.all) {
		ps.all[ps.n] = party{s, k}
		ps.n++
	}
}

func (ps *parties) list() []party { return ps.all[:ps.n] }

// of returns the key of slot s, 0 when the event has no such entity.
func (ps *parties) of(s slot) key {
	for _, p := range ps.list() {
		if p.slot == s {
			return p.key
		}
	}
	return 0
}

// parties works out who an event is about, and what is known of its address.
// Derived entities are never taken from the sender.
func (o *Orient) parties(ev *noren.Event, w *work) {
	ps := &w.parties
	for name, v := range ev.Entities {
		s, ok := o.entities.index[name]
		switch {
		case !ok || v == "" || derived(s):
		case s == slotAddress:
			ps.addr = ev.Address()
		default:
			ps.add(s, o.tokens.of(ev.Site, name, v))
		}
	}
	w.info = &AddressInfo{}
	if ps.addr.IsValid() {
		w.info = o.addresses.lookup(ps.addr)
		o.addressParties(ev.Site, ps, w.info)
	}
	ps.add(slotSite, o.tokens.of(ev.Site, noren.EntitySite, ""))
}

// addressParties adds the address and what is derived from it.
func (o *Orient) addressParties(site string, ps *parties, info *AddressInfo) {
	raw := ps.addr.As16()
	ps.add(slotAddress, o.tokens.ofBytes(site, noren.EntityAddress, raw[:]))
	ps.add(slotClient, o.clientKey(site, ps.addr))
	network, err := ps.addr.Prefix(netBits(ps.addr))
	if err == nil {
		raw = network.Addr().As16()
		ps.add(slotNet, o.tokens.ofBytes(site, noren.EntityNet, raw[:]))
	}
	if info.ASN != 0 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], info.ASN)
		ps.add(slotASN, o.tokens.ofBytes(site, noren.EntityASN, b[:]))
	}
	if info.Country != "" {
		ps.add(slotCountry, o.tokens.of(site, noren.EntityCountry, info.Country))
	}
}

// netBits is the size of the network that one customer commonly holds.
func netBits(a netip.Addr) int {
	if a.Is4() {
		return 24
	}
	return 48
}

func (o *Orient) addressFactsOf(w *work, into noren.Facts) {
	if len(w.plan.address) > 0 {
		w.info.facts(into, w.plan.address, o.addresses.bot(w.ev, w.parties.addr, w.info))
	}
}
