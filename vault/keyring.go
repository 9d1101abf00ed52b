package vault

import (
	"crypto/cipher"
	"crypto/ed25519"
	"maps"
	"slices"

	"noren"
)

// Purposes Noren itself uses. A part may ask Secret and SigningKey for others.
const (
	PurposeSeal       = "seal"
	PurposeSearch     = "search"
	PurposeCookie     = "cookie"
	PurposeCheckpoint = "checkpoint"
)

// State says what a purpose key is still for.
type State string

// States of a purpose key.
const (
	Active  State = "active"  // seals and signs
	Retired State = "retired" // opens and verifies what it sealed or signed
)

// maxKeys bounds how many keys one purpose can gather by rotation.
const maxKeys = 1000

// purposeKey is one row of vault_keys, unwrapped.
type purposeKey struct {
	id      string
	purpose string
	state   State
	created noren.Time
	secret  Secret
	aead    cipher.AEAD // of seal keys only
}

func newPurposeKey(id, purpose string, state State, created noren.Time, secret Secret) *purposeKey {
	k := &purposeKey{id: id, purpose: purpose, state: state, created: created, secret: secret}
	if purpose == PurposeSeal {
		k.aead = newAEAD(derive(secret, "noren seal 1"))
	}
	return k
}

// signing is the Ed25519 key derived from k.
func (k *purposeKey) signing() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(derive(k.secret, "noren sign 1"))
}

// keyring is every purpose key, immutable once published.
type keyring struct {
	version int64 // of vault_state "keys" when it was read
	byID    map[string]*purposeKey
	active  map[string]*purposeKey
	secrets map[string][][]byte // given to parts, by purpose, as Secrets lists them
}

func newKeyring(version int64, keys []*purposeKey) *keyring {
	r := &keyring{version: version, byID: map[string]*purposeKey{}, active: map[string]*purposeKey{}}
	for _, k := range keys {
		r.byID[k.id] = k
		if k.state == Active {
			r.active[k.purpose] = k
		}
	}
	r.deriveSecrets()
	return r
}

// deriveSecrets makes what parts are given once for all requests: every visitor
// with a cookie asks for it.
func (r *keyring) deriveSecrets() {
	r.secrets = map[string][][]byte{}
	for _, purpose := range r.purposes() {
		if purpose == PurposeSeal || purpose == PurposeSearch {
			continue // they never leave the vault
		}
		for _, k := range r.newestFirst(purpose) {
			r.secrets[purpose] = append(r.secrets[purpose], derive(k.secret, "noren secret 1"))
		}
	}
}

// newestFirst lists the keys of a purpose, the active one first.
func (r *keyring) newestFirst(purpose string) []*purposeKey {
	var out []*purposeKey
	for _, k := range r.byID {
		if k.purpose == purpose {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *purposeKey) int {
		switch {
		case a.state != b.state && a.state == Active:
			return -1
		case a.state != b.state:
			return 1
		case a.id > b.id: // ids sort by time
			return -1
		}
		return 1
	})
	return out
}

func (r *keyring) purposes() []string {
	seen := map[string]bool{}
	for _, k := range r.byID {
		seen[k.purpose] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
