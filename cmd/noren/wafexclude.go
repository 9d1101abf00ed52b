package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"noren"
	"noren/gateway/waf"
	"noren/gateway/waf/exclusion"
	"noren/journal"
	"noren/settings"
	"noren/staff"
	"noren/yamlfile"
)

type wafListCmd struct {
	Site string `help:"The site (default: the only one)."`
	JSON bool   `name:"json" help:"Print as JSON."`
}

// Run lists a site's exclusions.
func (c wafListCmd) Run(e *env) error {
	return e.withReader(func(ctx context.Context, in *instance) error {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		list, err := in.exclusionsNow(ctx, site)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, nonNil(list))
		}
		for i := range list {
			printExclusion(e.io.out, &list[i], e.lang)
		}
		return nil
	})
}

func nonNil(list []exclusion.Exclusion) []exclusion.Exclusion {
	if list == nil {
		return []exclusion.Exclusion{}
	}
	return list
}

var stateWords = map[exclusion.State]noren.Text{
	exclusion.Waiting: {Ja: "承認待ち", En: "waits for approval"},
	exclusion.InForce: {Ja: "有効", En: "in force"},
	exclusion.Ended:   {Ja: "期限切れ", En: "over"},
}

func printExclusion(w io.Writer, x *exclusion.Exclusion, lang string) {
	if x.ID != "" {
		fmt.Fprintf(w, "%s  %s\n", x.ID, stateWords[x.State(time.Now())].In(lang))
	}
	fmt.Fprintf(w, "  page     %s, zone %s\n", x.Path, x.Zone)
	for _, t := range x.Targets {
		fmt.Fprintf(w, "  without  rule %d at %s\n", t.Rule, t.Field)
	}
	if x.ID == "" {
		return
	}
	fmt.Fprintf(w, "  until    %s\n  asked    %s by %s: %s\n", shown(x.Until.Time, toMinute), shown(x.AskedAt.Time, toMinute), x.AskedBy, x.Reason)
	if x.ApprovedBy != "" {
		fmt.Fprintf(w, "  approved %s by %s\n", shown(x.ApprovedAt.Time, toMinute), x.ApprovedBy)
	}
	if !x.Tried.At.IsZero() {
		printTried(w, x.Tried)
	}
}

func printTried(w io.Writer, t exclusion.Tried) {
	fmt.Fprintf(w, "  opens    %d of %d kept attacks\n  saves    %d of %d kept honest lines; of 30 days %d stopped requests by %d visitors, %d of them customers\n",
		t.Opened, t.Attacks, t.Saved, t.Benign, t.Events, t.Visitors, t.Buyers)
}

// wafCase is a stopped request by its event or by the number on its page.
type wafCase struct {
	Event string `arg:"" help:"Event of a request that was stopped (noren why NUMBER names it), or the reference number on the page the customer saw."`
	Site  string `help:"The site (default: the only one)."`
	JSON  bool   `name:"json" help:"Print as JSON."`
}

// find is the event, with the narrowest exclusion that would have let it pass.
func (c wafCase) find(ctx context.Context, in *instance) (site string, x exclusion.Exclusion, err error) {
	if site, err = in.cfg.site(c.Site); err != nil {
		return site, x, err
	}
	s, err := in.recordedAs(ctx, site, c.Event)
	if err != nil {
		return site, x, err
	}
	if s.Erased {
		return site, x, noren.Errorf(noren.Erased, "the person of event %s was erased: what was found is not known", c.Event)
	}
	x, cut, err := exclusion.Narrowest(&s.Entry.Event, waf.ScoreLimit())
	if cut {
		in.log.Warn("more was found than the record keeps; the request may still be stopped")
	}
	return site, x, err
}

// recordedAs is an event by its id or by its reference number.
func (in *instance) recordedAs(ctx context.Context, site, event string) (journal.Stored, error) {
	ticket, ok := noren.ReadTicket(event)
	if !ok {
		return in.journal.Get(ctx, site, event)
	}
	for s, err := range in.journal.Query(ctx, journal.Filter{Log: site, Site: site, Field: journal.FieldTicket, Value: ticket, Limit: 1, Desc: true}) {
		return s, err
	}
	return journal.Stored{}, noren.Errorf(noren.NotFound, "the record of %s has no page with the number %s", site, ticket)
}

// tryCase tries an exclusion on the kept samples and the last 30 days.
func (in *instance) tryCase(ctx context.Context, e *env, site string, x *exclusion.Exclusion) (exclusion.Tried, exclusion.Rehearsed, error) {
	told := 0
	r, err := in.rehearse(ctx, site, x, func(done, of int) {
		if percent := 100 * done / of; percent >= told+20 {
			told = percent
			fmt.Fprintf(e.io.err, "tried on %d %% of the kept samples\n", percent)
		}
	})
	if err != nil {
		return exclusion.Tried{}, r, err
	}
	h := exclusion.NewHistory(waf.ScoreLimit(), x)
	f := journal.Filter{Log: site, Site: site, Kinds: exclusion.Kinds(), Since: time.Now().AddDate(0, 0, -30)}
	for s, err := range in.journal.Query(ctx, f) {
		switch {
		case err != nil && s.Leaf == nil:
			return exclusion.Tried{}, r, err
		case err == nil && !s.Erased:
			h.Add(&s.Entry)
		}
	}
	o := h.Opened()
	return exclusion.Tried{At: exclusion.At(time.Now()), Attacks: r.Attacks, Opened: r.Opened, Benign: r.Benign, Saved: r.Saved,
		Events: o.Times, Visitors: int64(o.Visitors), Buyers: int64(o.Buyers)}, r, nil
}

type wafTryCmd struct{ wafCase }

// Help says what it does.
func (wafTryCmd) Help() string {
	return "Finds the least that must be left out so that the request would have passed, and tries it on kept attacks and honest\nlines and on the last 30 days. Nothing changes."
}

// Run tries and changes nothing.
func (c wafTryCmd) Run(e *env) error {
	return e.withReader(func(ctx context.Context, in *instance) error {
		site, x, err := c.find(ctx, in)
		if err != nil {
			return err
		}
		tried, r, err := in.tryCase(ctx, e, site, &x)
		if err != nil {
			return err
		}
		if x.Tried = tried; c.JSON {
			return printJSON(e.io.out, struct {
				Exclusion exclusion.Exclusion `json:"exclusion"`
				Rehearsed exclusion.Rehearsed `json:"rehearsed"`
			}{x, r})
		}
		printExclusion(e.io.out, &x, e.lang)
		printTried(e.io.out, tried)
		for _, o := range r.ByClass {
			fmt.Fprintf(e.io.out, "  class    %s: %d would pass\n", o.Class, o.N)
		}
		return nil
	})
}

type wafProposeCmd struct {
	wafCase
	For    string `default:"30d" help:"How long: 7d, 30d; 90d at most."`
	Reason string `required:"" help:"Why, for the record and for who approves."`
}

// Help says what follows.
func (wafProposeCmd) Help() string {
	return "Tries the narrowest exclusion of a stopped request and stores it. It does nothing until it is approved: noren waf approve ID,\nor in the console."
}

// Run tries, then stores what waits for approval.
func (c wafProposeCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		span, err := yamlfile.ParseDuration(c.For)
		if err != nil {
			return err
		}
		site, x, err := c.find(ctx, in)
		if err != nil {
			return err
		}
		list, err := in.exclusionsNow(ctx, site)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(y exclusion.Exclusion) bool {
			return y.Event == x.Event && y.State(time.Now()) != exclusion.Ended
		}); i >= 0 {
			return noren.Errorf(noren.Conflict, "there is an exclusion of this event already: %s", list[i].ID)
		}
		if x.Tried, _, err = in.tryCase(ctx, e, site, &x); err != nil {
			return err
		}
		now := time.Now()
		x.ID, x.Reason, x.AskedBy, x.AskedAt, x.Until = noren.NewID(now), noren.MaskCards(c.Reason), operator(), exclusion.At(now), exclusion.At(now.Add(span))
		if err := x.Valid(); err != nil {
			return noren.Errorf(noren.Invalid, "%w", err)
		}
		if err := in.excludeBy(e, ctx, site, exclusion.ActAsk, &x, c.Reason, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) {
			return append(list, x), nil
		}); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, x)
		}
		printExclusion(e.io.out, &x, e.lang)
		fmt.Fprintf(e.io.err, "it does nothing until it is approved: noren waf approve %s --reason …\n", x.ID)
		return nil
	})
}

type wafApproveCmd struct {
	ID     string `arg:"" help:"The exclusion, as noren waf list names it."`
	Reason string `required:"" help:"Why, for the record."`
	Site   string `help:"The site (default: the only one)."`
}

// Run puts one in force that waits.
func (c wafApproveCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		site, x, err := in.exclusionByID(ctx, c.Site, c.ID)
		if err != nil {
			return err
		}
		if x.State(time.Now()) != exclusion.Waiting {
			return noren.Errorf(noren.Conflict, "%s does not wait for approval", c.ID)
		}
		if err := in.mayApprove(ctx, site, &x, operator()); err != nil {
			return err
		}
		err = in.excludeBy(e, ctx, site, exclusion.ActApprove, &x, c.Reason, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) {
			i := slices.IndexFunc(list, func(y exclusion.Exclusion) bool { return y.ID == c.ID })
			if i < 0 || list[i].State(time.Now()) != exclusion.Waiting {
				return nil, noren.Errorf(noren.Conflict, "%s was changed meanwhile", c.ID)
			}
			list[i].ApprovedBy, list[i].ApprovedAt = operator(), exclusion.At(time.Now())
			return list, nil
		})
		if err == nil {
			fmt.Fprintf(e.io.err, "in force within a second or two, until %s; back with: noren waf lift %s\n", shown(x.Until.Time, toMinute), c.ID)
		}
		return err
	})
}

// mayApprove refuses the one who asked, as long as somebody else could approve.
func (in *instance) mayApprove(ctx context.Context, site string, x *exclusion.Exclusion, author string) error {
	if x.AskedBy != author {
		return nil
	}
	people, err := in.staff.People(ctx)
	if err != nil {
		return err
	}
	for i := range people {
		if staff.May(&people[i], site, staff.Policies) {
			return noren.WithHint(noren.Errorf(noren.Denied, "you asked for it yourself, and somebody else can approve it"), "have an owner look at it in the console, under 誤って止めたお客様 (Stopped by mistake)")
		}
	}
	return nil
}

type wafLiftCmd struct {
	ID     string `arg:"" help:"The exclusion, as noren waf list names it."`
	Reason string `default:"lifted" help:"Why, for the record."`
	Site   string `help:"The site (default: the only one)."`
}

// Run takes one away: the firewall looks at everything again.
func (c wafLiftCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		site, x, err := in.exclusionByID(ctx, c.Site, c.ID)
		if err != nil {
			return err
		}
		err = in.excludeBy(e, ctx, site, exclusion.ActLift, &x, c.Reason, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) {
			return slices.DeleteFunc(list, func(y exclusion.Exclusion) bool { return y.ID == c.ID }), nil
		})
		if err == nil {
			fmt.Fprintln(e.io.err, "lifted; everything is inspected again within a second or two")
		}
		return err
	})
}

func (in *instance) exclusionByID(ctx context.Context, site, id string) (string, exclusion.Exclusion, error) {
	site, err := in.cfg.site(site)
	if err != nil {
		return site, exclusion.Exclusion{}, err
	}
	list, err := in.exclusionsNow(ctx, site)
	if err != nil {
		return site, exclusion.Exclusion{}, err
	}
	i := slices.IndexFunc(list, func(x exclusion.Exclusion) bool { return x.ID == id })
	if i < 0 {
		return site, exclusion.Exclusion{}, noren.WithHint(noren.Errorf(noren.NotFound, "site %s has no exclusion %q", site, id), "noren waf list names them")
	}
	return site, list[i], nil
}

// excludeBy records an act of the operator, then changes the exclusions. Where the
// settings are files it prints the patch instead.
func (in *instance) excludeBy(e *env, ctx context.Context, site, act string, x *exclusion.Exclusion, reason string, edit func([]exclusion.Exclusion) ([]exclusion.Exclusion, error)) error {
	if in.settings.Mode() == settings.Files { // nothing happens, so nothing is recorded
		err := in.exclude(ctx, site, edit, operator(), reason)
		if refused, ok := errors.AsType[*settings.Refused](err); ok {
			fmt.Fprint(e.io.out, refused.Patch)
			return noren.WithHint(noren.Errorf(noren.Denied, "the settings are files in %s", refused.Dir), "apply the patch above there")
		}
		return err
	}
	_, err := in.loop.Decide(ctx, noren.Event{Kind: noren.StaffAction, Site: site, Entities: noren.Entities{noren.EntityStaff: "machine:" + operator()},
		Payload: &noren.Operation{Action: act, Object: x.ID + " " + x.Path, Reason: reason}})
	if err != nil {
		return fmt.Errorf("record the act: %w", err)
	}
	return in.exclude(ctx, site, edit, operator(), reason)
}
