package console

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway/waf/exclusion"
	"noren/journal"
	"noren/settings"
	"noren/staff"
)

// Firewall is what the wired program does about exclusions from the firewall.
type Firewall interface {
	// Exclusions are those of a site, also such as wait for approval or have ended.
	Exclusions(ctx context.Context, site string) ([]exclusion.Exclusion, error)
	// Exclude changes them, as one version of the settings, and puts it in force.
	Exclude(ctx context.Context, site string, edit func([]exclusion.Exclusion) ([]exclusion.Exclusion, error), author, reason string) error
	// Excludable says why a rule at a field cannot be left out.
	Excludable(t exclusion.Target) error
	// Rehearse tries one on the kept samples. It takes some seconds.
	Rehearse(ctx context.Context, site string, x *exclusion.Exclusion, progress func(done, of int)) (exclusion.Rehearsed, error)
}

var errNoFirewall = noren.Errorf(noren.Unavailable, "the firewall cannot be reached from this console")

// Who was stopped is told of so many days.
const mistakenDays = 30

// mistakenPage is the desk for customers who were stopped by mistake.
type mistakenPage struct {
	Waiting, InForce, Ended []exclusionRow
	Cells                   []cellRow // where buyers were stopped
	Rules                   []ruleRow
	Stopped, Counted        int64
	SalesKnown              bool
	Counting, Failed, Least bool
	Since                   noren.Time
	Days                    int
}

// exclusionRow is an exclusion in a list.
type exclusionRow struct {
	exclusion.Exclusion
	URL           string
	Badge         ui.Badge
	Asked, By     noren.Text
	Where         []noren.Text
	AskedOn, Ends noren.Time
}

// cellRow is one rule at one field of one page that stopped people who bought.
type cellRow struct {
	exclusion.CellImpact
	Where, What, Zone noren.Text
	URL               string // of the newest example
}

// ruleRow is what one rule stopped.
type ruleRow struct {
	exclusion.RuleImpact
	What  noren.Text
	Badge ui.Badge
	URL   string // of the newest example
}

const (
	cellsShown = 20
	rulesShown = 30
)

// mistaken shows the desk.
func (c *Console) mistaken(v *visit) error {
	if c.o.Firewall == nil {
		return errNoFirewall
	}
	list, err := c.o.Firewall.Exclusions(v.r.Context(), v.site)
	if err != nil {
		return err
	}
	p := mistakenPage{Days: mistakenDays}
	now := time.Now()
	for i := range list {
		row := c.exclusionRow(v, &list[i], now)
		switch list[i].State(now) {
		case exclusion.Waiting:
			p.Waiting = append(p.Waiting, row)
		case exclusion.InForce:
			p.InForce = append(p.InForce, row)
		default:
			p.Ended = append(p.Ended, row)
		}
	}
	c.harmOf(v.site, now).show(v, &p)
	if v.asked("harm") {
		return v.part("mistaken", "harm", v.frame(p))
	}
	return v.page("mistaken", p)
}

func (c *Console) exclusionRow(v *visit, x *exclusion.Exclusion, now time.Time) exclusionRow {
	ctx := v.r.Context()
	r := exclusionRow{Exclusion: *x, URL: v.path("/exclusions/" + url.PathEscape(x.ID)), Badge: stateBadge(x.State(now)), Asked: c.authorName(ctx, x.AskedBy), AskedOn: noren.At(x.AskedAt.Time), Ends: noren.At(x.Until.Time)}
	if x.ApprovedBy != "" {
		r.By = c.authorName(ctx, x.ApprovedBy)
	}
	for _, t := range x.Targets {
		r.Where = append(r.Where, partMeaning(t.Field))
	}
	return r
}

func stateBadge(s exclusion.State) ui.Badge {
	switch s {
	case exclusion.Waiting:
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "承認待ち", En: "waits for approval"}}
	case exclusion.InForce:
		return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "効いています", En: "in force"}}
	}
	return ui.Badge{Tone: ui.Calm, Text: noren.Text{Ja: "期限が来て終わりました", En: "its time is over"}}
}

// harm is one look back at whom the firewall stopped at a site, in the background.
type harm struct {
	mu      sync.Mutex
	began   time.Time
	running bool
	failed  bool
	least   bool // a bound was met
	since   time.Time
	read    int64
	h       *exclusion.History // nil once what it says is summed up
	sum     harmSum
}

// harmSum is what the record says, without whom it is about.
type harmSum struct {
	cells                   []exclusion.CellImpact // those that hit buyers
	rules                   []exclusion.RuleImpact
	stopped, counted, sales int64
	full                    bool
}

func (h *harm) summed() harmSum {
	if h.h == nil {
		return h.sum
	}
	s := harmSum{rules: h.h.Rules(), stopped: h.h.Stopped, counted: h.h.Counted, sales: h.h.Sales, full: h.h.Full}
	for _, x := range h.h.Cells() {
		if x.Buyers == 0 || len(s.cells) >= cellsShown {
			break
		}
		s.cells = append(s.cells, x)
	}
	s.rules = s.rules[:min(len(s.rules), rulesShown)]
	return s
}

// harms are those of this process, by site.
type harms struct {
	mu    sync.Mutex
	sites map[string]*harm
}

func (c *Console) harmOf(site string, now time.Time) *harm {
	c.harms.mu.Lock()
	defer c.harms.mu.Unlock()
	h := c.harms.sites[site]
	if h != nil && (now.Sub(h.began) < censusFresh || h.busy()) {
		return h
	}
	h = &harm{began: now, running: true, since: now, h: exclusion.NewHistory(firewallStops, nil)}
	if c.harms.sites == nil {
		c.harms.sites = map[string]*harm{}
	}
	c.harms.sites[site] = h
	go h.run(c.life, walker{c.o.Journal, site, exclusion.Kinds(), now.AddDate(0, 0, -mistakenDays)}, c.o.Log)
	return h
}

func (h *harm) busy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

func (h *harm) run(ctx context.Context, w walker, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, censusFor)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // the shop's entrance runs in this process
			log.Error("console: look back at whom the firewall stopped", "site", w.site, "panic", p)
			h.end(true, true, w.since)
		}
	}()
	err := w.each(ctx, func(hit *journal.Hit) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.read++
		if !hit.Erased {
			h.h.Add(&hit.Entry)
		}
		h.since = hit.Entry.Event.At.Time
	}, func(journal.Page) bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.read < censusMost
	})
	switch {
	case ctx.Err() != nil || err == nil && h.many():
		h.end(false, true, time.Time{})
	case err != nil:
		log.Error("console: look back at whom the firewall stopped", "site", w.site, "err", err)
		h.end(true, true, time.Time{})
	default:
		h.end(false, false, w.since)
	}
}

func (h *harm) many() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.read >= censusMost
}

func (h *harm) end(failed, least bool, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running, h.failed, h.least = false, failed, least
	h.sum, h.h = h.summed(), nil
	if !since.IsZero() {
		h.since = since
	}
}

// show puts what is known so far on the page.
func (h *harm) show(v *visit, p *mistakenPage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.summed()
	p.Counting, p.Failed, p.Least, p.Since = h.running, h.failed, h.least || sum.full, noren.At(h.since)
	p.Stopped, p.Counted, p.SalesKnown = sum.stopped, sum.counted, sum.sales > 0
	for _, x := range sum.cells {
		p.Cells = append(p.Cells, cellRow{x, partMeaning(x.Field), ruleMeaning(x.Rule), zoneName(x.Zone), v.casePath(x.Newest.ID)})
	}
	for _, x := range sum.rules {
		p.Rules = append(p.Rules, ruleRow{x, ruleMeaning(x.Rule), ruleBadge(x.Impact), v.casePath(x.Newest.ID)})
	}
}

// ruleBadge says whether a rule earns its keep. It is pure.
func ruleBadge(i exclusion.Impact) ui.Badge {
	switch {
	case i.Buyers == 0:
		return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "お客様は止めていません", En: "no customer stopped"}}
	case i.Buyers >= i.Others():
		return ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "お客様を多く止めています", En: "stops many customers"}}
	}
	return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "お客様も止めています", En: "customers among them"}}
}

// casePath is where an event is looked at as a possible mistake.
func (v *visit) casePath(event string) string { return v.path("/mistaken/" + url.PathEscape(event)) }

// approvers counts the other people who may approve at this site: nobody approves
// what they asked for themselves, unless they are alone.
func (c *Console) approvers(v *visit) (others int, err error) {
	people, err := c.o.Staff.People(v.r.Context())
	if err != nil {
		return 0, err
	}
	for i := range people {
		if people[i].ID != v.who.Person.ID && staff.May(&people[i], v.site, staff.Policies) {
			others++
		}
	}
	return others, nil
}

// settled refuses, before anything is recorded, what could not be stored: while a
// change of the settings waits for its confirmation there is no other.
func (c *Console) settled(v *visit) error {
	if c.settingsAreFiles() {
		return noren.WithText(noren.Errorf(noren.Denied, "the settings are files"), noren.Text{Ja: "このお店の設定はファイルで管理されているため、画面からは変えられません。", En: "The settings of this shop are files, so they cannot be changed here."})
	}
	if c.o.Settings == nil {
		return nil
	}
	open, err := c.o.Settings.Trials(v.r.Context())
	if err != nil {
		return err
	}
	for _, t := range open {
		if t.Kind == settings.TrialSettings {
			return noren.WithText(settings.SettingsOnTrial(), noren.Text{Ja: "確定を待っている設定の変更があります。上の帯で確定するか元に戻してから、もう一度お試しください。", En: "A change of the settings waits for its confirmation. Keep it or take it back first, then try again."})
		}
	}
	return nil
}

// settingsAreFiles reports whether exclusions cannot be made here.
func (c *Console) settingsAreFiles() bool {
	return c.o.Settings != nil && c.o.Settings.Mode() == settings.Files
}
