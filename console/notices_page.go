package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"noren"
	"noren/console/ui"
	"noren/notify"
	"noren/staff"
)

// noticesPage lists what people were told.
type noticesPage struct {
	Rows    []noticeRow
	Open    bool // only what nobody acknowledged
	Pager   ui.Pager
	Untold  bool // nobody is told of anything
	Failed  []notify.Delivery
	Waiting int
	May     bool // acknowledge
	Set     bool // change who is told
	Once    string
}

type noticeRow struct {
	notify.Told
	Tone ui.Tone
	By   noren.Text
	Due  bool // somebody may take it on
}

// mayBeTaken reports whether somebody can say of a notice that they take care of it:
// not only of the gravest, which others are asked about next. It is pure.
func mayBeTaken(t notify.Told) bool { return t.AckedAt.IsZero() && t.Severity >= notify.Middle }

func toneOf(s notify.Severity) ui.Tone {
	switch s {
	case notify.High:
		return ui.Alert
	case notify.Middle:
		return ui.Check
	}
	return ui.Calm
}

// noticeSites are whose notices the visitor sees here: the site's, and those of the
// machine for people of all sites.
func (v *visit) noticeSites() []string {
	sites := []string{v.site}
	if staff.May(v.who.Person, staff.AllSites, staff.See) {
		sites = append(sites, "")
	}
	return sites
}

const noticesPerPage = 30

func (c *Console) noticeList(v *visit) error {
	ctx := v.r.Context()
	p := noticesPage{Open: v.r.FormValue("open") != "", May: v.may(staff.Act), Set: v.may(staff.Settings), Once: newForm()}
	told, err := c.o.Notify.List(ctx, notify.Query{Sites: v.noticeSites(), Open: p.Open, Before: v.r.FormValue("before"), Limit: noticesPerPage + 1})
	if err != nil {
		return err
	}
	base := v.path("/notices?")
	if p.Open {
		base += "open=1&"
	}
	if v.r.FormValue("before") != "" {
		p.Pager.Newer = base
	}
	if len(told) > noticesPerPage {
		told = told[:noticesPerPage]
		p.Pager.Older = base + "before=" + told[noticesPerPage-1].ID
	}
	for _, t := range told {
		p.Rows = append(p.Rows, c.noticeRow(ctx, t))
	}
	if p.Failed, err = c.undelivered(ctx, v.noticeSites(), time.Now()); err != nil {
		return err
	}
	p.Untold = c.untold(v.site)
	if v.asked("rows") {
		return v.part("notices", "rows", v.frame(p))
	}
	return v.page("notices", p)
}

// undelivered are the messages of these sites that were given up since yesterday.
func (c *Console) undelivered(ctx context.Context, sites []string, now time.Time) ([]notify.Delivery, error) {
	all, err := c.o.Notify.Failed(ctx, now.AddDate(0, 0, -1))
	return slices.DeleteFunc(all, func(d notify.Delivery) bool { return !slices.Contains(sites, d.Site) }), err
}

func (c *Console) untold(site string) bool { return c.o.Untold != nil && c.o.Untold(site) }

func (c *Console) noticeRow(ctx context.Context, t notify.Told) noticeRow {
	r := noticeRow{Told: t, Tone: toneOf(t.Severity), Due: mayBeTaken(t)}
	if t.AckedBy != "" {
		r.By = noren.Text{Ja: t.AckedBy + "さん", En: t.AckedBy}
	}
	return r
}

// told is one notice that the visitor may see, NotFound otherwise.
func (v *visit) told(id string) (notify.Told, error) {
	t, err := v.c.o.Notify.Get(v.r.Context(), id)
	if err != nil {
		return notify.Told{}, err
	}
	for _, site := range v.noticeSites() {
		if t.Site == site {
			return *t, nil
		}
	}
	return notify.Told{}, noren.Errorf(noren.NotFound, "no notice %s at site %q", id, v.site)
}

func (c *Console) noticePage(v *visit) error {
	t, err := v.told(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.page("told", struct {
		Row  noticeRow
		May  bool
		Once string
	}{c.noticeRow(v.r.Context(), t), v.may(staff.Act), newForm()})
}

// noticeLink is where a mail leads: to the notice at its site, or for the machine's
// own at the first site the person has.
func (c *Console) noticeLink(v *visit) error {
	t, err := c.o.Notify.Get(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	site := t.Site
	if site == "" {
		if links := v.sites(); len(links) > 0 {
			site = links[0].Name
		}
	}
	if err := v.enterSite(site, staff.See); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, v.path("/notices/"+t.ID), http.StatusSeeOther)
	return nil
}

// acknowledge takes a notice on: nobody else is asked any more.
func (c *Console) acknowledge(v *visit) error {
	t, err := v.told(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := v.record("notice.acknowledged", t.ID, 0, ""); err != nil {
		return err
	}
	if _, err := c.o.Notify.Acknowledge(v.r.Context(), t.ID, v.who.Person.Name); err != nil {
		return err
	}
	said := "acknowledged"
	if t.Severity != notify.High { // of the others nobody else is asked
		said = "taken"
	}
	return v.redirect(back(v.field("to"), v.path("/notices")), said)
}

// tryNotices sends a test message to everybody who is told, and shows what each way
// answered.
func (c *Console) tryNotices(v *visit) error {
	if v.again() {
		return v.redirect(v.path("/notices"), "again")
	}
	if err := v.record("notice.test", "", 0, ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), 25*time.Second)
	defer cancel()
	answers, err := c.o.Notify.Test(ctx, v.site, nil)
	if err != nil {
		return err
	}
	return v.page("noticetest", answers)
}

// noticeMatters are what people were told and nobody has taken on, and that telling
// them does not work. sites are those whose notices the reader may see.
func (c *Console) noticeMatters(ctx context.Context, site string, sites []string, now time.Time) (ms []matter) {
	if c.o.Notify == nil {
		return nil
	}
	open, err := c.o.Notify.List(ctx, notify.Query{Sites: sites, Open: true, Limit: mostShown + 1})
	if err != nil {
		c.o.Log.Error("console: open notices", "site", site, "err", err)
	}
	for _, t := range open {
		ms = append(ms, matter{"notice", ui.Alert, t.Title, t.Next, deed{noren.Text{Ja: "内容を見る", En: "Look"}, sitePath(site, "/notices/"+t.ID)}})
	}
	if failed, err := c.undelivered(ctx, sites, now); err == nil && len(failed) > 0 {
		ms = append(ms, matter{"undelivered", ui.Check, noren.Text{Ja: "届かなかった知らせがあります", En: "Some notices did not arrive"},
			noren.Text{Ja: "大事な知らせに気づけないかもしれません。メールの設定を確かめてください。", En: "You may miss what matters. Look at the mail settings."}, deed{noren.Text{Ja: "知らせを見る", En: "Open notices"}, sitePath(site, "/notices")}})
	}
	if c.untold(site) {
		ms = append(ms, matter{"untold", ui.Check, noren.Text{Ja: "警報の送り先がありません", En: "Nobody is told of alarms"},
			noren.Text{Ja: "何か起きても、この画面を開くまで気づけません。", En: "Whatever happens, you notice it only when you open this page."}, deed{noren.Text{Ja: "送り先を決める", En: "Say who is told"}, sitePath(site, "/notices")}})
	}
	return ms
}
