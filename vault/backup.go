package vault

import (
	"context"
	"strconv"
	"strings"

	"noren"
	"noren/db"
)

// ConfirmBackup records that somebody has the recovery sheet of the present root
// key in a safe place.
func (v *Vault) ConfirmBackup(ctx context.Context) error {
	value := (*v.root.Load()).ID() + " " + strconv.FormatInt(v.now().UnixMicro(), 10)
	err := v.db.Write(ctx, func(tx *db.Tx) error { return setState(ctx, tx, stateBackedUp, value) })
	if err != nil {
		return writeError("confirm the recovery sheet", err)
	}
	return nil
}

// BackedUp tells when ConfirmBackup was last called for the present root key; ok
// is false when it never was. A rotated root key needs a new sheet.
func (v *Vault) BackedUp(ctx context.Context) (at noren.Time, ok bool, err error) {
	state, err := loadState(ctx, v.db.Read())
	if err != nil {
		return noren.Time{}, false, readError("ask for the recovery sheet's state", err)
	}
	root, micros, _ := strings.Cut(state[stateBackedUp], " ")
	if root != (*v.root.Load()).ID() {
		return noren.Time{}, false, nil
	}
	us, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		return noren.Time{}, false, noren.Errorf(noren.Tampered, "the time of the recovery sheet in vault_state is not a number")
	}
	return noren.FromMicros(us), true, nil
}

// Alarm is what the owner must be told while nobody has confirmed a recovery
// sheet of the present root key; ok is false when there is nothing to tell.
func (v *Vault) Alarm(ctx context.Context) (text noren.Text, ok bool, err error) {
	_, backedUp, err := v.BackedUp(ctx)
	if err != nil || backedUp {
		return noren.Text{}, false, err
	}
	return noren.Text{
		Ja: "ルート鍵の控えがまだ確認されていません。この機械が壊れると、記録された個人情報は二度と読めなくなります。復旧用紙を印刷し、金庫など別の場所に保管してから、確認の操作をしてください。",
		En: "Nobody has confirmed a copy of the root key yet. If this machine breaks, the personal data on record can never be read again. Print the recovery sheet, keep it somewhere else, such as a safe, and then confirm it.",
	}, true, nil
}
