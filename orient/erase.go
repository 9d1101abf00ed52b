package orient

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"sync"

	"noren"
)

// Erase takes a person out of history, in tx: their token goes from every row,
// and with an account or device the sessions, mail addresses and the like that
// its events named. The rows themselves stay as numbers of the shop: counts,
// sums and rates of other entities stand, numbers of different accounts
// (devices, addresses) no longer include this one.
func (o *Orient) Erase(ctx context.Context, tx *sql.Tx, site string, s noren.Subject) error {
	who, column, ok := o.subject(site, s)
	if !ok {
		return nil
	}
	e := erasure{column: column, token: who.key}
	touched, err := e.touched(ctx, tx, o.entities)
	if err == nil {
		err = e.carryOut(ctx, tx)
	}
	if err != nil {
		return fmt.Errorf("erase history of %s: %w", s.Kind, err)
	}
	o.registry.forget(who.key)
	o.cache.forget(who.key)
	o.erased.add(e, append(touched, who.key))
	for _, k := range touched {
		o.existing(party{key: k}, func(st *state) { st.loaded = false })
	}
	if o.shared {
		for _, k := range append(touched, who.key) {
			o.unsent.add(party{slotUnknown, k}, encodeItem(itemForget, groupLogin, mark{at: e.upTo, id: who.key, quantity: int32(who.slot)}))
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
}

// maxTouched bounds how many other entities are loaded anew after an erasure;
// what is beyond forgets the person when it leaves memory.
const maxTouched = 5_000

// touched are the other entities on the person's rows: what memory knows of
// them is out of date.
func (e *erasure) touched(ctx context.Context, tx *sql.Tx, es *entities) (out []key, err error) {
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

func (e *erasure) carryOut(ctx context.Context, tx *sql.Tx) error {
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

// erased remembers entities on whose rows an erasure may not be committed yet:
// until it is, what is loaded of them is not kept.
type erased struct {
	mu sync.Mutex
	by map[key]erasure
}

const maxErased = 50_000

func (e *erased) add(by erasure, keys []key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil {
		e.by = map[key]erasure{}
	}
	for _, k := range keys {
		if len(e.by) < maxErased {
			e.by[k] = by
		}
	}
}

func (e *erased) of(k key) (erasure, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	by, ok := e.by[k]
	return by, ok
}

func (e *erased) done(k key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.by, k)
}

// erasing reports whether rows of k that are to go are still there.
func (o *Orient) erasing(ctx context.Context, q querier, k key) (bool, error) {
	e, ok := o.erased.of(k)
	if !ok {
		return false, nil
	}
	there := false
	err := eachID(ctx, q, func(key) { there = true },
		`SELECT id FROM orient_events WHERE `+e.column+` = $1 AND at <= $2 LIMIT 1`, int64(e.token), e.upTo)
	if err != nil {
		return false, noren.Errorf(noren.Unavailable, "look for erased rows: %w", err)
	}
	if !there {
		o.erased.done(k)
	}
	return there, nil
}

// forget is Erase as told by another node.
func (o *Orient) forget(p party, m mark) {
	if int(m.quantity) >= int(columns) {
		return
	}
	o.erased.add(erasure{column: builtins[m.quantity].name, token: m.id, upTo: m.at}, []key{p.key})
	if p.key == m.id {
		o.registry.forget(p.key)
		o.cache.forget(p.key)
		return
	}
	o.existing(p, func(st *state) { st.loaded = false })
}
