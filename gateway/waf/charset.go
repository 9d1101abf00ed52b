package waf

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"noren"
)

// charsetField is the name under which rule 100202 finds that a value is no text
// in any encoding that its zone may receive. Whoever sends a field of this name
// stops himself.
const charsetField = "noren_charset"

// refusesBytes reports whether values that are no text in any allowed encoding
// are refused in a zone. Where accounts, money and the shop's own people are, they
// are: no browser sends them there, and how a shop reads them is anybody's guess.
// Elsewhere, where old links and search engines bring such bytes, they are
// inspected in every reading; and a payment provider's notice is never lost for
// its bytes.
func refusesBytes(z noren.Zone) bool {
	info, known := z.Info()
	limit, _ := noren.ZoneProfile.Info()
	return known && info.Strict >= limit.Strict && z != noren.ZoneCallback
}

// isText reports whether v is text in UTF-8 or in one of the others.
func isText(v string, legacy []encoding.Encoding) bool {
	return utf8.ValidString(v) || slices.ContainsFunc(legacy, func(e encoding.Encoding) bool {
		s, err := e.NewDecoder().String(v)
		return err == nil && !strings.ContainsRune(s, utf8.RuneError)
	})
}

// policy are the encodings besides UTF-8 that the zone of r may receive. A site
// that says nothing may be in any of them: its customers are not turned away for
// what it forgot to say, and bytes that are text in none of the three are refused
// all the same. What the request declares of itself widens nothing.
func policy(r *Request) (out []encoding.Encoding) {
	if len(r.Charsets) == 0 {
		return []encoding.Encoding{japanese.ShiftJIS, japanese.EUCJP}
	}
	for _, name := range r.Charsets {
		if e := japaneseEncoding(name); e != nil {
			out = append(out, e)
		}
	}
	return out
}
