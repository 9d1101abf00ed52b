package console

import (
	"cmp"
	"slices"

	"noren"
	"noren/gateway"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

// whyPage is what would happen to the same request now.
type whyPage struct {
	Back  string
	Says  noren.Text
	Would gateway.Would
	Zone  noren.Text
	Lists []listEntry
	Notes []noren.Text
	Limit []limitLine
	Path  string
}

// limitLine is one limit that counts such a request.
type limitLine struct {
	Name      string
	What      noren.Text
	Rate      noren.Text
	By        noren.Text
	Raw       string
	Remaining int64
	Would     string
}

// why asks what would happen if the same visitor came to the same page now. It
// counts nothing and changes nothing.
func (c *Console) why(v *visit) error {
	s, err := c.storied(v)
	if err != nil {
		return err
	}
	ev := &s.Entry.Event
	addr := ev.Address()
	if !addr.IsValid() {
		return noren.Errorf(noren.NotFound, "event %s has no address", ev.ID)
	}
	t := c.teller(v.r.Context(), v)
	method, path := "GET", "/"
	switch p := ev.Payload.(type) {
	case *noren.Blocked:
		method, path = cmp.Or(p.Method, method), cmp.Or(p.Path, path)
	case *noren.Request:
		method, path = cmp.Or(p.Method, method), cmp.Or(p.Path, path)
	}
	x, err := c.o.Gateway.Why(v.r.Context(), v.site, addr, method, path)
	if err != nil {
		return err
	}
	w := &whyPage{Back: v.eventPath(ev.ID), Says: t.tell(&s.Entry, s.Erased), Would: x.Would, Zone: zoneName(x.Place.Zone), Lists: c.entriesAbout(t, v.site, ev), Path: t.text(path)}
	w.Would.Text = t.texts(w.Would.Text)
	for _, n := range x.Warnings {
		w.Notes = append(w.Notes, t.texts(n))
	}
	for _, l := range x.Limits {
		w.Limit = append(w.Limit, limitLine{l.Name, limitName(l.Name), rateWords(l.Rate), byWords(l.By), l.Rate.String() + " " + string(l.By), l.Remaining, string(l.Answer)})
	}
	return v.page("eventwhy", w)
}

// tryPage compares the decision with what other policies would have made.
type tryPage struct {
	Back     string
	Says     noren.Text
	Was      verdictInfo
	WasWhy   []firedPolicy
	Versions []versionChoice
	Chosen   string
	Tried    bool
	Now      verdictInfo
	NowWhy   []firedPolicy
	Same     bool
	Diff     string
	Lacking  []factLine // facts the other policies ask for that were not stored
	Refused  noren.Text
}

// versionChoice is one version of the settings.
type versionChoice struct {
	ID, Text string
}

// triedVersions bounds the list.
const triedVersions = 30

// tryOther decides the stored event again by other policies: what would have
// happened then, from the facts of then.
func (c *Console) tryOther(v *visit) error {
	s, err := c.storied(v)
	if err != nil {
		return err
	}
	e := &s.Entry
	if s.Erased || e.Part != "" || e.Event.Payload == nil || c.o.Policies == nil {
		return noren.Errorf(noren.NotFound, "event %s cannot be decided again", e.Event.ID)
	}
	t := c.teller(v.r.Context(), v)
	p := &tryPage{Back: v.eventPath(e.Event.ID), Says: t.tell(e, false), Was: verdictOf(e.Decision.Verdict), WasWhy: t.fired(e.Decision.Reasons), Chosen: v.r.FormValue("version")}
	if err := c.versionChoices(v, p, t); err != nil {
		return err
	}
	if !v.r.URL.Query().Has("version") {
		return v.page("eventtry", p)
	}
	set, err := c.policiesOf(v, p.Chosen)
	switch {
	case err != nil && versionMissing(err):
		p.Refused = noren.Text{Ja: "その版の方針は、いまは使えません。", En: "The policies of that version cannot be used any more."}
		return v.pageWith(422, "eventtry", p)
	case err != nil:
		return err
	}
	p.compare(t, c.catalogue(), set, e)
	return v.page("eventtry", p)
}

func (c *Console) policiesOf(v *visit, version string) (*policy.Set, error) {
	if version == "" || c.o.PoliciesAt == nil {
		return c.o.Policies(v.site), nil
	}
	if len(version) > 64 {
		return nil, noren.Errorf(noren.NotFound, "no version has so long a name")
	}
	return c.o.PoliciesAt(v.r.Context(), v.site, version)
}

func (c *Console) versionChoices(v *visit, p *tryPage, t *teller) error {
	p.Versions = []versionChoice{{"", v.words().T("いまの方針", "the policies in force")}}
	if c.o.Versions == nil {
		return nil
	}
	all, err := c.o.Versions(v.r.Context())
	if err != nil {
		return err
	}
	for _, x := range all[:min(len(all), triedVersions)] {
		if !staff.May(v.who.Person, staff.AllSites, staff.See) {
			x.Author, x.Reason = "", "" // it may be about another shop
		}
		p.Versions = append(p.Versions, versionChoice{x.ID, versionText(v, t, x)})
	}
	return nil
}

func versionText(v *visit, t *teller, x settings.Version) string {
	w := v.words()
	text := w.T("第%d版", "version %d", x.N) + " " + w.Day(x.At.Time)
	if x.Author != "" {
		text += " " + t.people.author(x.Author).In(v.lang)
	}
	if x.Reason != "" {
		text += ": " + cutTo(x.Reason, 60)
	}
	return text
}

// compare decides anew and says what differs.
func (p *tryPage) compare(t *teller, cat *noren.Catalogue, set *policy.Set, e *noren.Entry) {
	d := set.Decide(&e.Event, e.Facts)
	p.Tried, p.Now, p.NowWhy = true, verdictOf(d.Verdict), t.fired(d.Reasons)
	p.Diff = t.text(policy.Diff(e.Decision, d))
	p.Same = p.Diff == ""
	for _, name := range set.Needs(e.Event.Kind, e.Event.Zone) {
		if _, has := e.Facts[name]; !has {
			p.Lacking = append(p.Lacking, t.factLine(cat, name, nil))
		}
	}
	slices.SortFunc(p.Lacking, func(a, b factLine) int { return cmp.Compare(a.Name, b.Name) })
}
