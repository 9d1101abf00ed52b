package console

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/gateway/waf/exclusion"
	"noren/journal"
	"noren/staff"
)

// eventPage is one decision explained.
type eventPage struct {
	ID, Path string
	No       int64
	At       noren.Time
	Headline noren.Text
	Says     noren.Text // who it was and which page; empty when the headline says it
	Badge    ui.Badge
	Kind     noren.Kind
	KindName noren.Text
	Zone     noren.Text
	Times    int64
	Erased   bool
	Part     noren.Part
	Cause    *causeInfo
	Saw      *sawPage
	Why      []firedPolicy
	Shadow   []firedPolicy
	Hits     []hitLine
	Asked    []line // what the event carried
	Parties  []party
	Facts    []factGroup
	Actions  []actionLine
	Policies string
	Fault    string
	Degraded bool
	Pair     *pairLink
	InForce  []listEntry
	Can      eventCan
	Veil     veil
}

// eventCan is what can be done from here.
type eventCan struct {
	Free, Ban, Why, Try bool
	Story, Mistaken     string
}

// sawPage is what the visitor was shown.
type sawPage struct {
	Page   noren.Text
	Status int
	Told   noren.Text // what the status says
	Ticket string
}

// firedPolicy is a policy in words.
type firedPolicy struct {
	Name    string
	Verdict verdictInfo
	Text    noren.Text
	Alarm   noren.Alarm
}

// hitLine is what the firewall found in one place.
type hitLine struct {
	Where, What noren.Text
	Rule        int
	Field, Msg  string
	Value       string
	Score       noren.Text
}

// line is a value with its name.
type line struct {
	Name  noren.Text
	Tech  string
	Value string
	Word  noren.Text // what a coded value means
}

// party is somebody or something that an event is about.
type party struct {
	Name  noren.Text
	Value string
	Story string
}

type actionLine struct {
	Says  noren.Text
	State noren.Text
	Tone  ui.Tone
}

type pairLink struct {
	URL  string
	Says noren.Text
}

// listEntry is an entry of a list that is about this visitor now.
type listEntry struct {
	ID     string
	What   string
	List   noren.Text
	Until  noren.Text
	Reason noren.Text
	Author noren.Text
	Tone   ui.Tone
}

// storied reads the event of the address; those of other sites are not there.
func (c *Console) storied(v *visit) (journal.Stored, error) {
	id := v.r.PathValue("id")
	if len(id) > 64 {
		return journal.Stored{}, noren.Errorf(noren.NotFound, "no event has so long an id")
	}
	return c.o.Journal.Get(v.r.Context(), v.site, id)
}

// event explains one decision.
func (c *Console) event(v *visit) error {
	s, err := c.storied(v)
	switch {
	case noren.CodeOf(err) == noren.NotFound:
		return err
	case err != nil && s.Leaf == nil:
		return err
	case err != nil: // it is there, and cannot be opened
		return v.page("eventfault", &eventFault{No: s.Seq, ID: v.r.PathValue("id"), Why: err.Error(), Proof: v.path("/proof")})
	}
	p := c.explained(v, &s)
	return v.page("event", p)
}

// eventFault is an entry that cannot be read.
type eventFault struct {
	No    int64
	ID    string
	Why   string
	Proof string
}

func (c *Console) explained(v *visit, s *journal.Stored) *eventPage {
	ctx, e := v.r.Context(), &s.Entry
	ev := &e.Event
	t := c.teller(ctx, v)
	p := &eventPage{
		ID: ev.ID, Path: v.eventPath(ev.ID), No: s.Seq, At: ev.At, Headline: t.headline(e, s.Erased), Says: t.tell(e, s.Erased), Badge: badgeOf(e), Kind: ev.Kind, KindName: kindName(ev.Kind),
		Zone: zoneName(ev.Zone), Times: e.Count, Erased: s.Erased, Part: e.Part, Policies: e.Decision.Policies, Degraded: e.Decision.Degraded, Fault: t.text(e.Decision.Fault), Veil: v.veil(),
		Why: t.fired(e.Decision.Reasons), Shadow: t.fired(e.Decision.Shadow),
	}
	if p.Headline == p.Says {
		p.Says = noren.Text{}
	}
	if b, ok := ev.Payload.(*noren.Blocked); ok && b != nil {
		info := causeOf(b.Cause)
		p.Cause, p.Saw, p.Hits = &info, saw(b), t.hits(b.Hits)
	} else if cause, _, _ := strings.Cut(e.Rule, ":"); ev.Kind == noren.HTTPBlocked && cause != "" {
		info := causeOf(noren.Cause(cause))
		p.Cause = &info
	} else if r, ok := ev.Payload.(*noren.Request); ok && r != nil {
		p.Hits = t.hits(r.Hits)
	}
	p.Asked = t.carried(ev.Payload)
	nameRule(p.Asked, ev)
	p.Parties = t.parties(v, ev)
	p.Facts = t.facts(c.catalogue(), e)
	p.Actions = c.actions(t, e)
	p.Pair = c.pair(ctx, v, t, e)
	p.InForce = c.entriesAbout(t, v.site, ev)
	p.Can = c.can(v, s)
	return p
}

// nameRule says in words which rule stopped a request.
func nameRule(lines []line, ev *noren.Event) {
	b, ok := ev.Payload.(*noren.Blocked)
	if !ok || b == nil || b.Rule == "" {
		return
	}
	for i := range lines {
		if lines[i].Tech == "rule" {
			lines[i].Word = sayRule(b.Cause, b.Rule).Name
		}
	}
}

func (c *Console) catalogue() *noren.Catalogue {
	if c.o.Catalogue == nil {
		return noren.NewCatalogue(noren.EventFacts(), nil)
	}
	return c.o.Catalogue()
}

func (c *Console) can(v *visit, s *journal.Stored) (can eventCan) {
	ev := &s.Entry.Event
	known := ev.Address().IsValid()
	act := v.may(staff.Act)
	can.Free, can.Ban = act && (known || ev.Entities[noren.EntitySession] != ""), act && known
	can.Why = known
	if c.o.Firewall != nil && exclusion.Stopped(ev, firewallStops) {
		can.Mistaken = v.casePath(ev.ID)
	}
	can.Try = !s.Erased && s.Entry.Part == "" && c.o.Policies != nil && ev.Payload != nil
	for _, field := range []string{noren.EntityAccount, noren.EntityDevice, noren.EntitySession, noren.EntityAddress} {
		if ev.Entities[field] != "" {
			can.Story = v.storyOf(field, ev.ID)
			break
		}
	}
	return can
}

// storyOf is the page of a visitor, named by an event that they are in: the address
// bar says nothing about them.
func (v *visit) storyOf(field, event string) string {
	return v.path("/visitor?" + url.Values{"key": {field}, "event": {event}}.Encode())
}

func (t *teller) fired(rs []noren.Reason) (out []firedPolicy) {
	for _, r := range rs {
		out = append(out, firedPolicy{r.Policy, verdictOf(r.Verdict), t.texts(r.Text), r.Alarm})
	}
	return out
}

// saw is what a visitor was shown whose request was stopped.
func saw(b *noren.Blocked) *sawPage {
	page := noren.Text{Ja: "「このままお通しできませんでした」のページ", En: "the page “We could not let this through”"}
	switch {
	case b.Cause == noren.CauseChallenge, b.Cause == noren.CauseLimit && b.Step == "check":
		page = noren.Text{Ja: "人が見ているかを確かめる、短い確認のページ", En: "a short check that a person is looking"}
	case b.Cause == noren.CauseQueue, b.Cause == noren.CauseLimit && b.Step == "line":
		page = noren.Text{Ja: "「順番にご案内しています」のページ", En: "the page “You are in line”"}
	case b.Cause == noren.CauseLimit && b.Step != "block" && b.Step != "ban":
		page = noren.Text{Ja: "「少しだけ、お待ちください」のページ", En: "the page “One moment, please”"}
	case b.Cause == noren.CauseClosed:
		page = noren.Text{Ja: "「ただいま準備中です」のページ", En: "the page “We are closed for a moment”"}
	case b.Cause == noren.CauseOverload:
		page = noren.Text{Ja: "「ただいま混み合っています」のページ", En: "the page “We are very busy just now”"}
	case b.Cause == noren.CauseMalformed:
		page = noren.Text{Ja: "「うまく読み取れませんでした」のページ", En: "the page “We could not read this request”"}
	}
	return &sawPage{page, b.Status, statusWords(int64(b.Status)), b.Ticket}
}

func (t *teller) hits(hits []noren.Hit) (out []hitLine) {
	for _, h := range hits {
		value := h.Value
		if !t.open && value != "" {
			value = dots
		}
		out = append(out, hitLine{partMeaning(h.Field), ruleMeaning(h.Rule), h.Rule, h.Field, h.Msg, value, noren.Text{}})
		if h.Score > 0 {
			out[len(out)-1].Score = t.scale.part(int64(h.Score))
		}
	}
	return out
}

// parties are who and what the event is about, each leading to its story.
func (t *teller) parties(v *visit, ev *noren.Event) (out []party) {
	for _, e := range append(entities(), otherEntities()...) {
		value := ev.Entities[e.Field]
		if value == "" {
			continue
		}
		p := party{Name: e.Name, Value: t.entity(e.Field, value)}
		if e.Field == noren.EntityAddress {
			if a := ev.Address(); a.IsValid() {
				p.Value = t.addressWith(a).In(v.lang)
			}
		}
		if e.Field == noren.EntityStaff {
			p.Value = t.people.author("staff:" + value).In(v.lang)
		}
		if slices.ContainsFunc(entities(), func(x entityInfo) bool { return x.Field == e.Field }) {
			p.Story = v.storyOf(e.Field, ev.ID)
		}
		out = append(out, p)
	}
	return out
}

// pair is the other half: an outcome names its attempt; an attempt's outcome is
// looked for among what the same visitor did in the hour after.
func (c *Console) pair(ctx context.Context, v *visit, t *teller, e *noren.Entry) *pairLink {
	ev := &e.Event
	info, err := ev.Kind.Info()
	if err != nil || info.Half == noren.Whole {
		return nil
	}
	link := func(s *journal.Stored) *pairLink {
		return &pairLink{v.eventPath(s.Entry.Event.ID), t.tell(&s.Entry, s.Erased)}
	}
	if info.Half == noren.Outcome {
		if s, err := c.o.Journal.Get(ctx, v.site, ev.AttemptID); ev.AttemptID != "" && err == nil {
			return link(&s)
		}
		return nil
	}
	for _, field := range []string{noren.EntitySession, noren.EntityAccount, noren.EntityDevice, noren.EntityAddress} {
		value := ev.Entities[field]
		if value == "" {
			continue
		}
		page, err := c.o.Journal.Search(ctx, journal.SearchQuery{Log: v.site, Which: journal.Which{Kinds: []noren.Kind{info.Pair}}, Field: field, Value: value,
			Since: ev.At.Time, Until: ev.At.Add(time.Hour), OldestFirst: true})
		for i := range page.Hits {
			if err == nil && page.Hits[i].Fault == nil && page.Hits[i].Entry.Event.AttemptID == ev.ID {
				return link(&page.Hits[i].Stored)
			}
		}
		return nil
	}
	return nil
}

// actions are what was decided to be done, and whether it is in force.
func (c *Console) actions(t *teller, e *noren.Entry) (out []actionLine) {
	now := time.Now()
	for _, a := range e.Decision.Actions {
		list := gateway.ListBan
		if a.Kind == noren.ActCheck {
			list = gateway.ListCheck
		}
		target := cutTo(t.entity(a.Entity, a.Target), 80)
		l := actionLine{Says: fill("「%s」%s: %s、%s（方針 %s）", "“%s”, %s: %s, %s (policy %s)", listName(list), entityName(a.Entity), target, until(a.Until), cutTo(a.Policy, 64))}
		switch live := c.holds(e.Event.Site, list, &a, now); {
		case live:
			l.State, l.Tone = noren.Text{Ja: "いま効いています", En: "in force now"}, ui.Alert
		case !a.Until.IsZero() && now.After(a.Until.Time):
			l.State, l.Tone = noren.Text{Ja: "期限が来て終わりました", En: "its time is over"}, ui.Calm
		case a.Target == "": // the person was erased
			l.State, l.Tone = noren.Text{Ja: "相手は消去済みです", En: "whose it was is erased"}, ui.Calm
		default:
			l.State, l.Tone = noren.Text{Ja: "いまは効いていません（解除されたか、行われませんでした）", En: "not in force now (lifted, or never carried out)"}, ui.Calm
		}
		out = append(out, l)
	}
	return out
}

// holds reports whether an action is in force.
func (c *Console) holds(site, list string, a *noren.Action, now time.Time) bool {
	for _, x := range c.o.Lists.List(site) {
		if x.List != list || !x.Until.IsZero() && now.After(x.Until.Time) {
			continue
		}
		if a.Entity == noren.EntitySession && x.Session == a.Target {
			return true
		}
		if addr, ok := addressOf(a.Target); ok && x.Prefix.IsValid() && x.Prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// entriesAbout are the entries of lists that are about an event's visitor now.
func (c *Console) entriesAbout(t *teller, site string, ev *noren.Event) (out []listEntry) {
	addr, session := ev.Address(), ev.Entities[noren.EntitySession]
	for _, x := range c.o.Lists.List(site) {
		mine := x.Session != "" && x.Session == session || x.Prefix.IsValid() && addr.IsValid() && x.Prefix.Contains(addr)
		if !mine {
			continue
		}
		tone := ui.Alert
		if x.List == gateway.ListAllow {
			tone = ui.Good
		}
		what := x.What()
		if x.Prefix.IsValid() {
			what = t.prefix(x.Prefix)
		}
		out = append(out, listEntry{x.ID, what, listName(x.List), until(x.Until), t.texts(x.Reason), t.people.author(x.Author), tone})
	}
	return out
}

// versionMissing says that a version of the settings cannot be used any more.
func versionMissing(err error) bool {
	return errors.Is(err, context.Canceled) || noren.CodeOf(err) == noren.NotFound || noren.CodeOf(err) == noren.Invalid
}

// eventPath is the page of one event.
func (v *visit) eventPath(id string) string { return v.path("/events/" + url.PathEscape(id)) }
