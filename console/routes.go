package console

import (
	"net/http"
	"strings"

	"noren"
	"noren/console/ui"
	"noren/staff"
)

// route is one address of the console: its pattern, who may ask for it, and what
// answers. A pattern with {site} belongs to a site, and is not found by people
// without a role there.
type route struct {
	pattern string
	need    staff.Permission
	do      func(*visit) error
}

// Who may ask beside those with a permission.
const (
	anybody  staff.Permission = ""          // before sign-in
	signedIn staff.Permission = "signed-in" // whatever the role
)

// routes are all there are.
func (c *Console) routes() []route {
	return []route{
		{"GET /{$}", signedIn, c.front},
		{"GET /language", anybody, c.language},

		{"GET /signin", anybody, c.signInPage},
		{"POST /signin", anybody, c.signIn},
		{"GET /signin/code", anybody, c.codePage},
		{"POST /signin/code", anybody, c.code},
		{"POST /signout", signedIn, c.signOut},
		{"GET /join/{link}", anybody, c.joinPage},
		{"POST /join", anybody, c.join},

		{"GET /me", signedIn, c.me},
		{"POST /me/confirm", signedIn, c.confirm},
		{"POST /me/sessions/end", signedIn, c.endSession},
		{"GET /style", signedIn, c.stylePage},

		{"GET /s/{site}/{$}", staff.See, c.today},
		{"GET /s/{site}/live", staff.See, c.live},

		{"GET /s/{site}/events", staff.See, c.events},
		{"GET /s/{site}/events.csv", staff.See, c.eventsCSV},
		{"GET /s/{site}/events/{id}", staff.See, c.event},
		{"GET /s/{site}/events/{id}/why", staff.See, c.why},
		{"GET /s/{site}/events/{id}/try", staff.See, c.tryOther},
		{"GET /s/{site}/events/{id}/free", staff.Act, c.freePage},
		{"POST /s/{site}/events/{id}/free", staff.Act, c.free},
		{"GET /s/{site}/events/{id}/ban", staff.Act, c.banPage},
		{"POST /s/{site}/events/{id}/ban", staff.Act, c.ban},
		{"POST /s/{site}/events/{id}/lift", staff.Act, c.lift},
		{"GET /s/{site}/visitor", staff.See, c.visitor},
		{"GET /s/{site}/ticket", staff.See, c.ticket},
		{"POST /s/{site}/reveal", staff.SeePersonal, c.reveal},
		{"POST /s/{site}/conceal", staff.See, c.conceal},
		{"GET /s/{site}/glossary", staff.See, c.glossary},
	}
}

// menu are the pages of a site, in the order of the menu.
func menu() []ui.NavItem {
	return []ui.NavItem{
		{Name: noren.Text{Ja: "今日のお店", En: "Today"}, Icon: "today", URL: "/", Thumb: true},
		{Name: noren.Text{Ja: "できごと", En: "Events"}, Icon: "events", URL: "/events", Thumb: true},
		{Name: noren.Text{Ja: "言葉の説明", En: "Glossary"}, Icon: "help", URL: "/glossary"},
	}
}

// nav is the menu as this visit sees it.
func (v *visit) nav() []ui.NavItem {
	if v.site == "" {
		return []ui.NavItem{{Name: noren.Text{Ja: "お店の一覧", En: "Shops"}, Icon: "site", URL: "/", Here: v.r.URL.Path == "/", Thumb: true}}
	}
	items := menu()
	here := strings.TrimPrefix(v.r.URL.Path, sitePath(v.site, ""))
	for i := range items {
		to := items[i].URL
		items[i].Here = here == to || to != "/" && strings.HasPrefix(here+"/", to+"/")
		items[i].URL = v.path(to)
	}
	return items
}

// enter finds out who asks and whether they may. Whoever is not signed in is led
// to the sign-in, and from there back.
func (v *visit) enter(r route) error {
	if err := v.recognise(); err != nil {
		return err
	}
	if r.need == anybody {
		return nil
	}
	if v.who == nil {
		return errSignIn
	}
	if strings.Contains(r.pattern, "{site}") {
		return v.enterSite(v.r.PathValue("site"), r.need)
	}
	if r.need != signedIn && !staff.May(v.who.Person, staff.AllSites, r.need) {
		return noren.Errorf(noren.Denied, "%s asks for %s", r.pattern, r.need)
	}
	return nil
}

// enterSite lets people with a role at a site in. To all others it does not
// exist, whether it does or not.
func (v *visit) enterSite(site string, need staff.Permission) error {
	if !v.c.served(site) || !staff.May(v.who.Person, site, staff.See) {
		return noren.Errorf(noren.NotFound, "no site %q for this person", site)
	}
	v.site = site
	if !staff.May(v.who.Person, site, need) {
		return noren.Errorf(noren.Denied, "%s at site %s", need, site)
	}
	return nil
}

// may reports whether the visitor may do something here, for pages that offer it.
func (v *visit) may(p staff.Permission) bool { return staff.May(v.who.Person, v.site, p) }

func (c *Console) served(site string) bool {
	for _, s := range c.o.Sites() {
		if s.Name == site {
			return true
		}
	}
	return false
}

// sites are those that the visitor may see.
func (v *visit) sites() (out []ui.Link) {
	for _, s := range v.c.o.Sites() {
		if staff.May(v.who.Person, s.Name, staff.See) {
			out = append(out, ui.Link{Name: s.Name, URL: sitePath(s.Name, "/"), Here: s.Name == v.site})
		}
	}
	return out
}

// front leads to the only shop, or lists them.
func (c *Console) front(v *visit) error {
	sites := v.sites()
	if len(sites) == 1 {
		http.Redirect(v.w, v.r, sites[0].URL, http.StatusSeeOther)
		return nil
	}
	return v.page("sites", sites)
}

// language keeps the language that was chosen for a year.
func (c *Console) language(v *visit) error {
	http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Value: ui.Lang(v.r.FormValue("to")), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteLaxMode})
	http.Redirect(v.w, v.r, back(v.r.FormValue("back"), "/"), http.StatusSeeOther)
	return nil
}
