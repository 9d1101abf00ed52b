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
	Site   string `help:"The site (default: the only one; to look: all)."`
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
	looks := wants{getenv: e.getenv, reads: c.Mode == ""} // also on a full disk
	return e.withWants(looks, func(ctx context.Context, in *instance) error {
		if c.Mode == "" {
			return c.show(e, in)
		}
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		until, err := untilOf(c.For)
		if err != nil {
			return err
		}
		m := gateway.SiteMode{Mode: gateway.Mode(c.Mode), Admit: c.Admit, Until: until}
		if err := in.modes.Set(ctx, site, m, operator(), c.Reason); err != nil {
			return err
		}
		fmt.Fprintln(e.io.err, modeWords.switched.In(e.lang))
		return c.print(e, []siteMode{{site, in.modes.Of(site, time.Now())}})
	})
}

// siteMode is the mode of one of several sites.
type siteMode struct {
	Site string `json:"site"`
	gateway.SiteMode
}

// show tells what is in force, at every site when none is named.
func (c modeCmd) show(e *env, in *instance) error {
	sites, err := in.cfg.sitesOf(c.Site)
	if err != nil {
		return err
	}
	var modes []siteMode
	for _, site := range sites {
		modes = append(modes, siteMode{site, in.modes.Of(site, time.Now())})
	}
	return c.print(e, modes)
}

// print shows one site's mode as one JSON value, those of several as a list.
func (c modeCmd) print(e *env, modes []siteMode) error {
	if c.JSON {
		if len(modes) == 1 {
			return printJSON(e.io.out, modes[0])
		}
		return printJSON(e.io.out, modes)
	}
	for _, m := range modes {
		fmt.Fprintf(e.io.out, "%s: %s", m.Site, m.Mode)
		if m.Admit > 0 {
			fmt.Fprintf(e.io.out, modeWords.admits.In(e.lang), m.Admit)
		}
		if !m.Until.IsZero() {
			fmt.Fprintf(e.io.out, modeWords.until.In(e.lang), untilText(m.Until))
		}
		fmt.Fprintf(e.io.out, "  %s\n", meaningOf(m.Mode).In(e.lang))
	}
	return nil
}

// modeWords are what the report says besides the meaning of the mode.
var modeWords = struct{ switched, admits, until noren.Text }{
	switched: noren.Text{Ja: "切り替えました。1 秒以内にすべてのノードに行き渡ります", En: "switched; every node follows within a second"},
	admits:   noren.Text{Ja: "、新しい訪問者を毎分 %d 人まで", En: ", %d new visitors a minute"},
	until:    noren.Text{Ja: "、%s まで", En: ", until %s"},
}

func meaningOf(mode gateway.Mode) noren.Text {
	for _, m := range gateway.Modes() {
		if m.Mode == mode {
			return m.Meaning
		}
	}
	return noren.Text{}
}
