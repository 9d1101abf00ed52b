package settings

import (
	"fmt"
	"strings"
)

// around is how many unchanged lines stand around a change.
const around = 3

// maxTable bounds the comparison table; larger files are shown whole.
const maxTable = 4_000_000

// diffLines writes hunks from a to b by their longest common subsequence.
func diffLines(out *strings.Builder, a, b []string) {
	ops := compare(a, b)
	for i := 0; i < len(ops); {
		if ops[i].mark == ' ' {
			i++
			continue
		}
		from := max(0, i-around)
		to, quiet := i, 0
		for ; to < len(ops) && quiet <= 2*around; to++ {
			if ops[to].mark == ' ' {
				quiet++
			} else {
				quiet = 0
			}
		}
		to -= max(0, quiet-around)
		writeHunk(out, ops[from:to])
		i = to
	}
}

type op struct {
	mark   byte // ' ', '-' or '+'
	text   string
	la, lb int // line numbers from 1
}

func writeHunk(out *strings.Builder, ops []op) {
	na, nb := 0, 0
	for _, o := range ops {
		if o.mark != '+' {
			na++
		}
		if o.mark != '-' {
			nb++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", ops[0].la, na, ops[0].lb, nb)
	for _, o := range ops {
		fmt.Fprintf(out, "%c%s\n", o.mark, o.text)
	}
}

func compare(a, b []string) []op {
	if len(a)*len(b) > maxTable {
		return replaceAll(a, b)
	}
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
	var ops []op
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			ops = append(ops, op{' ', a[i], i + 1, j + 1})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			ops = append(ops, op{'-', a[i], i + 1, j + 1})
			i++
		default:
			ops = append(ops, op{'+', b[j], i + 1, j + 1})
			j++
		}
	}
	return ops
}

func replaceAll(a, b []string) []op {
	var ops []op
	for i, l := range a {
		ops = append(ops, op{'-', l, i + 1, 1})
	}
	for j, l := range b {
		ops = append(ops, op{'+', l, len(a) + 1, j + 1})
	}
	return ops
}
