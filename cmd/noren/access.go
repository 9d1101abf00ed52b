package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"noren"
	"noren/console"
	"noren/gateway"
	"noren/settings"
)

// accessBySite are the access rules in a settings set: by site, "" for those
// without their own.
type accessBySite map[string]gateway.AccessRules

func (a accessBySite) of(site string) gateway.AccessRules {
	if own, ok := a[site]; ok {
		return own
	}
	return a[""]
}

// readAccess reads the access rules of a set. A set without any lets everybody
// in everywhere, as before there were such rules.
func readAccess(set settings.Set, sites []string) (accessBySite, error) {
	out, errs := accessBySite{}, []error{}
	for _, site := range append([]string{""}, sites...) {
		name := accessFile
		if site != "" {
			name = sitesDir + site + "/" + accessFile
		}
		text, ok := set[name]
		if !ok {
			continue
		}
		rules, err := gateway.ParseAccess(name, []byte(text))
		errs = append(errs, err)
		out[site] = rules
	}
	return out, errors.Join(errs...)
}

// haveData reports rules that ask for data which nobody has configured: such a
// rule would keep out everybody, or nobody, for no reason that anyone could see.
func (a accessBySite) haveData(lookup *LookupConfig) error {
	var errs []error
	missing := func(site, rule, what, key string) {
		if site != "" {
			site = " of site " + site
		}
		errs = append(errs, noren.WithHint(noren.Errorf(noren.Invalid, "access rule %s%s asks for %s, and there is no data about them", rule, site, what),
			"name an MMDB file under addresses: "+key+": in noren.yaml (docs/operate/access.md), or take the rule out"))
	}
	for _, site := range sortedKeys(a) {
		country, asn := a[site].Needs()
		if country != "" && lookup.Country == "" {
			missing(site, country, "countries", "country")
		}
		if asn != "" && lookup.ASN == "" {
			missing(site, asn, "networks' numbers (asns)", "asn")
		}
	}
	return errors.Join(errs...)
}

// unknownPlaces lists what rules name and nobody has made: a typing error, or a
// place that was removed. It names nobody.
func (in *instance) unknownPlaces(access accessBySite) (out []string) {
	for _, site := range in.cfg.siteNames() {
		for _, r := range access.of(site) {
			who, does := r.Allow, "lets nobody in"
			if r.Deny != nil {
				who, does = r.Deny, "keeps nobody out"
			}
			for _, name := range who.Places {
				if in.places.Find(site, name) == nil {
					out = append(out, fmt.Sprintf("rule %s of site %s names the place %s, which does not exist and %s", r.Name, site, name, does))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (in *instance) warnUnknownPlaces(access accessBySite) {
	for _, text := range in.unknownPlaces(access) {
		in.log.Warn(text, "hint", "noren place add")
	}
}

// sayShutOut tells before a change whether it would shut out who makes it: for
// those whose settings are files, which nobody refuses.
func (in *instance) sayShutOut(e *env, set settings.Set) {
	after := in.entry()
	var err error
	if after.access, err = readAccess(set, in.cfg.siteNames()); err != nil {
		return // reported with all faults of the set
	}
	if err := in.mayShutOut(e, trialFlags{}, after); err != nil {
		fmt.Fprintf(e.io.err, "note: %v\n", err)
	}
}

func (in *instance) sayUnknownPlaces(e *env, set settings.Set) {
	access, err := readAccess(set, in.cfg.siteNames())
	if err != nil {
		return // reported with all faults of the set
	}
	for _, text := range in.unknownPlaces(access) {
		fmt.Fprintf(e.io.err, "note: %s (noren place add)\n", text)
	}
}

// checkAccess tells which zones of the admin anybody in the world may enter, and
// the lines that change it.
func checkAccess(fs *findings, set settings.Set, cfg *Config) {
	access, err := readAccess(set, cfg.siteNames())
	if err != nil {
		return // reported with the settings
	}
	for _, site := range cfg.siteNames() {
		what := ofSite("who may enter", site, "管理画面に入れる人", "Who may enter the admin")
		admin := console.AdminOf(access.of(site))
		says := admin.Says()
		if admin.State == console.AdminKept {
			fs.good(what, says.Ja, says.En)
			continue
		}
		if admin.State == console.AdminRecorded {
			fs.note(what, says, noren.Text{Ja: "様子を見たら、画面の「記録から止めるへ」で切り替えるか、access.yaml の mode: shadow を mode: on にしてください",
				En: "when you have seen enough, go from recording to stopping in the console, or write mode: on for mode: shadow in access.yaml"}, "")
			continue
		}
		open := openZones(access.of(site))
		fs.note(what, says,
			noren.Text{Ja: "画面の「場所」で本社や自宅を登録するか（noren place add 本社 アドレス --site " + site + "）、access.yaml に次のように書いてください（noren settings export DIR、docs/operate/access.md）:",
				En: "noren place add 本社 ADDRESS --site " + site + ", and in access.yaml (noren settings export DIR; docs/operate/access.md):"},
			accessLines(open))
	}
}

// openZones are the zones of the admin that no allow rule in force is about.
func openZones(rules gateway.AccessRules) (out []string) {
	for _, z := range gateway.StaffZones() {
		closed := slices.ContainsFunc(rules.About(z, "GET"), func(r gateway.AccessRule) bool {
			return r.Allow != nil && r.Mode == gateway.AccessOn
		})
		if !closed {
			out = append(out, string(z))
		}
	}
	return out
}

// accessLines is the file that keeps the admin for one place, as it is written.
func accessLines(zones []string) string {
	return "version: 1\nrules:\n  - name: staff_area\n    zones: [" + strings.Join(zones, ", ") + "]\n    allow: {places: [本社]}\n" +
		"    reason: {ja: 管理画面は本社から, en: the admin from the office}\n"
}

// printAccess shows what of the access rules is about the zone.
func printAccess(w io.Writer, x gateway.Explanation, lang string) {
	for _, a := range x.Access {
		kind, says := "lets in", "does not name this address"
		if a.Rule.Deny != nil {
			kind = "keeps out"
		}
		if a.Names {
			says = "names this address (" + a.By + ")"
		}
		if a.Over {
			says += ", over since " + untilText(a.Rule.Until.Time)
		}
		mode := ""
		if a.Rule.Mode == gateway.AccessShadow {
			mode = " (shadow)"
		}
		fmt.Fprintf(w, "  access rule %s%s %s %s: %s  %s\n", a.Rule.Name, mode, kind, whoText(a.Rule), says, shorten(a.Rule.Reason.In(lang), 200))
	}
	if o := x.Opening; o != nil {
		fmt.Fprintf(w, "  opened by hand until %s for %s, by %s: %s\n", untilText(o.Until), o.FromText(), shorten(o.Author, 64), shorten(o.Reason, 200))
	}
}

func whoText(r gateway.AccessRule) string {
	if r.Deny != nil {
		return shorten(r.Deny.String(), 200)
	}
	return shorten(r.Allow.String(), 200)
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
