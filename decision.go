package noren

import (
	"context"
	"time"
)

// Verdict is the answer to an event, from mildest to strictest.
type Verdict string

// Verdicts.
const (
	Allow     Verdict = "allow"
	Limit     Verdict = "limit"     // too fast: 429 with Retry-After
	Challenge Verdict = "challenge" // a short check for a browser
	StepUp    Verdict = "step_up"   // one more proof of identity
	Review    Verdict = "review"    // accept; a person looks before it ships
	Hold      Verdict = "hold"      // accept, do not ship
	Block     Verdict = "block"
)

var verdictRank = map[Verdict]int{"": 0, Allow: 0, Limit: 1, Challenge: 2, StepUp: 3, Review: 4, Hold: 5, Block: 6}

// Valid reports whether v is one of the verdicts.
func (v Verdict) Valid() bool { _, ok := verdictRank[v]; return ok && v != "" }

// Strictest returns the stricter of two verdicts.
func Strictest(a, b Verdict) Verdict {
	if verdictRank[b] > verdictRank[a] {
		return b
	}
	return a
}

// Given is the verdict that stands before any policy is asked: a request the
// gateway stopped stays stopped, and a connection that was cut off is gone.
func (e *Event) Given() Verdict {
	if _, cut := e.Payload.(*TLSProbing); cut {
		return Block
	}
	p, ok := e.Payload.(*Blocked)
	switch {
	case !ok:
		return Allow
	case p.Cause == CauseLimit && p.Step != "block" && p.Step != "ban":
		return Limit
	}
	return Block
}

// Reason is one policy that fired.
type Reason struct {
	Policy  string  `json:"policy"`
	Verdict Verdict `json:"verdict"`
	Text    Text    `json:"text"`
	// Alarm says that the shop's people are told at once; "" for most.
	Alarm Alarm `json:"alarm,omitempty"`
}

// Alarm says how urgent it is for people when a policy fires.
type Alarm string

// Alarms.
const (
	AlarmHigh     Alarm = "high"     // look today
	AlarmCritical Alarm = "critical" // look now
)

// Decision is the answer to one event: a pure function of the event, its facts
// and the policy version.
type Decision struct {
	EventID string  `json:"event_id"`
	Verdict Verdict `json:"verdict"`
	// Reasons are the policies that are on and fired.
	Reasons []Reason `json:"reasons,omitempty"`
	// Shadow are the policies in shadow that would have fired.
	Shadow []Reason `json:"shadow,omitempty"`
	// Actions follow from Reasons; they are recorded before they are carried out.
	Actions []Action `json:"actions,omitempty"`
	// Policies is the version hash of the policy set.
	Policies string `json:"policies"`
	// Fault says why the kind's failure side decided ("deadline", "policy x: …");
	// empty when the policies did.
	Fault string `json:"fault,omitempty"`
	// Degraded marks a decision made without shared state (limit ÷ live nodes).
	Degraded bool `json:"degraded,omitempty"`
}

// ActionKind names what can be done. Each kind has one actuator.
type ActionKind string

// Kinds of actions.
const (
	ActBan   ActionKind = "ban"   // gateway: refuse a client until a time
	ActCheck ActionKind = "check" // gateway: ask everybody there for the check until a time
)

// Action is one thing to do because of a decision. Actuators are idempotent by
// ID, because the loop repeats recorded actions after a crash.
type Action struct {
	ID     string     `json:"id"`
	Kind   ActionKind `json:"kind"`
	Site   string     `json:"site"`
	Entity string     `json:"entity"` // e.g. address
	Target string     `json:"target"` // e.g. 203.0.113.7
	Until  Time       `json:"until,omitzero"`
	// Expires ends the redoing of an action that was recorded and not done.
	Expires Time   `json:"expires"`
	Policy  string `json:"policy"`
	Reason  Text   `json:"reason"`
	// Repeat is how many bans before this one still count.
	Repeat int64 `json:"repeat,omitempty"`
}

// Decider takes an event through the loop: facts, policies, record, act. Every
// sensor holds one. It is safe for concurrent use and answers by the deadline
// of the event's kind; when it cannot decide, the kind's failure side does and
// Decision.Fault says why. An error means that the event is not recorded
// although its kind must be.
type Decider interface {
	Decide(ctx context.Context, ev Event) (Decision, error)
}

// Actuator carries out actions of the kinds it is registered for. Act must be
// idempotent by Action.ID: after a crash the loop calls it again.
type Actuator interface {
	Act(ctx context.Context, a Action) error
}

// DefaultActionLife is how long a recorded action is redone before it expires.
const DefaultActionLife = time.Hour
