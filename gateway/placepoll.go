package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"noren"
	"noren/db"
)

// Run follows other nodes' changes and records what is over, until ctx ends.
// While the database is away the last places stay in force.
func (p *Places) Run(ctx context.Context) {
	poll, sweep := time.NewTicker(p.o.Poll), time.NewTicker(sweepEvery)
	defer poll.Stop()
	defer sweep.Stop()
	p.mu.Lock()
	p.serving = true
	p.alarmOpenings(nil, p.snap.Load().openings)
	p.mu.Unlock()
	away := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			err = p.Refresh(ctx)
		case <-sweep.C:
			err = p.Sweep(ctx)
		}
		if failed := err != nil && ctx.Err() == nil; failed != away {
			away = failed
			if failed {
				p.o.Log.Error("named places cannot be read; the last ones stay in force", "alarm", true, "err", err)
			} else {
				p.o.Log.Info("named places are read again")
			}
		}
	}
}

// Refresh brings the snapshot up to what SQL says. Rows do not change, so only
// those are opened that are new.
func (p *Places) Refresh(ctx context.Context) error {
	p.mu.Lock() // a change of this node must not be read over by what was before it
	defer p.mu.Unlock()
	was := p.snap.Load()
	next := &placeSnap{byName: map[placeKey]*NamedPlace{}}
	var err error
	if next.places, err = follow(ctx, p, placesTable, was.places, p.readPlaces); err != nil {
		return err
	}
	if next.openings, err = follow(ctx, p, openingsTable, was.openings, p.readOpenings); err != nil {
		return err
	}
	for _, place := range next.places {
		next.byName[placeKey{place.Site, place.Name}] = place
	}
	if p.serving {
		p.alarmOpenings(was.openings, next.openings)
	}
	p.snap.Store(next)
	return nil
}

// follow returns the rows in force by id, reading those that are not known.
func follow[T identified](ctx context.Context, p *Places, table *db.Table, have map[string]T, read func(context.Context, []string) ([]T, error)) (map[string]T, error) {
	ids, err := p.currentIDs(ctx, table)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table.Name, err)
	}
	next := make(map[string]T, len(ids))
	var fresh []string
	for _, id := range ids {
		if row, ok := have[id]; ok {
			next[id] = row
		} else if now := p.o.Now(); !now.Before(p.again[id]) {
			fresh = append(fresh, id)
			p.again[id] = now.Add(brokenAgain)
		}
	}
	rows, err := read(ctx, fresh)
	for _, row := range rows {
		next[row.id()] = row
		delete(p.again, row.id())
	}
	if err != nil {
		clear(p.again)
	}
	return next, err
}

// brokenAgain is how soon a row that cannot be opened is tried again.
const brokenAgain = time.Minute

type identified interface{ id() string }

func (p *NamedPlace) id() string { return p.ID }
func (o *Opening) id() string    { return o.ID }

// Sweep records what is over, each on one node, and drops old rows.
func (p *Places) Sweep(ctx context.Context) error {
	now := p.o.Now()
	snap := p.snap.Load()
	ids, err := p.noteExpired(ctx, placesTable, now)
	if err != nil {
		return fmt.Errorf("note places that are over: %w", err)
	}
	for _, id := range ids {
		if place := snap.places[id]; place != nil {
			p.noted(p.reportPlace(ctx, place, "expire", "noren", "its time is over"))
		}
	}
	if ids, err = p.noteExpired(ctx, openingsTable, now); err != nil {
		return fmt.Errorf("note openings that are over: %w", err)
	}
	for _, id := range ids {
		if o := snap.openings[id]; o != nil {
			p.noted(p.reportOpening(ctx, o, "expire", "noren", "its time is over"))
		}
	}
	return p.prune(ctx, now.Add(-keepEnded))
}

func (p *Places) noted(err error) {
	if err != nil {
		p.o.Log.Error("the end of a place or an opening is not recorded", "alarm", true, "err", err)
	}
}

// Erase removes an erased person's address from places and openings; for
// vault.OnErase. The snapshot follows with the next poll.
func (p *Places) Erase(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	if s.Kind != noren.EntityAddress {
		return nil
	}
	return p.EraseToken(ctx, tx, site, p.o.Sealer.Token(site, noren.EntityAddress, s.ID))
}

// EraseToken removes every place and opening that names the address of a token:
// a place is the shop's to make again, without the address.
func (p *Places) EraseToken(ctx context.Context, tx *db.Tx, site string, token []byte) error {
	snap := p.snap.Load()
	for id, place := range snap.places {
		if place.Site == site && p.anyIs(site, token, place.Networks...) {
			if err := deleteRow(ctx, tx, placesTable, id); err != nil {
				return err
			}
		}
	}
	for id, o := range snap.openings {
		if o.Site == site && p.anyIs(site, token, o.From) {
			if err := deleteRow(ctx, tx, openingsTable, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Places) anyIs(site string, token []byte, nets ...netip.Prefix) bool {
	for _, n := range nets {
		if n.IsValid() && n.IsSingleIP() && string(p.o.Sealer.Token(site, noren.EntityAddress, n.Addr().String())) == string(token) {
			return true
		}
	}
	return false
}
