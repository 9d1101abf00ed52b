package loop

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"noren"
	"noren/db"
	"noren/journal"
	"noren/orient"
)

// record makes the entry durable by the rule of its kind. It returns the
// decision to answer with – the entry's own, or the failure side's when the
// entry could not be made durable in time – and the actions recorded with it.
func (l *Loop) record(ctx context.Context, o *orient.Orient, info noren.KindInfo, e noren.Entry, rows []db.Row) (noren.Decision, []noren.Action, error) {
	if len(e.Decision.Actions) == 0 || l.sampler.repeats(&e) {
		return l.recordPlain(ctx, o, info, e, rows)
	}
	actions, err := l.actionRows(&e)
	if err != nil {
		l.o.Log.Error("seal actions", "alarm", true, "err", err)
		e.Decision = withFault(e.Decision, info, faultActions)
		return l.recordPlain(ctx, o, info, e, rows)
	}
	d, err := l.recordFirst(ctx, o, info, e, append(rows, actions...))
	if err == nil && len(d.Actions) > 0 {
		l.sampler.acts(&e)
	}
	return d, d.Actions, err
}

// recordPlain records an entry without actions to carry out: it has none, or a
// client has brought about the same ones this minute already.
func (l *Loop) recordPlain(ctx context.Context, o *orient.Orient, info noren.KindInfo, e noren.Entry, rows []db.Row) (d noren.Decision, _ []noren.Action, err error) {
	if !mustBeFirst(info, &e) {
		l.recordLater(ctx, info, e, rows)
		return e.Decision, nil, nil
	}
	d, err = l.recordFirst(ctx, o, info, e, rows)
	return d, nil, err
}

// mustBeFirst reports whether the entry is durable before the answer leaves.
// Sign-ins that were refused, by the shop or by a policy, are sampled like
// blocks: under a password attack there are thousands a minute.
func mustBeFirst(info noren.KindInfo, e *noren.Entry) bool {
	if info.Recording != noren.RecordFirst {
		return false
	}
	switch p := e.Event.Payload.(type) {
	case *noren.LoginResult:
		return p.Success
	case *noren.Login:
		return e.Decision.Verdict != noren.Block && e.Decision.Verdict != noren.Limit
	}
	return true
}

func (l *Loop) recordFirst(ctx context.Context, o *orient.Orient, info noren.KindInfo, e noren.Entry, rows []db.Row) (noren.Decision, error) {
	pending, err := l.o.Journal.Submit(ctx, e, rows...)
	if err == nil {
		var receipt journal.Receipt
		if receipt, err = pending.Wait(ctx); err == nil {
			committed(o, &e, receipt)
			return e.Decision, nil
		}
	}
	d := withFault(e.Decision, info, faultJournal)
	if pending != nil && ctx.Err() != nil {
		d.Fault = faultDeadline
		if err = l.late(ctx, e, d); err == nil {
			l.follow(o, pending, e)
			return d, nil
		}
		d.Fault = faultJournal
	}
	o.Cancel(&e.Event)
	l.o.Log.Error("entry could not be recorded", "alarm", true, "kind", info.Kind, "err", err)
	return d, noren.Errorf(noren.Unavailable, "record %s: %w", info.Kind, err)
}

func committed(o *orient.Orient, e *noren.Entry, r journal.Receipt) {
	if !r.Spooled {
		o.Committed(&e.Event)
	}
}

// followTimeout bounds how long an entry is waited for after its answer left;
// one that becomes durable even later is acted on by redo.
const followTimeout = time.Minute

// follow does what is recorded with an entry once it is durable, although the
// answer has left without it: on a slow disk a ban must not wait for redo.
func (l *Loop) follow(o *orient.Orient, p *journal.Pending, e noren.Entry) {
	l.sampler.acts(&e)
	l.acting.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), followTimeout)
		defer cancel()
		receipt, err := p.Wait(ctx)
		if err != nil {
			if ctx.Err() == nil { // it will not be recorded; otherwise how it ends is open
				o.Cancel(&e.Event)
			}
			return
		}
		committed(o, &e, receipt)
		l.actAll(ctx, e.Decision.Actions)
	})
}

// late records that the answer given was not the one in the entry, because the
// deadline came before the entry was durable. The entry itself may still commit.
func (l *Loop) late(ctx context.Context, e noren.Entry, d noren.Decision) error {
	l.o.Log.Warn("journal slower than the deadline", "alarm", true, "kind", e.Event.Kind, "verdict", d.Verdict)
	e.Part = noren.PartLate
	e.Event.AttemptID = e.Event.ID
	e.Event.ID = noren.NewID(e.Event.At.Time)
	d.EventID = e.Event.ID
	e.Decision = d
	return l.o.Journal.Post(ctx, e)
}

// recordLater samples the entry and makes its counters durable without waiting.
// A queue that stays full until the deadline costs the entry's text: it counts.
func (l *Loop) recordLater(ctx context.Context, info noren.KindInfo, e noren.Entry, rows []db.Row) {
	whole := worthAnEntry(info, &e) && l.sampler.take(&e)
	var err error
	switch {
	case whole:
		err = l.o.Journal.Post(ctx, e, rows...)
	case len(rows) > 0:
		err = l.o.Journal.Rows(ctx, rows...)
	}
	if err != nil {
		l.o.Log.Error("entry could not be queued", "alarm", true, "kind", info.Kind, "err", err)
	}
	if !whole || err != nil {
		l.sampler.count(&e, 1)
	}
}

// worthAnEntry is false for ordinary allowed requests: they are in the access
// log, and the journal gets their number per zone and minute.
func worthAnEntry(info noren.KindInfo, e *noren.Entry) bool {
	if info.Recording != noren.RecordCounted {
		return true
	}
	if p, ok := e.Event.Payload.(*noren.Request); ok && (p.Score > 0 || p.AccessShadow != "") {
		return true
	}
	d := &e.Decision
	return d.Verdict != noren.Allow || len(d.Reasons) > 0 || len(d.Shadow) > 0 || d.Fault != ""
}

// Flush writes all counted entries now, those of the running minute included.
func (l *Loop) Flush(ctx context.Context) { l.flush(ctx, true) }

// flushTimeout bounds how long counted entries wait for room in the journal.
const flushTimeout = 5 * time.Second

// flush writes the counted entries of past minutes, of all when final. What the
// journal does not take now is kept for the next time.
func (l *Loop) flush(ctx context.Context, final bool) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	now := l.clock.now()
	for _, e := range l.sampler.flush(now.Time, final) {
		counted := e
		e.Event.ID = noren.NewID(now.Time)
		e.Decision.EventID = e.Event.ID
		if err := l.o.Journal.Post(ctx, e); err != nil {
			l.o.Log.Error("counted entry could not be queued", "alarm", true, "kind", e.Event.Kind, "count", e.Count, "err", err)
			l.sampler.count(&counted, counted.Count)
		}
	}
}

// actTimeout bounds one action; what fails is redone.
const actTimeout = 5 * time.Second

// act carries out recorded actions and marks them done. In ordinary life they
// are when it returns; it waits for them up to the deadline of the decision and
// lets them go on after it, because the record stands.
func (l *Loop) act(ctx context.Context, actions []noren.Action) {
	done := make(chan struct{})
	l.acting.Go(func() {
		defer close(done)
		l.actAll(context.WithoutCancel(ctx), actions)
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (l *Loop) actAll(ctx context.Context, actions []noren.Action) {
	for _, a := range actions {
		if err := l.actOne(ctx, a); err != nil {
			l.o.Log.Error("action failed; it will be tried again", "alarm", true, "action", a.ID, "kind", a.Kind, "err", err)
		}
	}
}

func (l *Loop) actOne(ctx context.Context, a noren.Action) (err error) {
	ctx, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("actuator panicked: %v\n%s", r, debug.Stack())
		}
	}()
	actuator, ok := l.o.Actuators[a.Kind]
	if !ok {
		return fmt.Errorf("no actuator for %s", a.Kind)
	}
	if err := actuator.Act(ctx, a); err != nil {
		return err
	}
	l.o.Step("acted")
	if err := l.markDone(ctx, a.ID); err != nil {
		return fmt.Errorf("mark done: %w", err)
	}
	l.o.Step("marked")
	return nil
}

// redo carries out the actions that are recorded, unmarked and not expired.
func (l *Loop) redo(ctx context.Context) {
	open, err := l.openActions(ctx, l.clock.now())
	if err != nil {
		l.o.Log.Error("read undone actions", "alarm", true, "err", err)
		return
	}
	for _, a := range open {
		if err := l.actOne(ctx, a); err != nil {
			l.o.Log.Error("action failed again", "alarm", true, "action", a.ID, "kind", a.Kind, "err", err)
		}
	}
}
