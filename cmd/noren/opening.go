package main

import (
	"context"
	"fmt"
	"slices"

	"noren"
	"noren/gateway"
)

type openCmd struct {
	Zone   []string `help:"What is opened: admin (with its sign-in), admin_login, pii_bulk, code_edit, or any zone (default: admin)."`
	For    string   `default:"30m" help:"How long: 30m, 2h; at most 24h."`
	From   string   `help:"Who is let in: an address, a network, or 'anywhere'."`
	Reason string   `help:"Why, for the record and for your colleagues."`
	End    bool     `help:"Close what is open."`
	Site   string   `help:"The site (default: the only one)."`
	JSON   bool     `name:"json" help:"Print as JSON."`
}

// Help shows examples.
func (openCmd) Help() string {
	return "Break-glass: lets somebody past the access rules for a while, whatever they say. It is recorded and raises an alarm,\n" +
		"and works although the settings in force cannot be used. Bans still hold (noren allow); so do the shop's own sign-in and the firewall.\n" +
		"Examples:\n  noren open --zone admin --for 30m --from 203.0.113.7 --reason '出張先から'\n  noren open --end\n  noren place list"
}

func (c openCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		if c.End {
			ended, err := in.places.EndOpenings(ctx, site, operator(), c.Reason)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.io.err, "%s ended; every node follows within a second\n", counted(len(ended), "opening", "openings"))
			return nil
		}
		o, err := c.opening(site)
		if err != nil {
			return err
		}
		if o, err = in.places.Open(ctx, o); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, o)
		}
		printOpenings(e, []gateway.Opening{o})
		in.warnBanned(e, o)
		return nil
	})
}

func (c openCmd) opening(site string) (o gateway.Opening, err error) {
	o = gateway.Opening{Site: site, Zones: openedZones(c.Zone), Reason: c.Reason, Author: operator()}
	if c.From == "" {
		return o, noren.WithHint(noren.Errorf(noren.Invalid, "who is to be let in?"), "give --from ADDRESS (the page that refuses them shows it), or --from anywhere")
	}
	if c.From != "anywhere" {
		if o.From, err = lineNet(c.From); err != nil {
			return o, err
		}
	}
	if o.Until, err = untilOf(c.For); err == nil && o.Until.IsZero() {
		err = noren.Errorf(noren.Invalid, "an opening has an end: --for 30m, at most 24h")
	}
	return o, err
}

// openedZones opens the sign-in with the admin: one is of no use without the other.
func openedZones(names []string) (out []noren.Zone) {
	if len(names) == 0 {
		names = []string{string(noren.ZoneAdmin)}
	}
	for _, n := range names {
		out = append(out, noren.Zone(n))
		if noren.Zone(n) == noren.ZoneAdmin {
			out = append(out, noren.ZoneAdminLogin)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// warnBanned tells when a ban stands in the way of who is let in.
func (in *instance) warnBanned(e *env, o gateway.Opening) {
	if !o.From.IsValid() {
		return
	}
	if _, ban := in.entry().banned(o.Site, o.From.Addr()); ban != "" {
		fmt.Fprintf(e.io.err, "note: %s is banned (%s), which opening does not change: noren allow %s --for 1h\n", o.From.Addr(), ban, o.From.Addr())
	}
}

func printOpenings(e *env, open []gateway.Opening) {
	for _, o := range open {
		fmt.Fprintf(e.io.out, "%s  OPEN by hand: %v for %s until %s  by %s  %s\n", o.Site, o.Zones, o.FromText(), untilText(o.Until), shorten(o.Author, 64), shorten(o.Reason, 200))
	}
}
