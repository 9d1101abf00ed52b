package noren

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// crockford is Crockford's base 32: no I, L, O or U, so that an id can be read
// out on the phone.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID returns an id that sorts by time: 48 bits of Unix milliseconds and 80
// random bits, as 26 characters. Both database engines store it as TEXT.
func NewID(at time.Time) string {
	var b [16]byte
	rand.Read(b[6:])
	ms := uint64(max(at.UnixMilli(), 0))
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], ms<<16)
	copy(b[:6], t[:6])
	return crockford.EncodeToString(b[:])
}

// IDOf returns the id of what seed names, the same one every time: for a sensor
// that may see the same thing twice. It sorts by time like any other.
func IDOf(at time.Time, seed ...[]byte) string {
	h := sha256.New()
	for _, s := range seed {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write(s)
	}
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(max(at.UnixMilli(), 0))<<16)
	return crockford.EncodeToString(append(t[:6:6], h.Sum(nil)[:10]...))
}

// NewTicket returns the number printed on a block page: ten characters that a
// customer can read to the shop, telling an attacker nothing.
func NewTicket() string {
	var b [6]byte
	rand.Read(b[:])
	s := crockford.EncodeToString(b[:])
	return s[:5] + "-" + s[5:]
}

// ValidTicket reports whether s has the shape NewTicket gives.
func ValidTicket(s string) bool {
	return len(s) == 11 && s[5] == '-' && !strings.ContainsFunc(s[:5]+s[6:], func(r rune) bool {
		return !strings.ContainsRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", r)
	})
}
