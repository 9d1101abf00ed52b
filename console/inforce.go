package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/policy"
)

// Admin says who may enter a site's admin as its rules stand. All pages, and noren
// check, say it in these words: a page that told it its own way would contradict
// another one day.
type Admin struct {
	State  AdminState
	Open   []noren.Zone // parts of the admin that anybody may enter
	Who    noren.Text   // whom the rules let in, "" for none
	Places []string     // of those, the named places
	Rules  []gateway.AccessRule
}

// AdminState is how far the admin is kept for people whom rules name.
type AdminState string

// States of the admin.
const (
	AdminOpen     AdminState = "open"     // anybody may enter some part of it
	AdminRecorded AdminState = "recorded" // anybody may enter; who the rules would keep out is recorded
	AdminKept     AdminState = "kept"     // only whom rules name may enter
)

// AdminOf judges the access rules of a site. It is pure.
func AdminOf(rules gateway.AccessRules) (a Admin) {
	recorded := true
	for _, z := range gateway.StaffZones() {
		modes := map[gateway.AccessMode]bool{}
		for _, r := range rules.About(z, http.MethodGet) {
			if r.Allow != nil {
				modes[r.Mode] = true
			}
			if !slices.ContainsFunc(a.Rules, func(have gateway.AccessRule) bool { return have.Name == r.Name }) {
				a.Rules = append(a.Rules, r)
			}
		}
		if !modes[gateway.AccessOn] {
			a.Open = append(a.Open, z)
			recorded = recorded && modes[gateway.AccessShadow]
		}
	}
	switch {
	case len(a.Open) == 0:
		a.State = AdminKept
	case recorded:
		a.State = AdminRecorded
	default:
		a.State = AdminOpen
	}
	a.Places, a.Who = admitted(a.Rules)
	return a
}

// admitted names whom allow rules let in.
func admitted(rules []gateway.AccessRule) (places []string, who noren.Text) {
	others := false
	for _, r := range rules {
		if r.Allow == nil {
			continue
		}
		others = others || len(r.Allow.Networks)+len(r.Allow.Countries)+len(r.Allow.ASNs) > 0
		for _, p := range r.Allow.Places {
			if !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
	}
	switch {
	case len(places) > 0 && others:
		return places, noren.Text{Ja: strings.Join(places, "・") + "ほか", En: strings.Join(places, ", ") + " and others"}
	case len(places) > 0:
		return places, noren.Text{Ja: strings.Join(places, "・"), En: strings.Join(places, ", ")}
	case others:
		return nil, noren.Text{Ja: "規則にある所", En: "those in the rules"}
	}
	return nil, noren.Text{}
}

// Badge is the state in a word.
func (a Admin) Badge() ui.Badge {
	switch a.State {
	case AdminKept:
		return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "決めた場所だけ", En: "named places only"}}
	case AdminRecorded:
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "記録だけ", En: "records only"}}
	}
	return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "だれでも開けます", En: "open to anybody"}}
}

// Says is the state in a sentence.
func (a Admin) Says() noren.Text {
	switch {
	case a.State == AdminKept:
		return fill("管理画面は、決めた場所（%s）からだけ開けます。", "The admin opens from named places only (%s).", a.Who)
	case a.State == AdminRecorded:
		return fill("管理画面は、まだどこからでも開けます。決めた場所（%s）のほかから開いた人を、記録だけしています。", "The admin still opens from anywhere. Who opens it from elsewhere than the named places (%s) is recorded, not stopped.", a.Who)
	case len(a.Open) < len(gateway.StaffZones()):
		return fill("管理画面の一部（%s）は、世界中のどこからでも開けます。", "A part of the admin (%s) opens from anywhere in the world.", zonesWords(a.Open))
	}
	return noren.Text{Ja: "管理画面は、世界中のどこからでも開けます。", En: "The admin opens from anywhere in the world."}
}

// zonesWords names zones for people.
func zonesWords(zones []noren.Zone) noren.Text {
	var ja, en []string
	for _, z := range zones {
		n := zoneName(z)
		ja, en = append(ja, n.Ja), append(en, n.En)
	}
	return noren.Text{Ja: strings.Join(ja, "・"), En: strings.Join(en, ", ")}
}

// force is what is in force at a site now: what stops, what only records, and who
// may enter the admin.
type force struct {
	Site     string
	Admin    Admin
	Shut     bool // the admin is closed in an emergency
	Opened   int  // the rules are opened by hand
	Firewall gateway.WAFMode
	Policies []policy.Info // nil where they are not known
}

// forceOf gathers it, from memory alone: pages that refresh by themselves ask.
func (c *Console) forceOf(site string) (f force) {
	s, _ := c.siteOf(site)
	f = force{Site: site, Firewall: s.WAF, Opened: len(c.o.Places.Openings(site))}
	if c.o.Gate != nil {
		f.Admin = AdminOf(c.o.Gate.Rules(site))
	} else {
		f.Admin = AdminOf(nil)
	}
	if c.o.PoliciesInForce != nil {
		f.Policies = c.o.PoliciesInForce(site)
	}
	for i, st := range c.o.Emergency.Of(site) {
		f.Shut = f.Shut || st.On && gateway.Switches()[i].Switch == gateway.SwitchAdmin
	}
	return f
}

// forceLine is one of the things in force.
type forceLine struct {
	Key   string
	Name  noren.Text
	Badge ui.Badge
	Says  noren.Text
}

// Lines are what is in force, in the order in which pages show it. It is pure.
func (f force) Lines() []forceLine {
	out := []forceLine{
		{"firewall", noren.Text{Ja: "攻撃の文字列（WAF）", En: "Attacks (WAF)"}, firewallBadge(f.Firewall), FirewallSays(f.Firewall)},
		{"admin", noren.Text{Ja: "管理画面に入れる人", En: "Who may enter the admin"}, f.adminBadge(), f.adminSays()},
	}
	if f.Policies != nil {
		out = append(out, f.policyLine())
	}
	return out
}

func (f force) adminBadge() ui.Badge {
	if f.Shut {
		return ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "閉鎖中", En: "closed"}}
	}
	return f.Admin.Badge()
}

// adminSays is what the rules say, unless people have set them aside for a while.
func (f force) adminSays() noren.Text {
	says := f.Admin.Says()
	switch {
	case f.Shut:
		return noren.Text{Ja: "「非常時」で管理画面を閉じています。許可した方と、名前を付けた場所だけが入れます。", En: "The admin is closed in an emergency: only who is allowed, and named places, may enter."}
	case f.Opened > 0:
		return noren.Text{Ja: says.Ja + "いまは非常開放で、一時的に開けてあります。", En: says.En + " Just now it is opened by hand for a while."}
	}
	return says
}

// FirewallSays is what the firewall does, in a sentence.
func FirewallSays(m gateway.WAFMode) noren.Text {
	switch m {
	case gateway.WAFShadow:
		return noren.Text{Ja: "攻撃と見分けた通信を、記録だけして通しています。", En: "What looks like an attack is recorded, and passes."}
	case gateway.WAFOff:
		return noren.Text{Ja: "通信の中身を調べていません。", En: "Requests are not inspected."}
	}
	return noren.Text{Ja: "攻撃と見分けた通信を、入口で止めています。", En: "What looks like an attack is stopped at the entrance."}
}

func (f force) policyLine() forceLine {
	on, shadow := f.policies(policy.On), f.policies(policy.Shadow)
	w := ui.Words{}
	l := forceLine{Key: "policies", Name: noren.Text{Ja: "方針", En: "Policies"}, Badge: ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "止めています", En: "act"}},
		Says: fill("%s本が働いています。", "%s of them act.", w.Number(len(on)))}
	if len(shadow) > 0 {
		l.Badge = ui.Badge{Tone: ui.Calm, Text: noren.Text{Ja: "一部は記録だけ", En: "some record only"}}
		l.Says = fill("%s本が働き、%s本は記録だけです。", "%s of them act, %s record only.", w.Number(len(on)), w.Number(len(shadow)))
	}
	if len(on) == 0 {
		l.Badge = ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "記録だけ", En: "record only"}}
	}
	return l
}

// policies are those of a mode.
func (f force) policies(m policy.Mode) (out []policy.Info) {
	for _, p := range f.Policies {
		if p.Mode == m {
			out = append(out, p)
		}
	}
	return out
}

// Recording reports whether something that an owner decides about records without
// stopping: the admin, the firewall, or a policy.
func (f force) Recording() bool {
	return f.Admin.State == AdminRecorded || f.Firewall == gateway.WAFShadow || len(f.policies(policy.Shadow)) > 0
}

// Chosen reports whether the owner chose to record first. Some policies come in
// shadow, so they alone are no such choice.
func (f force) Chosen() bool {
	return f.Admin.State == AdminRecorded || f.Firewall == gateway.WAFShadow
}

// forceMatters are what of it leaves a shop open. It is pure.
func forceMatters(f force) (ms []matter) {
	if f.Admin.State == AdminOpen && !f.Shut {
		ms = append(ms, matter{Key: "admin-open", Tone: ui.Calm, Title: f.Admin.Says(),
			Why: noren.Text{Ja: "本社や自宅からだけにすると、盗まれたパスワードでも入れません。", En: "Opened from the office and home only, a stolen password is of no use."},
			Do:  deed{noren.Text{Ja: "場所を登録する", En: "Name your places"}, sitePath(f.Site, "/places")}})
	}
	if f.Firewall == gateway.WAFOff {
		ms = append(ms, matter{Key: "firewall-off", Tone: ui.Check, Title: FirewallSays(f.Firewall),
			Why: noren.Text{Ja: "攻撃の文字列が、そのままお店に届きます。", En: "Attacks reach the shop as they are."},
			Do:  deed{noren.Text{Ja: "直し方を見る", En: "See how to mend it"}, sitePath(f.Site, "/setup/guard")}})
	}
	return ms
}

// live puts what is in force now into a finding of the last check, which may be
// hours old: the page must not say both. It is pure.
func (f force) live(x Finding) Finding {
	var l forceLine
	switch x.Key {
	case "who may enter":
		l = f.Lines()[1]
	case "firewall":
		l = f.Lines()[0]
	default:
		return x
	}
	if x.Says != l.Says {
		x.Says, x.Mend, x.Lines, x.Tone = l.Says, noren.Text{}, "", ui.Check
		if l.Badge.Tone == ui.Good {
			x.Tone = ui.Good
		}
	}
	return x
}

// records reports whether a condition of the list of measures fails only because
// something records without stopping yet. It is pure.
func (f force) records(check string) bool {
	switch check {
	case "admin_closed":
		return f.Admin.State == AdminRecorded
	case "waf_on":
		return f.Firewall == gateway.WAFShadow
	}
	return false
}

// missing is what is left to set up for a condition, as things stand.
func (f force) missing(check string, what noren.Text) noren.Text {
	if f.records(check) {
		return noren.Text{Ja: "いまは記録だけです。「止める」への切り替え", En: "it records only; the step to stopping"}
	}
	return what
}

// Enough days of record make the step to stopping worth proposing.
const recordedEnough = 3

// stoppingMatter proposes to go from recording to stopping; ok is false when there
// is nothing to go to. days is how many days of record there are. It is pure.
func stoppingMatter(f force, w wouldStop, days int) (m matter, ok bool) {
	if !f.Chosen() {
		return m, false
	}
	ja, en := ui.Words{Lang: "ja"}, ui.Words{Lang: "en"}
	m = matter{Key: "stopping", Tone: ui.Calm, Title: noren.Text{Ja: "いまは記録だけです。様子を見て「止める」へ", En: "Recording only; go on to stopping when you have seen enough"},
		Why: w.Says(), Do: deed{noren.Text{Ja: "くわしく見る", En: "Look closer"}, sitePath(f.Site, "/stopping")}}
	if days >= recordedEnough {
		m.Tone = ui.Check
		m.Title = noren.Text{Ja: "記録が" + ja.Number(days) + "日ぶんたまりました。「止める」へ進めます", En: en.Number(days) + " days are recorded: you can go on to stopping"}
	}
	return m, true
}

// wouldStop is what would have been stopped, had all that records stopped.
type wouldStop struct {
	Counting bool
	Known    bool // counted at least once
	AtLeast  bool
	Since    noren.Time
	N        int64 // admin and firewall together
	Buyers   int
	Sales    bool // whether visitors bought can be told
}

// Says is it in a sentence.
func (w wouldStop) Says() noren.Text {
	words := ui.Words{}
	switch {
	case !w.Known:
		return noren.Text{Ja: "止めるに切り替えたら何件止まったはずかを、数えています。", En: "What stopping would have stopped is being counted."}
	case w.N == 0:
		return fill("過去%s日に、止まったはずの通信はありません。", "In the last %s days nothing would have been stopped.", words.Number(censusDays))
	}
	more := noren.Text{}
	if w.AtLeast {
		more = noren.Text{Ja: "以上", En: " or more"}
	}
	return fill("「止める」なら、過去%s日に%s件%sが止まったはずです。", "Stopping would have stopped %[2]s%[3]s requests in the last %[1]s days.", words.Number(censusDays), words.Number(w.N), more)
}

// daysRecorded counts the days of a site's record up to now, censusDays at most. It
// is pure.
func daysRecorded(first, now time.Time) int {
	if first.IsZero() || first.After(now) {
		return 0
	}
	return min(int(now.Sub(first).Hours()/24), censusDays)
}
