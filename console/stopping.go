package console

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/journal"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

// stoppingPage is the way from recording to stopping: what is in force, what would
// have been stopped, what changes and for whom, and the buttons.
type stoppingPage struct {
	Force     force
	Would     wouldStop
	Days      int
	Admin     stoppingAdmin
	Firewall  counts
	Zones     []stoppingZone // where the firewall only records, and found something
	Lines     []copyable
	Policies  []stoppingPolicy
	Base      string
	Chosen    int
	Once      [2]string
	MayAdmin  bool
	MayChange bool
	Reason    string
	Field     string // the form that is wrong: admin or policies
	Wrong     noren.Text
}

// stoppingAdmin is what closing the admin would do, and to whom.
type stoppingAdmin struct {
	counts
	Who  []stoppingWho
	Asks []noren.Text
}

// stoppingWho is somebody who would have been kept out.
type stoppingWho struct {
	Address, About string
	N              int64
}

// stoppingPolicy is a policy that only records.
type stoppingPolicy struct {
	policy.Info
	counts
	Then  noren.Text
	Badge ui.Badge // whether customers are among those it would have stopped
	Pick  bool
	Edits bool
}

func (c *Console) stoppingPage(v *visit) error {
	return c.showStopping(v, http.StatusOK, stoppingPage{})
}

func (c *Console) showStopping(v *visit, status int, p stoppingPage) error {
	n := c.censusOf(v.site, time.Now(), censusFresh)
	p.Force, p.Days, p.Once = c.forceOf(v.site), censusDays, [2]string{newForm(), newForm()}
	p.Force.Here = true
	p.Would = n.would(p.Force)
	if v.asked("counting") {
		return v.part("stopping", "counting", v.frame(p))
	}
	p.MayAdmin, p.MayChange = v.may(staff.Settings) && c.o.Gate != nil, v.may(staff.Policies) && c.o.Desk != nil && c.o.Settings != nil
	p.Admin.counts, p.Firewall = n.counts(wouldAdmin), n.counts(wouldFirewall)
	p.Admin.Who = v.wouldBeOut(n)
	if site, err := c.siteOf(v.site); err == nil {
		p.Zones = firewallZones(&site, n, p.Would.Counting)
		p.Lines = append(zoneLines(&site, p.Zones), linesFor(stepGuard, &setupState{Site: site})...)
	}
	if p.MayChange {
		var err error
		if p.Base, err = c.o.Settings.CurrentHash(v.r.Context()); err != nil {
			return err
		}
	}
	for _, info := range p.Force.policies(policy.Shadow) {
		row := stoppingPolicy{Info: info, counts: n.counts(info.Name), Then: thenWords(info.Then), Edits: p.MayChange && v.edits(info.File)}
		row.Badge, row.Pick = advise(row.counts, p.Would.Counting)
		if chosen, sent := v.r.PostForm["policy"]; sent {
			row.Pick = slices.Contains(chosen, info.Name)
		}
		p.Policies = append(p.Policies, row)
	}
	return v.pageWith(status, "stopping", p)
}

// advise says whether a policy in shadow may be trusted to stop, by what it would
// have done. It is pure.
func advise(n counts, counting bool) (b ui.Badge, pick bool) {
	switch {
	case counting:
		return ui.Badge{Tone: ui.Calm, Text: noren.Text{Ja: "数えています", En: "counting"}}, false
	case n.Shadow == 0:
		return ui.Badge{Tone: ui.Calm, Text: noren.Text{Ja: "まだ1件もありません", En: "nothing yet"}}, false
	case n.Buyers > 0:
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "お客様が含まれています", En: "customers among them"}}, false
	case !n.SalesKnown:
		return ui.Badge{Tone: ui.Calm, Text: noren.Text{Ja: "お客様かどうか不明", En: "customers or not: unknown"}}, false
	}
	return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "買った方はいません", En: "no buyers among them"}}, true
}

// Names under which the census counts what no policy decides.
const (
	wouldAdmin    = "\x00admin"
	wouldFirewall = "\x00firewall"
)

// firewallStops is the score from which the firewall stops (gateway/waf/setup.conf).
const firewallStops = 5

// wouldBe is what of the admin's rules and the firewall a request in the record
// would have been stopped by, had they stopped. It is pure.
func wouldBe(ev *noren.Event) (out []string) {
	p, ok := ev.Payload.(*noren.Request)
	if !ok || p == nil || ev.Kind != noren.HTTPRequest {
		return nil
	}
	if p.AccessShadow != "" && slices.Contains(gateway.StaffZones(), ev.Zone) {
		out = append(out, wouldAdmin)
	}
	if p.Score >= firewallStops {
		out = append(out, wouldFirewall, wouldFirewall+string(ev.Zone))
	}
	return out
}

// censusOf is a site's count, begun when there is none or it is older than fresh.
func (c *Console) censusOf(site string, now time.Time, fresh time.Duration) *counting {
	f := c.forceOf(site)
	kinds, key := kindsOf(f.Policies), site
	if f.Chosen() { // who goes on to record shall not read a count that left that out
		kinds, key = append(kinds, noren.HTTPRequest), site+" recording"
		slices.Sort(kinds)
		kinds = slices.Compact(kinds)
	}
	return c.census.of(key, now, fresh, func(n *counting) {
		w := walker{c.o.Journal, site, kinds, now.AddDate(0, 0, -censusDays)}
		go n.run(c.life, w, func(ctx context.Context) { n.recordedSince(c.recordedSince(ctx, site, f)) }, c.o.Log)
	})
}

// versionsBack is how far the settings are looked through for when the admin's
// rule began to record.
const versionsBack = 30

// recordedSince is since when a site records what it would stop; zero when that
// cannot be told.
func (c *Console) recordedSince(ctx context.Context, site string, f force) (since time.Time) {
	first, err := c.o.Journal.Search(ctx, journal.SearchQuery{Log: site, OldestFirst: true, Limit: 1, Within: walkSlice})
	if err != nil || len(first.Hits) == 0 {
		return since
	}
	since = first.Hits[0].Entry.Event.At.Time
	if f.Admin.State != AdminRecorded || c.o.Settings == nil || c.o.Settings.Mode() == settings.Files {
		return since
	}
	versions, err := c.o.Settings.Versions(ctx, versionsBack)
	if err != nil {
		return since
	}
	begun, text := time.Time{}, ""
	for i, v := range versions { // newest first
		set, err := c.o.Settings.Get(ctx, v.ID)
		if err != nil {
			break
		}
		now := cmp.Or(set["sites/"+site+"/access.yaml"], set["access.yaml"])
		if i > 0 && now != text {
			break
		}
		begun, text = v.At.Time, now
	}
	if begun.After(since) {
		return begun
	}
	return since
}

// wouldBeOut are those who opened the admin most from where they would not be let in.
func (v *visit) wouldBeOut(n *counting) (out []stoppingWho) {
	m := v.mask()
	for _, who := range n.from(wouldAdmin, 5) {
		row := stoppingWho{Address: m.address(who.key), N: who.n}
		if a, err := netip.ParseAddr(who.key); err == nil {
			row.About = v.c.about(a).Line(v.words())
		}
		out = append(out, row)
	}
	return out
}

// stopAdmin lets the rule that recorded who opens the admin from elsewhere keep
// them out.
func (c *Console) stopAdmin(v *visit) error {
	a := c.forceOf(v.site).Admin
	p := stoppingPage{Reason: v.field("reason"), Field: "admin"}
	again := func(status int, t noren.Text) error {
		p.Wrong = t
		return c.showStopping(v, status, p)
	}
	reason, err := v.reason()
	switch m := mistakeIn(err); {
	case m != nil:
		return again(http.StatusUnprocessableEntity, m.text)
	case err != nil:
		return err
	case a.State != AdminRecorded || len(a.Places) == 0:
		return again(http.StatusConflict, noren.Text{Ja: "管理画面は、いま「記録だけ」ではありません。何も変えていません。", En: "The admin is not recorded only any more. Nothing was changed."})
	}
	if p.Admin.Asks = v.asksClosing(a.Places, false); len(p.Admin.Asks) > 0 && v.field("sure") == "" {
		return again(http.StatusConflict, noren.Text{})
	}
	if v.again() {
		return v.redirect(v.path("/stopping"), "again")
	}
	back, err := c.o.Gate.KeepAdmin(v.r.Context(), v.site, a.Places, false, v.author(), reason)
	if text, ok := noren.TextOf(err); ok {
		c.once.release(v.formID())
		return again(http.StatusConflict, text)
	}
	if err != nil {
		return err
	}
	c.setups.forget(v.site)
	id := v.undoable(staff.Settings, func(ctx context.Context, by *visit) error {
		by.c.setups.forget(by.site)
		return back(ctx, by.author())
	})
	return v.redirect(v.path("/stopping"), "stopping-admin", "undo", id)
}

// stopPolicies lets the chosen policies act that only recorded.
func (c *Console) stopPolicies(v *visit) error {
	p := stoppingPage{Reason: v.field("reason"), Field: "policies"}
	reason, err := v.reason()
	if err == nil && len(v.r.PostForm["policy"]) == 0 {
		err = wrong("policy", "止めるに切り替える方針に、印を付けてください。", "Please tick the policies that shall act.")
	}
	var id string
	if err == nil {
		if err := v.confirmed(); err != nil { // nothing takes it back by itself
			return err
		}
		if v.again() {
			return v.redirect(v.path("/stopping"), "again")
		}
		if id, err = c.letAct(v, v.r.PostForm["policy"], reason); err != nil {
			c.once.release(v.formID())
		}
	}
	if m := mistakeIn(err); m != nil {
		p.Wrong = m.text
		return c.showStopping(v, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(v.path("/stopping"), "stopping-policies", "undo", id)
}

// letAct switches policies on, in one change of the settings, and keeps the way back.
func (c *Console) letAct(v *visit, names []string, reason string) (undo string, err error) {
	ctx := v.r.Context()
	now, rules, err := c.inForce(ctx)
	if err != nil {
		return "", err
	}
	if v.field("base") != now.Hash() {
		return "", wrong("base", "ほかの人が先に設定を変えました。何も変えていません。下の一覧を見直して、もう一度どうぞ。", "Somebody changed the settings first. Nothing was changed; look at the list and try again.")
	}
	set, err := v.acting(now, rules.Policies(v.site), names)
	if err != nil {
		return "", err
	}
	self, _ := v.selfAddress()
	if _, err := c.o.Desk.Change(ctx, SettingsChange{Set: set, Author: v.author(), Reason: reason, Base: now.Hash(), Self: self}); err != nil {
		return "", c.changeError(ctx, err)
	}
	before, after := settings.Set{}, settings.Set{}
	for file, text := range set {
		if now[file] != text {
			before[file], after[file] = now[file], text
		}
	}
	return v.undoable(staff.Policies, func(ctx context.Context, by *visit) error { return by.putBack(ctx, before, after) }), nil
}

// acting is the set in which these policies act. Names of policies that do not
// record any more change nothing.
func (v *visit) acting(now settings.Set, all []policy.Info, names []string) (settings.Set, error) {
	set := maps.Clone(now)
	for _, name := range names {
		i := slices.IndexFunc(all, func(p policy.Info) bool { return p.Name == name })
		if i < 0 {
			return nil, noren.Errorf(noren.NotFound, "no policy %q at site %s", cutTo(name, 80), v.site)
		}
		if all[i].Mode != policy.Shadow {
			continue
		}
		file := all[i].File
		if err := v.mayTouch(file); err != nil {
			return nil, err
		}
		text, err := policy.SetMode(policy.File{Name: file, Data: []byte(set[file])}, name, policy.On)
		if err != nil {
			return nil, err
		}
		set[file] = string(text)
	}
	return set, nil
}

// putBack gives files the text they had, unless somebody changed them since.
func (v *visit) putBack(ctx context.Context, before, after settings.Set) error {
	now, err := v.c.o.Settings.Current(ctx)
	if err != nil {
		return err
	}
	base, set := now.Hash(), maps.Clone(now)
	for file, text := range before {
		if now[file] != after[file] {
			return changedSince(file)
		}
		if err := v.mayTouch(file); err != nil {
			return err
		}
		set[file] = text
	}
	_, err = v.c.o.Desk.Change(ctx, SettingsChange{Set: set, Author: v.author(), Reason: v.words().T("元に戻した", "taken back"), Base: base})
	return err
}

// stoppingMatters are what is open, and the way on from recording to stopping.
func (c *Console) stoppingMatters(_ context.Context, site string, now time.Time) []matter {
	f := c.forceOf(site)
	ms := forceMatters(f)
	if !f.Chosen() {
		return ms
	}
	n := c.censusOf(site, now, todayFresh)
	if m, ok := stoppingMatter(f, n.would(f), daysRecorded(n.recorded(), now)); ok {
		ms = append(ms, m)
	}
	return ms
}

// todayFresh is how old the numbers on 今日のお店 may be: it refreshes all day, and
// counting reads the record.
const todayFresh = time.Hour
