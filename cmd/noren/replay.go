package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"noren"
	"noren/journal"
	"noren/kv"
	"noren/loop"
	"noren/orient"
	"noren/settings"
)

type replayCmd struct {
	In       string `help:"Events as JSON Lines; - for standard input (default: the journal)."`
	Out      string `help:"Write one decision per line here; - for standard output."`
	Policies string `help:"Decide by the policy files of this directory instead of those in force." type:"existingdir"`
	Facts    string `enum:"recorded,recomputed,auto" default:"auto" help:"recorded: decide from the stored facts. recomputed: rebuild them from the events in order. Default: recorded from the journal, recomputed from a file."`
	Site     string `help:"Only this site's log (from the journal)."`
	Schema   bool   `help:"Print the JSON Schema of an event and end."`
	JSON     bool   `name:"json" help:"Print the summary as JSON."`
}

// Help shows examples.
func (replayCmd) Help() string {
	return `Examples:
  noren replay --in events.jsonl --out decisions.jsonl
  noren replay --policies my-policies        (last month, decided by other policies)
  noren replay --facts recomputed            (rebuild the facts and list differences)`
}

// replaySummary is what a replay counted.
type replaySummary struct {
	Events    int64                   `json:"events"`
	Verdicts  map[noren.Verdict]int64 `json:"verdicts"`
	Policies  map[string]int64        `json:"policies"` // policies that fired, by name
	Shadow    map[string]int64        `json:"shadow,omitempty"`
	Changed   int64                   `json:"changed"` // decisions that differ from the recorded ones
	Erased    int64                   `json:"erased_skipped"`
	Counted   int64                   `json:"counted_skipped"` // events that only exist as numbers
	Facts     int64                   `json:"facts_differing"`
	Causes    map[string]int64        `json:"causes,omitempty"`
	Seconds   float64                 `json:"seconds"`
	PerSecond float64                 `json:"events_per_second"`
	Versions  []string                `json:"policy_versions"`
}

func newSummary() *replaySummary {
	return &replaySummary{Verdicts: map[noren.Verdict]int64{}, Policies: map[string]int64{}, Shadow: map[string]int64{}, Causes: map[string]int64{}}
}

func (c replayCmd) Run(e *env) error {
	if c.Schema {
		return printJSON(e.io.out, eventSchema())
	}
	out, err := c.output(e)
	if err != nil {
		return err
	}
	r := &replayer{e: e, sum: newSummary(), out: out}
	began := time.Now()
	if c.In != "" {
		err = c.fromFile(e, r)
	} else {
		err = c.fromJournal(e, r)
	}
	if err = out.close(err); err != nil {
		return err
	}
	r.sum.Seconds = time.Since(began).Seconds()
	if r.sum.Seconds > 0 {
		r.sum.PerSecond = float64(r.sum.Events) / r.sum.Seconds
	}
	return r.sum.print(e, c.JSON)
}

// decisionWriter writes one decision per line, or none. A file is there under
// its name once it is whole: what a failed replay would have replaced stays.
type decisionWriter struct {
	w  *bufio.Writer
	f  *os.File
	to string
}

func (c replayCmd) output(e *env) (*decisionWriter, error) {
	switch c.Out {
	case "":
		return &decisionWriter{}, nil
	case "-":
		return &decisionWriter{w: bufio.NewWriterSize(e.io.out, 1<<16)}, nil
	}
	if sameFile(c.In, c.Out) {
		return nil, noren.Errorf(noren.Invalid, "--out %s is the file that is read", c.Out)
	}
	if info, err := os.Stat(c.Out); err == nil && !info.Mode().IsRegular() { // /dev/null, a pipe
		f, err := os.OpenFile(c.Out, os.O_WRONLY, 0)
		if err != nil {
			return nil, noren.Errorf(noren.Invalid, "%w", err)
		}
		return &decisionWriter{w: bufio.NewWriterSize(f, 1<<16), f: f}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(c.Out), ".noren-replay-*") // for the owner alone: decisions name people
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "%w", err)
	}
	return &decisionWriter{w: bufio.NewWriterSize(f, 1<<16), f: f, to: c.Out}, nil
}

func sameFile(a, b string) bool {
	fa, erra := os.Stat(a)
	fb, errb := os.Stat(b)
	return erra == nil && errb == nil && os.SameFile(fa, fb)
}

// close ends the output; err is how the replay went.
func (d *decisionWriter) close(err error) error {
	if d.w == nil {
		return err
	}
	if ferr := d.w.Flush(); err == nil {
		err = ferr
	}
	if d.f == nil {
		return err
	}
	if cerr := d.f.Close(); err == nil {
		err = cerr
	}
	if d.to == "" {
		return err
	}
	defer os.Remove(d.f.Name()) // nothing is there under that name after the rename
	if err != nil {
		return err
	}
	return os.Rename(d.f.Name(), d.to)
}

// decisionLine is one line of --out.
type decisionLine struct {
	ID       string         `json:"id"`
	Kind     noren.Kind     `json:"kind"`
	At       noren.Time     `json:"at"`
	Site     string         `json:"site,omitempty"`
	Zone     noren.Zone     `json:"zone,omitempty"`
	Decision noren.Decision `json:"decision"`
	Facts    noren.Facts    `json:"facts,omitempty"`
	// Only from the journal: what was decided then, and which facts differ.
	Recorded    noren.Verdict     `json:"recorded,omitempty"`
	Differences []loop.Difference `json:"differences,omitempty"`
}

func (d *decisionWriter) write(l *decisionLine) error {
	if d.w == nil {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	d.w.Write(b)
	return d.w.WriteByte('\n')
}

// replayer decides events one after the other and counts.
type replayer struct {
	e    *env
	sum  *replaySummary
	out  *decisionWriter
	rep  loop.Replay
	last noren.Time // of the events so far
}

// outOfOrder is how far events of several nodes may overlap.
const outOfOrder = 2 * time.Second

func (r *replayer) count(d *noren.Decision) {
	r.sum.Events++
	r.sum.Verdicts[d.Verdict]++
	for _, reason := range d.Reasons {
		r.sum.Policies[reason.Policy]++
	}
	for _, reason := range d.Shadow {
		r.sum.Shadow[reason.Policy]++
	}
}

// compile prepares policies and an orient in memory. It works without a
// configuration: shipped policies, one site.
func (r *replayer) compile(set settings.Set, sites []string, addresses *orient.Addresses) error {
	var o *orient.Orient
	compiled, err := compileSettings(set, sites, func(d declared) (*noren.Catalogue, error) {
		var err error
		o, err = orient.New(orient.Options{KV: kv.NewMemory(0), Addresses: addresses, Entities: d.entities, Sequences: d.sequences, Sources: sources(), Log: r.e.log})
		if err != nil {
			return nil, err
		}
		return o.Catalogue(), nil
	})
	if err != nil {
		return err
	}
	if err := o.Track(compiled.needs()); err != nil {
		return err
	}
	r.rep = loop.Replay{Rules: loop.Rules{Orient: o, Policies: compiled.policies}}
	r.sum.Versions = []string{compiled.policies.Shared.Version()}
	for _, s := range sites {
		if own, ok := compiled.policies.Sites[s]; ok {
			r.sum.Versions = append(r.sum.Versions, own.Version())
		}
	}
	return nil
}

// policySet is the shipped set, or the policies of a directory instead.
func (c replayCmd) policySet(base settings.Set) (settings.Set, error) {
	if c.Policies == "" {
		return base, nil
	}
	set := settings.Set{limitsFile: base[limitsFile]}
	files, err := filepath.Glob(filepath.Join(c.Policies, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, noren.WithHint(noren.Errorf(noren.NotFound, "no *.yaml in %s", c.Policies), "name a directory of policy files; `noren settings export DIR` writes the present ones")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, noren.Errorf(noren.NotFound, "%w", err)
		}
		set[policiesDir+filepath.Base(f)] = string(b)
	}
	return set, nil
}

func (c replayCmd) fromFile(e *env, r *replayer) error {
	if c.Facts == "recorded" {
		return noren.WithHint(noren.Errorf(noren.Invalid, "a file of events holds no facts"), "leave out --in to replay the journal with its recorded facts")
	}
	set, err := c.policySet(shippedSettings())
	if err != nil {
		return err
	}
	if err := r.compile(set, nil, nil); err != nil {
		return err
	}
	r.rep.CarryOut = true
	in, err := e.openInput(c.In)
	if err != nil {
		return err
	}
	defer in.Close()
	return r.lines(c.In, in)
}

// lines decides each line of a file. A bad line stops the replay with its
// number: decisions after it would rest on wrong counters.
func (r *replayer) lines(name string, in io.Reader) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), noren.MaxEventBytes+1)
	n := 0
	for s.Scan() {
		n++
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := r.line(n, line); err != nil {
			return noren.Errorf(noren.Invalid, "%s:%d: %w", name, n, err)
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return noren.Errorf(noren.Invalid, "%s:%d: the line is longer than %d bytes", name, n+1, noren.MaxEventBytes)
	}
	return s.Err()
}

func (r *replayer) line(n int, line []byte) error {
	var ev noren.Event
	if err := ev.UnmarshalJSON(line); err != nil {
		return err
	}
	if ev.ID == "" {
		ev.ID = fmt.Sprintf("line-%09d", n)
	}
	if back := r.last.Sub(ev.At.Time); back > outOfOrder {
		return noren.WithHint(noren.Errorf(noren.Invalid, "the event is %s older than one before it", back), "sort the file by at")
	}
	if ev.At.After(r.last.Time) {
		r.last = ev.At
	}
	entry, err := r.rep.Recomputed(r.e.ctx, ev)
	if err != nil {
		return err
	}
	r.count(&entry.Decision)
	return r.out.write(&decisionLine{ID: ev.ID, Kind: ev.Kind, At: ev.At, Site: ev.Site, Zone: ev.Zone, Decision: entry.Decision, Facts: entry.Facts})
}

func (c replayCmd) fromJournal(e *env, r *replayer) error {
	return e.withReader(func(ctx context.Context, in *instance) error {
		sites := in.cfg.siteNames()
		if c.Site != "" {
			if _, err := in.cfg.site(c.Site); err != nil {
				return err
			}
			sites = []string{c.Site}
		}
		set, err := in.settings.Current(ctx)
		if err != nil {
			return err
		}
		if set, err = c.policySet(set); err != nil {
			return err
		}
		addresses, err := loadAddresses(&in.cfg.Lookup, in.cfg.path, e.log)
		if err != nil {
			return err
		}
		if err := r.compile(set, in.cfg.siteNames(), addresses); err != nil {
			return err
		}
		for _, site := range sites {
			for s, err := range in.journal.Query(ctx, journal.Filter{Log: site}) {
				if err != nil {
					return err
				}
				if err := r.stored(ctx, &s, c.Facts == "recomputed"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// stored decides one journal entry again.
func (r *replayer) stored(ctx context.Context, s *journal.Stored, recompute bool) error {
	was := &s.Entry
	info, err := was.Event.Kind.Info()
	switch {
	case s.Erased:
		r.sum.Erased++
		return nil
	case was.Part == noren.PartCounted:
		r.sum.Counted += was.Count
		return nil
	case was.Part == noren.PartLate:
		return nil
	case err == nil && was.Event.Kind == noren.BanChange && recompute:
		return r.rep.Noted(ctx, was.Event)
	case err != nil || info.Operational:
		return nil
	}
	line := &decisionLine{ID: was.Event.ID, Kind: was.Event.Kind, At: was.Event.At, Site: was.Event.Site, Zone: was.Event.Zone, Recorded: was.Decision.Verdict}
	if recompute {
		entry, err := r.rep.Recomputed(ctx, was.Event)
		if err != nil {
			return err
		}
		line.Decision, line.Facts = entry.Decision, entry.Facts
		line.Differences = loop.Differences(was, entry.Facts, r.sum.Erased)
		r.sum.Facts += int64(len(line.Differences))
		for _, d := range line.Differences {
			r.sum.Causes[d.Cause]++
		}
	} else {
		line.Decision = r.rep.Recorded(was)
	}
	r.count(&line.Decision)
	if !sameDecision(&line.Decision, &was.Decision) {
		r.sum.Changed++
	}
	return r.out.write(line)
}

// sameDecision compares bit for bit, as JSON.
func sameDecision(a, b *noren.Decision) bool {
	ja, erra := json.Marshal(a)
	jb, errb := json.Marshal(b)
	return erra == nil && errb == nil && bytes.Equal(ja, jb)
}

func (s *replaySummary) print(e *env, asJSON bool) error {
	if asJSON {
		return printJSON(e.io.err, s)
	}
	w := e.io.err
	fmt.Fprintf(w, "%d events in %.2f s (%.0f/s), policies %v\n", s.Events, s.Seconds, s.PerSecond, s.Versions)
	for _, v := range []noren.Verdict{noren.Allow, noren.Limit, noren.Challenge, noren.StepUp, noren.Review, noren.Hold, noren.Block} {
		if n := s.Verdicts[v]; n > 0 {
			fmt.Fprintf(w, "  %-10s %d\n", v, n)
		}
	}
	for _, name := range sortedKeys(s.Policies) {
		fmt.Fprintf(w, "  fired: %-40s %d\n", name, s.Policies[name])
	}
	for _, name := range sortedKeys(s.Shadow) {
		fmt.Fprintf(w, "  in shadow: %-36s %d\n", name, s.Shadow[name])
	}
	if s.Changed > 0 {
		fmt.Fprintf(w, "%d decisions differ from the recorded ones\n", s.Changed)
	}
	if s.Erased+s.Counted > 0 {
		fmt.Fprintf(w, "skipped: %d entries of erased people, %d events kept as numbers only\n", s.Erased, s.Counted)
	}
	for _, cause := range sortedKeys(s.Causes) {
		fmt.Fprintf(w, "facts that differ: %d: %s\n", s.Causes[cause], cause)
	}
	return nil
}
