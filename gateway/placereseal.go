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
	snap := p.snap.Load()
	for _, place := range snap.places {
		if err := p.resealRow(ctx, placesTable, place.row(p), now, before); err != nil {
			return fmt.Errorf("seal the place %s anew: %w", place.ID, err)
		}
	}
	return nil // an opening lasts a day
}

// resealRow leaves a row alone that is younger, or that another node has done.
func (p *Places) resealRow(ctx context.Context, table *db.Table, r placeRow, now, before time.Time) error {
	sealed, keyRows, err := p.o.Sealer.Seal(r.site, noren.Subject{}, now, r.plain, placeAAD(table, r.site, r.id))
	if err != nil {
		return err
	}
	return p.o.DB.Write(ctx, func(tx *db.Tx) error {
		var old int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM `+table.Name+` WHERE id = $1 AND sealed_at < $2`, r.id, before.UnixMicro()).Scan(&old); err != nil || old == 0 {
			return err
		}
		if err := tx.Insert(ctx, keyRows); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE `+table.Name+` SET sealed_key = $1, sealed = $2, sealed_at = $3 WHERE id = $4`,
			sealed.Key, sealed.Data, now.UnixMicro(), r.id)
		return err
	})
}
