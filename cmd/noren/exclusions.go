package main

import (
	"errors"

	"noren/gateway/waf/exclusion"
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
