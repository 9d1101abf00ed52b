package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"noren"
	"noren/notify"
	"noren/settings"
	"noren/yamlfile"
)

// MailConfig is the server that takes Noren's mail.
type MailConfig struct {
	Server   string         `yaml:"server" json:"server" jsonschema:"description=Host and port such as smtp.example.jp:587"`
	From     string         `yaml:"from" json:"from" jsonschema:"description=Sender: an address your provider lets you send from"`
	TLS      string         `yaml:"tls" json:"tls,omitempty" jsonschema:"enum=starttls,enum=tls,enum=none,description=tls at port 465 and starttls elsewhere when left out; none on this machine alone"`
	User     string         `yaml:"user" json:"user,omitempty" jsonschema:"description=Name to sign in with; none when left out"`
	Password string         `yaml:"password" json:"password,omitempty" jsonschema:"description=Reference to its password: file:PATH or env:NAME"`
	Allow    []netip.Prefix `yaml:"allow" json:"allow,omitempty" jsonschema:"description=Networks of your own that the server's name may lead to"`
}

// HookConfig is a webhook.
type HookConfig struct {
	Name   string         `yaml:"name" json:"name" jsonschema:"description=What notify.yaml calls it"`
	Kind   string         `yaml:"kind" json:"kind" jsonschema:"enum=slack,enum=json,description=slack: for Slack and what reads its webhooks (Mattermost\\, Rocket.Chat\\, Discord with /slack); json: Noren's own\\, signed"`
	URL    string         `yaml:"url" json:"url" jsonschema:"description=Reference to its address\\, which is a secret: file:PATH or env:NAME"`
	Secret string         `yaml:"secret" json:"secret,omitempty" jsonschema:"description=Reference to the secret that signs kind json: file:PATH or env:NAME"`
	Allow  []netip.Prefix `yaml:"allow" json:"allow,omitempty" jsonschema:"description=Networks of your own that may be called"`
}

// Kinds of hooks.
const (
	hookSlack = "slack"
	hookJSON  = "json"
)

// fillNotify makes paths of references absolute.
func (c *Config) fillNotify() {
	for _, ref := range c.notifyRefs() {
		if file, ok := strings.CutPrefix(*ref, "file:"); ok {
			*ref = "file:" + c.path(file)
		}
	}
}

// notifyRefs are the secrets of the ways to reach people.
func (c *Config) notifyRefs() (refs []*string) {
	if c.Mail != nil {
		refs = append(refs, &c.Mail.Password)
	}
	for i := range c.Hooks {
		refs = append(refs, &c.Hooks[i].URL, &c.Hooks[i].Secret)
	}
	return refs
}

// notifySecrets are the files whose change is taken over.
func (c *Config) notifySecrets() (files []string) {
	for _, ref := range c.notifyRefs() {
		if file, ok := strings.CutPrefix(*ref, "file:"); ok {
			files = append(files, file)
		}
	}
	return files
}

// validNotify reports every fault of mail and hooks, without reading a secret.
func (c *Config) validNotify(doc *yamlfile.Doc) (errs []error) {
	fault := func(at []any, format string, args ...any) {
		errs = append(errs, doc.Fault(fmt.Sprintf(format, args...), at...))
	}
	if m := c.Mail; m != nil {
		if m.Password != "" && !isReference(m.Password) {
			fault([]any{"mail", "password"}, "password is a secret: keep it in a file and write file:PATH, or env:NAME")
		}
		o := m.options("")
		if o.Password = ""; m.Password != "" {
			o.Password = "not read yet"
		}
		if _, err := notify.NewMail(o); err != nil {
			fault([]any{"mail"}, "%v", err)
		}
	}
	seen := map[string]bool{}
	for i, h := range c.Hooks {
		at := []any{"hooks", i}
		if !noren.ValidName(h.Name) || seen[h.Name] {
			fault(at, "hook name %q is taken, or not lower-case letters, digits, _ and -", h.Name)
		}
		seen[h.Name] = true
		if h.Kind != hookSlack && h.Kind != hookJSON {
			fault(at, "kind %q of hook %s is neither slack nor json", h.Kind, h.Name)
		}
		if !isReference(h.URL) {
			fault(at, "the url of hook %s is a secret: keep it in a file and write file:PATH, or env:NAME", h.Name)
		}
		if h.Secret != "" && !isReference(h.Secret) {
			fault(at, "the secret of hook %s is one: keep it in a file and write file:PATH, or env:NAME", h.Name)
		}
		if h.Secret != "" && h.Kind == hookSlack {
			fault(at, "hook %s of kind slack is not signed; take secret out", h.Name)
		}
	}
	return errs
}

func isReference(s string) bool { return strings.HasPrefix(s, "file:") || strings.HasPrefix(s, "env:") }

func (m *MailConfig) options(password string) notify.MailOptions {
	return notify.MailOptions{Server: m.Server, TLS: m.TLS, User: m.User, Password: password, From: m.From, Allow: m.Allow}
}

// notifySetup reads the secrets. A way whose secret cannot be read is broken: its
// messages wait and are tried again, and the other ways go on.
func (c *Config) notifySetup(rules map[string]*notify.Rules, getenv func(string) string) (notify.Setup, error) {
	s := notify.Setup{Rules: rules, Hooks: map[string]*notify.Hook{}, Broken: map[string]error{}}
	var errs []error
	if c.Mail != nil {
		var err error
		if s.Mail, err = c.Mail.open(getenv); err != nil {
			s.Broken[notify.MailServer] = err
			errs = append(errs, err)
		}
	}
	for _, h := range c.Hooks {
		hook, err := h.open(getenv)
		if err != nil {
			s.Broken[h.Name] = err
			errs = append(errs, err)
			continue
		}
		s.Hooks[h.Name] = hook
	}
	return s, errors.Join(errs...)
}

func (m *MailConfig) open(getenv func(string) string) (*notify.Mail, error) {
	password, err := secretRef(m.Password, getenv)
	if err != nil {
		return nil, fmt.Errorf("mail password: %w", err)
	}
	return notify.NewMail(m.options(password))
}

func (h *HookConfig) open(getenv func(string) string) (*notify.Hook, error) {
	url, err := secretRef(h.URL, getenv)
	if err != nil {
		return nil, fmt.Errorf("url of hook %s: %w", h.Name, err)
	}
	secret, err := secretRef(h.Secret, getenv)
	if err != nil {
		return nil, fmt.Errorf("secret of hook %s: %w", h.Name, err)
	}
	return notify.NewHook(notify.HookOptions{Name: h.Name, Chat: h.Kind == hookSlack, URL: url, Secret: secret, Allow: h.Allow})
}

// readNotify reads who is told in a set. A set without it tells nobody.
func readNotify(set settings.Set, sites []string) (map[string]*notify.Rules, error) {
	out, errs := map[string]*notify.Rules{}, []error{}
	for _, site := range append([]string{""}, sites...) {
		name := notifyFile
		if site != "" {
			name = sitesDir + site + "/" + notifyFile
		}
		text, ok := set[name]
		if !ok {
			continue
		}
		rules, err := notify.Parse(name, []byte(text))
		errs = append(errs, err)
		out[site] = rules
	}
	return out, errors.Join(errs...)
}

// rulesOfSite are a site's own rules, or the shared ones; nil when there are none.
func rulesOfSite(rules map[string]*notify.Rules, site string) *notify.Rules {
	if own := rules[site]; own != nil {
		return own
	}
	return rules[""]
}

// toldOf lists the sites, and "" for Noren itself where sites have receivers of
// their own: troubles of the machine go to those of the shared notify.yaml.
func (c *Config) toldOf(rules map[string]*notify.Rules) []string {
	sites := c.siteNames()
	for _, s := range sites {
		if rules[s] != nil {
			return append(slices.Clone(sites), "")
		}
	}
	return sites
}

// untold says what keeps people of a site from being told: nobody is named, or the
// way to them is not configured. "" when all is well.
func (c *Config) untold(rules map[string]*notify.Rules, site string) (what, hint noren.Text) {
	r := rulesOfSite(rules, site)
	if r == nil || len(r.Receivers) == 0 {
		return noren.Text{Ja: "何かあっても、だれにも知らせません", En: "nobody is told when something happens"},
			noren.Text{Ja: "notify.yaml に知らせる相手を、noren.yaml に届け方を書いてください（docs/operate/notify.md）", En: "name receivers in notify.yaml and the way to them in noren.yaml (docs/operate/notify.md)"}
	}
	if missing := r.Untold(); len(missing) > 0 {
		var ja, en []string
		for _, s := range missing {
			ja, en = append(ja, "「"+s.Words().Ja+"」"), append(en, s.String())
		}
		return noren.Text{Ja: strings.Join(ja, "") + "の知らせを受け取る人がいません", En: "nobody is told of " + strings.Join(en, " and ") + " notices"},
			noren.Text{Ja: "notify.yaml の tell: に、知らせる相手を書いてください（docs/operate/notify.md）", En: "name receivers under tell: in notify.yaml (docs/operate/notify.md)"}
	}
	return noren.Text{}, noren.Text{}
}

// unreachable are the receivers whose way noren.yaml does not have.
func (c *Config) unreachable(rules map[string]*notify.Rules, site string) error {
	r := rulesOfSite(rules, site)
	if r == nil {
		return nil
	}
	var errs []error
	for _, x := range r.Receivers {
		if x.Mail != "" && c.Mail == nil {
			err := noren.WithHint(noren.Errorf(noren.Invalid, "receiver %s is told by mail, and no mail server is configured", x.Name),
				"add mail: to noren.yaml (docs/operate/notify.md)")
			errs = append(errs, noren.WithText(err, noren.Text{Ja: x.Name + " にはメールで知らせますが、メールサーバーの設定がありません", En: err.Error()}))
		}
		if x.Hook != "" && !slices.ContainsFunc(c.Hooks, func(h HookConfig) bool { return h.Name == x.Hook }) {
			err := noren.WithHint(noren.Errorf(noren.Invalid, "receiver %s is told by the hook %s, which noren.yaml does not have", x.Name, x.Hook),
				"add it under hooks: in noren.yaml (docs/operate/notify.md)")
			errs = append(errs, noren.WithText(err, noren.Text{Ja: x.Name + " には " + x.Hook + " で知らせますが、それが noren.yaml にありません", En: err.Error()}))
		}
	}
	return errors.Join(errs...)
}

// checkNotify tells who is told of what, and what is missing.
func checkNotify(fs *findings, set settings.Set, cfg *Config, getenv func(string) string) {
	rules, err := readNotify(set, cfg.siteNames())
	if err != nil {
		return // reported with the settings
	}
	ways := ofMachine("ways to people", "人への届け方", "Ways to people")
	setup, err := cfg.notifySetup(rules, getenv)
	if err != nil {
		fs.fault(ways, err, "メールなどの合言葉を読めません", "")
	} else if cfg.Mail != nil || len(cfg.Hooks) > 0 {
		fs.good(ways, fmt.Sprintf("メールサーバー %s、Webhook %d個。noren notify test で試せます", orNone(setup.Mail, "なし"), len(setup.Hooks)),
			fmt.Sprintf("mail server %s, %s; noren notify test sends a message", orNone(setup.Mail, "none"), counted(len(setup.Hooks), "hook", "hooks")))
	}
	for _, site := range cfg.toldOf(rules) {
		what := ofSite("who is told", site, "知らせる相手", "Who is told")
		if site == "" {
			what = ofMachine("who is told of Noren", "Noren 自身の異常を知らせる相手", "Who is told of Noren itself")
		}
		if err := cfg.unreachable(rules, site); err != nil {
			fs.fault(what, err, "", "noren.yaml に、届け方（mail: または hooks:）を加えてください（docs/operate/notify.md）")
			continue
		}
		if missing, hint := cfg.untold(rules, site); missing.En != "" {
			fs.note(what, missing, hint, "")
			continue
		}
		n := len(rulesOfSite(rules, site).Receivers)
		fs.good(what, fmt.Sprintf("%d人（か所）に知らせます", n), counted(n, "receiver", "receivers"))
	}
}

func orNone(m *notify.Mail, none string) string {
	if m == nil {
		return none
	}
	return m.Server()
}

// openNotify makes the part that tells people; it sends while somebody serves.
func (in *instance) openNotify(context.Context, wants) error {
	setup, err := in.cfg.notifySetup(in.rules.notify, in.getenv)
	in.notify = notify.New(notify.Options{DB: in.db, Setup: setup, Log: in.teller.plain})
	in.teller.notify = in.notify
	if err != nil {
		in.sayBroken(err)
	}
	return nil
}

// setNotify follows a reload.
func (in *instance) setNotify(cfg *Config, r *rules) {
	setup, err := cfg.notifySetup(r.notify, in.getenv)
	in.notify.Set(setup)
	if err != nil {
		in.sayBroken(err)
	}
	in.warnUntold(cfg, r)
}

func (in *instance) sayBroken(err error) {
	in.log.Error("a way to people cannot be used; its messages wait", "alarm", true, "err", err, "hint", noren.HintOf(err))
}

// warnUntold says in the log what `noren check` says.
func (in *instance) warnUntold(cfg *Config, r *rules) {
	for _, site := range cfg.toldOf(r.notify) {
		if err := cfg.unreachable(r.notify, site); err != nil {
			in.log.Error("people of a site cannot be told", "alarm", true, "site", site, "err", err, "hint", noren.HintOf(err))
		} else if what, hint := cfg.untold(r.notify, site); what.En != "" {
			in.log.Warn(what.En, "site", site, "hint", hint.En)
		}
	}
}

// notifyPersonal lists what is kept of the shop's own people to tell them. It is
// not sealed: it is needed when the vault cannot be asked.
func notifyPersonal(p *page) {
	fmt.Fprint(p, "\nOf the shop's own people, in the settings and in the list of notices (docs/operate/notify.md); notices go with the term `keep.months`:\n")
	p.table("where", "field", "what it is")
	for _, part := range []struct {
		where string
		t     reflect.Type
	}{{"`notify.yaml` `receivers[]`", reflect.TypeFor[notify.Receiver]()}, {"notices", reflect.TypeFor[notify.Told]()}} {
		for i := range part.t.NumField() {
			f := part.t.Field(i)
			if what := f.Tag.Get("personal"); what != "" {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				p.row(part.where, "`"+name+"`", what)
			}
		}
	}
}
