package gateway

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// solve does what the page's script does.
func solve(puzzle string, level int) string {
	var found []string
	for i := range proofs {
		for n := 0; ; n++ {
			if solvedPart(puzzle, byte(level), i, strconv.Itoa(n)) {
				found = append(found, strconv.Itoa(n))
				break
			}
		}
	}
	return strings.Join(found, ",")
}

func visitor(site, agent, addr string) bearer {
	return bearer{site, agent, netip.MustParseAddr(addr)}
}

func TestTokensAreWorthNothingToOthers(t *testing.T) {
	c := clerk{[][]byte{[]byte("first key"), []byte("older key")}}
	me := visitor("shop", "Firefox", "203.0.113.7")
	puzzle := c.puzzle(me, 3, noon)
	p, ok := c.open(puzzle, puzzleToken, me, noon)
	if !ok || p.level != 3 {
		t.Fatalf("own puzzle: %+v, %t", p, ok)
	}
	pass := c.pass(p, me, passFor, noon)
	if again := c.pass(p, me, passFor, noon); again != pass {
		t.Error("one puzzle is worth two passes")
	}
	for name, tt := range map[string]struct {
		text  string
		kind  tokenKind
		by    clerk
		whose bearer
		at    time.Time
		want  bool
	}{
		"the pass":                      {pass, passToken, c, me, noon.Add(passFor - time.Second), true},
		"the pass from another address": {pass, passToken, c, visitor("shop", "Firefox", "198.51.100.1"), noon, true},
		"the pass after a rotation":     {pass, passToken, clerk{[][]byte{[]byte("new key"), []byte("first key")}}, me, noon, true},
		"the pass of a lost key":        {pass, passToken, clerk{[][]byte{[]byte("new key")}}, me, noon, false},
		"the pass, later":               {pass, passToken, c, me, noon.Add(passFor), false},
		"the pass at another site":      {pass, passToken, c, visitor("other", "Firefox", "203.0.113.7"), noon, false},
		"the pass in another browser":   {pass, passToken, c, visitor("shop", "curl", "203.0.113.7"), noon, false},
		"the pass as a puzzle":          {pass, puzzleToken, c, me, noon, false},
		"the puzzle as a pass":          {puzzle, passToken, c, me, noon, false},
		"the puzzle elsewhere":          {puzzle, puzzleToken, c, visitor("shop", "Firefox", "203.0.113.8"), noon, false},
		"the puzzle, later":             {puzzle, puzzleToken, c, me, noon.Add(puzzleFor), false},
		"nothing":                       {"", passToken, c, me, noon, false},
		"garbage":                       {strings.Repeat("A", 59), passToken, c, me, noon, false},
	} {
		if _, ok := tt.by.open(tt.text, tt.kind, tt.whose, tt.at); ok != tt.want {
			t.Errorf("%s: %t, want %t", name, ok, tt.want)
		}
	}
}

func TestPuzzlesAreSolved(t *testing.T) {
	c := clerk{[][]byte{[]byte("key")}}
	puzzle := c.puzzle(visitor("shop", "", "203.0.113.7"), 8, noon)
	proof := solve(puzzle, 8)
	if !solved(puzzle, 8, proof) {
		t.Fatalf("%s is not solved by %s", puzzle, proof)
	}
	numbers := strings.Split(proof, ",")
	for name, wrong := range map[string]string{
		"none": "", "three": strings.Join(numbers[:3], ","), "five": proof + ",1", "other order": strings.Join([]string{numbers[1], numbers[0], numbers[2], numbers[3]}, ","),
		"long": strings.Repeat("0", 20) + proof,
	} {
		if wrong != proof && solved(puzzle, 8, wrong) {
			t.Errorf("%s: %q counts as solved", name, wrong)
		}
	}
}

// FuzzOpenToken: whatever a visitor sends, only what was signed opens, byte for
// byte.
func FuzzOpenToken(f *testing.F) {
	c := clerk{[][]byte{[]byte("key")}}
	me := visitor("shop", "Firefox", "203.0.113.7")
	// The same in every process of the fuzzer.
	real := c.sign(&token{kind: puzzleToken, level: 3, from: noon, until: noon.Add(puzzleFor)}, me)
	f.Add(real, "1,2,3,4")
	f.Add(real+"=", "")
	f.Add(base64.StdEncoding.EncodeToString([]byte(real)), ",,,")
	f.Fuzz(func(t *testing.T, text, proof string) {
		for _, kind := range []tokenKind{puzzleToken, passToken} {
			if _, ok := c.open(text, kind, me, noon); ok && text != real {
				t.Errorf("%q opens and was never signed", text)
			}
		}
		solved(text, 64, proof)
	})
}

// FuzzLocalPath: a visitor is never sent to another host.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c", "//evil.example", "/\\evil.example", "https://evil.example", "/.noren/check", "/%2f/evil", "/\tevil", "javascript:alert(1)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := localPath(s)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") || strings.HasPrefix(got, reserved) {
			t.Errorf("localPath(%q) = %q", s, got)
		}
	})
}
