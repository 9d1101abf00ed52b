package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"noren"
	"noren/gateway"
)

type modeCmd struct {
	Mode   string `arg:"" optional:"" help:"normal, busy, attack or closed; without one: what is in force."`
	For    string `default:"0" help:"How long: 30m, 2h, 1d; 0 means until changed."`
	Admit  int    `help:"busy: how many new visitors a minute are let in (default 120)."`
	Reason string `help:"Why, for the record and for your colleagues."`
	Site   string `help:"The site (default: the only one)."`
	JSON   bool   `name:"json" help:"Print as JSON."`
}

// Help shows examples.
func (modeCmd) Help() string {
	var b strings.Builder
	for _, m := range gateway.Modes() {
		fmt.Fprintf(&b, "  %-7s %s（%s）\n", m.Mode, m.Meaning.En, m.Meaning.Ja)
	}
	return b.String() + "\nThe allow-list, payments under way and calls from machines are never kept waiting.\n" +
		"Examples:\n  noren mode attack --for 1h --reason 'DDoS'\n  noren mode busy --admit 300 --for 2h --reason 'セール'\n  noren mode normal"
}

func (c modeCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		if c.Mode != "" {
			until, err := untilOf(c.For)
			if err != nil {
				return err
			}
			m := gateway.SiteMode{Mode: gateway.Mode(c.Mode), Admit: c.Admit, Until: until}
			if err := in.modes.Set(ctx, site, m, operator(), c.Reason); err != nil {
				return err
			}
			fmt.Fprintln(e.io.err, "switched; every node follows within a second")
		}
		return c.print(e, site, in.modes.Of(site, time.Now()))
	})
}

func (c modeCmd) print(e *env, site string, m gateway.SiteMode) error {
	if c.JSON {
		return printJSON(e.io.out, m)
	}
	fmt.Fprintf(e.io.out, "%s: %s", site, m.Mode)
	if m.Admit > 0 {
		fmt.Fprintf(e.io.out, ", %d new visitors a minute", m.Admit)
	}
	if !m.Until.IsZero() {
		fmt.Fprintf(e.io.out, ", until %s", m.Until.Local().Format("2006-01-02 15:04"))
	}
	fmt.Fprintf(e.io.out, "  %s\n", meaningOf(m.Mode).In(e.lang))
	return nil
}

func meaningOf(mode gateway.Mode) noren.Text {
	for _, m := range gateway.Modes() {
		if m.Mode == mode {
			return m.Meaning
		}
	}
	return noren.Text{}
}
