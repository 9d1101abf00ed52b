package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"noren"
	"noren/staff"
)

// staffCmd is the way in from the machine: it works although nobody can sign in.
type staffCmd struct {
	List     staffListCmd     `cmd:"" help:"Who works here, and which links are open."`
	Link     staffLinkCmd     `cmd:"" help:"A one-time link: for the first owner, or for somebody who lost phone and password."`
	Invite   staffInviteCmd   `cmd:"" help:"A one-time link for somebody new."`
	Role     staffRoleCmd     `cmd:"" help:"Give a person a role at a site, or take it away."`
	Remove   staffRemoveCmd   `cmd:"" help:"Take a person out; they are signed out at once."`
	Sessions staffSessionsCmd `cmd:"" help:"Where a person is signed in."`
	End      staffEndCmd      `cmd:"" help:"Sign a person out, everywhere or in one browser."`
}

// openStaff readies the shop's people.
func (in *instance) openStaff(context.Context, wants) error {
	var err error
	in.staff, err = staff.Open(staff.Options{
		DB: in.db, Log: in.log,
		Secrets: func(ctx context.Context) ([][]byte, error) { return in.vault.Secrets(ctx, "staff") },
		Token:   func(field, value string) []byte { return in.vault.Token("", field, value) },
	})
	if err == nil {
		in.staff.RaiseTo(in.loop)
	}
	return err
}

var staffWords = struct {
	person, signedIn, never, link, opens, until, removed, ended, nobody, nowhere noren.Text
}{
	person:   noren.Text{Ja: "%s  %s <%s>  権限: %s  %s\n", En: "%s  %s <%s>  roles: %s  %s\n"},
	signedIn: noren.Text{Ja: "最後のログイン %s", En: "last signed in %s"},
	never:    noren.Text{Ja: "ログインはまだ", En: "never signed in"},
	link:     noren.Text{Ja: "未使用のリンク %s（%s） %s  権限: %s  %s まで\n", En: "open link %s (%s) %s  roles: %s  until %s\n"},
	opens:    noren.Text{Ja: "このリンクを開くのは一度だけです。受け取る本人のほかには見せないでください。%s まで使えます。", En: "the link works once; show it to nobody but the person it is for. It can be used until %s"},
	until:    noren.Text{Ja: "%s  %s から  %s  %s\n", En: "%s  since %s  %s  %s\n"},
	removed:  noren.Text{Ja: "%s さんを外しました。ログイン中の画面は一秒以内に使えなくなります", En: "removed %s; whatever they have open ends within a second"},
	ended:    noren.Text{Ja: "%s さんのログインを終了しました。一秒以内に使えなくなります", En: "signed %s out; it holds within a second"},
	nobody:   noren.Text{Ja: "まだ誰もいません: noren staff link が最初のオーナーのリンクを作ります", En: "nobody is here yet: noren staff link makes the first owner's link"},
	nowhere:  noren.Text{Ja: "%s さんはどこにもログインしていません", En: "%s is signed in nowhere"},
}

type staffListCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// Help shows an example.
func (staffListCmd) Help() string { return "Example: noren staff list" }

func (c staffListCmd) Run(e *env) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		people, err := in.staff.People(ctx)
		if err != nil {
			return err
		}
		links, err := in.staff.Links(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, struct {
				People []staff.Person `json:"people"`
				Links  []staff.Link   `json:"links,omitempty"`
			}{list(people), links})
		}
		for _, p := range people {
			last := staffWords.never.In(e.lang)
			if !p.SignedInAt.IsZero() {
				last = fmt.Sprintf(staffWords.signedIn.In(e.lang), shown(p.SignedInAt.Time, toMinute))
			}
			fmt.Fprintf(e.io.out, staffWords.person.In(e.lang), p.ID, p.Name, p.Mail, rolesText(p.Roles, e.lang), last)
		}
		for _, l := range links {
			fmt.Fprintf(e.io.out, staffWords.link.In(e.lang), l.ID, l.Kind, l.Mail, rolesText(l.Roles, e.lang), untilText(l.ExpiresAt))
		}
		if len(people) == 0 {
			fmt.Fprintln(e.io.err, staffWords.nobody.In(e.lang))
		}
		return nil
	})
}

// list is [] in JSON where there is nothing.
func list[T any](all []T) []T { return append([]T{}, all...) }

// rolesText is roles as people read them.
func rolesText(g staff.Grants, lang string) string {
	var out []string
	for _, site := range slices.Sorted(maps.Keys(g)) {
		name := site
		if site == staff.AllSites {
			name = noren.Text{Ja: "全サイト", En: "all sites"}.In(lang)
		}
		role := string(g[site])
		if i, ok := g[site].Info(); ok {
			role = i.Name.In(lang)
		}
		out = append(out, role+" ("+name+")")
	}
	return strings.Join(out, ", ")
}

// staffAt are the sites that a role is for.
type staffAt struct {
	Site []string `help:"The sites (default: all)."`
}

func (a staffAt) sites(in *instance) ([]string, error) {
	if len(a.Site) == 0 {
		return []string{staff.AllSites}, nil
	}
	for _, name := range a.Site {
		if _, err := in.cfg.site(name); err != nil {
			return nil, err
		}
	}
	return a.Site, nil
}

// staffPerson finds a person by mail address or id.
func (in *instance) staffPerson(ctx context.Context, who string) (*staff.Person, error) {
	if strings.Contains(who, "@") {
		return in.staff.ByMail(ctx, who)
	}
	return in.staff.Person(ctx, who)
}

func (e *env) machine(reason string) staff.By {
	by := staff.AtMachine(operator())
	by.Reason = reason
	by.Address = e.sshAddress()
	return by
}

type staffLinkCmd struct {
	Person  string `arg:"" optional:"" help:"Mail address (or id) of whom to let in again; nobody for the first owner."`
	Console string `default:"http://127.0.0.1:9080" help:"Where the console is reached."`
	Reason  string `help:"Why, for the record and for your colleagues."`
	JSON    bool   `name:"json" help:"Print as JSON."`
}

// Help shows examples.
func (staffLinkCmd) Help() string {
	return "Break-glass: whoever lost phone and recovery codes chooses password and second factor anew; all their sessions end.\n" +
		"It is recorded when it is made and when it is used.\n" +
		"Examples:\n  noren staff link                                  (the first owner)\n  noren staff link tencho@example.jp --reason '機種変更'"
}

func (c staffLinkCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		if c.Person == "" {
			l, err := in.staff.OwnerLink(ctx, e.machine(c.Reason))
			return errors.Join(err, printStaffLink(e, l, c.Console, c.JSON, err))
		}
		p, err := in.staffPerson(ctx, c.Person)
		if err != nil {
			return err
		}
		l, err := in.staff.ResetLink(ctx, e.machine(c.Reason), p.ID)
		return errors.Join(err, printStaffLink(e, l, c.Console, c.JSON, err))
	})
}

// printStaffLink prints a link that was made, the one time that its token is known.
func printStaffLink(e *env, l staff.NewLink, console string, asJSON bool, err error) error {
	if err != nil {
		return nil
	}
	url := strings.TrimSuffix(console, "/") + staff.LinkPath(l.Token)
	if asJSON {
		return printJSON(e.io.out, struct {
			staff.NewLink
			URL string `json:"url"`
		}{l, url})
	}
	fmt.Fprintln(e.io.out, url)
	fmt.Fprintf(e.io.err, staffWords.opens.In(e.lang)+"\n", untilText(l.ExpiresAt))
	return nil
}

type staffInviteCmd struct {
	Mail    string `arg:"" optional:"" help:"Mail address, to fill in the form; nothing is sent."`
	Role    string `required:"" enum:"owner,staff,viewer" help:"owner, staff or viewer."`
	Console string `default:"http://127.0.0.1:9080" help:"Where the console is reached."`
	Reason  string `help:"Why, for the record and for your colleagues."`
	JSON    bool   `name:"json" help:"Print as JSON."`
	staffAt
}

// Help shows the roles and examples.
func (staffInviteCmd) Help() string {
	return rolesHelp() + "Examples:\n  noren staff invite tanaka@example.jp --role staff\n  noren staff invite --role viewer --site tea --reason '制作会社'"
}

func rolesHelp() string {
	var b strings.Builder
	for _, r := range staff.Roles() {
		fmt.Fprintf(&b, "  %-7s %s（%s）\n", r.Role, r.Meaning.En, r.Meaning.Ja)
	}
	return b.String()
}

func (c staffInviteCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		sites, err := c.sites(in)
		if err != nil {
			return err
		}
		roles := staff.Grants{}
		for _, site := range sites {
			roles[site] = staff.Role(c.Role)
		}
		l, err := in.staff.Invite(ctx, e.machine(c.Reason), c.Mail, roles)
		return errors.Join(err, printStaffLink(e, l, c.Console, c.JSON, err))
	})
}

type staffRoleCmd struct {
	Person string `arg:"" help:"Mail address or id."`
	Role   string `arg:"" enum:"owner,staff,viewer,none" help:"owner, staff, viewer, or none."`
	Reason string `help:"Why, for the record and for your colleagues."`
	JSON   bool   `name:"json" help:"Print as JSON."`
	staffAt
}

// Help shows the roles and examples.
func (staffRoleCmd) Help() string {
	return rolesHelp() + "  none    takes the role away（権限をなくす）\n\nIt holds from the person's next request on.\n" +
		"Examples:\n  noren staff role tanaka@example.jp owner\n  noren staff role tanaka@example.jp viewer --site tea"
}

func (c staffRoleCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		p, err := in.staffPerson(ctx, c.Person)
		if err != nil {
			return err
		}
		sites, err := c.sites(in)
		if err != nil {
			return err
		}
		role := staff.Role(c.Role)
		if c.Role == "none" {
			role = ""
		}
		for _, site := range sites {
			if err := in.staff.SetRole(ctx, e.machine(c.Reason), p.ID, site, role); err != nil {
				return err
			}
		}
		if p, err = in.staff.Person(ctx, p.ID); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, p)
		}
		fmt.Fprintf(e.io.out, "%s <%s>  %s\n", p.Name, p.Mail, rolesText(p.Roles, e.lang))
		return nil
	})
}

type staffRemoveCmd struct {
	Person string `arg:"" help:"Mail address or id."`
	Reason string `help:"Why, for the record and for your colleagues."`
	JSON   bool   `name:"json" help:"Print as JSON."`
}

// Help shows an example.
func (staffRemoveCmd) Help() string {
	return "Example: noren staff remove tanaka@example.jp --reason '退職'"
}

func (c staffRemoveCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		p, err := in.staffPerson(ctx, c.Person)
		if err != nil {
			return err
		}
		if err := in.staff.Remove(ctx, e.machine(c.Reason), p.ID); err != nil {
			return err
		}
		fmt.Fprintf(e.io.err, staffWords.removed.In(e.lang)+"\n", p.Name)
		if !c.JSON {
			return nil
		}
		if p, err = in.staff.Person(ctx, p.ID); err != nil {
			return err
		}
		return printJSON(e.io.out, p)
	})
}

type staffSessionsCmd struct {
	Person string `arg:"" help:"Mail address or id."`
	JSON   bool   `name:"json" help:"Print as JSON."`
}

// Help shows an example.
func (staffSessionsCmd) Help() string { return "Example: noren staff sessions tanaka@example.jp" }

func (c staffSessionsCmd) Run(e *env) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		p, err := in.staffPerson(ctx, c.Person)
		if err != nil {
			return err
		}
		sessions, err := in.staff.Sessions(ctx, p.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, list(sessions))
		}
		for _, x := range sessions {
			fmt.Fprintf(e.io.out, staffWords.until.In(e.lang), x.ID, shown(x.CreatedAt.Time, toMinute), x.Address, shorten(x.Browser, 80))
		}
		if len(sessions) == 0 {
			fmt.Fprintf(e.io.err, staffWords.nowhere.In(e.lang)+"\n", p.Name)
		}
		return nil
	})
}

type staffEndCmd struct {
	Person  string `arg:"" help:"Mail address or id."`
	Session string `arg:"" optional:"" help:"One session (default: all, and no browser is known any more)."`
	Reason  string `help:"Why, for the record and for your colleagues."`
	JSON    bool   `name:"json" help:"Print as JSON what is left."`
}

// Help shows an example.
func (staffEndCmd) Help() string {
	return "Example: noren staff end tanaka@example.jp --reason '端末の紛失'"
}

func (c staffEndCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		p, err := in.staffPerson(ctx, c.Person)
		if err != nil {
			return err
		}
		if c.Session == "" {
			err = in.staff.EndAll(ctx, e.machine(c.Reason), p.ID)
		} else {
			err = in.staff.End(ctx, e.machine(c.Reason), p.ID, c.Session)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(e.io.err, staffWords.ended.In(e.lang)+"\n", p.Name)
		if !c.JSON {
			return nil
		}
		left, err := in.staff.Sessions(ctx, p.ID)
		if err != nil {
			return err
		}
		return printJSON(e.io.out, list(left))
	})
}
