package main

import (
	"context"
	"errors"
	"slices"

	"noren/gateway"
	"noren/gateway/waf/exclusion"
	"noren/gateway/waf/rehearse"
	"noren/settings"
)

// exclusionsOf is where a site's exclusions stand.
func exclusionsOf(site string) string { return sitesDir + site + "/" + exclusionsFile }

// readExclusions reads what each site took out of the firewall.
func readExclusions(set settings.Set, sites []string) (map[string][]exclusion.Exclusion, error) {
	out, errs := map[string][]exclusion.Exclusion{}, []error{}
	for _, site := range sites {
		text, ok := set[exclusionsOf(site)]
		if !ok {
			continue
		}
		list, err := exclusion.Parse(exclusionsOf(site), []byte(text))
		errs = append(errs, err)
		out[site] = list
	}
	return out, errors.Join(errs...)
}

// exclusionsNow are those of a site in the settings in force.
func (in *instance) exclusionsNow(ctx context.Context, site string) ([]exclusion.Exclusion, error) {
	set, err := in.settings.Current(ctx)
	if err != nil {
		return nil, err
	}
	all, err := readExclusions(set, []string{site})
	return all[site], err
}

// exclude changes a site's exclusions, as one version of the settings.
func (in *instance) exclude(ctx context.Context, site string, edit func([]exclusion.Exclusion) ([]exclusion.Exclusion, error), author, reason string) error {
	set, err := in.settings.Current(ctx)
	if err != nil {
		return err
	}
	all, err := readExclusions(set, []string{site})
	if err != nil {
		return err
	}
	base := set.Hash()
	list, err := edit(slices.Clone(all[site]))
	if err != nil {
		return err
	}
	if set[exclusionsOf(site)] = string(exclusion.Format(list)); len(list) == 0 {
		delete(set, exclusionsOf(site))
	}
	_, err = in.change(ctx, settingsChange{set: set, author: author, reason: reason, base: base})
	return err
}

// rehearse tries an exclusion with the shop's own rules and encodings.
func (in *instance) rehearse(ctx context.Context, site string, x *exclusion.Exclusion, progress func(done, of int)) (exclusion.Rehearsed, error) {
	set, err := in.settings.Current(ctx)
	if err != nil {
		return exclusion.Rehearsed{}, err
	}
	defer func() { go giveBackMemory() }() // a firewall of its own was compiled
	o := rehearse.Options{Rules: firewallFiles(set), Progress: progress}
	if i := slices.IndexFunc(in.present().Sites, func(s gateway.Site) bool { return s.Name == site }); i >= 0 {
		site := &in.present().Sites[i]
		if o.Charsets = site.Encodings; len(o.Charsets) == 0 {
			preset, err := gateway.LookupPreset(site.Preset)
			if err != nil {
				return exclusion.Rehearsed{}, err
			}
			o.Charsets = preset.Encodings
		}
	}
	return rehearse.Run(ctx, x, o)
}

// exclusions are what the console's desk does with the firewall.
type exclusions struct{ s *server }

// Exclusions implements console.Firewall.
func (e exclusions) Exclusions(ctx context.Context, site string) ([]exclusion.Exclusion, error) {
	return e.s.in.exclusionsNow(ctx, site)
}

// Exclude implements console.Firewall.
func (e exclusions) Exclude(ctx context.Context, site string, edit func([]exclusion.Exclusion) ([]exclusion.Exclusion, error), author, reason string) error {
	if e.s.in.settings.Mode() == settings.Files {
		return settingsAreFiles(e.s.in.present().Settings.Dir)
	}
	err := e.s.in.exclude(ctx, site, edit, author, reason)
	if err == nil {
		e.s.takeSettings(ctx)
	}
	return err
}

// Excludable implements console.Firewall.
func (e exclusions) Excludable(t exclusion.Target) error {
	e.s.in.applying.Lock()
	fw := e.s.in.firewall
	e.s.in.applying.Unlock()
	if fw == nil {
		return t.Valid()
	}
	return fw.Excludable(t)
}

// Rehearse implements console.Firewall.
func (e exclusions) Rehearse(ctx context.Context, site string, x *exclusion.Exclusion, progress func(done, of int)) (exclusion.Rehearsed, error) {
	return e.s.in.rehearse(ctx, site, x, progress)
}
