// Command noren stands in front of an online shop: it decides with the shop's
// own facts and keeps a record nobody can alter unnoticed. It also holds the
// tools around it: check, replay, journal, keys, ban, lab.
//
// Results go to standard output (with --json as JSON), everything said about
// the work to standard error. Messages begin in lower case and end without a
// full stop; a hint on a line of its own says the next step.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"noren"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	useMemory(machineMemory("/"), os.Getenv)
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}, os.Getenv))
}

// Exit codes, an interface for scripts.
const (
	exitOK       = 0
	exitFindings = 1 // the command worked and found something wrong
	exitUsage    = 2 // the command line or a file given is wrong
	exitFailed   = 3 // it could not be done
)

// stdio are the streams of a command.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// errFindings ends a command that did its work and found something wrong.
var errFindings = errors.New("findings")

// cli is every sub-command, declared. Each type has a Run method in the file
// of its name.
type cli struct {
	Config string `short:"c" type:"path" env:"NOREN_CONFIG" help:"Configuration file (default: noren.yaml here, then /etc/noren/noren.yaml)."`
	Lang   string `enum:"ja,en," default:"" env:"NOREN_LANG" help:"Language of reports: ja or en (default: from LANG)."`

	Demo    demoCmd   `cmd:"" group:"begin" help:"A sample shop, its traffic and a few attacks behind the gateway, in one process."`
	Init    initCmd   `cmd:"" group:"begin" help:"Look at a shop and write the first noren.yaml for it."`
	Detect  detectCmd `cmd:"" group:"begin" help:"Tell what program a shop runs on."`
	Check   checkCmd  `cmd:"" group:"begin" help:"Check configuration, policies, upstreams and certificates."`
	Serve   serveCmd  `cmd:"" group:"begin" help:"Stand in front of the shops of the configuration."`
	Reload  reloadCmd `cmd:"" group:"begin" help:"Have the running noren read its configuration again, and wait until it is in force."`
	ConfigV configCmd `cmd:"" group:"begin" name:"config" help:"The configuration file itself."`

	Why       whyCmd       `cmd:"" group:"daily" help:"Say what would happen to a visitor, and why; or what became of the one with a reference number."`
	Mode      modeCmd      `cmd:"" group:"daily" help:"Switch a site: busy, under attack, closed, or back to normal."`
	Emergency emergencyCmd `cmd:"" group:"daily" name:"emergency" help:"Stop a part of the shop in an emergency (非常時): card payments, sign-in, the admin, visits from abroad."`
	Ban       banCmd       `cmd:"" group:"daily" help:"Refuse an address or network for a while."`
	Allow     allowCmd     `cmd:"" group:"daily" help:"Let an address or network through whatever bans say."`
	Place     placeCmd     `cmd:"" group:"daily" help:"Named places (本社, 自宅) that access rules use."`
	Staff     staffCmd     `cmd:"" group:"daily" help:"The shop's people who sign in to Noren: list, links, roles, sessions."`
	Open      openCmd      `cmd:"" group:"daily" help:"Break-glass: open the access rules of a zone for a while."`
	Notify    notifyCmd    `cmd:"" group:"daily" help:"Notices to people: try the ways, list what was told, acknowledge."`

	Settings settingsCmd `cmd:"" group:"rules" help:"Export, import or compare the settings set."`
	WAF      wafCmd      `cmd:"" group:"rules" name:"waf" help:"Try requests against the firewall, and what it leaves out for customers stopped by mistake."`
	Replay   replayCmd   `cmd:"" group:"rules" help:"Decide past events again, in simulated time, without side effects."`

	Journal journalCmd `cmd:"" group:"record" help:"Verify, export or prove the record."`
	Keys    keysCmd    `cmd:"" group:"record" help:"Keys: status, rotate, recovery sheet, erase a person, retention."`

	Logs     logsCmd     `cmd:"" group:"machine" help:"Logs of web and mail servers beside Noren: try one, see how far they are read."`
	Firewall firewallCmd `cmd:"" group:"machine" help:"Print firewall rules for this machine; nothing is applied."`

	Lab      labCmd      `cmd:"" group:"more" help:"Seeded simulations and attack replays against a throw-away instance (試験場)."`
	Version  versionCmd  `cmd:"" group:"more" help:"Print the version."`
	Docs     docsCmd     `cmd:"" hidden:""`
	LabChild labChildCmd `cmd:"" name:"lab-child" hidden:""`
	LabFlood labFloodCmd `cmd:"" name:"lab-flood" hidden:""`
	LabSink  labSinkCmd  `cmd:"" name:"lab-sink" hidden:""`
}

// env is what every command gets.
type env struct {
	ctx    context.Context
	io     stdio
	getenv func(string) string
	log    *slog.Logger
	lang   string
	config string // path given, may be empty
}

func run(ctx context.Context, args []string, std stdio, getenv func(string) string) int {
	var c cli
	code := -1 // what kong asks to exit with
	parser, err := kong.New(&c,
		kong.Name("noren"),
		kong.Description("Noren (暖簾): a self-hosted security system for online shops."),
		kong.Writers(std.out, std.err),
		kong.Exit(func(i int) { code = i }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ExplicitGroups(commandGroups()),
	)
	if err != nil {
		fmt.Fprintf(std.err, "noren: %v\n", err)
		return exitFailed
	}
	parsed, err := parser.Parse(asFlag(args))
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintf(std.err, "noren: %v\nhint: noren --help lists the commands\n", err)
		return exitUsage
	}
	e := &env{ctx: ctx, io: std, getenv: getenv, config: c.Config, lang: language(c.Lang, getenv)}
	e.log = slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
	return report(std.err, parsed.Run(e))
}

// commandGroups are how the commands are listed, in this order.
func commandGroups() []kong.Group {
	return []kong.Group{
		{Key: "begin", Title: "To begin, and to run:"},
		{Key: "daily", Title: "Day by day: who gets in, and why not:"},
		{Key: "rules", Title: "The rules, and trying them:"},
		{Key: "record", Title: "The record and its keys:"},
		{Key: "machine", Title: "The machine around the shop:"},
		{Key: "more", Title: "And:"},
	}
}

// asFlag takes "noren help COMMAND", and noren alone, as --help.
func asFlag(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// report prints an error with its hint and picks the exit code.
func report(w io.Writer, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, context.Canceled):
		return exitOK
	}
	fmt.Fprintf(w, "noren: %v\n", err)
	for _, hint := range hints(err) {
		for line := range strings.Lines(hint) {
			fmt.Fprintf(w, "hint: %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	if noren.CodeOf(err) == noren.Invalid {
		return exitUsage
	}
	return exitFailed
}

// hints are the next steps of err and of what was joined into it; kong joins
// what a command returns.
func hints(err error) []string {
	if e, ok := err.(*noren.Error); ok && e.Hint != "" {
		return []string{e.Hint}
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, e := range j.Unwrap() {
			all = append(all, hints(e)...)
		}
		return all
	}
	if err = errors.Unwrap(err); err == nil {
		return nil
	}
	return hints(err)
}

// language is what was asked for, else what the terminal speaks.
func language(asked string, getenv func(string) string) string {
	if asked != "" {
		return asked
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if len(v) >= 2 && v[:2] == "ja" {
				return "ja"
			}
			return "en"
		}
	}
	return "en"
}

type versionCmd struct{}

// version is set by the release build with -ldflags "-X main.version=…".
var version = "dev"

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.io.out, "noren", version)
	return err
}
