package main

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"noren"
	"noren/gateway"
	"noren/gateway/waf"
	"noren/gateway/waf/exclusion"
	"noren/loop"
	"noren/notify"
	"noren/orient"
	"noren/policy"
	"noren/settings"
)

// Paths of a settings set. What lies at the top holds for every site; what lies
// under sites/NAME only for that one, beside the shared policies and instead of
// the shared limits and access rules. The firewall is one for all sites.
const (
	policiesDir = "policies/"
	firewallDir = "firewall/"
	limitsFile  = "limits.yaml"
	accessFile  = "access.yaml"
	notifyFile  = "notify.yaml"
	// exclusionsFile stands under sites/NAME only: what one shop's customers are
	// spared is no other's.
	exclusionsFile = "exclusions.yaml"
	sitesDir       = "sites/"
)

// rules are a compiled settings set.
type rules struct {
	hash     string
	policies loop.Policies
	limits   map[string][]gateway.Limit // by site; "" for sites without their own
	firewall []waf.RuleFile
	access   accessBySite
	excluded map[string][]exclusion.Exclusion // by site
	notify   map[string]*notify.Rules         // by site; "" for sites without their own
	rows     []policy.RowResult               // how the test rows of the policies went
}

// shippedSettings is the set a new instance starts with.
func shippedSettings() settings.Set {
	set := settings.Set{}
	for _, f := range policy.Shipped() {
		set[policiesDir+path.Base(f.Name)] = string(f.Data)
	}
	set[limitsFile] = string(gateway.ShippedLimitsFile())
	set[accessFile] = string(gateway.ShippedAccessFile())
	set[notifyFile] = string(notify.ShippedFile())
	return set
}

// declared is what the catalogue must know of a set before it is compiled.
type declared struct {
	entities  []string
	sequences []noren.Sequence
}

// compileSettings checks and compiles a set for the sites; every fault is
// reported at once. The catalogue must know the entities the set declares.
func compileSettings(set settings.Set, sites []string, catalogue func(declared) (*noren.Catalogue, error)) (*rules, error) {
	r := &rules{hash: set.Hash(), limits: map[string][]gateway.Limit{}}
	files := policyFiles(set, "")
	for _, site := range sites {
		files = append(files, policyFiles(set, site)...)
	}
	if err := policy.SameSequences(files); err != nil {
		return nil, err
	}
	cat, err := catalogue(declared{policy.DeclaredEntities(files), policy.DeclaredSequences(files)})
	if err != nil {
		return nil, err
	}
	return r, r.compile(set, sites, cat)
}

// needs lists the computed facts that any policy asks for.
func (r *rules) needs() []string {
	var names []string
	for _, set := range append(slices.Collect(maps.Values(r.policies.Sites)), r.policies.Shared) {
		for _, p := range set.Policies() {
			names = append(names, p.Needs...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *rules) compile(set settings.Set, sites []string, cat *noren.Catalogue) error {
	var errs []error
	shared, rows, err := policy.Try(policyFiles(set, ""), cat)
	errs, r.rows = append(errs, err), rows
	r.policies = loop.Policies{Shared: shared, Sites: map[string]*policy.Set{}}
	limits, err := readLimits(set, limitsFile, cat)
	errs = append(errs, err)
	r.limits[""] = limits
	r.access, err = readAccess(set, sites)
	errs = append(errs, err)
	r.notify, err = readNotify(set, sites)
	errs = append(errs, err)
	for _, site := range sites {
		own := policyFiles(set, site)
		if len(own) > 0 {
			p, rows, err := policy.Try(append(policyFiles(set, ""), own...), cat)
			errs = append(errs, err)
			r.rows = append(r.rows, rowsOf(rows, site)...)
			r.policies.Sites[site] = p
		}
		name := sitesDir + site + "/" + limitsFile
		if _, ok := set[name]; ok {
			limits, err := readLimits(set, name, cat)
			errs = append(errs, err)
			r.limits[site] = limits
		}
	}
	r.excluded, err = readExclusions(set, sites)
	errs = append(errs, err)
	r.firewall = firewallFiles(set)
	errs = append(errs, waf.CheckRules(r.firewall), strayFiles(set, sites))
	if err := errors.Join(errs...); err != nil {
		return noren.Errorf(noren.Invalid, "%w", err)
	}
	return nil
}

// rowsOf are the rows of a site's own files: the shared ones are known already.
func rowsOf(rows []policy.RowResult, site string) []policy.RowResult {
	return slices.DeleteFunc(rows, func(r policy.RowResult) bool { return !strings.HasPrefix(r.File, sitesDir+site+"/") })
}

func readLimits(set settings.Set, name string, cat *noren.Catalogue) ([]gateway.Limit, error) {
	data := []byte(set[name])
	limits, err := gateway.ParseLimits(name, data)
	if err != nil {
		return nil, err
	}
	return limits, gateway.CheckFacts(name, data, limits, cat)
}

// policyFiles are the shared policy files, or a site's own.
func policyFiles(set settings.Set, site string) []policy.File {
	dir := policiesDir
	if site != "" {
		dir = sitesDir + site + "/" + policiesDir
	}
	var files []policy.File
	for _, name := range set.Paths() {
		if strings.HasPrefix(name, dir) && strings.HasSuffix(name, ".yaml") {
			files = append(files, policy.File{Name: name, Data: []byte(set[name])})
		}
	}
	return files
}

// firewallFiles are the shop's own firewall rules.
func firewallFiles(set settings.Set) []waf.RuleFile {
	var files []waf.RuleFile
	for _, name := range set.Paths() {
		if strings.HasPrefix(name, firewallDir) && strings.HasSuffix(name, ".conf") {
			files = append(files, waf.RuleFile{Name: name, Data: []byte(set[name])})
		}
	}
	return files
}

// strayFiles refuses what would be silently ignored: a file at no known place,
// or of a site that does not exist.
func strayFiles(set settings.Set, sites []string) error {
	var errs []error
	for _, name := range set.Paths() {
		rest := name
		if strings.HasPrefix(name, firewallDir) && strings.HasSuffix(name, ".conf") {
			continue
		}
		if after, ok := strings.CutPrefix(name, sitesDir); ok {
			site, inside, _ := strings.Cut(after, "/")
			if !slices.Contains(sites, site) {
				errs = append(errs, fmt.Errorf("%s: the configuration has no site %q", name, site))
				continue
			}
			if rest = inside; rest == exclusionsFile {
				continue
			}
		}
		if rest != limitsFile && rest != accessFile && rest != notifyFile && !(strings.HasPrefix(rest, policiesDir) && strings.HasSuffix(rest, ".yaml")) {
			errs = append(errs, fmt.Errorf("%s: expected policies/NAME.yaml, limits.yaml, access.yaml or notify.yaml, at the top or under sites/SITE/, or firewall/NAME.conf at the top, or sites/SITE/exclusions.yaml", name))
		}
	}
	return errors.Join(errs...)
}

// sources are the parts that know facts, for where there is no instance: they
// declare what there is and know the ordinary.
func sources() []orient.Source { return []orient.Source{&gateway.ModeSwitch{}} }
