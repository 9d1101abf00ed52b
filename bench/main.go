// Command bench measures what the design promises, beside real peers in the
// same run, and prints one table. It is not a test: machines differ, ratios
// stay. `make bench` runs it; docs/internals/performance.md keeps the figures.
//
// Large generated stores lie in $NOREN_BENCH_DIR (default: a folder beside the
// system's temporary files) and are used again; NOREN_BENCH_EVENTS says how many
// events the stores of the start-up and of the console's measurement hold,
// NOREN_BENCH_PG_EVENTS how many the console's on PostgreSQL; NOREN_BENCH_PG_SETTINGS
// are more settings of that server, with spaces between.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	what, goal, got, beside string
}

type bencher struct {
	ctx     context.Context
	dir     string // throw-away
	store   string // kept between runs
	noren   string // the program under test
	figures []figure
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	debug.SetGCPercent(200) // as cmd/noren does
	do := run
	args := os.Args[1:]
	if len(args) > 0 && args[0] == childArg {
		do, args = runChild, args[1:]
	}
	if err := do(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only []string) error {
	b, err := newBencher(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	fmt.Printf("%s, %d processors, %s\n\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format("2006-01-02"))
	var failed []error
	for _, m := range []struct {
		name string
		do   func() error
	}{
		{"disk", b.disk}, {"decide", b.decide}, {"journal", b.measureJournal}, {"replay", b.replay}, {"start", b.start}, {"demo", b.demo},
		{"proxy", b.proxy}, {"firewall", b.firewall}, {"idle", b.idle}, {"console-search", b.consoleSearch}, {"console-pages", b.consolePages}, {"console-paint", b.consolePaint},
	} {
		if len(only) > 0 && !strings.Contains(" "+strings.Join(only, " ")+" ", " "+m.name+" ") {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
		if err := m.do(); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	b.print()
	return errors.Join(failed...)
}

func newBencher(ctx context.Context) (*bencher, error) {
	dir, err := os.MkdirTemp("", "noren-bench")
	if err != nil {
		return nil, err
	}
	store := os.Getenv("NOREN_BENCH_DIR")
	if store == "" {
		store = filepath.Join(os.TempDir(), "noren-bench-store")
	}
	b := &bencher{ctx: ctx, dir: dir, store: store, noren: filepath.Join(dir, "noren")}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.noren, "noren/cmd/noren")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build noren: %w\n%s", err, out)
	}
	return b, nil
}

func (b *bencher) add(what, goal, beside, format string, args ...any) {
	b.figures = append(b.figures, figure{what, goal, fmt.Sprintf(format, args...), beside})
}

func (b *bencher) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "| what\t| goal\t| measured\t| beside it\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|")
	for _, f := range b.figures {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t|\n", f.what, f.goal, f.got, f.beside)
	}
	w.Flush()
}
