package gateway

import (
	"regexp"
	"strings"
)

// piece is a part of what the shop wrote about how to reach it. One of Tel, Mail
// and Web is set where it can be followed; the template writes the scheme, so
// that nothing else can be.
type piece struct{ Text, Tel, Mail, Web string }

// reachable finds telephone numbers as they are written in Japan or with a
// country code, mail addresses and web addresses.
var reachable = regexp.MustCompile(`(https?://[\w.-]+[\w/.~%?=&+#-]*)|([\w.%+-]+@[\w-]+(?:\.[\w-]+)+)|(\+\d{1,3}(?:[ -]\(?\d{1,5}\)?){1,5}|0\d{1,4}-\d{1,4}-\d{3,4})`)

// reach cuts a text into pieces, so that who reads it on a phone can tap the
// number. Who is stopped should not have to type it.
func reach(text string) (out []piece) {
	end := 0
	for _, m := range reachable.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[0], m[1]
		p := piece{Text: text[from:to]}
		switch {
		case m[2] >= 0:
			_, p.Web, _ = strings.Cut(p.Text, "://")
			if strings.HasPrefix(p.Text, "http:") { // would be a way to be listened to
				continue
			}
		case m[4] >= 0:
			p.Mail = p.Text
		case partOfNumber(text, from, to):
			continue
		default:
			p.Tel = dialled(p.Text)
		}
		if from > end {
			out = append(out, piece{Text: text[end:from]})
		}
		out, end = append(out, p), to
	}
	if end < len(text) {
		out = append(out, piece{Text: text[end:]})
	}
	return out
}

// partOfNumber reports whether more digits stand beside: an account or an order.
func partOfNumber(text string, from, to int) bool {
	digit := func(b byte) bool { return '0' <= b && b <= '9' || b == '-' }
	return from > 0 && digit(text[from-1]) || to < len(text) && digit(text[to])
}

// dialled is a telephone number without what is only there to be read.
func dialled(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}
