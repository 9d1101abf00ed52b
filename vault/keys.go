package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"noren"
	"noren/db"
)

// readRing reads and unwraps the purpose keys, taking those known already from
// memory.
func (v *Vault) readRing(ctx context.Context, q querier, version int64) (*keyring, error) {
	rows, err := loadKeyRows(ctx, q)
	if err != nil {
		return nil, readError("read the vault's keys", err)
	}
	known := v.ring.Load().byID
	keys := make([]*purposeKey, 0, len(rows))
	for _, r := range rows {
		secret := Secret(nil)
		if k := known[r.id]; k != nil {
			secret = k.secret
		} else if secret, err = v.unwrapPurpose(ctx, r); err != nil {
			return nil, err
		}
		keys = append(keys, newPurposeKey(r.id, r.purpose, r.state, noren.FromMicros(r.created), secret))
	}
	return newKeyring(version, keys), nil
}

func (v *Vault) unwrapPurpose(ctx context.Context, r keyRow) (Secret, error) {
	secret, err := (*v.root.Load()).Unwrap(ctx, r.wrapped, wrapName(r.purpose, r.id))
	if err != nil {
		return nil, damagedKey(fmt.Sprintf("%s (%s)", r.id, r.purpose), err)
	}
	if len(secret) != keyBytes {
		return nil, damagedKey(r.id, errDamaged)
	}
	return secret, nil
}

// checkRoot compares the root key the database was written with to the one
// given. A database without keys fits every root key.
func (v *Vault) checkRoot(id string) error {
	root := *v.root.Load()
	if id == "" || id == root.ID() {
		return nil
	}
	return noren.WithHint(
		noren.Errorf(noren.Invalid, "the database belongs to root key %s, but the one given is %s", id, root.ID()),
		"Use the root key whose ID is on this database's recovery sheet. If a rotation was broken off, it is in the file that ends in .new.")
}

// purposeKey returns the active key of a purpose, making the first one.
func (v *Vault) purposeKey(ctx context.Context, purpose string) (*purposeKey, error) {
	if k := v.ring.Load().active[purpose]; k != nil {
		return k, nil
	}
	if !noren.ValidName(purpose) {
		return nil, noren.Errorf(noren.Invalid, "key purpose %q is not a name", purpose)
	}
	err := v.changeKeys(ctx, func(tx *db.Tx) error {
		n, _, err := countPurpose(ctx, tx, purpose)
		if err != nil || n > 0 { // another node was faster
			return err
		}
		return v.insertKey(ctx, tx, purpose)
	})
	if err != nil {
		return nil, fmt.Errorf("make the first %s key: %w", purpose, err)
	}
	k := v.ring.Load().active[purpose]
	if k == nil {
		return nil, noren.Errorf(noren.Tampered, "there is no active %s key among those in the database", purpose)
	}
	return k, nil
}

// changeKeys runs f as the only one who changes keys, under the root key the
// database belongs to, and then reads the keys again.
func (v *Vault) changeKeys(ctx context.Context, f func(tx *db.Tx) error) error {
	err := v.db.Write(ctx, func(tx *db.Tx) error {
		state, err := lockKeys(ctx, tx)
		if err != nil {
			return err
		}
		if err := v.checkRoot(state[stateRoot]); err != nil {
			return err
		}
		if err := v.claim(ctx, tx, state); err != nil {
			return err
		}
		return f(tx)
	})
	if err != nil {
		return writeError("change the vault's keys", err)
	}
	return v.learn(ctx)
}

// lockKeys makes this transaction the only one that changes keys.
func lockKeys(ctx context.Context, tx *db.Tx) (map[string]string, error) {
	if _, err := countUp(ctx, tx, stateKeys); err != nil {
		return nil, err
	}
	return loadState(ctx, tx)
}

// claim marks a new database as this root key's and gives the instance its id.
func (v *Vault) claim(ctx context.Context, tx *db.Tx, state map[string]string) error {
	if state[stateInstance] != "" {
		return nil
	}
	return errors.Join(
		setState(ctx, tx, stateInstance, noren.NewID(v.now())),
		setState(ctx, tx, stateRoot, (*v.root.Load()).ID()))
}

func (v *Vault) insertKey(ctx context.Context, tx *db.Tx, purpose string) error {
	now := v.now()
	id := noren.NewID(now)
	wrapped, err := (*v.root.Load()).Wrap(ctx, randomKey(), wrapName(purpose, id))
	if err != nil {
		return fmt.Errorf("wrap key: %w", err)
	}
	return tx.Insert(ctx, []db.Row{{Table: tableKeys, Values: []any{id, purpose, string(Active), wrapped, now.UnixMicro()}}})
}

func countPurpose(ctx context.Context, tx *db.Tx, purpose string) (all, active int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(CASE WHEN state = $2 THEN 1 END) FROM vault_keys WHERE purpose = $1`,
		purpose, string(Active)).Scan(&all, &active)
	return all, active, err
}

// Secret returns 32 bytes for a part's own use, e.g. to sign cookies. They
// change when the purpose is rotated: ask each time, it is cheap.
func (v *Vault) Secret(ctx context.Context, purpose string) ([]byte, error) {
	keys, err := v.Secrets(ctx, purpose)
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// Secrets returns the active secret first, then the retired ones, newest first:
// sign with the first, accept what any of them signed. Another node may sign
// with a key rotated in during the last second; it is in the list within another.
// The secrets are everybody's and must not be changed.
func (v *Vault) Secrets(ctx context.Context, purpose string) ([][]byte, error) {
	if purpose == PurposeSeal || purpose == PurposeSearch {
		return nil, noren.Errorf(noren.Denied, "the %s key never leaves the vault", purpose)
	}
	v.catchUp()
	if _, err := v.purposeKey(ctx, purpose); err != nil {
		return nil, err
	}
	return slices.Clone(v.ring.Load().secrets[purpose]), nil
}

// SigningKey returns the active Ed25519 key of a purpose and its id.
func (v *Vault) SigningKey(ctx context.Context, purpose string) (id string, key ed25519.PrivateKey, err error) {
	v.catchUp()
	k, err := v.purposeKey(ctx, purpose)
	if err != nil {
		return "", nil, err
	}
	return k.id, k.signing(), nil
}

// Key describes a purpose key without its secret.
type Key struct {
	ID      string     `json:"id"`
	Purpose string     `json:"purpose"`
	State   State      `json:"state"`
	Created noren.Time `json:"created"`
	// Public is the Ed25519 public key of SigningKey, to verify what the key
	// signed after it was rotated; meaningless for purposes that do not sign.
	Public ed25519.PublicKey `json:"public,omitempty"`
}

// Keys lists the keys of a purpose, the active one first.
func (v *Vault) Keys(purpose string) []Key {
	var out []Key
	for _, k := range v.ring.Load().newestFirst(purpose) {
		d := Key{ID: k.id, Purpose: k.purpose, State: k.state, Created: k.created}
		if purpose != PurposeSeal && purpose != PurposeSearch {
			d.Public = k.signing().Public().(ed25519.PublicKey)
		}
		out = append(out, d)
	}
	return out
}

// Purposes lists what there are keys for.
func (v *Vault) Purposes() []string {
	return v.ring.Load().purposes()
}

// Rotate retires the active key of a purpose and makes a new one. What the old
// one sealed or signed stays readable. The search key cannot be rotated; see the
// package's comment.
func (v *Vault) Rotate(ctx context.Context, purpose string) error {
	if purpose == PurposeSearch {
		return noren.WithHint(noren.Errorf(noren.Denied, "the search key cannot be rotated: every counter, ban and erasure would lose whom it is about"),
			"Rotate the root key instead if the root key was seen by somebody. If the search key itself leaked, start with a new database.")
	}
	err := v.changeKeys(ctx, func(tx *db.Tx) error {
		all, active, err := countPurpose(ctx, tx, purpose)
		switch {
		case err != nil:
			return err
		case active == 0:
			return noren.WithHint(noren.Errorf(noren.NotFound, "there is no %q key to rotate", purpose), "`noren keys status` shows the purposes in use.")
		case all >= maxKeys:
			return noren.Errorf(noren.Denied, "there are %d %s keys already", all, purpose)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE vault_keys SET state = $1 WHERE purpose = $2 AND state = $3`,
			string(Retired), purpose, string(Active)); err != nil {
			return err
		}
		return v.insertKey(ctx, tx, purpose)
	})
	if err != nil {
		return fmt.Errorf("rotate %s: %w", purpose, err)
	}
	v.log.Info("key rotated", "purpose", purpose, "id", v.ring.Load().active[purpose].id)
	return nil
}

// RewrapRoot wraps every purpose key with another root key, in one transaction;
// from then on only that one opens the database. Keep it safe before calling. A
// second call with the same key does nothing. Nodes that still hold the old key
// go on working, but cannot learn of a later rotation until they are restarted
// with the new one.
func (v *Vault) RewrapRoot(ctx context.Context, newRoot KEK) error {
	old := *v.root.Load()
	if newRoot.ID() == old.ID() {
		return nil
	}
	err := v.db.Write(ctx, func(tx *db.Tx) error {
		state, err := lockKeys(ctx, tx)
		if err != nil {
			return err
		}
		if state[stateRoot] == newRoot.ID() { // a call before this one was done and did not know
			return nil
		}
		if err := v.checkRoot(state[stateRoot]); err != nil {
			return err
		}
		if err := v.rewrap(ctx, tx, newRoot); err != nil {
			return err
		}
		return setState(ctx, tx, stateRoot, newRoot.ID())
	})
	if err != nil {
		return writeError("wrap the keys with another root key", err)
	}
	v.root.Store(&newRoot)
	v.log.Info("root key rotated", "old", old.ID(), "new", newRoot.ID())
	v.scrub(ctx)
	return nil
}

func (v *Vault) rewrap(ctx context.Context, tx *db.Tx, newRoot KEK) error {
	rows, err := loadKeyRows(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		secret, err := v.unwrapPurpose(ctx, r)
		if err != nil {
			return err
		}
		wrapped, err := newRoot.Wrap(ctx, secret, wrapName(r.purpose, r.id))
		if err != nil {
			return fmt.Errorf("wrap key: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE vault_keys SET wrapped = $1 WHERE id = $2`, wrapped, r.id); err != nil {
			return err
		}
	}
	return nil
}

func writeError(doing string, err error) error {
	if db.IsUnavailable(err) {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "%s: %w", doing, err), "Check that the database is up and its disk is not full, then try again.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
