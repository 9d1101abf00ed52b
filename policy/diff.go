package policy

import (
	"fmt"
	"strings"

	"noren"
)

// Diff says in one line how decision b differs from a for the same event, as a
// back-test of other policies shows it; "" when they do the same. The version
// of the policies and the words of the reasons are not compared, and nobody an
// action is aimed at is named.
func Diff(a, b noren.Decision) string {
	var out []string
	if a.Verdict != b.Verdict {
		out = append(out, fmt.Sprintf("verdict %s → %s", a.Verdict, b.Verdict))
	}
	out = append(out, diffLists("", reasonNames(a.Reasons), reasonNames(b.Reasons))...)
	out = append(out, diffLists("shadow ", reasonNames(a.Shadow), reasonNames(b.Shadow))...)
	out = append(out, diffLists("", actionNames(a), actionNames(b))...)
	if a.Fault != b.Fault {
		out = append(out, fmt.Sprintf("fault %q → %q", a.Fault, b.Fault))
	}
	return strings.Join(out, "; ")
}

func reasonNames(rs []noren.Reason) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = fmt.Sprintf("%s (%s)", r.Policy, r.Verdict)
	}
	return out
}

func actionNames(d noren.Decision) []string {
	out := make([]string, len(d.Actions))
	for i, a := range d.Actions {
		out[i] = fmt.Sprintf("%s %s until %s by %s", a.Kind, a.Entity, a.Until.Format("2006-01-02T15:04:05Z"), a.Policy)
	}
	return out
}

// diffLists says what only one of two lists has.
func diffLists(prefix string, a, b []string) []string {
	var out []string
	for _, x := range without(a, b) {
		out = append(out, "- "+prefix+x)
	}
	for _, x := range without(b, a) {
		out = append(out, "+ "+prefix+x)
	}
	return out
}

func without(a, b []string) []string {
	has := make(map[string]bool, len(b))
	for _, x := range b {
		has[x] = true
	}
	var out []string
	for _, x := range a {
		if !has[x] {
			out = append(out, x)
		}
	}
	return out
}
