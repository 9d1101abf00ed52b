package notify

import (
	"context"
	"encoding/json"
	"time"

	"noren"
	"noren/db"
)

// Message is a text somebody else wrote, such as the daily digest. It goes through
// the outbox like a notice; nights, groups and the hour's bound do not hold it.
type Message struct {
	ID      string     `json:"id"`   // the same id is sent once; made when empty
	Site    string     `json:"site"` // whose receivers
	To      []string   `json:"to"`   // names of receivers; nil: those of digest: in notify.yaml
	Subject noren.Text `json:"subject"`
	Text    noren.Text `json:"text"`
	HTML    noren.Text `json:"html"` // made with html/template; may be empty
}

// maxMessage bounds the texts of a message.
const maxMessage = 512 << 10

// Send stores a message for its receivers and returns; sending follows. It reports
// how many will get it: 0 when notify.yaml names nobody.
func (n *Notify) Send(ctx context.Context, x Message) (receivers int, err error) {
	now := n.o.Now()
	rules, scope := n.present().rules(x.Site)
	if x.To == nil {
		x.To = rules.Digest
	}
	if x.ID == "" {
		x.ID = noren.NewID(now)
	}
	if err := x.tidy(rules); err != nil {
		return 0, err
	}
	body, err := json.Marshal(x)
	if err != nil {
		return 0, err
	}
	err = n.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, name := range x.To {
			for _, channel := range rules.receiver(name).channels() {
				m := outgoing{
					id:   noren.IDOf(time.Unix(0, 0), []byte(kindMessage), []byte(x.ID), []byte(scope), []byte(name), []byte(channel)),
					site: x.Site, kind: kindMessage, severity: Low, scope: scope, receiver: name, channel: channel, body: string(body), made: now, due: now, state: waiting,
				}
				if err := m.insert(ctx, tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	n.nudge()
	return len(x.To), nil
}

func (x *Message) tidy(rules *Rules) error {
	if err := validID(x.ID); err != nil {
		return err
	}
	for _, name := range x.To {
		if rules.receiver(name) == nil {
			return noren.Errorf(noren.NotFound, "notify.yaml has no receiver %q", CleanLine(name, 80))
		}
	}
	x.Subject = eachLanguage(x.Subject, func(s string) string { return CleanLine(s, 200) })
	x.Text = eachLanguage(x.Text, func(s string) string { return CleanText(s, maxRaw) })
	x.HTML = eachLanguage(x.HTML, noren.MaskCards)
	if x.Subject.Ja == "" || x.Text.Ja == "" {
		return noren.Errorf(noren.Invalid, "a message needs subject and text")
	}
	if len(x.HTML.Ja)+len(x.HTML.En) > maxMessage {
		return noren.Errorf(noren.Invalid, "a message holds %d bytes of HTML; at most %d fit", len(x.HTML.Ja)+len(x.HTML.En), maxMessage)
	}
	return nil
}
