package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"noren"
	"noren/lab/peer"
)

// killSteps are the steps of the loop after which the kill lab ends a process,
// besides random moments.
var killSteps = []string{"stamped", "decided", "recorded", "acted", "marked", "observed"}

// killLab kills a recording process with SIGKILL again and again, on one
// database, and asks after each time: is everything that was acknowledged there,
// does the record verify, are recorded actions carried out, and does the same
// event get the same facts?
func killLab() Lab {
	return Lab{
		Name:    "kill",
		Meaning: noren.Text{Ja: "記録の途中で何度も強制終了し、約束した記録が一つも失われないことを確かめます", En: "Kills the recording process again and again; nothing acknowledged may be lost"},
		Run:     runKill,
	}
}

const defaultKills = 12

// Killed is what is found in the database after a kill.
type Killed struct {
	Missing    []string // acknowledged ids that are not in the record
	Entries    int64
	Findings   int      // of a full verification
	Spooled    int64    // entries that are not in the database yet
	Undone     int64    // recorded actions that are neither done nor expired
	BadActions int64    // actions marked done whose ban does not stand
	Facts      []string // facts that are not what the record says, described
}

func runKill(ctx context.Context, env Env, p Params) (Report, error) {
	rep := Report{Lab: "kill", Seed: p.Seed, Figures: map[string]any{}}
	url := ""
	if p.Engine == "postgres" {
		server, err := peer.StartPostgres(ctx, "")
		if err != nil {
			return rep, err
		}
		defer server.Stop()
		url = server.URL()
	}
	k := &killer{env: env, dir: filepath.Join(env.Dir, "kill"), url: url, r: rand.New(rand.NewPCG(p.Seed, 1)), acked: map[string]bool{}}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return rep, err
	}
	runs := p.Runs
	if runs == 0 {
		runs = defaultKills
	}
	for i := range runs {
		if err := k.run(ctx, i); err != nil {
			return rep, fmt.Errorf("run %d: %w", i+1, err)
		}
		say(env, "run %d of %d: %d acknowledged, %d in the record\n", i+1, runs, len(k.acked), k.last.Entries)
	}
	k.report(&rep, runs)
	return rep, nil
}

type killer struct {
	env   Env
	dir   string
	url   string
	r     *rand.Rand
	acked map[string]bool
	last  Killed
	sum   Killed
	steps map[string]int
}

// run starts a process, kills it or lets it kill itself, and looks.
func (k *killer) run(ctx context.Context, i int) error {
	args := []string{"lab-child", "--dir", k.dir, "--url", k.url, "--seed", fmt.Sprint(k.r.Uint64())}
	step := ""
	if i%2 == 1 { // every other time between two steps, else at a random moment
		step = killSteps[i/2%len(killSteps)]
		args = append(args, "--die-step", step, "--die-at", fmt.Sprint(1+k.r.IntN(30)))
	}
	ids, err := k.child(ctx, args, step != "")
	if err != nil {
		return err
	}
	for _, id := range ids {
		k.acked[id] = true
	}
	if k.steps == nil {
		k.steps = map[string]int{}
	}
	k.steps[step]++
	k.last, err = k.env.Inspect(ctx, k.dir, k.url, ids)
	if err != nil {
		return err
	}
	k.add()
	return nil
}

// child runs until it is killed and returns what it acknowledged.
func (k *killer) child(ctx context.Context, args []string, diesItself bool) ([]string, error) {
	cmd := exec.CommandContext(ctx, k.env.Exec, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var ids []string
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) == 3 && f[0] == "ack" {
			ids = append(ids, f[2])
		}
		if timer == nil && !diesItself {
			after := time.Duration(5+k.r.IntN(200)) * time.Millisecond
			timer = time.AfterFunc(after, func() { cmd.Process.Signal(syscall.SIGKILL) })
		}
	}
	err = cmd.Wait()
	if timer != nil {
		timer.Stop()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return nil, fmt.Errorf("the recording process ended by itself: %v\n%s", err, said.String())
	}
	return ids, nil
}

func (k *killer) add() {
	k.sum.Missing = append(k.sum.Missing, k.last.Missing...)
	k.sum.Findings += k.last.Findings
	k.sum.Spooled += k.last.Spooled
	k.sum.Undone += k.last.Undone
	k.sum.BadActions += k.last.BadActions
	k.sum.Facts = append(k.sum.Facts, k.last.Facts...)
}

func (k *killer) report(rep *Report, runs int) {
	none := func(name, ja string, n int64) {
		rep.Add(name, noren.Text{Ja: ja, En: name}, "0", fmt.Sprint(n), n == 0)
	}
	none("acknowledged entries lost", "失われた記録（確認済み）", int64(len(k.sum.Missing)))
	none("findings of a full verification", "検証で見つかった異常", int64(k.sum.Findings))
	none("entries left in the spool", "スプールに残った記録", k.sum.Spooled)
	none("recorded actions not carried out after restart", "再起動後も実行されない処置", k.sum.Undone)
	none("actions marked done without their ban", "実行済みとされたが効いていない処置", int64(k.sum.BadActions))
	none("facts that differ after restart", "再起動後に変わった事実", int64(len(k.sum.Facts)))
	if len(k.sum.Facts) > 0 {
		rep.Figures["facts"] = k.sum.Facts[:min(5, len(k.sum.Facts))]
	}
	rep.Figures["runs"] = runs
	rep.Figures["acknowledged"] = len(k.acked)
	rep.Figures["entries"] = k.last.Entries
	steps := map[string]int{"random moment": k.steps[""]}
	for _, s := range killSteps {
		steps["after "+s] = k.steps[s]
	}
	rep.Figures["killed"] = steps
}

// say tells whoever watches.
func say(env Env, format string, args ...any) {
	if env.Progress != nil {
		fmt.Fprintf(env.Progress, format, args...)
	}
}
