package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"noren"
	"noren/db"
)

// Told is a stored notice, and what became of it.
type Told struct {
	ID         string        `json:"id"`
	Site       string        `json:"site,omitempty"`
	Severity   Severity      `json:"severity"`
	Key        string        `json:"key"`
	Title      noren.Text    `json:"title"`
	Text       noren.Text    `json:"text"`
	Next       noren.Text    `json:"next"`
	Link       string        `json:"link,omitempty"`
	At         noren.Time    `json:"at"`
	LastAt     noren.Time    `json:"last_at"`
	Count      int64         `json:"count"`
	AckedAt    noren.Time    `json:"acknowledged_at,omitzero"`
	AckedBy    string        `json:"acknowledged_by,omitempty" personal:"name of staff"`
	AckedAfter time.Duration `json:"acknowledged_after,omitempty"` // nanoseconds
	Step       int64         `json:"escalation_steps,omitempty"`
	Unanswered bool          `json:"unanswered,omitempty"` // everybody was asked, nobody acknowledged
	Sends      []Delivery    `json:"sends,omitempty"`
}

// notice is what it was made of.
func (t *Told) notice() Notice {
	return Notice{ID: t.ID, Site: t.Site, Severity: t.Severity, Key: t.Key, At: t.At.Time, Count: t.Count}
}

// Delivery is one message of a notice to one receiver.
type Delivery struct {
	ID       string     `json:"id"` // local part of the Message-ID
	Site     string     `json:"site,omitempty"`
	Kind     string     `json:"kind"`
	Receiver string     `json:"receiver"`
	Channel  string     `json:"channel"`
	State    string     `json:"state"`
	Due      noren.Time `json:"due"`
	Tries    int64      `json:"tries"`
	Error    string     `json:"error,omitempty"`
	SentAt   noren.Time `json:"sent_at,omitzero"`
}

// Query chooses notices.
type Query struct {
	Sites  []string // "" names the instance; nil is all
	Open   bool     // high ones that nobody acknowledged
	Before string   // id of the last one shown; the next page
	Limit  int      // 100 when 0; at most 1,000
}

// List returns notices, the newest first, with their messages.
func (n *Notify) List(ctx context.Context, q Query) ([]Told, error) {
	if q.Limit <= 0 || q.Limit > 1000 {
		q.Limit = 100
	}
	where, args := `WHERE 1 = 1`, []any{}
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	if q.Sites != nil {
		where += ` AND site IN (''`
		if !slices.Contains(q.Sites, "") {
			where = `WHERE site IN (NULL`
		}
		for _, s := range q.Sites {
			where += ", " + arg(s)
		}
		where += `)`
	}
	if q.Open {
		where += ` AND severity = 3 AND acked_at = 0`
	}
	if q.Before != "" {
		where += ` AND id < ` + arg(q.Before)
	}
	all, err := readTold(ctx, n.o.DB.Read(), where+` ORDER BY id DESC LIMIT `+arg(q.Limit), args...)
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	for i := range all {
		if all[i].Sends, err = n.deliveries(ctx, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Get returns one notice.
func (n *Notify) Get(ctx context.Context, id string) (*Told, error) {
	t, err := readNotice(ctx, n.o.DB.Read(), id)
	if err != nil {
		return nil, err
	}
	t.Sends, err = n.deliveries(ctx, id)
	return t, err
}

func readTold(ctx context.Context, q querier, where string, args ...any) (out []Told, err error) {
	rows, err := q.QueryContext(ctx, `SELECT `+toldColumns+` FROM notify_notices `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		t, err := scanTold(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, *t)
	}
	return out, rows.Err()
}

func (n *Notify) deliveries(ctx context.Context, notice string) ([]Delivery, error) {
	return n.readDeliveries(ctx, `WHERE notice = $1 ORDER BY made_at, id LIMIT 200`, notice)
}

// Failed are the messages that were given up since, the newest first.
func (n *Notify) Failed(ctx context.Context, since time.Time) ([]Delivery, error) {
	return n.readDeliveries(ctx, `WHERE state = 'failed' AND made_at > $1 ORDER BY made_at DESC LIMIT 200`, since.UnixMicro())
}

// Waiting are the messages that are due and did not leave yet.
func (n *Notify) Waiting(ctx context.Context) ([]Delivery, error) {
	return n.readDeliveries(ctx, `WHERE state IN ('waiting', 'sending') AND due <= $1 ORDER BY due LIMIT 200`, n.o.Now().UnixMicro())
}

func (n *Notify) readDeliveries(ctx context.Context, where string, args ...any) (out []Delivery, err error) {
	rows, err := n.o.DB.Read().QueryContext(ctx, `SELECT id, site, kind, receiver, channel, state, due, tries, error, sent_at FROM notify_outbox `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d Delivery
		var due, at int64
		if err := rows.Scan(&d.ID, &d.Site, &d.Kind, &d.Receiver, &d.Channel, &d.State, &due, &d.Tries, &d.Error, &at); err != nil {
			return nil, err
		}
		d.Due = noren.FromMicros(due)
		if at > 0 && d.State == sent {
			d.SentAt = noren.FromMicros(at)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// Acknowledge notes that somebody has seen a notice and takes care of it; nobody
// else is asked any more. The first one counts.
func (n *Notify) Acknowledge(ctx context.Context, id, who string) (*Told, error) {
	if who = CleanLine(who, 100); who == "" {
		return nil, noren.Errorf(noren.Invalid, "who acknowledges the notice?")
	}
	var t *Told
	err := n.o.DB.Write(ctx, func(tx *db.Tx) error {
		var got string
		err := tx.QueryRowContext(ctx, `UPDATE notify_notices SET acked_at = $1, acked_by = $2, escalate_at = 0 WHERE id = $3 AND acked_at = 0 RETURNING id`,
			n.o.Now().UnixMicro(), who, id).Scan(&got)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		t, err = readNotice(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("acknowledge: %w", err)
	}
	return t, nil
}

// Prune deletes what is older than before; what still waits stays.
func (n *Notify) Prune(ctx context.Context, before time.Time) error {
	at := before.UnixMicro()
	return n.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, text := range []string{
			`DELETE FROM notify_outbox WHERE made_at < $1 AND state NOT IN ('waiting', 'sending', 'folded')`,
			`DELETE FROM notify_notices WHERE last_at < $1 AND NOT EXISTS (SELECT 1 FROM notify_outbox o WHERE o.notice = notify_notices.id)`,
			`DELETE FROM notify_groups WHERE ends_at < $1`,
		} {
			if _, err := tx.ExecContext(ctx, text, at); err != nil {
				return fmt.Errorf("delete old notices: %w", err)
			}
		}
		return nil
	})
}
