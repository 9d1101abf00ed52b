package orient

import (
	"context"
	"math"
	"strconv"

	"noren"
)

// Amounts and quantities beyond these count as these, so that no sum of a
// year's marks overflows. Negative ones count as nothing: an order of minus a
// million must not make room for a million.
const (
	maxAmount   = 1_000_000_000_000
	maxQuantity = 1_000_000_000
)

// groupOf says how a kind counts in history; half is what part of a pair it is.
func groupOf(ev *noren.Event) (g group, half noren.Half) {
	switch ev.Kind {
	case noren.BanChange:
		if countsAsBan(ev) {
			return groupBan, noren.Whole
		}
	case noren.LoginAttempt:
		return groupLogin, noren.Attempt
	case noren.LoginOutcome:
		return groupLogin, noren.Outcome
	case noren.PaymentAttempt:
		return groupPayment, noren.Attempt
	case noren.PaymentOutcome:
		return groupPayment, noren.Outcome
	case noren.AccountChanged:
		return groupChange, noren.Whole
	case noren.OrderPlaced:
		return groupOrder, noren.Whole
	case noren.StaffAction:
		return groupStaffAction, noren.Whole
	case noren.StaffLogin:
		return groupStaffLogin, noren.Whole
	case noren.MailLogin:
		return groupMailLogin, noren.Whole
	}
	return 0, ""
}

// numbers are what the payload says: amount, quantity and success.
func numbers(ev *noren.Event) (amount, quantity int64, ok bool) {
	switch p := ev.Payload.(type) {
	case *noren.LoginResult:
		return 0, 0, p.Success
	case *noren.Payment:
		return p.Amount.Minor, 0, false
	case *noren.PaymentResult:
		return p.Amount.Minor, 0, p.Success
	case *noren.Order:
		for _, i := range p.Items {
			quantity += min(max(i.Quantity, 0), maxQuantity)
		}
		return p.Total.Minor, quantity, true
	case *noren.Operation:
		return p.Records, 0, true
	case *noren.StaffSignIn:
		return 0, 0, p.Success
	case *noren.MailSignIn:
		return 0, 0, p.Success
	case *noren.AccountChange:
		return 0, 0, true
	case *noren.BanEntry:
		amount, quantity = banNumbers(ev, p)
		return amount, quantity, true
	}
	return 0, 0, false
}

// newMark is the mark of ev, whose parties are ps.
func (o *Orient) newMark(ev *noren.Event, g group, half noren.Half, ps *parties) mark {
	amount, quantity, ok := numbers(ev)
	m := mark{
		at:       ev.At.UnixMicro(),
		id:       o.eventKey(ev.Site, ev.ID),
		amount:   min(max(amount, 0), maxAmount),
		quantity: int32(min(max(quantity, 0), maxQuantity)),
		ok:       ok && half != noren.Attempt,
	}
	if o.db != nil {
		m.open = openMark
	}
	m.parties[dimAccount] = ps.of(slotAccount)
	m.parties[dimAddress] = ps.of(slotAddress)
	if g == groupPayment {
		m.parties[dimCard], m.parties[dimBIN] = ps.of(slotCard), ps.of(slotBIN)
	} else {
		m.parties[dimDevice] = ps.of(slotDevice)
	}
	return m
}

// eventKey is the token of an event's or attempt's id. An event without an id
// is not like any other.
func (o *Orient) eventKey(site, id string) key {
	if id == "" {
		id = "#" + strconv.FormatUint(o.nameless.Add(1), 36)
	}
	return o.tokens.of(site, "event", id)
}

// effect works out what ev does to history and enters it in the registry; nil
// for an event that does nothing. again is true for one that is there already.
func (o *Orient) effect(ctx context.Context, ev *noren.Event, ps *parties) (r *record, again, degraded bool) {
	g, half := groupOf(ev)
	if g == 0 {
		return nil, false, false
	}
	r = &record{group: g, m: o.newMark(ev, g, half, ps), parties: ps.carrying(g)}
	r.id, r.pending = r.m.id, 1
	r.applied.Add(1)
	switch half {
	case noren.Attempt:
		r.ref = r.id
		if ev.AttemptID != "" {
			r.ref = o.eventKey(ev.Site, ev.AttemptID)
		}
		if was := o.registry.attempt(r.ref, g); was != nil && was.outcome {
			return was, true, false // its outcome was faster and stands for it
		}
	case noren.Outcome:
		if degraded = o.resolve(ctx, ev, r); r.settles != nil {
			break
		}
		r.outcome, r.ref = true, r.id
		if ev.AttemptID != "" {
			r.ref = o.eventKey(ev.Site, ev.AttemptID)
		}
	}
	era := o.registry.era.Load()
	was, gone := o.registry.enter(r, o.used)
	o.unpinAll(gone, era)
	return was, was != r, degraded
}

// resolve finds the attempt of an outcome. It returns true when the database
// could not be asked.
func (o *Orient) resolve(ctx context.Context, ev *noren.Event, r *record) (degraded bool) {
	if ev.AttemptID == "" {
		return false
	}
	ref := o.eventKey(ev.Site, ev.AttemptID)
	attempt := o.registry.attempt(ref, r.group)
	if (attempt == nil || attempt.bare) && o.db != nil {
		var err error
		if attempt, err = o.lookUp(ctx, ref, r.group); err != nil {
			o.log.Warn("attempt of an outcome could not be looked up; it counts as an attempt of its own", "err", err)
			return true
		}
	}
	if attempt == nil || attempt.settles != nil {
		return false
	}
	r.settles = attempt
	return false
}

// lookUp finds an attempt in the database; nil when there is none. What was read
// before an erasure is read again.
func (o *Orient) lookUp(ctx context.Context, ref key, g group) (*record, error) {
	for {
		era := o.registry.era.Load()
		found, err := o.findAttempt(ctx, ref, g)
		if err != nil || found == nil {
			return nil, err
		}
		attempt, gone := o.registry.enterFound(found, o.used, func() bool { return o.registry.era.Load() == era })
		o.unpinAll(gone, era)
		if attempt != nil {
			o.forgetFound(attempt)
			return attempt, nil
		}
	}
}

const _ = math.MaxInt32 - maxQuantity // quantities fit a mark

// used reports whether states of a slot are kept at this moment. The registry
// asks under its lock, and a new layout goes through the registry after it is
// set, so no record falls between.
func (o *Orient) used(s slot) bool { return o.layout.Load().used(s) }

// forgetFound takes those out of an attempt who were erased while it was looked
// up.
func (o *Orient) forgetFound(found *record) {
	for _, p := range found.did.Load().named {
		for _, e := range o.erased.of(p.key) {
			if e.who.key == p.key {
				o.registry.forget(e)
			}
		}
	}
}
