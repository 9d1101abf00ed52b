package orient

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/db"
)

// rollDelay is how long after its end an hour is rolled up. Exactness does not
// depend on it: an hour with late events is rolled up again.
const rollDelay = 5 * time.Minute

// coarseColumns are the columns of coarse entities.
func coarseColumns() (out []string) {
	for _, b := range builtins {
		if b.column && b.coarse {
			out = append(out, b.name)
		}
	}
	return out
}

// Roll sums hours that ended before now into orient_hours, one transaction
// each, and returns how many. Call it every few minutes on any node. When it
// does not run, counters stay exact and loading them gets slower.
func (o *Orient) Roll(ctx context.Context, now time.Time) (hours int, err error) {
	if o.db == nil {
		return 0, nil
	}
	limit := hourOf(now.Add(-rollDelay).UnixMicro())
	var due [][2]int64
	err = eachPair(ctx, o.db.Read(), func(site, hour int64) { due = append(due, [2]int64{site, hour}) },
		`SELECT DISTINCT site, hour FROM orient_inbox WHERE hour < $1 LIMIT 1000`, limit)
	if err != nil {
		return 0, noren.Errorf(noren.Unavailable, "find hours to roll up: %w", err)
	}
	for _, d := range due {
		var rolled bool
		err := o.db.Write(ctx, func(tx *db.Tx) (err error) {
			rolled, err = rollHour(ctx, tx, d[0], d[1])
			return err
		})
		if err != nil {
			return hours, fmt.Errorf("roll up hour %d: %w", d[1], err)
		}
		if rolled {
			hours++
		}
	}
	return hours, nil
}

// rollHour sums one hour of a site. The inbox is emptied first: an event that
// is committed in between stays in it, and may be in the sums as well, which
// are made anew the next time. Rows of the inbox are also the lock between nodes:
// who finds none was overtaken, and sums of its own could be older than those
// that are there.
func rollHour(ctx context.Context, tx *db.Tx, site, hour int64) (rolled bool, err error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM orient_inbox WHERE site = $1 AND hour = $2`, site, hour)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	for _, column := range coarseColumns() {
		_, err := tx.ExecContext(ctx, `INSERT INTO orient_hours (token, grp, hour, n, failed, amount, quantity)
			SELECT e.`+column+`, e.grp, CAST($2 AS BIGINT), COUNT(*), `+hourSums+` FROM orient_events e`+settlesJoin+`
			WHERE e.site = $1 AND e.at >= $3 AND e.at < $4 AND e.`+column+` IS NOT NULL GROUP BY e.`+column+`, e.grp
			ON CONFLICT (token, grp, hour) DO UPDATE SET n = excluded.n, failed = excluded.failed, amount = excluded.amount, quantity = excluded.quantity`,
			site, hour, hour*hourMicros, (hour+1)*hourMicros)
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// pruneBatch is how many events one transaction of Prune deletes.
const pruneBatch = 500

// Prune deletes history before a time in small transactions and returns how
// many events went. Counters reach back no further than what is kept.
func (o *Orient) Prune(ctx context.Context, before time.Time) (events int64, err error) {
	if o.db == nil {
		return 0, nil
	}
	limit := hourOf(before.UnixMicro()) * hourMicros // whole hours, so that their sums go with them
	sites, err := o.sites(ctx)
	if err != nil {
		return 0, err
	}
	for _, site := range sites {
		for {
			var n int64
			err := o.db.Write(ctx, func(tx *db.Tx) (err error) {
				n, err = pruneSome(ctx, tx, site, limit)
				return err
			})
			if err != nil {
				return events, fmt.Errorf("prune history: %w", err)
			}
			events += n
			if n < pruneBatch {
				break
			}
		}
	}
	return events, nil
}

// sites lists the tokens of sites that have events, one index probe each.
func (o *Orient) sites(ctx context.Context) (out []int64, err error) {
	query := `SELECT MIN(site) FROM orient_events`
	var args []any
	for {
		var site sql.NullInt64
		if err := o.db.Read().QueryRowContext(ctx, query, args...).Scan(&site); err != nil {
			return nil, noren.Errorf(noren.Unavailable, "list sites of history: %w", err)
		}
		if !site.Valid {
			return out, nil
		}
		out = append(out, site.Int64)
		query, args = `SELECT MIN(site) FROM orient_events WHERE site > $1`, []any{site.Int64}
	}
}

// pruneSome deletes one batch of a site: the events, what hangs on them, the
// hours of their coarse parties. What goes with the events goes with those that
// were deleted here: another node may be at the same batch, and looking twice
// for the oldest ones finds others once it is done.
func pruneSome(ctx context.Context, tx *db.Tx, site, limit int64) (int64, error) {
	ids, tokens, err := pruneEvents(ctx, tx, site, limit)
	if err != nil {
		return 0, err
	}
	for _, table := range []string{"orient_links", "orient_settles"} {
		if err := deleteWhere(ctx, tx, `DELETE FROM `+table+` WHERE id IN `, ids); err != nil {
			return 0, err
		}
	}
	hours := `DELETE FROM orient_hours WHERE hour < ` + strconv.FormatInt(limit/hourMicros, 10) + ` AND token IN `
	if err := deleteWhere(ctx, tx, hours, tokens); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM orient_inbox WHERE site = $1 AND hour < $2`, site, limit/hourMicros); err != nil {
		return 0, err
	}
	return int64(len(ids)), nil
}

// pruneEvents deletes the oldest events and returns them with their coarse parties.
func pruneEvents(ctx context.Context, tx *db.Tx, site, limit int64) (ids, tokens []key, err error) {
	names := coarseColumns()
	rows, err := tx.QueryContext(ctx, `DELETE FROM orient_events WHERE id IN
		(SELECT id FROM orient_events WHERE site = $1 AND at < $2 ORDER BY at, id LIMIT $3)
		RETURNING id, `+strings.Join(names, ", "), site, limit, pruneBatch)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	values, dest := make([]sql.NullInt64, 1+len(names)), make([]any, 1+len(names))
	for i := range values {
		dest[i] = &values[i]
	}
	seen := map[key]bool{}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, nil, err
		}
		ids = append(ids, key(values[0].Int64))
		for _, v := range values[1:] {
			if v.Valid {
				seen[key(v.Int64)] = true
			}
		}
	}
	return ids, slices.Sorted(maps.Keys(seen)), rows.Err()
}

// deleteWhere completes a statement with some of the keys at a time.
func deleteWhere(ctx context.Context, tx *db.Tx, statement string, keys []key) error {
	for some := range slices.Chunk(keys, maxKeys) {
		in, args := keyList(some)
		if _, err := tx.ExecContext(ctx, statement+in, args...); err != nil {
			return err
		}
	}
	return nil
}
