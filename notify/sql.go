package notify

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"noren"
	"noren/db"
)

// Kinds of messages in the outbox.
const (
	kindFirst      = "first"
	kindMore       = "more" // how often it came again, when the group ends
	kindEscalation = "escalation"
	kindSummary    = "summary" // what was too much for an hour
	kindMessage    = "message" // of Send
)

// States of a message.
const (
	waiting = "waiting"
	sending = "sending"
	sent    = "sent"
	folded  = "folded"  // a summary tells it
	dropped = "dropped" // there is nothing left to say
	failed  = "failed"  // given up
)

// outgoing is a row of the outbox.
type outgoing struct {
	id, site, kind, notice   string
	severity                 Severity
	scope, receiver, channel string
	body                     string
	made, due                time.Time
	state                    string
	tries, counted           int64
	sentAt                   time.Time
}

func (m *outgoing) insert(ctx context.Context, tx *db.Tx) error {
	var at int64
	if !m.sentAt.IsZero() {
		at = m.sentAt.UnixMicro()
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO notify_outbox
		(id, site, kind, notice, severity, scope, receiver, channel, body, made_at, due, state, owner, lease_ends, tries, counted, error, sent_at, folded_in)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', 0, 0, $13, '', $14, '') ON CONFLICT (id) DO NOTHING`,
		m.id, m.site, m.kind, m.notice, int(m.severity), m.scope, m.receiver, m.channel, m.body, m.made.UnixMicro(), m.due.UnixMicro(), m.state, m.counted, at)
	return err
}

// find reports the notice that an id is, or was counted in last.
func find(ctx context.Context, tx *db.Tx, id string) (known string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM notify_notices WHERE id = $1`, id).Scan(&known)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return known, err
}

// openGroup returns the notice whose group is open for x's key, and its end; it is
// x itself when none was. The row is locked until the transaction ends.
func openGroup(ctx context.Context, tx *db.Tx, x *Notice, now, ends time.Time) (id string, end time.Time, err error) {
	var micros int64
	err = tx.QueryRowContext(ctx, `INSERT INTO notify_groups (site, key, notice, ends_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, key) DO UPDATE SET
			notice = CASE WHEN notify_groups.ends_at <= $5 THEN excluded.notice ELSE notify_groups.notice END,
			ends_at = CASE WHEN notify_groups.ends_at <= $5 THEN excluded.ends_at ELSE notify_groups.ends_at END
		RETURNING notice, ends_at`, x.Site, x.Key, x.ID, ends.UnixMicro(), now.UnixMicro()).Scan(&id, &micros)
	return id, time.UnixMicro(micros), err
}

func insertNotice(ctx context.Context, tx *db.Tx, x *Notice, text string, escalate int64) (made bool, err error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO notify_notices
		(id, site, severity, key, words, at, last_at, last_id, count, acked_at, acked_by, step, escalate_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6, $1, $7, 0, '', 0, $8) ON CONFLICT (id) DO NOTHING`,
		x.ID, x.Site, int(x.Severity), x.Key, text, x.At.UnixMicro(), x.Count, escalate)
	if err != nil {
		return false, err
	}
	rows, err := res.RowsAffected()
	return rows > 0, err
}

// countMore counts x in a group. It returns the group as it was, nil when x was
// the one counted last.
func countMore(ctx context.Context, tx *db.Tx, id string, x *Notice) (*Notice, error) {
	g := &Notice{ID: id, Site: x.Site, Key: x.Key}
	var at int64
	err := tx.QueryRowContext(ctx, `UPDATE notify_notices SET count = count + $1, last_id = $2,
		last_at = CASE WHEN last_at < $3 THEN $3 ELSE last_at END
		WHERE id = $4 AND last_id <> $2 RETURNING severity, at, count`, x.Count, x.ID, x.At.UnixMicro(), id).Scan(&g.Severity, &at, &g.Count)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	g.At = time.UnixMicro(at)
	return g, err
}

// raise makes a notice worse: an acknowledgement of the lesser trouble is none of
// the greater.
func raise(ctx context.Context, tx *db.Tx, id string, s Severity, escalate int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_notices SET severity = $1, escalate_at = $2, step = 0, acked_at = 0, acked_by = '' WHERE id = $3`, int(s), escalate, id)
	return err
}

// takeTurn has every other node wait until this transaction ends: what is counted
// in it does not change meanwhile.
func takeTurn(ctx context.Context, tx *db.Tx, what string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notify_turn (id, n) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET n = notify_turn.n + 1`, what)
	return err
}

// dueRows are what may leave on a channel, and what a node took and did not send
// while its lease lasted; the most urgent first.
func dueRows(ctx context.Context, tx *db.Tx, channel string, now time.Time, most int) (out []outgoing, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, site, kind, notice, severity, scope, receiver, channel, body, made_at, due, state, tries FROM notify_outbox
		WHERE channel = $1 AND (state = 'waiting' AND due <= $2 OR state = 'sending' AND lease_ends <= $2)
		ORDER BY severity DESC, due, id LIMIT $3`, channel, now.UnixMicro(), most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m outgoing
		var made, due int64
		if err := rows.Scan(&m.id, &m.site, &m.kind, &m.notice, &m.severity, &m.scope, &m.receiver, &m.channel, &m.body, &made, &due, &m.state, &m.tries); err != nil {
			return nil, err
		}
		m.made, m.due = time.UnixMicro(made), time.UnixMicro(due)
		out = append(out, m)
	}
	return out, rows.Err()
}

// sentSince counts what a receiver got on a channel, summaries and messages aside.
func sentSince(ctx context.Context, tx *db.Tx, m *outgoing, since time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM notify_outbox WHERE scope = $1 AND receiver = $2 AND channel = $3 AND sent_at > $4
		AND state IN ('sent', 'sending') AND kind NOT IN ('summary', 'message')`, m.scope, m.receiver, m.channel, since.UnixMicro()).Scan(&n)
	return n, err
}

func (m *outgoing) take(ctx context.Context, tx *db.Tx, owner string, now time.Time) error {
	m.tries++
	_, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET state = 'sending', owner = $1, lease_ends = $2, sent_at = $3, tries = $4 WHERE id = $5`,
		owner, now.Add(lease).UnixMicro(), now.UnixMicro(), m.tries, m.id)
	return err
}

// settle writes down how it went with a message this process had taken.
func (m *outgoing) settle(ctx context.Context, d *db.DB, owner, state, why string, due time.Time) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		body := `body`
		if state != waiting {
			body = `''`
		}
		res, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET state = $1, error = $2, due = $3, counted = $4, owner = '', lease_ends = 0, body = `+body+`
			WHERE id = $5 AND owner = $6 AND state = 'sending'`, state, why, due.UnixMicro(), m.counted, m.id, owner)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // another node has it
		}
		return m.settleMore(ctx, tx, state)
	})
}

// settleMore follows with what hangs on the message: those a summary told, and
// people who are asked next because this one cannot be reached.
func (m *outgoing) settleMore(ctx context.Context, tx *db.Tx, state string) error {
	if m.kind == kindSummary && (state == sent || state == failed) {
		_, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET state = $1 WHERE folded_in = $2 AND state = 'folded'`, state, m.id)
		return err
	}
	if state == failed && m.severity == High && m.notice != "" {
		return hurry(ctx, tx, m.notice)
	}
	return nil
}

// hurry has the next people asked about a notice at once.
func (n *Notify) hurry(ctx context.Context, notice string) error {
	return n.o.DB.Write(ctx, func(tx *db.Tx) error { return hurry(ctx, tx, notice) })
}

func hurry(ctx context.Context, tx *db.Tx, notice string) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_notices SET escalate_at = 1 WHERE id = $1 AND acked_at = 0 AND escalate_at > 1`, notice)
	return err
}

// readNotice reads a stored notice.
func readNotice(ctx context.Context, q querier, id string) (*Told, error) {
	t, err := scanTold(q.QueryRowContext(ctx, `SELECT `+toldColumns+` FROM notify_notices WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noren.Errorf(noren.NotFound, "there is no notice %s", CleanLine(id, 80))
	}
	return t, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

const toldColumns = `id, site, severity, key, words, at, last_at, count, acked_at, acked_by, step, escalate_at`

func scanTold(row interface{ Scan(...any) error }) (*Told, error) {
	var t Told
	var text string
	var at, last, acked, escalate int64
	if err := row.Scan(&t.ID, &t.Site, &t.Severity, &t.Key, &text, &at, &last, &t.Count, &acked, &t.AckedBy, &t.Step, &escalate); err != nil {
		return nil, err
	}
	var w words
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return nil, err
	}
	t.Title, t.Text, t.Next, t.Link = w.Title, w.Text, w.Next, w.Link
	t.At, t.LastAt = noren.FromMicros(at), noren.FromMicros(last)
	if acked > 0 {
		t.AckedAt = noren.FromMicros(acked)
		t.AckedAfter = max(t.AckedAt.Sub(t.At.Time), 0)
	}
	t.Unanswered = t.Severity == High && acked == 0 && escalate == 0 && t.Step > 0
	return &t, nil
}
