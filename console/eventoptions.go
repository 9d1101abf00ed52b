package console

import (
	"context"
	"net/netip"

	"noren"
	"noren/gateway"
	"noren/policy"
	"noren/settings"
)

// EventOptions are what the pages of events ask the wired program for. Each may be
// nil; then its part of a page says so or is left out.
type EventOptions struct {
	// AddressOf names an address's country and network.
	AddressOf func(netip.Addr) (country, network string)
	// Catalogue is every fact there is, those of the settings in force included.
	Catalogue func() *noren.Catalogue
	// Policies decide for a site now.
	Policies func(site string) *policy.Set
	// PoliciesAt are a site's policies in a version of the settings.
	PoliciesAt func(ctx context.Context, site, version string) (*policy.Set, error)
	// Versions lists the newest versions of the settings.
	Versions func(ctx context.Context) ([]settings.Version, error)
	// LoggedAs looks a reference number up in this machine's access log; since is
	// how far back that reaches.
	LoggedAs func(ctx context.Context, ticket string) (l *gateway.Line, since noren.Time, err error)
	// ShutsOut says what a change of a list would keep somebody at an address out
	// of; "" for nothing.
	ShutsOut func(site, list string, lift bool, p netip.Prefix, who netip.Addr) string
}
