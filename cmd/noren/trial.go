package main

import (
	"context"
	"errors"
	"fmt"
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
	if err != nil {
		return onTrial{}, err
	}
	return in.tryWithin(ctx, within, t)
}

func (in *instance) tryWithin(ctx context.Context, within time.Duration, t settings.Trial) (onTrial, error) {
	if within == 0 {
		return onTrial{}, nil
	}
	t, err := in.settings.BeginTrial(ctx, t, within)
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
	if t.in != nil && t.trial.ID != "" {
		fmt.Fprintf(e.io.err, "it ends by itself at %s unless you say: noren settings confirm\n", shown(t.trial.Due.Time, ofToday))
	}
}

func (in *instance) trySettings(ctx context.Context, set settings.Set, within time.Duration) (onTrial, error) {
	versions, err := in.settings.Versions(ctx, 1)
	if err != nil || len(versions) == 0 {
		return onTrial{}, err
	}
	return in.tryWithin(ctx, within, settings.Trial{Kind: settings.TrialSettings, Made: set.Hash(), Undo: versions[0].ID})
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
	state, err := in.settle(ctx, t, !back, operator())
	if err != nil {
		return err
	}
	if state == settings.TrialConfirmed {
		fmt.Fprintf(e.io.err, "%s: confirmed, it stays\n", t.Kind)
		return nil
	}
	fmt.Fprintf(e.io.err, "%s: %s\n", t.Kind, trialWords(state))
	return nil
}

// settle ends a trial before its time: the change stays, or is taken back now.
func (in *instance) settle(ctx context.Context, t settings.Trial, keep bool, author string) (state string, err error) {
	claimed, err := in.settings.ClaimTrial(ctx, t.ID, true)
	if err != nil {
		return "", err
	}
	if !claimed {
		return "", noren.WithHint(noren.Errorf(noren.Conflict, "the change of %s is being taken back at this moment", t.Kind), "look in half a minute: noren settings confirm --list")
	}
	if !keep {
		return in.takeBack(ctx, t, author, "taken back")
	}
	if err := in.recordConfirmed(ctx, t, author); err != nil {
		return "", err
	}
	_, err = in.settings.EndTrial(ctx, t.ID, settings.TrialConfirmed)
	return settings.TrialConfirmed, err
}

func trialWords(state string) string {
	if state == settings.TrialVoid {
		return "nothing to take back; it was changed since"
	}
	return "taken back"
}

func (in *instance) recordConfirmed(ctx context.Context, t settings.Trial, author string) error {
	switch t.Kind {
	case settings.TrialPlace:
		id := t.Made
		if id == "" {
			id = t.Undo
		}
		return in.places.ConfirmPlace(ctx, id, author)
	case settings.TrialBan:
		return in.lists.ConfirmEntry(ctx, t.Site, t.Made, author)
	}
	_, err := in.loop.Decide(ctx, noren.Event{Kind: noren.SettingsChange,
		Payload: &noren.SettingsVersion{Version: t.Made, Before: t.Made, Author: author, Reason: "confirmed"}})
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
	if err := in.recordSettings(ctx, before, t.Made, author, reason); err != nil {
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
