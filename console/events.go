package console

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/journal"
)

// eventList is the page できごと.
type eventList struct {
	Filter  eventFilter
	Mistake string // what is wrong with the filter, in the visitor's language
	Choices eventChoices
	Chart   *ui.Stack
	Rows    []eventRow
	Count   string
	Looked  *progress // of a page that is not full, or a search for words
	Pager   ui.Pager
	Other   []ui.Link // other ways to understand what was typed
	Veil    veil
	Form    string
	Act     string
}

// eventRow is one entry of a list.
type eventRow struct {
	URL     string
	At      noren.Time
	Says    noren.Text
	Badge   ui.Badge
	Zone    noren.Text
	Times   int64 // that it stands for, 0 for one
	Through noren.Text
	Fault   bool // this entry alone cannot be read
	No      int64
	Kind    noren.Text
	Stopped bool
}

// progress is how far a look through the record came.
type progress struct {
	Looked, Of int64
	At         noren.Time
	Next       string // goes on; "" at the end
	Words      bool
	Found      int
}

// eventChoices are the lists of the filter's form.
type eventChoices struct {
	Ranges   []timeRange
	Keys     []entityInfo
	Kinds    []noren.KindInfo
	Zones    []noren.ZoneInfo
	Verdicts []verdictInfo
	Causes   []causeInfo
}

func choices() eventChoices {
	keys := append([]entityInfo{{keyAuto, noren.Text{Ja: "おまかせ", En: "guess"}}, {journal.FieldTicket, noren.Text{Ja: "受付番号", En: "reference number"}}}, entities()...)
	return eventChoices{Ranges: ranges(), Keys: keys, Kinds: noren.Kinds(), Zones: noren.Zones(), Verdicts: verdicts(), Causes: causes()}
}

// countMost is where counting ends: "more than 10,000" serves people.
const countMost = 10_000

// events shows what happened, newest first.
func (c *Console) events(v *visit) error {
	now := time.Now()
	f, err := readFilter(v.r.URL.Query(), now)
	l := &eventList{Filter: f, Choices: choices(), Veil: v.veil(), Form: newForm(), Act: v.path("/events")}
	if m := mistakeIn(err); m != nil {
		l.Mistake = m.text.In(v.lang)
		return v.pageWith(422, "events", l)
	}
	if err != nil {
		return err
	}
	if to := c.straightTo(v, &f); to != "" {
		return v.redirect(to, "")
	}
	if f.Words != "" {
		return c.words(v, l)
	}
	return c.listed(v, l, now)
}

// straightTo is the page of the one event that was named by its id or number.
func (c *Console) straightTo(v *visit, f *eventFilter) string {
	switch f.Exact.Field {
	case keyID:
		return v.eventPath(f.Exact.Value)
	case keyEntry:
		n, _ := strconv.ParseInt(f.Exact.Value, 10, 64)
		before := n - 1
		for s, err := range c.o.Journal.Query(v.r.Context(), journal.Filter{Log: v.site, Site: v.site, AfterSeq: &before, Limit: 1}) {
			if err == nil && s.Seq == n {
				return v.eventPath(s.Entry.Event.ID)
			}
		}
		f.Exact = key{journal.FieldTicket, f.Typed, f.Exact.Guessed} // nothing has that: an empty list
	}
	return ""
}

// listed is the page without words.
func (c *Console) listed(v *visit, l *eventList, now time.Time) error {
	ctx, f := v.r.Context(), &l.Filter
	q := f.query(v.site)
	began := time.Now()
	page, err := c.o.Journal.Search(ctx, q)
	if err != nil {
		return err
	}
	t := c.teller(ctx, v)
	for i := range page.Hits {
		l.Rows = append(l.Rows, t.row(v, &page.Hits[i]))
	}
	l.Pager = ui.Pager{CSV: v.path("/events.csv") + f.with("cursor", "")}
	if page.Prev != "" && f.Cursor != "" {
		l.Pager.Newer = f.with("cursor", page.Prev)
	}
	if page.Next != "" {
		l.Pager.Older = f.with("cursor", page.Next)
	}
	if page.Partial {
		l.Looked = &progress{Looked: page.Looked, Of: page.Of, At: noren.At(page.LookedTo), Next: l.Pager.Older}
	}
	if l.Chart, err = c.timeline(ctx, v.site, f, now); err != nil {
		return err
	}
	if q.Within = journal.DefaultWithin - time.Since(began); wholeList(&page, f) {
		l.Count = countText(v.words(), journal.Count{N: int64(len(page.Hits))})
	} else if l.Count, err = c.counted(ctx, v.words(), q); err != nil {
		return err
	}
	l.Other = f.otherKeys(v.lang)
	return v.page("events", l)
}

// wholeList reports whether a page is the whole list.
func wholeList(p *journal.Page, f *eventFilter) bool {
	return f.Cursor == "" && p.Next == "" && !p.Partial
}

// leastCount is the time that counting gets however long the page took.
const leastCount = 5 * time.Millisecond

// counted is how many entries there are, for people: what is looked for by a key is
// counted in the time that finding the page has left.
func (c *Console) counted(ctx context.Context, w ui.Words, q journal.SearchQuery) (string, error) {
	q.Within = max(q.Within, leastCount)
	n, err := c.o.Journal.Count(ctx, q, countMost)
	if err != nil {
		return "", err
	}
	return countText(w, n), nil
}

func countText(w ui.Words, n journal.Count) string {
	switch {
	case n.N >= countMost && n.AtLeast:
		return w.T("%s件より多い", "more than %s", w.Number(int64(countMost)))
	case n.AtLeast && n.N == 0:
		return "" // nobody came far enough to tell
	case n.AtLeast:
		return w.T("%s件以上", "at least %s", w.Number(n.N))
	}
	return w.T("%s件", "%s", w.Number(n.N))
}

// otherKeys are the other things that what was typed can be.
func (f *eventFilter) otherKeys(lang string) (out []ui.Link) {
	if !f.Exact.Guessed || f.Exact.Field == "" {
		return nil
	}
	for _, e := range choices().Keys {
		if e.Field == keyAuto || e.Field == f.Exact.Field || e.Field == noren.EntityStaff {
			continue
		}
		if _, err := keyOf(e.Field, f.Typed); err == nil {
			out = append(out, ui.Link{Name: e.Name.In(lang), URL: f.with("key", e.Field)})
		}
	}
	return out
}

// ExactName is what was looked for, in words.
func (f *eventFilter) ExactName() noren.Text {
	if f.Exact.Field == journal.FieldTicket {
		return noren.Text{Ja: "受付番号", En: "reference number"}
	}
	return entityName(f.Exact.Field)
}

// teller tells entries to this visit.
func (c *Console) teller(ctx context.Context, v *visit) *teller {
	t := &teller{mask: v.mask(), people: people{}, where: c.where, scale: c.scaleOf(v.site)}
	all, err := c.o.Staff.People(ctx)
	if err != nil {
		c.o.Log.Warn("console: names of staff", "err", err) // they are shown without
	}
	for _, p := range all {
		t.people[p.ID] = p.Name
	}
	return t
}

// scaleOf is what the firewall's score means at a site now.
func (c *Console) scaleOf(site string) scale {
	s, err := c.siteOf(site)
	if err != nil {
		return scale{}
	}
	return scale{gateway.ScoreLimit(), s.WAF}
}

// where names an address's country and network.
func (c *Console) where(a netip.Addr) (country, network string) {
	if c.o.AddressOf == nil {
		return "", ""
	}
	return c.o.AddressOf(a)
}

// row is one entry as a line of a list.
func (t *teller) row(v *visit, h *journal.Hit) eventRow {
	e := &h.Entry
	if h.Fault != nil {
		return eventRow{Fault: true, No: h.Seq, At: e.Event.At, Says: fill("記録 %s 番は読めません", "Entry %s cannot be read", ui.Words{}.Number(h.Seq)),
			Badge: ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "読めない", En: "unreadable"}}, Zone: same("–")}
	}
	r := eventRow{URL: v.eventPath(e.Event.ID), At: e.Event.At, Says: t.tell(e, h.Erased), Badge: badgeOf(e), Zone: zoneName(e.Event.Zone), No: h.Seq,
		Kind: kindName(e.Event.Kind), Stopped: e.Decision.Verdict == noren.Block}
	if e.Count > 1 {
		r.Times = e.Count
	}
	return r
}
