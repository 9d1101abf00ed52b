package loop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"noren"
	"noren/db"
	"noren/orient"
)

// record makes the entry durable by the rule of its kind and returns the
// decision to answer with: the entry's own, or the failure side's when the
// entry could not be made durable in time.
func (l *Loop) record(ctx context.Context, o *orient.Orient, info noren.KindInfo, e noren.Entry, rows []db.Row) (noren.Decision, error) {
	actions, err := l.actionRows(&e)
	if err != nil {
		l.o.Log.Error("seal actions", "alarm", true, "err", err)
		e.Decision.Actions = nil
	}
	rows = append(rows, actions...)
	if len(e.Decision.Actions) > 0 || mustBeFirst(info, &e) {
		return l.recordFirst(ctx, o, info, e, rows)
	}
	return e.Decision, l.recordLater(ctx, info, e, rows)
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
	receipt, err := l.o.Journal.Append(ctx, e, rows...)
	if err == nil {
		if !receipt.Spooled {
			o.Committed(&e.Event)
		}
		return e.Decision, nil
	}
	d := withFault(e.Decision, info, faultJournal)
	if ctx.Err() != nil {
		l.late(ctx, e, d)
		return d, nil
	}
	o.Cancel(&e.Event)
	l.o.Log.Error("entry could not be recorded", "alarm", true, "kind", info.Kind, "err", err)
	return d, noren.Errorf(noren.Unavailable, "record %s: %w", info.Kind, err)
}

// late records that the answer given was not the one in the entry, because the
// deadline came before the entry was durable. The entry itself may still commit.
func (l *Loop) late(ctx context.Context, e noren.Entry, d noren.Decision) {
	l.o.Log.Warn("journal slower than the deadline", "alarm", true, "kind", e.Event.Kind, "verdict", d.Verdict)
	e.Event.AttemptID = e.Event.ID
	e.Event.ID = noren.NewID(e.Event.At.Time)
	d.EventID = e.Event.ID
	d.Fault = faultDeadline
	e.Decision = d
	if err := l.o.Journal.Post(context.WithoutCancel(ctx), e); err != nil {
		l.o.Log.Error("record late answer", "alarm", true, "err", err)
	}
}

// recordLater samples the entry and makes its counters durable without waiting.
func (l *Loop) recordLater(ctx context.Context, info noren.KindInfo, e noren.Entry, rows []db.Row) error {
	whole := worthAnEntry(info, &e) && l.sampler.take(&e)
	post := context.WithoutCancel(ctx)
	var err error
	switch {
	case whole:
		err = l.o.Journal.Post(post, e, rows...)
	case len(rows) > 0:
		err = l.o.Journal.Rows(post, rows...)
	}
	if err != nil {
		l.o.Log.Error("entry could not be queued", "alarm", true, "kind", info.Kind, "err", err)
	}
	if !whole {
		l.sampler.count(&e)
	}
	return nil
}

// worthAnEntry is false for ordinary allowed requests: they are in the access
// log, and the journal gets their number per zone and minute.
func worthAnEntry(info noren.KindInfo, e *noren.Entry) bool {
	if info.Recording != noren.RecordCounted {
		return true
	}
	if p, ok := e.Event.Payload.(*noren.Request); ok && p.Score > 0 {
		return true
	}
	d := &e.Decision
	return d.Verdict != noren.Allow || len(d.Reasons) > 0 || len(d.Shadow) > 0 || d.Fault != ""
}

// Flush writes all counted entries now, those of the running minute included.
func (l *Loop) Flush(ctx context.Context) { l.flush(ctx, true) }

// flush writes the counted entries of past minutes, of all when final.
func (l *Loop) flush(ctx context.Context, final bool) {
	now := l.clock.now()
	for _, e := range l.sampler.flush(now.Time, final) {
		e.Event.ID = noren.NewID(now.Time)
		e.Decision.EventID = e.Event.ID
		if err := l.o.Journal.Post(ctx, e); err != nil && !errors.Is(err, context.Canceled) {
			l.o.Log.Error("counted entry lost", "alarm", true, "kind", e.Event.Kind, "count", e.Count, "err", err)
		}
	}
}

const actTimeout = 5 * time.Second

// act carries out recorded actions and marks them done. It is not bound by the
// visitor's patience: the record stands, and what fails here is redone.
func (l *Loop) act(ctx context.Context, actions []noren.Action) {
	l.acting.Add(1)
	defer l.acting.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	for _, a := range actions {
		if err := l.actOne(ctx, a); err != nil {
			l.o.Log.Error("action failed; it will be tried again", "alarm", true, "action", a.ID, "kind", a.Kind, "err", err)
		}
	}
}

func (l *Loop) actOne(ctx context.Context, a noren.Action) error {
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
