package waf

import (
	"html"
	"strings"
	"unicode/utf8"

	"noren/gateway/waf/screen"
)

// What a shop may undo a second and a third time: its framework decodes an
// address again, a template writes entities into a page, a script calls
// unescape(). The rules undo one of them once; a value that is escaped more than
// once reaches them through these readings.

// escapes reports whether v holds anything that one of unescapings would undo.
// It is asked of every value.
func escapes(v string) bool {
	if strings.IndexByte(v, '%') >= 0 || strings.IndexByte(v, '&') >= 0 || strings.IndexByte(v, '\\') >= 0 {
		return true
	}
	at := strings.IndexByte(v, '+')
	return at >= 0 && (strings.Contains(v[at:], "+A") || plusWords(v))
}

// plusWords reports whether v is SQL with + for spaces, and nothing else escaped.
func plusWords(v string) bool {
	if strings.Count(v, "+") < 2 || strings.IndexByte(v, ' ') >= 0 {
		return false
	}
	for word := range strings.SplitSeq(v, "+") {
		switch strings.ToLower(word) {
		case "or", "and", "union", "select", "from", "like", "order", "by", "limit", "in", "is", "not", "having":
			return true
		}
	}
	return false
}

// unescapings adds what v is with each kind of escape undone, if that changes it.
func unescapings(v string, add func(string)) {
	for _, undo := range [...]func(string) string{unescapePercent, unescapeEntities, unescapeSlashes, decodeUTF7} {
		if s := undo(v); s != v {
			add(s)
		}
	}
}

// unescapePercent undoes %27 and %u0027. A + is a space where there are %27s, as
// in forms.
func unescapePercent(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		if plusWords(s) {
			return strings.ReplaceAll(s, "+", " ")
		}
		return s
	}
	if u := unescapeUnits(s, "%u"); u != s {
		s = u
		if !strings.Contains(s, "%") {
			return s
		}
	}
	b := Unescape(s)
	if strings.Count(b, "%") == strings.Count(s, "%") && strings.ReplaceAll(s, "+", " ") == b {
		return s // nothing but a sign of per cent
	}
	return b
}

// unescapeSlashes undoes \u0027 and \x27.
func unescapeSlashes(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return unescapeUnits(unescapeUnits(s, `\u`), `\x`)
}

// unescapeUnits undoes what a sign and four (%u, \u) or two (\x) digits make.
func unescapeUnits(s, sign string) string {
	at := strings.Index(strings.ToLower(s), sign)
	if at < 0 || len(strings.ToLower(s)) != len(s) {
		return s
	}
	digits := 4
	if sign == `\x` {
		digits = 2
	}
	var b strings.Builder
	b.WriteString(s[:at])
	for i := at; i < len(s); {
		r, ok := rune(0), false
		if s[i] == sign[0] && i+2+digits <= len(s) && s[i+1]|0x20 == sign[1] {
			r, ok = hexRune(s[i+2 : i+2+digits])
		}
		if !ok {
			b.WriteByte(s[i])
			i++
			continue
		}
		b.WriteRune(r)
		i += 2 + digits
	}
	return b.String()
}

func hexRune(s string) (r rune, ok bool) {
	for i := range len(s) {
		d := unhex(s[i])
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// unescapeEntities undoes &lt; &#39; &#x27;. Text whose entities stand for nothing
// in ASCII, or for & alone (&copy; &nbsp; ?a=1&amp;b=2), stays what it is: no rule
// looks for those.
func unescapeEntities(s string) string {
	at := strings.IndexByte(s, '&')
	for ; at >= 0; at = nextByte(s, at+1, '&') {
		if entityMatters(s[at:min(len(s), at+maxEntity)]) {
			return html.UnescapeString(s)
		}
	}
	return s
}

// maxEntity is longer than any entity that stands for ASCII, with leading zeros.
const maxEntity = 16

func entityMatters(s string) bool {
	if len(s) < 3 || s[1] != '#' && (s[1]|0x20 < 'a' || s[1]|0x20 > 'z') {
		return false
	}
	if end := strings.IndexByte(s, ';'); end > 0 {
		s = s[:end+1]
	}
	r, size := utf8.DecodeRuneInString(html.UnescapeString(s))
	return size == 1 && r != '&' && r != utf8.RuneError
}

func nextByte(s string, from int, c byte) int {
	if at := strings.IndexByte(s[from:], c); at >= 0 {
		return from + at
	}
	return -1
}

// decodeUTF7 reads +ADw- as <, as browsers once did with pages that did not say
// their charset (RFC 2152). Only what becomes ASCII is undone.
func decodeUTF7(s string) string {
	if !strings.Contains(s, "+A") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		text, n := "", 0
		if s[i] == '+' {
			text, n = utf7Run(s[i+1:])
		}
		if n == 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		b.WriteString(text)
		i += 1 + n
	}
	return b.String()
}

// utf7Run reads the base64 after a +, as far as it stands for ASCII, and how long
// that is.
func utf7Run(s string) (text string, n int) {
	var b strings.Builder
	unit, have, end := 0, 0, 0
	for i := 0; i < len(s); i++ {
		v := screen.Base64Digit(s[i])
		if v < 0 {
			break
		}
		unit, have = unit<<6|v, have+6
		if have < 16 {
			continue
		}
		have -= 16
		c := unit >> have
		if unit &= 1<<have - 1; c == 0 || c >= utf8.RuneSelf {
			break
		}
		b.WriteByte(byte(c))
		end = i + 1
	}
	if end > 0 && end < len(s) && s[end] == '-' {
		end++
	}
	return b.String(), end
}
