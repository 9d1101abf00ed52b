package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"time"

	"noren"
)

// Mix says what a stream of events is made of. The zero value means an ordinary
// shop's: mostly sign-ins, some payments and orders, one event in fifty of an
// attacker.
type Mix struct {
	Site string // "" means shop
	// Logins, Payments and Orders are shares by weight. A sign-in and a payment
	// are two events, the attempt and its outcome.
	Logins, Payments, Orders int
	// Attackers is the share of sign-ins and payments that attackers make.
	Attackers float64
	// Accounts is how many customers there are; 0 means 5,000.
	Accounts int
	// Every is the mean time between two events; 0 means half a second.
	Every time.Duration
	// Start is the time of the first event; zero means 1 April 2026, 9:00 in Japan.
	Start time.Time
}

func (m Mix) complete() Mix {
	if m.Site == "" {
		m.Site = "shop"
	}
	if m.Logins == 0 && m.Payments == 0 && m.Orders == 0 {
		m.Logins, m.Payments, m.Orders = 7, 2, 1
	}
	if m.Attackers == 0 {
		m.Attackers = 0.02
	}
	if m.Accounts == 0 {
		m.Accounts = 5_000
	}
	if m.Every == 0 {
		m.Every = 500 * time.Millisecond
	}
	if m.Start.IsZero() {
		m.Start = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	}
	return m
}

// Events generates n events in the order of their time. The same seed and mix
// give the same events.
func Events(seed uint64, n int, m Mix) iter.Seq[noren.Event] {
	return func(yield func(noren.Event) bool) {
		g := newGenerator(seed, m.complete())
		for range n {
			if !yield(g.next()) {
				return
			}
		}
	}
}

// WriteEvents writes events as JSON Lines, the form noren replay reads.
func WriteEvents(w io.Writer, events iter.Seq[noren.Event]) error {
	b := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for ev := range events {
		if err := enc.Encode(&ev); err != nil {
			return fmt.Errorf("write event %s: %w", ev.ID, err)
		}
	}
	return b.Flush()
}

// regular is a customer with what belongs to them.
type regular struct {
	mail, address, device, session, card, bin, phone, terminal string
}

type generator struct {
	mix      Mix
	r        *rand.Rand
	at       time.Time
	seq      int
	regulars []regular
	raiders  []regular
	outcomes []noren.Event // of attempts that are under way
}

const raiders = 20

func newGenerator(seed uint64, m Mix) *generator {
	g := &generator{mix: m, r: rand.New(rand.NewPCG(seed, 4)), at: m.Start}
	for i := range m.Accounts {
		// Customers are spread over 10.0.0.0/8, attackers sit in one
		// documentation network.
		g.regulars = append(g.regulars, g.regular(i, netip.AddrFrom4([4]byte{10, byte(i >> 14), byte(i >> 6), byte(1 + i&63)})))
	}
	for i := range raiders {
		g.raiders = append(g.raiders, g.regular(1_000_000+i, netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)})))
	}
	return g
}

// regular invents a party.
func (g *generator) regular(i int, addr netip.Addr) regular {
	return regular{
		mail:    fmt.Sprintf("customer%06d@example.jp", i),
		address: addr.String(), device: "d_" + g.letters(16), session: "s_" + g.letters(16), card: "tok_" + g.letters(24),
		bin:   pick(g.r, []string{"411111", "424242", "555555", "356600", "400005", "378282"}),
		phone: fmt.Sprintf("090-0000-%04d", i%10_000), terminal: fmt.Sprintf("T%03d", i%200),
	}
}

// letters are random and hold no digits: tokens must never look like cards.
func (g *generator) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(g.r.IntN(26))
	}
	return string(b)
}

func (g *generator) next() noren.Event {
	g.at = g.at.Add(time.Duration(g.r.ExpFloat64() * float64(g.mix.Every))).Truncate(time.Microsecond)
	g.seq++
	// An outcome follows its attempt closely, with others in between.
	if k := len(g.outcomes); k > 0 && g.r.IntN(3) < k {
		ev := g.outcomes[0]
		g.outcomes = g.outcomes[1:]
		return g.stamp(ev)
	}
	attacks := g.r.Float64() < g.mix.Attackers
	switch n := g.r.IntN(g.mix.Logins + g.mix.Payments + g.mix.Orders); {
	case n < g.mix.Logins:
		return g.login(attacks)
	case n < g.mix.Logins+g.mix.Payments:
		return g.payment(attacks)
	}
	return g.order()
}

func (g *generator) stamp(ev noren.Event) noren.Event {
	ev.ID = eventID(g.seq)
	ev.At = noren.At(g.at)
	ev.Site = g.mix.Site
	return ev
}

// eventID is e0000000001: sorted like the events are.
func eventID(n int) string {
	b := []byte("e0000000000")
	for i := len(b) - 1; n > 0 && i > 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
	return string(b)
}

// attempt stamps the first half of a pair and lays the second aside.
func (g *generator) attempt(ev, outcome noren.Event) noren.Event {
	ev = g.stamp(ev)
	ev.AttemptID = ev.ID
	outcome.AttemptID, outcome.Zone, outcome.Entities = ev.ID, ev.Zone, maps.Clone(ev.Entities)
	g.outcomes = append(g.outcomes, outcome)
	return ev
}

func (g *generator) login(attacks bool) noren.Event {
	who := &g.regulars[g.r.IntN(len(g.regulars))]
	from, fails := who, g.r.IntN(12) == 0
	if attacks {
		from, fails = &g.raiders[g.r.IntN(raiders)], g.r.IntN(50) > 0
	}
	result := &noren.LoginResult{User: who.mail, Success: !fails}
	if fails {
		result.Cause = "wrong_password"
	}
	return g.attempt(noren.Event{Kind: noren.LoginAttempt, Zone: noren.ZoneLogin, Payload: &noren.Login{User: who.mail}, Entities: noren.Entities{
		noren.EntityAccount: who.mail, noren.EntityAddress: from.address, noren.EntityDevice: from.device, noren.EntitySession: from.session, "terminal": from.terminal,
	}}, noren.Event{Kind: noren.LoginOutcome, Payload: result})
}

func (g *generator) payment(attacks bool) noren.Event {
	who := &g.regulars[g.r.IntN(len(g.regulars))]
	card, fails, amount := who.card, g.r.IntN(25) == 0, int64(1_000+g.r.IntN(30_000))
	if attacks {
		who, fails, amount = &g.raiders[g.r.IntN(raiders)], g.r.IntN(20) > 0, int64(100+g.r.IntN(400))
		card = "tok_" + g.letters(24)
	}
	code := ""
	if fails {
		code = "card_declined"
	}
	order := "o" + eventID(g.seq)[1:]
	return g.attempt(noren.Event{Kind: noren.PaymentAttempt, Zone: noren.ZoneCheckout,
		Payload: &noren.Payment{Order: order, Amount: noren.Yen(amount), Method: "card", Last4: "0000"},
		Entities: noren.Entities{noren.EntityAccount: who.mail, noren.EntityAddress: who.address, noren.EntityDevice: who.device,
			noren.EntityCard: card, noren.EntityBIN: who.bin, noren.EntityOrder: order, "terminal": who.terminal},
	}, noren.Event{Kind: noren.PaymentOutcome, Payload: &noren.PaymentResult{Order: order, Amount: noren.Yen(amount), Success: !fails, Code: code}})
}

func (g *generator) order() noren.Event {
	who := &g.regulars[g.r.IntN(len(g.regulars))]
	order := "o" + eventID(g.seq)[1:]
	o := &noren.Order{Number: order, Method: pick(g.r, []string{"card", "konbini", "cod"}),
		Receiver: &noren.Party{Prefecture: "京都府", Phone: who.phone, Mail: who.mail}}
	for range 1 + g.r.IntN(3) {
		it := noren.Item{ID: "p" + eventID(1 + g.r.IntN(300))[8:], Quantity: int64(1 + g.r.IntN(3)), Price: noren.Yen(int64(500 + g.r.IntN(9_000)))}
		o.Items = append(o.Items, it)
		o.Total.Minor += it.Quantity * it.Price.Minor
	}
	o.Total.Currency = "JPY"
	return g.stamp(noren.Event{Kind: noren.OrderPlaced, Zone: noren.ZoneCheckout, Payload: o, Entities: noren.Entities{
		noren.EntityAccount: who.mail, noren.EntityAddress: who.address, noren.EntityDevice: who.device, noren.EntityMail: who.mail,
		noren.EntityPhone: who.phone, noren.EntityOrder: order, "terminal": who.terminal,
	}})
}
