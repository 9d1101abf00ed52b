package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"noren"
	"noren/gateway/waf/exclusion"
	"noren/staff"
)

// exclusionPage is one exclusion: what it leaves out, who asked, who approved, what
// was tried, and the buttons.
type exclusionPage struct {
	Row        exclusionRow
	Found      []foundLine
	Zone       noren.Text
	State      exclusion.State
	Case       string // the page of the event it was made from
	TriedOn    noren.Time
	ApprovedOn noren.Time
	MayApprove bool
	Mine       bool // asked by who looks, while somebody else may approve
	Alone      bool
	MayLift    bool
	Once       [2]string
	Reason     string
	Wrong      noren.Text
}

// exclusion shows one.
func (c *Console) exclusion(v *visit) error {
	x, err := c.findExclusion(v)
	if err != nil {
		return err
	}
	return c.showExclusion(v, http.StatusOK, x, exclusionPage{})
}

func (c *Console) findExclusion(v *visit) (*exclusion.Exclusion, error) {
	if c.o.Firewall == nil {
		return nil, errNoFirewall
	}
	id := v.r.PathValue("id")
	list, err := c.o.Firewall.Exclusions(v.r.Context(), v.site)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID == id {
			return &list[i], nil
		}
	}
	return nil, noren.Errorf(noren.NotFound, "no exclusion %q at site %s", cutTo(id, 40), v.site)
}

func (c *Console) showExclusion(v *visit, status int, x *exclusion.Exclusion, p exclusionPage) error {
	now := time.Now()
	p.Row, p.Zone, p.State, p.Case, p.Once = c.exclusionRow(v, x, now), zoneName(x.Zone), x.State(now), v.casePath(x.Event), [2]string{newForm(), newForm()}
	for _, t := range x.Targets {
		p.Found = append(p.Found, foundLine{Found: exclusion.Found{Target: t}, Where: partMeaning(t.Field), What: ruleMeaning(t.Rule)})
	}
	if !x.Tried.At.IsZero() {
		p.TriedOn = noren.At(x.Tried.At.Time)
	}
	if x.ApprovedBy != "" {
		p.ApprovedOn = noren.At(x.ApprovedAt.Time)
	}
	others, err := c.approvers(v)
	if err != nil {
		return err
	}
	p.Alone = others == 0
	p.Mine = x.AskedBy == v.author() && others > 0
	p.MayApprove = p.State == exclusion.Waiting && v.may(staff.Policies) && !p.Mine && !c.settingsAreFiles()
	p.MayLift = v.may(staff.Act) && !c.settingsAreFiles()
	return v.pageWith(status, "exclusion", p)
}

// approve puts one in force. Whoever asked for it does not approve it, unless nobody
// else could; the second factor is asked for again either way.
func (c *Console) approve(v *visit) error {
	x, err := c.findExclusion(v)
	if err != nil {
		return err
	}
	others, err := c.approvers(v)
	if err != nil {
		return err
	}
	again := func(status int, t noren.Text) error {
		c.once.release(v.formID())
		return c.showExclusion(v, status, x, exclusionPage{Wrong: t, Reason: firstRunes(v.field("reason"), 500)})
	}
	reason, err := v.reason()
	switch m := mistakeIn(err); {
	case m != nil:
		return again(http.StatusUnprocessableEntity, m.text)
	case err != nil:
		return err
	case x.AskedBy == v.author() && others > 0:
		return again(http.StatusConflict, noren.Text{Ja: "ご自分で頼んだものは、承認できません。もう一人の方に見てもらってください。", En: "You asked for it yourself; please have somebody else look at it."})
	case x.State(time.Now()) != exclusion.Waiting:
		return again(http.StatusConflict, noren.Text{Ja: "もう承認を待っていません（ほかの方が済ませたか、期限が過ぎました）。", En: "It does not wait any more: somebody else dealt with it, or its time is over."})
	}
	if err := v.confirmed(); err != nil {
		return err
	}
	to := v.path("/exclusions/" + x.ID)
	if v.again() {
		return v.redirect(to, "again")
	}
	if err := c.settled(v); err != nil {
		return err
	}
	if err := v.record(exclusion.ActApprove, exclusionWords(x), 0, reason); err != nil {
		return err
	}
	err = c.changeExclusion(v.r.Context(), v, x.ID, reason, func(y *exclusion.Exclusion) (keep bool, err error) {
		if y.State(time.Now()) != exclusion.Waiting {
			return true, changedSince("the exclusion")
		}
		y.ApprovedBy, y.ApprovedAt = v.author(), exclusion.At(time.Now())
		return true, nil
	})
	if err != nil {
		return err
	}
	id := v.undoable(staff.Act, func(ctx context.Context, by *visit) error { return by.c.liftExclusion(ctx, by, x.ID) })
	return v.redirect(to, "exclusion-in-force", "undo", id)
}

// changeExclusion changes or drops one exclusion of the site.
func (c *Console) changeExclusion(ctx context.Context, v *visit, id, reason string, change func(*exclusion.Exclusion) (keep bool, err error)) error {
	return c.o.Firewall.Exclude(ctx, v.site, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) {
		i := slices.IndexFunc(list, func(x exclusion.Exclusion) bool { return x.ID == id })
		if i < 0 {
			return nil, noren.Errorf(noren.NotFound, "no exclusion %q", cutTo(id, 40))
		}
		keep, err := change(&list[i])
		if err != nil {
			return nil, err
		}
		if !keep {
			list = slices.Delete(list, i, i+1)
		}
		return list, nil
	}, v.author(), reason)
}

// lift takes an exclusion away: the firewall looks at everything again. That opens
// nothing, so one click is enough.
func (c *Console) liftExcluded(v *visit) error {
	x, err := c.findExclusion(v)
	if err != nil {
		return err
	}
	if v.again() {
		return v.redirect(v.path("/mistaken"), "again")
	}
	if err := c.liftExclusion(v.r.Context(), v, x.ID); err != nil {
		return err
	}
	id := c.undos.add(undo{site: v.site, need: staff.Policies, sure: true, at: time.Now(), back: func(ctx context.Context, by *visit) error {
		return by.c.putBackExclusion(ctx, by, *x)
	}})
	return v.redirect(v.path("/mistaken"), "exclusion-lifted", "undo", id)
}

func (c *Console) liftExclusion(ctx context.Context, v *visit, id string) error {
	if err := c.settled(v); err != nil {
		return err
	}
	if err := v.record(exclusion.ActLift, id, 0, ""); err != nil {
		return err
	}
	return c.changeExclusion(ctx, v, id, "除外を取り消し (exclusion lifted)", func(*exclusion.Exclusion) (bool, error) { return false, nil })
}

// putBackExclusion undoes a lift. What waited waits again.
func (c *Console) putBackExclusion(ctx context.Context, v *visit, x exclusion.Exclusion) error {
	act := exclusion.ActAsk
	if x.ApprovedBy != "" {
		act = exclusion.ActApprove
	}
	if err := c.settled(v); err != nil {
		return err
	}
	if err := v.record(act, exclusionWords(&x), 0, x.Reason); err != nil {
		return err
	}
	return c.o.Firewall.Exclude(ctx, v.site, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) {
		if slices.ContainsFunc(list, func(y exclusion.Exclusion) bool { return y.ID == x.ID }) {
			return nil, changedSince("the exclusion")
		}
		return append(list, x), nil
	}, v.author(), "除外の取り消しを元に戻した (put back)")
}
