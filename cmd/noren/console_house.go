package main

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console"
	"noren/gateway"
	"noren/policy"
	"noren/settings"
)

// house answers what the console's pages ask about this machine and its set-up.
type house struct {
	in    *instance
	apply func(ctx context.Context) // takes new settings at once; the watch would within a second
}

// Standing implements console.House.
func (h house) Standing(ctx context.Context, site string) (s console.Standing, err error) {
	in := h.in
	cfg := in.present()
	s = console.Standing{
		File: in.file, HTTP: in.cfg.Listen.HTTP, HTTPS: in.cfg.Listen.HTTPS, HTTP3: in.cfg.Listen.HTTP3, ACME: cfg.ACME != nil,
		Data: dataFiles(&cfg.Lookup), Settings: in.rulesHash(), Files: in.settings.Mode() == settings.Files,
	}
	if cfg.Mail != nil {
		s.Mail = cfg.Mail.Server
	}
	for _, k := range cfg.Hooks {
		s.Hooks = append(s.Hooks, k.Name)
	}
	if in.file != "" {
		if disk, err := loadConfig(in.file); err != nil {
			s.Broken = err.Error()
		} else {
			s.NotYet = notYet(in.cfg, disk)
		}
	}
	in.mu.Lock()
	s.Rules = rulesOfSite(in.rules.notify, site)
	for _, p := range in.rules.policies.For(site).Policies() {
		switch p.Mode {
		case policy.On:
			s.PoliciesOn++
		case policy.Shadow:
			s.PoliciesShadow++
		}
	}
	in.mu.Unlock()
	s.NotifyAt = notifyFile
	if set, err := in.settings.Current(ctx); err == nil {
		s.NotifyAt = fileOf(set, site, notifyFile)
	}
	s.Nodes, err = h.nodes(ctx)
	return s, err
}

func (h house) nodes(ctx context.Context) (out []console.Node, err error) {
	all, err := h.in.loop.Nodes(ctx)
	for _, n := range all {
		out = append(out, console.Node{Name: n.Name, Seen: n.Seen, Settings: n.Settings, Here: n.Name == h.in.node})
	}
	return out, err
}

// dataFiles are the operator's data about addresses, with what each would bring.
func dataFiles(l *LookupConfig) []console.DataFile {
	t := func(ja, en string) noren.Text { return noren.Text{Ja: ja, En: en} }
	return []console.DataFile{
		{Key: "country", File: l.Country, Name: t("国", "countries"), Gives: t("海外からの通信を見分け、非常時に「海外遮断」を使えます。", "Visits from abroad are told apart, and the emergency switch for them works.")},
		{Key: "asn", File: l.ASN, Name: t("ネットワークの持ち主", "networks' owners"), Gives: t("どの会社の回線から来たかが、アドレスの横に出ます。", "The company whose line a visitor uses stands beside the address.")},
		{Key: "datacentre", File: l.Datacentre, Name: t("データセンター", "data centres"), Gives: t("借りたサーバーから機械で来る通信を、お客様と見分けます。", "Machines on rented servers are told from customers.")},
		{Key: "tor", File: l.Tor, Name: t("Tor", "Tor"), Gives: t("身元を隠す通信網から来た相手を見分けます。", "Visitors who hide behind Tor are told apart.")},
		{Key: "mobile", File: l.Mobile, Name: t("携帯電話の回線", "mobile carriers"), Gives: t("大勢のお客様が1つのアドレスを使う回線を、止めすぎません。", "Addresses shared by very many customers are handled with care.")},
	}
}

// Detect implements console.House.
func (h house) Detect(ctx context.Context, site string) (gateway.Detected, error) {
	cfg := h.in.present()
	i := slices.IndexFunc(cfg.Sites, func(s gateway.Site) bool { return s.Name == site })
	if i < 0 {
		return gateway.Detected{}, noren.Errorf(noren.NotFound, "no site %s", site)
	}
	secrets, err := originSecrets(cfg.Sites, h.in.getenv)
	if err != nil {
		return gateway.Detected{}, err
	}
	return gateway.Detect(ctx, &cfg.Sites[i], secrets[site])
}

// Settled implements console.House.
func (h house) Settled(ctx context.Context, site string) (map[string]noren.Time, error) {
	return h.in.settings.Settled(ctx, site)
}

// Settle implements console.House.
func (h house) Settle(ctx context.Context, site, step, author string, on bool) error {
	return h.in.settings.Settle(ctx, site, step, author, on)
}

// Rules implements console.Gate.
func (h house) Rules(site string) gateway.AccessRules { return h.in.accessNow().of(site) }

// ShutsOut implements console.Gate.
func (h house) ShutsOut(site string, addr netip.Addr, name string, as *gateway.NamedPlace) noren.Text {
	after := h.in.withPlace(site, name, as)
	return h.shuts(site, addr, after)
}

func (h house) shuts(site string, addr netip.Addr, after entry) noren.Text {
	ours := func(all []refusal) []refusal {
		return slices.DeleteFunc(all, func(r refusal) bool { return r.site != site })
	}
	r, out := newRefusal(ours(h.in.refusals(h.in.entry(), addr)), ours(h.in.refusals(after, addr)))
	if !out {
		return noren.Text{}
	}
	ja, en := zoneWords(r.zone)
	return noren.Text{Ja: addr.String() + " から「" + ja + "」に入れなくなります。", En: addr.String() + " could no longer enter: " + en + "."}
}

// zoneWords names zones, written with commas, for people.
func zoneWords(zones string) (ja, en string) {
	var jas, ens []string
	for z := range strings.SplitSeq(zones, ", ") {
		info, ok := noren.Zone(z).Info()
		if !ok {
			info.Meaning = noren.Text{Ja: "お店のすべて", En: z}
		}
		jas, ens = append(jas, info.Meaning.Ja), append(ens, info.Meaning.En)
	}
	return strings.Join(jas, "・"), strings.Join(ens, ", ")
}

// KeepAdmin implements console.Gate.
func (h house) KeepAdmin(ctx context.Context, site string, places []string, shadow bool, author, reason string) (func(context.Context, string) error, error) {
	return h.edit(ctx, site, accessFile, func(text string) (string, error) {
		return withStaffRule(text, places, shadow)
	}, author, reason)
}

// staffRule is the name of the rule that the console writes.
const staffRule = "staff_area"

// withStaffRule adds the rule that keeps the admin for places to a file of access
// rules, or puts it in the place of the one the console wrote before. Rules that
// people wrote stay as they are: a file that has others is left to them.
func withStaffRule(text string, places []string, shadow bool) (string, error) {
	rules, err := gateway.ParseAccess(accessFile, []byte(text))
	if err != nil && text != "" {
		return "", err
	}
	for _, r := range rules {
		if !writtenHere(&r) {
			return "", noren.WithText(noren.Errorf(noren.Conflict, "access.yaml has the rule %s already", r.Name), noren.Text{
				Ja: "入れる人の規則（" + r.Name + "）がすでに書かれています。画面から重ねては書きません。noren settings export で取り出して直してください。",
				En: "There is a rule of your own already (" + r.Name + "). Edit access.yaml (noren settings export) instead."})
		}
	}
	var quoted []string
	for _, p := range places {
		if err := gateway.ValidPlaceName(p); err != nil {
			return "", err
		}
		quoted = append(quoted, yamlText(p))
	}
	mode := ""
	if shadow {
		mode = "    mode: shadow\n"
	}
	head, _, _ := strings.Cut(text, "\nversion:")
	if !strings.HasPrefix(head, "#") {
		head = "# Who may enter (docs/operate/access.md)."
	}
	out := head + "\nversion: 1\nrules:\n  - name: " + staffRule + "\n    zones: [staff]\n    allow: {places: [" + strings.Join(quoted, ", ") + "]}\n" + mode +
		"    reason: {ja: 管理画面は登録した場所からだけ, en: the admin from named places only}\n"
	_, err = gateway.ParseAccess(accessFile, []byte(out))
	return out, err
}

// writtenHere reports whether a rule is as the console writes it.
func writtenHere(r *gateway.AccessRule) bool {
	return r.Name == staffRule && r.Allow != nil && len(r.Methods) == 0 && r.Until.IsZero() &&
		len(r.Allow.Networks)+len(r.Allow.Countries)+len(r.Allow.ASNs) == 0
}

// edit is editFile with the change in force when it returns.
func (h house) edit(ctx context.Context, site, kind string, change func(string) (string, error), author, reason string) (func(context.Context, string) error, error) {
	back, err := h.in.editFile(ctx, site, kind, change, author, reason)
	if err != nil {
		return nil, err
	}
	h.apply(ctx)
	return func(ctx context.Context, author string) error {
		defer h.apply(ctx)
		return back(ctx, author)
	}, nil
}

// yamlText writes a text between double quotes, which YAML reads as JSON does.
func yamlText(s string) string {
	b, err := jsonText(s)
	if err != nil {
		return `""`
	}
	return b
}

// closedBy is what decides who gets in when the admin is kept for places.
func (h house) closedBy(site string, places []string) (entry, error) {
	after := h.in.entry()
	text, err := withStaffRule("", places, false)
	if err != nil {
		return after, err
	}
	rules, err := gateway.ParseAccess(accessFile, []byte(text))
	if err != nil {
		return after, err
	}
	access := accessBySite{"": after.access[""], site: rules}
	for s, r := range after.access {
		if s != site {
			access[s] = r
		}
	}
	after.access = access
	return after, nil
}

// ClosesOn implements console.Gate.
func (h house) ClosesOn(site string, addr netip.Addr, places []string) noren.Text {
	after, err := h.closedBy(site, places)
	if err != nil {
		return noren.Text{}
	}
	return h.shuts(site, addr, after)
}

// setupWithin bounds what a page waits for.
const setupWithin = 10 * time.Second
