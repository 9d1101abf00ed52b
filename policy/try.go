package policy

import (
	"cmp"
	"slices"

	"noren"
	"noren/yamlfile"
)

// RowResult is how one test row went.
type RowResult struct {
	Policy string `json:"policy"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Row    string `json:"row"`   // its name, or its number
	Fires  bool   `json:"fires"` // what it asks for
	Held   bool   `json:"held"`
}

// Try is Load for people who are still writing: it also says how each test row
// went that could be run, whatever else is wrong.
func Try(files []File, cat *noren.Catalogue) (*Set, []RowResult, error) {
	var rows []RowResult
	set, err := load(files, cat, func(r RowResult) { rows = append(rows, r) })
	return set, rows, err
}

// ran tells of a row, where somebody asked.
func (l *loader) ran(p *parsed, i int, row Row, held bool) {
	if l.tell != nil {
		l.tell(RowResult{Policy: p.policy.Name, File: p.doc.Name(), Line: p.doc.At(p.path("tests", i)...).Line, Row: clip(rowTitle(i, row)), Fires: *row.Fires, Held: held})
	}
}

// Fault is one thing that is wrong with a file, and where.
type Fault = yamlfile.Fault

// Faults are the faults joined in an error that have a place in a file, and the
// text of what has none. Each is there once.
func Faults(err error) (faults []Fault, rest []noren.Text) {
	if err == nil {
		return nil, nil
	}
	if f, ok := err.(*Fault); ok {
		return []Fault{*f}, nil
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, inside := range e.Unwrap() {
			f, r := Faults(inside)
			faults, rest = append(faults, f...), append(rest, r...)
		}
		slices.SortStableFunc(faults, before)
		return slices.Compact(faults), rest
	case interface{ Unwrap() error }:
		if faults, rest = Faults(e.Unwrap()); len(faults) > 0 || len(rest) > 1 {
			return faults, rest
		}
	}
	if t, ok := noren.TextOf(err); ok {
		return nil, []noren.Text{{Ja: t.Ja, En: err.Error()}}
	}
	return nil, []noren.Text{{Ja: err.Error(), En: err.Error()}} // the outermost words say most
}

func before(a, b Fault) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
