package notify

import (
	"context"
	"errors"
	"slices"

	"noren"
)

// TellNow sends a high notice past the database, for when that is away: at once,
// from this process, to the first receivers. Telling the same notice with Tell
// later stores it without sending it a second time.
func (n *Notify) TellNow(ctx context.Context, x Notice) error {
	now := n.o.Now()
	if err := x.tidy(now); err != nil {
		return err
	}
	rules, scope := n.present().rules(x.Site)
	t := &Told{ID: x.ID, Site: x.Site, Severity: x.Severity, Key: x.Key, Title: x.Title, Text: x.Text, Next: x.Next, Link: x.Link,
		At: noren.At(x.At), LastAt: noren.At(x.At), Count: x.Count}
	var errs []error
	for _, name := range rules.told(x.Severity) {
		to := rules.receiver(name)
		for _, channel := range to.channels() {
			m := outgoing{id: rowID(&x, kindFirst, scope, name, channel), kind: kindFirst, made: now}
			if _, gone := n.wentOut(m.id); gone {
				continue
			}
			err := n.send(ctx, channel, to, writeNotice(&m, t, 0, rules.Console, to.lang()))
			if err == nil {
				n.remember(m.id, now)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Answer is what a channel said to a test.
type Answer struct {
	Receiver string `json:"receiver"`
	Channel  string `json:"channel"`
	To       string `json:"to"` // masked
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

// Test sends a test message to the receivers of a site, or to those named, and
// says what each channel answered.
func (n *Notify) Test(ctx context.Context, site string, to []string) ([]Answer, error) {
	rules, _ := n.present().rules(site)
	for _, name := range to {
		if rules.receiver(name) == nil {
			return nil, noren.Errorf(noren.NotFound, "notify.yaml has no receiver %q", CleanLine(name, 80))
		}
	}
	var out []Answer
	for i := range rules.Receivers {
		r := &rules.Receivers[i]
		if len(to) > 0 && !slices.Contains(to, r.Name) {
			continue
		}
		for _, channel := range r.channels() {
			a := Answer{Receiver: r.Name, Channel: channel, To: r.Hook}
			if channel == byMail {
				a.To = MaskMail(r.Mail)
			}
			err := n.send(ctx, channel, r, testLetter(n.o.Now(), site, rules.Console, r.lang()))
			if a.OK = err == nil; err != nil {
				a.Error, a.Hint = CleanLine(err.Error(), 500), noren.HintOf(err)
			}
			out = append(out, a)
		}
	}
	return out, nil
}
