package loop

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"noren"
)

// Replay decides past events again: simulated time, the same code as live, no
// side effects. It is not safe for concurrent use: events have an order.
type Replay struct {
	Rules // with an Orient in memory: made without a database
	// CarryOut makes bans that are decided count, as when they were carried out.
	// Leave it out where the bans of the time are among the events.
	CarryOut bool
	banned   map[actionKey]noren.Time // until when
}

// Recorded decides e again from the facts stored with it. Under the policy
// version of the entry the decision is identical bit for bit.
func (r *Replay) Recorded(e *noren.Entry) noren.Decision {
	set := r.Policies.For(e.Event.Site)
	if e.Decision.Fault == faultPanic {
		return panicked(&e.Event, set)
	}
	d := set.Decide(&e.Event, e.Facts)
	d.Degraded = e.Decision.Degraded
	return r.sameFault(d, e)
}

// Recomputed rebuilds the facts of ev from the events given before it, then
// decides.
func (r *Replay) Recomputed(ctx context.Context, ev noren.Event) (noren.Entry, error) {
	e := noren.Entry{Event: ev, Count: 1}
	set := r.Policies.For(ev.Site)
	obs, err := r.Orient.ObserveSteps(ctx, &e.Event, set.Needs(ev.Kind, ev.Zone), set.Steps(&e.Event))
	if err != nil {
		return e, err
	}
	e.Facts = obs.Facts
	e.Decision = set.Decide(&e.Event, obs.Facts)
	e.Rule = ruleOf(&e)
	if r.CarryOut {
		err = r.carryOut(ctx, &e)
	}
	return e, err
}

// maxBanned bounds how many bans a replay keeps in mind.
const maxBanned = 100_000

// carryOut counts the bans of a decision, each once while it lasts. The events
// have the ids that the gateway gives them, so that those which are among the
// events of a file count once.
func (r *Replay) carryOut(ctx context.Context, e *noren.Entry) error {
	for i := range e.Decision.Actions {
		a := &e.Decision.Actions[i]
		k := keyOf(a)
		k.policy = ""
		if a.Kind != noren.ActBan || !a.Until.After(r.banned[k].Time) {
			continue
		}
		if r.banned == nil || len(r.banned) >= maxBanned {
			r.banned = map[actionKey]noren.Time{}
		}
		r.banned[k] = a.Until
		ev := noren.Event{ID: a.ID + "-set", Kind: noren.BanChange, Site: a.Site, At: e.Event.At, Entities: noren.Entities{a.Entity: a.Target},
			Payload: &noren.BanEntry{List: string(noren.ActBan), Op: "set", Until: a.Until, Author: "policy:" + a.Policy, Policy: a.Policy, Repeat: a.Repeat}}
		if err := r.Noted(ctx, ev); err != nil {
			return err
		}
	}
	return nil
}

// Noted lets an event that is not decided count.
func (r *Replay) Noted(ctx context.Context, ev noren.Event) error {
	_, err := r.Orient.Observe(ctx, &ev, nil)
	return err
}

// sameFault repeats a fault of the surroundings that the entry records: the
// deadline that passed then is an input of the decision, not a part of it.
func (r *Replay) sameFault(d noren.Decision, e *noren.Entry) noren.Decision {
	info, err := e.Event.Kind.Info()
	if err != nil || !slices.Contains([]string{faultDeadline, faultFacts, faultJournal, faultActions}, e.Decision.Fault) {
		return d
	}
	return withFault(d, info, e.Decision.Fault)
}

// Difference is a fact that came out otherwise than it was recorded.
type Difference struct {
	Fact       string `json:"fact"`
	Recorded   any    `json:"recorded"`
	Recomputed any    `json:"recomputed"`
	Cause      string `json:"cause"`
}

// Differences compares the facts recorded in was with the recomputed ones. A
// fact that only one policy version asked for is not a difference. skipped is
// how many earlier events could not be read because their subject was erased.
func Differences(was *noren.Entry, now noren.Facts, skipped int64) []Difference {
	var out []Difference
	for name, a := range was.Facts {
		b, asked := now[name]
		if !asked || reflect.DeepEqual(a, b) {
			continue
		}
		out = append(out, Difference{name, a, b, cause(was, name, skipped)})
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Fact, b.Fact) })
	return out
}

func cause(was *noren.Entry, name string, skipped int64) string {
	switch {
	case was.Decision.Degraded:
		return "recorded while shared state or the database was away"
	case fromFiles(name):
		return "address data (country, network or list files) differ from those of the time"
	case isRate(name):
		return "requests are journalled as counts, so request rates cannot be rebuilt"
	case skipped > 0:
		return "earlier events of erased people are missing"
	}
	return "events before the first one given are missing"
}

// fromFiles reports whether address files tell a fact; what else is known of an
// address is counted.
func fromFiles(name string) bool {
	switch name {
	case "address.country", "address.asn", "address.asn_name", "address.network", "address.verified_bot", "address.listed":
		return true
	}
	return false
}

// isRate reports whether a counter counts requests, which the journal keeps as
// counted entries only.
func isRate(name string) bool {
	_, measure, _ := strings.Cut(name, ".")
	for _, m := range []string{"requests_", "blocked_", "challenged_", "forbidden_", "waf_blocked_", "sessions_"} {
		if strings.HasPrefix(measure, m) {
			return true
		}
	}
	return false
}
