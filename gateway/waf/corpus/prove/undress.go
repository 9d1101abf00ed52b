package prove

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"

	"noren"
	"noren/gateway/waf/corpus"
)

// undress reads the bytes of an attack as the shop's program gets to see them:
// decoded in the page's charset and treated as the trick counts on.
func undress(l *corpus.Line) (string, error) {
	switch l.Trick {
	case "sjis trail", "sjis unescape":
		return decodeLenient(addSlashes(l.Text), 0x81, 0xFC, l.Charset), nil
	case "euc lead":
		return decodeLenient(addSlashes(l.Text), 0xA1, 0xFE, l.Charset), nil
	}
	s := l.Charset.Decode(l.Text)
	switch l.Trick {
	case "full-width":
		return foldKana(s), nil
	case "nfkc":
		return norm.NFKC.String(s), nil
	case "overlong":
		return decodeOverlong(l.Text), nil
	case "seven bits":
		return sevenBits(l.Text), nil
	case "double":
		return url.QueryUnescape(s)
	case "%u":
		return decodePercentU(s), nil
	case "entities":
		return html.UnescapeString(s), nil
	case "json":
		var out string
		err := json.Unmarshal([]byte(s), &out)
		return out, err
	case "utf-7":
		return decodeUTF7(s)
	case "iso-2022-jp":
		return decodeISO2022(strings.NewReplacer(`"`, `\"`, `'`, `\'`, `\`, `\\`).Replace(l.Text))
	case "utf-16":
		return decodeUTF16(l.Text), nil
	case "nulls":
		return strings.ReplaceAll(s, "\x00", ""), nil
	}
	return s, nil
}

// addSlashes escapes bytes as PHP's addslashes does, knowing nothing of
// charsets.
func addSlashes(s string) string {
	return strings.NewReplacer(`'`, `\'`, `"`, `\"`, `\`, `\\`, "\x00", `\0`).Replace(s)
}

// decodeLenient reads two-byte characters as old decoders do: after a lead byte
// any byte belongs to it. So a lead byte swallows the backslash that was to
// guard a quote.
func decodeLenient(s string, from, to byte, c corpus.Charset) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 1
		switch {
		case c == corpus.EUCJP && s[i] == 0x8F:
			n = 3
		case s[i] >= from && s[i] <= to && (c == corpus.EUCJP || s[i] < 0xA0 || s[i] > 0xDF):
			n = 2
		}
		n = min(n, len(s)-i)
		if n == 1 {
			b.WriteByte(s[i])
		} else if r := c.Decode(s[i : i+n]); !strings.ContainsAny(r, "\uFFFD'\"\\") {
			b.WriteString(r)
		} else {
			b.WriteString("〓")
		}
		i += n
	}
	return b.String()
}

// foldKana is mb_convert_kana with "as": full-width letters, digits and signs
// become ASCII, but for ＂ ＇ ＼ ～, and so does the wide space.
func foldKana(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0x3000:
			return ' '
		case r == 0xFF02 || r == 0xFF07 || r == 0xFF3C || r == 0xFF5E:
			return r
		case r >= 0xFF01 && r < 0xFF5E:
			return r - 0xFEE0
		}
		return r
	}, s)
}

// decodeOverlong reads two- and three-byte forms of ASCII.
func decodeOverlong(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case (s[i] == 0xC0 || s[i] == 0xC1) && i+1 < len(s):
			b.WriteByte(s[i]<<6 | s[i+1]&0x3F)
			i++
		case s[i] == 0xE0 && i+2 < len(s) && s[i+1] < 0x82:
			b.WriteByte(s[i+1]<<6 | s[i+2]&0x3F)
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func sevenBits(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] &= 0x7F
	}
	return string(b)
}

// decodePercentU reads %u003c, as JavaScript's unescape and old IIS do.
func decodePercentU(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], "%u") && i+6 <= len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+6], 16, 16); err == nil {
				b.WriteRune(rune(n))
				i += 5
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// decodeUTF7 reads RFC 2152, as browsers once did with pages that did not say
// their charset.
func decodeUTF7(s string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "+")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		code, after, ended := strings.Cut(rest, "-")
		if !ended {
			return "", noren.Errorf(noren.Invalid, "UTF-7 without its end")
		}
		if code == "" {
			b.WriteByte('+')
		} else if text, err := utf7Code(code); err == nil {
			b.WriteString(text)
		} else {
			return "", err
		}
		s = after
	}
}

func utf7Code(code string) (string, error) {
	raw, err := base64Raw(code)
	if err != nil {
		return "", err
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	return string(utf16.Decode(units)), nil
}

// decodeISO2022 reads a page that a browser takes for ISO-2022-JP because an
// escape sequence is in it: after ESC ( J a backslash is a yen sign (Encoding
// Standard, 12.2.1), so it guards no quote of a script.
func decodeISO2022(s string) (string, error) {
	if !strings.Contains(s, "\x1b") {
		return "", noren.Errorf(noren.Invalid, "no escape sequence")
	}
	var b strings.Builder
	for i, part := range strings.Split(s, "\x1b(J") {
		roman, ascii, _ := strings.Cut(part, "\x1b(B")
		if i == 0 {
			roman, ascii = "", part
		}
		b.WriteString(strings.NewReplacer(`\`, "¥", "~", "‾").Replace(roman) + ascii)
	}
	return b.String(), nil
}

func invalid(format string, args ...any) error { return fmt.Errorf(format, args...) }

// decodeUTF16 reads what a parser of XML reads by its byte order mark.
func decodeUTF16(s string) string {
	var units []uint16
	for i := 2; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
	}
	return string(utf16.Decode(units))
}
