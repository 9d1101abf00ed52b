package main

import (
	"log/slog"
	"maps"

	"noren/orient"
)

// loadAddresses reads the operator's data about addresses.
func loadAddresses(c *LookupConfig, path func(string) string, log *slog.Logger) (*orient.Addresses, error) {
	files := orient.AddressFiles{
		Country: path(c.Country), ASN: path(c.ASN), Private: path(c.Private), Datacentre: path(c.Datacentre), Tor: path(c.Tor), Mobile: path(c.Mobile), Residential: path(c.Residential),
		Lists: allPaths(c.Lists, path), Bots: allPaths(c.Bots, path), ReverseDNS: c.ReverseDNS,
	}
	return orient.LoadAddresses(files, log)
}

func allPaths(m map[string]string, path func(string) string) map[string]string {
	out := maps.Clone(m)
	for name, p := range out {
		out[name] = path(p)
	}
	return out
}
