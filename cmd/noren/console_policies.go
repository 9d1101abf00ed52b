package main

import (
	"context"
	"errors"
	"net/netip"

	"noren"
	"noren/console"
	"noren/loop"
	"noren/policy"
	"noren/settings"
)

// desk is what the console's pages of policies do with the settings.
type desk struct{ s *server }

// Compile reads a set as a node would.
func (d desk) Compile(set settings.Set) console.Compiled {
	r, err := tryRules(set, d.s.in.present())
	out := console.Compiled{Err: err}
	if r != nil {
		out.Rows = r.rows
	}
	if err == nil {
		out.Rules = compiledRules{loop.Replay{Rules: loop.Rules{Policies: r.policies}}}
	}
	return out
}

// compiledRules decide recorded entries again.
type compiledRules struct{ rep loop.Replay }

// Policies are those that decide for a site.
func (c compiledRules) Policies(site string) []policy.Info {
	return c.rep.Policies.For(site).Policies()
}

// Decide decides an entry from the facts stored with it.
func (c compiledRules) Decide(e *noren.Entry) noren.Decision { return c.rep.Recorded(e) }

// Weigh says what a set would change of who may enter.
func (d desk) Weigh(set settings.Set, self netip.Addr) (w console.Weighed) {
	in := d.s.in
	if w.Access = in.entersOtherwise(set); !w.Access {
		return w
	}
	if access, err := readAccess(set, in.present().siteNames()); err == nil {
		w.Places = in.unknownPlaces(access)
	}
	if r, out, err := in.shutsOut(set, self); err == nil && out {
		w.ShutOut = r.zone + " (" + r.site + "): " + r.what
	}
	return w
}

// Change checks, records and stores a set, and puts it in force here; other nodes
// follow within a second or two.
func (d desk) Change(ctx context.Context, c console.SettingsChange) (settings.Version, error) {
	did, err := d.s.in.change(ctx, settingsChange{set: c.Set, author: c.Author, reason: c.Reason, base: c.Base, within: c.Within, self: c.Self, mayShutOut: c.MayShutOut})
	if err != nil {
		return did.version, err
	}
	d.takeOver(ctx)
	return did.version, nil
}

// Settle ends a trial.
func (d desk) Settle(ctx context.Context, t settings.Trial, keep bool, author string) (string, error) {
	state, err := d.s.in.settle(ctx, t, keep, author)
	if err == nil {
		d.takeOver(ctx)
	}
	return state, err
}

// takeOver puts what is stored in force now rather than at the next look. What
// goes wrong is met, and told, there.
func (d desk) takeOver(ctx context.Context) {
	hash, err := d.s.in.settings.CurrentHash(ctx)
	if err == nil {
		_, err = d.s.in.applySettings(context.WithoutCancel(ctx), hash, d.s.gateway)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		d.s.in.log.Warn("changed settings are not in force yet", "err", err)
	}
}
