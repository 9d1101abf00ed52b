package staff

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"noren"
)

// sealVersion is the first byte of what seal makes.
const sealVersion = 1

// seal hides v as JSON: version, nonce, ciphertext, tag (AES-256-GCM). What it is
// and whose is bound to it, so that no row's part can take the place of another's.
func (s *Staff) seal(ctx context.Context, what, id string, v any) ([]byte, error) {
	keys, err := s.o.Secrets(ctx)
	if err != nil {
		return nil, failed("ask for the key of staff", err)
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", what, err)
	}
	aead, err := newAEAD(keys[0])
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{sealVersion}, nil, plain, aad(what, id)), nil
}

// open is the inverse of seal. It tries the keys, the newest first; rotated ones
// still open what they sealed.
func (s *Staff) open(ctx context.Context, what, id string, sealed []byte, v any) error {
	keys, err := s.o.Secrets(ctx)
	if err != nil {
		return failed("ask for the key of staff", err)
	}
	for _, key := range keys {
		aead, err := newAEAD(key)
		if err != nil {
			return err
		}
		if len(sealed) == 0 || sealed[0] != sealVersion {
			break
		}
		if plain, err := aead.Open(nil, nil, sealed[1:], aad(what, id)); err == nil {
			return json.Unmarshal(plain, v)
		}
	}
	return noren.WithHint(noren.Errorf(noren.Tampered, "the %s of %s cannot be opened", what, id),
		"its row was changed or belongs to another root key; restore the database, or make a new link at the machine: noren staff link")
}

func aad(what, id string) []byte { return []byte("staff\x00" + what + "\x00" + id) }

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// tokenBytes is how long handed-out secrets are: 256 bits, so that nobody guesses
// one and an unkeyed hash of it may be stored.
const tokenBytes = 32

// newToken makes a secret to hand out and what is stored of it. purpose keeps a
// token of one kind from being taken for another.
func newToken(purpose string) (text string, hash []byte) {
	var raw [tokenBytes]byte
	rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:]), hashToken(purpose, raw[:])
}

// parseToken is what is stored of a token; false for what newToken never makes.
func parseToken(purpose, text string) (hash []byte, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tokenBytes {
		return nil, false // line breaks are skipped in decoding, for one
	}
	return hashToken(purpose, raw), true
}

func hashToken(purpose string, raw []byte) []byte {
	h := sha256.New()
	h.Write([]byte("noren staff " + purpose + "\x00"))
	h.Write(raw)
	return h.Sum(nil)
}
