package orient

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"noren"
	"noren/kv"
)

// fetchHours reads whole hours in one snapshot: those rolled up, and sums of
// the events of hours that are not, or not as they are now.
func (o *Orient) fetchHours(ctx context.Context, q querier, st *state, w *wanted, res *loaded) error {
	l := &w.layout.slots[w.party.slot]
	from := hourOf(w.at - l.reach - lateness)
	res.hoursFrom = from
	pending, err := pendingHours(ctx, q, w.site, from)
	if err != nil {
		return err
	}
	err = q.QueryRowContext(ctx, newestQuery(o.entities.names[w.party.slot]), int64(w.party.key)).Scan(&res.newest)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "read newest event: %w", err)
	}
	// The snapshot stands now. Whatever is reserved after this look at the open
	// effects, here or by another node, is committed after the snapshot.
	o.catchUp(ctx, st, w)
	if res.present, err = o.fetchPresent(ctx, q, o.openEffects(st)); err != nil {
		return err
	}
	for _, g := range l.longGroups() {
		if res.buckets[g], err = rolledHours(ctx, q, w.party.key, g, from, pending); err != nil {
			return err
		}
	}
	return o.sumPending(ctx, q, w, l.longGroups(), pending, res)
}

// catchUp learns of the marks that other nodes reserved up to now: sums of
// hours do not say which events they hold.
func (o *Orient) catchUp(ctx context.Context, st *state, w *wanted) {
	if !o.shared {
		return
	}
	op := kv.Tail{Key: kvKey("m:", st.key, ""), Keep: tailKeep}
	s := o.cache.lock(st.key)
	op.Epoch, op.From = st.epoch, st.next
	s.mu.Unlock()
	res, err := o.kv.Do(ctx, op)
	if err != nil {
		return // the event in hand is degraded by it already
	}
	o.mergeTail(st.key, &res[0], op.From, w.at)
}

// openEffects are the events whose rows the snapshot may or may not hold.
func (o *Orient) openEffects(st *state) (ids []key) {
	s := o.cache.lock(st.key)
	defer s.mu.Unlock()
	if st.hours == nil {
		return nil
	}
	for k, e := range st.hours.open {
		if e.state != effectClosed {
			ids = append(ids, k.id)
		}
	}
	return ids
}

// pendingHours are the hours from from on that orient_hours does not hold as
// they are.
func pendingHours(ctx context.Context, q querier, site key, from int64) (map[int64]bool, error) {
	out := map[int64]bool{}
	for hour := from - 1; ; {
		err := q.QueryRowContext(ctx, pendingHourQuery, int64(site), hour).Scan(&hour)
		if err != nil {
			return nil, noren.Errorf(noren.Unavailable, "read hours to roll up: %w", err)
		}
		if hour < 0 {
			return out, nil
		}
		out[hour] = true
	}
}

func rolledHours(ctx context.Context, q querier, token key, g group, from int64, pending map[int64]bool) (out []bucket, err error) {
	rows, err := q.QueryContext(ctx, rolledQuery, int64(token), int64(g), from)
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "read hours: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b bucket
		if err := rows.Scan(&b.hour, &b.sums.n, &b.sums.failed, &b.sums.amount, &b.sums.quantity); err != nil {
			return nil, noren.Errorf(noren.Unavailable, "read hours: %w", err)
		}
		if !pending[b.hour] {
			out = append(out, b)
		}
	}
	return out, rows.Err()
}

// sumPending counts the events of pending hours, one query per run of them.
func (o *Orient) sumPending(ctx context.Context, q querier, w *wanted, gs []group, pending map[int64]bool, res *loaded) error {
	query := hoursQuery(o.entities.names[w.party.slot], groupList(gs))
	for hour := range pending {
		if pending[hour-1] {
			continue // not the start of a run
		}
		end := hour + 1
		for pending[end] {
			end++
		}
		if err := sumHours(ctx, q, query, w.party.key, hour, end, res); err != nil {
			return err
		}
	}
	return nil
}

func sumHours(ctx context.Context, q querier, query string, token key, hour, end int64, res *loaded) error {
	rows, err := q.QueryContext(ctx, query, int64(token), hour*hourMicros, end*hourMicros)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "sum hours: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var g int64
		var b bucket
		if err := rows.Scan(&g, &b.hour, &b.sums.n, &b.sums.failed, &b.sums.amount, &b.sums.quantity); err != nil {
			return noren.Errorf(noren.Unavailable, "sum hours: %w", err)
		}
		res.buckets[g] = append(res.buckets[g], b)
	}
	return rows.Err()
}

// fetchPresent says whose events and settlements are in SQL.
func (o *Orient) fetchPresent(ctx context.Context, q querier, ids []key) (map[effectKey]bool, error) {
	out := make(map[effectKey]bool, len(ids))
	for batch := range slices.Chunk(ids, maxKeys) {
		in, args := keyList(batch)
		err := eachID(ctx, q, func(id key) { out[effectKey{id, false}] = true }, `SELECT id FROM orient_events WHERE id IN `+in, args...)
		if err == nil {
			err = eachID(ctx, q, func(id key) { out[effectKey{id, true}] = true }, `SELECT id FROM orient_settles WHERE id IN `+in, args...)
		}
		if err != nil {
			return nil, noren.Errorf(noren.Unavailable, "look up open events: %w", err)
		}
	}
	return out, nil
}

// maxKeys bounds the keys of one statement.
const maxKeys = 500

// keyList writes keys as SQL: ($1, $2).
func keyList(keys []key) (in string, args []any) {
	args = make([]any, len(keys))
	marks := make([]string, len(keys))
	for i, k := range keys {
		args[i], marks[i] = int64(k), fmt.Sprintf("$%d", i+1)
	}
	return `(` + strings.Join(marks, ", ") + `)`, args
}

func eachID(ctx context.Context, q querier, f func(key), query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		f(key(id))
	}
	return rows.Err()
}
