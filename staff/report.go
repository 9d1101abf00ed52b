package staff

import (
	"context"
	"fmt"
	"net/netip"

	"noren"
	"noren/db"
)

// What is done to people and sessions, as the record names it.
const (
	actOwnerLink   = "staff.owner_link"
	actInvite      = "staff.invite"
	actResetLink   = "staff.reset_link"
	actCancel      = "staff.link_withdrawn"
	actJoin        = "staff.join"
	actReset       = "staff.reset"
	actRole        = "staff.role"
	actRemove      = "staff.remove"
	actEnd         = "staff.session_end"
	actSignOut     = "staff.sign_out"
	actPassword    = "staff.password"
	actFactor      = "staff.second_factor"
	actRecovery    = "staff.recovery_codes"
	actReconfirm   = "staff.reconfirm"
	actNotMadeMark = ".failed"
)

// report records what by does; before that nothing is done. A policy may refuse a
// person. Whoever is at the machine is not refused, only recorded: this is the way
// back in.
func (s *Staff) report(ctx context.Context, by By, act, object string) error {
	d, err := s.raise(ctx, noren.StaffAction, by.name(), by.Address, &noren.Operation{Action: act, Object: object, Reason: by.Reason})
	if err != nil {
		return err
	}
	switch {
	case by.Person == "" || !refuses(d.Verdict):
		return nil
	case d.Fault != "":
		return errUndecided()
	}
	return noren.WithHint(noren.Errorf(noren.Denied, "a policy refuses %s", act), "the entry in the record says which one; at the machine it can be done all the same")
}

// errUndecided says that the failure side of the kind refused, and no policy.
func errUndecided() error {
	return noren.WithHint(noren.Errorf(noren.Unavailable, "it could not be decided and recorded in time"), "try again in a moment")
}

// refuses reports whether a verdict stands in the way of a person's act.
func refuses(v noren.Verdict) bool { return v != noren.Allow && v != noren.Review && v != "" }

// notMade records that what was recorded was not done, so that the record tells
// no change that never was.
func (s *Staff) notMade(ctx context.Context, by By, act, object string, cause error) {
	by.Reason = "it could not be stored, so it was not made"
	if db.IsUnavailable(cause) {
		by.Reason = "the database did not answer; look whether it was made"
	}
	_, err := s.raise(context.WithoutCancel(ctx), noren.StaffAction, by.name(), by.Address,
		&noren.Operation{Action: act + actNotMadeMark, Object: object, Reason: by.Reason})
	if err != nil {
		s.o.Log.Error("a change of staff is recorded and was not made", "alarm", true, "act", act, "object", object, "err", err)
	}
}

// visitor is who signs in, as far as the connection tells.
type visitor struct {
	address netip.Addr
	browser string
	known   bool // a browser in which this person signed in before
}

// maxBrowser cuts what a browser says about itself.
const maxBrowser = 300

func visitorOf(a netip.Addr, userAgent string) visitor {
	return visitor{address: a.Unmap().WithZone(""), browser: cut(userAgent, maxBrowser)}
}

// signIn is the event of a sign-in. person is an id, "" where the address typed
// is nobody's: what was typed is not recorded, it may be a password in the wrong
// field.
func (s *Staff) signIn(ctx context.Context, person string, v visitor, success bool, factor, cause string) (noren.Decision, error) {
	return s.raise(ctx, noren.StaffLogin, person, v.address, &noren.StaffSignIn{
		Success: success, Factor: factor, Cause: cause, Browser: v.browser, Known: v.known,
	})
}

// failedSignIn records a failure. It is refused whether or not that can be
// recorded; the loop raises the alarm then.
func (s *Staff) failedSignIn(ctx context.Context, person string, v visitor, factor, cause string) {
	if _, err := s.signIn(ctx, person, v, false, factor, cause); err != nil {
		s.o.Log.Error("a failed sign-in cannot be recorded", "alarm", true, "cause", cause, "err", err)
	}
}

func (s *Staff) raise(ctx context.Context, kind noren.Kind, who string, address netip.Addr, p noren.Payload) (noren.Decision, error) {
	d := s.decider.Load()
	if d == nil {
		return noren.Decision{}, noren.Errorf(noren.Unavailable, "the people are not attached to the loop yet; nothing can be recorded")
	}
	at := noren.At(s.o.Now())
	ev := noren.Event{ID: noren.NewID(at.Time), Kind: kind, At: at, Zone: noren.ZoneAdmin, Entities: noren.Entities{}, Payload: p}
	if who != "" {
		ev.Entities[noren.EntityStaff] = cut(who, noren.MaxEntityValue)
	}
	if address.IsValid() {
		ev.Entities[noren.EntityAddress] = address.Unmap().WithZone("").String()
	}
	decision, err := (*d).Decide(ctx, ev)
	if err != nil {
		return decision, fmt.Errorf("record %s: %w", kind, err)
	}
	return decision, nil
}
