package journal

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"noren"
)

// TextQuery looks for words in what people see of entries: the payload's texts,
// who it was about, the rule, and the reasons of the decision. Entries have to be
// opened for that, so the range says how long it takes. Nothing is found in an
// erased person's entries: they cannot be opened.
type TextQuery struct {
	// SearchQuery is the range. Its Cursor goes on where a TextStep was; Limit and
	// Within do not matter.
	SearchQuery
	// Words must all be there, separated by spaces. Width, case and
	// compatibility forms make no difference: ﾃｽﾄ finds テスト.
	Words string
}

// TextStep is what a Text yields: a hit, or none and how far it is.
type TextStep struct {
	Hit    *Hit
	Looked int64     // entries passed, those that roll-ups left out included
	Of     int64     // entries of the range
	At     time.Time // of the last entry looked at
	Cursor string    // goes on behind it
}

// maxWords bounds what is looked for.
const maxWords = 256

// Text yields hits, newest first unless asked otherwise, and a step without a hit
// after every few hundred entries. It holds one page of entries in memory. Whoever
// has seen enough breaks off or ends ctx.
func (j *Journal) Text(ctx context.Context, q TextQuery) iter.Seq2[TextStep, error] {
	return func(yield func(TextStep, error) bool) {
		if err := j.text(ctx, q, yield); err != nil {
			yield(TextStep{}, fmt.Errorf("look through log %s: %w", q.Log, err))
		}
	}
}

func (j *Journal) text(ctx context.Context, q TextQuery, yield func(TextStep, error) bool) error {
	words := strings.Fields(fold(q.Words))
	if len(words) == 0 || len(q.Words) > maxWords {
		return noren.Errorf(noren.Invalid, "it takes words of 1 to %d bytes together", maxWords)
	}
	q.Limit = 0
	if err := q.valid(); err != nil {
		return err
	}
	c, err := parseCursor(q.Cursor)
	if err != nil {
		return err
	}
	f, err := j.newFinder(ctx, &q.SearchQuery)
	if err != nil {
		return err
	}
	of := max(0, f.high-f.low+1)
	f.turn(cursor{c.seq, false, c.set})
	t := texter{f: f, words: words, of: of, yield: yield}
	for !f.done() {
		if goOn, err := t.step(ctx); err != nil || !goOn {
			return err
		}
	}
	return nil
}

type texter struct {
	f     *finder
	words []string
	of    int64
	at    time.Time
	yield func(TextStep, error) bool
}

// step opens the next entries.
func (t *texter) step(ctx context.Context) (goOn bool, err error) {
	rows, err := t.f.step(ctx, queryPage)
	if err != nil {
		return false, err
	}
	for _, r := range t.f.j.restoreAll(ctx, rows) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if r.err != nil || !saysAll(&r.stored.Entry, t.words) {
			continue
		}
		t.at = r.stored.Entry.Event.At.Time
		if !t.yield(t.said(&Hit{r.stored, nil}, r.stored.Seq), nil) {
			return false, nil
		}
	}
	if len(rows) > 0 {
		t.at = time.UnixMicro(rows[len(rows)-1].at).UTC()
	}
	return t.yield(t.said(nil, t.f.behind()), nil), ctx.Err()
}

func (t *texter) said(h *Hit, seq int64) TextStep {
	left := max(0, t.f.high-t.f.low+1)
	return TextStep{Hit: h, Looked: t.of - left, Of: t.of, At: t.at, Cursor: cursor{seq, false, true}.String()}
}

// fold makes texts that people take for the same the same.
func fold(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}

// saysAll reports whether all words are somewhere in the texts of an entry.
func saysAll(e *noren.Entry, words []string) bool {
	left := slices.Clone(words)
	for text := range textsOf(e) {
		folded := fold(text)
		left = slices.DeleteFunc(left, func(w string) bool { return strings.Contains(folded, w) })
		if len(left) == 0 {
			return true
		}
	}
	return false
}

// textsOf are the texts that people see of an entry.
func textsOf(e *noren.Entry) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, s := range []string{e.Rule, string(e.Event.Kind), string(e.Event.Zone), e.Event.ID} {
			if s != "" && !yield(s) {
				return
			}
		}
		for _, v := range e.Event.Entities {
			if !yield(v) {
				return
			}
		}
		for _, r := range slices.Concat(e.Decision.Reasons, e.Decision.Shadow) {
			if !yield(r.Policy) || !yield(r.Text.Ja) || !yield(r.Text.En) {
				return
			}
		}
		if e.Event.Payload != nil {
			eachText(reflect.ValueOf(e.Event.Payload), yield)
		}
	}
}

// eachText walks the texts of a payload.
func eachText(v reflect.Value, yield func(string) bool) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || eachText(v.Elem(), yield)
	case reflect.String:
		return v.Len() == 0 || yield(v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != reflect.TypeFor[noren.Time]() && !eachText(v.Field(i), yield) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !eachText(v.Index(i), yield) {
				return false
			}
		}
	}
	return true
}
