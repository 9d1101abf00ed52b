package main

import (
	"context"
	"net/netip"
	"strings"

	"noren"
	"noren/console"
	"noren/gateway"
	"noren/kv"
	"noren/loop"
	"noren/orient"
	"noren/policy"
	"noren/settings"
)

// eventPages are what the console's pages of events ask of this program.
func (in *instance) eventPages() console.EventOptions {
	return console.EventOptions{
		AddressOf: in.addressOf, Catalogue: in.factCatalogue, Policies: in.policiesNow, PoliciesAt: in.policiesAt,
		Versions: func(ctx context.Context) ([]settings.Version, error) { return in.settings.Versions(ctx, 30) },
		LoggedAs: func(ctx context.Context, ticket string) (*gateway.Line, noren.Time, error) {
			return gateway.FindTicket(ctx, in.present().Access.Dir, ticket)
		},
		ShutsOut: in.listShutsOut,
	}
}

// addressOf names an address's country and the operator of its network.
func (in *instance) addressOf(a netip.Addr) (country, network string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	info := in.addresses.Lookup(a)
	return info.Country, info.ASNName
}

func (in *instance) factCatalogue() *noren.Catalogue {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.orient.Catalogue()
}

// inForce are the rules of this moment; a reload exchanges them whole.
func (in *instance) inForce() *rules {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.rules
}

func (in *instance) policiesNow(site string) *policy.Set {
	p := in.inForce().policies
	return p.For(site)
}

// policiesAt compiles a site's policies as they stood in a version of the settings.
// What that version says beside policies does not matter.
func (in *instance) policiesAt(ctx context.Context, site, version string) (*policy.Set, error) {
	set, err := in.settings.Get(ctx, version)
	if err != nil {
		return nil, err
	}
	files := policyFiles(set, "")
	own := policyFiles(set, site)
	all := append(append([]policy.File{}, files...), own...)
	o, err := orient.New(orient.Options{KV: kv.NewMemory(0), Entities: policy.DeclaredEntities(all), Sequences: policy.DeclaredSequences(all), Sources: sources()})
	if err != nil {
		return nil, err
	}
	shared, err := policy.Load(files, o.Catalogue())
	if err != nil || len(own) == 0 {
		return shared, err
	}
	mine, err := policy.Load(all, o.Catalogue())
	p := loop.Policies{Shared: shared, Sites: map[string]*policy.Set{site: mine}}
	return p.For(site), err
}

// listShutsOut says what a change of a list would keep somebody at an address out
// of; "" for nothing. It is what `noren ban` and `noren allow` look at as well.
func (in *instance) listShutsOut(site, list string, lift bool, p netip.Prefix, who netip.Addr) string {
	change := listChange{list: list, lift: lift}
	r, out := newRefusal(in.refusals(in.entry(), who), in.refusals(in.withListChange(change, site, p), who))
	if !out {
		return ""
	}
	return strings.Join(nonEmpty(r.site, r.zone, r.what), ": ")
}
