package prove

import (
	"os"
	"strconv"
	"testing"
	"time"

	"noren/gateway/waf/corpus"
)

// What honest people write changes nothing in the weakest programs: not the kept
// corpus and not what a fresh seed makes.
func TestBenignLinesDoNotWork(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("NOREN_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with NOREN_SEED)", seed)
	lines, err := corpus.Benign()
	if err != nil {
		t.Fatal(err)
	}
	lines = append(lines, corpus.Generate(seed, 500)...)
	for i := range lines {
		if err := Benign(&lines[i]); err != nil {
			t.Errorf("%s %q: %v", lines[i].From, lines[i].Text, err)
		}
	}
}
