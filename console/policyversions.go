package console

import (
	"context"
	"strconv"
	"strings"

	"noren"
	"noren/settings"
	"noren/staff"
)

type versionsPage struct {
	Rows     []versionRow
	More     string
	A, B     string
	Diff     []diffLine
	Compared bool
	Same     bool
	May      bool
	ReadOnly bool
	Node     string // version that this process runs
	Taken    bool
}

type versionRow struct {
	settings.Version
	Who     noren.Text
	Now     bool // in force
	Running bool // on this node
	Return  string
}

const (
	versionsShown = 30
	versionsMost  = 1000
)

// versions lists who changed the settings, when and why.
func (c *Console) versions(v *visit) error {
	if c.o.Settings == nil {
		return errNoDesk
	}
	ctx, q := v.r.Context(), v.r.URL.Query()
	p := versionsPage{A: q.Get("a"), B: q.Get("b"), May: v.may(staff.Policies), ReadOnly: c.o.Settings.Mode() == settings.Files}
	hash, err := c.o.Settings.CurrentHash(ctx)
	if err != nil {
		return err
	}
	if c.o.SettingsInForce != nil {
		p.Node = c.o.SettingsInForce()
	}
	p.Taken = p.Node == hash
	most, err := strconv.Atoi(q.Get("most"))
	if err != nil || most < versionsShown || most > versionsMost {
		most = versionsShown
	}
	all, err := c.o.Settings.Versions(ctx, min(most+1, versionsMost))
	if err != nil {
		return err
	}
	if len(all) > most {
		all, p.More = all[:most], v.path("/policies/versions?most="+strconv.Itoa(min(most*4, versionsMost)))
	}
	names := c.namesOf(ctx)
	others, err := c.ofOthers(v, all)
	if err != nil {
		return err
	}
	for i, ver := range all {
		if others[ver.ID] {
			continue
		}
		p.Rows = append(p.Rows, versionRow{Version: ver, Who: names(ver.Author), Now: i == 0 && !p.ReadOnly, Running: ver.Hash == p.Node, Return: v.path("/policies/return?to=" + ver.ID)})
	}
	if p.A == "" && p.B == "" && len(all) > 1 {
		p.A, p.B = all[1].ID, all[0].ID
	}
	return c.compareVersions(v, p)
}

// ofOthers are the versions in which nothing changed that the visitor may see: why
// another shop was changed, and by whom, is nothing to them. People of all sites see
// every version.
func (c *Console) ofOthers(v *visit, all []settings.Version) (map[string]bool, error) {
	if staff.May(v.who.Person, staff.AllSites, staff.See) {
		return nil, nil
	}
	out := map[string]bool{}
	after := settings.Set(nil)
	for i := range all {
		set, err := c.o.Settings.Get(v.r.Context(), all[i].ID)
		if err != nil {
			return nil, err
		}
		if set = v.shown(set); i > 0 {
			out[all[i-1].ID] = set.Hash() == after.Hash()
		}
		after = set
	}
	return out, nil
}

// compareVersions adds what differs between two versions, of the files that are
// the visitor's to see.
func (c *Console) compareVersions(v *visit, p versionsPage) error {
	if p.A != "" && p.B != "" {
		a, err := c.o.Settings.Get(v.r.Context(), p.A)
		if err != nil {
			return err
		}
		b, err := c.o.Settings.Get(v.r.Context(), p.B)
		if err != nil {
			return err
		}
		p.Diff, p.Compared = diffLines(settings.Diff(v.shown(a), v.shown(b))), true
		p.Same = len(p.Diff) == 0
	}
	return v.page("policyversions", p)
}

// namesOf says who an author is: people of the shop by name, Noren itself, others
// as they are.
func (c *Console) namesOf(ctx context.Context) func(author string) noren.Text {
	known := map[string]string{}
	return func(author string) noren.Text {
		id, isPerson := strings.CutPrefix(author, "staff:")
		if author == "noren" {
			return noren.Text{Ja: "Noren（自動）", En: "Noren (by itself)"}
		}
		if !isPerson {
			return noren.Text{Ja: author, En: author}
		}
		if _, ok := known[id]; !ok {
			known[id] = author
			if p, err := c.o.Staff.Person(ctx, id); err == nil {
				known[id] = p.Name
			}
		}
		return noren.Text{Ja: known[id], En: known[id]}
	}
}
