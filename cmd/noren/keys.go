package main

import (
	"context"
	"fmt"
	"strings"

	"noren"
	"noren/vault"
)

type keysCmd struct {
	Status  keysStatusCmd  `cmd:"" help:"List the keys and say whether the root key was backed up."`
	Sheet   keysSheetCmd   `cmd:"" help:"Print the recovery sheet. Keep it on paper, apart from the machine."`
	Backup  keysBackupCmd  `cmd:"" name:"backed-up" help:"Tell Noren that the recovery sheet is kept; ends the alarm."`
	Rotate  keysRotateCmd  `cmd:"" help:"Make a new key for a purpose; what the old one sealed stays readable."`
	NewRoot keysNewRootCmd `cmd:"" name:"new-root" help:"Replace the root key file and wrap every key anew."`
	Erase   keysEraseCmd   `cmd:"" help:"Erase a person: destroy their keys and delete their rows. Proofs stay valid."`
}

type keysStatusCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

func (c keysStatusCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		type status struct {
			Instance string                 `json:"instance"`
			BackedUp *noren.Time            `json:"backed_up"`
			Keys     map[string][]vault.Key `json:"keys"`
		}
		s := status{Instance: in.vault.Instance(), Keys: map[string][]vault.Key{}}
		at, ok, err := in.vault.BackedUp(ctx)
		if err != nil {
			return err
		}
		if ok {
			s.BackedUp = &at
		}
		for _, p := range in.vault.Purposes() {
			s.Keys[p] = in.vault.Keys(p)
		}
		if c.JSON {
			return printJSON(e.io.out, s)
		}
		fmt.Fprintf(e.io.out, "instance %s\n", s.Instance)
		for _, p := range in.vault.Purposes() {
			for _, k := range s.Keys[p] {
				fmt.Fprintf(e.io.out, "%-12s %s %-8s since %s\n", p, k.ID, k.State, shown(k.Created.Time, toDay))
			}
		}
		if text, alarm, err := in.vault.Alarm(ctx); err == nil && alarm {
			fmt.Fprintf(e.io.err, "warning: %s\n", text.In(e.lang))
		}
		return nil
	})
}

type keysSheetCmd struct{}

func (keysSheetCmd) Run(e *env) error {
	return e.withInstance(func(_ context.Context, in *instance) error {
		_, err := fmt.Fprintln(e.io.out, in.vault.RecoverySheet(e.lang))
		return err
	})
}

type keysBackupCmd struct{}

func (keysBackupCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error { return in.vault.ConfirmBackup(ctx) })
}

type keysRotateCmd struct {
	Purpose string `arg:"" help:"seal, checkpoint, cookie."`
}

func (c keysRotateCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		if err := in.vault.Rotate(ctx, c.Purpose); err != nil {
			return err
		}
		fmt.Fprintf(e.io.err, "new key for %s; what the old one sealed or signed stays valid\n", c.Purpose)
		if c.Purpose == "checkpoint" {
			fmt.Fprintln(e.io.err, "a running noren signs with it after a hand-over (kill -USR2); print the new verifier key: noren journal key")
		}
		return nil
	})
}

type keysNewRootCmd struct{}

func (keysNewRootCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		path, ok := strings.CutPrefix(in.cfg.RootKey, "file:")
		if !ok {
			return noren.Errorf(noren.Invalid, "only a root key in a file can be replaced by this command; root_key is %s", in.cfg.RootKey)
		}
		if _, err := in.vault.RotateRootFile(ctx, path); err != nil {
			return err
		}
		fmt.Fprintln(e.io.err, "the root key is replaced; print a new recovery sheet: noren keys sheet")
		return nil
	})
}

type keysEraseCmd struct {
	Subject string `arg:"" help:"KIND:ID, for example account:hanako@example.jp or address:203.0.113.7."`
	Site    string `help:"The site (default: the only one)."`
	Reason  string `required:"" help:"Why, for the record: for example 本人の請求 2026-11-21. No personal data."`
	JSON    bool   `name:"json" help:"Print what was erased as JSON."`
}

// Help shows an example.
func (keysEraseCmd) Help() string {
	return "Example: noren keys erase account:hanako@example.jp --reason '本人の請求'"
}

func (c keysEraseCmd) Run(e *env) error {
	s, err := noren.ParseSubject(c.Subject)
	if err != nil {
		return err
	}
	return e.withInstance(func(ctx context.Context, in *instance) error {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		done, err := in.erase(ctx, site, s, c.Reason)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, done)
		}
		fmt.Fprintf(e.io.out, "erased: %d keys destroyed, %d access log lines removed\n", done.Keys, done.LogLines)
		return nil
	})
}
