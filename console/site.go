package console

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/staff"
)

// siteView is サイト: how the shop, its servers and its certificates are.
type siteView struct {
	Site     gateway.Site
	Title    noren.Text // of the preset
	Standing Standing
	Servers  []serverRow
	Certs    []certRow
	Mode     gateway.ModeInfo
	WAF      ui.Badge
	Knows    []known
	Check    *Checkup
	Grade    string // of TLS, by the last check
	May      bool   // start a check
	Once     string
	Stale    bool // nodes work by different versions
	Force    force
	Letter   letter
}

type serverRow struct {
	gateway.ServerStatus
	Badge ui.Badge
}

type certRow struct {
	gateway.CertificateStatus
	Days  int
	Badge ui.Badge
}

// known is one thing that the map of the shop knows, or does not.
type known struct {
	Zone     noren.Zone
	Name     noren.Text
	Short    string // the first pattern, in short
	Patterns []string
	Needed   bool // a shop without it is guarded less
	Guess    bool // by where most shops have it
}

func (c *Console) sitePage(v *visit) error {
	s, err := c.siteOf(v.site)
	if err != nil {
		return err
	}
	now := time.Now()
	p := siteView{Site: s, May: v.may(staff.Act), Once: newForm(), WAF: firewallBadge(s.WAF), Force: c.forceOf(v.site), Mode: modeInfo(c.o.Modes.Of(v.site, now).Mode)}
	p.Check = c.lastCheck(v.site)
	if p.Check != nil {
		for _, f := range p.Check.Findings {
			p.Grade = cmp.Or(p.Grade, f.Grade)
		}
	}
	if v.asked("checkup") {
		return v.part("site", "checkup", v.frame(p))
	}
	preset, err := gateway.LookupPreset(s.Preset)
	if err != nil {
		return err
	}
	p.Title, p.Knows = preset.Title, knows(s, preset)
	for _, one := range c.o.Gateway.Servers(v.site) {
		p.Servers = append(p.Servers, serverRow{one, serverBadge(one.State)})
	}
	for _, one := range c.o.Gateway.Certificates(v.site) {
		p.Certs = append(p.Certs, certificateRow(one, now))
	}
	if c.o.House != nil {
		if p.Standing, err = c.o.House.Standing(v.r.Context(), v.site); err != nil {
			return err
		}
		state, err := c.setupState(v.r.Context(), v.site)
		if err != nil {
			return err
		}
		p.Letter = v.letter(&state)
		p.Stale = slices.ContainsFunc(p.Standing.Nodes, func(n Node) bool { return n.Settings != p.Standing.Settings })
	}
	return v.page("site", p)
}

func (c *Console) lastCheck(site string) *Checkup {
	if c.o.Checks == nil {
		return nil
	}
	k, ok := c.o.Checks.Last(site)
	if !ok {
		return nil
	}
	f := c.forceOf(site)
	k.Findings = slices.Clone(k.Findings)
	for i := range k.Findings {
		k.Findings[i] = f.live(k.Findings[i])
	}
	return &k
}

// startCheck begins to look, in the background.
func (c *Console) startCheck(v *visit) error {
	if c.o.Checks == nil {
		return noren.Errorf(noren.Unavailable, "nobody here can look")
	}
	if !v.again() {
		c.o.Checks.Begin(v.site)
	}
	return v.redirect(v.path("/site#check"), "")
}

func modeInfo(m gateway.Mode) gateway.ModeInfo {
	all := gateway.Modes()
	return all[max(slices.IndexFunc(all, func(i gateway.ModeInfo) bool { return i.Mode == m }), 0)]
}

func firewallBadge(m gateway.WAFMode) ui.Badge {
	switch m {
	case gateway.WAFShadow:
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "記録だけ", En: "records only"}}
	case gateway.WAFOff:
		return ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "切", En: "off"}}
	}
	return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "止めています", En: "stops attacks"}}
}

func serverBadge(state string) ui.Badge {
	switch state {
	case "up":
		return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "応答しています", En: "answers"}}
	case "unwell":
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "調子が悪い", En: "unwell"}}
	}
	return ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "応答なし", En: "no answer"}}
}

// certificateRow says how many days a certificate has left. It is pure.
func certificateRow(s gateway.CertificateStatus, now time.Time) certRow {
	r := certRow{CertificateStatus: s, Days: int(s.NotAfter.Sub(now).Hours() / 24)}
	soon := certSoon
	if s.ACME {
		soon = certSoonACME
	}
	switch {
	case s.NotAfter.IsZero():
		r.Badge = ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "ありません", En: "none"}}
	case s.NotAfter.Before(now):
		r.Badge = ui.Badge{Tone: ui.Alert, Text: noren.Text{Ja: "切れています", En: "over"}}
	case r.Days < soon:
		r.Badge = ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "まもなく切れます", En: "ends soon"}}
	default:
		r.Badge = ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "有効", En: "valid"}}
	}
	return r
}

// knows is what the map of a shop knows, in the order a customer walks through it.
// It is pure.
func knows(s gateway.Site, preset gateway.Preset) (out []known) {
	admin := cmp.Or(s.AdminPrefix, preset.AdminPrefix)
	for _, k := range []struct {
		zone   noren.Zone
		ja, en string
		needed bool
	}{
		{noren.ZoneLogin, "お客様がログインする所", "Where customers sign in", true},
		{noren.ZoneSignup, "会員登録", "Sign-up", false},
		{noren.ZoneReset, "パスワードの再設定", "Password reset", false},
		{noren.ZoneCart, "カート", "Cart", false},
		{noren.ZoneCheckout, "お支払いの手続き", "Checkout", true},
		{noren.ZoneCardAdd, "カードの登録", "Adding a card", false},
		{noren.ZoneCallback, "決済会社からの知らせ", "Calls from the payment provider", false},
		{noren.ZoneContact, "お問い合わせ", "Contact form", false},
		{noren.ZoneAdmin, "管理画面", "The admin", true},
		{noren.ZoneAdminLogin, "管理画面のログイン", "The admin's sign-in", false},
		{noren.ZoneExport, "お客様の情報の書き出し", "Export of customers' data", false},
	} {
		one := known{Zone: k.zone, Name: noren.Text{Ja: k.ja, En: k.en}, Needed: k.needed}
		for _, p := range slices.Concat(s.Zones[k.zone], preset.Zones[k.zone]) {
			one.Patterns = append(one.Patterns, strings.ReplaceAll(p, "{admin}", admin))
		}
		one.Short = shortPattern(one.Patterns)
		one.Guess = cmp.Or(s.Preset, "generic") == "generic" && len(s.Zones[k.zone]) == 0
		out = append(out, one)
	}
	return out
}

// shortPattern is the first pattern as people write a page of a shop.
func shortPattern(patterns []string) string {
	for _, p := range patterns {
		if strings.HasPrefix(p, "!") {
			continue
		}
		if i := strings.IndexByte(p, '/'); i > 0 {
			p = p[i:]
		}
		path, _, _ := strings.Cut(p, "?")
		if path = strings.TrimSuffix(path, "*"); len(path) > 1 {
			path = strings.TrimSuffix(path, "/")
		}
		return path
	}
	return ""
}
