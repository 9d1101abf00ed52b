package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

// inForce are the settings in force and the policies they make.
func (c *Console) inForce(ctx context.Context) (settings.Set, Rules, error) {
	if c.o.Desk == nil || c.o.Settings == nil {
		return nil, nil, errNoDesk
	}
	set, err := c.o.Settings.Current(ctx)
	if err != nil {
		return nil, nil, err
	}
	compiled := c.compiled(set)
	if compiled.Rules == nil {
		return set, nil, compiled.Err
	}
	return set, compiled.Rules, nil
}

// compiled keeps the last good set: pages ask for the same one again and again,
// and compiling takes a while.
func (c *Console) compiled(set settings.Set) Compiled {
	hash := set.Hash() + strings.Join(c.siteNames(), " ")
	c.last.Lock()
	defer c.last.Unlock()
	if c.lastHash != hash || c.lastCompiled.Rules == nil {
		c.lastCompiled, c.lastHash = c.o.Desk.Compile(set), hash
	}
	return c.lastCompiled
}

func (c *Console) siteNames() (out []string) {
	for _, s := range c.o.Sites() {
		out = append(out, s.Name)
	}
	return out
}

// policyRow is one policy of the list.
type policyRow struct {
	policy.Info
	counts
	Own   bool // of this site alone
	Edits bool
	Says  noren.Text
	Badge ui.Badge
	To    []modeStep
}

// modeStep is a button that switches to a mode.
type modeStep struct {
	Mode string
	Name noren.Text
	URL  string
}

type policiesPage struct {
	Groups   []policyGroup
	Sum      policySummary
	Filter   policyFilter
	Self     string
	Filtered bool
	Shown    int
	Total    int
	Modes    []modeChoice
	Files    []fileRow
	May      bool
	NewURL   string
	Running  bool
	AtLeast  bool
	Failed   bool
	Since    noren.Time
	Days     int
	Site     string
	Version  string
	Taken    bool // this node runs what is in force
	ReadOnly bool // the settings are files
	Fault    string
}

// modeChoice is a mode of the filter.
type modeChoice struct {
	Mode string
	Name noren.Text
}

// fileRow is a file of the settings.
type fileRow struct {
	Path  string
	Bytes int64
	URL   string
	What  noren.Text
}

// policies lists what decides for a site.
func (c *Console) policies(v *visit) error {
	set, rules, err := c.inForce(v.r.Context())
	if set == nil {
		return err
	}
	p := policiesPage{Self: v.self(), Filter: readPolicyFilter(v.r.URL.Query()), May: v.may(staff.Policies), Days: censusDays, Site: v.site, Version: set.Hash(), ReadOnly: c.o.Settings.Mode() == settings.Files,
		Taken: c.o.SettingsInForce() == set.Hash(), NewURL: v.path("/policies/edit?new=1")}
	for _, name := range set.Paths() {
		if v.sees(name) {
			p.Files = append(p.Files, fileRow{name, int64(len(set[name])), v.fileURL(name), fileWords(name)})
		}
	}
	if err != nil { // the files can still be read and mended
		p.Fault = concealed(faultLines(err, v.lang), v.mayName)
		return v.page("policies", p)
	}
	all := rules.Policies(v.site)
	n := c.censusOf(v.site, time.Now(), censusFresh)
	p.Running, p.AtLeast, p.Failed, p.Since = n.state()
	p.list(v, all, n)
	if v.asked("list") {
		return v.part("policies", "list", p)
	}
	return v.page("policies", p)
}

// list puts the policies into groups, and those that fit into sight.
func (p *policiesPage) list(v *visit, all []policy.Info, n *counting) {
	var rows, fit []policyRow
	for _, info := range all {
		rows = append(rows, v.policyRow(info, n.counts(info.Name)))
	}
	p.Sum, p.Total, p.Filtered = summaryOf(rows), len(rows), p.Filter.any()
	for _, r := range rows {
		if p.Filter.fits(r) {
			fit = append(fit, r)
		}
	}
	p.Groups, p.Shown = policyGroups(fit, p.Filtered, v.r.URL.Query().Get("open")), len(fit)
	for _, m := range []policy.Mode{policy.On, policy.Shadow, policy.Off} {
		p.Modes = append(p.Modes, modeChoice{string(m), policyModeName(m)})
	}
}

func kindsOf(all []policy.Info) []noren.Kind {
	out := buyingKinds()
	for _, p := range all {
		if p.Mode != policy.Off {
			out = append(out, p.Kinds...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (v *visit) policyRow(info policy.Info, n counts) policyRow {
	r := policyRow{Info: info, counts: n, Own: ofSite(info.File) != "", Edits: v.edits(info.File), Says: policySays(info),
		Badge: ui.Badge{Tone: modeTone(info.Mode), Text: policyModeName(info.Mode)}}
	for _, m := range []policy.Mode{policy.On, policy.Shadow, policy.Off} {
		if m != info.Mode {
			r.To = append(r.To, modeStep{string(m), modeStepName(m), v.path("/policies/mode?name=" + info.Name + "&to=" + string(m))})
		}
	}
	return r
}

func modeTone(m policy.Mode) ui.Tone {
	switch m {
	case policy.On:
		return ui.Good
	case policy.Shadow:
		return ui.Check
	}
	return ui.Calm
}

func modeStepName(m policy.Mode) noren.Text {
	switch m {
	case policy.On:
		return noren.Text{Ja: "有効にする", En: "Switch on"}
	case policy.Shadow:
		return noren.Text{Ja: "記録だけにする", En: "Record only"}
	}
	return noren.Text{Ja: "切る", En: "Switch off"}
}

// faultLines are the faults of the settings, one on a line, for people.
func faultLines(err error, lang string) string {
	faults, rest := policy.Faults(err)
	var lines []string
	for _, f := range faults {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Text().In(lang)))
	}
	for _, t := range rest {
		lines = append(lines, t.In(lang))
	}
	return strings.Join(lines, "\n")
}

// fileWords says what a file of the settings is for.
func fileWords(name string) noren.Text {
	switch {
	case strings.Contains(name, "policies/"):
		return noren.Text{Ja: "方針", En: "policies"}
	case strings.HasSuffix(name, "limits.yaml"):
		return noren.Text{Ja: "回数の上限", En: "limits"}
	case strings.HasSuffix(name, "access.yaml"):
		return noren.Text{Ja: "入れる人の決まり", En: "who may enter"}
	case strings.HasPrefix(name, "firewall/"):
		return noren.Text{Ja: "自店の防火壁のルール", En: "firewall rules of your own"}
	}
	return noren.Text{Ja: "設定", En: "settings"}
}
