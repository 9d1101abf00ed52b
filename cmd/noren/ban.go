package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/user"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/gateway"
	"noren/settings"
	"noren/yamlfile"
)

type banCmd struct {
	Prefix string `arg:"" optional:"" help:"Address or network, for example 203.0.113.7 or 203.0.113.0/24."`
	For    string `default:"1h" help:"How long: 30m, 24h, 7d; 0 means until lifted."`
	Reason string `help:"Why, for the record and for your colleagues."`
	Site   string `help:"The site (default: the only one; to list: all)."`
	Lift   bool   `help:"Lift the ban instead."`
	List   bool   `help:"List what is banned."`
	JSON   bool   `name:"json" help:"Print as JSON."`
	trialFlags
}

// Help shows examples.
func (banCmd) Help() string {
	return "Examples:\n  noren ban 203.0.113.7 --for 24h --reason '総当たり'\n  noren ban --lift 203.0.113.7          (what it did before is forgiven too)\n  noren ban --lift 'session 1f2e3d4c5b6a'\n  noren ban --list"
}

func (c banCmd) Run(e *env) error {
	return listChange{gateway.ListBan, c.Prefix, c.For, c.Reason, c.Site, c.Lift, c.List, c.JSON, c.trialFlags}.run(e)
}

type allowCmd struct {
	Prefix string `arg:"" optional:"" help:"Address or network that must always get through."`
	For    string `default:"0" help:"How long: 30m, 24h, 7d; 0 means until lifted."`
	Reason string `help:"Why, for the record and for your colleagues."`
	Site   string `help:"The site (default: the only one; to list: all)."`
	Lift   bool   `help:"Take it off the list instead."`
	List   bool   `help:"List what is allowed."`
	JSON   bool   `name:"json" help:"Print as JSON."`
	As     string `help:"Your own address as the shop sees it, when it is not the one you came by ssh from; 'nobody' when the change is not about you."`
}

// Help shows examples.
func (allowCmd) Help() string {
	return "An allow-list entry spares bans, limits and challenges, never the firewall, nor who may enter the admin (access.yaml).\nExample: noren allow 198.51.100.0/28 --reason '本社'"
}

func (c allowCmd) Run(e *env) error {
	return listChange{gateway.ListAllow, c.Prefix, c.For, c.Reason, c.Site, c.Lift, c.List, c.JSON, trialFlags{As: c.As}}.run(e)
}

// listChange is what ban and allow share.
type listChange struct {
	list, prefix, last, reason, site string
	lift, show, json                 bool
	trialFlags
}

func (c listChange) run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		if c.show && c.lift {
			return noren.Errorf(noren.Invalid, "--list only shows and --lift changes; give one of them")
		}
		if c.show || c.prefix == "" {
			return c.showAll(e, in)
		}
		site, err := in.cfg.site(c.site)
		if err != nil {
			return err
		}
		author := operator()
		if c.lift && c.ConfirmWithin != "" {
			return noren.Errorf(noren.Invalid, "--confirm-within is for a ban that is set; lifting one shuts nobody out")
		}
		if !c.ofSession() {
			if p, err := gateway.ParsePrefix(c.prefix); err != nil {
				return err
			} else if err := in.mayShutOut(e, c.trialFlags, in.withListChange(c, site, p)); err != nil {
				return err
			}
		}
		if c.lift {
			n, err := c.liftIt(ctx, in, site, author)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.io.err, banWords.lifted.In(e.lang), counted(n, "entry", "entries"), n)
			return nil
		}
		p, err := gateway.ParsePrefix(c.prefix)
		if err != nil {
			return err
		}
		until, err := untilOf(c.last)
		if err != nil {
			return err
		}
		id := noren.NewID(time.Now())
		trial, err := in.try(ctx, c.trialFlags, settings.Trial{Kind: settings.TrialBan, Site: site, Made: id})
		if err != nil {
			return err
		}
		entry, err := in.lists.Set(ctx, gateway.Entry{ID: id, Site: site, List: c.list, Prefix: p, Until: until, Author: author, Reason: noren.Text{Ja: c.reason}})
		if err != nil {
			return trial.never(ctx, err)
		}
		trial.tell(e)
		return c.print(e, in.cfg, []gateway.Entry{entry})
	})
}

// withListChange is what decides who gets in after the change. Only a ban, and an
// allow-list entry that goes, can shut anybody out.
func (in *instance) withListChange(c listChange, site string, p netip.Prefix) entry {
	now, as := in.entry(), in.entry()
	as.banned = func(s string, a netip.Addr) (bool, string) {
		allowed, ban := now.banned(s, a)
		if s != site || !p.Contains(a) {
			return allowed, ban
		}
		allow, bans := in.lists.Around(s, a, time.Now())
		switch {
		case c.list == gateway.ListBan && !c.lift && !allowed:
			return false, p.String()
		case c.list == gateway.ListAllow && c.lift && len(bans) > 0 && !slices.ContainsFunc(allow, func(e gateway.Entry) bool { return e.Prefix != p }):
			return false, bans[len(bans)-1].Prefix.String()
		}
		return allowed, ban
	}
	return as
}

// ofSession reports whether a banned session is meant, by its name in the list.
func (c listChange) ofSession() bool {
	return c.list == gateway.ListBan && c.lift && strings.HasPrefix(c.prefix, "session ")
}

// liftIt lifts a session by its name in the list, or a network off the list; a
// ban also as what an address is asked for instead of one.
func (c listChange) liftIt(ctx context.Context, in *instance, site, author string) (int, error) {
	reason := noren.Text{Ja: c.reason}
	if c.ofSession() {
		return in.lists.LiftSession(ctx, site, c.prefix, author, reason)
	}
	p, err := gateway.ParsePrefix(c.prefix)
	if err != nil {
		return 0, err
	}
	if c.list != gateway.ListBan {
		return in.lists.Lift(ctx, site, c.list, p, author, reason)
	}
	banned, err := in.lists.LiftClient(ctx, site, gateway.ListBan, p, author, reason)
	asked, errAsked := in.lists.LiftClient(ctx, site, gateway.ListCheck, p, author, reason)
	switch {
	case err == nil && (errAsked == nil || noren.CodeOf(errAsked) == noren.NotFound):
		return banned + asked, nil
	case errAsked == nil && noren.CodeOf(err) == noren.NotFound:
		return asked, nil
	}
	return 0, err
}

// shows reports whether an entry is printed in this list: with the bans also
// whom a policy asks for the check instead of banning them.
func (c listChange) shows(list string) bool {
	return list == c.list || c.list == gateway.ListBan && list == gateway.ListCheck
}

// showAll prints the list of the site that was named, or of all.
func (c listChange) showAll(e *env, in *instance) error {
	sites, err := in.cfg.sitesOf(c.site)
	if err != nil {
		return err
	}
	var all []gateway.Entry
	for _, site := range sites {
		all = append(all, in.lists.List(site)...)
	}
	return c.print(e, in.cfg, all)
}

func (c listChange) print(e *env, cfg *Config, entries []gateway.Entry) error {
	if c.json {
		return printJSON(e.io.out, entries)
	}
	n := 0
	for _, x := range entries {
		if !c.shows(x.List) {
			continue
		}
		n++
		fmt.Fprintf(e.io.out, banWords.line.In(e.lang), cfg.siteColumn(x.Site), x.List, x.What(), endText(x.Until, e.lang), shorten(x.Author, 64), shorten(x.Reason.In(e.lang)+x.Again(e.lang), 200))
	}
	if n == 0 {
		fmt.Fprintf(e.io.err, banWords.empty.In(e.lang), c.list)
	}
	return nil
}

// banWords are what the reports of ban and allow say; the name of a list stays as
// it is typed.
var banWords = struct{ line, empty, lifted noren.Text }{
	line:   noren.Text{Ja: "%s%-5s %-20s %s  登録: %s  %s\n", En: "%s%-5s %-20s %s  by %s  %s\n"},
	empty:  noren.Text{Ja: "%s の一覧は空です\n", En: "the %s list is empty\n"},
	lifted: noren.Text{Ja: "解除しました（%[2]d 件）。1 秒以内にすべてのノードに行き渡ります\n", En: "%[1]s lifted; every node follows within a second\n"},
}

// operator names who typed the command, for the record.
func operator() string {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "command line"
	}
	return u.Username + " (command line)"
}

func untilOf(last string) (noren.Time, error) {
	if last == "0" {
		return noren.Time{}, nil
	}
	d, err := yamlfile.ParseDuration(last)
	if err != nil || d <= 0 {
		return noren.Time{}, noren.Errorf(noren.Invalid, "--for %q is not a time such as 30m, 24h or 7d", last)
	}
	return noren.At(time.Now().Add(d)), nil
}
