package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"noren"
	"noren/lab"
	"noren/lab/peer"
)

type labCmd struct {
	Name   string        `arg:"" help:"One of those below."`
	Seed   uint64        `help:"Seed; the same seed repeats the same run (default: a fresh one, printed)."`
	Runs   int           `help:"How many kills (kill), changes (reload), rounds (neighbours) or requests (waf)."`
	Engine string        `enum:"sqlite,postgres" default:"sqlite" help:"sqlite: with memory of the process. postgres: with Valkey or Redis; both are started for the lab (traffic, kill)."`
	Buyers int           `help:"How many buyers (traffic, nat, flood)."`
	Speed  float64       `help:"How much faster than people (traffic, nat, flood)."`
	Rate   int           `help:"Requests a second of the attackers (flood, neighbours)."`
	For    time.Duration `help:"How long (hostile), such as 10m."`
	JSON   bool          `name:"json" help:"Print {lab, seed, checks, figures} as JSON."`
}

// Help lists the labs.
func (labCmd) Help() string {
	var b strings.Builder
	for _, l := range lab.All() {
		fmt.Fprintf(&b, "  %-10s %s\n             %s\n", l.Name, l.Meaning.En, l.Meaning.Ja)
	}
	return b.String() + "Exit 1 when a check fails. Example: noren lab traffic --seed 42 --json"
}

func (c labCmd) Run(e *env) error {
	for _, l := range lab.All() {
		if l.Name == c.Name {
			return c.run(e, l)
		}
	}
	var names []string
	for _, l := range lab.All() {
		names = append(names, l.Name)
	}
	return noren.Errorf(noren.Invalid, "no lab %q; there are %s", c.Name, strings.Join(names, ", "))
}

func (c labCmd) run(e *env, l lab.Lab) error {
	dir, err := os.MkdirTemp("", "noren-lab")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	progress := io.Discard
	if !c.JSON {
		progress = e.io.err
	}
	if c.Seed == 0 {
		c.Seed = freshSeed()
	}
	le := &labEnv{e: e, dir: dir}
	if c.Engine == "postgres" && c.Name == "traffic" {
		stop, err := le.startBacking(e.ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	rep, err := l.Run(e.ctx, lab.Env{Log: e.log, Dir: dir, Progress: progress, Exec: exe, Start: le.start, Door: le.door, Shops: le.shops, Inspect: le.inspect, Tamper: le.tamper},
		lab.Params{Seed: c.Seed, Runs: c.Runs, Engine: c.Engine, Buyers: c.Buyers, Speed: c.Speed, Rate: c.Rate, For: c.For})
	if err != nil {
		return fmt.Errorf("lab %s, seed %d: %w", l.Name, c.Seed, err)
	}
	if c.JSON {
		err = printJSON(e.io.out, rep)
	} else {
		err = rep.Print(e.io.out, e.lang)
	}
	if err == nil && !rep.OK() {
		err = errFindings
	}
	return err
}

func freshSeed() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return uint64(binary.BigEndian.Uint32(b[:4])) + 1
}

// labEnv starts and opens instances for labs.
type labEnv struct {
	e   *env
	dir string
	on  backing
}

// startBacking starts a PostgreSQL and a Valkey of our own.
func (l *labEnv) startBacking(ctx context.Context) (stop func(), err error) {
	database, err := peer.StartPostgres(ctx, "")
	if err != nil {
		return nil, err
	}
	shared, err := peer.StartValkey(ctx, "")
	if err != nil {
		database.Stop()
		return nil, err
	}
	l.on = backing{database: database.URL(), shared: shared.URL()}
	return func() { shared.Stop(); database.Stop() }, nil
}

// inspect opens what a killed process left, lets it recover and looks.
func (l *labEnv) inspect(ctx context.Context, dir, url string, ids []string) (lab.Killed, error) {
	in, err := openInstance(ctx, labConfig(dir, url), wants{create: true, getenv: l.e.getenv, initial: labSettings()}, quiet())
	if err != nil {
		return lab.Killed{}, err
	}
	defer in.Close(context.WithoutCancel(ctx))
	in.run(ctx)
	return in.inspectKilled(ctx, ids)
}
