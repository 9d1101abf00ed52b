package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"noren"
	"noren/journal"
)

type journalCmd struct {
	Verify     journalVerifyCmd     `cmd:"" help:"Recompute the record and compare it with its proofs. Exit 1 when something was altered."`
	Export     journalExportCmd     `cmd:"" help:"Write a log as C2SP tlog-tiles, which others can check without Noren."`
	Prove      journalProveCmd      `cmd:"" help:"Write the proof that an entry is in the record, or that one size extends another."`
	CheckProof journalCheckProofCmd `cmd:"" help:"Check a proof offline."`
	Checkpoint journalCheckpointCmd `cmd:"" help:"Sign and print the present checkpoint; keep it on another machine."`
	Key        journalKeyCmd        `cmd:"" help:"Print the key with which others check checkpoints, proofs and exports."`
	Show       journalShowCmd       `cmd:"" help:"Print entries, newest first."`
	Rollup     journalRollupCmd     `cmd:"" help:"Say how far the sums are that pages show, or have them made anew."`
}

type journalVerifyCmd struct {
	Log        string `help:"Only this log (a site, or instance)."`
	Checkpoint string `help:"A checkpoint that was kept outside: the record must extend it." type:"existingfile"`
	Dir        string `help:"Verify a cold copy written by export instead of the database; needs --key." type:"existingdir"`
	Key        string `help:"Verifier key for --dir (noren journal key)."`
	JSON       bool   `name:"json" help:"Print the report as JSON."`
}

// Help shows an example.
func (journalVerifyCmd) Help() string {
	return "Example: noren journal verify --checkpoint /mnt/usb/shop.latest"
}

func (c journalVerifyCmd) Run(e *env) error {
	outside, err := readOptional(c.Checkpoint)
	if err != nil {
		return err
	}
	if c.Dir != "" {
		if c.Key == "" {
			return noren.WithHint(noren.Errorf(noren.Invalid, "a cold copy is checked with the verifier key"), "print it with `noren journal key` and give it with --key")
		}
		rep, err := journal.VerifyDir(e.ctx, c.Dir, c.Key, outside)
		if err != nil {
			return err
		}
		return c.print(e, rep)
	}
	return e.withReader(func(ctx context.Context, in *instance) error {
		if c.Log != "" {
			if _, err := in.log1(c.Log); err != nil {
				return err
			}
		}
		known, err := in.vault.SealedSites(ctx)
		if err != nil {
			return err
		}
		rep, err := in.journal.Verify(ctx, journal.VerifyOptions{Log: c.Log, Known: known, Checkpoint: outside, Progress: e.progress("verified")})
		if err != nil {
			return err
		}
		return c.print(e, rep)
	})
}

func readOptional(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(b)) == 0 {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "%s is empty, so it is no checkpoint", path), "give another copy: one that was cut off witnesses nothing")
	}
	return b, err
}

func (c journalVerifyCmd) print(e *env, rep journal.Report) error {
	if c.JSON {
		if err := printJSON(e.io.out, rep); err != nil {
			return err
		}
	} else {
		for _, l := range rep.Logs {
			fmt.Fprintf(e.io.out, "%-20s %d entries, root %s, %d checkpoints hold\n", l.Log, l.Entries, l.Root, l.Checkpoints+l.Outside)
		}
		for _, f := range rep.Findings {
			fmt.Fprintf(e.io.out, "%s: %s at %d: %s\n", f.Log, f.Kind, f.Seq, f.Detail.In(e.lang))
		}
		for _, w := range rep.Warnings {
			fmt.Fprintf(e.io.err, "warning: %s\n", w.In(e.lang))
		}
	}
	if !rep.Clean() {
		fmt.Fprintf(e.io.err, "%d findings: the record was altered\n", int64(len(rep.Findings))+rep.Omitted)
		return errFindings
	}
	return nil
}

type journalExportCmd struct {
	Dir string `arg:"" help:"Directory to write to; what is there already is completed."`
	Log string `help:"The log: a site, or instance (default: the only site)."`
}

func (c journalExportCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		log, err := in.log1(c.Log)
		if err != nil {
			return err
		}
		if err := in.journal.Export(ctx, log, c.Dir); err != nil {
			return err
		}
		key, err := in.journal.VerifierKey(log)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.io.err, "wrote log %s to %s\n", log, c.Dir)
		fmt.Fprintf(e.io.err, "check it anywhere: noren journal verify --dir %s --key '%s'\n", c.Dir, key)
		return nil
	})
}

type journalProveCmd struct {
	ID   string `arg:"" optional:"" help:"Id of an entry."`
	Log  string `help:"The log: a site, or instance (default: the only site)."`
	From int64  `help:"Instead of an entry: prove that the present log extends the one of this size."`
}

func (c journalProveCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		log, err := in.log1(c.Log)
		if err != nil {
			return err
		}
		if _, err := in.journal.Checkpoint(ctx, log); err != nil {
			return err
		}
		proof, err := c.prove(ctx, in, log)
		if err != nil {
			return err
		}
		return printJSON(e.io.out, proof)
	})
}

func (c journalProveCmd) prove(ctx context.Context, in *instance, log string) (journal.Proof, error) {
	switch {
	case c.From > 0:
		return in.journal.ProveConsistency(ctx, log, c.From, 0)
	case c.ID == "":
		return journal.Proof{}, noren.WithHint(noren.Errorf(noren.Invalid, "which entry?"), "give its id, or --from SIZE for a consistency proof")
	}
	s, err := in.journal.Get(ctx, log, c.ID)
	if err != nil {
		return journal.Proof{}, err
	}
	return in.journal.Prove(ctx, log, s.Seq, 0)
}

type journalCheckProofCmd struct {
	File string `arg:"" help:"Proof as written by prove; - for standard input."`
	Key  string `required:"" help:"Verifier key (noren journal key)."`
}

const maxProofBytes = 1 << 20

func (c journalCheckProofCmd) Run(e *env) error {
	b, err := e.readInput(c.File, maxProofBytes)
	if err != nil {
		return err
	}
	p, err := journal.CheckProof(b, c.Key)
	if noren.CodeOf(err) == noren.Tampered {
		fmt.Fprintf(e.io.err, "the proof does not hold: %v\n", err)
		return errFindings
	}
	if err != nil {
		return err
	}
	return printJSON(e.io.out, map[string]any{"holds": true, "log": p.Log, "seq": p.Seq, "size": p.Size})
}

type journalCheckpointCmd struct {
	Log string `help:"The log: a site, or instance (default: the only site)."`
}

func (c journalCheckpointCmd) Run(e *env) error {
	return e.withInstance(func(ctx context.Context, in *instance) error {
		log, err := in.log1(c.Log)
		if err != nil {
			return err
		}
		note, err := in.journal.Checkpoint(ctx, log)
		if err != nil {
			return err
		}
		_, err = e.io.out.Write(note)
		return err
	})
}

type journalKeyCmd struct {
	Log string `help:"The log: a site, or instance (default: the only site)."`
}

func (c journalKeyCmd) Run(e *env) error {
	return e.withReader(func(_ context.Context, in *instance) error {
		log, err := in.log1(c.Log)
		if err != nil {
			return err
		}
		key, err := in.journal.VerifierKey(log)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.io.out, key)
		return err
	})
}
