// Package loop joins the steps: observe → facts → decide → record → act. It is
// the one place where they meet; every sensor holds a Loop as its
// noren.Decider and knows nothing of the rest.
//
// A decision is a pure function of event, facts and policy version. What the
// loop adds is time (Event.At never goes back), the deadline and failure side
// of the kind, the order "record before act", and the redoing of actions that
// a crash left recorded and undone.
package loop

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
	"noren/journal"
	"noren/orient"
	"noren/policy"
)

// Observer learns the result of an event after it was recorded. It must return
// quickly and never fail.
type Observer interface {
	Observed(ctx context.Context, ev noren.Event, d noren.Decision)
}

// Sealer seals what an action is aimed at until it is done; the vault fits.
type Sealer interface {
	Seal(site string, s noren.Subject, at time.Time, plain, aad []byte) (noren.Sealed, []db.Row, error)
	Open(ctx context.Context, s noren.Sealed, aad []byte) ([]byte, error)
}

// Journal is what the loop needs of the journal.
type Journal interface {
	Submit(ctx context.Context, e noren.Entry, rows ...db.Row) (*journal.Pending, error)
	Post(ctx context.Context, e noren.Entry, rows ...db.Row) error
	Rows(ctx context.Context, rows ...db.Row) error
}

// Policies are the policy sets in force: one for each site that has policies of
// its own, and one for all others. One site's policies never decide about
// another's visitors.
type Policies struct {
	Shared *policy.Set
	Sites  map[string]*policy.Set
}

// For returns the set that decides for site.
func (p *Policies) For(site string) *policy.Set {
	if set, ok := p.Sites[site]; ok {
		return set
	}
	return p.Shared
}

// Rules are what decisions rest on at one moment: how facts are made and which
// policies judge them. They are exchanged as a whole.
type Rules struct {
	Orient   *orient.Orient
	Policies Policies
	Settings string // version they are of, told to the other nodes
}

// Options are everything a Loop needs.
type Options struct {
	DB        *db.DB
	Rules     Rules
	Journal   Journal
	Sealer    Sealer
	Actuators map[noren.ActionKind]noren.Actuator
	Observers []Observer
	Log       *slog.Logger
	Node      string
	// Step is called between the steps with the name of the one just done.
	// The kill lab ends the process there; nil in ordinary life.
	Step func(step string)
	// Now is the wall clock, the machine's when nil. Time that passes between two
	// readings is measured by the machine's monotonic clock either way.
	Now func() time.Time
}

// Loop is a noren.Decider. It is safe for concurrent use.
type Loop struct {
	o       Options
	rules   atomic.Pointer[Rules]
	clock   *clock
	sampler *sampler
	acting  sync.WaitGroup
	alarms  alarms
	apart   map[string]bool // nodes whose clock is another; Run's alone
}

// New makes a loop. Run must be called for it to redo actions, flush counted
// entries and watch the clock.
func New(o Options) *Loop {
	if o.Step == nil {
		o.Step = func(string) {}
	}
	l := &Loop{o: o, clock: newClock(o.Now), sampler: newSampler(), apart: map[string]bool{}}
	l.rules.Store(&o.Rules)
	return l
}

// SetRules makes every decision that begins from now on use r.
func (l *Loop) SetRules(r Rules) { l.rules.Store(&r) }

// Rules returns the rules in force.
func (l *Loop) Rules() Rules { return *l.rules.Load() }

// Decide takes ev through the loop; see noren.Decider. The event's time is the
// loop's to set: what a sensor put there is replaced. An ID the sensor gave is
// kept, because it may have been told to an outcome already.
func (l *Loop) Decide(ctx context.Context, ev noren.Event) (noren.Decision, error) {
	info, err := ev.Kind.Info()
	if err != nil {
		return noren.Decision{Verdict: noren.Block}, noren.Errorf(noren.Invalid, "decide: %w", err)
	}
	ev.At = l.clock.now()
	if ev.ID == "" {
		ev.ID = noren.NewID(ev.At.Time)
	}
	l.o.Step("stamped")

	// What happened has happened: a visitor who hangs up does not end its way.
	bounded := bound(ctx, info.Deadline)
	defer bounded.release()
	rules := l.rules.Load()
	entry, rows := l.judge(bounded, rules, ev, info)
	l.o.Step("decided")

	d, todo, err := l.record(bounded, rules.Orient, info, entry, rows)
	if err != nil {
		return d, err
	}
	l.o.Step("recorded")
	if len(todo) > 0 {
		l.act(bounded, todo)
	}
	l.alarm(&ev, &d)
	for _, o := range l.o.Observers {
		o.Observed(ctx, ev, d)
	}
	l.o.Step("observed")
	return d, nil
}

// judge computes the facts and decides. It never fails: what goes wrong is the
// decision's Fault, answered by the kind's failure side.
func (l *Loop) judge(ctx context.Context, rules *Rules, ev noren.Event, info noren.KindInfo) (e noren.Entry, rows []db.Row) {
	set := rules.Policies.For(ev.Site)
	e = noren.Entry{Event: ev, Count: 1}
	defer func() {
		if r := recover(); r != nil {
			l.o.Log.Error("decision panicked", "alarm", true, "kind", ev.Kind, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			e.Decision = panicked(&e.Event, set)
			e.Rule = ruleOf(&e)
		}
	}()
	obs, err := rules.Orient.ObserveSteps(ctx, &e.Event, set.Needs(ev.Kind, ev.Zone), set.Steps(&e.Event))
	e.Facts, rows = obs.Facts, obs.Rows
	e.Decision = set.Decide(&e.Event, obs.Facts)
	e.Decision.Degraded = obs.Degraded
	switch {
	case ctx.Err() != nil:
		e.Decision = withFault(e.Decision, info, faultDeadline)
	case err != nil:
		l.o.Log.Error("facts could not be computed", "alarm", true, "kind", ev.Kind, "err", err)
		e.Decision = withFault(e.Decision, info, faultFacts)
	}
	e.Rule = ruleOf(&e)
	return e, rows
}

// Faults of the surroundings. They are inputs of the decision, recorded with
// it, so that a replay of the entry comes to the same answer.
const (
	faultDeadline = "deadline"
	faultFacts    = "facts unavailable"
	faultJournal  = "not recorded"
	faultPanic    = "panic"
	faultActions  = "actions not sealed"
)

// panicked is the decision about ev when computing another one panicked.
func panicked(ev *noren.Event, set *policy.Set) noren.Decision {
	d := noren.Decision{EventID: ev.ID, Verdict: ev.Given(), Policies: set.Version()}
	info, _ := ev.Kind.Info()
	return withFault(d, info, faultPanic)
}

// withFault answers by the failure side of the kind, or stricter when the
// policies that could be evaluated were. It carries no actions: nobody is banned
// by a fault.
func withFault(d noren.Decision, info noren.KindInfo, fault string) noren.Decision {
	d.Verdict = noren.Strictest(d.Verdict, info.Side.Verdict())
	d.Fault = fault
	d.Actions = nil
	return d
}

// ruleOf names what an entry is grouped by when there are many like it: the
// cause that stopped it, else the WAF's first rule, else the first policy. A
// ban's own id is no rule: there are as many as banned clients.
func ruleOf(e *noren.Entry) string {
	switch p := e.Event.Payload.(type) {
	case *noren.Blocked:
		if p.Rule != "" && p.Cause != noren.CauseBan {
			return string(p.Cause) + ":" + p.Rule
		}
		return string(p.Cause)
	case *noren.TLSProbing:
		return "tls:" + p.Probe
	case *noren.Request:
		if len(p.Hits) > 0 {
			return fmt.Sprintf("waf:%d", p.Hits[0].Rule)
		}
		if p.AccessShadow != "" {
			return string(noren.CauseAccess) + ":" + p.AccessShadow
		}
	}
	if len(e.Decision.Reasons) > 0 {
		return e.Decision.Reasons[0].Policy
	}
	if len(e.Decision.Shadow) > 0 {
		return e.Decision.Shadow[0].Policy
	}
	return ""
}

// Run redoes what a crash left undone, then every minute again; it flushes
// counted entries and watches the clocks until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	l.redo(ctx)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx), true)
			l.acting.Wait()
			return nil
		case <-second.C:
			l.watchClock(ctx)
			l.flush(ctx, false)
		case <-beat.C:
			l.CompareClocks(ctx)
		case <-minute.C:
			l.redo(ctx)
		}
	}
}

// watchClock raises clock.stepped when the wall clock jumped.
func (l *Loop) watchClock(ctx context.Context) {
	step, ok := l.clock.stepped()
	if !ok {
		return
	}
	l.o.Log.Error("the clock of this machine jumped; check its time service (timedatectl)", "alarm", true, "step", step)
	ev := noren.Event{Kind: noren.ClockStep, Payload: &noren.ClockJump{StepMicros: step.Microseconds(), Node: l.o.Node}}
	if _, err := l.Decide(ctx, ev); err != nil {
		l.o.Log.Error("record clock step", "err", err)
	}
}
