package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// token16 is a keyed token: what a value is stored as where it must be found
// again without being kept.
type token16 [16]byte

// tokenizer computes tokens under one key, concurrently.
type tokenizer struct{ pool sync.Pool }

type tokenState struct {
	mac hash.Hash
	in  []byte
	sum [sha256.Size]byte
}

func newTokenizer(key Secret) *tokenizer {
	return &tokenizer{pool: sync.Pool{New: func() any {
		return &tokenState{mac: hmac.New(sha256.New, key)}
	}}}
}

func (t *tokenizer) token(site, field, value string) (out token16) {
	s := t.pool.Get().(*tokenState)
	defer t.pool.Put(s)
	s.in = appendPrefixed(s.in[:0], site, field, value)
	s.mac.Reset()
	s.mac.Write(s.in)
	copy(out[:], s.mac.Sum(s.sum[:0]))
	clear(s.in) // the pool must not keep whom it was asked about
	return out
}

// Token is the search token of a value: 16 bytes of HMAC under the instance's
// search key. The same site, field and value always give the same token, and
// without the key a token neither shows its value nor can a guess be tested.
// The subject (kind, id) of a site is known as Token(site, kind, id) everywhere.
func (v *Vault) Token(site, field, value string) []byte {
	t := v.tokens.token(site, field, value)
	return t[:]
}
