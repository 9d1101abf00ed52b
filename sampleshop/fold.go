package sampleshop

import (
	"net/http"
	"strings"
)

// foldASCII turns full-width ASCII (U+FF01 to U+FF5E) and the ideographic
// space into their half-width forms.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0xFF01 && r <= 0xFF5E:
			return r - 0xFF01 + '!'
		case r == 0x3000:
			return ' '
		}
		return r
	}, s)
}

// value is one field a visitor sent, without the white space around it.
func (s *Shop) value(r *http.Request, name string) string {
	v := r.FormValue(name)
	if s.opts.Weak {
		v = legacy(v)
	}
	if s.opts.Fold {
		v = foldASCII(v)
	}
	return strings.TrimSpace(strings.ToValidUTF8(v, "\uFFFD"))
}

// number is a field that shops always fold: postal codes, phones.
func (s *Shop) number(r *http.Request, name string) string {
	v := foldASCII(s.value(r, name))
	return strings.Map(func(r rune) rune {
		switch r {
		case '‐', '‑', '–', '—', '―', '−', 'ー', 'ｰ': // what phones type for a hyphen
			return '-'
		}
		return r
	}, v)
}
