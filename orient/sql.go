package orient

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"noren"
	"noren/db"
)

// Tables of db/migrations/0003_orient.sql. A row that is there already is the
// same event again.
var (
	eventsTable = &db.Table{Name: "orient_events", OrIgnore: true, Columns: []string{
		"id", "attempt", "grp", "at", "ok", "amount", "quantity",
		"account", "device", "address", "net", "asn", "country", "card", "bin", "item", "site",
	}}
	settlesTable = &db.Table{Name: "orient_settles", OrIgnore: true, Columns: []string{"id"}}
	linksTable   = &db.Table{Name: "orient_links", OrIgnore: true, Columns: []string{"token", "at", "id", "entity"}}
	inboxTable   = &db.Table{Name: "orient_inbox", OrIgnore: true, Columns: []string{"site", "hour", "id"}}
)

// rows are what the event in hand adds to history: none when it is there
// already.
func (o *Orient) rows(w *work) []db.Row {
	r := w.record
	if r.id != o.eventKey(w.ev.Site, w.ev.ID) || !o.registry.waiting(r) {
		return nil
	}
	if r.settles == nil {
		return o.markRows(r, w.parties.of(slotSite))
	}
	return o.settleRows(r, w.parties.of(slotSite))
}

func (o *Orient) markRows(r *record, site key) []db.Row {
	c := r.did.Load()
	m := &c.m
	v := make([]any, 7+columns)
	v[0], v[2], v[3], v[4], v[5], v[6] = int64(r.id), int64(r.group), m.at, m.ok, m.amount, int64(m.quantity)
	if r.ref != 0 && r.ref != r.id {
		v[1] = int64(r.ref)
	}
	rows := append(make([]db.Row, 0, 3), db.Row{Table: eventsTable, Values: v}, inboxRow(site, m.at, r.id))
	for _, p := range c.named {
		if p.slot < columns {
			v[7+int(p.slot)] = int64(p.key)
		} else {
			rows = append(rows, o.linkRow(p, m.at, r.id))
		}
	}
	return rows
}

func (o *Orient) settleRows(r *record, site key) []db.Row {
	var rows []db.Row
	a := r.settles
	if r.success {
		rows = append(rows, db.Row{Table: settlesTable, Values: []any{int64(a.id)}}, inboxRow(site, a.m.at, r.id))
	}
	for _, p := range r.did.Load().named {
		rows = append(rows, o.linkRow(p, a.m.at, a.id))
	}
	return rows
}

// inboxRow says that an hour changed. id is the event's that changed it: with
// the attempt's an outcome would find the row there, leave it, and not see it go
// with a roll-up that does not see the outcome.
func inboxRow(site key, at int64, id key) db.Row {
	return db.Row{Table: inboxTable, Values: []any{int64(site), hourOf(at), int64(id)}}
}

func (o *Orient) linkRow(p party, at int64, id key) db.Row {
	return db.Row{Table: linksTable, Values: []any{int64(p.key), at, int64(id), code(o.entities.names[p.slot])}}
}

// markColumns are those of a mark, from events e and settles s.
const markColumns = `e.id, e.grp, e.at, (e.ok OR s.id IS NOT NULL), e.amount, e.quantity,
	COALESCE(e.account, 0), COALESCE(e.address, 0),
	COALESCE(CASE WHEN e.grp = 4 THEN e.card ELSE e.device END, 0), COALESCE(CASE WHEN e.grp = 4 THEN e.bin END, 0)`

const settlesJoin = ` LEFT JOIN orient_settles s ON s.id = e.id `

// marksQuery reads marks of column's token $1 with at in ($2, $3), newest
// first, at most $4. A limit that is a parameter alone would make SQLite prepare
// the statement anew each time (its planner looks at the value): 74 µs, not 15.
func marksQuery(column, in string) string {
	return `SELECT ` + markColumns + ` FROM orient_events e` + settlesJoin +
		`WHERE e.` + column + ` = $1 AND e.at > $2 AND e.at < $3 AND e.grp IN (` + in + `) ORDER BY e.at DESC LIMIT $4 + 0`
}

// linkedQuery is marksQuery for parties without a column.
func linkedQuery(in string) string {
	return `SELECT ` + markColumns + ` FROM orient_links l JOIN orient_events e ON e.id = l.id` + settlesJoin +
		`WHERE l.token = $1 AND l.at > $2 AND l.at < $3 AND e.grp IN (` + in + `) ORDER BY l.at DESC LIMIT $4 + 0`
}

// hoursQuery sums events of column's token $1 with at in [$2, $3) by hour.
func hoursQuery(column, in string) string {
	return `SELECT e.grp, e.at / 3600000000, COUNT(*), ` + hourSums + ` FROM orient_events e` + settlesJoin +
		`WHERE e.` + column + ` = $1 AND e.at >= $2 AND e.at < $3 AND e.grp IN (` + in + `) GROUP BY 1, 2`
}

const hourSums = `CAST(SUM(CASE WHEN e.ok OR s.id IS NOT NULL THEN 0 ELSE 1 END) AS BIGINT),
	CAST(SUM(e.amount) AS BIGINT), CAST(SUM(e.quantity) AS BIGINT)`

const (
	pendingHourQuery = `SELECT COALESCE(MIN(hour), -1) FROM orient_inbox WHERE site = $1 AND hour > $2`
	rolledQuery      = `SELECT hour, n, failed, amount, quantity FROM orient_hours WHERE token = $1 AND grp = $2 AND hour >= $3`
	firstLinkedQuery = `SELECT at, id FROM orient_links WHERE token = $1 ORDER BY at, id LIMIT 2`
	attemptQuery     = `SELECT ` + markColumns + `,
		COALESCE(e.device, 0), COALESCE(e.net, 0), COALESCE(e.asn, 0), COALESCE(e.country, 0), COALESCE(e.card, 0), COALESCE(e.bin, 0), COALESCE(e.item, 0), e.site
		FROM orient_events e` + settlesJoin + `WHERE e.grp = $2 AND (e.id = $1 OR e.attempt = $1) ORDER BY e.at DESC LIMIT 1`
	linksOfQuery = `SELECT token, entity FROM orient_links WHERE id = $1`
)

func firstQuery(column string) string {
	return `SELECT at, id FROM orient_events WHERE ` + column + ` = $1 ORDER BY at, id LIMIT 2`
}

func newestQuery(column string) string {
	return `SELECT COALESCE(MAX(at), 0) FROM orient_events WHERE ` + column + ` = $1`
}

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// eachMark reads the marks of a query.
func eachMark(ctx context.Context, q querier, f func(group, mark), query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read marks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m mark
		var v markValues
		if err := rows.Scan(v.into(&m)...); err != nil {
			return fmt.Errorf("read marks: %w", err)
		}
		f(v.set(&m), m)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read marks: %w", err)
	}
	return nil
}

// markValues receives the columns of a mark whose Go type is another.
type markValues struct{ id, group, account, address, third, bin int64 }

func (v *markValues) into(m *mark) []any {
	return []any{&v.id, &v.group, &m.at, &m.ok, &m.amount, &m.quantity, &v.account, &v.address, &v.third, &v.bin}
}

func (v *markValues) set(m *mark) group {
	m.id = key(v.id)
	m.parties = [dims]key{key(v.account), key(v.address), key(v.third), key(v.bin)}
	return group(v.group)
}

// findAttempt looks the attempt of an outcome up; nil when there is none.
func (o *Orient) findAttempt(ctx context.Context, ref key, g group) (*record, error) {
	r := &record{group: g, ref: ref, durable: true}
	var v markValues
	var device, network, asn, country, card, bin, item, site int64
	dest := append(v.into(&r.m), &device, &network, &asn, &country, &card, &bin, &item, &site)
	err := o.db.Read().QueryRowContext(ctx, attemptQuery, int64(ref), int64(g)).Scan(dest...)
	if err == sql.ErrNoRows {
		return nil, nil
	}
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "look up attempt: %w", err)
	}
	v.set(&r.m)
	r.id = r.m.id
	for s, k := range map[slot]int64{
		slotAccount: v.account, slotAddress: v.address, slotDevice: device, slotNet: network, slotASN: asn,
		slotCountry: country, slotCard: card, slotBIN: bin, slotItem: item, slotSite: site,
	} {
		if k != 0 {
			r.parties = append(r.parties, party{s, key(k)})
		}
	}
	return r, o.findLinks(ctx, r)
}

func (o *Orient) findLinks(ctx context.Context, r *record) error {
	link := func(token, entity int64) {
		s, ok := o.entities.codes[entity]
		if !ok {
			s = slotUnknown
		}
		r.parties = append(r.parties, party{s, key(token)})
	}
	if err := eachPair(ctx, o.db.Read(), link, linksOfQuery, int64(r.id)); err != nil {
		return noren.Errorf(noren.Unavailable, "look up attempt: %w", err)
	}
	return nil
}

// groupList writes groups as SQL: 1, 4.
func groupList(gs []group) string {
	out := make([]string, len(gs))
	for i, g := range gs {
		out[i] = strconv.Itoa(int(g))
	}
	return strings.Join(out, ", ")
}
