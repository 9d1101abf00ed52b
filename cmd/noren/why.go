package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"noren"
	"noren/gateway"
)

type whyCmd struct {
	Address string `arg:"" help:"IP address of the visitor, or the reference number on the page they saw."`
	URL     string `arg:"" optional:"" help:"Path or address they asked for (default: /)."`
	Method  string `default:"GET" help:"HTTP method."`
	Zone    string `help:"Ask about a zone instead of a page: admin, admin_login, storefront …"`
	Site    string `help:"The site (default: that of the address asked for, or the only one)."`
	JSON    bool   `name:"json" help:"Print as JSON."`
}

// Help shows an example.
func (whyCmd) Help() string {
	return "Examples:\n  noren why 7K2QM-X4T9A\n  noren why 203.0.113.7 /shopping --method POST\n  noren why 203.0.113.7 --zone admin"
}

func (c whyCmd) Run(e *env) error {
	if ticket, ok := noren.ReadTicket(c.Address); ok {
		return c.ticket(e, ticket)
	}
	addr, err := netip.ParseAddr(c.Address)
	if err != nil {
		return noren.Errorf(noren.Invalid, "%q is neither an IP address nor a reference number such as 7K2QM-X4T9A", c.Address)
	}
	return e.withReader(func(ctx context.Context, in *instance) error {
		site, err := in.cfg.siteAbout(c.Site, c.URL)
		if err != nil {
			return err
		}
		set, err := in.gatewaySettings(in.now, in.rules)
		if err != nil {
			return err
		}
		g, err := gateway.New(gateway.Options{Settings: set, KV: in.kv, Lists: in.lists, Places: in.places, Modes: in.modes, Emergency: in.stops, Country: in.country, ASN: in.asn, AddressFact: in.addressFact, Log: e.log})
		if err != nil {
			return err
		}
		x, err := c.ask(ctx, g, site, addr)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, x)
		}
		printWhy(e.io.out, x, e.lang, in.shared != nil)
		return nil
	})
}

func (c whyCmd) ask(ctx context.Context, g *gateway.Gateway, site string, addr netip.Addr) (gateway.Explanation, error) {
	switch {
	case c.Zone == "":
		return g.Why(ctx, site, addr, c.Method, c.URL)
	case c.URL != "":
		return gateway.Explanation{}, noren.Errorf(noren.Invalid, "give a page or --zone, not both")
	}
	return g.WhyZone(ctx, site, addr, c.Method, noren.Zone(c.Zone))
}

func printWhy(w io.Writer, x gateway.Explanation, lang string, sharedLimits bool) {
	verdict := "would pass"
	if !x.Would.Pass {
		verdict = fmt.Sprintf("would be answered %d", x.Would.Status)
	}
	fmt.Fprintf(w, "%s %s %s: %s\n  %s\n", x.Address, x.Method, x.Site, verdict, x.Would.Text.In(lang))
	fmt.Fprintf(w, "  zone %s%s\n", x.Place.Zone, inBrackets(x.Place.Pattern))
	if x.Mode.Mode != "" {
		fmt.Fprintf(w, "  mode %s: noren mode normal ends it\n", x.Mode.Mode)
	}
	for _, s := range x.Emergency {
		fmt.Fprintf(w, "  emergency %s%s: noren emergency %s --off ends it\n", s.Switch, inBrackets(byWhomShort(s)), s.Switch)
	}
	printAccess(w, x, lang)
	for _, l := range [][]gateway.Entry{x.Allow, x.Ban, x.Asked} {
		for _, entry := range l {
			fmt.Fprintf(w, "  on the %s list: %s %s, by %s: %s\n", entry.List, entry.What(), endText(entry.Until, lang), entry.Author, entry.Reason.In(lang)+entry.Again(lang))
		}
	}
	for _, l := range x.Limits {
		fill := fmt.Sprintf("%d left", l.Remaining)
		if !sharedLimits {
			fill = "fill known to the running process only"
		}
		if l.Answer != "" {
			fill += ", would answer " + string(l.Answer)
		}
		fmt.Fprintf(w, "  limit %s: %s per %s, then %s: %s\n", l.Name, l.Rate, l.By, l.Then, fill)
	}
	for _, t := range x.Warnings {
		fmt.Fprintf(w, "  note: %s\n", t.In(lang))
	}
}
