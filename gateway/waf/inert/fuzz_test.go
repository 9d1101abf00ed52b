package inert

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Nothing makes these fail, and what is plainly an attack behind harmless words is
// never called inert.
func FuzzInert(f *testing.F) {
	for _, s := range []string{"", "あ", "' or 1=1 -- ", "1e-1e-", "あ'&'い'&'", "select あ,い from う", "\x95\x5c\x83", "<script>あ", "${a_b}", "/*", "$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			kinds[kind](s)
		}
		if strings.ContainsAny(s, "'\"`\\#-/*<\x00\n\r") {
			return
		}
		for _, attack := range []string{"' or 1=1 -- ", "' union select 1,2 -- ", "'; drop table users -- "} {
			if SQL("あ" + s + attack) {
				t.Errorf("%q behind %q is inert", attack, s)
			}
		}
		for _, attack := range []string{"<svg onload=alert(1)>", "<script>alert(1)</script>", "\" onclick=alert(1) "} {
			if Markup("あ" + s + attack) {
				t.Errorf("%q behind %q is inert", attack, s)
			}
		}
	})
}

// A long value is judged in time that grows with its length. The bound is far above
// what it takes; what grows with the square would take minutes.
func TestInertIsLinear(t *testing.T) {
	for _, piece := range []string{"1e-", "'&'あ", "select あ ", "(", "あ' or ", "<script>あ", "あ&cd", "`;", "$a", "{x ", "--", "/*", "あ(い)"} {
		s := "あ" + strings.Repeat(piece, (512<<10)/len(piece))
		began := time.Now()
		for _, f := range kinds {
			f(s)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%q repeated takes %v", piece, took)
		} else {
			t.Logf("%q: %v", piece, took)
		}
	}
}
