package noren

import "strings"

// HalfWidth turns the full-width letters of a Japanese keyboard into those that
// addresses and numbers are written with.
func HalfWidth(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '　':
			return ' '
		case r == '。':
			return '.'
		}
		return r
	}, s)
}

// ReadTicket reads a reference number as a customer tells it on the phone: small or
// full-width letters, spaces, any of the keyboard's hyphens, O for 0, I or L for 1.
// ok is false for anything else.
func ReadTicket(s string) (ticket string, ok bool) {
	s = strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1", "ー", "", "−", "", "‐", "").Replace(strings.ToUpper(HalfWidth(s)))
	if len(s) != 10 {
		return "", false
	}
	s = s[:5] + "-" + s[5:]
	return s, ValidTicket(s)
}
