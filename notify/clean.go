package notify

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"noren"
)

// CleanLine makes one line of s: no control characters, none that turn the
// direction of writing or show nothing, no card numbers, mail addresses masked, at
// most so many characters.
func CleanLine(s string, most int) string {
	return strings.Join(strings.Fields(clean(s, most, false)), " ")
}

// CleanText is CleanLine for a text of several lines.
func CleanText(s string, most int) string { return strings.TrimSpace(clean(s, most, true)) }

// maxRaw bounds what is looked at at all; clean cuts to characters afterwards.
const maxRaw = 64 << 10

func clean(s string, most int, lines bool) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxRaw)], "�")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines:
			return r
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
	s = MaskMail(noren.MaskCards(s))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// mailAddress finds what looks like one, also where an attacker wrote it.
var mailAddress = regexp.MustCompile(`[\pL\pN._%+\-]{1,64}[@＠][\pL\pN\-]{1,63}(\.[\pL\pN\-]{1,63})+`)

// MaskMail leaves the first letter and the domain of mail addresses.
func MaskMail(s string) string {
	if !strings.ContainsAny(s, "@＠") {
		return s
	}
	return mailAddress.ReplaceAllStringFunc(s, func(m string) string {
		_, first := utf8.DecodeRuneInString(m)
		return m[:first] + "***" + m[strings.IndexAny(m, "@＠"):]
	})
}

// ShortAddress names an address without pointing at one line: the /24 of IPv4, the
// /48 of IPv6. What is no address is left out.
func ShortAddress(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	bits := 24
	if a = a.Unmap().WithZone(""); a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	if a.Is4() {
		return strings.TrimSuffix(p.Addr().String(), "0") + "x"
	}
	return p.Addr().String() + "…"
}
