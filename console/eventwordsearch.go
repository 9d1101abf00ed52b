package console

import (
	"context"
	"time"

	"noren"
	"noren/journal"
)

// Bounds of one look through opened text: a page is answered within a moment, and
// says how far it came.
const (
	wordsFor  = 1500 * time.Millisecond
	wordsPage = 50
)

// words looks for words in opened entries, a bounded stretch a page. Without
// scripts a button goes on; with them the page goes on by itself until somebody
// stops it.
func (c *Console) words(v *visit, l *eventList) error {
	found, p, err := c.lookThrough(v.r.Context(), l.Filter.textQuery(v.site), wordsFor, wordsPage)
	if err != nil {
		return err
	}
	t := c.teller(v.r.Context(), v)
	for i := range found {
		l.Rows = append(l.Rows, t.row(v, &found[i]))
	}
	if p.Next != "" {
		p.Next = l.Filter.with("cursor", p.Next)
	}
	l.Looked = &p
	l.Pager.CSV = v.path("/events.csv") + l.Filter.with("cursor", "")
	if v.asked("more") {
		return v.part("events", "found", v.frame(l))
	}
	return v.page("events", l)
}

func (f *eventFilter) textQuery(site string) journal.TextQuery {
	return journal.TextQuery{SearchQuery: f.query(site), Words: firstRunes(f.Words, 80)}
}

// lookThrough gathers hits for a while. The progress's Next is a cursor, "" at the
// end of the range.
func (c *Console) lookThrough(ctx context.Context, q journal.TextQuery, within time.Duration, most int) (found []journal.Hit, p progress, err error) {
	p.Words = true
	began := time.Now()
	for step, err := range c.o.Journal.Text(ctx, q) {
		if err != nil {
			return nil, p, err
		}
		if step.Hit != nil {
			found = append(found, *step.Hit)
		}
		p.Looked, p.Of, p.At, p.Next = step.Looked, step.Of, noren.At(step.At), step.Cursor
		if len(found) >= most || time.Since(began) > within {
			p.Found = len(found)
			return found, p, nil
		}
	}
	p.Next, p.Looked, p.Found = "", p.Of, len(found)
	return found, p, nil
}
