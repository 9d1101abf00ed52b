package console

import (
	"context"
	"net/http"
	"slices"

	"noren"
	"noren/console/ui"
	"noren/staff"
)

// peoplePage lists who works here and who is invited.
type peoplePage struct {
	People []personRow
	Links  []linkRow
	Roles  []staff.RoleInfo
	Sites  []string
	Once   string
	Me     string
	New    *staff.NewLink // shown once
	URL    string
	Here   string // lines for noren.yaml: the link works on this machine only
	Form   inviteForm
}

type personRow struct {
	staff.Person
	Grants []grantRow
	Last   lastSeen
}

// lastSeen is when somebody was last signed in, in the words of the page.
type lastSeen struct {
	Now bool
	At  noren.Time // zero: never
}

// seenLast judges it: who looks at the page is signed in, and joining signs in. It is pure.
func seenLast(p *staff.Person, me string) lastSeen {
	at := p.SignedInAt
	if at.Before(p.CreatedAt.Time) {
		at = p.CreatedAt
	}
	return lastSeen{Now: p.ID == me, At: at}
}

type grantRow struct {
	Site string
	Role staff.RoleInfo
}

type linkRow struct {
	staff.Link
	Grants []grantRow
	By     noren.Text
}

// inviteForm is whom to invite, as what, where.
type inviteForm struct {
	Mail, Role, Site string
	Wrong            noren.Text
}

func (c *Console) people(v *visit) error {
	p := peoplePage{}
	return v.showPeople(http.StatusOK, p)
}

func (v *visit) showPeople(status int, p peoplePage) error {
	ctx := v.r.Context()
	people, err := v.c.o.Staff.People(ctx)
	if err != nil {
		return err
	}
	for _, one := range people {
		p.People = append(p.People, personRow{Person: one, Grants: grants(one.Roles), Last: seenLast(&one, v.who.Person.ID)})
	}
	links, err := v.c.o.Staff.Links(ctx)
	if err != nil {
		return err
	}
	for _, l := range links {
		row := linkRow{Link: l, Grants: grants(l.Roles)}
		if l.MadeBy != "" {
			row.By = v.c.authorName(ctx, "staff:"+l.MadeBy)
		}
		p.Links = append(p.Links, row)
	}
	p.Roles, p.Once, p.Me = staff.Roles(), newForm(), v.who.Person.ID
	for _, s := range v.c.o.Sites() {
		p.Sites = append(p.Sites, s.Name)
	}
	return v.pageWith(status, "people", p)
}

// grants are roles in the order of sites, that for all sites first.
func grants(g staff.Grants) (out []grantRow) {
	for _, site := range append([]string{staff.AllSites}, g.Sites()...) {
		if i, ok := g[site].Info(); ok {
			out = append(out, grantRow{site, i})
		}
	}
	return out
}

func (c *Console) invite(v *visit) error {
	f := inviteForm{Mail: v.field("mail"), Role: v.field("role"), Site: v.field("site")}
	if err := v.confirmed(); err != nil {
		return err
	}
	if v.again() {
		return v.redirect("/people", "again")
	}
	link, err := c.o.Staff.Invite(v.r.Context(), v.by(""), f.Mail, staff.Grants{f.Site: staff.Role(f.Role)})
	if text, ok := forPerson(err); ok {
		f.Wrong = text
		return v.showPeople(http.StatusUnprocessableEntity, peoplePage{Form: f})
	}
	if err != nil {
		return err
	}
	return v.showPeople(http.StatusOK, v.linkPage(&link))
}

// linkPage shows a new link once.
func (v *visit) linkPage(link *staff.NewLink) peoplePage {
	host := ""
	if v.c.o.Host != nil {
		host = v.c.o.Host()
	}
	base, here := linkBase(v.secure(), v.r.Host, host)
	p := peoplePage{New: link, URL: base + staff.LinkPath(link.Token)}
	if here {
		p.Here = consoleLines(nil)
	}
	return p
}

// linkBase is what a link for others begins with: how the browser came here, or the
// console's own name when it came on this machine. here says that it is good for
// nobody elsewhere. It is pure.
func linkBase(secure bool, came, host string) (base string, here bool) {
	switch {
	case secure:
		return "https://" + came, false
	case host != "":
		return "https://" + host, false
	}
	return "http://" + came, true // by plain http the console is reached on this machine alone
}

func (c *Console) withdraw(v *visit) error {
	if err := c.o.Staff.Withdraw(v.r.Context(), v.by(""), v.field("link")); err != nil && noren.CodeOf(err) != noren.Denied {
		return err
	}
	return v.redirect("/people", "withdrawn")
}

// setRole changes what somebody is at a site; "" takes the role away there.
func (c *Console) setRole(v *visit) error {
	if err := v.confirmed(); err != nil {
		return err
	}
	id, site, role := v.field("person"), v.field("site"), staff.Role(v.field("role"))
	was, err := c.o.Staff.Person(v.r.Context(), id)
	if err != nil {
		return err
	}
	before := was.Roles[site]
	if err := c.o.Staff.SetRole(v.r.Context(), v.by(""), id, site, role); err != nil {
		return err
	}
	undo := v.undoable(staff.People, func(ctx context.Context, by *visit) error {
		now, err := c.o.Staff.Person(ctx, id)
		if err != nil {
			return err
		}
		if now.Roles[site] != role {
			return changedSince("the role")
		}
		return c.o.Staff.SetRole(ctx, by.by("undo"), id, site, before)
	})
	return v.redirect("/people", "role", "undo", undo)
}

// removePerson lets somebody go: their sessions end and they cannot sign in.
func (c *Console) removePerson(v *visit) error {
	reason, err := v.reason()
	if err != nil {
		return err
	}
	if err := v.confirmed(); err != nil {
		return err
	}
	if err := c.o.Staff.Remove(v.r.Context(), v.by(reason), v.field("person")); err != nil {
		return err
	}
	return v.redirect("/people", "removed")
}

// resetLink makes the link by which somebody who lost their phone begins anew.
func (c *Console) resetLink(v *visit) error {
	if err := v.confirmed(); err != nil {
		return err
	}
	link, err := c.o.Staff.ResetLink(v.r.Context(), v.by(""), v.field("person"))
	if err != nil {
		return err
	}
	return v.showPeople(http.StatusOK, v.linkPage(&link))
}

// personPage is one person and what can be changed about them.
func (c *Console) person(v *visit) error {
	p, err := c.o.Staff.Person(v.r.Context(), v.r.PathValue("person"))
	if err != nil {
		return err
	}
	if !p.RemovedAt.IsZero() {
		return noren.Errorf(noren.NotFound, "%s was removed", p.ID)
	}
	sessions, err := c.o.Staff.Sessions(v.r.Context(), p.ID)
	if err != nil {
		return err
	}
	sites := []string{staff.AllSites}
	for _, s := range c.o.Sites() {
		sites = append(sites, s.Name)
	}
	var rows []siteRole
	for _, s := range sites {
		rows = append(rows, siteRole{Site: s, Role: p.Roles[s]})
	}
	return v.page("person", struct {
		Person   *staff.Person
		Sessions []staff.Session
		Rows     []siteRole
		Roles    []staff.RoleInfo
		Self     bool
		Last     lastSeen
	}{p, sessions, rows, staff.Roles(), p.ID == v.who.Person.ID, seenLast(p, v.who.Person.ID)})
}

type siteRole struct {
	Site string
	Role staff.Role
}

// endPerson signs somebody out everywhere.
func (c *Console) endPerson(v *visit) error {
	id := v.field("person")
	if err := c.o.Staff.EndAll(v.r.Context(), v.by(""), id); err != nil {
		return err
	}
	return v.redirect("/people/"+id, "ended")
}

// instanceNav is the menu outside of a site.
func (v *visit) instanceNav() []ui.NavItem {
	items := []ui.NavItem{
		{Name: noren.Text{Ja: "お店の一覧", En: "Shops"}, Icon: "site", URL: "/", Thumb: true},
		{Name: noren.Text{Ja: "スタッフ", En: "People"}, Icon: "people", URL: "/people", Thumb: true},
		{Name: noren.Text{Ja: "わたし", En: "Me"}, Icon: "me", URL: "/me", Thumb: true},
	}
	if !staff.May(v.who.Person, staff.AllSites, staff.People) {
		items = slices.Delete(items, 1, 2)
	}
	return items
}
