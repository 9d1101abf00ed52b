package waf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/types/variables"

	"noren"
)

// secretWords mark fields whose values never leave the request.
var secretWords = []string{
	"pass", "pwd", "pswd", "secret", "token", "nonce", "csrf", "xsrf", "auth", "session", "sess_", "sid", "apikey",
	"api_key", "otp", "totp", "pincode", "cvv", "cvc", "securitycode", "security_code", "card", "pan", "expiry", "exp_",
	"credential", "signature", "private", "暗証", "パスワード",
}

// SecretField reports whether a field's name says that its value is a secret:
// a password, a token, a card's data.
func SecretField(name string) bool {
	name = strings.ToLower(name)
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

var mailAddress = regexp.MustCompile(`([A-Za-z0-9._%+-])[A-Za-z0-9._%+-]*@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)`)

// longDigits finds what may be a telephone number.
var longDigits = regexp.MustCompile(`\+?[0-9][0-9 -]{6,}[0-9]`)

// redact makes a matched value fit to be recorded: secrets go entirely, card
// numbers, mail addresses and telephone numbers are masked, the rest is cut.
func redact(v variables.RuleVariable, key, value string) string {
	switch v {
	case variables.RequestCookies, variables.RequestHeaders:
		if v == variables.RequestCookies || secretHeader(key) {
			return fmt.Sprintf("[redacted, %d bytes]", len(value))
		}
	case variables.RequestBody:
		return fmt.Sprintf("[body, %d bytes]", len(value))
	}
	if SecretField(key) {
		return fmt.Sprintf("[redacted, %d bytes]", len(value))
	}
	return Mask(cut(readable(value), maxValue))
}

var unicodeEscape = regexp.MustCompile(`%u[0-9a-f]{4}`)

// readable undoes t:utf8toUnicode, in whose form Coraza reports many matches:
// an operator should see メーカー, not %u30e1.
func readable(s string) string {
	return unicodeEscape.ReplaceAllStringFunc(s, func(e string) string {
		n, err := strconv.ParseUint(e[2:], 16, 16)
		if err != nil {
			return e
		}
		return string(rune(n))
	})
}

func secretHeader(name string) bool {
	switch strings.ToLower(name) {
	case "cookie", "authorization", "proxy-authorization":
		return true
	}
	return SecretField(name)
}

// Mask hides card numbers, mail addresses and telephone numbers in text.
func Mask(s string) string {
	s = noren.MaskCards(s)
	if strings.IndexByte(s, '@') >= 0 {
		s = mailAddress.ReplaceAllString(s, "$1***@$2")
	}
	if !mayBePhone(s) {
		return s
	}
	return longDigits.ReplaceAllStringFunc(s, func(d string) string {
		if !isPhone(d) {
			return d
		}
		return d[:2] + strings.Repeat("*", len(d)-4) + d[len(d)-2:]
	})
}

// mayBePhone reports whether eight characters in a row are those of longDigits.
// Nearly every value of a query is told by this, and not by a regular expression.
func mayBePhone(s string) bool {
	run := 0
	for i := range len(s) {
		if c := s[i]; c < '0' || c > '9' {
			if c != ' ' && c != '-' {
				run = 0
				continue
			}
		}
		if run++; run >= 8 {
			return true
		}
	}
	return false
}

// isPhone tells a telephone number as it is written in Japan (ten or eleven
// digits from 0, or with +) from an order number or a date.
func isPhone(s string) bool {
	digits := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			digits++
		}
	}
	return s[0] == '+' && digits >= 9 || s[0] == '0' && (digits == 10 || digits == 11)
}
