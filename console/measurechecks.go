package console

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/gateway"
	"noren/staff"
)

// Condition reports whether a site has what a measure needs. An error means that
// it cannot be told right now.
type Condition func(ctx context.Context, site string) (bool, error)

// errNotAsked is the error of a condition that nobody can be asked about here.
var errNotAsked = errors.New("nobody here can be asked")

// condition is one that measures.yaml may name under check, and what has to be set
// up for it.
type condition struct {
	ask  Condition
	what noren.Text
}

// conditions are all, by name.
func (c *Console) conditions() map[string]condition {
	return map[string]condition{
		"admin_closed":        {c.wired("admin_closed"), noren.Text{Ja: "管理画面に入れる場所", En: "where the admin may be entered from"}},
		"certificate":         {c.hasCertificate, noren.Text{Ja: "https の証明書", En: "a certificate"}},
		"waf_on":              {c.stopsAttacks, noren.Text{Ja: "WAF を「止める」にする", En: "the firewall set to stop"}},
		"login_known":         {c.knowsLogin, noren.Text{Ja: "ログインの場所", En: "where customers sign in"}},
		"login_enforced":      {c.wired("login_enforced"), noren.Text{Ja: "ログインの方針を「止める」にする", En: "policies for sign-ins switched on"}},
		"payments_known":      {c.knowsPayments, noren.Text{Ja: "お支払いの見分け方", En: "what a payment looks like"}},
		"payment_enforced":    {c.wired("payment_enforced"), noren.Text{Ja: "お支払いの方針を「止める」にする", En: "policies for payments switched on"}},
		"breakin_enforced":    {c.wired("breakin_enforced"), noren.Text{Ja: "侵入の方針を「止める」にする", En: "policies against break-ins switched on"}},
		"card_stop":           {c.canSwitch(gateway.SwitchCard), noren.Text{Ja: "カード決済の見分け方", En: "what a card payment looks like"}},
		"login_stop":          {c.canSwitch(gateway.SwitchLogin), noren.Text{Ja: "ログインの場所", En: "where customers sign in"}},
		"admin_stop":          {c.canSwitch(gateway.SwitchAdmin), noren.Text{Ja: "管理画面の場所", En: "where the admin is"}},
		"country_data":        {c.canSwitch(gateway.SwitchOverseas), noren.Text{Ja: "国を調べるデータ", En: "data about countries"}},
		"checkpoints_outside": {c.checkpointsLeave, noren.Text{Ja: "記録の控えを機械の外へ出す", En: "copies of the record's signatures outside"}},
		"recovery_sheet":      {c.sheetPrintedOnce, noren.Text{Ja: "復旧用紙の印刷", En: "printing the recovery sheet"}},
		"second_owner":        {c.hasSecondOwner, noren.Text{Ja: "二人目のオーナー", En: "a second owner"}},
		"spare_server":        {c.hasSpareServer, noren.Text{Ja: "予備のサーバー", En: "a spare server"}},
		"someone_told":        {c.tellsSomebody, noren.Text{Ja: "警報の送り先", En: "who is told of alarms"}},
		"someone_next":        {c.wired("someone_next"), noren.Text{Ja: "次に知らせる人", En: "who is asked next"}},
		"alarm_hook":          {c.wired("alarm_hook"), noren.Text{Ja: "監視会社の受け口", En: "where their systems take alarms"}},
	}
}

// wired is a condition that only the wired program can tell (Options.Conditions).
func (c *Console) wired(name string) Condition {
	if f := c.o.Conditions[name]; f != nil {
		return f
	}
	return func(context.Context, string) (bool, error) { return false, errNotAsked }
}

// siteOf is a site as it is in force.
func (c *Console) siteOf(name string) (gateway.Site, error) {
	sites := c.o.Sites()
	i := slices.IndexFunc(sites, func(s gateway.Site) bool { return s.Name == name })
	if i < 0 {
		return gateway.Site{}, noren.Errorf(noren.NotFound, "no site %q", name)
	}
	return sites[i], nil
}

// hasCertificate: where a proxy in front speaks TLS its certificate is not seen
// from here.
func (c *Console) hasCertificate(_ context.Context, site string) (bool, error) {
	s, err := c.siteOf(site)
	if err != nil {
		return false, err
	}
	if s.TLS == nil {
		if len(s.TrustedProxies) > 0 {
			return false, errNotAsked
		}
		return false, nil
	}
	certs := c.o.Gateway.Certificates(site)
	if len(certs) == 0 {
		return false, errNotAsked // every host, by one certificate
	}
	now := time.Now()
	return !slices.ContainsFunc(certs, func(s gateway.CertificateStatus) bool { return s.NotAfter.Before(now) }), nil
}

func (c *Console) stopsAttacks(_ context.Context, site string) (bool, error) {
	s, err := c.siteOf(site)
	return err == nil && (s.WAF == "" || s.WAF == gateway.WAFOn), err
}

// guards are what is known of a site's sign-in and payments.
func (c *Console) guards(site string) (own, preset gateway.GuardConfig, err error) {
	s, err := c.siteOf(site)
	if err != nil {
		return own, preset, err
	}
	p, err := gateway.LookupPreset(s.Preset)
	return s.Guard, p.Guard, err
}

func (c *Console) knowsLogin(_ context.Context, site string) (bool, error) {
	own, preset, err := c.guards(site)
	return len(own.Login)+len(preset.Login) > 0, err
}

func (c *Console) knowsPayments(_ context.Context, site string) (bool, error) {
	own, preset, err := c.guards(site)
	return len(own.Payment)+len(preset.Payment) > 0, err
}

// canSwitch reports whether an emergency switch has what it needs.
func (c *Console) canSwitch(s gateway.Switch) Condition {
	return func(_ context.Context, site string) (bool, error) {
		if c.o.Emergency == nil {
			return false, errNotAsked
		}
		ok, _ := c.o.Emergency.Can(site, s)
		return ok, nil
	}
}

func (c *Console) sheetPrintedOnce(ctx context.Context, _ string) (bool, error) {
	_, missing, err := c.o.Sheet(ctx)
	return !missing, err
}

func (c *Console) hasSecondOwner(ctx context.Context, _ string) (bool, error) {
	people, err := c.o.Staff.People(ctx)
	owners := 0
	for _, p := range people {
		if p.Roles[staff.AllSites] == staff.Owner {
			owners++
		}
	}
	return owners > 1, err
}

func (c *Console) tellsSomebody(_ context.Context, site string) (bool, error) {
	if c.o.Untold == nil {
		return false, errNotAsked
	}
	return !c.o.Untold(site), nil
}

// checkpointsLeave: a place that is named and has taken nothing yet may be a
// minute old, or wrong.
func (c *Console) checkpointsLeave(ctx context.Context, site string) (bool, error) {
	all, err := c.o.Journal.Standings(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		switch {
		case len(s.Outside) == 0:
			return false, nil // the same for every log
		case s.Log == site && s.LastOut != nil:
			return true, nil
		}
	}
	return false, errNotAsked
}

func (c *Console) hasSpareServer(_ context.Context, site string) (bool, error) {
	return len(c.o.Gateway.Servers(site)) > 1, nil
}

// refText is a guideline item in words; empty for one that is not on the lists.
func refText(ref string) noren.Text {
	of, number, _ := strings.Cut(ref, "-")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 1 || strconv.Itoa(n) != number:
	case of == "ipa" && n <= 14:
		return noren.Text{Ja: "IPA 構築時 " + number, En: "IPA, building " + number}
	case of == "card" && n <= 5:
		return noren.Text{Ja: "カード 脆弱性対策 " + number, En: "Card, weak spots " + number}
	}
	return noren.Text{}
}
