package screen

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// patterns have every kind of instruction that the rules' patterns have.
var patterns = []string{
	`(?sm)^a.*b$`, `(?sm)\bfoo\b|\Bbar`, `(?sm)(?i)s[ck]ript\W*?>`, `(?sm)[^a-z]{2,5}x`, `(?sm)(?:a|ab)(?:c|bcd)$`, `(?sm)^$`, `(?sm)\x{3042}+.`,
	`(?sm)(?i)k\b`, `(?sm)(?i)[ſx]y`, `(?sm)\Aab\z`, `(?sm)[\x{fffd}]a`, `(?s)(?-s:.)b`, `(?sm)(?:^|[/\\])\.{2,3}[/\\]`, `(?sm)a{3}b{0,2}c+?`, `(?sm)`,
}

// FuzzDFA holds that the automaton and the literals agree with package regexp.
func FuzzDFA(f *testing.F) {
	for i := range patterns {
		f.Add(uint8(i), "script> foo\nbar あ K\xff ab")
	}
	var all []*dfa
	var clauses [][]clause
	for _, p := range patterns {
		d, parsed, err := compileDFA(p, false)
		if err != nil {
			f.Fatal(err)
		}
		all, clauses = append(all, d), append(clauses, required(parsed, false))
	}
	f.Fuzz(func(t *testing.T, which uint8, s string) {
		i := int(which) % len(all)
		got, want := all[i].match(s), all[i].re().MatchString(s)
		if got != want {
			t.Fatalf("%s on %q: %v, regexp says %v", patterns[i], s, got, want)
		}
		if want && !strings.ContainsAny(s, "ſK") && !meets(clauses[i], s) {
			t.Fatalf("%s matches %q, which lacks %q", patterns[i], s, clauses[i])
		}
	})
}

// meets finds the clauses as the scan does.
func meets(clauses []clause, s string) bool {
	for _, c := range clauses {
		lits := map[string][]uint16{}
		for _, l := range c {
			lits[l] = []uint16{0}
		}
		found := make(bits, 1)
		if buildAutomaton(lits).scan(s, found); !found.has(0) {
			return false
		}
	}
	return true
}

// A pattern of bytes reads each byte as a character.
func TestBytePatterns(t *testing.T) {
	o, _, err := compileRx(`\x{bc}[^>\x{be}]*[>\x{be}]`)
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{"\xbcb\xbe": true, "ー/社": true, "¼b¾": true, "<b>": false, "": false} {
		if o.match(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// However many states a text makes, the memory of an automaton stays bounded
// and its answers right.
func TestDFAStartsAnewWhenFull(t *testing.T) {
	d, _, err := compileDFA(`(?sm)(?:a[^x]{12}){2}b`, false)
	if err != nil {
		t.Fatal(err)
	}
	const seed = 3
	r := rand.New(rand.NewPCG(seed, seed))
	re, restarts, last := regexp.MustCompile(d.re().String()), 0, d.cache.Load()
	for range 300 {
		b := make([]byte, 400)
		for i := range b {
			b[i] = "abcx"[r.IntN(4)]
		}
		if got := d.match(string(b)); got != re.Match(b) {
			t.Fatalf("seed %d: %q: %v", seed, b, got)
		}
		if c := d.cache.Load(); c != last {
			restarts, last = restarts+1, c
		}
		if last.bytes > maxDFABytes+64<<10 {
			t.Fatalf("%d bytes", last.bytes)
		}
	}
	if restarts == 0 {
		t.Error("the automaton was never full; the test shows nothing")
	}
}
