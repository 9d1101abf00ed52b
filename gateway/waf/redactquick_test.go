package waf

import (
	"strings"
	"testing"

	"noren"
)

// FuzzMaskSkipsNothing: what the quick look passes over, the regular expressions
// would have left as it is.
func FuzzMaskSkipsNothing(f *testing.F) {
	for _, s := range []string{"", "090-1234-5678", "+81 90 1234 5678", "a@b.jp", "x@y", "12345678", "1 2 3 4 5", "category_id=5", "お茶 03-1234-5678 です", "-------- 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := mailAddress.ReplaceAllString(noren.MaskCards(s), "$1***@$2")
		want = longDigits.ReplaceAllStringFunc(want, func(d string) string {
			if !isPhone(d) {
				return d
			}
			return d[:2] + strings.Repeat("*", len(d)-4) + d[len(d)-2:]
		})
		if got := Mask(s); got != want {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}
