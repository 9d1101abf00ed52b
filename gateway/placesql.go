package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"noren"
	"noren/db"
)

// The two tables have the same columns: what a person could be named by is
// sealed.
var (
	placesTable   = &db.Table{Name: "gateway_places", Columns: placeColumns()}
	openingsTable = &db.Table{Name: "gateway_openings", Columns: placeColumns()}
)

func placeColumns() []string {
	return []string{"id", "site", "token", "sealed_key", "sealed", "sealed_at", "created_at", "expires_at"}
}

// placeRow is a row to be stored.
type placeRow struct {
	id, site  string
	token     []byte // of what is unique among the rows in force
	plain     []byte
	at, until noren.Time
}

// secretPlace is the sealed part of a place, secretOpening that of an opening.
type secretPlace struct {
	Name     string         `json:"name"`
	Networks []netip.Prefix `json:"networks"`
	Reason   string         `json:"reason"`
	Author   string         `json:"author"`
}

type secretOpening struct {
	Zones  []noren.Zone `json:"zones"`
	From   netip.Prefix `json:"from"`
	Reason string       `json:"reason"`
	Author string       `json:"author"`
}

func (p *NamedPlace) row(s Sealer) placeRow {
	plain := mustJSON(secretPlace{p.Name, p.Networks, p.Reason, p.Author})
	return placeRow{p.ID, p.Site, s.Token(p.Site, "gateway.place", p.Name), plain, p.At, p.Until}
}

func (o *Opening) row() placeRow {
	return placeRow{o.ID, o.Site, []byte(o.ID), mustJSON(secretOpening{o.Zones, o.From, o.Reason, o.Author}), o.At, o.Until}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: a row of plain values cannot fail to marshal: " + err.Error())
	}
	return b
}

func placeAAD(table *db.Table, site, id string) []byte {
	return []byte(table.Name + "\x00" + site + "\x00" + id)
}

// insert stores a row in the place of another, whose id is "" for none.
func (p *Places) insert(ctx context.Context, table *db.Table, r placeRow, replaces string) error {
	sealed, keyRows, err := p.o.Sealer.Seal(r.site, noren.Subject{}, r.at.Time, r.plain, placeAAD(table, r.site, r.id))
	if err != nil {
		return err
	}
	row := db.Row{Table: table, Values: []any{
		r.id, r.site, r.token, sealed.Key, sealed.Data, r.at.UnixMicro(), r.at.UnixMicro(), micros(r.until),
	}}
	err = p.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := roomFor(ctx, tx, table, r.site); err != nil {
			return err
		}
		if replaces != "" {
			if err := endRow(ctx, tx, table, replaces, r.at.Time); err != nil {
				return err
			}
		}
		return tx.Insert(ctx, append(keyRows, row))
	})
	if db.IsUnique(err) {
		return noren.Errorf(noren.Conflict, "somebody else made it at the same moment")
	}
	return err
}

func roomFor(ctx context.Context, tx *db.Tx, table *db.Table, site string) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM `+table.Name+` WHERE site = $1 AND ended_at IS NULL`, site).Scan(&n); err != nil {
		return err
	}
	if n >= maxPlaces {
		return noren.Errorf(noren.Invalid, "%s has %d places or openings already; remove what is over", site, n)
	}
	return nil
}

func endRow(ctx context.Context, tx *db.Tx, table *db.Table, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE `+table.Name+` SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL`, at.UnixMicro(), id)
	return err
}

func deleteRow(ctx context.Context, tx *db.Tx, table *db.Table, id string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM `+table.Name+` WHERE id = $1`, id); err != nil {
		return fmt.Errorf("erase from %s: %w", table.Name, err)
	}
	return nil
}

func (p *Places) markEnded(ctx context.Context, table *db.Table, id string, at time.Time) error {
	return p.o.DB.Write(ctx, func(tx *db.Tx) error { return endRow(ctx, tx, table, id, at) })
}

// markUndone ends one place and brings another back, both or neither; one of its
// name that was made meanwhile is in the way of the unique index.
func (p *Places) markUndone(ctx context.Context, made, before string) error {
	err := p.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := endRow(ctx, tx, placesTable, made, p.o.Now()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE `+placesTable.Name+` SET ended_at = NULL WHERE id = $1`, before)
		return err
	})
	if db.IsUnique(err) {
		return noren.Errorf(noren.Conflict, "a place of this name was made since")
	}
	return err
}

// noteExpired marks what is over as told, and returns it: each row to one node.
func (p *Places) noteExpired(ctx context.Context, table *db.Table, at time.Time) (ids []string, err error) {
	err = p.o.DB.Write(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `UPDATE `+table.Name+` SET noted_at = $1 WHERE ended_at IS NULL AND noted_at IS NULL AND expires_at <= $1 RETURNING id`, at.UnixMicro())
		if err != nil {
			return err
		}
		ids, err = scanIDs(rows)
		return err
	})
	return ids, err
}

// prune drops rows that ended before a time.
func (p *Places) prune(ctx context.Context, before time.Time) error {
	return p.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, table := range []*db.Table{placesTable, openingsTable} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table.Name+` WHERE ended_at < $1 OR expires_at < $1`, before.UnixMicro()); err != nil {
				return fmt.Errorf("drop old rows of %s: %w", table.Name, err)
			}
		}
		return nil
	})
}

func (p *Places) currentIDs(ctx context.Context, table *db.Table) ([]string, error) {
	rows, err := p.o.DB.Read().QueryContext(ctx, `SELECT id FROM `+table.Name+` WHERE ended_at IS NULL`)
	if err != nil {
		return nil, err
	}
	return scanIDs(rows)
}

func (p *Places) readPlaces(ctx context.Context, ids []string) ([]*NamedPlace, error) {
	return readRows(ctx, p, placesTable, ids, func(r placeRow) (*NamedPlace, error) {
		var s secretPlace
		err := json.Unmarshal(r.plain, &s)
		return &NamedPlace{r.id, r.site, s.Name, s.Networks, s.Reason, s.Author, r.at, r.until}, err
	})
}

func (p *Places) readOpenings(ctx context.Context, ids []string) ([]*Opening, error) {
	return readRows(ctx, p, openingsTable, ids, func(r placeRow) (*Opening, error) {
		var s secretOpening
		err := json.Unmarshal(r.plain, &s)
		return &Opening{r.id, r.site, s.Zones, s.From, s.Reason, s.Author, r.at, r.until}, err
	})
}

// readRows opens rows. One that cannot be opened is left out and reported: it
// lets nobody in, and must not stop the others.
func readRows[T any](ctx context.Context, p *Places, table *db.Table, ids []string, into func(placeRow) (T, error)) (out []T, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	rows, err := p.o.DB.Read().QueryContext(ctx, `SELECT id, site, sealed_key, sealed, created_at, expires_at FROM `+table.Name+` WHERE id IN (`+placeholders(1, len(ids))+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		r, sealed, err := scanPlaceRow(rows)
		if err != nil {
			return nil, err
		}
		if r.plain, err = p.o.Sealer.Open(ctx, sealed, placeAAD(table, r.site, r.id)); err == nil {
			var v T
			if v, err = into(r); err == nil {
				out = append(out, v)
			}
		}
		if err != nil {
			p.o.Log.Error("a place or an opening cannot be opened; it lets nobody in", "alarm", true, "site", r.site, "id", r.id, "err", err)
		}
	}
	return out, rows.Err()
}

func scanPlaceRow(rows *sql.Rows) (r placeRow, sealed noren.Sealed, err error) {
	var at int64
	var until sql.NullInt64
	if err := rows.Scan(&r.id, &r.site, &sealed.Key, &sealed.Data, &at, &until); err != nil {
		return r, sealed, err
	}
	r.at = noren.FromMicros(at)
	if until.Valid {
		r.until = noren.FromMicros(until.Int64)
	}
	return r, sealed, nil
}
