package console

import (
	"net/http"
	"strings"
	"time"

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

		{"GET /people", staff.People, c.people},
		{"GET /people/{person}", staff.People, c.person},
		{"POST /people/invite", staff.People, c.invite},
		{"POST /people/withdraw", staff.People, c.withdraw},
		{"POST /people/role", staff.People, c.setRole},
		{"POST /people/reset", staff.People, c.resetLink},
		{"POST /people/end", staff.People, c.endPerson},
		{"POST /people/remove", staff.People, c.removePerson},
		{"POST /undo", signedIn, c.undo},

		{"GET /s/{site}/{$}", staff.See, c.today},
		{"GET /s/{site}/live", staff.See, c.live},
		{"POST /s/{site}/undo", staff.See, c.undo},

		{"GET /s/{site}/stopped", staff.See, c.stopped},
		{"GET /s/{site}/stopped.csv", staff.SeePersonal, c.stoppedCSV},
		{"GET /s/{site}/stopped/new", staff.Act, c.newEntry},
		{"POST /s/{site}/stopped/new", staff.Act, c.putEntry},
		{"GET /s/{site}/stopped/{id}", staff.See, c.entry},
		{"POST /s/{site}/stopped/{id}/lift", staff.Act, c.lift},

		{"GET /notices/{id}", signedIn, c.noticeLink},
		{"GET /s/{site}/notices", staff.See, c.noticeList},
		{"GET /s/{site}/notices/{id}", staff.See, c.noticePage},
		{"POST /s/{site}/notices/{id}/ack", staff.Act, c.acknowledge},
		{"POST /s/{site}/notices/test", staff.Settings, c.tryNotices},
		{"GET /s/{site}/digest", staff.See, c.digest},
		{"GET /s/{site}/digest/{date}", staff.See, c.digest},
		{"POST /s/{site}/digest/{date}", staff.See, c.readDigest},

		{"GET /s/{site}/emergency", staff.See, c.emergency},
		{"GET /s/{site}/emergency/{switch}", staff.See, c.switchPage},
		{"POST /s/{site}/emergency/{switch}", staff.Act, c.turnSwitch},
		{"GET /s/{site}/emergency/{switch}/preview", staff.See, c.preview},

		{"GET /s/{site}/measures", staff.See, c.measuresPage},
		{"GET /s/{site}/measures.csv", staff.See, c.measuresCSV},
		{"GET /s/{site}/guide/{dir}/{page}", staff.See, c.guide},

		{"GET /s/{site}/site", staff.See, c.sitePage},
		{"POST /s/{site}/site/check", staff.Act, c.startCheck},
		{"GET /s/{site}/places", staff.See, c.placesPage},
		{"POST /s/{site}/places", staff.Settings, c.putPlace},
		{"POST /s/{site}/places/admin", staff.Settings, c.closeAdmin},
		{"GET /s/{site}/places/{id}", staff.See, c.placePage},
		{"POST /s/{site}/places/{id}", staff.Settings, c.changePlace},
		{"POST /s/{site}/places/{id}/remove", staff.Settings, c.removePlace},
		{"GET /s/{site}/setup", staff.See, c.setupPage},
		{"GET /s/{site}/setup/{step}", staff.See, c.stepPage},
		{"POST /s/{site}/setup/{step}/settle", staff.Settings, c.settle},
		{"POST /s/{site}/setup/notices/tell", staff.Settings, c.setHearers},
		{"POST /s/{site}/setup/notices/test", staff.Settings, c.testNotice},
		{"POST /s/{site}/setup/test/now", staff.Settings, c.tryNow},

		{"GET /s/{site}/stopping", staff.See, c.stoppingPage},
		{"POST /s/{site}/stopping/admin", staff.Settings, c.stopAdmin},
		{"POST /s/{site}/stopping/policies", staff.Policies, c.stopPolicies},

		{"GET /s/{site}/proof", staff.See, c.proof},
		{"POST /s/{site}/proof/verify", staff.See, c.verify},
		{"POST /s/{site}/proof/stop", staff.See, c.stopVerify},
		{"GET /s/{site}/proof/checkpoint", staff.See, c.checkpoint},
		{"GET /s/{site}/proof/entry/{seq}", staff.See, c.proofBundle},
		{"POST /s/{site}/proof/sheet", staff.People, c.sheetPrinted},

		{"GET /s/{site}/policies", staff.See, c.policies},
		{"GET /s/{site}/policies/edit", staff.See, c.edit},
		{"POST /s/{site}/policies/test", staff.Policies, c.test},
		{"POST /s/{site}/policies/replay", staff.Policies, c.replay},
		{"GET /s/{site}/policies/replay/{id}", staff.See, c.replayed},
		{"POST /s/{site}/policies/replay/{id}/stop", staff.Policies, c.stopReplay},
		{"GET /s/{site}/policies/mode", staff.Policies, c.switchMode},
		{"POST /s/{site}/policies/review", staff.Policies, c.review},
		{"POST /s/{site}/policies/change", staff.Policies, c.change},
		{"GET /s/{site}/policies/versions", staff.See, c.versions},
		{"GET /s/{site}/policies/return", staff.Policies, c.goBack},
		{"POST /s/{site}/policies/confirm", staff.Policies, c.confirmChange},
		{"POST /s/{site}/policies/back", staff.Policies, c.takeBack},

		{"GET /s/{site}/events", staff.See, c.events},
		{"GET /s/{site}/events.csv", staff.See, c.eventsCSV},
		{"GET /s/{site}/events/{id}", staff.See, c.event},
		{"GET /s/{site}/events/{id}/why", staff.See, c.why},
		{"GET /s/{site}/events/{id}/try", staff.See, c.tryOther},
		{"GET /s/{site}/events/{id}/free", staff.Act, c.freePage},
		{"POST /s/{site}/events/{id}/free", staff.Act, c.free},
		{"GET /s/{site}/events/{id}/ban", staff.Act, c.banPage},
		{"POST /s/{site}/events/{id}/ban", staff.Act, c.ban},
		{"POST /s/{site}/events/{id}/lift", staff.Act, c.liftFromEvent},
		{"GET /s/{site}/mistaken", staff.See, c.mistaken},
		{"GET /s/{site}/mistaken/{id}", staff.See, c.mistakenCase},
		{"POST /s/{site}/mistaken/{id}/try", staff.Act, c.tryCase},
		{"POST /s/{site}/mistaken/{id}/ask", staff.Act, c.askCase},
		{"GET /s/{site}/exclusions/{id}", staff.See, c.exclusion},
		{"POST /s/{site}/exclusions/{id}/approve", staff.Policies, c.approve},
		{"POST /s/{site}/exclusions/{id}/lift", staff.Act, c.liftExcluded},
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
		{Name: noren.Text{Ja: "止めた相手", En: "Stopped"}, Icon: "stopped", URL: "/stopped", Thumb: true},
		{Name: noren.Text{Ja: "誤って止めたお客様", En: "Stopped by mistake"}, Icon: "check", URL: "/mistaken"},
		{Name: noren.Text{Ja: "非常時", En: "Emergency"}, Icon: "emergency", URL: "/emergency", Thumb: true},
		{Name: noren.Text{Ja: "知らせ", En: "Notices"}, Icon: "notify", URL: "/notices"},
		{Name: noren.Text{Ja: "方針", En: "Policies"}, Icon: "policies", URL: "/policies"},
		{Name: noren.Text{Ja: "サイト", En: "Site"}, Icon: "site", URL: "/site"},
		{Name: noren.Text{Ja: "場所", En: "Places"}, Icon: "place", URL: "/places"},
		{Name: noren.Text{Ja: "記録の証明", En: "Proof"}, Icon: "proof", URL: "/proof"},
		{Name: noren.Text{Ja: "対策一覧", En: "Measures"}, Icon: "measures", URL: "/measures"},
		{Name: noren.Text{Ja: "案内", En: "Set-up"}, Icon: "guide", URL: "/setup"},
		{Name: noren.Text{Ja: "言葉の説明", En: "Glossary"}, Icon: "help", URL: "/glossary"},
	}
}

// nav is the menu as this visit sees it.
func (v *visit) nav() []ui.NavItem {
	here := v.r.URL.Path
	if v.site == "" && here != "/" {
		if site := v.shopBefore(); site != "" {
			return v.siteNav(site, here)
		}
	}
	if v.site == "" {
		items := v.instanceNav()
		for i := range items {
			items[i].Here = here == items[i].URL || items[i].URL != "/" && strings.HasPrefix(here+"/", items[i].URL+"/")
		}
		return items
	}
	return v.siteNav(v.site, here)
}

// siteNav is the menu of a site, also beside pages of the whole instance for who came
// from there.
func (v *visit) siteNav(site, here string) []ui.NavItem {
	items := menu()
	for i := range items {
		to := sitePath(site, items[i].URL)
		items[i].Here = here == to || items[i].URL != "/" && strings.HasPrefix(here+"/", to+"/")
		items[i].URL = to
	}
	if staff.May(v.who.Person, staff.AllSites, staff.People) {
		items = append(items, ui.NavItem{Name: noren.Text{Ja: "スタッフ", En: "People"}, Icon: "people", URL: "/people", Here: strings.HasPrefix(here+"/", "/people/")})
	}
	return items
}

// shopBefore is the site whose pages the visitor came from: their only one, or the
// one they looked at last. A name that is none of theirs is nobody's.
func (v *visit) shopBefore() string {
	sites := v.sites()
	if len(sites) == 1 {
		return sites[0].Name
	}
	last := v.cookie(siteCookie)
	for _, s := range sites {
		if s.Name == last {
			return last
		}
	}
	return ""
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
	if v.r.Method == http.MethodGet && len(v.c.o.Sites()) > 1 && v.cookie(siteCookie) != site {
		v.keep(siteCookie, site, 24*time.Hour)
	}
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

// front shows the only shop's day, or lists the shops. It does not send the browser
// on to the shop's own address: on a far line that costs as much as half the page.
func (c *Console) front(v *visit) error {
	sites := v.sites()
	if len(sites) != 1 {
		return v.page("sites", sites)
	}
	v.r = v.r.Clone(v.r.Context())
	v.r.URL.Path, v.r.URL.RawPath = "/s/"+sites[0].Name+"/", ""
	v.site = sites[0].Name
	return c.today(v)
}

// language keeps the language that was chosen for a year.
func (c *Console) language(v *visit) error {
	http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Value: ui.Lang(v.r.FormValue("to")), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteLaxMode})
	http.Redirect(v.w, v.r, back(v.r.FormValue("back"), "/"), http.StatusSeeOther)
	return nil
}
