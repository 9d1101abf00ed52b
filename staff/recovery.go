package staff

import (
	"context"
	"crypto/rand"
	"strings"
)

// Recovery codes stand in for a lost phone, each once.
const (
	recoveryCodes  = 10
	recoveryLength = 12 // characters of 32, so 60 bits
	recoveryAlpha  = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"
)

// newRecoveryCodes makes codes as they are printed: XXXX-XXXX-XXXX.
func newRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		var b [recoveryLength]byte
		rand.Read(b[:])
		for j := range b {
			b[j] = recoveryAlpha[b[j]%32]
		}
		c := string(b[:])
		codes[i] = c[:4] + "-" + c[4:8] + "-" + c[8:]
	}
	return codes
}

// foldRecovery is a code as it counts: I and L are 1, O is 0, as in Crockford's
// base 32. "" for what is none.
func foldRecovery(typed string) string {
	folded := strings.NewReplacer("I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(foldDigits(typed)))
	if len(folded) != recoveryLength {
		return ""
	}
	for _, r := range folded {
		if !strings.ContainsRune(recoveryAlpha, r) {
			return ""
		}
	}
	return folded
}

// recoveryToken is what is stored of a code.
func (s *Staff) recoveryToken(person, folded string) []byte {
	return s.o.Token("staff.recovery", person+"\x00"+folded)
}

// useRecovery uses up a recovery code.
func (s *Staff) useRecovery(ctx context.Context, person, typed string) (used bool, err error) {
	folded := foldRecovery(typed)
	if folded == "" {
		return false, nil
	}
	return s.changesOne(ctx, "use a recovery code", `UPDATE staff_recovery SET used_at = $1 WHERE person = $2 AND code = $3 AND used_at IS NULL`,
		s.o.Now().UnixMicro(), person, s.recoveryToken(person, folded))
}
