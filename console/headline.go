package console

import (
	"strings"

	"noren"
)

// headline is what one event comes to, in one sentence that anybody understands who
// has never seen this page. Who it was, and which page, stand in the line below.
func (t *teller) headline(e *noren.Entry, erased bool) noren.Text {
	switch i, err := e.Event.Kind.Info(); {
	case err != nil || i.Operational:
	case e.Event.Kind == noren.HTTPBlocked:
		c, step := causeAndStep(e)
		return refused(c, step, e.Event.Zone)
	case e.Event.Kind == noren.HTTPRequest && e.Part == "":
		return came(e)
	}
	return t.tell(e, erased)
}

// causeAndStep are why a request was stopped, also when only the public part of its
// entry is left.
func causeAndStep(e *noren.Entry) (c noren.Cause, step string) {
	if b, ok := e.Event.Payload.(*noren.Blocked); ok && b != nil {
		return b.Cause, b.Step
	}
	cause, _, _ := strings.Cut(e.Rule, ":")
	return noren.Cause(cause), ""
}

// refused tells why a request did not get through. What accuses nobody is not told
// as an accusation.
func refused(c noren.Cause, step string, z noren.Zone) noren.Text {
	at := screenOf(z)
	switch c {
	case noren.CauseWAF:
		return fill("この方は、%sに攻撃に似た文字列を送ったため、お断りしました。", "This visitor sent text that looks like an attack to %s, and was refused.", at)
	case noren.CauseBan:
		return fill("この方は遮断中のため、%sをお見せしませんでした。", "This visitor is banned, and was not shown %s.", at)
	case noren.CauseLimit:
		return tooFast(step, at)
	case noren.CauseForbidden:
		return noren.Text{Ja: "この方は、外から見えてはいけない場所を開こうとしたため、お断りしました。", En: "This visitor tried to open a place that nobody outside may see, and was refused."}
	case noren.CausePolicy:
		return fill("この方の動きがお店の方針に当てはまったため、%sでお断りしました。", "What this visitor did fits a policy of the shop, so they were refused at %s.", at)
	case noren.CauseMalformed:
		return fill("%sに届いた通信の形が崩れていて、安全に読み取れなかったため、お断りしました。", "What was sent to %s was garbled and could not be read safely, so it was refused.", at)
	case noren.CauseOverload:
		return fill("お店がとても混み合っていたため、この方には%sを少しお待ちいただきました。", "The shop was very busy, so this visitor was asked to come back to %s shortly.", at)
	case noren.CauseDoor:
		return fill("お店のスタッフと確かめられなかったため、%sへはお通ししませんでした。", "This visitor could not be confirmed as staff, and was not let into %s.", at)
	case noren.CauseChallenge:
		return fill("この方に、%sの前で、人が見ているかの短い確認をお願いしました。", "This visitor was asked for a short check, that a person is looking, before %s.", at)
	case noren.CauseQueue:
		return fill("混雑していたため、この方には%sの前で順番をお待ちいただきました。", "It was busy, so this visitor was asked to wait in line before %s.", at)
	case noren.CauseClosed:
		return noren.Text{Ja: "お店を閉めている間に来られたので、「準備中」のページをお見せしました。", En: "This visitor came while the shop was closed, and saw the page that says so."}
	case noren.CauseEmergency:
		return fill("「非常時」の操作で止めている間だったため、%sをお見せしませんでした。", "An emergency switch was on, so %s was not shown.", at)
	case noren.CauseAccess:
		return fill("%sに入れる場所からではなかったため、お断りしました。", "This visitor was refused: %s may not be entered from where they are.", at)
	}
	return fill("この方は、%sの手前でお断りしました。", "This visitor was refused before %s.", at)
}

// tooFast tells how a limit answered.
func tooFast(step string, at noren.Text) noren.Text {
	switch step {
	case "check":
		return fill("この方の操作がとても速いので、%sの前で、人が見ているかの短い確認をお願いしました。", "This visitor was very fast, and was asked for a short check before %s.", at)
	case "line", "wait":
		return fill("この方の操作がとても速いので、%sの前で、少しお待ちいただきました。", "This visitor was very fast, and was asked to wait a little before %s.", at)
	case "ban":
		return fill("この方は、%sで速すぎる操作を何度もくり返したため、しばらくお断りすることにしました。", "This visitor was far too fast at %s again and again, and is refused for a while.", at)
	}
	return fill("この方は、%sで人の操作では出ない速さだったため、お断りしました。", "This visitor was faster at %s than people are, and was refused.", at)
}

// came tells of a request that was decided, and what came of it.
func came(e *noren.Entry) noren.Text {
	at := screenOf(e.Event.Zone)
	r, _ := e.Event.Payload.(*noren.Request)
	switch v := e.Decision.Verdict; {
	case v == noren.Allow && r != nil && r.Score > 0:
		return fill("この方は、%sを開きました。攻撃に似た文字が少しありましたが、お通ししました。", "This visitor opened %s. Some of it looked a little like an attack; it was let through.", at)
	case v == noren.Allow:
		return fill("この方は、%sをふつうに開きました。", "This visitor opened %s as usual.", at)
	case v == noren.Limit:
		return fill("この方には、%sの前で、少しお待ちいただきました。", "This visitor was asked to wait a little before %s.", at)
	case v == noren.Challenge:
		return fill("この方に、%sの前で、人が見ているかの短い確認をお願いしました。", "This visitor was asked for a short check, that a person is looking, before %s.", at)
	case v == noren.StepUp:
		return fill("この方に、%sで、ご本人である証しをもう一つお願いしました。", "This visitor was asked at %s for one more proof of who they are.", at)
	case v == noren.Review, v == noren.Hold:
		return fill("この方は%sへお通ししました。動きが気になるため、お店の方に見ていただくよう記録しました。", "This visitor was let into %s, and noted for the shop's people to look at.", at)
	}
	return fill("この方の動きが気になったため、%sでお断りしました。", "What this visitor did looked wrong, so they were refused at %s.", at)
}

// screenOf is a zone as somebody names it who stands before it.
func screenOf(z noren.Zone) noren.Text {
	screens := map[noren.Zone]noren.Text{
		noren.ZoneStorefront: {Ja: "お店のページ", En: "a page of the shop"}, noren.ZoneSearch: {Ja: "商品検索の画面", En: "the product search"},
		noren.ZoneSignup: {Ja: "会員登録の画面", En: "the sign-up page"}, noren.ZoneLogin: {Ja: "会員のログイン画面", En: "the customers' sign-in"},
		noren.ZoneReset: {Ja: "パスワードを忘れたときの画面", En: "the page for forgotten passwords"}, noren.ZoneProfile: {Ja: "会員情報の変更の画面", En: "the page of account data"},
		noren.ZoneCart: {Ja: "カートの画面", En: "the cart"}, noren.ZoneCheckout: {Ja: "ご注文手続きの画面", En: "the checkout"},
		noren.ZoneCardAdd: {Ja: "カードの登録の画面", En: "the page that adds a card"}, noren.ZoneCallback: {Ja: "決済会社からの通知を受ける所", En: "where the payment provider calls"},
		noren.ZoneContact: {Ja: "お問い合わせの画面", En: "the contact form"}, noren.ZoneAdmin: {Ja: "お店の管理画面", En: "the shop's admin"},
		noren.ZoneAdminLogin: {Ja: "管理画面のログイン画面", En: "the admin's sign-in"}, noren.ZoneExport: {Ja: "お客様の情報をまとめて取り出す画面", En: "the page that exports customers"},
		noren.ZoneCodeEdit: {Ja: "お店のプログラムを書き換える画面", En: "the page that edits the shop's code"}, noren.ZoneForbidden: {Ja: "外から見えてはいけない場所", En: "a place that nobody outside may see"},
	}
	if t, ok := screens[z]; ok {
		return t
	}
	return noren.Text{Ja: "お店のページ", En: "a page of the shop"}
}
