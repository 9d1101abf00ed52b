package vault

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	"noren"
)

// KEK wraps the purpose keys. RootKey is the one shipped; a key management
// service can be another.
type KEK interface {
	// ID names the key without telling anything about it. Two keys never share
	// an ID, and a key keeps its ID for ever.
	ID() string
	// Wrap encrypts a key; aad must be given again to Unwrap.
	Wrap(ctx context.Context, plain, aad []byte) ([]byte, error)
	// Unwrap fails for anything that Wrap of the same key did not make.
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
}

const (
	keyBytes      = 32
	checksumBytes = 4
	rootTextLen   = 48 // (32 + 4) bytes as base64url
)

// RootKey is the key everything hangs on: 32 random bytes that live outside the
// database. It prints as its ID.
type RootKey struct {
	secret Secret
	ref    string // where it was read from; "" for a new one
	id     string
	aead   cipher.AEAD
}

// NewRootKey makes a random root key.
func NewRootKey() *RootKey {
	secret := make(Secret, keyBytes)
	rand.Read(secret)
	return rootKeyOf(secret, "")
}

func rootKeyOf(secret Secret, ref string) *RootKey {
	id := derive(secret, "noren root id 1")
	return &RootKey{
		secret: secret,
		ref:    ref,
		id:     "R-" + base32.StdEncoding.EncodeToString(id[:5]),
		aead:   newAEAD(derive(secret, "noren root wrap 1")),
	}
}

// ParseRootKey reads the text of a root key as GenerateRootKey writes it or as
// somebody typed it from the recovery sheet: white space and lines that begin
// with # do not matter. A mistyped key is noticed by its checksum.
func ParseRootKey(text string) (*RootKey, error) {
	secret, err := parseRootText(text)
	if err != nil {
		return nil, err
	}
	return rootKeyOf(secret, ""), nil
}

func parseRootText(text string) (Secret, error) {
	if len(text) > maxRootFile {
		return nil, noren.Errorf(noren.Invalid, "the root key is longer than %d characters: it is something else", maxRootFile)
	}
	text = rootCharacters(text)
	if text == "" {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "the root key is empty"),
			"Take the key from the recovery sheet. For a new installation delete the empty file; `noren serve` makes a key with the database.")
	}
	if len(text) != rootTextLen {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "the root key has %d characters instead of %d", len(text), rootTextLen),
			"Compare it with the recovery sheet: twelve groups of four characters; upper and lower case differ.")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "the root key has a character other than A–Z, a–z, 0–9, - and _"),
			"Compare it with the recovery sheet.")
	}
	secret := Secret(raw[:keyBytes])
	if subtle.ConstantTimeCompare(raw[keyBytes:], rootChecksum(secret)) != 1 {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "the root key's checksum does not fit: at least one character is wrong"),
			"Compare it with the recovery sheet group by group; upper and lower case differ, and so do O and 0, l and I.")
	}
	return secret, nil
}

// rootCharacters drops comment lines and white space.
func rootCharacters(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, r := range line {
			if !unicode.IsSpace(r) {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

func rootChecksum(secret Secret) []byte {
	sum := sha256.Sum256(append([]byte("noren root key 1"), secret...))
	return sum[:checksumBytes]
}

// Text is the root key in the clear, with its checksum: for the key's file and
// the recovery sheet, never for a log.
func (k *RootKey) Text() string {
	return base64.RawURLEncoding.EncodeToString(append([]byte(k.secret), rootChecksum(k.secret)...))
}

// Ref is where the key was read from, e.g. file:/etc/noren/root.key.
func (k *RootKey) Ref() string { return k.ref }

// ID names the key without telling anything about it.
func (k *RootKey) ID() string { return k.id }

// Wrap encrypts a purpose key.
func (k *RootKey) Wrap(_ context.Context, plain, aad []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, plain, aad), nil
}

// Unwrap is the inverse of Wrap.
func (k *RootKey) Unwrap(_ context.Context, wrapped, aad []byte) ([]byte, error) {
	return k.aead.Open(nil, nil, wrapped, aad)
}

// String is the key's ID.
func (k *RootKey) String() string { return "root key " + k.id }

// Format answers every verb without the key.
func (k *RootKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue is the key's ID.
func (k *RootKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
