package screen

import (
	"encoding/hex"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// transformation turns a string into what a rule looks at. changed is what
// Coraza reports: where it says false, multiMatch goes on with the old string
// even if the new one differs.
type transformation func(s string) (out string, changed bool)

// transformations are Coraza's own, which it does not export. Each gives the
// same string as Coraza's; TestTransformationsAreCorazas holds them to it.
var transformations = map[string]transformation{
	"none":               func(s string) (string, bool) { return s, false },
	"lowercase":          lowercase,
	"uppercase":          func(s string) (string, bool) { t := strings.ToUpper(s); return t, t != s },
	"urldecodeuni":       urlDecodeUni,
	"urldecode":          urlDecode,
	"htmlentitydecode":   htmlEntityDecode,
	"jsdecode":           jsDecode,
	"cssdecode":          cssDecode,
	"utf8tounicode":      utf8ToUnicode,
	"removenulls":        removeNulls,
	"replacenulls":       func(s string) (string, bool) { t := strings.ReplaceAll(s, "\x00", " "); return t, t != s },
	"removewhitespace":   removeWhitespace,
	"compresswhitespace": compressWhitespace,
	"cmdline":            cmdLine,
	"replacecomments":    replaceComments,
	"removecommentschar": removeCommentsChar,
	"normalizepath":      normalizePath,
	"normalisepath":      normalizePath,
	"normalizepathwin":   normalizePathWin,
	"normalisepathwin":   normalizePathWin,
	"base64decode":       base64Decode,
	"hexencode":          func(s string) (string, bool) { return hex.EncodeToString([]byte(s)), true },
	"length":             func(s string) (string, bool) { return strconv.Itoa(len(s)), true },
	"trim":               func(s string) (string, bool) { t := strings.Trim(s, trimmed); return t, len(t) != len(s) },
	"trimleft":           func(s string) (string, bool) { t := strings.TrimLeft(s, trimmed); return t, len(t) != len(s) },
	"trimright":          func(s string) (string, bool) { t := strings.TrimRight(s, trimmed); return t, len(t) != len(s) },
}

const trimmed = " \t\n\r\f\v"

func lowercase(s string) (string, bool) {
	t := strings.ToLower(s)
	return t, t != s
}

func removeNulls(s string) (string, bool) {
	if strings.IndexByte(s, 0) < 0 {
		return s, false
	}
	return strings.ReplaceAll(s, "\x00", ""), true
}

func htmlEntityDecode(s string) (string, bool) {
	if strings.IndexByte(s, '&') < 0 {
		return s, false
	}
	t := html.UnescapeString(s)
	return t, len(t) != len(s)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// hexNumber reads n hex digits of s from i on; -1 if they are not all there.
func hexNumber(s string, i, n int) int {
	if i+n > len(s) {
		return -1
	}
	v := 0
	for k := range n {
		d := hexDigit(s[i+k])
		if d < 0 {
			return -1
		}
		v = v<<4 | d
	}
	return v
}

func urlDecodeUni(s string) (string, bool) {
	at := strings.IndexAny(s, "%+")
	if at < 0 {
		return s, false
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	changed := false
	for i := at; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b, changed = append(b, ' '), true
		case s[i] != '%':
			b = append(b, s[i])
		case i+1 < len(s) && (s[i+1] == 'u' || s[i+1] == 'U'):
			code := hexNumber(s, i+2, 4)
			if code < 0 {
				b = append(b, s[i], s[i+1])
				i++
				continue
			}
			b, changed = append(b, fitByte(code)), true
			i += 5
		default:
			code := hexNumber(s, i+1, 2)
			if code < 0 {
				b = append(b, '%')
				continue
			}
			b, changed = append(b, byte(code)), true
			i += 2
		}
	}
	return string(b), changed
}

func fitByte(code int) byte {
	if c, ok := bestFit[rune(code)]; ok {
		return c
	}
	low := byte(code)
	if low > 0 && low < 0x5f && code>>8 == 0xff {
		low += 0x20
	}
	return low
}

func urlDecode(s string) (string, bool) {
	at := strings.IndexAny(s, "%+")
	if at < 0 {
		return s, false
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	for i := at; i < len(s); i++ {
		code := -1
		if s[i] == '%' {
			code = hexNumber(s, i+1, 2)
		}
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case code >= 0:
			b = append(b, byte(code))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

func utf8ToUnicode(s string) (string, bool) {
	at := 0
	for at < len(s) && s[at] < utf8.RuneSelf {
		at++
	}
	if at == len(s) {
		return s, false
	}
	const digits = "0123456789abcdef"
	b := append(make([]byte, 0, 2*len(s)), s[:at]...)
	for _, r := range s[at:] {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r <= 0xffff:
			b = append(b, '%', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			b = strconv.AppendUint(append(b, '%', 'u'), uint64(r), 16)
		}
	}
	return string(b), true
}

// removeWhitespace is strings.Map in Coraza, which also turns each byte that is
// not UTF-8 into U+FFFD, without reporting that as a change.
func removeWhitespace(s string) (string, bool) {
	plain, changed := true, false
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			plain = false
			break
		}
		changed = changed || isASCIISpace(s[i])
	}
	if plain && !changed {
		return s, false
	}
	if plain {
		b := make([]byte, 0, len(s))
		for i := range len(s) {
			if !isASCIISpace(s[i]) {
				b = append(b, s[i])
			}
		}
		return string(b), true
	}
	changed = false
	t := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			changed = true
			return -1
		}
		return r
	}, s)
	return t, changed
}

func isASCIISpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func compressWhitespace(s string) (string, bool) {
	at := -1
	for i, r := range s {
		if isLatinSpace(r) || s[i] == 0xa0 {
			at = i
			break
		}
	}
	if at < 0 {
		return s, false
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	changed, in := false, false
	for i := at; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch space := isLatinSpace(r) || s[i] == 0xa0; {
		case space && in:
			changed = true
		case space:
			in, changed = true, changed || r != ' '
			b = append(b, ' ')
		default:
			in = false
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return string(b), changed
}

func isLatinSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' || r == 0x85 || r == 0xa0 }

func cmdLine(s string) (string, bool) {
	at := 0
	for at < len(s) && !cmdLineSpecial(s[at]) {
		at++
	}
	if at == len(s) {
		return s, false
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	changed, space := false, false
	for i := at; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '\\', '^':
			changed = true
		case ' ', ',', ';', '\t', '\r', '\n':
			if space {
				changed = true
				continue
			}
			changed = changed || c != ' '
			b, space = append(b, ' '), true
		case '/', '(':
			if space {
				b, changed = b[:len(b)-1], true
			}
			b, space = append(b, c), false
		default:
			if c >= 'A' && c <= 'Z' {
				c, changed = c+('a'-'A'), true
			}
			b, space = append(b, c), false
		}
	}
	if !changed {
		return s, false
	}
	return string(b), true
}

func cmdLineSpecial(c byte) bool {
	switch c {
	case '"', '\'', '\\', '^', ' ', ',', ';', '\t', '\r', '\n', '/', '(':
		return true
	}
	return c >= 'A' && c <= 'Z'
}

func replaceComments(s string) (string, bool) {
	at := strings.Index(s, "/*")
	if at < 0 {
		return s, false
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	for rest := s[at:]; ; {
		_, after, closed := strings.Cut(rest[2:], "*/")
		b = append(b, ' ')
		if !closed {
			return string(b), true
		}
		next := strings.Index(after, "/*")
		if next < 0 {
			return string(append(b, after...)), true
		}
		b, rest = append(b, after[:next]...), after[next:]
	}
}

func removeCommentsChar(s string) (string, bool) {
	if !strings.ContainsAny(s, "/*<-#") {
		return s, false
	}
	b, changed := make([]byte, 0, len(s)), false
	for i := 0; i < len(s); {
		n := commentSign(s[i:])
		if n == 0 {
			b = append(b, s[i])
			i++
			continue
		}
		i, changed = i+n, true
	}
	if !changed {
		return s, false
	}
	return string(b), true
}

func commentSign(s string) int {
	for _, sign := range [...]string{"/*", "*/", "<!--", "-->", "--", "#"} {
		if strings.HasPrefix(s, sign) {
			return len(sign)
		}
	}
	return 0
}

func normalizePath(s string) (string, bool) {
	if s == "" {
		return s, false
	}
	clean := filepath.Clean(s)
	if clean == "." {
		return "", true
	}
	if s[len(s)-1] == '/' {
		clean += "/"
	}
	return clean, clean != s
}

// Transform applies one transformation, for comparison with the engine's own.
func Transform(name, s string) (out string, changed, known bool) {
	f, known := transformations[strings.ToLower(name)]
	if !known {
		return s, false, false
	}
	out, changed = f(s)
	return out, changed, true
}
