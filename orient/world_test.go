package orient_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"noren"
)

// start is when the tests' events begin: the middle of an hour.
var start = time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)

// token is a keyed token as the vault makes it.
func token(site, field, value string) []byte {
	h := hmac.New(sha256.New, []byte("a test's key, 32 bytes of it ...."))
	fmt.Fprintf(h, "%d %s %d %s %s", len(site), site, len(field), field, value)
	return h.Sum(nil)[:16]
}

// gen draws events about few entities, so that they meet often.
type gen struct {
	site string
	n    int
	now  time.Time
	late time.Duration // how far events may be out of order
	open []*noren.Event
	once bool // an attempt has one outcome at most
}

func pick(t *rapid.T, label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(t, label)
}

func (g *gen) entities(t *rapid.T, extra ...string) noren.Entities {
	e := noren.Entities{}
	add := func(name string, of ...string) {
		if v := pick(t, name, of...); v != "" {
			e[name] = v
		}
	}
	add("account", "", "hanako@example.jp", "taro@example.jp", "jiro@example.jp")
	add("device", "", "d1", "d2")
	add("address", "", "203.0.113.7", "203.0.113.8", "198.51.100.9")
	for _, name := range extra {
		add(name, "", name+"1", name+"2")
	}
	return e
}

// next draws an event.
func (g *gen) next(t *rapid.T) *noren.Event {
	steps := []time.Duration{0, time.Microsecond, 999_999 * time.Microsecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 7 * time.Hour}
	g.now = g.now.Add(rapid.SampledFrom(steps).Draw(t, "step"))
	g.n++
	ev := &noren.Event{ID: fmt.Sprintf("e%d", g.n), Site: g.site, At: noren.At(g.now)}
	if g.late > 0 && rapid.IntRange(0, 4).Draw(t, "late?") == 0 {
		ev.At = noren.At(g.now.Add(-time.Duration(rapid.Int64Range(0, int64(g.late)).Draw(t, "late"))))
	}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1, 2:
		ev.Kind, ev.Payload, ev.Entities = noren.LoginAttempt, &noren.Login{}, g.entities(t, "session", "terminal")
		g.attempt(t, ev)
	case 3:
		ev.Kind, ev.Payload, ev.Entities = noren.PaymentAttempt, &noren.Payment{Amount: noren.Yen(rapid.Int64Range(0, 9).Draw(t, "yen") * 1000)}, g.entities(t, "card", "bin")
		g.attempt(t, ev)
	case 4, 5, 6:
		g.outcome(t, ev)
	case 7:
		ev.Kind, ev.Entities = noren.OrderPlaced, g.entities(t, "item", "mail")
		ev.Payload = &noren.Order{Total: noren.Yen(rapid.Int64Range(0, 9).Draw(t, "yen") * 1000), Items: []noren.Item{{Quantity: 2}, {Quantity: rapid.Int64Range(0, 5).Draw(t, "pieces")}}}
	case 8:
		ev.Kind, ev.Payload, ev.Entities = noren.AccountChanged, &noren.AccountChange{}, g.entities(t)
	case 9:
		ev.Kind, ev.Entities = noren.StaffLogin, g.entities(t, "staff")
		ev.Payload = &noren.StaffSignIn{Success: rapid.Bool().Draw(t, "ok")}
		if rapid.Bool().Draw(t, "action") {
			ev.Kind, ev.Payload = noren.StaffAction, &noren.Operation{Records: rapid.Int64Range(0, 500).Draw(t, "records")}
		}
	}
	return ev
}

func (g *gen) attempt(t *rapid.T, ev *noren.Event) {
	if rapid.Bool().Draw(t, "own attempt id") {
		ev.AttemptID = "a" + ev.ID
	}
	g.open = append(g.open, ev)
}

// outcome makes ev the outcome of an earlier attempt, or of none.
func (g *gen) outcome(t *rapid.T, ev *noren.Event) {
	ok := rapid.Bool().Draw(t, "success")
	ev.Kind, ev.Payload, ev.Entities = noren.LoginOutcome, &noren.LoginResult{Success: ok}, g.entities(t, "session")
	if len(g.open) > 0 && rapid.IntRange(0, 5).Draw(t, "known?") > 0 {
		i := rapid.IntRange(0, len(g.open)-1).Draw(t, "of")
		of := g.open[i]
		if g.once {
			g.open = slices.Delete(g.open, i, i+1)
		}
		ev.AttemptID = of.AttemptID
		if ev.AttemptID == "" {
			ev.AttemptID = of.ID
		}
		if of.Kind == noren.PaymentAttempt {
			ev.Kind, ev.Payload = noren.PaymentOutcome, &noren.PaymentResult{Success: ok, Amount: noren.Yen(1)}
		}
	} else if rapid.Bool().Draw(t, "unknown id") {
		ev.AttemptID = pick(t, "unknown", "x1", "x2")
		if g.once {
			ev.AttemptID = "x" + ev.ID
		}
	}
}

// asked are facts of every measure over windows of several lengths.
var asked = []string{
	"account.logins_1h", "account.logins_failed_1h", "account.logins_failed_30d", "account.login_failure_rate_10m", "account.login_addresses_24h", "account.login_devices_7d",
	"device.logins_1h", "device.login_accounts_24h", "device.orders_30d", "device.first_seen_days",
	"address.logins_failed_1m", "address.login_accounts_1h", "address.payments_failed_24h", "address.payment_cards_24h", "address.first_seen_days",
	"net.logins_10m", "net.logins_failed_24h", "net.login_failure_rate_7d", "net.login_accounts_24h",
	"site.logins_1m", "site.logins_2h", "site.logins_failed_30h", "site.login_failure_rate_24h", "site.order_sum_7d", "site.order_quantity_24h", "site.payment_sum_3h", "site.login_addresses_24h",
	"account.changes_30d", "account.orders_24h", "account.order_sum_30d", "account.order_quantity_7d", "account.order_addresses_30d",
	"card.payments_1h", "card.payment_accounts_24h", "card.payment_sum_30d", "card.payment_failure_rate_24h", "bin.payments_24h", "bin.payment_cards_24h", "bin.payment_addresses_1h",
	"item.orders_24h", "item.order_quantity_90m", "item.order_accounts_24h", "mail.orders_30d", "session.logins_1h", "terminal.logins_failed_24h",
	"staff.staff_actions_1h", "staff.staff_records_24h", "staff.staff_logins_failed_1h", "address.staff_logins_failed_24h", "account.payment_bins_30d", "account.first_seen_days", "site.first_seen_days", "terminal.first_seen_days",
}
