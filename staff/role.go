package staff

import (
	"maps"
	"slices"

	"noren"
)

// Role is what somebody is at a site.
type Role string

// Roles, the strongest first.
const (
	Owner  Role = "owner"  // everything, people included
	Worker Role = "staff"  // the day's work
	Viewer Role = "viewer" // looks, changes nothing, sees no personal data
)

// AllSites is the site of a role that holds everywhere.
const AllSites = ""

// Permission is one thing that a role may do.
type Permission string

// Permissions.
const (
	See         Permission = "see"          // pages, events with personal data masked
	SeePersonal Permission = "see_personal" // lay personal data open, export them
	Act         Permission = "act"          // ban, allow, mode, emergency buttons
	Policies    Permission = "policies"     // edit, enforce and return policies
	Settings    Permission = "settings"     // sites, places, access rules, notices
	People      Permission = "people"       // invite, change roles, remove, reset
)

// RoleInfo describes a role.
type RoleInfo struct {
	Role    Role
	Name    noren.Text
	Meaning noren.Text
	May     []Permission
}

// Roles lists the roles, the strongest first.
func Roles() []RoleInfo {
	return []RoleInfo{
		{Owner, noren.Text{Ja: "オーナー", En: "owner"},
			noren.Text{Ja: "すべての操作と、スタッフの管理ができます", En: "may do everything, and manages people"},
			[]Permission{See, SeePersonal, Act, Policies, Settings, People}},
		{Worker, noren.Text{Ja: "スタッフ", En: "staff"},
			noren.Text{Ja: "日々の確認と、遮断・許可・モードの切り替えができます", En: "does the day's work: looks, bans, allows, switches modes"},
			[]Permission{See, SeePersonal, Act}},
		{Viewer, noren.Text{Ja: "閲覧のみ", En: "viewer"},
			noren.Text{Ja: "見るだけです。個人情報は伏せたままです", En: "looks only; personal data stay masked"},
			[]Permission{See}},
	}
}

// Permissions lists every permission.
func Permissions() []Permission {
	return []Permission{See, SeePersonal, Act, Policies, Settings, People}
}

// Info returns the description of r; false for what is no role.
func (r Role) Info() (RoleInfo, bool) {
	for _, i := range Roles() {
		if i.Role == r {
			return i, true
		}
	}
	return RoleInfo{}, false
}

// Grants are somebody's roles by site; AllSites holds everywhere.
type Grants map[string]Role

// May reports whether somebody with these roles may do something at a site. What
// concerns no single site is asked with AllSites, where only a role for all sites
// counts. It is pure: the same roles always may the same.
func (g Grants) May(site string, p Permission) bool {
	return may(g[AllSites], p) || site != AllSites && may(g[site], p)
}

func may(r Role, p Permission) bool {
	i, ok := r.Info()
	return ok && slices.Contains(i.May, p)
}

// Sites are the sites that a role is given for by name, in order.
func (g Grants) Sites() []string {
	sites := slices.Sorted(maps.Keys(g))
	return slices.DeleteFunc(sites, func(s string) bool { return s == AllSites })
}

// covers reports whether somebody with these roles manages people wherever the
// other roles hold.
func (g Grants) covers(other Grants) bool {
	for site := range other {
		if !g.May(site, People) {
			return false
		}
	}
	return true
}

const maxGrants = 500

func (g Grants) valid() error {
	if len(g) == 0 || len(g) > maxGrants {
		return noren.Errorf(noren.Invalid, "a person needs a role at 1 to %d sites, not %d", maxGrants, len(g))
	}
	for site, role := range g {
		if site != AllSites && !noren.ValidName(site) {
			return noren.Errorf(noren.Invalid, "site %q is not a site's name", site)
		}
		if _, ok := role.Info(); !ok {
			return noren.WithHint(noren.Errorf(noren.Invalid, "%q is no role", string(role)), "roles are owner, staff and viewer")
		}
	}
	return nil
}

// May reports whether a person may do something at a site; see Grants.May. Nobody
// (nil) and whoever was removed may nothing.
func May(p *Person, site string, perm Permission) bool {
	return p != nil && p.RemovedAt.IsZero() && p.Roles.May(site, perm)
}
