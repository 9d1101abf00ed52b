package corpus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Count is how many were stopped of how many.
type Count struct{ Stopped, All int }

// Percent of all.
func (c Count) Percent() float64 { return 100 * float64(c.Stopped) / float64(max(c.All, 1)) }

// Worse says how c is worse than what was kept: fewer lines, fewer attacks
// stopped or more honest people stopped. It is "" when nothing is.
func (c Count) Worse(kept Count, benign bool) string {
	switch now, then := c.Stopped*kept.All, kept.Stopped*c.All; {
	case c.All < kept.All:
		return fmt.Sprintf("%d lines, there were %d", c.All, kept.All)
	case benign && now > then, !benign && now < then:
		return fmt.Sprintf("%d of %d stopped, kept are %d of %d", c.Stopped, c.All, kept.Stopped, kept.All)
	}
	return ""
}

// Parts are the counts of the part that may be tuned on and of the held-out one.
type Parts [2]Count

// partNames name them.
var partNames = [2]string{"tuning", "held-out"}

// Tally counts what a firewall stopped, by what lines are and how they travel.
type Tally map[string]*Parts

// Add counts a request.
func (t Tally) Add(r *Request, stopped bool) {
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
		if t[k] == nil {
			t[k] = &Parts{}
		}
		t[k][part].All++
		if stopped {
			t[k][part].Stopped++
		}
	}
}

// Keys are what was counted, in order.
func (t Tally) Keys() []string {
	var out []string
	for k := range t {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Table writes a row for each.
func (t Tally) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %30s %30s\n", "", "stopped of the tuning part", "stopped of the held-out part")
	for _, k := range t.Keys() {
		fmt.Fprintf(&b, "%-26s", k)
		for _, c := range t[k] {
			fmt.Fprintf(&b, " %10d of %5d = %6.2f %%", c.Stopped, c.All, c.Percent())
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Worse lists what is worse than the kept counts.
func (t Tally) Worse(kept Tally) (out []string) {
	for _, k := range kept.Keys() {
		now := cmp.Or(t[k], &Parts{})
		for part, name := range partNames {
			if w := now[part].Worse(kept[k][part], strings.HasPrefix(k, "benign")); w != "" {
				out = append(out, fmt.Sprintf("%s, %s part: %s", k, name, w))
			}
		}
	}
	return out
}

// keptFile holds the counts that may only improve.
const keptFile = "data/kept.tsv"

// Kept are the kept counts of a scope: once, every line in one of its ways, or
// full, in all of them.
func Kept(scope string) (Tally, error) {
	data, err := files.ReadFile(keptFile)
	if err != nil {
		return nil, err
	}
	kept := Tally{}
	for row := range strings.SplitSeq(string(data), "\n") {
		f := strings.Split(row, "\t")
		if len(f) != 6 || f[0] != scope {
			continue
		}
		p := &Parts{}
		if _, err := fmt.Sscan(strings.Join(f[2:], " "), &p[0].Stopped, &p[0].All, &p[1].Stopped, &p[1].All); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", keptFile, row, err)
		}
		kept[f[1]] = p
	}
	return kept, nil
}

// WriteKept writes the counts of all scopes as Kept reads them.
func WriteKept(scopes map[string]Tally) string {
	var rows []string
	for scope, t := range scopes {
		for k, p := range t {
			rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d", scope, k, p[0].Stopped, p[0].All, p[1].Stopped, p[1].All))
		}
	}
	slices.Sort(rows)
	return "# Kept counts, which may only improve: scope, what, then stopped and all of the tuning part, stopped and all of the held-out part.\n# Written by: go test ./gateway/waf -run Corpus -update\n" + strings.Join(rows, "\n") + "\n"
}
