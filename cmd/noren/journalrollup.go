package main

import (
	"context"
	"fmt"

	"noren/journal"
)

type journalRollupCmd struct {
	Log     string `help:"Only this log (a site, or instance)."`
	Rebuild bool   `help:"Count everything anew. Whoever serves does it in the background; with --wait this command does."`
	Wait    bool   `help:"Roll up until nothing is left, with progress."`
	JSON    bool   `name:"json" help:"Print the state as JSON."`
}

// Help shows an example.
func (journalRollupCmd) Help() string {
	return "Sums are derived from the record and are no part of it: making them anew loses nothing, and pages say meanwhile how far they are.\nExample: noren journal rollup --rebuild --wait"
}

func (c journalRollupCmd) Run(e *env) error {
	return e.withReader(func(ctx context.Context, in *instance) error {
		logs, err := in.logsOf(c.Log)
		if err != nil {
			return err
		}
		if c.Log == "" {
			logs = append(logs, journal.InstanceLog)
		}
		for _, log := range logs {
			if !c.Rebuild {
				break
			}
			st, err := in.journal.RollState(ctx, log)
			if err == nil && st.Entries > 0 {
				err = in.journal.Rebuild(ctx, log)
			}
			if err != nil {
				return err
			}
		}
		if c.Wait {
			if err := c.wait(ctx, e, in, logs); err != nil {
				return err
			}
		}
		return c.print(ctx, e, in, logs)
	})
}

// wait rolls up beside whoever serves; each entry is counted once all the same.
func (c journalRollupCmd) wait(ctx context.Context, e *env, in *instance, logs []string) error {
	report := e.progress("rolled up")
	for more := true; more; {
		var err error
		if more, err = in.journal.RollUp(ctx); err != nil {
			return err
		}
		var done, total int64
		for _, log := range logs {
			st, err := in.journal.RollState(ctx, log)
			if err != nil {
				return err
			}
			done, total = done+st.Rolled, total+st.Entries
		}
		if report != nil {
			report(done, total)
		}
	}
	return nil
}

func (c journalRollupCmd) print(ctx context.Context, e *env, in *instance, logs []string) error {
	var all []journal.RollState
	for _, log := range logs {
		st, err := in.journal.RollState(ctx, log)
		if err != nil {
			return err
		}
		all = append(all, st)
	}
	if c.JSON {
		return printJSON(e.io.out, all)
	}
	for _, st := range all {
		note := ""
		if !st.Whole() {
			note = fmt.Sprintf(", %d before %s not yet", st.Missing, shown(st.From, toMillis))
		}
		fmt.Fprintf(e.io.out, "%-20s %d of %d entries rolled up%s\n", st.Log, st.Rolled, st.Entries, note)
	}
	return nil
}
