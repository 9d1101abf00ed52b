package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/db"
)

var listTable = &db.Table{
	Name:     "gateway_lists",
	Columns:  []string{"id", "site", "list", "token", "subject", "sealed_key", "sealed", "sealed_at", "policy", "created_at", "expires_at"},
	OrIgnore: true,
}

// secretEntry is the sealed part of a row: everything that could name a person.
type secretEntry struct {
	Prefix  netip.Prefix `json:"prefix,omitzero"`
	Session string       `json:"session,omitempty"`
	Reason  noren.Text   `json:"reason"`
	Author  string       `json:"author"`
	Repeat  int64        `json:"repeat,omitempty"`
}

func listAAD(site, id string) []byte { return []byte("gateway_lists\x00" + site + "\x00" + id) }

func (l *Lists) token(site string, p netip.Prefix) []byte {
	return l.opts.Sealer.Token(site, "gateway.prefix", p.Masked().String())
}

func (l *Lists) entryToken(e *Entry) []byte {
	if e.Session != "" {
		return l.opts.Sealer.Token(e.Site, "gateway.session", e.Session)
	}
	return l.token(e.Site, e.Prefix)
}

// subject is the vault's token of the person an entry is about, empty for none:
// by it the entry goes when a restored backup is erased again and nobody knows
// the address any more.
func (l *Lists) subject(e *Entry) []byte {
	if a := e.person(); a.IsValid() {
		return l.opts.Sealer.Token(e.Site, noren.EntityAddress, a.String())
	}
	return []byte{}
}

// EraseToken removes the rows about a person by their token; for
// vault.OnEraseToken.
func (l *Lists) EraseToken(ctx context.Context, tx *db.Tx, site string, token []byte) error {
	res, err := tx.ExecContext(ctx, `DELETE FROM gateway_lists WHERE site = $1 AND subject = $2`, site, token)
	if err != nil {
		return fmt.Errorf("erase list entries: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	_, err = bump(ctx, tx, site)
	return err
}

// insert stores an entry and counts the site's version up. Storing an id again
// changes nothing and returns version 0.
func (l *Lists) insert(ctx context.Context, e Entry) (version int64, err error) {
	sealed, keyRows, err := l.seal(&e, e.At.Time)
	if err != nil {
		return 0, err
	}
	row := db.Row{Table: listTable, Values: []any{
		e.ID, e.Site, e.List, l.entryToken(&e), l.subject(&e), sealed.Key, sealed.Data, e.At.UnixMicro(), e.Policy, e.At.UnixMicro(), micros(e.Until),
	}}
	err = l.opts.DB.Write(ctx, func(tx *db.Tx) error {
		if err := full(ctx, tx, e.Site); err != nil {
			return err
		}
		if err := tx.Insert(ctx, append(keyRows, row)); err != nil {
			return err
		}
		version, err = bump(ctx, tx, e.Site)
		return err
	})
	return version, err
}

func micros(t noren.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// full keeps a list bounded: a botnet must not fill memory with bans.
func full(ctx context.Context, tx *db.Tx, site string) error {
	var n int64
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM gateway_lists WHERE site = $1 AND lifted_at IS NULL`, site).Scan(&n); err != nil {
		return err
	}
	if n >= maxEntries {
		return noren.Errorf(noren.Unavailable, "the lists of %s are full (%d entries)", site, n)
	}
	return nil
}

func bump(ctx context.Context, tx *db.Tx, site string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO gateway_version (site, n) VALUES ($1, 1)
		ON CONFLICT (site) DO UPDATE SET n = gateway_version.n + 1 RETURNING n`, site).Scan(&n)
	return n, err
}

// markLifted ends entries by hand.
func (l *Lists) markLifted(ctx context.Context, site string, ids []string, at time.Time) (version int64, err error) {
	err = l.opts.DB.Write(ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE gateway_lists SET lifted_at = $1 WHERE id = $2 AND site = $3 AND lifted_at IS NULL`,
				at.UnixMicro(), id, site); err != nil {
				return err
			}
		}
		version, err = bump(ctx, tx, site)
		return err
	})
	return version, err
}

// expireBatch bounds what one sweep reports.
const expireBatch = 500

// markExpired ends entries whose time is over and returns them, each to one
// node only.
func (l *Lists) markExpired(ctx context.Context, at time.Time) (ids []string, err error) {
	err = l.opts.DB.Write(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `UPDATE gateway_lists SET lifted_at = expires_at WHERE id IN (
			SELECT id FROM gateway_lists WHERE lifted_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2) AND lifted_at IS NULL RETURNING id`,
			at.UnixMicro(), expireBatch)
		if err != nil {
			return err
		}
		ids, err = scanIDs(rows)
		return err
	})
	return ids, err
}

func scanIDs(rows *sql.Rows) (ids []string, err error) {
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// prune drops rows that ended before a time.
func (l *Lists) prune(ctx context.Context, before time.Time) error {
	return l.opts.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM gateway_lists WHERE lifted_at IS NOT NULL AND lifted_at < $1`, before.UnixMicro())
		return err
	})
}

// currentVersions reads every site's version.
func (l *Lists) currentVersions(ctx context.Context) (map[string]int64, error) {
	rows, err := l.opts.DB.Read().QueryContext(ctx, `SELECT site, n FROM gateway_version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var site string
		var n int64
		if err := rows.Scan(&site, &n); err != nil {
			return nil, err
		}
		out[site] = n
	}
	return out, rows.Err()
}

// liveIDs reads the ids of a site's entries in force.
func (l *Lists) liveIDs(ctx context.Context, site string) ([]string, error) {
	rows, err := l.opts.DB.Read().QueryContext(ctx, `SELECT id FROM gateway_lists WHERE site = $1 AND lifted_at IS NULL`, site)
	if err != nil {
		return nil, err
	}
	return scanIDs(rows)
}

// readEntries opens the entries with these ids. One that cannot be opened is
// left out and reported: a ban that nobody can read must not stop the others.
func (l *Lists) readEntries(ctx context.Context, site string, ids []string) ([]*Entry, error) {
	var out []*Entry
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 500)]
		ids = ids[len(batch):]
		rows, err := l.opts.DB.Read().QueryContext(ctx, `SELECT id, list, sealed_key, sealed, policy, created_at, expires_at
			FROM gateway_lists WHERE site = $1 AND lifted_at IS NULL AND id IN (`+placeholders(2, len(batch))+`)`, args(site, batch)...)
		if err != nil {
			return nil, err
		}
		if out, err = l.scanEntries(ctx, site, rows, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("$" + strconv.Itoa(first+i))
	}
	return b.String()
}

func args(site string, ids []string) []any {
	out := []any{site}
	for _, id := range ids {
		out = append(out, id)
	}
	return out
}

func (l *Lists) scanEntries(ctx context.Context, site string, rows *sql.Rows, out []*Entry) ([]*Entry, error) {
	defer rows.Close()
	for rows.Next() {
		e := &Entry{Site: site}
		var sealed noren.Sealed
		var at int64
		var until sql.NullInt64
		if err := rows.Scan(&e.ID, &e.List, &sealed.Key, &sealed.Data, &e.Policy, &at, &until); err != nil {
			return nil, err
		}
		e.At = noren.FromMicros(at)
		if until.Valid {
			e.Until = noren.FromMicros(until.Int64)
		}
		if err := l.unseal(ctx, e, sealed); err != nil {
			l.opts.Log.Error("list entry cannot be opened", "alarm", true, "site", site, "id", e.ID, "list", e.List, "err", err)
			continue
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// seal seals what could name a person, under the site's key of a month.
func (l *Lists) seal(e *Entry, at time.Time) (noren.Sealed, []db.Row, error) {
	plain, err := json.Marshal(secretEntry{e.Prefix, e.Session, e.Reason, e.Author, e.Repeat})
	if err != nil {
		return noren.Sealed{}, nil, err
	}
	return l.opts.Sealer.Seal(e.Site, noren.Subject{}, at, plain, listAAD(e.Site, e.ID))
}

func (l *Lists) unseal(ctx context.Context, e *Entry, sealed noren.Sealed) error {
	plain, err := l.opts.Sealer.Open(ctx, sealed, listAAD(e.Site, e.ID))
	if err != nil {
		return err
	}
	var s secretEntry
	if err := json.Unmarshal(plain, &s); err != nil {
		return fmt.Errorf("read entry: %w", err)
	}
	e.Prefix, e.Session, e.Reason, e.Author, e.Repeat = s.Prefix, s.Session, s.Reason, s.Author, s.Repeat
	return nil
}

// Erase removes the rows that name an erased person's address; for
// vault.OnErase. The snapshot follows with the next poll.
func (l *Lists) Erase(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	if s.Kind != noren.EntityAddress {
		return nil
	}
	addr, err := ParsePrefix(s.ID)
	if err != nil {
		return nil // not an address, so on no list
	}
	own, err := banPrefix(noren.EntityAddress, s.ID)
	if err != nil {
		return nil
	}
	var gone int64
	for _, p := range []netip.Prefix{addr, own} {
		res, err := tx.ExecContext(ctx, `DELETE FROM gateway_lists WHERE site = $1 AND token = $2`, site, l.token(site, p))
		if err != nil {
			return fmt.Errorf("erase list entries: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("erase list entries: %w", err)
		}
		gone += n
	}
	if gone == 0 {
		return nil
	}
	_, err = bump(ctx, tx, site)
	return err
}
