package acme

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"noren"
)

// sealVersion is the first byte of what seal makes.
const sealVersion = 1

// seal hides a name and its value: version, nonce, ciphertext, tag. The row's id
// is bound to it, so that a row cannot take another one's place.
func seal(key []byte, id, name string, value []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plain := binary.AppendUvarint(make([]byte, 0, len(name)+len(value)+4), uint64(len(name)))
	plain = append(append(plain, name...), value...)
	return aead.Seal([]byte{sealVersion}, nil, plain, aad(id)), nil
}

// open tries the keys, the newest first; rotated ones still open what they sealed.
func open(keys [][]byte, id string, sealed []byte) (name string, value []byte, err error) {
	damaged := noren.WithHint(noren.Errorf(noren.Tampered, "a stored certificate or account cannot be opened"),
		"its row was changed or belongs to another root key; restore the database, or delete the row and Noren asks for a new certificate")
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return "", nil, damaged
	}
	for _, key := range keys {
		aead, err := newAEAD(key)
		if err != nil {
			return "", nil, err
		}
		plain, err := aead.Open(nil, nil, sealed[1:], aad(id))
		if err != nil {
			continue
		}
		n, w := binary.Uvarint(plain)
		if w <= 0 || n > uint64(len(plain)-w) {
			return "", nil, damaged
		}
		return string(plain[w : w+int(n)]), plain[w+int(n):], nil
	}
	return "", nil, damaged
}

func aad(id string) []byte { return []byte("acme_values\x00" + id) }

// newAEAD is AES-256-GCM with a random nonce before the ciphertext.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
