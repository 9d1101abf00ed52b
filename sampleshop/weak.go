package sampleshop

import (
	"context"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// legacy reads what is no UTF-8 as Shift_JIS, as a shop with old pages for old
// phones does.
func legacy(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	if s, err := japanese.ShiftJIS.NewDecoder().String(v); err == nil {
		return s
	}
	return v
}

// findWeakly is the search of a shop that nobody should have: the words become
// part of the statement. It shows that an attack which the firewall stops would
// have worked.
func (s *Shop) findWeakly(ctx context.Context, q string) ([]Product, error) {
	return s.queryProducts(ctx, "SELECT "+productColumns+" FROM products WHERE name LIKE '%"+q+"%' ORDER BY position")
}
