package screen

import "testing"

// FuzzTriggers: a transformation leaves a string alone that has no byte of its
// triggers, and reports no change.
func FuzzTriggers(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a/../b", "A", "あ", "\xa0", "\x85", "a  b", "%41", "a+b", "&lt;", `\x41`, "/*a*/", "<!--", "--", "c:\\a. ", "a::$DATA", "a;b", "a'b", "\x00", "ſK", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var has kinds
		for i := range len(s) {
			has |= kindOf[s[i]]
		}
		for name, apply := range transformations {
			if out, changed := apply(s); has&triggersOf(name) == 0 && triggersOf(name)&kindAny == 0 && (out != s || changed) {
				t.Errorf("%s turns %q into %q (%v) without a trigger", name, s, out, changed)
			}
		}
	})
}
