package gateway

import (
	"context"
	"database/sql"
	"encoding/json"

	"noren"
	"noren/db"
)

// Tables whose rows say who switched and why.
const (
	modesTable    = "gateway_modes"
	switchesTable = "gateway_switches"
)

// stamp is who switched something and why: the sealed part of its row. Where it
// cannot be opened any more, because the key of its month is gone, the switch
// stays as it is and nobody is named.
type stamp struct {
	Author string `json:"author"`
	Reason string `json:"reason"`
}

func stampAAD(table, site, name string) []byte {
	return []byte(table + "\x00" + site + "\x00" + name)
}

func (s stamp) seal(by Sealer, table, site, name string, at noren.Time) (noren.Sealed, []db.Row, error) {
	return by.Seal(site, noren.Subject{}, at.Time, mustJSON(s), stampAAD(table, site, name))
}

func openStamp(ctx context.Context, by Sealer, table, site, name string, sealed noren.Sealed) (s stamp) {
	plain, err := by.Open(ctx, sealed, stampAAD(table, site, name))
	if err == nil {
		_ = json.Unmarshal(plain, &s) // what is no JSON names nobody
	}
	return s
}

// store writes a switch that is on, and deletes one that is off.
func (e *Emergency) store(ctx context.Context, site string, st *SwitchState) error {
	if !st.On {
		return e.o.DB.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM gateway_switches WHERE site = $1 AND name = $2`, site, string(st.Switch))
			return err
		})
	}
	sealed, keyRows, err := stamp{st.Author, st.Reason}.seal(e.o.Sealer, switchesTable, site, string(st.Switch), st.Since)
	if err != nil {
		return err
	}
	return e.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Insert(ctx, keyRows); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO gateway_switches (site, name, until, changed_at, sealed_key, sealed) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (site, name) DO UPDATE SET until = excluded.until, changed_at = excluded.changed_at, sealed_key = excluded.sealed_key, sealed = excluded.sealed`,
			site, string(st.Switch), micros(st.Until), st.Since.UnixMicro(), sealed.Key, sealed.Data)
		return err
	})
}

// read reads all switches. What is as it was before is not opened again.
func (e *Emergency) read(ctx context.Context, before switchSnap) (switchSnap, error) {
	rows, err := e.o.DB.Read().QueryContext(ctx, `SELECT site, name, until, changed_at, sealed_key, sealed FROM gateway_switches`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	next := switchSnap{}
	type shut struct {
		site   string
		st     *SwitchState
		sealed noren.Sealed
	}
	var later []shut
	for rows.Next() {
		site, st, sealed, err := scanSwitch(rows)
		if err != nil {
			return nil, err
		}
		if next[site] == nil {
			next[site] = map[Switch]*SwitchState{}
		}
		next[site][st.Switch] = st
		if old := before[site][st.Switch]; old != nil && old.Since.Equal(st.Since.Time) {
			st.Author, st.Reason = old.Author, old.Reason
			continue
		}
		later = append(later, shut{site, st, sealed})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close() // the vault may have to read a key
	for _, l := range later {
		who := openStamp(ctx, e.o.Sealer, switchesTable, l.site, string(l.st.Switch), l.sealed)
		l.st.Author, l.st.Reason = who.Author, who.Reason
	}
	return next, nil
}

func scanSwitch(rows *sql.Rows) (site string, st *SwitchState, sealed noren.Sealed, err error) {
	var at int64
	var until sql.NullInt64
	st = &SwitchState{On: true}
	if err := rows.Scan(&site, &st.Switch, &until, &at, &sealed.Key, &sealed.Data); err != nil {
		return "", nil, sealed, err
	}
	st.Since = noren.FromMicros(at)
	if until.Valid {
		st.Until = noren.FromMicros(until.Int64)
	}
	return site, st, sealed, nil
}
