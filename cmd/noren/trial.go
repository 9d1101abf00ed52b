package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"noren"
	"noren/settings"
)

// onTrial is a change that was announced to end unless confirmed; the zero one is
// of a change that stays.
type onTrial struct {
	in    *instance
	trial settings.Trial
}

// try announces a change when it is to wait for its confirmation.
func (in *instance) try(ctx context.Context, f trialFlags, t settings.Trial) (onTrial, error) {
	within, err := f.within()
	if err != nil || within == 0 {
		return onTrial{}, err
	}
	t, err = in.settings.BeginTrial(ctx, t, within)
	return onTrial{in, t}, err
}

// never ends the trial of a change that did not come to be.
func (t onTrial) never(ctx context.Context, cause error) error {
	if t.in == nil {
		return cause
	}
	_, err := t.in.settings.EndTrial(context.WithoutCancel(ctx), t.trial.ID, settings.TrialVoid)
	return errors.Join(cause, err)
}

func (t onTrial) tell(e *env) {
	if t.in != nil {
		fmt.Fprintf(e.io.err, "it ends by itself at %s unless you say: noren settings confirm\n", shown(t.trial.Due.Time, ofToday))
	}
}

// mayChangeSettings refuses a set that would shut out who makes it, and any while
// another waits for its confirmation.
func (in *instance) mayChangeSettings(e *env, ctx context.Context, set settings.Set, f trialFlags) error {
	open, err := in.settings.Trials(ctx)
	if err != nil {
		return err
	}
	for _, t := range open {
		if t.Kind == settings.TrialSettings {
			return settings.SettingsOnTrial()
		}
	}
	after := in.entry()
	if after.access, err = readAccess(set, in.cfg.siteNames()); err != nil {
		return err
	}
	in.sayUnknownPlaces(e, set)
	if !reflect.DeepEqual(after.access, in.rules.access) {
		e.noteUnknown(f)
	}
	return in.mayShutOut(e, f, after)
}

func (in *instance) trySettings(ctx context.Context, set settings.Set, f trialFlags) (onTrial, error) {
	versions, err := in.settings.Versions(ctx, 1)
	if err != nil || len(versions) == 0 {
		return onTrial{}, err
	}
	return in.try(ctx, f, settings.Trial{Kind: settings.TrialSettings, Made: set.Hash(), Undo: versions[0].ID})
}

type settingsConfirmCmd struct {
	Back bool `help:"Take the change back now instead."`
	List bool `help:"List what waits for its confirmation."`
	JSON bool `name:"json" help:"Print as JSON."`
}

// Help shows examples.
func (settingsConfirmCmd) Help() string {
	return "Settings, places and bans that were changed with --confirm-within end by themselves unless confirmed.\n" +
		"Examples:\n  noren settings confirm\n  noren settings confirm --back"
}

func (c settingsConfirmCmd) Run(e *env) error {
	return e.withUrgent(func(ctx context.Context, in *instance) error {
		open, err := in.settings.Trials(ctx)
		if err != nil {
			return err
		}
		if c.List {
			return printTrials(e, open, c.JSON)
		}
		if len(open) == 0 {
			return noren.WithHint(noren.Errorf(noren.NotFound, "nothing waits for a confirmation"), "what was not confirmed in time is taken back already: noren settings versions, noren place list")
		}
		for _, t := range open {
			if err := in.confirm(ctx, e, t, c.Back); err != nil {
				return err
			}
		}
		return nil
	})
}

func (in *instance) confirm(ctx context.Context, e *env, t settings.Trial, back bool) error {
	claimed, err := in.settings.ClaimTrial(ctx, t.ID, true)
	if err != nil {
		return err
	}
	if !claimed {
		return noren.WithHint(noren.Errorf(noren.Conflict, "the change of %s is being taken back at this moment", t.Kind), "look in half a minute: noren settings confirm --list")
	}
	if back {
		state, err := in.takeBack(ctx, t, operator(), "taken back")
		if err == nil {
			fmt.Fprintf(e.io.err, "%s: %s\n", t.Kind, trialWords(state))
		}
		return err
	}
	if err := in.recordConfirmed(ctx, t); err != nil {
		return err
	}
	if _, err := in.settings.EndTrial(ctx, t.ID, settings.TrialConfirmed); err != nil {
		return err
	}
	fmt.Fprintf(e.io.err, "%s: confirmed, it stays\n", t.Kind)
	return nil
}

func trialWords(state string) string {
	if state == settings.TrialVoid {
		return "nothing to take back; it was changed since"
	}
	return "taken back"
}

func (in *instance) recordConfirmed(ctx context.Context, t settings.Trial) error {
	switch t.Kind {
	case settings.TrialPlace:
		id := t.Made
		if id == "" {
			id = t.Undo
		}
		return in.places.ConfirmPlace(ctx, id, operator())
	case settings.TrialBan:
		return in.lists.ConfirmEntry(ctx, t.Site, t.Made, operator())
	}
	_, err := in.loop.Decide(ctx, noren.Event{Kind: noren.SettingsChange,
		Payload: &noren.SettingsVersion{Version: t.Made, Before: t.Made, Author: operator(), Reason: "confirmed"}})
	return err
}

// takeBack undoes a change that the caller has claimed, and says how the trial
// ended.
func (in *instance) takeBack(ctx context.Context, t settings.Trial, author, reason string) (state string, err error) {
	switch t.Kind {
	case settings.TrialSettings:
		err = in.takeBackSettings(ctx, t, author, reason)
	case settings.TrialPlace:
		err = in.places.TakeBack(ctx, t.Made, t.Undo, author, reason)
	case settings.TrialBan:
		err = in.lists.LiftEntry(ctx, t.Site, t.Made, author, noren.Text{En: reason, Ja: reason})
	}
	state = settings.TrialTakenBack
	switch noren.CodeOf(err) {
	case noren.Conflict, noren.NotFound: // it never came to be, or somebody changed it since
		state, err = settings.TrialVoid, nil
	}
	if err != nil {
		return "", fmt.Errorf("take back the change of %s: %w", t.Kind, err)
	}
	_, err = in.settings.EndTrial(ctx, t.ID, state)
	return state, err
}

func (in *instance) takeBackSettings(ctx context.Context, t settings.Trial, author, reason string) error {
	now, err := in.settings.CurrentHash(ctx)
	if err != nil {
		return err
	}
	if now != t.Made {
		return noren.Errorf(noren.Conflict, "other settings are in force")
	}
	before, err := in.settings.Get(ctx, t.Undo)
	if err != nil {
		return err
	}
	if _, err := in.loop.Decide(ctx, noren.Event{Kind: noren.SettingsChange, Payload: &noren.SettingsVersion{
		Version: before.Hash(), Before: t.Made, Author: author, Reason: reason, Files: before.Paths(),
	}}); err != nil {
		return fmt.Errorf("record the change: %w", err)
	}
	_, err = in.settings.Put(ctx, before, author, reason, t.Made)
	return err
}

// trialPoll is how soon after its time a change is taken back.
const trialPoll = time.Second

// watchTrials takes back what was not confirmed in time, on whichever node comes
// first, also what ended while nothing ran.
func (in *instance) watchTrials(ctx context.Context) {
	tick := time.NewTicker(trialPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		open, err := in.settings.Trials(ctx)
		if err != nil {
			continue // the lists raise the alarm
		}
		for _, t := range open {
			if !t.Due.After(time.Now()) {
				in.endTrial(ctx, t)
			}
		}
	}
}

func (in *instance) endTrial(ctx context.Context, t settings.Trial) {
	claimed, err := in.settings.ClaimTrial(ctx, t.ID, false)
	if err != nil || !claimed {
		return // another node has it
	}
	state, err := in.takeBack(ctx, t, "noren", "not confirmed in time")
	if err != nil {
		in.log.Error("a change that was not confirmed cannot be taken back; it is tried again", "alarm", true, "kind", t.Kind, "err", err)
		return
	}
	in.log.Warn("a change was not confirmed in time", "alarm", true, "kind", t.Kind, "site", t.Site, "ended", trialWords(state))
}

func printTrials(e *env, open []settings.Trial, asJSON bool) error {
	if asJSON {
		return printJSON(e.io.out, open)
	}
	for _, t := range open {
		fmt.Fprintf(e.io.out, "%s %s: ends by itself at %s unless confirmed (noren settings confirm)\n", t.Kind, t.Site, shown(t.Due.Time, toSecond))
	}
	return nil
}
