package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"noren"
	"noren/settings"
)

// settingsChange is one change of the settings, from whichever side: a command or
// the console.
type settingsChange struct {
	set            settings.Set
	author, reason string
	base           string        // hash of what the author saw; "" for what is in force
	within         time.Duration // taken back by itself after this unless confirmed; 0 when it stays
	self           netip.Addr    // of who makes it; the zero Addr when it is not known or not about them
	mayShutOut     bool          // the author knows that it shuts them out until it is taken back
}

// settingsChanged is what came of it.
type settingsChanged struct {
	version settings.Version
	trial   settings.Trial // its zero value when the change stays
	nothing bool           // the settings are the same
}

// change checks, records and then stores a set; a running noren takes it within a
// second or two. It prints nothing.
func (in *instance) change(ctx context.Context, c settingsChange) (out settingsChanged, err error) {
	if err := checkSettings(c.set, in.present()); err != nil {
		return out, err
	}
	now, err := in.settings.Current(ctx)
	if err != nil {
		return out, err
	}
	if c.base == "" {
		c.base = now.Hash()
	}
	if out.nothing = c.set.Hash() == now.Hash(); out.nothing {
		return out, nil
	}
	if err := in.mayChange(ctx, &c, now); err != nil {
		return out, err
	}
	trial, err := in.trySettings(ctx, c.set, c.within)
	if err != nil {
		return out, err
	}
	if err := in.recordSettings(ctx, c.set, now.Hash(), c.author, c.reason); err != nil {
		return out, trial.never(ctx, fmt.Errorf("record the change: %w", err))
	}
	if out.version, err = in.settings.Put(ctx, c.set, c.author, c.reason, c.base); err != nil {
		return out, trial.never(ctx, err)
	}
	out.trial = trial.trial
	return out, nil
}

// mayChange refuses, before anything is recorded, a change of what is not in force
// any more, of settings that are files, of what waits for its confirmation, and
// one that shuts out who makes it.
func (in *instance) mayChange(ctx context.Context, c *settingsChange, now settings.Set) error {
	if c.base != now.Hash() {
		return noren.WithHint(noren.Errorf(noren.Conflict, "version %s is in force, the change was made from %s", now.Hash(), c.base),
			"export the present settings, make your change in them and import again")
	}
	if in.settings.Mode() == settings.Files {
		dir := in.present().Settings.Dir
		return &noren.Error{Code: noren.Denied, Msg: "the settings are files in " + dir, Hint: "apply the patch there",
			Err: &settings.Refused{Dir: dir, Patch: settings.Diff(now, c.set)}}
	}
	open, err := in.settings.Trials(ctx)
	if err != nil {
		return err
	}
	for _, t := range open {
		if t.Kind == settings.TrialSettings {
			return settings.SettingsOnTrial()
		}
	}
	r, out, err := in.shutsOut(c.set, c.self)
	if err != nil || !out || c.mayShutOut && c.within > 0 {
		return err
	}
	return r.refuse(c.self)
}

// refuse is the error of a change that would shut out who makes it.
func (r refusal) refuse(addr netip.Addr) error {
	return noren.WithHint(noren.Errorf(noren.Denied, "this would shut you out yourself: %s could no longer enter %s of %s, because of %s", addr, r.zone, r.site, r.what), shutOutHint)
}

const shutOutHint = "nothing was changed. Make a place of your address first (noren place add NAME --here) and name it in the rule; or add --confirm-within 10m to try it; or, when you use the shop from another address, --as ADDRESS (--as nobody: not about you)"

// shutsOut is where an address would no longer get in under other settings; out is
// false for nowhere, and when no address is given.
func (in *instance) shutsOut(set settings.Set, addr netip.Addr) (r refusal, out bool, err error) {
	after := in.entry()
	if after.access, err = readAccess(set, in.present().siteNames()); err != nil || !addr.IsValid() {
		return r, false, err
	}
	r, out = newRefusal(in.refusals(in.entry(), addr), in.refusals(after, addr))
	return r, out, nil
}

// entersOtherwise reports whether a set says other things about who may enter.
func (in *instance) entersOtherwise(set settings.Set) bool {
	access, err := readAccess(set, in.present().siteNames())
	return err == nil && !reflect.DeepEqual(access, in.entry().access)
}

func (in *instance) recordSettings(ctx context.Context, set settings.Set, before, author, reason string) error {
	_, err := in.loop.Decide(ctx, noren.Event{Kind: noren.SettingsChange, Payload: &noren.SettingsVersion{
		Version: set.Hash(), Before: before, Author: author, Reason: reason, Files: set.Paths(),
	}})
	return err
}

// changeSettings is change for commands: it says on the terminal what the change
// does and how to go back.
func (in *instance) changeSettings(e *env, ctx context.Context, set settings.Set, reason, base string, f trialFlags) error {
	within, err := f.within()
	if err != nil {
		return err
	}
	self, _, err := e.self(f.As)
	if err != nil {
		return err
	}
	in.sayBefore(e, set, f, self, within)
	did, err := in.change(ctx, settingsChange{set: set, author: operator(), reason: reason, base: base, within: within, self: self, mayShutOut: true})
	if refused, ok := errors.AsType[*settings.Refused](err); ok {
		fmt.Fprint(e.io.out, refused.Patch)
		return noren.WithHint(noren.Errorf(noren.Denied, "the settings are files in %s", refused.Dir), "apply the patch above there")
	}
	if err != nil {
		return err
	}
	if did.nothing {
		fmt.Fprintln(e.io.err, "nothing changes")
		return nil
	}
	onTrial{in, did.trial}.tell(e)
	fmt.Fprintf(e.io.err, "version %d (%s) is in force; back with: noren settings restore --previous\n", did.version.N, did.version.Hash)
	return nil
}

// sayBefore tells what of a change may surprise who makes it.
func (in *instance) sayBefore(e *env, set settings.Set, f trialFlags, self netip.Addr, within time.Duration) {
	if in.settings.Mode() == settings.Files || set.Hash() == in.rulesHash() {
		return
	}
	in.sayUnknownPlaces(e, set)
	if in.entersOtherwise(set) {
		e.noteUnknown(f)
	}
	if r, out, err := in.shutsOut(set, self); err == nil && out && within > 0 {
		r.note(e, self)
	}
}

func (r refusal) note(e *env, addr netip.Addr) {
	fmt.Fprintf(e.io.err, "note: until it is taken back, this shuts you out: %s cannot enter %s of %s, because of %s\n", addr, r.zone, r.site, r.what)
}
