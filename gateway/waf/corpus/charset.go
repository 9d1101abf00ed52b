package corpus

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// Charset is what a shop's pages are written in.
type Charset string

// Charsets of Japanese shops. ShiftJIS is Windows-31J, with ①, ㈱ and 髙, as
// browsers have it.
const (
	UTF8     Charset = "utf-8"
	ShiftJIS Charset = "shift_jis"
	EUCJP    Charset = "euc-jp"
)

// AllCharsets are the three that shops use.
func AllCharsets() []Charset { return []Charset{UTF8, ShiftJIS, EUCJP} }

func (c Charset) encoding() encoding.Encoding {
	switch c {
	case ShiftJIS:
		return japanese.ShiftJIS
	case EUCJP:
		return japanese.EUCJP
	}
	return encoding.Nop
}

// Encode writes text as a browser does in a page of this charset: a character
// that it lacks becomes a reference, &#128522; (HTML Standard, 4.10.21.8).
func (c Charset) Encode(text string) string {
	if c == UTF8 || c == "" {
		return text
	}
	out, err := encoding.HTMLEscapeUnsupported(c.encoding().NewEncoder()).String(text)
	if err != nil {
		return text // bytes that are no text
	}
	return out
}

// Decode reads bytes of this charset as a shop does: leniently.
func (c Charset) Decode(b string) string {
	if c == UTF8 || c == "" {
		return b
	}
	out, err := c.encoding().NewDecoder().String(b)
	if err != nil {
		return b
	}
	return out
}
