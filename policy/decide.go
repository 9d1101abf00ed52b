package policy

import (
	"errors"
	"strings"

	"cel.dev/cel-go/common/types"

	"noren"
)

// Decide evaluates the policies for ev's kind and zone over the event and its
// computed facts. It is pure and safe for concurrent use. Kinds that tell of
// Noren itself are always allowed, and what the gateway stopped stays stopped.
// A policy that cannot be evaluated counts as the kind's failure side and is
// named in Fault; the others still decide, and the strictest answer wins.
func (s *Set) Decide(ev *noren.Event, facts noren.Facts) noren.Decision {
	d := noren.Decision{EventID: ev.ID, Verdict: ev.Given(), Policies: s.version}
	b := s.bucketFor(ev.Kind, ev.Zone)
	if b == nil {
		return d
	}
	v := s.takeVars(ev, facts)
	defer s.giveBack(v)
	for _, r := range b.rules { // sorted by name, and so are the reasons
		fired, err := r.fires(v)
		switch {
		case err != nil:
			r.fail(ev, err, &d)
		case fired:
			r.apply(ev, facts, &d)
		}
	}
	return d
}

// errNotBool cannot happen with a checked condition.
var errNotBool = errors.New("the condition is not true or false")

// fires evaluates the condition.
func (r *rule) fires(v *vars) (bool, error) {
	if r.quick.of(v) == no {
		return false, nil
	}
	return r.eval(v)
}

func (r *rule) eval(v *vars) (bool, error) {
	out, _, err := r.prog.Eval(v)
	if err != nil {
		return false, err
	}
	fired, ok := out.(types.Bool)
	if !ok {
		return false, errNotBool
	}
	return bool(fired), nil
}

// apply adds what the rule does when it fires.
func (r *rule) apply(ev *noren.Event, facts noren.Facts, d *noren.Decision) {
	reason := noren.Reason{Policy: r.Name, Verdict: r.Then, Text: r.Reason, Alarm: r.Alarm}
	if r.Mode == Shadow {
		d.Shadow = append(d.Shadow, reason)
		return
	}
	d.Verdict = noren.Strictest(d.Verdict, r.Then)
	d.Reasons = append(d.Reasons, reason)
	if a, ok := r.ban(ev, facts); ok {
		d.Actions = append(d.Actions, a)
	}
}

// fail adds the kind's failure side. A policy in shadow must not decide, so it
// only records what it would have done.
func (r *rule) fail(ev *noren.Event, err error, d *noren.Decision) {
	side := noren.SideClosed
	if info, err := ev.Kind.Info(); err == nil {
		side = info.Side
	}
	if r.Mode == Shadow {
		d.Shadow = append(d.Shadow, noren.Reason{Policy: r.Name, Verdict: side.Verdict(), Text: noren.Text{
			Ja: "条件を計算できませんでした", En: "The condition could not be evaluated: " + faultText(err)}})
		return
	}
	d.Verdict = noren.Strictest(d.Verdict, side.Verdict())
	if d.Fault != "" {
		d.Fault += "; "
	}
	d.Fault += "policy " + r.Name + ": " + faultText(err)
}

// faultText words an evaluation error without the values in it: the journal
// keeps faults readable after a person is erased.
func faultText(err error) string {
	for _, known := range []string{"division by zero", "modulus by zero", "integer overflow", "index out of bounds", "no such key", "no such overload"} {
		if strings.Contains(err.Error(), known) {
			return known
		}
	}
	return "evaluation failed"
}
