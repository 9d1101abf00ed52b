package staff

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"noren"
)

// Cost is what one hash of a password takes.
type Cost struct {
	KiB     uint32 // of memory
	Passes  uint32
	Threads uint8
}

// DefaultCost is what OWASP's Password Storage Cheat Sheet gives as the least for
// argon2id (RFC 9106): 19 MiB, two passes, one thread. RFC 9106's own second
// choice, 64 MiB and three passes, takes six times as long on a small machine,
// which every stranger could make it do. Raise it here: who signs in is hashed
// anew with it.
func DefaultCost() Cost { return Cost{KiB: 19 << 10, Passes: 2, Threads: 1} }

// Bounds of what is read back, so that a changed row cannot eat the machine.
const (
	maxKiB     = 256 << 10
	maxPasses  = 16
	maxThreads = 16
	saltBytes  = 16
	keyBytes   = 32
)

func (c Cost) valid() error {
	if c.KiB < 8*uint32(c.Threads) || c.KiB > maxKiB || c.Passes < 1 || c.Passes > maxPasses || c.Threads < 1 || c.Threads > maxThreads {
		return noren.Errorf(noren.Invalid, "a password hash cannot cost %d KiB, %d passes and %d threads", c.KiB, c.Passes, c.Threads)
	}
	return nil
}

// below reports whether c is cheaper than o in anything.
func (c Cost) below(o Cost) bool { return c.KiB < o.KiB || c.Passes < o.Passes }

// hashPassword makes a PHC string: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func hashPassword(password string, c Cost) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return phc{c, salt, c.key(password, salt)}.String()
}

func (c Cost) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, c.Passes, c.KiB, c.Threads, keyBytes)
}

// checkPassword compares a password to a hash, in time that does not tell how
// much was right.
func checkPassword(hash phc, password string) bool {
	return subtle.ConstantTimeCompare(hash.cost.key(password, hash.salt), hash.key) == 1
}

// phc is a stored hash.
type phc struct {
	cost Cost
	salt []byte
	key  []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.KiB, p.cost.Passes, p.cost.Threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

// parsePHC reads what String wrote, and nothing else.
func parsePHC(text string) (p phc, err error) {
	bad := noren.Errorf(noren.Tampered, "a stored password hash is not one of argon2id")
	f := strings.Split(text, "$")
	if len(f) != 6 {
		return p, bad
	}
	var numbers [3]uint64
	parts := strings.Split(f[3], ",")
	if len(parts) != len(numbers) {
		return p, bad
	}
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(parts[i], name)
		if numbers[i], err = strconv.ParseUint(digits, 10, 32); err != nil || !ok {
			return p, bad
		}
	}
	if numbers[2] > maxThreads {
		return p, bad
	}
	p.cost = Cost{uint32(numbers[0]), uint32(numbers[1]), uint8(numbers[2])}
	p.salt, _ = base64.RawStdEncoding.DecodeString(f[4])
	p.key, _ = base64.RawStdEncoding.DecodeString(f[5])
	if p.cost.valid() != nil || len(p.salt) != saltBytes || len(p.key) != keyBytes || p.String() != text {
		return phc{}, bad
	}
	return p, nil
}
