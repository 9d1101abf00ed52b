package vault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"noren"
	"noren/db"
)

// MaxReason bounds the reason of an erasure, in bytes.
const MaxReason = 500

// Erasure is one subject's erasure. It names the subject by token only.
type Erasure struct {
	ID      string     `json:"id"`
	Number  int64      `json:"-"` // its place among the erasures of this database
	Site    string     `json:"site"`
	Subject []byte     `json:"subject"` // Token(site, kind, id)
	At      noren.Time `json:"at"`
	Reason  string     `json:"reason,omitempty"`
	Keys    int64      `json:"-"` // keys destroyed
}

type erasers struct {
	mu        sync.Mutex
	bySubject []func(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error
	byToken   []func(ctx context.Context, tx *db.Tx, site string, token []byte) error
	ended     []func(done bool)
}

// OnErase registers what deletes a part's rows of a subject. It runs in Erase's
// transaction. It cannot run in Reapply, where nobody knows any more who the
// subject was; what must also go from a restored backup needs OnEraseToken.
func (v *Vault) OnErase(f func(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error) {
	v.erasers.mu.Lock()
	defer v.erasers.mu.Unlock()
	v.erasers.bySubject = append(v.erasers.bySubject, f)
}

// OnEraseToken registers what deletes the rows a part keeps under the subject's
// token, Token(site, kind, id). It runs in the transactions of Erase and Reapply
// and must do no harm when it runs again.
func (v *Vault) OnEraseToken(f func(ctx context.Context, tx *db.Tx, site string, token []byte) error) {
	v.erasers.mu.Lock()
	defer v.erasers.mu.Unlock()
	v.erasers.byToken = append(v.erasers.byToken, f)
}

// OnErased registers what a part does in memory after an erasure, here or on
// another node; see Run for how soon. Whom it was about is not known any more.
// done is false for one of this process that failed, or whose end is not known.
// It must be quick and must not call the vault.
func (v *Vault) OnErased(f func(done bool)) {
	v.erasers.mu.Lock()
	defer v.erasers.mu.Unlock()
	v.erasers.ended = append(v.erasers.ended, f)
}

// erasureEnded tells the parts.
func (v *Vault) erasureEnded(done bool) {
	v.erasers.mu.Lock()
	ended := v.erasers.ended
	v.erasers.mu.Unlock()
	for _, f := range ended {
		f(done)
	}
}

// Erase destroys every key of the subject, so that nothing sealed for it can be
// read again, and lets the parts delete its rows. The erasure is first written
// to the erasures file and synced, so once Erase has begun it will be carried
// out: when the database fails, by the next Reapply or by calling Erase again.
// The reason is kept for ever and must not say who the subject is.
//
// What a later event of the subject seals gets a new key. An entry of the same
// second on another node may be erased along; see Seal.
//
// On SQLite the old pages are overwritten (secure_delete) and the write-ahead
// log is emptied. PostgreSQL keeps the wrapped keys in dead rows until VACUUM
// and in archived WAL until that is deleted, as does every backup; Reapply
// erases again what such a backup brings back, and rotating the root key and
// destroying the old one makes them useless.
func (v *Vault) Erase(ctx context.Context, site string, s noren.Subject, reason string) (Erasure, error) {
	if err := validErasure(site, s, reason); err != nil {
		return Erasure{}, fmt.Errorf("erase: %w", err)
	}
	now := v.now()
	token := v.tokens.token(site, s.Kind, s.ID)
	e := Erasure{ID: noren.NewID(now), Site: site, Subject: token[:], At: noren.At(now), Reason: reason}
	if err := v.file.append(v.search.id, e); err != nil {
		return Erasure{}, fmt.Errorf("erase: %w", err)
	}
	_, err := v.destroy(ctx, &e, func(tx *db.Tx) error { return v.runErasers(ctx, tx, site, s) })
	if err != nil {
		return Erasure{}, noren.WithHint(fmt.Errorf("erase: %w", err),
			"The erasure is on the list and will be carried out at the next start, or by running the command again.")
	}
	v.scrub(ctx)
	v.log.Info("subject erased", "site", site, "erasure", e.ID, "keys", e.Keys)
	return e, nil
}

func validErasure(site string, s noren.Subject, reason string) error {
	if err := validWho(who{site: site, kind: s.Kind, id: s.ID}); err != nil {
		return err
	}
	if s.Kind == "" || s.ID == "" {
		return noren.WithHint(noren.Errorf(noren.Invalid, "no subject is named"), "Name one as KIND:ID, for example account:hanako@example.jp.")
	}
	if len(reason) > MaxReason || !utf8.ValidString(reason) || strings.ContainsRune(reason, 0) {
		return noren.Errorf(noren.Invalid, "the reason is longer than %d bytes or not plain text", MaxReason)
	}
	return nil
}

// destroy carries an erasure out in one transaction. done is false when it had
// been carried out before. It fills in e.Number and e.Keys.
func (v *Vault) destroy(ctx context.Context, e *Erasure, erasers func(tx *db.Tx) error) (done bool, err error) {
	err = v.db.Write(ctx, func(tx *db.Tx) error {
		done = false
		number, err := nextErasure(ctx, tx, noren.At(v.now()))
		if err != nil {
			return err
		}
		if known, err := hasErasure(ctx, tx, e.ID); err != nil || known {
			return err
		}
		done = true
		e.Number = number
		if e.Keys, err = deleteSubject(ctx, tx, e.Site, e.Subject); err != nil {
			return err
		}
		if err := erasers(tx); err != nil {
			return err
		}
		return tx.Insert(ctx, []db.Row{{Table: tableErasures, Values: []any{
			erasureID(number, e.ID), e.Site, e.Subject, e.At.UnixMicro(), e.Reason, e.Keys}}})
	})
	// Whether it failed or not: it may be done although the answer was lost.
	subject := token16(e.Subject)
	v.changes.Add(1)
	v.forget(func(k *dek) bool { return k.site == e.Site && k.token == subject })
	if err != nil {
		v.erasureEnded(false)
		return false, writeError("destroy keys", err)
	}
	v.refresh(ctx)
	return done, nil
}

func (v *Vault) runErasers(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	v.erasers.mu.Lock()
	bySubject := v.erasers.bySubject
	v.erasers.mu.Unlock()
	for _, f := range bySubject {
		if err := f(ctx, tx, site, s); err != nil {
			return fmt.Errorf("delete a part's rows: %w", err)
		}
	}
	return v.runTokenErasers(ctx, tx, site, v.Token(site, s.Kind, s.ID))
}

func (v *Vault) runTokenErasers(ctx context.Context, tx *db.Tx, site string, token []byte) error {
	v.erasers.mu.Lock()
	byToken := v.erasers.byToken
	v.erasers.mu.Unlock()
	for _, f := range byToken {
		if err := f(ctx, tx, site, token); err != nil {
			return fmt.Errorf("delete a part's rows: %w", err)
		}
	}
	return nil
}

func hasErasure(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM vault_erasures WHERE substr(id, 18) = $1`, id).Scan(&n)
	return n > 0, err
}

func deleteSubject(ctx context.Context, tx *db.Tx, site string, subject []byte) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM vault_subject_keys WHERE site = $1 AND subject = $2`, site, subject)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
