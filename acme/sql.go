package acme

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"time"

	"noren/db"
)

type row struct {
	id      string
	sealed  []byte
	changed time.Time
}

func (s *storage) put(ctx context.Context, id string, sealed []byte, now time.Time) error {
	return s.o.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO acme_values (id, sealed, changed_at) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, changed_at = excluded.changed_at`, id, sealed, now.UnixMicro())
		return err
	})
}

func (s *storage) get(ctx context.Context, id string) (sealed []byte, changed time.Time, err error) {
	var micros int64
	err = s.o.DB.Read().QueryRowContext(ctx, `SELECT sealed, changed_at FROM acme_values WHERE id = $1`, id).Scan(&sealed, &micros)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, time.Time{}, fs.ErrNotExist
	}
	return sealed, time.UnixMicro(micros), err
}

func (s *storage) remove(ctx context.Context, ids []string) error {
	return s.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM acme_values WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *storage) all(ctx context.Context) ([]row, error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, sealed, changed_at FROM acme_values`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		var r row
		var micros int64
		if err := rows.Scan(&r.id, &r.sealed, &micros); err != nil {
			return nil, err
		}
		r.changed = time.UnixMicro(micros)
		out = append(out, r)
	}
	return out, rows.Err()
}

// holder is who holds a lock, and how often it has said so.
type holder struct {
	owner string
	beat  int64
}

// takeLock makes owner the holder of a free lock, or of one whose holder is
// still the one that was seen, and reports who holds it: the zero holder when it
// was given back between the statements.
func (l *locks) takeLock(ctx context.Context, id, owner string, seen *holder) (holder, error) {
	var now holder
	err := l.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO acme_locks (id, owner, beat) VALUES ($1, $2, 0) ON CONFLICT (id) DO NOTHING`, id, owner)
		if err == nil && seen != nil {
			_, err = tx.ExecContext(ctx, `UPDATE acme_locks SET owner = $2, beat = 0 WHERE id = $1 AND owner = $3 AND beat = $4`,
				id, owner, seen.owner, seen.beat)
		}
		if err != nil {
			return err
		}
		now, _, err = findLock(ctx, tx, id)
		return err
	})
	return now, err
}

// readLock reports who holds a lock; ok is false when nobody does.
func (l *locks) readLock(ctx context.Context, id string) (h holder, ok bool, err error) {
	return findLock(ctx, l.db.Read(), id)
}

func findLock(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, id string) (h holder, ok bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT owner, beat FROM acme_locks WHERE id = $1`, id).Scan(&h.owner, &h.beat)
	if errors.Is(err, sql.ErrNoRows) {
		return holder{}, false, nil
	}
	return h, err == nil, err
}

// beatLock says that the owner lives; ok is false when the lock is another's.
func (l *locks) beatLock(ctx context.Context, id, owner string) (ok bool, err error) {
	err = l.db.Write(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE acme_locks SET beat = beat + 1 WHERE id = $1 AND owner = $2`, id, owner)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		ok = n > 0
		return err
	})
	return ok, err
}

func (l *locks) dropLock(ctx context.Context, id, owner string) error {
	return l.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM acme_locks WHERE id = $1 AND owner = $2`, id, owner)
		return err
	})
}
