package waf

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const keptCounts = "testdata/corpus.tsv"

// corpusTally counts by what a line is and how it travels, the held-out third apart.
type corpusTally struct {
	scope  string // once or full
	counts map[string]*[2]count
}

// count is of the tuned part or of the held-out one.
type count struct{ stopped, all int }

func newCorpusTally(full bool) *corpusTally {
	scope := "once"
	if full {
		scope = "full"
	}
	return &corpusTally{scope: scope, counts: map[string]*[2]count{}}
}

func (c *corpusTally) add(r corpusResult) {
	l := r.Line
	keys := []string{"benign", "benign in " + string(r.Charset), "benign by " + string(r.Place), "benign " + string(l.Kind)}
	if l.Class != "" {
		keys = []string{"attacks", "attack " + string(l.Class), "attacks in " + string(r.Charset), "attacks by " + string(r.Place), "trick " + l.Trick}
	}
	part := 0
	if l.Held() {
		part = 1
	}
	for _, k := range keys {
		if c.counts[k] == nil {
			c.counts[k] = &[2]count{}
		}
		c.counts[k][part].all++
		if r.Blocked {
			c.counts[k][part].stopped++
		}
	}
}

func (c *corpusTally) keys() []string {
	var out []string
	for k := range c.counts {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (c *corpusTally) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %28s %28s\n", c.scope, "stopped of tuning part", "stopped of held-out part")
	for _, k := range c.keys() {
		fmt.Fprintf(&b, "%-26s", k)
		for _, n := range c.counts[k] {
			fmt.Fprintf(&b, " %10d of %5d %7.2f %%", n.stopped, n.all, 100*float64(n.stopped)/float64(max(n.all, 1)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// worse says what is worse than before: fewer lines, fewer attacks stopped or
// more honest people stopped.
func (n count) worse(before count, benign bool) string {
	switch {
	case n.all < before.all:
		return fmt.Sprintf("%d lines, there were %d", n.all, before.all)
	case benign && n.stopped*before.all > before.stopped*n.all, !benign && n.stopped*before.all < before.stopped*n.all:
		return fmt.Sprintf("%d of %d stopped, kept are %d of %d", n.stopped, n.all, before.stopped, before.all)
	}
	return ""
}

// hold compares with the kept counts. Whoever must accept worse ones, because
// harder lines came in, takes the row out by hand and says why in the commit.
func (c *corpusTally) hold(t *testing.T) {
	t.Helper()
	kept, others := readKept(t, c.scope)
	worse := false
	for k, before := range kept {
		now := c.counts[k]
		if now == nil {
			now = &[2]count{}
		}
		for part, name := range []string{"tuning", "held-out"} {
			if w := now[part].worse(before[part], strings.HasPrefix(k, "benign")); w != "" {
				t.Errorf("%s, %s part: %s", k, name, w)
				worse = true
			}
		}
	}
	if *updateCorpus && !worse {
		c.write(t, others)
	}
}

func readKept(t *testing.T, scope string) (kept map[string][2]count, others []string) {
	t.Helper()
	data, err := os.ReadFile(keptCounts)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	kept = map[string][2]count{}
	for row := range strings.SplitSeq(string(data), "\n") {
		f := strings.Split(row, "\t")
		if len(f) != 6 || f[0] != scope {
			if len(f) == 6 {
				others = append(others, row)
			}
			continue
		}
		var c [2]count
		if _, err := fmt.Sscan(strings.Join(f[2:], " "), &c[0].stopped, &c[0].all, &c[1].stopped, &c[1].all); err != nil {
			t.Fatalf("%s: %q: %v", keptCounts, row, err)
		}
		kept[f[1]] = c
	}
	return kept, others
}

func (c *corpusTally) write(t *testing.T, others []string) {
	t.Helper()
	rows := others
	for _, k := range c.keys() {
		n := c.counts[k]
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d", c.scope, k, n[0].stopped, n[0].all, n[1].stopped, n[1].all))
	}
	slices.Sort(rows)
	head := "# Kept counts of TestCorpus, which may only improve: scope, what, then stopped and all of the tuning part, stopped and all of the held-out part.\n"
	if err := os.WriteFile(keptCounts, []byte(head+strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
