package console

import (
	"slices"
	"time"

	"noren"
	"noren/gateway"
	"noren/journal"
)

// visitorPage is everything around one visitor.
type visitorPage struct {
	Field   noren.Text
	Who     string
	Asked   bool // somebody was looked for
	Erased  bool
	Mistake string
	Rows    []eventRow
	More    bool
	Linked  []linkedParty
	Stopped int64
	Passed  int64
	First   noren.Time
	Last    noren.Time
	InForce []listEntry
	Newest  string // the page of the newest event that can be acted on
	Can     eventCan
	Keys    []entityInfo
	Key     string
	Act     string
	Veil    veil
}

// linkedParty is somebody or something seen together with the visitor.
type linkedParty struct {
	Name     noren.Text
	Value    string
	Entries  int
	Story    string
	Followed bool
	Shared   bool
}

// visitor tells one visitor's story. Who it is stands in the address as an event
// that they are in, so that neither the browser's history nor a log names them; a
// value that was typed leads on to such an address.
func (c *Console) visitor(v *visit) error {
	p := &visitorPage{Keys: entities(), Key: v.r.FormValue("key"), Act: v.path("/visitor"), Veil: v.veil()}
	if p.Key == "" {
		p.Key = noren.EntityAddress
	}
	if !slices.ContainsFunc(entities(), func(e entityInfo) bool { return e.Field == p.Key }) {
		return noren.Errorf(noren.NotFound, "visitors are not told apart by %q", p.Key)
	}
	p.Field = entityName(p.Key)
	if typed := v.r.FormValue("value"); typed != "" {
		return c.visitorTyped(v, p, typed)
	}
	id := v.r.FormValue("event")
	if id == "" {
		return v.page("visitor", p)
	}
	s, err := c.o.Journal.Get(v.r.Context(), v.site, firstRunes(id, 64))
	if err != nil {
		return err
	}
	p.Asked = true
	value := s.Entry.Event.Entities[p.Key]
	if value == "" {
		p.Erased = s.Erased
		return v.page("visitor", p)
	}
	if err := c.story(v, p, p.Key, value); err != nil {
		return err
	}
	return v.page("visitor", p)
}

// visitorTyped leads to the story of somebody who was typed in.
func (c *Console) visitorTyped(v *visit, p *visitorPage, typed string) error {
	k, err := keyOf(p.Key, typed)
	if m := mistakeIn(err); m != nil {
		p.Mistake = m.text.In(v.lang)
		return v.pageWith(422, "visitor", p)
	}
	if err != nil {
		return err
	}
	page, err := c.o.Journal.Search(v.r.Context(), journal.SearchQuery{Log: v.site, Field: k.Field, Value: k.Value, Limit: 1, Within: time.Second})
	if err != nil {
		return err
	}
	for i := range page.Hits {
		if page.Hits[i].Fault == nil {
			return v.redirect(v.storyOf(k.Field, page.Hits[i].Entry.Event.ID), "")
		}
	}
	p.Asked = true
	return v.page("visitor", p)
}

// storyLimit is how many entries a page tells.
const storyLimit = 200

// storyWithin is how long it looks for them: opening so many takes as long as finding.
const storyWithin = 40 * time.Millisecond

func (c *Console) story(v *visit, p *visitorPage, field, value string) error {
	s, err := c.o.Journal.Story(v.r.Context(), journal.StoryQuery{Log: v.site, Field: field, Value: value, Limit: storyLimit, Within: storyWithin})
	if err != nil {
		return err
	}
	t := c.teller(v.r.Context(), v)
	p.Who, p.More = t.entity(field, value), s.More
	if a, ok := addressOf(value); ok && field == noren.EntityAddress {
		p.Who = t.addressWith(a).In(v.lang)
	}
	if field == noren.EntityStaff {
		p.Who = t.people.author("staff:" + value).In(v.lang)
	}
	for i := range s.Entries {
		p.add(v, t, &s.Entries[i])
	}
	slices.Reverse(p.Rows) // newest first, like every list
	for _, l := range s.Linked {
		p.Linked = append(p.Linked, linked(v, t, &s, l))
	}
	c.standing(v, p, t, &s, field, value)
	return nil
}

func (p *visitorPage) add(v *visit, t *teller, x *journal.StoryEntry) {
	r := t.row(v, &x.Hit)
	if x.Through != "" {
		r.Through = fill("%s から", "through the %s", entityName(x.Through))
	}
	p.Rows = append(p.Rows, r)
	if x.Fault != nil {
		return
	}
	e := &x.Entry
	if info, err := e.Event.Kind.Info(); err == nil && !info.Operational {
		if e.Decision.Verdict == noren.Allow {
			p.Passed += max(1, e.Count)
		} else {
			p.Stopped += max(1, e.Count)
		}
	}
	if p.First.IsZero() {
		p.First = e.Event.At
	}
	p.Last = e.Event.At
}

// linked leads to the story of somebody by an event in which they were seen.
func linked(v *visit, t *teller, s *journal.Story, l journal.Link) linkedParty {
	out := linkedParty{Name: entityName(l.Field), Value: t.entity(l.Field, l.Value), Entries: l.Entries, Followed: l.Followed, Shared: l.Shared}
	if l.Field == noren.EntityStaff {
		out.Value = t.people.author("staff:" + l.Value).In(v.lang)
	}
	for i := len(s.Entries) - 1; i >= 0; i-- {
		if ev := &s.Entries[i].Entry.Event; ev.Entities[l.Field] == l.Value {
			out.Story = v.storyOf(l.Field, ev.ID)
			break
		}
	}
	return out
}

// standing says what lists say of the visitor now, and from which event they can be
// freed or banned.
func (c *Console) standing(v *visit, p *visitorPage, t *teller, s *journal.Story, field, value string) {
	for i := len(s.Entries) - 1; i >= 0; i-- {
		x := &s.Entries[i]
		if x.Fault != nil || x.Erased || x.Entry.Event.Entities[field] != value || !x.Entry.Event.Address().IsValid() {
			continue
		}
		ev := &x.Entry.Event
		p.Newest, p.Can, p.InForce = v.eventPath(ev.ID), c.can(v, &x.Stored), c.entriesAbout(t, v.site, ev)
		return
	}
}

// ticketPage is a reference number that leads to no event.
type ticketPage struct {
	Number string
	Typed  bool
	Valid  bool
	Line   *ticketLine
	Since  noren.Time // how far back this machine's access log reaches
	Act    string
}

// ticketLine is what the access log has of it.
type ticketLine struct {
	At    noren.Time
	Zone  noren.Text
	Cause causeInfo
	Who   noren.Text
	Page  string
	Code  int
	Told  noren.Text
}

// ticket finds the event of the number that a customer read from the page they saw.
func (c *Console) ticket(v *visit) error {
	typed := v.r.FormValue("number")
	p := &ticketPage{Number: cutTo(typed, 40), Typed: typed != "", Act: v.path("/ticket")}
	number, ok := noren.ReadTicket(firstRunes(typed, 40))
	if p.Valid = ok; !ok {
		return v.page("ticket", p)
	}
	p.Number = number
	page, err := c.o.Journal.Search(v.r.Context(), journal.SearchQuery{Log: v.site, Field: journal.FieldTicket, Value: number, Limit: 1, Within: time.Second})
	if err != nil {
		return err
	}
	if len(page.Hits) > 0 && page.Hits[0].Fault == nil {
		return v.redirect(v.eventPath(page.Hits[0].Entry.Event.ID), "")
	}
	c.logged(v, p, number)
	return v.page("ticket", p)
}

// logged looks into the access log of this machine: of many refusals of one visitor
// the record keeps the first of a minute one by one. Lines of other sites are not
// there for this visitor.
func (c *Console) logged(v *visit, p *ticketPage, number string) {
	if c.o.LoggedAs == nil {
		return
	}
	l, since, err := c.o.LoggedAs(v.r.Context(), number)
	if err != nil {
		c.o.Log.Warn("console: reference number in the access log", "err", err)
	}
	p.Since = since
	if l == nil || l.Site != v.site {
		return
	}
	t := c.teller(v.r.Context(), v)
	p.Line = &ticketLine{At: l.At, Zone: zoneName(l.Zone), Cause: causeOf(noren.Cause(l.Cause)), Page: l.Method + " " + t.text(l.Path), Code: l.Status, Told: statusWords(int64(l.Status)), Who: whoOf(t, l)}
}

func whoOf(t *teller, l *gateway.Line) noren.Text {
	if a, ok := addressOf(l.Address); ok {
		return t.addressWith(a)
	}
	return same("–")
}
