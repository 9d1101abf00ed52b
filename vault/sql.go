package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"noren"
	"noren/db"
)

var (
	tableKeys = &db.Table{Name: "vault_keys", Columns: []string{"id", "purpose", "state", "wrapped", "created_at"}}
	// A subject key's row travels with every text it sealed until somebody
	// confirms it, so the second and later ones must be ignored.
	tableSubjectKeys = &db.Table{Name: "vault_subject_keys", OrIgnore: true,
		Columns: []string{"id", "site", "subject", "month", "wrapped", "created_at"}}
	tableErasures = &db.Table{Name: "vault_erasures", Columns: []string{"id", "site", "subject", "at", "reason", "keys"}}
)

// Names in vault_state.
const (
	stateInstance = "instance"  // id of this instance, made with the first key
	stateRoot     = "root"      // ID of the root key that wrapped vault_keys
	stateKeys     = "keys"      // version of vault_keys, counted up by each change
	stateErasures = "erasures"  // number of the last erasure
	stateRetained = "retained"  // first month kept by the last Retain that destroyed keys, and an id
	stateBackedUp = "backed_up" // root ID and time of the confirmed recovery sheet
)

// querier is *sql.DB or *db.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// loadState reads all of vault_state, a handful of rows.
func loadState(ctx context.Context, q querier) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, value FROM vault_state`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	state := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		state[name] = value
	}
	return state, rows.Err()
}

func setState(ctx context.Context, tx *db.Tx, name, value string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO vault_state (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// countUp increases a counter and holds its row's lock until the transaction
// ends, so that whoever counts up works alone, on both engines.
func countUp(ctx context.Context, tx *db.Tx, name string) (int64, error) {
	var value string
	err := tx.QueryRowContext(ctx, `INSERT INTO vault_state (name, value) VALUES ($1, '1')
		ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(vault_state.value AS BIGINT) + 1 AS TEXT)
		RETURNING value`, name).Scan(&value)
	if err != nil {
		return 0, err
	}
	return counter(value)
}

// nextErasure returns the number of the next erasure and holds the lock that
// countUp takes. Numbers are never below the time in microseconds, so that a
// restored database goes on above what the lost one had given out; when clocks
// are wrong, they still only rise.
func nextErasure(ctx context.Context, tx *db.Tx, now noren.Time) (int64, error) {
	number, err := countUp(ctx, tx, stateErasures)
	if err != nil || number >= now.UnixMicro() {
		return number, err
	}
	number = now.UnixMicro()
	return number, setState(ctx, tx, stateErasures, strconv.FormatInt(number, 10))
}

func counter(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, noren.Errorf(noren.Tampered, "counter in vault_state is %q, not a number", value)
	}
	return n, nil
}

// keyRow is one row of vault_keys as stored.
type keyRow struct {
	id, purpose string
	state       State
	wrapped     []byte
	created     int64
}

func loadKeyRows(ctx context.Context, q querier) ([]keyRow, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, purpose, state, wrapped, created_at FROM vault_keys ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []keyRow
	for rows.Next() {
		var r keyRow
		if err := rows.Scan(&r.id, &r.purpose, &r.state, &r.wrapped, &r.created); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// subjectRow is one row of vault_subject_keys as stored, with the number of its
// subject's last erasure.
type subjectRow struct {
	id, site, month string
	subject         []byte
	wrapped         []byte
	erased          int64
}

func loadSubjectRow(ctx context.Context, q querier, id string) (subjectRow, bool, error) {
	r := subjectRow{id: id}
	var last string
	err := q.QueryRowContext(ctx, `SELECT k.site, k.subject, k.month, k.wrapped, COALESCE((
			SELECT MAX(e.id) FROM vault_erasures e WHERE e.site = k.site AND e.subject = k.subject), '')
		FROM vault_subject_keys k WHERE k.id = $1`, id).Scan(&r.site, &r.subject, &r.month, &r.wrapped, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	if last != "" {
		if r.erased, _, err = parseErasureID(last); err != nil {
			return r, false, err
		}
	}
	return r, true, nil
}

// An erasure's id in the database is its number, for order, and its own id.
func erasureID(number int64, id string) string { return fmt.Sprintf("%016d-%s", number, id) }

func parseErasureID(s string) (number int64, id string, err error) {
	digits, id, _ := strings.Cut(s, "-")
	if len(digits) != 16 || !validID(id) {
		return 0, "", noren.Errorf(noren.Tampered, "erasure id %q does not have the right form", s)
	}
	number, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 0 {
		return 0, "", noren.Errorf(noren.Tampered, "erasure id %q does not begin with its number", s)
	}
	return number, id, nil
}

// lastID is above every erasure id with this number and below those with the next.
func lastID(number int64) string { return erasureID(number, "ZZZZZZZZZZZZZZZZZZZZZZZZZZ") }

// loadErasures returns up to max erasures numbered above after, in order.
func loadErasures(ctx context.Context, q querier, after int64, limit int) ([]Erasure, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, site, subject, at, reason, keys FROM vault_erasures
		WHERE id > $1 ORDER BY id LIMIT $2`, lastID(after), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Erasure
	for rows.Next() {
		var e Erasure
		var id string
		var at int64
		if err := rows.Scan(&id, &e.Site, &e.Subject, &at, &e.Reason, &e.Keys); err != nil {
			return nil, err
		}
		if e.Number, e.ID, err = parseErasureID(id); err != nil {
			return nil, err
		}
		e.At = noren.FromMicros(at)
		out = append(out, e)
	}
	return out, rows.Err()
}
