package loop

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"noren"
	"noren/db"
)

var actionTable = &db.Table{
	Name:     "loop_actions",
	Columns:  []string{"id", "site", "kind", "sealed_key", "sealed", "expires_at", "entry"},
	OrIgnore: true,
}

// redoAtMost bounds one round of redoing.
const redoAtMost = 1000

// actionRows are the rows that make the entry's actions redoable, sealed with
// the subject's key because an action names its target.
func (l *Loop) actionRows(e *noren.Entry) ([]db.Row, error) {
	var rows []db.Row
	for _, a := range e.Decision.Actions {
		plain, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("action %s: %w", a.ID, err)
		}
		sealed, keys, err := l.o.Sealer.Seal(a.Site, e.Event.Subject(), e.Event.At.Time, plain, []byte("action "+a.ID))
		if err != nil {
			return nil, fmt.Errorf("seal action %s: %w", a.ID, err)
		}
		rows = append(rows, keys...)
		rows = append(rows, db.Row{Table: actionTable, Values: []any{
			a.ID, a.Site, string(a.Kind), sealed.Key, sealed.Data, a.Expires.UnixMicro(), e.Event.ID}})
	}
	return rows, nil
}

func (l *Loop) markDone(ctx context.Context, id string) error {
	return l.o.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE loop_actions SET done_at = $1 WHERE id = $2 AND done_at IS NULL`, l.clock.now().UnixMicro(), id)
		return err
	})
}

// openActions reads what is recorded, not done and not expired. An action whose
// subject was erased is gone for good; one that cannot be read does not keep the
// others from being done.
func (l *Loop) openActions(ctx context.Context, now noren.Time) ([]noren.Action, error) {
	rows, err := l.o.DB.Read().QueryContext(ctx,
		`SELECT id, sealed_key, sealed FROM loop_actions WHERE done_at IS NULL AND expires_at > $1 ORDER BY id LIMIT $2`,
		now.UnixMicro(), redoAtMost)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []noren.Action
	for rows.Next() {
		var id string
		var sealed noren.Sealed
		if err := rows.Scan(&id, &sealed.Key, &sealed.Data); err != nil {
			return nil, err
		}
		a, err := l.openAction(ctx, id, sealed)
		switch noren.CodeOf(err) {
		case "":
			out = append(out, a)
		case noren.Erased:
		case noren.Unavailable:
			return nil, err
		default:
			l.o.Log.Error("undone action cannot be read", "alarm", true, "action", id, "err", err)
		}
	}
	return out, rows.Err()
}

func (l *Loop) openAction(ctx context.Context, id string, sealed noren.Sealed) (a noren.Action, err error) {
	plain, err := l.o.Sealer.Open(ctx, sealed, []byte("action "+id))
	if err != nil {
		return a, fmt.Errorf("open action %s: %w", id, err)
	}
	if err := json.Unmarshal(plain, &a); err != nil {
		return a, fmt.Errorf("read action %s: %w", id, err)
	}
	return a, nil
}

// Prune deletes actions that are long over: done or not, what expired before a
// time is never carried out any more.
func (l *Loop) Prune(ctx context.Context, before time.Time) error {
	return l.o.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM loop_actions WHERE expires_at < $1`, before.UnixMicro())
		return err
	})
}
