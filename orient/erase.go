package orient

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"noren"
	"noren/db"
)

// Erase takes a person out of history, in tx: their token goes from every row,
// and with an account or device the sessions, mail addresses and the like that
// its events named. The rows themselves stay as numbers of the shop: counts,
// sums and rates of other entities stand, numbers of different accounts
// (devices, addresses) no longer include this one.
func (o *Orient) Erase(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	who, column, ok := o.subject(site, s)
	if !ok {
		return nil
	}
	e := erasure{column: column, token: who.key}
	touched, err := e.touched(ctx, tx, o.entities)
	if err == nil {
		err = e.carryOut(ctx, tx)
	}
	if err == nil {
		err = o.forgetSteps(ctx, tx, who.key)
	}
	if err == nil {
		err = o.forgetClient(ctx, tx, site, s)
	}
	if err != nil {
		return fmt.Errorf("erase history of %s: %w", s.Kind, err)
	}
	keys := append(touched, who.key)
	o.erased.add(e, keys)
	o.registry.forget(who.key)
	for _, k := range keys {
		o.existing(party{key: k}, func(st *state) { st.forget(e) })
		if o.shared {
			o.unsent.add(party{slotUnknown, k}, e.item(who.slot))
		}
	}
	return nil
}

// subject is the party whose history a person's is; ok is false for the site
// itself, which nobody erases.
func (o *Orient) subject(site string, s noren.Subject) (p party, column string, ok bool) {
	switch s.Kind {
	case noren.EntityAccount:
		p = party{slotAccount, o.tokens.of(site, s.Kind, s.ID)}
	case noren.EntityDevice:
		p = party{slotDevice, o.tokens.of(site, s.Kind, s.ID)}
	case noren.EntityAddress:
		addr, err := netip.ParseAddr(s.ID)
		if err != nil {
			return party{}, "", false
		}
		raw := addr.Unmap().WithZone("").As16()
		p = party{slotAddress, o.tokens.ofBytes(site, s.Kind, raw[:])}
	}
	return p, s.Kind, p.key != 0 && s.ID != ""
}

// erasure is a person going out of history.
type erasure struct {
	column string
	token  key
	upTo   int64 // their newest row

	committed bool
}

// maxTouched bounds how many other entities are loaded anew after an erasure;
// what is beyond forgets the person when it leaves memory.
const maxTouched = 5_000

// touched are the other entities on the person's rows: what memory knows of
// them is out of date.
func (e *erasure) touched(ctx context.Context, tx *db.Tx, es *entities) (out []key, err error) {
	mine := ` FROM orient_events WHERE ` + e.column + ` = $1`
	var newest sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT MAX(at)`+mine, int64(e.token)).Scan(&newest); err != nil {
		return nil, err
	}
	e.upTo = newest.Int64
	queries := []string{`SELECT DISTINCT token FROM orient_links WHERE id IN (SELECT id` + mine + `) LIMIT $2`}
	for s := range columns {
		if name := es.names[s]; name != e.column {
			queries = append(queries, `SELECT DISTINCT `+name+mine+` AND `+name+` IS NOT NULL LIMIT $2`)
		}
	}
	for _, q := range queries {
		if err := eachID(ctx, tx, func(k key) { out = append(out, k) }, q, int64(e.token), maxTouched); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *erasure) carryOut(ctx context.Context, tx *db.Tx) error {
	var statements []string
	if e.column != noren.EntityAddress { // an address is shared by people
		statements = append(statements, `DELETE FROM orient_links WHERE id IN (SELECT id FROM orient_events WHERE `+e.column+` = $1)`)
	}
	statements = append(statements,
		`DELETE FROM orient_links WHERE token = $1`,
		`UPDATE orient_events SET `+e.column+` = NULL WHERE `+e.column+` = $1`)
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s, int64(e.token)); err != nil {
			return err
		}
	}
	return nil
}

// item tells other nodes of an erasure.
func (e *erasure) item(s slot) []byte {
	return encodeItem(itemForget, groupLogin, mark{at: e.upTo, id: e.token, quantity: int32(s)})
}

// erasureOf is the inverse of item; ok is false for one of another version.
func erasureOf(m mark) (e erasure, ok bool) {
	if m.quantity < 0 || int(m.quantity) >= int(columns) {
		return erasure{}, false
	}
	return erasure{column: builtins[m.quantity].name, token: m.id, upTo: m.at}, true
}

// forget takes the person out of what is in memory of one entity. What is left
// is loaded again.
func (st *state) forget(e erasure) {
	st.loaded = st.loaded && !st.layout.stored
	st.first = st.first.uncommitted()
	st.told = slices.DeleteFunc(st.told, func(t toldMark) bool { return e.takes(st, &t.m) })
	for g, s := range st.series {
		if s == nil {
			continue
		}
		s.marks = slices.DeleteFunc(s.marks[s.head:], func(m mark) bool { return e.takes(st, &m) })
		s.head = 0
		for i := range s.marks {
			e.blank(&s.marks[i])
			st.first.note(s.marks[i].sight())
		}
		s.watch(st.of().windows[g])
	}
}

// takes reports whether a mark in the state of an entity goes: the person's own
// marks, and those of sessions, mail addresses and the like that were theirs.
func (e *erasure) takes(st *state, m *mark) bool {
	if m.at > e.upTo || st.stillOpen(m) {
		return false
	}
	return st.key == e.token || st.slot >= columns && e.column != noren.EntityAddress && slices.Contains(m.parties[:], e.token)
}

// blank takes the person out of a mark that stays.
func (e *erasure) blank(m *mark) {
	for i := range m.parties {
		if m.parties[i] == e.token && m.at <= e.upTo {
			m.parties[i] = 0
		}
	}
}

// erased remembers the entities that erasures touched: until an erasure is
// committed, what is loaded of them is not kept, and what shared state still
// holds of the person is not taken in.
type erased struct {
	any atomic.Bool
	mu  sync.Mutex
	by  map[key]*erasure
}

const maxErased = 50_000

func (e *erased) add(by erasure, keys []key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil || len(e.by)+len(keys) > maxErased {
		e.by = map[key]*erasure{}
	}
	for _, k := range keys {
		e.by[k] = &by
	}
	e.any.Store(true)
}

func (e *erased) of(k key) (by erasure, ok bool) {
	if !e.any.Load() {
		return erasure{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.by[k]; p != nil {
		return *p, true
	}
	return erasure{}, false
}

func (e *erased) committed(k key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.by[k]; p != nil {
		p.committed = true
	}
}

// erasing reports whether rows of k that are to go are still there.
func (o *Orient) erasing(ctx context.Context, q querier, k key) (bool, error) {
	e, ok := o.erased.of(k)
	if !ok || e.committed {
		return false, nil
	}
	there := false
	err := eachID(ctx, q, func(key) { there = true },
		`SELECT id FROM orient_events WHERE `+e.column+` = $1 AND at <= $2 LIMIT 1`, int64(e.token), e.upTo)
	if err != nil {
		return false, noren.Errorf(noren.Unavailable, "look for erased rows: %w", err)
	}
	if !there {
		o.erased.committed(k)
	}
	return there, nil
}
