package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"noren"
	"noren/journal"
	"noren/lab"
)

// quiet is a logger for instances whose alarms are expected.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// recoverWithin is how long the spool may take to drain and actions to be redone.
const recoverWithin = 20 * time.Second

// inspectKilled waits until the instance has recovered and answers what the
// kill lab asks.
func (in *instance) inspectKilled(ctx context.Context, ids []string) (lab.Killed, error) {
	var k lab.Killed
	if err := in.awaitRecovery(ctx, &k); err != nil {
		return k, err
	}
	for _, id := range ids {
		_, err := in.journal.Get(ctx, labSite, id)
		if noren.CodeOf(err) == noren.NotFound {
			k.Missing = append(k.Missing, id)
		} else if err != nil {
			return k, err
		}
	}
	rep, err := in.journal.Verify(ctx, journal.VerifyOptions{})
	if err != nil {
		return k, err
	}
	k.Findings = len(rep.Findings)
	for _, l := range rep.Logs {
		k.Entries += l.Entries
	}
	return k, in.checkRecord(ctx, &k)
}

func (in *instance) awaitRecovery(ctx context.Context, k *lab.Killed) error {
	deadline := time.Now().Add(recoverWithin)
	for {
		var err error
		k.Spooled, _ = in.journal.Spooled()
		if k.Undone, err = in.undone(ctx); err != nil {
			return err
		}
		if k.Spooled == 0 && k.Undone == 0 || time.Now().After(deadline) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (in *instance) undone(ctx context.Context) (n int64, err error) {
	err = in.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM loop_actions WHERE done_at IS NULL AND expires_at > $1`,
		time.Now().UnixMicro()).Scan(&n)
	return n, err
}

// checkRecord goes through the record: every recorded ban must stand, and the
// counters of each party must be what the entries add up to.
func (in *instance) checkRecord(ctx context.Context, k *lab.Killed) error {
	if err := in.lists.Refresh(ctx); err != nil {
		return err
	}
	now := time.Now()
	orders, payments := map[string]int64{}, map[string]int64{}
	for s, err := range in.journal.Query(ctx, journal.Filter{Log: labSite}) {
		if err != nil {
			return err
		}
		e := &s.Entry
		if e.Part != "" {
			continue
		}
		for _, a := range e.Decision.Actions {
			if a.Until.After(now) && !in.bansAddress(a.Target, now) {
				k.BadActions++
			}
		}
		switch e.Event.Kind {
		case noren.OrderPlaced:
			orders[e.Event.Entities[noren.EntityAccount]]++
		case noren.PaymentAttempt:
			payments[e.Event.Entities[noren.EntityAddress]]++
		}
	}
	for account, n := range orders {
		in.checkFact(ctx, k, noren.EntityAccount, account, "account.orders_1h", n)
	}
	for address, n := range payments {
		in.checkFact(ctx, k, noren.EntityAddress, address, "address.payments_failed_1h", n)
	}
	return nil
}

func (in *instance) bansAddress(addr string, at time.Time) bool {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	_, ban := in.lists.Check(labSite, a, at)
	return ban != nil
}

// checkFact asks for a counter by an event that does not count towards it.
func (in *instance) checkFact(ctx context.Context, k *lab.Killed, entity, value, fact string, want int64) {
	ev := noren.Event{ID: noren.NewID(time.Now()), Kind: noren.AccountChanged, At: noren.At(time.Now()), Site: labSite,
		Entities: noren.Entities{entity: value}, Payload: &noren.AccountChange{}}
	obs, err := in.facts().Observe(ctx, &ev, []string{fact})
	in.facts().Cancel(&ev)
	if err != nil {
		k.Facts = append(k.Facts, fmt.Sprintf("%s: %v", fact, err))
		return
	}
	if got := obs.Facts[fact]; got != want {
		k.Facts = append(k.Facts, fmt.Sprintf("%s of %s: %v, the record says %d", fact, value, got, want))
	}
}
