package main

import (
	"context"
	"slices"

	"noren"
	"noren/console"
	"noren/notify"
	"noren/policy"
)

// conditions are those of the console's list of measures that only the rules in
// force and the configuration can tell.
func (in *instance) conditions() map[string]console.Condition {
	return map[string]console.Condition{
		"admin_closed": in.ofRules(func(r *rules, site string) bool { return len(openZones(r.access.of(site))) == 0 }),
		"someone_next": in.ofRules(func(r *rules, site string) bool {
			n := rulesOfSite(r.notify, site)
			return n != nil && len(n.Escalate) > 0
		}),
		"alarm_hook": in.ofRules(func(r *rules, site string) bool {
			n := rulesOfSite(r.notify, site)
			return n != nil && slices.ContainsFunc(n.Receivers, func(x notify.Receiver) bool { return x.Hook != "" })
		}),
		"login_enforced":   in.enforced(noren.LoginAttempt),
		"payment_enforced": in.enforced(noren.PaymentAttempt),
		"breakin_enforced": in.enforced(noren.HTTPAnswered),
	}
}

// ofRules asks the rules in force.
func (in *instance) ofRules(holds func(r *rules, site string) bool) console.Condition {
	return func(_ context.Context, site string) (bool, error) {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.rules == nil {
			return false, noren.Errorf(noren.Unavailable, "no rules are in force")
		}
		return holds(in.rules, site), nil
	}
}

// enforced reports whether a policy in force stops something about a kind of event.
func (in *instance) enforced(kind noren.Kind) console.Condition {
	return in.ofRules(func(r *rules, site string) bool {
		set := r.policies.Shared
		if own := r.policies.Sites[site]; own != nil {
			set = own
		}
		return set != nil && slices.ContainsFunc(set.Policies(), func(p policy.Info) bool {
			return p.Mode == policy.On && slices.Contains(p.Kinds, kind)
		})
	})
}
