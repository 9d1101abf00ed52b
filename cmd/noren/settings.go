package main

import (
	"context"
	"fmt"

	"noren"
	"noren/kv"
	"noren/orient"
	"noren/settings"
)

type settingsCmd struct {
	Export   settingsExportCmd   `cmd:"" help:"Write the settings in force into a new directory."`
	Import   settingsImportCmd   `cmd:"" help:"Check a directory and make it the settings in force."`
	Diff     settingsDiffCmd     `cmd:"" help:"Show what importing a directory would change. Exit 1 when something."`
	Versions settingsVersionsCmd `cmd:"" help:"List versions: when, who, why."`
	Restore  settingsRestoreCmd  `cmd:"" help:"Make an earlier version the settings in force again."`
	Confirm  settingsConfirmCmd  `cmd:"" help:"Keep a change that waits for its confirmation (--confirm-within)."`
}

type settingsExportCmd struct {
	Dir     string `arg:"" help:"A directory that is new or empty."`
	Version string `help:"A version's id (noren settings versions); default: the one in force."`
}

func (c settingsExportCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		set, err := in.settingsOf(ctx, c.Version)
		if err != nil {
			return err
		}
		if err := settings.WriteDir(c.Dir, set); err != nil {
			return err
		}
		fmt.Fprintf(e.io.err, "wrote %d files, version %s\n", len(set), set.Hash())
		return nil
	})
}

func (in *instance) settingsOf(ctx context.Context, id string) (settings.Set, error) {
	if id == "" {
		return in.settings.Current(ctx)
	}
	return in.settings.Get(ctx, id)
}

type settingsImportCmd struct {
	Dir    string `arg:"" type:"existingdir" help:"Directory of a settings set."`
	Reason string `required:"" help:"Why, for the record and your colleagues."`
	Base   string `help:"Version hash the change was made from; refused when another is in force now."`
	trialFlags
}

// Help shows an example.
func (settingsImportCmd) Help() string {
	return "Example: noren settings import ./my-settings --reason 'セール期間中はログインを緩める'"
}

func (c settingsImportCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		set, err := settings.ReadDir(c.Dir)
		if err != nil {
			return err
		}
		return in.changeSettings(e, ctx, set, c.Reason, c.Base, c.trialFlags)
	})
}

// checkSettings compiles a set as a node would.
func checkSettings(set settings.Set, cfg *Config) error {
	_, err := tryRules(set, cfg)
	return err
}

// tryRules compiles a set as a node would, without what only a running one has.
// What was understood is there beside the error.
func tryRules(set settings.Set, cfg *Config) (*rules, error) {
	r, err := compileSettings(set, cfg.siteNames(), func(d declared) (*noren.Catalogue, error) {
		o, err := orient.New(orient.Options{KV: kv.NewMemory(0), Entities: d.entities, Sequences: d.sequences, Sources: sources()})
		if err != nil {
			return nil, err
		}
		return o.Catalogue(), nil
	})
	if err != nil {
		return r, err
	}
	if err := r.access.haveData(&cfg.Lookup); err != nil || len(r.firewall) == 0 {
		return r, err
	}
	fw, err := openFirewall(r.firewall, nil, quiet())
	if err != nil {
		return r, err
	}
	return r, fw.Close()
}

type settingsDiffCmd struct {
	Dir string `arg:"" type:"existingdir" help:"Directory of a settings set."`
}

func (c settingsDiffCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		set, err := settings.ReadDir(c.Dir)
		if err != nil {
			return err
		}
		now, err := in.settings.Current(ctx)
		if err != nil {
			return err
		}
		diff := settings.Diff(now, set)
		fmt.Fprint(e.io.out, diff)
		in.sayUnknownPlaces(e, set)
		in.sayShutOut(e, set)
		if err := checkSettings(set, in.cfg); err != nil {
			return err
		}
		if diff != "" {
			return errFindings
		}
		return nil
	})
}

type settingsVersionsCmd struct {
	Limit int  `default:"20" help:"How many at most."`
	JSON  bool `name:"json" help:"Print as JSON."`
}

func (c settingsVersionsCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		all, err := in.settings.Versions(ctx, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, all)
		}
		for _, v := range all {
			fmt.Fprintf(e.io.out, "%4d  %s  %s  %s  %s: %s\n", v.N, v.ID, v.Hash, shown(v.At.Time, toSecond), v.Author, v.Reason)
		}
		return nil
	})
}

type settingsRestoreCmd struct {
	ID       string `arg:"" optional:"" help:"A version's id (noren settings versions)."`
	Previous bool   `help:"The version before the one in force."`
	Reason   string `default:"back to an earlier version" help:"Why."`
	trialFlags
}

func (c settingsRestoreCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		id := c.ID
		if c.Previous {
			all, err := in.settings.Versions(ctx, 2)
			if err != nil {
				return err
			}
			if len(all) < 2 {
				return noren.Errorf(noren.NotFound, "there is no earlier version")
			}
			id = all[1].ID
		}
		if id == "" {
			return noren.WithHint(noren.Errorf(noren.Invalid, "which version?"), "give an id from `noren settings versions`, or --previous")
		}
		set, err := in.settings.Get(ctx, id)
		if err != nil {
			return err
		}
		return in.changeSettings(e, ctx, set, c.Reason, "", c.trialFlags)
	})
}
