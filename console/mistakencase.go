package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"noren"
	"noren/gateway/waf/exclusion"
	"noren/journal"
	"noren/staff"
)

// casePage is one stopped request, looked at as a mistake: what the firewall found,
// what would have to be left out, what that would open, and the button.
type casePage struct {
	Event, Path    string
	At             noren.Time
	Says           noren.Text
	Page           string
	Zone           noren.Text
	Found          []foundLine
	Cut            bool
	Refused        noren.Text
	X              *exclusion.Exclusion
	Star           bool
	Run            *caseSeen
	Have           []exclusionRow // of this event
	Active         bool           // one of them waits or is in force
	May, Alone     bool           // ask; approve at once, because nobody else could
	MayApprove     bool
	Files          bool
	Erased         bool
	For            string
	Spans          []actSpan
	Reason, Form   string
	Wrong          noren.Text
	ByDay          noren.Time
	RehearsesOther bool
}

// foundLine is one rule at one field, in words.
type foundLine struct {
	exclusion.Found
	Where, What, Says noren.Text
	Goes              bool
	Kept              noren.Text // why it cannot be left out
}

func exclusionSpans() []actSpan {
	return []actSpan{
		{"7d", noren.Text{Ja: "7日", En: "7 days"}, 7 * 24 * time.Hour},
		{"30d", noren.Text{Ja: "30日", En: "30 days"}, 30 * 24 * time.Hour},
		{"90d", noren.Text{Ja: "90日（いちばん長い期限）", En: "90 days (the longest)"}, exclusion.Longest},
	}
}

const exclusionSpan = "30d"

// casePage shows a stopped request as a possible mistake.
func (c *Console) mistakenCase(v *visit) error {
	p, err := c.caseOf(v)
	if err != nil {
		return err
	}
	if v.asked("case-run") {
		return v.part("mistakencase", "run", v.frame(p))
	}
	return v.page("mistakencase", p)
}

func (c *Console) caseOf(v *visit) (*casePage, error) {
	if c.o.Firewall == nil {
		return nil, errNoFirewall
	}
	s, err := c.storied(v)
	if err != nil {
		return nil, err
	}
	ev := &s.Entry.Event
	t := c.teller(v.r.Context(), v)
	p := &casePage{Event: ev.ID, Path: v.casePath(ev.ID), At: ev.At, Says: t.tell(&s.Entry, s.Erased), Page: exclusion.PathOf(ev), Zone: zoneName(ev.Zone), Erased: s.Erased,
		For: exclusionSpan, Spans: exclusionSpans(), Form: newForm(), May: v.may(staff.Act), MayApprove: v.may(staff.Policies), Files: c.settingsAreFiles()}
	others, err := c.approvers(v)
	if err != nil {
		return nil, err
	}
	p.Alone = others == 0 && p.MayApprove
	list, err := c.o.Firewall.Exclusions(v.r.Context(), v.site)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Event == ev.ID {
			p.Have = append(p.Have, c.exclusionRow(v, &list[i], time.Now()))
		}
	}
	p.Active = active(p.Have)
	c.propose(p, &s)
	p.Run = c.cases.seen(v.site, ev.ID)
	return p, nil
}

// propose finds the narrowest exclusion, or why there is none.
func (c *Console) propose(p *casePage, s *journal.Stored) {
	ev := &s.Entry.Event
	x, cut, err := exclusion.Narrowest(ev, firewallStops)
	p.Cut = cut
	for _, target := range x.Targets {
		if err == nil {
			err = c.o.Firewall.Excludable(target)
		}
	}
	if s.Erased {
		err = noren.Say(noren.Denied, noren.Text{Ja: "この方の記録は消去済みなので、何が見つかったか分かりません", En: "the record of this person was erased, so what was found is not known"})
	}
	if err != nil {
		text, ok := noren.TextOf(err)
		if !ok {
			text = noren.Text{Ja: "この通信からは、狭い除外を作れません", En: "no narrow exclusion can be made of this request"}
		}
		p.Refused = text
	} else {
		p.X, p.Star = &x, x.Path != p.Page
	}
	found, _ := exclusion.Finds(ev)
	for _, f := range found {
		l := foundLine{Found: f, Where: partMeaning(f.Field), What: ruleMeaning(f.Rule), Says: whyStopped(f.Rule), Goes: err == nil && slices.Contains(x.Targets, f.Target)}
		if why, ok := noren.TextOf(f.Valid()); ok && f.Valid() != nil {
			l.Kept = why
		}
		p.Found = append(p.Found, l)
	}
}

// tryCase begins to try the proposal.
func (c *Console) tryCase(v *visit) error {
	p, err := c.caseOf(v)
	if err != nil {
		return err
	}
	if p.X == nil {
		p.Wrong = p.Refused
		return v.pageWith(http.StatusUnprocessableEntity, "mistakencase", p)
	}
	if !c.beginCase(v, p.X) {
		p.RehearsesOther = true
		return v.pageWith(http.StatusConflict, "mistakencase", p)
	}
	http.Redirect(v.w, v.r, p.Path+"#tried", http.StatusSeeOther)
	return nil
}

// askCase asks for the exclusion that was tried, and approves it at once where the
// person may and nobody else could.
func (c *Console) askCase(v *visit) error {
	p, err := c.caseOf(v)
	if err != nil {
		return err
	}
	reason, err := v.reason()
	run := c.cases.of(v.site, p.Event)
	span, ok := exclusionSpanOf(v.field("for"))
	approve := v.field("approve") != ""
	switch {
	case err != nil:
	case p.X == nil:
		err = &mistake{field: "reason", text: p.Refused}
	case run == nil || !run.done() || !sameExclusion(run.x, p.X):
		err = wrong("reason", "先に「過去の記録と見本で試す」を押して、何が通るようになるかを確かめてください。", "Please try it first, and see what it would open.")
	case !ok:
		err = wrong("for", "期限を選んでください。", "Please choose an end.")
	case p.Active:
		err = wrong("reason", "このできごとの除外は、もうあります。", "There is an exclusion of this event already.")
	case approve && !p.Alone:
		err = wrong("reason", "承認できる方がほかにいるので、その方に承認してもらってください。", "Somebody else may approve; please have them do it.")
	}
	if m := mistakeIn(err); m != nil {
		v.c.once.release(v.formID())
		p.Reason, p.Wrong = firstRunes(v.field("reason"), 500), m.text
		if ok {
			p.For = span.Name
		}
		return v.pageWith(http.StatusUnprocessableEntity, "mistakencase", p)
	}
	if err != nil {
		return err
	}
	if approve {
		if err := v.confirmed(); err != nil {
			return err
		}
	}
	if v.again() {
		return v.redirect(p.Path, "again")
	}
	x := c.asked(v, p.X, run, reason, span.Span)
	act := exclusion.ActAsk
	if approve {
		x.ApprovedBy, x.ApprovedAt, act = x.AskedBy, x.AskedAt, exclusion.ActApprove
	}
	if err := c.storeExclusion(v, &x, act, reason); err != nil {
		return err
	}
	id := v.undoable(staff.Act, func(ctx context.Context, by *visit) error { return by.c.liftExclusion(ctx, by, x.ID) })
	if approve {
		return v.redirect(v.path("/exclusions/"+x.ID), "exclusion-in-force", "undo", id)
	}
	return v.redirect(v.path("/exclusions/"+x.ID), "exclusion-asked", "undo", id)
}

func exclusionSpanOf(name string) (actSpan, bool) {
	for _, s := range exclusionSpans() {
		if s.Name == name {
			return s, true
		}
	}
	return actSpan{}, false
}

func sameExclusion(a, b *exclusion.Exclusion) bool {
	return a.Path == b.Path && a.Zone == b.Zone && slices.Equal(a.Targets, b.Targets)
}

// active reports whether one of them waits or is in force.
func active(rows []exclusionRow) bool {
	return slices.ContainsFunc(rows, func(r exclusionRow) bool { return r.State(time.Now()) != exclusion.Ended })
}

// asked is the exclusion as it is stored.
func (c *Console) asked(v *visit, proposal *exclusion.Exclusion, run *caseRun, reason string, span time.Duration) exclusion.Exclusion {
	now := time.Now()
	x := *proposal
	x.ID, x.Reason, x.AskedBy, x.AskedAt = noren.NewID(now), reason, v.author(), exclusion.At(now)
	x.Until = exclusion.At(now.Add(span))
	x.Tried = run.tried()
	return x
}

// endedFor is how long one that has ended stays on the list.
const endedFor = 30 * 24 * time.Hour

// storeExclusion records the act, then adds x to the site's settings.
func (c *Console) storeExclusion(v *visit, x *exclusion.Exclusion, act, reason string) error {
	if err := x.Valid(); err != nil {
		return noren.Errorf(noren.Invalid, "%w", err)
	}
	if err := c.settled(v); err != nil {
		return err
	}
	if err := v.record(act, exclusionWords(x), 0, reason); err != nil {
		return err
	}
	return c.o.Firewall.Exclude(v.r.Context(), v.site, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) {
		return append(withoutOld(list, time.Now()), *x), nil
	}, v.author(), reason)
}

func withoutOld(list []exclusion.Exclusion, now time.Time) []exclusion.Exclusion {
	return slices.DeleteFunc(list, func(x exclusion.Exclusion) bool { return now.Sub(x.Until.Time) > endedFor })
}

// exclusionWords names one in the record.
func exclusionWords(x *exclusion.Exclusion) string {
	words := x.Path + " (" + string(x.Zone) + ")"
	for _, t := range x.Targets {
		words += " " + t.String()
	}
	return words
}
