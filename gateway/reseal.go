package gateway

import (
	"context"
	"fmt"
	"time"

	"noren/db"
)

// resealBatch bounds what is read at once.
const resealBatch = 500

// Reseal seals anew, under the key of now's month, the entries in force that
// were sealed before a time. An entry without an end outlives the term after which
// the key of its month is destroyed.
func (l *Lists) Reseal(ctx context.Context, now, before time.Time) (n int, err error) {
	after := ""
	for {
		old, err := l.sealedBefore(ctx, before, after)
		if err != nil || len(old) == 0 {
			return n, err
		}
		for _, e := range old {
			after = e.id
			entries, err := l.readEntries(ctx, e.site, []string{e.id})
			if err != nil {
				return n, fmt.Errorf("seal list entries anew: %w", err)
			}
			for _, entry := range entries { // none when it cannot be opened, which was said
				if err := l.replaceSealed(ctx, entry, e.key, now); err != nil {
					return n, fmt.Errorf("seal list entry %s anew: %w", entry.ID, err)
				}
				n++
			}
		}
	}
}

type sealedEntry struct{ id, site, key string }

func (l *Lists) sealedBefore(ctx context.Context, before time.Time, after string) (out []sealedEntry, err error) {
	rows, err := l.opts.DB.Read().QueryContext(ctx, `SELECT id, site, sealed_key FROM gateway_lists
		WHERE lifted_at IS NULL AND sealed_at < $1 AND id > $2 ORDER BY id LIMIT $3`, before.UnixMicro(), after, resealBatch)
	if err != nil {
		return nil, fmt.Errorf("read old list entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e sealedEntry
		if err := rows.Scan(&e.id, &e.site, &e.key); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// replaceSealed leaves the row alone when another node was faster.
func (l *Lists) replaceSealed(ctx context.Context, e *Entry, key string, now time.Time) error {
	sealed, keyRows, err := l.seal(e, now)
	if err != nil {
		return err
	}
	return l.opts.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Insert(ctx, keyRows); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE gateway_lists SET sealed_key = $1, sealed = $2, sealed_at = $3 WHERE id = $4 AND sealed_key = $5`,
			sealed.Key, sealed.Data, now.UnixMicro(), e.ID, key)
		return err
	})
}
