package screen

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func jsDecode(s string) (string, bool) {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s, false
	}
	b, changed := append(make([]byte, 0, len(s)), s[:at]...), false
	for i := at; i < len(s); {
		if s[i] != '\\' || i+1 >= len(s) {
			b = append(b, s[i])
			i++
			continue
		}
		c, n := jsEscape(s[i:])
		b, changed = append(b, c), true
		i += n
	}
	return string(b), changed
}

// jsEscape reads the escape that s begins with: one byte for n bytes of s.
func jsEscape(s string) (c byte, n int) {
	if digits := jsLongEscape(s); digits > 0 {
		code := hexNumber(s, 3, digits)
		if code >= 0xff01 && code <= 0xff5e {
			return byte(code) + 0x20, digits + 4
		}
		return byte(code), digits + 4
	}
	if code := hexNumber(s, 2, 4); s[1] == 'u' && code >= 0 {
		c := byte(code)
		if c > 0 && c < 0x5f && code>>8 == 0xff {
			c += 0x20
		}
		return c, 6
	}
	if code := hexNumber(s, 2, 2); s[1] == 'x' && code >= 0 {
		return byte(code), 4
	}
	if isOctal(s[1]) {
		j := 1
		for j < 3 && 1+j < len(s) && isOctal(s[1+j]) {
			j++
		}
		if j == 3 && s[1] > '3' {
			j = 2
		}
		v, _ := strconv.ParseUint(s[1:1+j], 8, 8)
		return byte(v), 1 + j
	}
	if i := strings.IndexByte("abfnrtv", s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], 2
	}
	return s[1], 2
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// jsLongEscape counts the digits of \u{H…H}; 0 if s is none.
func jsLongEscape(s string) int {
	if !strings.HasPrefix(s, `\u{`) {
		return 0
	}
	j := 0
	for j < 6 && 3+j < len(s) && hexDigit(s[3+j]) >= 0 {
		j++
	}
	if j == 0 || 3+j >= len(s) || s[3+j] != '}' {
		return 0
	}
	return j
}

func cssDecode(s string) (string, bool) {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s, false
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	for i := at; i < len(s); {
		if s[i] != '\\' {
			b = append(b, s[i])
			i++
			continue
		}
		if i++; i >= len(s) {
			break
		}
		n := 0
		for n < 6 && i+n < len(s) && hexDigit(s[i+n]) >= 0 {
			n++
		}
		switch {
		case n > 0:
			b = utf8.AppendRune(b, cssRune(rune(hexNumber(s, i, n))))
			if i+n < len(s) && strings.IndexByte(trimmed, s[i+n]) >= 0 {
				n++
			}
			i += n
		case s[i] == '\n':
			i++
		default:
			b = append(b, s[i])
			i++
		}
	}
	return string(b), true
}

func cssRune(r rune) rune {
	switch {
	case r == 0:
		return utf8.RuneError
	case r >= 0xff01 && r <= 0xff5e:
		return r - 0xfee0
	}
	return r
}

func base64Decode(s string) (string, bool) {
	if s == "" {
		return s, true
	}
	b := make([]byte, 0, len(s)*3/4+3)
	x, n := 0, 0
scan:
	for i := range len(s) {
		if s[i] == '\r' || s[i] == '\n' {
			continue
		}
		d := Base64Digit(s[i])
		if d < 0 {
			break scan
		}
		if x, n = x<<6|d, n+1; n == 4 {
			b = append(b, byte(x>>16), byte(x>>8), byte(x))
			x, n = 0, 0
		}
	}
	switch n {
	case 2:
		// Coraza shifts by twelve and then writes one byte.
		b = append(b, byte(x<<12>>16))
	case 3:
		b = append(b, byte(x<<6>>16), byte(x<<6>>8))
	}
	return string(b), true
}

// Base64Digit is the value of a character of base64, or -1 (RFC 4648, table 1).
func Base64Digit(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}

func normalizePathWin(s string) (string, bool) {
	if s == "" {
		return s, false
	}
	clean, _ := normalizePath(strings.ReplaceAll(s, `\`, "/"))
	out := stripWindowsEnds(stripStream(clean))
	return out, out != s
}

// stripStream takes the alternate stream off the last part of a path
// (file.txt::$DATA), as Windows does when it opens the file.
func stripStream(s string) string {
	prefix, slash := "", ""
	if len(s) >= 2 && s[1] == ':' && (s[0]|0x20) >= 'a' && (s[0]|0x20) <= 'z' {
		prefix, s = s[:2], s[2:]
	}
	if strings.HasSuffix(s, "/") {
		s, slash = s[:len(s)-1], "/"
	}
	last := strings.LastIndexByte(s, '/') + 1
	if colon := strings.IndexByte(s[last:], ':'); colon >= 0 {
		s = s[:last+colon]
	}
	return prefix + s + slash
}

// stripWindowsEnds takes the dots and spaces off the end of each part of a
// path. Parts of dots alone stay; parts of which nothing is left go.
func stripWindowsEnds(s string) string {
	parts := strings.Split(s, "/")
	kept, changed := parts[:0], false
	for _, p := range parts {
		if strings.Trim(p, ".") == "" { // dots alone, or nothing
			kept = append(kept, p)
			continue
		}
		t := strings.TrimRight(p, ". ")
		changed = changed || t != p
		if t != "" {
			kept = append(kept, t)
		}
	}
	if !changed {
		return s
	}
	return strings.Join(kept, "/")
}
