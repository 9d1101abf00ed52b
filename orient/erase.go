package orient

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"noren"
	"noren/db"
)

// Erase takes a person out of history, in tx: their token goes from every row,
// and with an account or device the sessions, mail addresses and the like that
// its events named. The rows themselves stay as numbers of the shop: counts,
// sums and rates of other entities stand, numbers of different accounts
// (devices, addresses) no longer include this one.
//
// What is not committed yet comes after the erasure.
func (o *Orient) Erase(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	for _, p := range o.subject(site, s) {
		if err := o.erase(ctx, tx, p); err != nil {
			return fmt.Errorf("erase history of %s: %w", s.Kind, err)
		}
	}
	return nil
}

// subject are the parties whose history a person's is: with an address its
// client, whom bans and sequences know. None for the site itself, which nobody
// erases.
func (o *Orient) subject(site string, s noren.Subject) []party {
	switch {
	case s.ID == "":
	case s.Kind == noren.EntityAccount:
		return []party{{slotAccount, o.tokens.of(site, s.Kind, s.ID)}}
	case s.Kind == noren.EntityDevice:
		return []party{{slotDevice, o.tokens.of(site, s.Kind, s.ID)}}
	case s.Kind == noren.EntityAddress:
		addr, err := netip.ParseAddr(s.ID)
		if err != nil {
			return nil
		}
		addr = addr.Unmap().WithZone("")
		raw := addr.As16()
		return []party{{slotAddress, o.tokens.ofBytes(site, s.Kind, raw[:])}, {slotClient, o.clientKey(site, addr)}}
	}
	return nil
}

// erase takes one party out of rows and out of memory. Memory goes after the
// rows: a load that began before it is told by the erasure at its end.
func (o *Orient) erase(ctx context.Context, tx *db.Tx, p party) error {
	e := &erasure{who: p, gone: map[presence]bool{}, events: map[key]bool{}}
	touched, err := e.carryOut(ctx, tx)
	if err != nil {
		return err
	}
	keys := append(touched, p.key)
	o.registry.recent(e)
	o.forget(e, keys)
	if o.shared {
		for _, k := range keys {
			o.unsent.add(party{slotUnknown, k}, e.item())
		}
	}
	return nil
}

// forget takes a person out of memory: out of what is known of keys, and of those
// whom outcomes still to be committed named in the person's attempts.
func (o *Orient) forget(e *erasure, keys []key) {
	o.erased.add(e, keys)
	o.chains.forget(e.who.key)
	more, events := o.registry.forget(e)
	o.erased.add(e, more)
	e = e.including(events)
	for _, k := range append(more, keys...) {
		o.existing(party{key: k}, func(st *state) { st.forget(e) })
	}
}

// erasure is a person going out of history.
type erasure struct {
	who  party
	upTo int64 // their newest event
	// That event, and the time of their newest step: while they are there, the
	// erasure is not committed. 0 for none.
	last key
	step int64
	// Of their events, those that an outcome named them in: marks do not say so.
	// Who does not know them all looks at everything anew.
	events map[key]bool
	anew   bool
	// gone are the rows that went of recent events: memory may not have been told
	// yet that they were committed.
	gone map[presence]bool

	committed atomic.Bool
}

// presence is an entity in an event. The entity 0 stands for the event itself.
type presence struct{ entity, event key }

// personal reports whether sessions, mail addresses and the like go along: an
// address is shared by people.
func (e *erasure) personal() bool { return e.who.slot == slotAccount || e.who.slot == slotDevice }

// goes reports whether an entity of the person's events goes out of them.
func (e *erasure) goes(p party) bool {
	return p.key == e.who.key || e.personal() && p.slot >= columns
}

// item tells other nodes of an erasure.
func (e *erasure) item() []byte {
	m := mark{at: e.upTo, id: e.who.key, amount: e.step, quantity: int32(e.who.slot)}
	m.parties[0] = e.last
	return encodeItem(itemForget, groupLogin, m)
}

// erasureOf is the inverse of item; ok is false for one of another version.
func erasureOf(m mark) (e *erasure, ok bool) {
	if m.quantity < 0 || int(m.quantity) >= len(builtins) {
		return nil, false
	}
	return &erasure{who: party{slot(m.quantity), m.id}, upTo: m.at, last: m.parties[0], step: m.amount, anew: true}, true
}

// including is e with more events that are the person's.
func (e *erasure) including(events map[key]bool) *erasure {
	maps.Copy(events, e.events)
	return &erasure{who: e.who, upTo: e.upTo, events: events, anew: e.anew, gone: e.gone}
}

// forget takes the person out of what is in memory of one entity. What is left
// is loaded again, also when a load is under way: it may have read their rows.
func (st *state) forget(e *erasure) {
	st.loaded = st.loaded && !st.layout.stored
	st.reload = st.loading != nil
	st.first = st.first.uncommitted(func(id key) bool { return e.gone[presence{st.key, id}] })
	st.told = slices.DeleteFunc(st.told, func(t toldMark) bool { return e.takes(st, &t.m) })
	for i := range st.told {
		e.blank(st, &st.told[i].m)
	}
	for g, s := range st.series {
		if s == nil {
			continue
		}
		s.marks = slices.DeleteFunc(s.marks[s.head:], func(m mark) bool { return e.takes(st, &m) })
		s.head = 0
		for i := range s.marks {
			e.blank(st, &s.marks[i])
			st.first.note(s.marks[i].sight())
		}
		s.watch(st.of().windows[g])
	}
}

// takes reports whether a mark in the state of an entity goes. On another node
// all go of a session, a mail address and the like; a load finds again what is
// somebody else's.
func (e *erasure) takes(st *state, m *mark) bool {
	left := st.stillOpen(m)
	switch {
	case e.gone[presence{st.key, m.id}]:
		return true
	case m.at > e.upTo || left&(openMark|openLink) != 0:
		return false
	case st.key == e.who.key:
		return true
	case !e.goes(party{st.slot, st.key}):
		return false
	}
	return e.events[m.id] || slices.Contains(m.parties[:], e.who.key) || e.anew && left == 0
}

// blank takes the person out of a mark that stays.
func (e *erasure) blank(st *state, m *mark) {
	if !e.gone[presence{0, m.id}] && (m.at > e.upTo || st.stillOpen(m)&openMark != 0) {
		return // its own row comes after the erasure
	}
	m.blank(e.who.key)
}

func (m *mark) blank(who key) {
	for i := range m.parties {
		if m.parties[i] == who {
			m.parties[i] = 0
		}
	}
}
