package orient

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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
	e := &erasure{who: p}
	touched, err := e.touched(ctx, tx, o.entities)
	if err == nil {
		err = e.carryOut(ctx, tx)
	}
	if err != nil {
		return err
	}
	keys := append(touched, p.key)
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
	last, step int64
	// Of their events, those that an outcome named them in: marks do not say so.
	// Who does not know them all looks at everything anew.
	events map[key]bool
	anew   bool

	committed atomic.Bool
}

// maxTouched bounds how many other entities are loaded anew after an erasure;
// what is beyond forgets the person when it leaves memory.
const maxTouched = 5_000

// mine selects a column of the person's events: those that named them, and those
// whose outcome did.
func (e *erasure) mine(what string) string {
	links := `SELECT ` + what + ` FROM orient_links WHERE token = $1`
	if e.who.slot >= columns {
		return links
	}
	return `SELECT ` + what + ` FROM orient_events WHERE ` + builtins[e.who.slot].name + ` = $1 UNION ` + links
}

// touched are the other entities on the person's rows: what memory knows of
// them is out of date.
func (e *erasure) touched(ctx context.Context, tx *db.Tx, es *entities) (out []key, err error) {
	who := int64(e.who.key)
	err = tx.QueryRowContext(ctx, `SELECT at, id FROM (`+e.mine("at, id")+`) AS mine ORDER BY at DESC, id LIMIT 1`, who).Scan(&e.upTo, &e.last)
	if err == sql.ErrNoRows {
		err = nil
	}
	if err == nil {
		err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(at), 0) FROM orient_steps WHERE token = $1`, who).Scan(&e.step)
	}
	if err == nil && e.personal() {
		e.events = map[key]bool{}
		err = eachID(ctx, tx, func(id key) { e.events[id] = true }, `SELECT id FROM orient_links WHERE token = $1 LIMIT $2`, who, maxTouched)
		e.anew = len(e.events) == maxTouched
	}
	queries := []string{`SELECT DISTINCT token FROM orient_links WHERE id IN (` + e.mine("id") + `) LIMIT $2`}
	for s := range columns {
		name := es.names[s]
		queries = append(queries, `SELECT DISTINCT `+name+` FROM orient_events WHERE id IN (`+e.mine("id")+`) AND `+name+` IS NOT NULL LIMIT $2`)
	}
	for _, q := range queries {
		if err == nil {
			err = eachID(ctx, tx, func(k key) { out = append(out, k) }, q, who, maxTouched)
		}
	}
	return slices.DeleteFunc(out, func(k key) bool { return k == e.who.key }), err
}

func (e *erasure) carryOut(ctx context.Context, tx *db.Tx) error {
	var statements []string
	if e.personal() {
		statements = append(statements, `DELETE FROM orient_links WHERE id IN (`+e.mine("id")+`) AND entity NOT IN (`+columnCodes()+`)`)
	}
	statements = append(statements, `DELETE FROM orient_links WHERE token = $1`, `DELETE FROM orient_steps WHERE token = $1`)
	if e.who.slot < columns {
		name := builtins[e.who.slot].name
		statements = append(statements, `UPDATE orient_events SET `+name+` = NULL WHERE `+name+` = $1`)
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s, int64(e.who.key)); err != nil {
			return err
		}
	}
	return nil
}

// personal reports whether sessions, mail addresses and the like go along: an
// address is shared by people.
func (e *erasure) personal() bool { return e.who.slot == slotAccount || e.who.slot == slotDevice }

// columnCodes are what links know the entities by that stay: they have a column,
// and here an outcome named them.
func columnCodes() string {
	var out []string
	for _, b := range builtins[:columns] {
		out = append(out, strconv.FormatInt(code(b.name), 10))
	}
	return strings.Join(out, ", ")
}

// goes reports whether an entity of the person's events goes out of them.
func (e *erasure) goes(p party) bool {
	return p.key == e.who.key || e.personal() && p.slot >= columns
}

// item tells other nodes of an erasure.
func (e *erasure) item() []byte {
	m := mark{at: e.upTo, id: e.who.key, amount: e.step, quantity: int32(e.who.slot)}
	m.parties[0] = key(e.last)
	return encodeItem(itemForget, groupLogin, m)
}

// erasureOf is the inverse of item; ok is false for one of another version.
func erasureOf(m mark) (e *erasure, ok bool) {
	if m.quantity < 0 || int(m.quantity) >= len(builtins) {
		return nil, false
	}
	return &erasure{who: party{slot(m.quantity), m.id}, upTo: m.at, last: int64(m.parties[0]), step: m.amount, anew: true}, true
}

// including is e with more events that are the person's.
func (e *erasure) including(events map[key]bool) *erasure {
	maps.Copy(events, e.events)
	return &erasure{who: e.who, upTo: e.upTo, events: events, anew: e.anew}
}

// forget takes the person out of what is in memory of one entity. What is left
// is loaded again, also when a load is under way: it may have read their rows.
func (st *state) forget(e *erasure) {
	st.loaded = st.loaded && !st.layout.stored
	st.reload = st.loading != nil
	st.first = st.first.uncommitted()
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
	if m.at > e.upTo || st.stillOpen(m)&openMark != 0 {
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
