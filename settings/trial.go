package settings

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"noren"
	"noren/db"
)

// Trial is a change that is in force and is taken back by itself unless somebody
// confirms it in time: what a person does who may be shutting themselves out.
// The row is written before the change, so that a crash between the two leaves a
// trial of nothing and never a change without an end. What Made and Undo name is
// for the one who makes changes of the Kind to know; they are ids or hashes.
type Trial struct {
	ID   string     `json:"id"`
	Kind TrialKind  `json:"kind"`
	Site string     `json:"site,omitempty"` // "" for all
	Made string     `json:"made,omitempty"` // what the change made
	Undo string     `json:"undo,omitempty"` // what was there before
	Due  noren.Time `json:"due"`
}

// TrialKind is what is on trial.
type TrialKind string

// Kinds of trials.
const (
	TrialSettings TrialKind = "settings" // Made: hash of the new set; Undo: id of the version before
	TrialPlace    TrialKind = "place"    // ids of places
	TrialBan      TrialKind = "ban"      // Made: id of the list entry
)

// States of a trial.
const (
	TrialOpen      = "open"
	TrialConfirmed = "confirmed"
	TrialTakenBack = "taken_back"
	TrialVoid      = "void" // the change never came to be, or another followed it
)

// Bounds of the time to confirm.
const (
	minTrial = time.Second
	maxTrial = 24 * time.Hour
)

// claimFor is how long a node has for taking a change back before another tries.
const claimFor = 30 * time.Second

// BeginTrial notes that a change follows which ends unless confirmed.
func (s *Store) BeginTrial(ctx context.Context, t Trial, within time.Duration) (Trial, error) {
	if within < minTrial || within > maxTrial {
		return t, noren.Say(noren.Invalid, noren.Textf("変更の確定を待つ時間は %s から %s までです（%s は選べません）",
			"a change can wait %s to %s for its confirmation, not %s", minTrial, maxTrial, within))
	}
	now := noren.At(s.o.Now())
	t.ID, t.Due = noren.NewID(now.Time), noren.At(now.Add(within))
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		if t.Kind == TrialSettings {
			if err := noOtherTrial(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO settings_trials (id, kind, site, made, undo, due, claimed_at, state) VALUES ($1, $2, $3, $4, $5, $6, 0, $7)`,
			t.ID, string(t.Kind), t.Site, t.Made, t.Undo, t.Due.UnixMicro(), TrialOpen)
		return err
	})
	if err != nil {
		return t, fmt.Errorf("begin a trial: %w", err)
	}
	return t, nil
}

// noOtherTrial refuses a second change of settings while one waits: taken back,
// the first would take the second with it.
func noOtherTrial(ctx context.Context, tx *db.Tx) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM settings_trials WHERE kind = $1 AND state = $2`, string(TrialSettings), TrialOpen).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return SettingsOnTrial()
	}
	return nil
}

// SettingsOnTrial is the error of whoever would change settings that wait for
// their confirmation.
func SettingsOnTrial() error {
	err := noren.WithHint(noren.Errorf(noren.Conflict, "the settings in force wait for their confirmation"),
		"keep them with `noren settings confirm`, or go back with `noren settings confirm --back`; then change them")
	return noren.WithText(err, noren.Text{
		Ja: "前の変更が確定を待っています。先に「確定する」か「今すぐ戻す」を選んでください。",
		En: "An earlier change waits. Keep it or take it back first.",
	})
}

// Trials lists the open ones, the next to end first.
func (s *Store) Trials(ctx context.Context) (out []Trial, err error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, kind, site, made, undo, due FROM settings_trials WHERE state = $1 ORDER BY due, id`, TrialOpen)
	if err != nil {
		return nil, fmt.Errorf("list trials: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var t Trial
		var due int64
		if err := rows.Scan(&t.ID, &t.Kind, &t.Site, &t.Made, &t.Undo, &due); err != nil {
			return nil, err
		}
		t.Due = noren.FromMicros(due)
		out = append(out, t)
	}
	return out, rows.Err()
}

// ClaimTrial gives the caller a trial to end, and the other nodes none: it is
// nobody else's for half a minute. When the caller dies meanwhile, another does it
// then. early claims one whose time has not come.
func (s *Store) ClaimTrial(ctx context.Context, id string, early bool) (claimed bool, err error) {
	now := s.o.Now()
	due := now.UnixMicro()
	if early {
		due = 1<<63 - 1
	}
	err = s.o.DB.Write(ctx, func(tx *db.Tx) error {
		var got string
		err := tx.QueryRowContext(ctx, `UPDATE settings_trials SET claimed_at = $1 WHERE id = $2 AND state = $3 AND due <= $4 AND claimed_at < $5 RETURNING id`,
			now.UnixMicro(), id, TrialOpen, due, now.Add(-claimFor).UnixMicro()).Scan(&got)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		claimed = err == nil
		return err
	})
	return claimed, err
}

// EndTrial writes down how a trial ended that the caller has claimed. One that has
// ended stays as it is, and ended is false.
func (s *Store) EndTrial(ctx context.Context, id, state string) (ended bool, err error) {
	err = s.o.DB.Write(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE settings_trials SET state = $1 WHERE id = $2 AND state = $3`, state, id, TrialOpen)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		ended = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("end a trial: %w", err)
	}
	return ended, nil
}

// PruneTrials drops those that ended before a time.
func (s *Store) PruneTrials(ctx context.Context, before time.Time) error {
	return s.o.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM settings_trials WHERE state <> $1 AND due < $2`, TrialOpen, before.UnixMicro())
		return err
	})
}
