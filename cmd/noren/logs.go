package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"noren"
	"noren/gateway"
	"noren/loop"
	"noren/orient"
	"noren/watch/logs"
)

type logsCmd struct {
	Read   logsReadCmd   `cmd:"" help:"Read a log and print what Noren would see and do; nothing is recorded or banned."`
	Status logsStatusCmd `cmd:"" help:"How far the logs of the configuration are read, and what came of their lines."`
}

type logsReadCmd struct {
	File     string `arg:"" default:"-" help:"The log; - for standard input. A file compressed with gzip is read too."`
	Format   string `default:"nginx" help:"nginx, apache, combined, postfix, dovecot, exim or custom."`
	Pattern  string `help:"For custom: the line of log_format or LogFormat."`
	Site     string `help:"The site, with a configuration (default: the only one)."`
	Preset   string `help:"What the shop runs on, without a configuration."`
	TimeZone string `name:"time-zone" help:"Time zone of times that name none, such as Asia/Tokyo."`
	JSON     bool   `name:"json" help:"Print every event with its decision as a line of JSON; the summary goes to standard error."`
}

// Help shows examples.
func (logsReadCmd) Help() string {
	return `Decides by the settings in force, or by the shipped ones without a configuration, in the log's own time.
Exit 1 when a file that must never be seen was served.
Examples:
  noren logs read /var/log/nginx/access.log --preset eccube4
  zcat access.log.*.gz | noren logs read - --format apache --site shop --json`
}

// logsReport is what a dry run found.
type logsReport struct {
	logs.Summary
	Events   map[noren.Kind]int64  `json:"events"`
	Probes   map[noren.Probe]int64 `json:"probes,omitempty"`
	Exposed  map[string]int64      `json:"exposed,omitempty"` // files that got out
	Shells   map[string]int64      `json:"web_shells,omitempty"`
	Bans     []logsBan             `json:"bans,omitempty"`
	Policies map[string]int64      `json:"policies,omitempty"`
	Shadow   map[string]int64      `json:"shadow,omitempty"`
	banned   map[string]bool
}

type logsBan struct {
	At      noren.Time `json:"at"`
	Address string     `json:"address"`
	Policy  string     `json:"policy"`
	Reason  noren.Text `json:"reason"`
}

// maxListed bounds what a report lists: paths and addresses are strangers' to
// choose.
const maxListed = 200

func (c logsReadCmd) Run(e *env) error {
	site, rep, err := c.prepare(e)
	if err != nil {
		return err
	}
	shop, err := gateway.NewShopMap(site)
	if err != nil {
		return err
	}
	in, err := e.openLog(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	r := &logsReport{Events: map[noren.Kind]int64{}, Probes: map[noren.Probe]int64{}, Exposed: map[string]int64{}, Shells: map[string]int64{},
		Policies: map[string]int64{}, Shadow: map[string]int64{}, banned: map[string]bool{}}
	enc := json.NewEncoder(e.io.out)
	own := &ownAddresses{}
	log := logs.Log{Site: site.Name, Path: c.File, Format: c.Format, Pattern: c.Pattern, TimeZone: c.TimeZone}
	r.Summary, err = logs.Read(in, log, shop, own.has, func(events []noren.Event) error {
		for _, ev := range events {
			entry, err := rep.Recomputed(e.ctx, ev)
			if err != nil {
				return err
			}
			r.count(&entry)
			if c.JSON {
				if err := enc.Encode(struct {
					Event    noren.Event    `json:"event"`
					Decision noren.Decision `json:"decision"`
				}{entry.Event, entry.Decision}); err != nil {
					return err
				}
			}
		}
		return e.ctx.Err()
	})
	if err != nil {
		return err
	}
	return r.print(e, c.JSON)
}

// prepare finds the site and what decides: the configuration's, or what is
// shipped.
func (c logsReadCmd) prepare(e *env) (site gateway.Site, rep *loop.Replay, err error) {
	r := &replayer{e: e, sum: newSummary()}
	path, err := findConfig(e.config)
	if err != nil && e.config == "" {
		name := c.Site
		if name == "" {
			name = "shop"
		}
		err = r.compile(shippedSettings(), []string{name}, nil)
		return gateway.Site{Name: name, Preset: c.Preset}, &r.rep, err
	}
	if err != nil {
		return site, nil, err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return site, nil, err
	}
	name, err := cfg.site(c.Site)
	if err != nil {
		return site, nil, err
	}
	site = cfg.Sites[slices.IndexFunc(cfg.Sites, func(s gateway.Site) bool { return s.Name == name })]
	if c.Preset != "" {
		site.Preset = c.Preset
	}
	addresses, err := loadAddresses(&cfg.Lookup, cfg.path, e.log)
	if err != nil {
		return site, nil, err
	}
	return site, &r.rep, c.policies(e, cfg, r, addresses)
}

// policies are those in force, or the shipped ones before the first start.
func (c logsReadCmd) policies(e *env, cfg *Config, r *replayer, addresses *orient.Addresses) error {
	var fs findings
	set, d := e.checkDatabase(&fs, cfg)
	if d != nil {
		d.Close()
	}
	if set == nil {
		set = shippedSettings()
	}
	return r.compile(set, cfg.siteNames(), addresses)
}

// openLog opens a log, decompressed.
func (e *env) openLog(name string) (io.ReadCloser, error) {
	f, err := e.openInput(name)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(f, 64<<10)
	if magic, _ := b.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			f.Close()
			return nil, noren.Errorf(noren.Invalid, "%s: %w", name, err)
		}
		return struct {
			io.Reader
			io.Closer
		}{z, f}, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{b, f}, nil
}

func (r *logsReport) count(x *noren.Entry) {
	ev, d := &x.Event, &x.Decision
	r.Events[ev.Kind]++
	var req *noren.Request
	switch p := ev.Payload.(type) {
	case *noren.Request:
		req = p
	case *noren.Blocked:
		req = &p.Request
	}
	if req != nil && req.Probe != "" {
		r.Probes[req.Probe]++
	}
	if ev.Kind == noren.HTTPExposed {
		countUp(r.Exposed, req.Path)
	}
	if ev.Kind == noren.HTTPLogged && req.Probe == noren.ProbeShell && req.Answered >= 200 && req.Answered < 300 {
		countUp(r.Shells, req.Path)
	}
	for _, reason := range d.Reasons {
		r.Policies[reason.Policy]++
	}
	for _, reason := range d.Shadow {
		r.Shadow[reason.Policy]++
	}
	for _, a := range d.Actions {
		if key := a.Policy + " " + a.Target; a.Kind == noren.ActBan && !r.banned[key] && len(r.Bans) < maxListed {
			r.banned[key] = true
			r.Bans = append(r.Bans, logsBan{ev.At, a.Target, a.Policy, a.Reason})
		}
	}
}

func countUp(m map[string]int64, key string) {
	if _, known := m[key]; known || len(m) < maxListed {
		m[key]++
	}
}

func (r *logsReport) print(e *env, asJSON bool) error {
	if asJSON {
		if err := printJSON(e.io.err, r); err != nil {
			return err
		}
	} else {
		r.text(e.io.out, e.lang)
	}
	if len(r.Exposed) > 0 {
		return errFindings
	}
	return nil
}

func (r *logsReport) text(w io.Writer, lang string) {
	fmt.Fprintf(w, "%d lines, %d of them not of this format", r.Lines, r.Bad)
	if len(r.Badly) > 0 {
		fmt.Fprintf(w, " (lines %v …)", r.Badly)
	}
	if !r.FirstAt.IsZero() {
		fmt.Fprintf(w, ", %s to %s", shown(r.FirstAt, toMinute), shown(r.LastAt, toMinute))
	}
	fmt.Fprintln(w)
	for _, k := range sortedKeys(r.LeftOut) {
		fmt.Fprintf(w, "  left out: %-16s %d\n", k, r.LeftOut[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Events)) {
		fmt.Fprintf(w, "  %-26s %d\n", k, r.Events[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Probes)) {
		fmt.Fprintf(w, "  probe %-20s %d\n", k, r.Probes[k])
	}
	for _, k := range sortedKeys(r.Exposed) {
		fmt.Fprintf(w, "BAD  %s was served %d times and must never be seen\n", printable(k), r.Exposed[k])
	}
	for _, k := range sortedKeys(r.Shells) {
		fmt.Fprintf(w, "BAD  %s took something %d times: a script where none belongs; look at the file\n", printable(k), r.Shells[k])
	}
	for _, b := range r.Bans {
		fmt.Fprintf(w, "%s would ban %s: %s (%s)\n", shown(b.At.Time, toSecond), b.Address, b.Reason.In(lang), b.Policy)
	}
	for _, k := range sortedKeys(r.Shadow) {
		fmt.Fprintf(w, "  in shadow: %-30s %d\n", k, r.Shadow[k])
	}
}

// printable keeps a stranger's text from speaking to the terminal.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

type logsStatusCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// logStatus is a log of this machine as an operator asks for it.
type logStatus struct {
	logs.Position
	Behind int64  `json:"behind_bytes"` // -1: not known
	Health string `json:"health"`
}

func (c logsStatusCmd) Run(e *env) error {
	return e.withReader(func(ctx context.Context, in *instance) error {
		ps, err := logs.Positions(ctx, in.db)
		if err != nil {
			return err
		}
		bad := 0
		list := []logStatus{}
		for _, l := range in.cfg.logList() {
			s := statusOf(l, in.node, ps)
			if s.Health != "" {
				bad++
			}
			list = append(list, s)
		}
		for _, p := range ps {
			if p.Node != in.node {
				list = append(list, logStatus{p, -1, p.Note})
			}
		}
		if c.JSON {
			err = printJSON(e.io.out, list)
		} else {
			printLogs(e.io.out, list)
		}
		if err == nil && bad > 0 {
			return errFindings
		}
		return err
	})
}

func statusOf(l logs.Log, node string, ps []logs.Position) logStatus {
	i := slices.IndexFunc(ps, func(p logs.Position) bool { return p.Node == node && p.Site == l.Site && p.Path == l.Path })
	if i < 0 {
		return logStatus{logs.Position{Node: node, Site: l.Site, Path: l.Path}, -1, "never read: is noren serve running?"}
	}
	s := logStatus{ps[i], -1, ps[i].Note}
	if info, err := os.Stat(l.Path); err == nil && info.Size() >= s.Offset {
		s.Behind = info.Size() - s.Offset
	}
	switch {
	case s.Health != "":
	case s.Lines > 20 && s.Bad*2 > s.Lines:
		s.Health = "most lines are not of this format: correct logs: format"
	case s.Lines > 20 && s.LeftOut["own_address"]+s.LeftOut["proxy"] > s.Lines/2 && s.Raised == 0:
		s.Health = "every line has an address of this machine or of a proxy: let the server log the visitor's (real_ip; docs/operate/logs.md)"
	case s.Behind > 64<<20:
		s.Health = "far behind"
	}
	return s
}

func printLogs(w io.Writer, list []logStatus) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no logs are configured (logs: in noren.yaml)")
	}
	for _, s := range list {
		mark := "ok  "
		if s.Health != "" {
			mark = "BAD "
		}
		fmt.Fprintf(w, "%s %s %s on %s\n", mark, s.Site, s.Path, s.Node)
		if s.Lines > 0 {
			fmt.Fprintf(w, "     %d lines, %d bad, %d events, left out %v; last line %s, behind by %d bytes\n", s.Lines, s.Bad, s.Raised, s.LeftOut, ago(s.LineAt), s.Behind)
		}
		if s.Health != "" {
			fmt.Fprintf(w, "     → %s\n", s.Health)
		}
	}
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

// checkLogs looks whether the logs can be read, fit their format, and tell the
// visitor's address.
func checkLogs(fs *findings, cfg *Config) {
	own := &ownAddresses{}
	for _, l := range cfg.logList() {
		i := slices.IndexFunc(cfg.Sites, func(s gateway.Site) bool { return s.Name == l.Site })
		shop, err := gateway.NewShopMap(cfg.Sites[i])
		if err != nil {
			continue // said about the site
		}
		s, err := logs.Look(l, shop, own.has)
		if err == nil {
			err = sampleFault(&s, l.Path)
		}
		through := throughNoren(&s)
		fs.add(ofSite("log", l.Site, "ウェブサーバーのログ", "Web server's log"), err,
			noren.Text{Ja: fmt.Sprintf("%s: 終わりの%d行を読めます%s", l.Path, s.Lines, through.Ja), En: fmt.Sprintf("%s: the last %d lines can be read%s", l.Path, s.Lines, through.En)},
			noren.Text{Ja: "ログを読めません"}, noren.Text{})
	}
}

func throughNoren(s *logs.Sample) noren.Text {
	if s.Own+s.ViaNoren > s.Lines/2 {
		return noren.Text{Ja: "。ほとんどは Noren を通ったもので、二重には数えません", En: "; most came through Noren and are not counted twice"}
	}
	return noren.Text{}
}

func sampleFault(s *logs.Sample, path string) error {
	switch {
	case s.Lines >= 5 && s.Bad*2 > s.Lines:
		err := noren.WithHint(noren.Errorf(noren.Invalid, "%s: %d of the last %d lines are not of this format", path, s.Bad, s.Lines),
			"correct logs: format, or use custom with the server's own log_format as pattern")
		return noren.WithText(err, noren.Text{Ja: fmt.Sprintf("%s: 終わりの%d行のうち%d行が、この形式ではありません。logs: の format を直すか、custom にしてサーバーの log_format をそのまま pattern に書いてください", path, s.Lines, s.Bad), En: err.Error()})
	case s.Lines >= 5 && s.Proxies*2 > s.Lines:
		err := noren.WithHint(noren.Errorf(noren.Invalid, "%s: the lines name your proxy and not the visitor", path),
			"let the web server log the visitor's address: real_ip (nginx) or mod_remoteip (Apache); docs/operate/logs.md")
		return noren.WithText(err, noren.Text{Ja: path + ": 来訪者ではなく、手前のサーバーのアドレスが書かれています。nginx は real_ip、Apache は mod_remoteip で、来訪者のアドレスを書くようにしてください（docs/operate/logs.md）", En: err.Error()})
	}
	return nil
}
