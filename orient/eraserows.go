package orient

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"noren/db"
)

// maxTouched bounds how many other entities are loaded anew after an erasure;
// what is beyond forgets the person when it leaves memory.
const maxTouched = 50_000

// carryOut takes the person out of rows and returns the other entities on them:
// what memory knows of those is out of date. Every statement says what it did
// itself, because what is committed in between the next one sees.
func (e *erasure) carryOut(ctx context.Context, tx *db.Tx) (touched []key, err error) {
	events, err := e.leave(ctx, tx)
	if err != nil {
		return nil, err
	}
	err = eachID(ctx, tx, func(at key) { e.step = max(e.step, int64(at)) }, `DELETE FROM orient_steps WHERE token = $1 RETURNING at`, int64(e.who.key))
	seen := map[key]bool{}
	for batch := range slices.Chunk(events, maxKeys) {
		if err == nil && e.personal() {
			err = e.unlink(ctx, tx, batch, seen)
		}
		if err == nil && len(seen) < maxTouched {
			err = others(ctx, tx, batch, seen)
		}
	}
	delete(seen, e.who.key)
	for k := range seen {
		touched = append(touched, k)
	}
	return touched, err
}

// leave takes the person's token out of their events, and returns those.
func (e *erasure) leave(ctx context.Context, tx *db.Tx) (events []key, err error) {
	out := func(at, id int64) {
		events = append(events, key(id))
		e.gone[presence{e.who.key, key(id)}] = true
		if at >= e.upTo {
			e.upTo, e.last = at, key(id)
		}
	}
	if e.who.slot < columns {
		name := builtins[e.who.slot].name
		err = eachPair(ctx, tx, func(at, id int64) {
			out(at, id)
			e.gone[presence{0, key(id)}] = true
		}, `UPDATE orient_events SET `+name+` = NULL WHERE `+name+` = $1 RETURNING at, id`, int64(e.who.key))
	}
	if err == nil {
		err = eachPair(ctx, tx, func(at, id int64) {
			out(at, id)
			e.events[key(id)] = true
		}, `DELETE FROM orient_links WHERE token = $1 RETURNING at, id`, int64(e.who.key))
	}
	return events, err
}

// unlink takes sessions, mail addresses and the like out of the person's events.
// Entities stay that have a column, and here an outcome named them.
func (e *erasure) unlink(ctx context.Context, tx *db.Tx, events []key, seen map[key]bool) error {
	in, args := keyList(events)
	return eachPair(ctx, tx, func(token, id int64) {
		seen[key(token)] = true
		e.gone[presence{key(token), key(id)}] = true
	}, `DELETE FROM orient_links WHERE id IN `+in+` AND entity NOT IN (`+columnCodes()+`) RETURNING token, id`, args...)
}

func columnCodes() string {
	var out []string
	for _, b := range builtins[:columns] {
		out = append(out, strconv.FormatInt(code(b.name), 10))
	}
	return strings.Join(out, ", ")
}

// others notes who else is on rows of events.
func others(ctx context.Context, q querier, events []key, seen map[key]bool) error {
	in, args := keyList(events)
	note := func(k key) { seen[k] = true }
	err := eachID(ctx, q, note, `SELECT token FROM orient_links WHERE id IN `+in, args...)
	for s := range columns {
		name := builtins[s].name
		if err == nil {
			err = eachID(ctx, q, note, `SELECT DISTINCT `+name+` FROM orient_events WHERE id IN `+in+` AND `+name+` IS NOT NULL`, args...)
		}
	}
	return err
}
