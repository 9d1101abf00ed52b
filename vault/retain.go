package vault

import (
	"context"
	"fmt"
	"time"

	"noren"
	"noren/db"
)

// DefaultKeep is how long keys are kept when nothing else is said: 13 months.
const DefaultKeep = 396 * 24 * time.Hour

// retainBatch bounds the rows one transaction deletes, so that the journal does
// not wait behind it.
const retainBatch = 1000

// Retain destroys the keys of every month that ended more than keep before now
// (DefaultKeep when 0) and returns how many. What they sealed opens as Erased;
// proofs stay valid. It also removes keys that came in late after an erasure.
// Call it every hour or day on any node, or on all.
func (v *Vault) Retain(ctx context.Context, now time.Time, keep time.Duration) (destroyed int, err error) {
	if keep == 0 {
		keep = DefaultKeep
	}
	if keep < 0 {
		return 0, noren.Errorf(noren.Invalid, "retain: the term %s is negative", keep)
	}
	first, err := monthOf(now.Add(-keep))
	if err != nil {
		return 0, fmt.Errorf("retain: %w", err)
	}
	for {
		n, err := v.destroyBefore(ctx, first)
		destroyed += n
		if err != nil {
			return destroyed, err
		}
		if n < retainBatch {
			break
		}
	}
	if destroyed > 0 {
		if err := v.announceRetention(ctx, first, now); err != nil {
			return destroyed, err
		}
	}
	swept, err := v.sweep(ctx)
	if err != nil {
		return destroyed, fmt.Errorf("retain: %w", err)
	}
	if destroyed > 0 || swept > 0 || v.unscrubbed.Load() {
		v.scrub(ctx)
		v.log.Info("keys past their term destroyed", "before", first.String(), "keys", destroyed, "late_keys", swept)
	}
	return destroyed, nil
}

// announceRetention lets every node drop the old months' keys from memory. The
// id makes the value another one each time, which is how nodes notice.
func (v *Vault) announceRetention(ctx context.Context, first month, now time.Time) error {
	value := first.String() + " " + noren.NewID(now)
	err := v.db.Write(ctx, func(tx *db.Tx) error { return setState(ctx, tx, stateRetained, value) })
	if err != nil {
		return writeError("retain", err)
	}
	v.refresh(ctx)
	return nil
}

func (v *Vault) destroyBefore(ctx context.Context, first month) (int, error) {
	var n int64
	err := v.db.Write(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM vault_subject_keys WHERE id IN (
			SELECT id FROM vault_subject_keys WHERE month < $1 LIMIT $2)`, first.String(), retainBatch)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, writeError("retain", err)
	}
	return int(n), nil
}
