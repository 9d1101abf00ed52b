package main

import (
	"context"
	"fmt"
	"slices"

	"noren"
	"noren/journal"
)

type journalShowCmd struct {
	Log   string `help:"The log: a site, or instance (default: all sites)."`
	Limit int    `default:"20" help:"How many entries at most."`
	ID    string `help:"Only the entry with this id."`
	JSON  bool   `name:"json" help:"One JSON value per line, with event, facts and decision."`
}

func (c journalShowCmd) Run(e *env) error {
	return e.withReader(func(ctx context.Context, in *instance) error {
		logs, err := in.logsOf(c.Log)
		if err != nil {
			return err
		}
		if c.ID != "" {
			return c.one(ctx, e, in, logs)
		}
		if len(logs) == 1 {
			return c.each(ctx, in, logs[0], func(s journal.Stored) error { return c.print(e, in.cfg, s) })
		}
		return c.merged(ctx, e, in, logs)
	})
}

func (c journalShowCmd) each(ctx context.Context, in *instance, log string, f func(journal.Stored) error) error {
	for s, err := range in.journal.Query(ctx, journal.Filter{Log: log, Limit: c.Limit, Desc: true}) {
		if err != nil {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// one prints the entry with the id, which stands in one of the logs.
func (c journalShowCmd) one(ctx context.Context, e *env, in *instance, logs []string) error {
	for i, log := range logs {
		s, err := in.journal.Get(ctx, log, c.ID)
		if noren.CodeOf(err) == noren.NotFound && i < len(logs)-1 {
			continue
		}
		if err != nil {
			return err
		}
		return c.print(e, in.cfg, s)
	}
	return nil
}

// merged prints the newest entries of several logs in the order of their times.
func (c journalShowCmd) merged(ctx context.Context, e *env, in *instance, logs []string) error {
	var all []journal.Stored
	for _, log := range logs {
		if err := c.each(ctx, in, log, func(s journal.Stored) error { all = append(all, s); return nil }); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b journal.Stored) int { return b.Entry.Event.At.Compare(a.Entry.Event.At.Time) })
	if c.Limit > 0 {
		all = all[:min(len(all), c.Limit)]
	}
	for _, s := range all {
		if err := c.print(e, in.cfg, s); err != nil {
			return err
		}
	}
	return nil
}

func (c journalShowCmd) print(e *env, cfg *Config, s journal.Stored) error {
	if c.JSON {
		return writeLine(e.io.out, map[string]any{"log": s.Log, "seq": s.Seq, "erased": s.Erased, "entry": s.Entry})
	}
	ev := &s.Entry.Event
	at, what := shown(ev.At.Time, toMillis), happened(ev, e.lang)
	if what != "" && !s.Erased {
		_, err := fmt.Fprintf(e.io.out, "%s%d  %s  %-22s %s\n", cfg.siteColumn(s.Log), s.Seq, at, ev.Kind, what)
		return err
	}
	who := ev.Subject().String()
	if s.Erased {
		who = "(erased)"
	}
	_, err := fmt.Fprintf(e.io.out, "%s%d  %s  %-22s %-10s %-9s ×%d %s %s\n", cfg.siteColumn(s.Log), s.Seq, at,
		ev.Kind, ev.Zone, s.Entry.Decision.Verdict, s.Entry.Count, s.Entry.Rule, who)
	return err
}
