package orient

import (
	"slices"

	"noren"
)

// group is a family of events that are counted together. Its number is stored
// in orient_events and orient_hours and never changes.
type group uint8

const (
	groupLogin       group = 1
	groupChange      group = 2
	groupOrder       group = 3
	groupPayment     group = 4
	groupStaffAction group = 5
	groupStaffLogin  group = 6
	groupMailLogin   group = 7
	groupBan         group = 8
	groups                 = 9 // one more than the last

	groupRequest group = 0 // request rates: in the kv store, not in history
)

// field says which number of a group a measure is.
type field uint8

const (
	fieldCount field = iota
	fieldFailed
	fieldRate // failed ÷ count
	fieldAmount
	fieldQuantity
	fieldDistinct
	fieldOver  // bans that are over; see offences
	fieldFreed // bans that a person lifted
)

// dim is one of the parties of an event that are counted distinct. Sign-ins
// have devices and payments have cards, so the two share a place in a mark.
type dim uint8

const (
	dimAccount dim = 0
	dimAddress dim = 1
	dimDevice  dim = 2 // of sign-ins
	dimCard    dim = 2 // of payments
	dimBIN     dim = 3
	dims           = 4
)

// measure is what is counted; with an entity and a window it is a fact.
type measure struct {
	name    string
	group   group
	field   field
	dim     dim                     // of fieldDistinct
	counts  func(*noren.Event) bool // of groupRequest: does this event count
	member  slot                    // of groupRequest: the party that is counted once; 0: each event
	unit    string
	meaning noren.Text // said of an entity and a window
}

func (m *measure) factType() noren.FactType {
	if m.field == fieldRate {
		return noren.Float
	}
	return noren.Int
}

const attemptsJa, attemptsEn = "（結果待ちを含む）", ", attempts still without an answer included"

// measures is every measure there is, in the order of the reference page.
var measures = []measure{
	{name: "requests", unit: "count", counts: isRequest, meaning: noren.Text{Ja: "通信の回数（止めたものを含む）", En: "Requests, stopped ones included,"}},
	{name: "blocked", unit: "count", counts: isStopped, meaning: noren.Text{Ja: "止めた通信の回数", En: "Stopped requests"}},
	{name: "challenged", unit: "count", counts: isChallenged, meaning: noren.Text{Ja: "確認のページを出した回数", En: "Requests answered with the check page"}},
	{name: "forbidden", unit: "count", counts: isForbidden, meaning: noren.Text{Ja: "公開してはいけない場所を見ようとした回数", En: "Requests for files that must never be served"}},
	{name: "waf_blocked", unit: "count", counts: isWAFBlocked, meaning: noren.Text{Ja: "攻撃として止めた通信の回数（お店が足した規則を除く）", En: "Requests stopped as attacks by the WAF, the shop's own rules not counted"}},
	{name: "probes_refused", unit: "count", counts: isRefusedProbe, meaning: noren.Text{Ja: "探りや攻撃とみられ、お店のサーバーが断った通信の回数（ログから）", En: "Requests that gave themselves away (request.probe) and that the shop's web server refused, as its log tells,"}},
	{name: "not_found", unit: "count", counts: isNotFound, meaning: noren.Text{Ja: "ないページを見ようとした回数（ログから）", En: "Requests for pages that do not exist, as the web server's log tells,"}},
	{name: "mail_refused", unit: "count", counts: isMailRefused, meaning: noren.Text{Ja: "断ったメールの不正中継の回数", En: "Relay attempts the mail server refused"}},

	{name: "sessions", unit: "count", counts: isServed, member: slotSession, meaning: noren.Text{Ja: "お店に届いた訪問（セッション）の数", En: "Different sessions whose requests reached the shop,"}},

	{name: "bans", group: groupBan, field: fieldOver, unit: "count", meaning: noren.Text{Ja: "遮断された回数（済んだもの。重なる遮断は1回、人が解除したら0から）", En: "Bans that are over; bans that overlap are one, and after a person lifted one the count begins anew,"}},

	{name: "freed", group: groupBan, field: fieldFreed, unit: "count", meaning: noren.Text{Ja: "人が遮断を解除した回数", En: "Bans that a person lifted"}},

	{name: "logins", group: groupLogin, unit: "count", meaning: noren.Text{Ja: "ログインの試みの回数", En: "Sign-in attempts"}},
	{name: "logins_failed", group: groupLogin, field: fieldFailed, unit: "count", meaning: noren.Text{Ja: "成功していないログインの回数" + attemptsJa, En: "Sign-ins that did not succeed" + attemptsEn + ","}},
	{name: "login_failure_rate", group: groupLogin, field: fieldRate, unit: "share", meaning: noren.Text{Ja: "成功していないログインの割合" + attemptsJa, En: "Share of sign-ins that did not succeed" + attemptsEn + ","}},
	{name: "login_accounts", group: groupLogin, field: fieldDistinct, dim: dimAccount, unit: "count", meaning: noren.Text{Ja: "ログインが試みられた会員の数", En: "Different accounts in sign-ins"}},
	{name: "login_addresses", group: groupLogin, field: fieldDistinct, dim: dimAddress, unit: "count", meaning: noren.Text{Ja: "ログインを試みたIPアドレスの数", En: "Different addresses in sign-ins"}},
	{name: "login_devices", group: groupLogin, field: fieldDistinct, dim: dimDevice, unit: "count", meaning: noren.Text{Ja: "ログインを試みた端末の数", En: "Different devices in sign-ins"}},

	{name: "changes", group: groupChange, unit: "count", meaning: noren.Text{Ja: "会員情報の変更の回数", En: "Changes of account data"}},

	{name: "orders", group: groupOrder, unit: "count", meaning: noren.Text{Ja: "注文の件数", En: "Orders"}},
	{name: "order_sum", group: groupOrder, field: fieldAmount, unit: "minor units", meaning: noren.Text{Ja: "注文の合計金額", En: "Sum of order totals"}},
	{name: "order_accounts", group: groupOrder, field: fieldDistinct, dim: dimAccount, unit: "count", meaning: noren.Text{Ja: "注文した会員の数", En: "Different accounts in orders"}},
	{name: "order_addresses", group: groupOrder, field: fieldDistinct, dim: dimAddress, unit: "count", meaning: noren.Text{Ja: "注文したIPアドレスの数", En: "Different addresses in orders"}},
	{name: "order_quantity", group: groupOrder, field: fieldQuantity, unit: "count", meaning: noren.Text{Ja: "注文された商品の個数", En: "Pieces ordered"}},

	{name: "payments", group: groupPayment, unit: "count", meaning: noren.Text{Ja: "支払いの試みの回数", En: "Payment attempts"}},
	{name: "payments_failed", group: groupPayment, field: fieldFailed, unit: "count", meaning: noren.Text{Ja: "成功していない支払いの回数" + attemptsJa, En: "Payments that did not succeed" + attemptsEn + ","}},
	{name: "payment_failure_rate", group: groupPayment, field: fieldRate, unit: "share", meaning: noren.Text{Ja: "成功していない支払いの割合" + attemptsJa, En: "Share of payments that did not succeed" + attemptsEn + ","}},
	{name: "payment_sum", group: groupPayment, field: fieldAmount, unit: "minor units", meaning: noren.Text{Ja: "支払いの試みの合計金額（成否を問わない）", En: "Sum of payment attempts, whatever became of them,"}},
	{name: "payment_cards", group: groupPayment, field: fieldDistinct, dim: dimCard, unit: "count", meaning: noren.Text{Ja: "支払いに使われたカードの数", En: "Different cards in payments"}},
	{name: "payment_accounts", group: groupPayment, field: fieldDistinct, dim: dimAccount, unit: "count", meaning: noren.Text{Ja: "支払った会員の数", En: "Different accounts in payments"}},
	{name: "payment_addresses", group: groupPayment, field: fieldDistinct, dim: dimAddress, unit: "count", meaning: noren.Text{Ja: "支払ったIPアドレスの数", En: "Different addresses in payments"}},
	{name: "payment_bins", group: groupPayment, field: fieldDistinct, dim: dimBIN, unit: "count", meaning: noren.Text{Ja: "支払いに使われたカードの種類（番号の先頭）の数", En: "Different card number beginnings (BIN) in payments"}},

	{name: "staff_actions", group: groupStaffAction, unit: "count", meaning: noren.Text{Ja: "スタッフの操作の回数", En: "Operations by staff"}},
	{name: "staff_records", group: groupStaffAction, field: fieldAmount, unit: "count", meaning: noren.Text{Ja: "スタッフが扱った情報の件数の合計", En: "Records touched by staff"}},
	{name: "mail_logins_failed", group: groupMailLogin, field: fieldFailed, unit: "count", meaning: noren.Text{Ja: "失敗したメールへのログインの回数", En: "Failed sign-ins to the mail server"}},
	{name: "staff_logins_failed", group: groupStaffLogin, field: fieldFailed, unit: "count", meaning: noren.Text{Ja: "失敗したスタッフのログインの回数", En: "Failed staff sign-ins"}},
}

func measureNamed(name string) *measure {
	for i := range measures {
		if measures[i].name == name {
			return &measures[i]
		}
	}
	return nil
}

// isRequest counts each request once: one that a policy stopped was decided as
// http.request before it was reported as http.blocked.
func isRequest(e *noren.Event) bool {
	return e.Kind == noren.HTTPRequest || e.Kind == noren.HTTPLogged || isBlocked(e) && cause(e) != noren.CausePolicy && cause(e) != noren.CauseChallenge
}

// isServed is true for requests that no limit and no firewall stopped.
func isServed(e *noren.Event) bool { return e.Kind == noren.HTTPRequest }

func isBlocked(e *noren.Event) bool { return e.Kind == noren.HTTPBlocked }

func isChallenged(e *noren.Event) bool { return isBlocked(e) && cause(e) == noren.CauseChallenge }

// isStopped leaves out who was only asked to pass the check or to wait, or came
// from a place that may not enter: that is no sign of an attack.
func isStopped(e *noren.Event) bool {
	switch cause(e) {
	case noren.CauseChallenge, noren.CauseQueue, noren.CauseClosed, noren.CauseAccess, noren.CauseEmergency:
		return false
	}
	return isBlocked(e)
}

func isForbidden(e *noren.Event) bool { return isBlocked(e) && cause(e) == noren.CauseForbidden }

// isRefusedProbe counts what a web server refused, because the shop's own people
// use some of the addresses that scanners look for.
func isRefusedProbe(e *noren.Event) bool {
	switch p := e.Payload.(type) {
	case *noren.Request:
		return p != nil && p.Probe != noren.ProbeNone && p.Answered >= 400
	case *noren.Blocked:
		return p != nil && p.Source != "" && p.Probe != noren.ProbeNone && p.Answered >= 400
	}
	return false
}

func isNotFound(e *noren.Event) bool {
	p, ok := e.Payload.(*noren.Request)
	return ok && p != nil && p.Answered == 404
}

func isMailRefused(e *noren.Event) bool { return e.Kind == noren.MailRefused }

// isWAFBlocked leaves the shop's own rules out: they say what the shop does not
// want, a used voucher perhaps, and not what an attack is.
func isWAFBlocked(e *noren.Event) bool {
	p, ok := e.Payload.(*noren.Blocked)
	return ok && p != nil && isBlocked(e) && p.Cause == noren.CauseWAF &&
		(len(p.Hits) == 0 || slices.ContainsFunc(p.Hits, func(h noren.Hit) bool { return h.Rule > noren.MaxOwnRule }))
}

func cause(e *noren.Event) noren.Cause {
	if p, ok := e.Payload.(*noren.Blocked); ok && p != nil {
		return p.Cause
	}
	return ""
}
