package settings

import (
	"context"
	"fmt"

	"noren"
	"noren/db"
)

// Settled are the steps of a site's set-up that people decided by hand, with the
// time of it.
func (s *Store) Settled(ctx context.Context, site string) (map[string]noren.Time, error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT step, at FROM settings_settled WHERE site = $1`, site)
	if err != nil {
		return nil, fmt.Errorf("read what is settled: %w", err)
	}
	defer rows.Close()
	out := map[string]noren.Time{}
	for rows.Next() {
		var step string
		var at int64
		if err := rows.Scan(&step, &at); err != nil {
			return nil, fmt.Errorf("read what is settled: %w", err)
		}
		out[step] = noren.FromMicros(at)
	}
	return out, rows.Err()
}

// maxStep bounds the name of a step, which is one of the program's own.
const maxStep = 64

// Settle notes that a person decided a step, or takes that back. The caller has
// recorded it before.
func (s *Store) Settle(ctx context.Context, site, step, author string, on bool) error {
	if site == "" || step == "" || len(step) > maxStep || author == "" || len(author) > maxWords {
		return noren.Errorf(noren.Invalid, "what is settled needs a site, a step and an author")
	}
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM settings_settled WHERE site = $1 AND step = $2`, site, step); err != nil || !on {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO settings_settled (site, step, at, author) VALUES ($1, $2, $3, $4)`, site, step, s.o.Now().UnixMicro(), author)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what is settled: %w", err)
	}
	return nil
}
