package console

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/staff"
	"noren/yamlfile"
)

//go:embed measures.yaml
var measuresYAML []byte

// measure is one row of measures.yaml, whose head says what the fields mean.
type measure struct {
	ID      string     `yaml:"id"`
	Title   noren.Text `yaml:"title"`
	Does    noren.Text `yaml:"does"`
	State   standing   `yaml:"state"`
	Check   []string   `yaml:"check"`
	Page    string     `yaml:"page"`
	Doc     string     `yaml:"doc"`
	ShownBy string     `yaml:"shown_by"`
	Refs    []string   `yaml:"refs"`
	Advice  int        `yaml:"advice"`
}

// standing is how it stands with a measure at a site right now.
type standing string

const (
	standsWorks   standing = "works"
	standsNeeds   standing = "needs"
	standsLater   standing = "later"
	standsUnknown standing = "unknown" // its condition cannot be asked right now
)

// standingInfo is a standing in the shopkeeper's words.
type standingInfo struct {
	Standing standing
	Tone     ui.Tone
	Name     noren.Text
}

// standings are all, in the order of the page.
func standings() []standingInfo {
	return []standingInfo{
		{standsWorks, ui.Good, noren.Text{Ja: "動作中", En: "working"}},
		{standsNeeds, ui.Check, noren.Text{Ja: "設定が必要", En: "needs setting up"}},
		{standsUnknown, ui.Check, noren.Text{Ja: "いま確かめられません", En: "not known right now"}},
		{standsLater, ui.Calm, noren.Text{Ja: "今後", En: "to come"}},
	}
}

func (s standing) info() standingInfo {
	all := standings()
	return all[slices.IndexFunc(all, func(i standingInfo) bool { return i.Standing == s })]
}

// measureGroups are the headings, by the first letter of the ids below them.
func measureGroups() []noren.Text {
	return []noren.Text{{Ja: "予防", En: "Prevent"}, {Ja: "検知", En: "Detect"}, {Ja: "対応", En: "Respond"}, {Ja: "体制", En: "People and organisation"},
		{Ja: "名前の挙がった仕組み", En: "Systems by name"}, {Ja: "事例", En: "Incidents that happened"}}
}

const groupLetters = "PDROYC"

// readMeasures decodes the data file; every fault has its line.
func readMeasures(name string, data []byte, conditions map[string]condition) ([]measure, error) {
	var f struct {
		Version  int       `yaml:"version"`
		Measures []measure `yaml:"measures"`
	}
	doc, err := yamlfile.Decode(name, data, &f)
	errs := []error{err, doc.CheckVersion(1)}
	seen := map[string]bool{}
	for i, m := range f.Measures {
		for _, fault := range append(m.faults(conditions), map[bool]string{true: "id " + m.ID + " stands twice"}[seen[m.ID]]) {
			if fault != "" {
				errs = append(errs, doc.Fault(fault, "measures", i))
			}
		}
		seen[m.ID] = true
	}
	return f.Measures, yamlfile.Join(errs...)
}

// faults are what is wrong with a row by itself.
func (m *measure) faults(conditions map[string]condition) (out []string) {
	built := m.State == standsWorks || m.State == standsNeeds
	for _, c := range []struct {
		wrong bool
		say   string
	}{
		{m.ID == "" || !strings.Contains(groupLetters, m.ID[:1]), "an id begins with one of " + groupLetters},
		{m.Title.Ja == "" || m.Title.En == "" || m.Does.Ja == "" || m.Does.En == "", "title and does need both ja and en"},
		{!built && m.State != standsLater, "state must be works, needs or later"},
		{(m.State == standsNeeds) != (len(m.Check) > 0), "needs goes with a check, and only needs"},
		{m.unknownCheck(conditions) != "", "there is no check " + m.unknownCheck(conditions)},
		{built != (m.ShownBy != ""), "shown_by goes with works and needs, and only with them"},
		{m.State == standsNeeds && m.Doc == "", "needs goes with a doc that says how it is set up"},
		{m.Page != "" && !strings.HasPrefix(m.Page, "/"), "page must begin with /"},
		{m.Advice != 0 && m.State != standsNeeds, "advice is for what needs setting up"},
		{slices.ContainsFunc(m.Refs, func(r string) bool { return refText(r).Ja == "" }), "refs must be ipa-1 to ipa-14 or card-1 to card-5"},
	} {
		if c.wrong {
			out = append(out, c.say)
		}
	}
	return out
}

func (m *measure) unknownCheck(conditions map[string]condition) string {
	for _, name := range m.Check {
		if conditions[name].ask == nil {
			return name
		}
	}
	return ""
}

// stands asks the live conditions where there are some; missing is the first that
// does not hold, or cannot be told. What cannot be told is never taken for working.
func (m *measure) stands(ask func(check string) (bool, error)) (s standing, missing string) {
	if m.State != standsNeeds {
		return m.State, ""
	}
	s = standsWorks
	for _, check := range m.Check {
		switch ok, err := ask(check); {
		case err == nil && !ok:
			return standsNeeds, check
		case err != nil && s == standsWorks:
			s, missing = standsUnknown, check
		}
	}
	return s, missing
}

// measureRow is a measure as the page shows it.
type measureRow struct {
	measure
	Standing standingInfo
	Refs     []noren.Text
	Missing  noren.Text // what is left to set up, or cannot be told
	Do       deed
}

// measureGroup is a heading with the rows below.
type measureGroup struct {
	Name   noren.Text
	Letter string
	Rows   []measureRow
}

// measuresPage is 対策一覧.
type measuresPage struct {
	Sections []measureSection
	Shares   []ui.Share
	Sums     measureSums
	State    string
	Query    string
	Choices  []standingInfo
	Shown    int
	Total    int
	CSV      string
	Version  string
	At       string // in Japan
	Filtered bool
	Force    force
}

func (c *Console) measuresPage(v *visit) error {
	rows := v.measureRows()
	p := measuresPage{State: v.r.FormValue("state"), Query: cut(strings.TrimSpace(v.r.FormValue("q")), 200), Choices: standings(), Total: len(rows),
		Version: c.o.Version, At: time.Now().In(ui.JST()).Format("2006-01-02 15:04 JST")}
	if !slices.ContainsFunc(p.Choices, func(i standingInfo) bool { return string(i.Standing) == p.State }) {
		p.State = ""
	}
	p.Force = c.forceOf(v.site)
	p.Filtered = p.State != "" || p.Query != ""
	p.CSV = v.path("/measures.csv?state=" + p.State + "&q=" + ui.Query(p.Query))
	p.Shares, p.Sums = measureShares(rows, p.State, v.path("/measures"), p.Query), sumsOf(rows)
	rows = measuresLike(rows, standing(p.State), p.Query)
	p.Shown = len(rows)
	p.Sections = measureSections(rows, p.Filtered)
	return v.page("measures", p)
}

// measureRows are all, each with its live state. Every condition is asked once.
func (v *visit) measureRows() []measureRow {
	ask, all, f := v.c.asker(v.r.Context(), v.site), v.c.conditions(), v.c.forceOf(v.site)
	out := make([]measureRow, 0, len(v.c.measures))
	for _, m := range v.c.measures {
		s, missing := m.stands(ask)
		row := measureRow{measure: m, Standing: s.info(), Missing: f.missing(missing, all[missing].what)}
		for _, r := range m.Refs {
			row.Refs = append(row.Refs, refText(r))
		}
		row.Do = v.c.measureDeed(&m, row.Standing.Standing, v.site, v.mayOpen)
		if f.records(missing) {
			row.Do = deed{noren.Text{Ja: "「止める」へ", En: "Go on to stopping"}, v.path("/stopping")}
		}
		out = append(out, row)
	}
	return out
}

// mayOpen reports whether the visitor may open a page.
func (v *visit) mayOpen(need staff.Permission, ofSite bool) bool {
	if ofSite {
		return v.may(need)
	}
	return need == signedIn || staff.May(v.who.Person, staff.AllSites, need)
}

// measureDeed is the one button of a measure: how it is set up while it is not,
// else the page where it is seen.
func (c *Console) measureDeed(m *measure, s standing, site string, may func(staff.Permission, bool) bool) deed {
	guide := deed{noren.Text{Ja: "説明を読む", En: "Read more"}, guidePath(site, m.Doc)}
	open := noren.Text{Ja: "画面を開く", En: "Open"}
	if s == standsNeeds || s == standsUnknown {
		guide.Label = noren.Text{Ja: "設定のしかた", En: "How to set it up"}
		return guide
	}
	if s == standsLater {
		open = noren.Text{Ja: "いまできること", En: "What works today"}
		guide.Label = open
	}
	if r, ofSite, ok := c.routeOf(m.Page); ok && may(r.need, ofSite) {
		to := m.Page
		if ofSite {
			to = sitePath(site, m.Page)
		}
		return deed{open, to}
	}
	if m.Doc != "" {
		return guide
	}
	return deed{}
}

// routeOf finds the route that answers a page, of a site or of the whole instance.
func (c *Console) routeOf(page string) (r route, ofSite, ok bool) {
	if page == "" {
		return route{}, false, false
	}
	for _, r := range c.routes() {
		switch strings.TrimSuffix(r.pattern, "{$}") {
		case "GET /s/{site}" + page:
			return r, true, true
		case "GET " + page:
			if page != "/" {
				return r, false, true
			}
		}
	}
	return route{}, false, false
}

// measureShares count the rows of each standing; one that nothing has is left out.
func measureShares(rows []measureRow, chosen, base, query string) (out []ui.Share) {
	for _, info := range standings() {
		s := ui.Share{Tone: info.Tone, Name: info.Name, Here: string(info.Standing) == chosen, URL: base + "?state=" + string(info.Standing) + "&q=" + ui.Query(query)}
		for _, r := range rows {
			if r.Standing.Standing == info.Standing {
				s.N++
			}
		}
		if s.N > 0 {
			out = append(out, s)
		}
	}
	return out
}

// measuresLike are the rows of a standing ("" for all) that hold every word.
func measuresLike(rows []measureRow, s standing, query string) (out []measureRow) {
	words := strings.Fields(strings.ToLower(query))
	for _, r := range rows {
		text := r.ID + " " + r.Title.Ja + " " + r.Title.En + " " + r.Does.Ja + " " + r.Does.En
		for _, ref := range r.Refs {
			text += " " + ref.Ja + " " + ref.En
		}
		text = strings.ToLower(text)
		missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
		if !missing && (s == "" || r.Standing.Standing == s) {
			out = append(out, r)
		}
	}
	return out
}

func measuresByGroup(rows []measureRow) (out []measureGroup) {
	for i, name := range measureGroups() {
		g := measureGroup{Name: name, Letter: groupLetters[i : i+1]}
		for _, r := range rows {
			if strings.HasPrefix(r.ID, g.Letter) {
				g.Rows = append(g.Rows, r)
			}
		}
		if len(g.Rows) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// measuresCSV writes what the page shows, for an auditor's own table.
func (c *Console) measuresCSV(v *visit) error {
	w, now := v.words(), time.Now()
	rows := measuresLike(v.measureRows(), standing(v.r.FormValue("state")), v.r.FormValue("q"))
	t := v.csv("measures-" + v.site + "-" + now.In(ui.JST()).Format("20060102"))
	t.row(w.T("番号", "id"), w.T("分類", "group"), w.T("対策", "measure"), w.T("Noren がすること", "what Noren does"), w.T("状態", "state"), w.T("足りないもの", "what is left"), w.T("関わる項目", "guideline items"),
		w.T("確かめる方法", "shown by"), w.T("説明書", "documentation"), w.T("お店", "site"), w.T("日時（日本時間）", "time (Japan)"), "Noren")
	for _, r := range rows {
		var refs []string
		for _, ref := range r.Refs {
			refs = append(refs, ref.In(v.lang))
		}
		t.row(r.ID, measureGroups()[strings.Index(groupLetters, r.ID[:1])].In(v.lang), r.Title.In(v.lang), r.Does.In(v.lang), r.Standing.Name.In(v.lang), r.Missing.In(v.lang),
			strings.Join(refs, w.T("、", "; ")), r.ShownBy, r.Doc, v.site, csvTime(noren.At(now)), c.o.Version)
	}
	return t.done()
}

// measureMatters advise the one thing most worth setting up. It leaves a shop
// safe: much else is at work.
func (c *Console) measureMatters(ctx context.Context, site string, _ time.Time) []matter {
	ms := slices.DeleteFunc(slices.Clone(c.measures), func(m measure) bool { return m.Advice == 0 })
	slices.SortStableFunc(ms, func(a, b measure) int { return cmp.Compare(a.Advice, b.Advice) })
	ask := c.asker(ctx, site)
	for _, m := range ms {
		s, missing := m.stands(ask)
		if s != standsNeeds {
			continue
		}
		return []matter{{Key: "measure", Tone: ui.Calm, Title: noren.Text{Ja: "おすすめ：" + m.Title.Ja, En: "Worth doing: " + m.Title.En}, Why: leftToDo(m.Does, c.conditions()[missing].what),
			Do: deed{noren.Text{Ja: "設定のしかた", En: "How to set it up"}, guidePath(site, m.Doc)}}}
	}
	return nil
}

// leftToDo adds what is missing to what a measure does.
func leftToDo(does, missing noren.Text) noren.Text {
	return noren.Text{Ja: does.Ja + "まだのもの：" + missing.Ja + "。", En: does.En + " Left to do: " + missing.En + "."}
}

// asker asks each condition at most once.
func (c *Console) asker(ctx context.Context, site string) func(string) (bool, error) {
	type answer struct {
		ok  bool
		err error
	}
	all, had := c.conditions(), map[string]answer{}
	return func(check string) (bool, error) {
		a, asked := had[check]
		if !asked {
			a.ok, a.err = all[check].ask(ctx, site)
			if a.err != nil && !errors.Is(a.err, errNotAsked) && ctx.Err() == nil {
				c.o.Log.Warn("console: a measure's condition cannot be asked", "check", check, "site", site, "err", a.err)
			}
			had[check] = a
		}
		return a.ok, a.err
	}
}

// cut shortens what somebody typed.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
