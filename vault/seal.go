package vault

import (
	"context"
	"crypto/cipher"
	"fmt"
	"time"

	"noren"
	"noren/db"
)

// Seal encrypts plain with the key of (site, subject, month of at), making one
// when there is none in memory. aad is not stored and must be given again to
// Open. Only a node's own keys seal, so Seal never asks the database for one: it
// works for known and new subjects while the database is away, and several nodes
// (or one, after a restart) may have a key each for the same subject and month.
// All of them open, and all are destroyed together.
//
// # The rows
//
// The rows hold the wrapped key and must be inserted in the same transaction as
// the sealed data, or be in the spool with it. Every Seal under a key returns
// its row again (a conflict is ignored) until Confirm was called with that key,
// so a transaction that failed, was retried or was given up never leaves a later
// text without its key. Without Confirm everything is correct and each text
// costs one ignored INSERT more. The rows must not be changed.
//
// # Erasures elsewhere
//
// What other nodes and commands erased is asked for once a second, by the first
// Seal or Open that finds the last answer older than that, in the background.
// After more than three seconds without use the call waits up to 100 ms for the
// answer. So a busy node stops using an erased subject's key within about one
// second and an idle one with its next call; while the database does not answer,
// it goes on with what it knows. A text that was sealed under an erased key in
// between opens as Erased, whatever reaches the database when.
func (v *Vault) Seal(site string, s noren.Subject, at time.Time, plain, aad []byte) (noren.Sealed, []db.Row, error) {
	m, err := monthOf(at)
	if err != nil {
		return noren.Sealed{}, nil, fmt.Errorf("seal: %w", err)
	}
	if len(plain) > MaxPlain {
		return noren.Sealed{}, nil, noren.Errorf(noren.Invalid, "seal: %d bytes are over the limit of %d", len(plain), MaxPlain)
	}
	v.catchUp()
	k, err := v.sealingKey(who{site: site, kind: s.Kind, id: s.ID, month: m})
	if err != nil {
		return noren.Sealed{}, nil, fmt.Errorf("seal: %w", err)
	}
	return noren.Sealed{Key: k.id, Data: sealData(k.aead, plain, aad)}, k.unconfirmed(), nil
}

// Confirm tells that the rows returned with these keys (Sealed.Key) are
// committed in the database; a spool does not count. It is cheap, and unknown
// keys are fine. Nothing depends on it but the size of later transactions.
func (v *Vault) Confirm(keys ...string) {
	for _, id := range keys {
		v.sealing.confirm(id)
	}
}

func (v *Vault) sealingKey(w who) (*dek, error) {
	if k := v.sealing.forSealing(w); k != nil {
		return k, nil
	}
	if err := validWho(w); err != nil {
		return nil, err
	}
	for range 100 { // repeats only when an erasure or a rotation came in between
		unchanged := v.unchanged()
		k := v.newKey(w, v.era.Load(), v.ring.Load().active[PurposeSeal])
		if k = v.sealing.put(k, unchanged); k != nil {
			return k, nil
		}
	}
	return nil, noren.Errorf(noren.Unavailable, "keys are being erased faster than made")
}

// unchanged reports, when asked later, whether what is known of erasures and
// rotations is still what it is now.
func (v *Vault) unchanged() func() bool {
	before := v.changes.Load()
	return func() bool { return v.changes.Load() == before }
}

// validWho keeps out what would make the row's transaction fail.
func validWho(w who) error {
	if w.site != "" && !noren.ValidName(w.site) {
		return noren.Errorf(noren.Invalid, "site %q is not a site's name", w.site)
	}
	if len(w.kind)+len(w.id) > 2*noren.MaxEntityValue {
		return noren.Errorf(noren.Invalid, "subject of %d bytes is too long", len(w.kind)+len(w.id))
	}
	return nil
}

func (v *Vault) newKey(w who, era int64, sealKey *purposeKey) *dek {
	now := v.now()
	secret := randomKey()
	k := &dek{
		subjectKey: subjectKey{
			id:    noren.NewID(now),
			site:  w.site,
			token: v.tokens.token(w.site, w.kind, w.id),
			month: w.month,
			era:   era,
		},
		who:  w,
		by:   sealKey.id,
		aead: newAEAD(secret),
	}
	k.rows.Store(&[]db.Row{{Table: tableSubjectKeys, Values: []any{
		k.id, k.site, k.token[:], k.month.String(), wrapSubjectKey(sealKey, k.subjectKey, secret), now.UnixMicro(),
	}}})
	return k
}

// Open decrypts what Seal returned. The code of its error is Erased when the key
// was destroyed, by an erasure or because its term ended, and Tampered when the
// bytes, the aad or the key's row are not what they were.
func (v *Vault) Open(ctx context.Context, s noren.Sealed, aad []byte) ([]byte, error) {
	if !validID(s.Key) {
		return nil, noren.Errorf(noren.Tampered, "open: %q is not a key's id", s.Key)
	}
	v.catchUp()
	aead, err := v.openingAEAD(ctx, s.Key)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	plain, err := openData(aead, s.Data, aad)
	if err != nil {
		return nil, noren.Errorf(noren.Tampered, "open: what is sealed with key %s was changed or belongs elsewhere", s.Key)
	}
	return plain, nil
}

func (v *Vault) openingAEAD(ctx context.Context, id string) (cipher.AEAD, error) {
	if k := v.sealing.forOpening(id); k != nil {
		return k.aead, nil
	}
	if k := v.opening.forOpening(id); k != nil {
		return k.aead, nil
	}
	unchanged := v.unchanged()
	row, found, err := loadSubjectRow(ctx, v.db.Read(), id)
	if err != nil {
		return nil, readError("read key "+id, err)
	}
	if !found {
		return nil, noren.Errorf(noren.Erased, "key %s was destroyed", id)
	}
	k, err := v.unwrap(ctx, row)
	if err != nil {
		return nil, err
	}
	if k.era < row.erased {
		return nil, noren.Errorf(noren.Erased, "key %s was destroyed", id)
	}
	v.opening.put(k, unchanged)
	return k.aead, nil
}

// unwrap makes a stored key ready for use.
func (v *Vault) unwrap(ctx context.Context, row subjectRow) (*dek, error) {
	w, err := parseWrapped(row.wrapped)
	if err != nil {
		return nil, damagedKey(row.id, err)
	}
	m, err := parseMonth(row.month)
	if err != nil || len(row.subject) != len(token16{}) {
		return nil, damagedKey(row.id, errDamaged)
	}
	by, err := v.sealKey(ctx, w.by)
	if err != nil {
		return nil, err
	}
	k := &dek{subjectKey: subjectKey{id: row.id, site: row.site, token: token16(row.subject), month: m, era: w.era}, by: w.by}
	secret, err := by.aead.Open(nil, nil, w.body, k.aad(w.header))
	if err != nil {
		return nil, damagedKey(row.id, err)
	}
	k.aead = newAEAD(secret)
	return k, nil
}

// sealKey finds a seal key, looking again when another node made it just now.
func (v *Vault) sealKey(ctx context.Context, id string) (*purposeKey, error) {
	if k := v.ring.Load().byID[id]; k != nil && k.aead != nil {
		return k, nil
	}
	if err := v.learn(ctx); err != nil {
		return nil, err
	}
	if k := v.ring.Load().byID[id]; k != nil && k.aead != nil {
		return k, nil
	}
	return nil, damagedKey(id, errMissing)
}
