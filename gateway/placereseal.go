package gateway

import (
	"context"
	"fmt"
	"time"

	"noren"
	"noren/db"
)

// Reseal seals anew, under the key of now's month, the places and openings in
// force that were sealed before a time: a place without an end outlives the key
// of its month.
func (p *Places) Reseal(ctx context.Context, now, before time.Time) error {
	old, err := p.sealedBefore(ctx, before)
	if err != nil {
		return fmt.Errorf("read old places: %w", err)
	}
	places := p.snap.Load().places
	for _, id := range old { // an opening lasts a day
		if place := places[id]; place != nil {
			if err := p.resealRow(ctx, placesTable, place.row(p.o.Sealer), now, before); err != nil {
				return fmt.Errorf("seal the place %s anew: %w", id, err)
			}
		}
	}
	return nil
}

func (p *Places) sealedBefore(ctx context.Context, before time.Time) ([]string, error) {
	rows, err := p.o.DB.Read().QueryContext(ctx, `SELECT id FROM `+placesTable.Name+` WHERE ended_at IS NULL AND sealed_at < $1`, before.UnixMicro())
	if err != nil {
		return nil, err
	}
	return scanIDs(rows)
}

// resealRow leaves a row alone that another node has done.
func (p *Places) resealRow(ctx context.Context, table *db.Table, r placeRow, now, before time.Time) error {
	sealed, keyRows, err := p.o.Sealer.Seal(r.site, noren.Subject{}, now, r.plain, placeAAD(table, r.site, r.id))
	if err != nil {
		return err
	}
	return p.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Insert(ctx, keyRows); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE `+table.Name+` SET sealed_key = $1, sealed = $2, sealed_at = $3 WHERE id = $4 AND sealed_at < $5`,
			sealed.Key, sealed.Data, now.UnixMicro(), r.id, before.UnixMicro())
		return err
	})
}
