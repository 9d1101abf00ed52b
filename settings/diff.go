package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// around is how many unchanged lines stand around a change.
const around = 3

// maxTable bounds the comparison table; what differs more is shown as one
// change.
const maxTable = 4_000_000

// Diff writes what changes from a to b, file by file, as a patch in the unified
// form (patch -p0 applies it in the set's directory). It is empty when nothing
// changes.
func Diff(a, b Set) string {
	var out strings.Builder
	all := make(Set, len(a))
	maps.Copy(all, a)
	maps.Copy(all, b)
	for _, p := range all.Paths() {
		before, had := a[p]
		after, has := b[p]
		if had && has && before == after {
			continue
		}
		fmt.Fprintf(&out, "--- %s\n+++ %s\n", nameOr(p, had), nameOr(p, has))
		for _, h := range hunks(compare(splitLines(before), splitLines(after))) {
			h.write(&out)
		}
	}
	return out.String()
}

func nameOr(p string, exists bool) string {
	if exists {
		return p
	}
	return "/dev/null"
}

// splitLines keeps line ends, so that a missing last one is a difference.
func splitLines(s string) []string {
	return slices.Collect(strings.Lines(s))
}

// op is one line of a comparison.
type op struct {
	mark   byte // ' ', '-' or '+'
	text   string
	la, lb int // lines of a and b before this one
}

// compare lines a and b up by their longest common subsequence.
func compare(a, b []string) []op {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	w := writer{ops: make([]op, 0, len(a)+len(b))}
	w.add(' ', a[:head])
	w.middle(a[head:len(a)-tail], b[head:len(b)-tail])
	w.add(' ', a[len(a)-tail:])
	return w.ops
}

type writer struct {
	ops    []op
	la, lb int
}

func (w *writer) add(mark byte, lines []string) {
	for _, l := range lines {
		w.ops = append(w.ops, op{mark, l, w.la, w.lb})
		if mark != '+' {
			w.la++
		}
		if mark != '-' {
			w.lb++
		}
	}
}

func (w *writer) middle(a, b []string) {
	if len(a)*len(b) > maxTable {
		w.add('-', a)
		w.add('+', b)
		return
	}
	common := commonTable(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			w.add(' ', a[i:i+1])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			w.add('-', a[i:i+1])
			i++
		default:
			w.add('+', b[j:j+1])
			j++
		}
	}
}

// commonTable holds at [i][j] the length of the longest common subsequence of
// a[i:] and b[j:].
func commonTable(a, b []string) [][]int32 {
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}

// hunk is a run of changes with the lines around it.
type hunk []op

// hunks cuts a comparison into runs whose surroundings do not touch.
func hunks(ops []op) []hunk {
	var out []hunk
	start, last := -1, -1 // of the open run: its first line, its last change
	for i, o := range ops {
		if o.mark == ' ' {
			continue
		}
		if start >= 0 && i-last > 2*around {
			out = append(out, ops[start:min(last+around+1, len(ops))])
			start = -1
		}
		if start < 0 {
			start = max(0, i-around)
		}
		last = i
	}
	if start >= 0 {
		out = append(out, ops[start:min(last+around+1, len(ops))])
	}
	return out
}

func (h hunk) write(out *strings.Builder) {
	na, nb := 0, 0
	for _, o := range h {
		if o.mark != '+' {
			na++
		}
		if o.mark != '-' {
			nb++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(h[0].la, na), span(h[0].lb, nb))
	for _, o := range h {
		out.WriteByte(o.mark)
		out.WriteString(o.text)
		if !strings.HasSuffix(o.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// span writes where lines begin and how many there are. No lines are said to
// begin after the line before them.
func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}
