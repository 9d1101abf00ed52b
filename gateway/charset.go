package gateway

import (
	"maps"
	"slices"

	"noren"
)

// knownCharsets are the encodings that Japanese shops and payment providers use.
// Anything else that a request declares is refused by the firewall (rule 920480).
var knownCharsets = []string{"utf-8", "shift_jis", "euc-jp"}

// charsets are the encodings in which a zone may receive form values. Payment
// providers write their notices as they please, whatever the shop's pages are in:
// several prescribe Shift_JIS or EUC-JP.
func (s *shop) charsets(z noren.Zone) []string {
	if own, ok := s.Charsets[z]; ok {
		return own
	}
	if z == noren.ZoneCallback {
		return knownCharsets
	}
	return s.encodings
}

func (s *Site) charsetFaults() (errs []error) {
	for _, e := range s.Encodings {
		if !slices.Contains(knownCharsets, e) {
			errs = append(errs, noren.Errorf(noren.Invalid, "encoding %q is not utf-8, shift_jis or euc-jp", e))
		}
	}
	for _, z := range slices.Sorted(maps.Keys(s.Charsets)) {
		if _, ok := z.Info(); !ok {
			errs = append(errs, noren.Errorf(noren.Invalid, "charsets: there is no zone %q", z))
		}
		for _, e := range s.Charsets[z] {
			if !slices.Contains(knownCharsets, e) {
				errs = append(errs, noren.Errorf(noren.Invalid, "charsets of zone %s: %q is not utf-8, shift_jis or euc-jp", z, e))
			}
		}
	}
	return errs
}
