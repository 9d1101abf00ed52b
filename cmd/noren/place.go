package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"noren"
	"noren/gateway"
	"noren/settings"
)

type placeCmd struct {
	Add    placeAddCmd    `cmd:"" help:"Give a name to an address or to networks."`
	List   placeListCmd   `cmd:"" help:"List places, and what is opened by hand."`
	Remove placeRemoveCmd `cmd:"" help:"Remove a place: it lets nobody in any more."`
}

type placeAddCmd struct {
	Name     string   `arg:"" help:"What you call it: 本社, 自宅, 制作会社."`
	Networks []string `arg:"" optional:"" help:"Its addresses or networks, for example 198.51.100.0/28."`
	Here     bool     `help:"The address you are connected from by ssh."`
	Until    string   `help:"How long it holds: to the end of a day (2026-09-30) or to a time (2026-09-30 18:00)."`
	For      string   `default:"0" help:"How long it holds: 8h, 30d; 0 means until removed."`
	Replace  bool     `help:"Put these networks in the place of those the place has."`
	Reason   string   `help:"Why, for the record and for your colleagues."`
	Site     string   `help:"The site (default: the only one)."`
	JSON     bool     `name:"json" help:"Print as JSON."`
	trialFlags
}

// Help shows examples.
func (placeAddCmd) Help() string {
	return "A place by itself changes nothing: rules in access.yaml say which places may enter.\n" +
		"Examples:\n  noren place add 本社 198.51.100.0/28\n  noren place add 自宅 --here\n  noren place add 制作会社 203.0.113.7 --for 30d --reason 'リニューアル'"
}

func (c placeAddCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		p, err := c.place(e, in)
		if err != nil {
			return err
		}
		if err := in.mayShutOut(e, c.trialFlags, in.withPlace(p.Site, p.Name, &p)); err != nil {
			return err
		}
		trial, err := in.try(ctx, c.trialFlags, settings.Trial{Kind: settings.TrialPlace, Site: p.Site, Made: p.ID, Undo: in.placeID(p.Site, p.Name)})
		if err != nil {
			return err
		}
		made, _, err := in.places.Set(ctx, p, c.Replace)
		if err != nil {
			return trial.never(ctx, err)
		}
		trial.tell(e)
		return printPlaces(e, in, []gateway.NamedPlace{made}, nil, c.JSON)
	})
}

func (c placeAddCmd) place(e *env, in *instance) (p gateway.NamedPlace, err error) {
	p = gateway.NamedPlace{ID: noren.NewID(time.Now()), Name: c.Name, Reason: c.Reason, Author: operator()}
	if p.Site, err = in.cfg.site(c.Site); err != nil {
		return p, err
	}
	if p.Networks, err = c.networks(e); err != nil {
		return p, err
	}
	p.Until, err = c.until()
	return p, err
}

func (c placeAddCmd) networks(e *env) (out []netip.Prefix, err error) {
	if c.Here {
		a := e.sshAddress()
		if !a.IsValid() {
			return nil, noren.WithHint(noren.Errorf(noren.Invalid, "--here: this is no ssh session, or its address did not come this far"),
				"behind sudo: sudo --preserve-env=SSH_CONNECTION …; else give the address, which https://…/admin shows when it refuses you")
		}
		out = append(out, homeNet(a))
	}
	for _, s := range c.Networks {
		p, err := lineNet(s)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "which addresses is %s?", c.Name), "give addresses or networks, or --here")
	}
	return out, nil
}

// homeNet is the network of one line: an IPv4 address, or the /64 that a line has
// in IPv6, in which machines change their addresses daily.
func homeNet(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	return netip.PrefixFrom(a, 64).Masked()
}

// lineNet reads an address as the line it is on, and a network as it is written.
func lineNet(s string) (netip.Prefix, error) {
	p, err := gateway.ParsePrefix(s)
	if err != nil || strings.Contains(s, "/") {
		return p, err
	}
	return homeNet(p.Addr()), nil
}

func (c placeAddCmd) until() (noren.Time, error) {
	if c.Until == "" {
		return untilOf(c.For)
	}
	if c.For != "0" {
		return noren.Time{}, noren.Errorf(noren.Invalid, "give --until or --for, not both")
	}
	var u gateway.Until
	err := u.UnmarshalText([]byte(c.Until))
	return u.Time, err
}

func (in *instance) placeID(site, name string) string {
	if p := in.places.Find(site, name); p != nil {
		return p.ID
	}
	return ""
}

// withPlace is what decides who gets in when a place is as given; nil is removed.
func (in *instance) withPlace(site, name string, p *gateway.NamedPlace) entry {
	now, as := in.entry(), in.entry()
	as.in = func(s, n string, a netip.Addr) bool {
		if s != site || n != name {
			return now.in(s, n, a)
		}
		return p != nil && p.Live(time.Now()) && p.Contains(a)
	}
	return as
}

type placeRemoveCmd struct {
	Name   string `arg:"" help:"The place."`
	Reason string `help:"Why, for the record and for your colleagues."`
	Site   string `help:"The site (default: the only one)."`
	trialFlags
}

// Help shows an example.
func (placeRemoveCmd) Help() string {
	return "Example: noren place remove 制作会社 --reason '契約終了'"
}

func (c placeRemoveCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		if in.places.Find(site, c.Name) == nil {
			return noren.WithHint(noren.Errorf(noren.NotFound, "there is no place %q at %s", c.Name, site), "noren place list shows them")
		}
		e.noteUnknown(c.trialFlags)
		if err := in.mayShutOut(e, c.trialFlags, in.withPlace(site, c.Name, nil)); err != nil {
			return err
		}
		trial, err := in.try(ctx, c.trialFlags, settings.Trial{Kind: settings.TrialPlace, Site: site, Undo: in.placeID(site, c.Name)})
		if err != nil {
			return err
		}
		p, err := in.places.Remove(ctx, site, c.Name, operator(), c.Reason)
		if err != nil {
			return trial.never(ctx, err)
		}
		trial.tell(e)
		fmt.Fprintf(e.io.err, "removed %s (%s); every node follows within a second\n", p.Name, gateway.NetworksText(p.Networks))
		return nil
	})
}

type placeListCmd struct {
	Site string `help:"The site (default: all)."`
	JSON bool   `name:"json" help:"Print as JSON."`
}

func (c placeListCmd) Run(e *env) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		sites := in.cfg.siteNames()
		if c.Site != "" {
			site, err := in.cfg.site(c.Site)
			if err != nil {
				return err
			}
			sites = []string{site}
		}
		var places []gateway.NamedPlace
		var open []gateway.Opening
		for _, site := range sites {
			places = append(places, in.places.List(site)...)
			open = append(open, in.places.Openings(site)...)
		}
		if err := printPlaces(e, in, places, open, c.JSON); err != nil || c.JSON {
			return err
		}
		trials, err := in.settings.Trials(ctx)
		if err != nil {
			return err
		}
		return printTrials(e, trials, false)
	})
}

// printPlaces shows places, with the rules that use them, and what is open.
func printPlaces(e *env, in *instance, places []gateway.NamedPlace, open []gateway.Opening, asJSON bool) error {
	if asJSON {
		return printJSON(e.io.out, struct {
			Places   []gateway.NamedPlace `json:"places"`
			Openings []gateway.Opening    `json:"openings,omitempty"`
		}{places, open})
	}
	now := time.Now()
	for _, p := range places {
		holds := "until removed"
		switch {
		case !p.Live(now):
			holds = "EXPIRED " + untilText(p.Until) + ", lets nobody in"
		case !p.Until.IsZero():
			holds = "until " + untilText(p.Until)
		}
		fmt.Fprintf(e.io.out, "%s  %s  %s  %s  %s  by %s  %s\n", p.Site, p.Name, gateway.NetworksText(p.Networks), holds, usedBy(in, p), shorten(p.Author, 64), shorten(p.Reason, 200))
	}
	printOpenings(e, open)
	if len(places)+len(open) == 0 {
		fmt.Fprintln(e.io.err, "there are no places yet: noren place add 本社 ADDRESS")
	}
	return nil
}

func usedBy(in *instance, p gateway.NamedPlace) string {
	var rules []string
	for _, r := range in.rules.access.of(p.Site) {
		if r.Uses(p.Name) {
			rules = append(rules, r.Name)
		}
	}
	if len(rules) == 0 {
		return "(no rule uses it)"
	}
	return "(" + strings.Join(rules, ", ") + ")"
}
