package prove

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"noren/gateway/waf/corpus"
)

var update = flag.Bool("update", false, "write the attack corpus anew")

const keptFile = "../data/attacks.tsv"

// TestKeptAttacksWork holds that the kept corpus is what the seeds make, each
// line proven. With -v it prints what was dropped and why.
func TestKeptAttacksWork(t *testing.T) {
	kept, dropped, err := Corpus()
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]int{}
	for _, d := range dropped {
		if d.Trick == "plain" {
			t.Logf("dropped seed of %s %q: %q: %v", d.Class, d.Context, d.Text, d.Why)
		}
		reasons[string(d.Class)+", "+d.Trick]++
	}
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range reasons {
			if !yield(k) {
				return
			}
		}
	}) {
		t.Logf("dropped: %d of %s", reasons[k], k)
	}
	var b strings.Builder
	b.WriteString("# Attacks that work, made by: go test ./gateway/waf/corpus/prove -run Kept -update\n# class, context, trick, charset, zone, kind, places, seed, bytes (%XX for what does not print)\n")
	counts := map[corpus.Class]int{}
	for _, l := range kept {
		counts[l.Class]++
		fmt.Fprintln(&b, corpus.WriteAttack(l))
	}
	t.Logf("%d lines kept, %d dropped: %v", len(kept), len(dropped), counts)
	if *update {
		if err := os.WriteFile(keptFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(keptFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not what the seeds make; write it anew with -update", keptFile)
	}
	if len(kept) < 1500 {
		t.Errorf("%d attacks, want 1500", len(kept))
	}
	for _, c := range corpus.Classes() {
		if counts[c] < 20 {
			t.Errorf("%d attacks of class %s", counts[c], c)
		}
	}
}
