package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"noren"
)

// MaxPlain is the most Seal takes at once.
const MaxPlain = 1 << 20

const (
	dataVersion = 1
	wrapVersion = 1
	// gcmOverhead is the nonce and tag that a sealed text is longer by.
	gcmOverhead = 12 + 16
	// wrapHeader is version, erasure number and the wrapping key's id.
	wrapHeader = 1 + 8 + idLen
	idLen      = 26
)

// derive makes the working key of a use from a key that is never used itself.
func derive(key Secret, use string) Secret {
	out, err := hkdf.Key(sha256.New, key, nil, use, keyBytes)
	if err != nil {
		panic("vault: " + err.Error()) // only for lengths HKDF cannot give
	}
	return out
}

// newAEAD is AES-256-GCM with a random nonce in front of the ciphertext.
func newAEAD(key Secret) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("vault: " + err.Error()) // only for keys that are not 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("vault: " + err.Error()) // only for ciphers without 16-byte blocks
	}
	return aead
}

func randomKey() Secret {
	k := make(Secret, keyBytes)
	rand.Read(k)
	return k
}

// sealData is version, nonce, ciphertext, tag.
func sealData(aead cipher.AEAD, plain, aad []byte) []byte {
	out := make([]byte, 1, 1+len(plain)+gcmOverhead)
	out[0] = dataVersion
	return aead.Seal(out, nil, plain, aad)
}

func openData(aead cipher.AEAD, data, aad []byte) ([]byte, error) {
	if len(data) < 1+gcmOverhead || data[0] != dataVersion {
		return nil, errDamaged
	}
	return aead.Open(nil, nil, data[1:], aad)
}

var (
	errDamaged = errors.New("the bytes do not have the right form")
	errMissing = errors.New("it is not in the database")
)

// subjectKey is one row of vault_subject_keys without its secret.
type subjectKey struct {
	id    string
	site  string
	token token16
	month month
	// era is the number of the last erasure the maker knew of.
	era int64
}

// wrapSubjectKey binds the secret to everything its row says, so that a row
// cannot be moved to another subject, month or erasure number.
func wrapSubjectKey(with *purposeKey, k subjectKey, secret Secret) []byte {
	header := make([]byte, 0, wrapHeader+keyBytes+gcmOverhead)
	header = append(header, wrapVersion)
	header = binary.BigEndian.AppendUint64(header, uint64(k.era))
	header = append(header, with.id...)
	return with.aead.Seal(header, nil, secret, k.aad(header))
}

func (k subjectKey) aad(header []byte) []byte {
	return lengthPrefixed("noren subject key 1", string(header), k.id, k.site, string(k.token[:]), k.month.String())
}

// wrappedKey is a row's wrapped column taken apart.
type wrappedKey struct {
	header []byte
	era    int64
	by     string // id of the purpose key that wrapped it
	body   []byte
}

func parseWrapped(b []byte) (wrappedKey, error) {
	if len(b) != wrapHeader+keyBytes+gcmOverhead || b[0] != wrapVersion {
		return wrappedKey{}, noren.Errorf(noren.Tampered, "the wrapped key does not have the right form")
	}
	by := string(b[9:wrapHeader])
	if !validID(by) {
		return wrappedKey{}, noren.Errorf(noren.Tampered, "the wrapped key does not name the key that wrapped it")
	}
	return wrappedKey{header: b[:wrapHeader], era: int64(binary.BigEndian.Uint64(b[1:9])), by: by, body: b[wrapHeader:]}, nil
}

// lengthPrefixed joins parts so that no two lists of parts give the same bytes.
func lengthPrefixed(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += binary.MaxVarintLen32 + len(p)
	}
	return appendPrefixed(make([]byte, 0, n), parts...)
}

func appendPrefixed(b []byte, parts ...string) []byte {
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// validID reports whether s has the form noren.NewID gives.
func validID(s string) bool {
	return len(s) == idLen && strings.Trim(s, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == ""
}

func damagedKey(id string, err error) error {
	return noren.WithHint(noren.Errorf(noren.Tampered, "key %s is damaged: %w", id, err),
		"Its row was changed or the disk is failing. Restore the database from a backup; nothing sealed with this key can be read otherwise.")
}

func wrapName(purpose, id string) []byte {
	return lengthPrefixed("noren purpose key 1", purpose, id)
}
