package corpus

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// seedOf is the run's seed: NOREN_SEED repeats it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("NOREN_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with NOREN_SEED)", seed)
	return seed
}

func TestBenignCorpus(t *testing.T) {
	lines, err := Benign()
	if err != nil {
		t.Fatal(err)
	}
	seen, held, hand := map[string]bool{}, 0, 0
	for _, l := range lines {
		if seen[l.Text] {
			t.Errorf("%q is there twice", l.Text)
		}
		seen[l.Text] = true
		if l.Held() {
			held++
		}
		if l.From != "generated" {
			hand++
		}
		if _, known := fieldNames[l.Kind]; !known {
			t.Errorf("%q: no kind %q", l.Text, l.Kind)
		}
	}
	if len(lines) < 5000 || hand < 700 {
		t.Errorf("%d benign lines, %d of them hand-written; want 5000 and 700", len(lines), hand)
	}
	if part := float64(held) / float64(len(lines)); part < 0.30 || part > 0.37 {
		t.Errorf("%.2f of the lines are held out, want a third", part)
	}
	t.Logf("%d lines, %d hand-written, %d held out", len(lines), hand, held)
}

func TestGenerateIsStable(t *testing.T) {
	seed := seedOf(t)
	a, b := Generate(seed, 500), Generate(seed, 500)
	for i := range a {
		if a[i].Text != b[i].Text {
			t.Fatalf("line %d: %q, then %q", i, a[i].Text, b[i].Text)
		}
	}
}

// What browsers cannot write in a page's charset they send as a reference, and
// everything else comes back as it was.
func TestEncode(t *testing.T) {
	for text, want := range map[string]string{"①㈱髙﨑": "①㈱髙﨑", "𠮷😊": "&#134071;&#128522;", "ﾔﾏﾀﾞ": "ﾔﾏﾀﾞ", "ソ表|": "ソ表|"} {
		for _, c := range []Charset{ShiftJIS, EUCJP} {
			if got := c.Decode(c.Encode(text)); got != want {
				t.Errorf("%s: %q came back as %q, want %q", c, text, got, want)
			}
		}
	}
}

// A row of the file is read as it was written, whatever bytes it holds.
func FuzzAttackRow(f *testing.F) {
	f.Add("1' OR '1'='1")
	f.Add("\x95' OR 1=1--\t%27\r\n")
	f.Add("%C0%BC ＜script＞")
	f.Fuzz(func(t *testing.T, text string) {
		l := Line{Class: SQL, Context: "string", Trick: "plain", Charset: UTF8, Zone: "search", Kind: Search, In: []Place{InQuery, InForm}, Seed: "x", Text: text}
		got, err := ReadAttack(WriteAttack(l))
		if err != nil || got.Text != text {
			t.Fatalf("%q came back as %q: %v", text, got.Text, err)
		}
		for _, r := range l.Requests() {
			if r.Target == "" {
				t.Fatalf("%+v", r)
			}
		}
	})
}
