package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"noren"
	"noren/db"
)

// Channels.
const (
	byMail = "mail"
	byHook = "hook"
)

// How messages are sent. A lease outlasts the sending of everything that is taken
// at once; a node that dies has its messages sent by another when it ends.
const (
	atOnce       = 8
	parallel     = 4
	sendFor      = 30 * time.Second // one try
	lease        = 2 * time.Minute
	pollEvery    = 2 * time.Second
	firstWait    = 30 * time.Second // after a failed try, doubled each time
	mostWait     = 30 * time.Minute
	giveUp       = 24 * time.Hour // after the message was made
	refusals     = 3              // of a server that refuses for good: the next person is asked
	mostRefusals = 8              // an hour of them: given up
)

// Run sends what is due and escalates what nobody acknowledged, until ctx ends.
// Each channel is served by itself: a mail server that hangs holds up no chat.
func (n *Notify) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, work := range []func(context.Context) error{
		func(ctx context.Context) error { return n.deliver(ctx, byMail) },
		func(ctx context.Context) error { return n.deliver(ctx, byHook) },
		n.escalate,
	} {
		all.Go(func() { n.repeat(ctx, work) })
	}
	all.Wait()
}

func (n *Notify) repeat(ctx context.Context, work func(context.Context) error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			n.o.Log.Debug("messages wait", "err", err) // the database's own alarm says why
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.wake:
		}
	}
}

// Work does once what Run does again and again; for commands and tests.
func (n *Notify) Work(ctx context.Context) error {
	return errors.Join(n.escalate(ctx), n.deliver(ctx, byMail), n.deliver(ctx, byHook))
}

// deliver sends what is due on a channel until nothing is.
func (n *Notify) deliver(ctx context.Context, channel string) error {
	for ctx.Err() == nil {
		batch, more, err := n.take(ctx, channel)
		if err != nil {
			return err
		}
		n.o.Step("taken")
		places := make(chan struct{}, parallel)
		var all sync.WaitGroup
		for i := range batch {
			places <- struct{}{}
			all.Go(func() {
				defer func() { <-places }()
				n.attempt(ctx, &batch[i])
			})
		}
		all.Wait()
		if !more {
			return nil
		}
	}
	return ctx.Err()
}

// take gives this process messages to send, and the other nodes none of them. more
// reports whether there may be others.
func (n *Notify) take(ctx context.Context, channel string) (batch []outgoing, more bool, err error) {
	now, setup := n.o.Now(), n.present()
	if idle, err := n.nothingDue(ctx, channel, now); err != nil || idle {
		return nil, false, err
	}
	err = n.o.DB.Write(ctx, func(tx *db.Tx) error {
		batch = nil
		if err := takeTurn(ctx, tx, channel); err != nil {
			return err
		}
		rows, err := dueRows(ctx, tx, channel, now, atOnce)
		more = len(rows) == atOnce
		for i := range rows {
			if err != nil {
				return err
			}
			var mine bool
			if mine, err = n.admit(ctx, tx, &rows[i], setup.scoped(rows[i].scope), now); mine {
				batch = append(batch, rows[i])
			}
		}
		return err
	})
	return batch, more, err
}

// nothingDue looks without a lock: most looks find nothing.
func (n *Notify) nothingDue(ctx context.Context, channel string, now time.Time) (bool, error) {
	var c int
	err := n.o.DB.Read().QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM notify_outbox
		WHERE channel = $1 AND (state = 'waiting' AND due <= $2 OR state = 'sending' AND lease_ends <= $2) LIMIT 1) AS x`, channel, now.UnixMicro()).Scan(&c)
	return c == 0, err
}

// admit decides what becomes of a message that is due: it is sent now, waits for
// the morning, or is told in a summary because the hour is full.
func (n *Notify) admit(ctx context.Context, tx *db.Tx, m *outgoing, rules *Rules, now time.Time) (mine bool, err error) {
	if m.state == sending { // taken once already, by a node that is gone
		return true, m.take(ctx, tx, n.owner, now)
	}
	if m.severity == Low && m.kind != kindMessage {
		if morning := rules.Quiet.end(now); morning.After(now) {
			_, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET due = $1 WHERE id = $2`, morning.UnixMicro(), m.id)
			return false, err
		}
	}
	if m.kind != kindMessage && m.kind != kindSummary {
		had, err := sentSince(ctx, tx, m, now.Add(-time.Hour))
		if err != nil {
			return false, err
		}
		if had >= rules.room(m.severity) {
			return false, m.fold(ctx, tx, now)
		}
	}
	return true, m.take(ctx, tx, n.owner, now)
}

// room is how many messages an hour holds before one of a severity: the last
// quarter is kept for high ones, so that a flood of others hides none.
func (r *Rules) room(s Severity) int {
	if s == High {
		return r.PerHour
	}
	return max(r.PerHour*3/4, 1)
}

// fold has a summary tell m: this hour's while it waits, else the next one's.
func (m *outgoing) fold(ctx context.Context, tx *db.Tx, now time.Time) error {
	hour := now.Truncate(time.Hour)
	for i := range 2 {
		start := hour.Add(time.Duration(i) * time.Hour)
		due := start.Add(time.Hour)
		if m.severity == High {
			due = later(start, now.Add(5*time.Minute))
		}
		s := outgoing{
			id:   noren.IDOf(start, []byte(kindSummary), []byte(m.scope), []byte(m.receiver), []byte(m.channel)),
			site: m.scope, kind: kindSummary, severity: m.severity, scope: m.scope, receiver: m.receiver, channel: m.channel,
			made: now, due: due, state: waiting,
		}
		if err := s.insert(ctx, tx); err != nil {
			return err
		}
		var state string
		if err := tx.QueryRowContext(ctx, `SELECT state FROM notify_outbox WHERE id = $1`, s.id).Scan(&state); err != nil {
			return err
		}
		if state == waiting {
			return m.foldInto(ctx, tx, &s)
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET due = $1 WHERE id = $2`, hour.Add(2*time.Hour).UnixMicro(), m.id)
	return err
}

func (m *outgoing) foldInto(ctx context.Context, tx *db.Tx, s *outgoing) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_outbox SET due = CASE WHEN due > $1 AND tries = 0 THEN $1 ELSE due END,
		severity = CASE WHEN severity < $2 THEN $2 ELSE severity END WHERE id = $3`, s.due.UnixMicro(), int(m.severity), s.id)
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE notify_outbox SET state = 'folded', folded_in = $1 WHERE id = $2`, s.id, m.id)
	}
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// attempt sends one message and writes down how it went.
func (n *Notify) attempt(ctx context.Context, m *outgoing) {
	if _, gone := n.wentOut(m.id); gone { // sent, and the database was away when it was to be marked
		n.marked(ctx, m)
		return
	}
	l, to, err := n.compose(ctx, m)
	switch {
	case ctx.Err() != nil:
		return // the lease ends
	case err == nil && l == nil:
		n.note(m, m.settle(ctx, n.o.DB, n.owner, dropped, "", m.due))
		return
	case err == nil:
		err = n.send(ctx, m.channel, to, l)
	}
	if err != nil {
		n.failedTry(ctx, m, err)
		return
	}
	n.remember(m.id, n.o.Now())
	n.o.Step("sent")
	n.reach(m.channel, true)
	n.marked(ctx, m)
}

// marked writes down that a message went out. Shutting down does not stop that.
func (n *Notify) marked(ctx context.Context, m *outgoing) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := m.settle(ctx, n.o.DB, n.owner, sent, "", m.due); err != nil {
		n.note(m, err)
		return
	}
	n.forget(m.id)
}

func (n *Notify) note(m *outgoing, err error) {
	if err != nil {
		n.o.Log.Warn("a message's state cannot be written down; this process remembers what it sent", "message", m.id, "err", err)
	}
}

func (n *Notify) send(ctx context.Context, channel string, to *Receiver, l *letter) error {
	ctx, cancel := context.WithTimeout(ctx, sendFor)
	defer cancel()
	setup := n.present()
	way := to.Hook
	if channel == byMail {
		way = MailServer
	}
	if err := setup.Broken[way]; err != nil {
		return err
	}
	if channel == byMail {
		if setup.Mail == nil {
			return refused(noren.WithHint(noren.Errorf(noren.Invalid, "no mail server is configured"), "add mail: to noren.yaml (docs/operate/notify.md)"))
		}
		return setup.Mail.send(ctx, to, l)
	}
	h := setup.Hooks[to.Hook]
	if h == nil {
		return refused(noren.Errorf(noren.Invalid, "there is no hook %q in noren.yaml", to.Hook))
	}
	return h.send(ctx, l)
}

// refusal is an error that trying again will hardly mend.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refused(err error) error { return refusal{err} }

// failedTry plans the next try, or gives up where people see it.
func (n *Notify) failedTry(ctx context.Context, m *outgoing, cause error) {
	now := n.o.Now()
	_, forGood := errors.AsType[refusal](cause)
	why := CleanLine(cause.Error(), 500)
	if forGood && m.tries == refusals && m.severity == High && m.notice != "" {
		n.note(m, n.hurry(ctx, m.notice))
	}
	if forGood && m.tries >= mostRefusals || now.Sub(m.made) >= giveUp {
		n.o.Log.Error("a message to people could not be sent and is given up", "alarm", true, "message", m.id, "notice", m.notice,
			"receiver", m.receiver, "channel", m.channel, "tries", m.tries, "err", why, "hint", noren.HintOf(cause))
		n.note(m, m.settle(ctx, n.o.DB, n.owner, failed, why, m.due))
		n.nudge()
		return
	}
	if first := n.reach(m.channel, false); first {
		n.o.Log.Error("messages to people cannot be sent; they are tried again", "alarm", true, "channel", m.channel, "receiver", m.receiver, "err", why, "hint", noren.HintOf(cause))
	}
	n.note(m, m.settle(ctx, n.o.DB, n.owner, waiting, why, now.Add(backoff(m.tries))))
}

func backoff(tries int64) time.Duration {
	return min(firstWait<<min(max(tries-1, 0), 10), mostWait)
}

// reach remembers whether a channel works; news reports a change.
func (n *Notify) reach(channel string, works bool) (news bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	news = n.down[channel] == works
	n.down[channel] = !works
	if works && news {
		n.o.Log.Warn("messages to people leave again", "alarm", true, "channel", channel)
	}
	return news
}

// escalate asks the next people about high notices that nobody acknowledged.
func (n *Notify) escalate(ctx context.Context) error {
	now := n.o.Now()
	var c int
	err := n.o.DB.Read().QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM notify_notices WHERE escalate_at > 0 AND escalate_at <= $1 LIMIT 1) AS x`, now.UnixMicro()).Scan(&c)
	if err != nil || c == 0 {
		return err
	}
	return n.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := takeTurn(ctx, tx, kindEscalation); err != nil {
			return err
		}
		open, err := readTold(ctx, tx, `WHERE escalate_at > 0 AND escalate_at <= $1 ORDER BY escalate_at LIMIT 50`, now.UnixMicro())
		for _, t := range open {
			if err == nil {
				err = n.nextStep(ctx, tx, &t, now)
			}
		}
		return err
	})
}

func (n *Notify) nextStep(ctx context.Context, tx *db.Tx, t *Told, now time.Time) error {
	rules, scope := n.present().rules(t.Site)
	steps := rules.steps()
	if t.Step >= int64(len(steps)) {
		n.o.Log.Error("nobody has acknowledged a notice, and there is nobody left to ask", "alarm", true, "notice", t.ID, "site", t.Site, "title", t.Title.En)
		_, err := tx.ExecContext(ctx, `UPDATE notify_notices SET escalate_at = 0 WHERE id = $1`, t.ID)
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE notify_notices SET step = $1, escalate_at = $2 WHERE id = $3`, t.Step+1, now.Add(rules.Within).UnixMicro(), t.ID); err != nil {
		return err
	}
	x := t.notice()
	return n.post(ctx, tx, &x, fmt.Sprint(kindEscalation, t.Step+1), steps[t.Step], rules, scope, now, now)
}

// steps are who is asked one after the other. With nobody named, the same people
// are reminded once.
func (r *Rules) steps() (out [][]string) {
	if len(r.Escalate) == 0 {
		return [][]string{r.To.High}
	}
	for _, name := range r.Escalate {
		out = append(out, []string{name})
	}
	return out
}
