package staff

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"noren"
)

// A second factor by time (RFC 6238) with what every authenticator app knows:
// SHA-1, six digits, thirty seconds. One step to either side is taken, for clocks
// that differ (RFC 6238, 5.2).
const (
	totpDigits  = 6
	totpPeriod  = 30 * time.Second
	totpSkew    = 1
	secretBytes = 20 // RFC 4226, 4: 160 bits are recommended
)

var base32Secret = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret makes the secret of a second factor, as apps take it typed in.
func NewSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return base32Secret.EncodeToString(b)
}

// parseSecret reads what NewSecret made; spaces and small letters, as people type
// them, are the same.
func parseSecret(text string) ([]byte, error) {
	if len(text) > 128 {
		return nil, errNoSecret()
	}
	text = strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	b, err := base32Secret.DecodeString(text)
	if err != nil || len(b) != secretBytes || base32Secret.EncodeToString(b) != text {
		return nil, errNoSecret()
	}
	return b, nil
}

func errNoSecret() error {
	return noren.Errorf(noren.Invalid, "the secret of the second factor is not the one that was shown")
}

// KeyURI is what the QR code says to an authenticator app: whose the second
// factor is, where, and its secret
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format).
func KeyURI(issuer, account, secret string) string {
	label := strings.ReplaceAll(issuer, ":", " ") + ":" + account
	// Apps read %20 as a space, and + as a plus.
	issuer = strings.ReplaceAll(url.QueryEscape(issuer), "+", "%20")
	query := "secret=" + strings.ReplaceAll(secret, " ", "") + "&issuer=" + issuer + "&algorithm=SHA1&digits=6&period=30"
	return "otpauth://totp/" + url.PathEscape(label) + "?" + query
}

// code is the code of a time step (RFC 4226, 5.3).
func code(secret []byte, step int64, digits int) string {
	mac := hmac.New(sha1.New, secret)
	binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	mod := uint32(1)
	for range digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%mod)
}

func stepOf(t time.Time) int64 { return t.Unix() / int64(totpPeriod/time.Second) }

// stepFor is the time step around now that a code belongs to and that is later
// than the last one used; false for none.
func stepFor(secret []byte, typed string, now time.Time, last int64) (step int64, ok bool) {
	typed = foldDigits(typed)
	for at := stepOf(now) - totpSkew; at <= stepOf(now)+totpSkew; at++ {
		if subtle.ConstantTimeCompare([]byte(code(secret, at, totpDigits)), []byte(typed)) == 1 && at > last {
			step, ok = at, true
		}
	}
	return step, ok
}

// foldDigits takes what people type between the digits away, and the wide digits
// of a Japanese keyboard as ordinary ones.
func foldDigits(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '０' && r <= '９':
			return r - '０' + '0'
		case r == ' ' || r == '　' || r == '-':
			return -1
		}
		return r
	}, typed)
}

// factor is a stored second factor.
type factor struct {
	id     string
	secret []byte
	step   int64
}

// useCode takes a code of the person's second factor, or one of their recovery
// codes, exactly once over all nodes. how is what it was: totp or recovery.
func (s *Staff) useCode(ctx context.Context, person, typed string) (how string, err error) {
	factors, err := s.factors(ctx, person)
	if err != nil {
		return "", err
	}
	for _, f := range factors {
		step, ok := stepFor(f.secret, typed, s.o.Now(), f.step)
		if !ok {
			continue
		}
		if used, err := s.useStep(ctx, f.id, step); err != nil || used {
			return factorTOTP, err
		}
	}
	if used, err := s.useRecovery(ctx, person, typed); err != nil || used {
		return factorRecovery, err
	}
	return "", errWrongCode()
}

func errWrongCode() error {
	return noren.WithText(noren.WithHint(noren.Errorf(noren.Denied, "this code is not right, or was used before"),
		"wait for the next code of your app; if the clock of the phone is wrong no code fits"),
		noren.Text{Ja: "確認コードが違うか、もう使われています。アプリの次の数字を待って入れてください。", En: "This code is not right, or was used before. Wait for the next one of your app."})
}

const (
	factorTOTP     = "totp"
	factorRecovery = "recovery"
)
