package console

import (
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
)

// notices are what a page says after an act, by the name in its address. An
// address can be made up by anybody, so none of them says who or how much.
var notices = map[string]ui.Notice{
	"signed-out":         {Tone: ui.Good, Text: noren.Text{Ja: "サインアウトしました。", En: "You are signed out."}},
	"too-late":           {Tone: ui.Check, Text: noren.Text{Ja: "時間切れです。もう一度、メールアドレスとパスワードから始めてください。", En: "That took too long. Please begin again with mail address and password."}},
	"joined":             {Tone: ui.Good, Text: noren.Text{Ja: "登録が終わりました。ようこそ。", En: "You are set up. Welcome."}},
	"ended":              {Tone: ui.Good, Text: noren.Text{Ja: "その端末のサインインを終わらせました。", En: "That device is signed out."}},
	"undone":             {Tone: ui.Good, Text: noren.Text{Ja: "元に戻しました。", En: "It was taken back."}},
	"undo-over":          {Tone: ui.Check, Text: noren.Text{Ja: "元に戻せる時間を過ぎました。下の一覧から操作してください。", En: "It is too late to undo it here; use the list below."}},
	"undo-gone":          {Tone: ui.Calm, Text: noren.Text{Ja: "もう元に戻っています（ほかの人が先に操作しました）。", En: "It is gone already: somebody else was first."}},
	"banned":             {Tone: ui.Good, Text: noren.Text{Ja: "遮断しました。次の通信から効いています。", En: "Banned, from the next request on."}},
	"allowed":            {Tone: ui.Good, Text: noren.Text{Ja: "許可しました。次の通信から効いています。", En: "Allowed, from the next request on."}},
	"lifted":             {Tone: ui.Good, Text: noren.Text{Ja: "外しました。次の通信から効いています。", En: "Taken off the list, from the next request on."}},
	"sheet":              {Tone: ui.Good, Text: noren.Text{Ja: "復旧用紙の保管を記録しました。", En: "Noted: the recovery sheet is kept safe."}},
	"withdrawn":          {Tone: ui.Good, Text: noren.Text{Ja: "リンクを取り消しました。", En: "The link was withdrawn."}},
	"role":               {Tone: ui.Good, Text: noren.Text{Ja: "役割を変えました。次の操作から効いています。", En: "The role was changed; it holds from their next request on."}},
	"removed":            {Tone: ui.Good, Text: noren.Text{Ja: "担当から外しました。もうサインインできません。", En: "They were removed and cannot sign in any more."}},
	"acknowledged":       {Tone: ui.Good, Text: noren.Text{Ja: "引き受けたことを記録しました。ほかの人への連絡は止まります。", En: "Noted that you take care of it; nobody else is asked any more."}},
	"taken":              {Tone: ui.Good, Text: noren.Text{Ja: "引き受けたことを記録しました。", En: "Noted that you take care of it."}},
	"read":               {Tone: ui.Good, Text: noren.Text{Ja: "読んだことを記録しました。", En: "Noted that you have read it."}},
	"again":              {Tone: ui.Calm, Text: noren.Text{Ja: "この操作はもう済んでいます（二重には行いません）。", En: "That was done already; it is not done twice."}},
	"policy-trial":       {Tone: ui.Check, Text: noren.Text{Ja: "反映しました。お店がいつもどおりか確かめて、上の帯で確定してください。", En: "It is in force. See that the shop works as usual, then keep it above."}},
	"policy-changed":     {Tone: ui.Good, Text: noren.Text{Ja: "反映しました。「版」からいつでも戻せます。", En: "It is in force. “Versions” takes you back at any time."}},
	"policy-same":        {Tone: ui.Calm, Text: noren.Text{Ja: "今の設定と同じなので、何も変えていません。", En: "It is the same as in force; nothing was changed."}},
	"policy-kept":        {Tone: ui.Good, Text: noren.Text{Ja: "変更を確定しました。", En: "The change stays."}},
	"policy-back":        {Tone: ui.Good, Text: noren.Text{Ja: "変更の前に戻しました。", En: "The change was taken back."}},
	"policy-over":        {Tone: ui.Calm, Text: noren.Text{Ja: "確定を待つ変更はもうありません（時間で戻ったか、ほかの人が済ませました）。", En: "No change waits any more: it went back by itself, or somebody else dealt with it."}},
	"revealed":           {Tone: ui.Calm, Text: noren.Text{Ja: "個人情報を10分間表示します。見たことは記録に残りました。", En: "Personal data is shown for ten minutes. That you looked is in the record."}},
	"concealed":          {Tone: ui.Good, Text: noren.Text{Ja: "個人情報を隠しました。", En: "Personal data is hidden again."}},
	"freed":              {Tone: ui.Good, Text: noren.Text{Ja: "この方を通すようにしました。すぐに効いています。", En: "This visitor is let through, from now on."}},
	"exclusion-asked":    {Tone: ui.Good, Text: noren.Text{Ja: "承認を頼みました。オーナーの方が承認すると、効き始めます。", En: "Asked for. It holds when an owner approves it."}},
	"exclusion-in-force": {Tone: ui.Good, Text: noren.Text{Ja: "効き始めました。お客様に、もう一度お試しいただいてください。", En: "It is in force. Please ask the customer to try again."}},
	"exclusion-lifted":   {Tone: ui.Good, Text: noren.Text{Ja: "元どおり、すべて検査しています。", En: "Everything is inspected as before."}},
	"place":              {Tone: ui.Good, Text: noren.Text{Ja: "場所を登録しました。次の通信から効いています。", En: "The place is stored and holds from the next request on."}},
	"place-removed":      {Tone: ui.Good, Text: noren.Text{Ja: "場所を外しました。次の通信から効いています。", En: "The place was removed, from the next request on."}},
	"admin-kept":         {Tone: ui.Good, Text: noren.Text{Ja: "管理画面に入れる場所を決めました。1、2秒で効きます。", En: "Who may enter the admin is set; it holds within a second or two."}},
	"stopping-admin":     {Tone: ui.Good, Text: noren.Text{Ja: "管理画面を、決めた場所からだけ開けるようにしました。次の通信から効いています。", En: "The admin opens from the named places only, from the next request on."}},
	"stopping-policies":  {Tone: ui.Good, Text: noren.Text{Ja: "選んだ方針が、止め始めました。次の通信から効いています。", En: "The chosen policies act, from the next request on."}},
	"settled":            {Tone: ui.Good, Text: noren.Text{Ja: "覚えておきます。いつでも変えられます。", En: "Noted. You can change it at any time."}},
	"told":               {Tone: ui.Good, Text: noren.Text{Ja: "知らせる相手を決めました。試しに送ってみてください。", En: "They will be told. Please send a test now."}},
	"tried-often":        {Tone: ui.Check, Text: noren.Text{Ja: "試せるのは10分に3回までです。本物の通信なので、続けると攻撃とみなされます。少し待ってからどうぞ。", En: "At most three tries in ten minutes: they are real requests, and more would be taken for an attack. Please wait a little."}},
}

// What the address says after a switch was turned: the word and the switch's name.
const (
	saidOn  = "on-"
	saidOff = "off-"
)

// switchNotice names the switch that was turned. It is pure.
func switchNotice(said string) (n ui.Notice, ok bool) {
	for _, i := range gateway.Switches() {
		switch said {
		case saidOn + string(i.Switch):
			return ui.Notice{Tone: ui.Check, Text: fill("「%s」をオンにしました。次の通信から効いています。", "“%s” is on, from the next request on.", i.Name)}, true
		case saidOff + string(i.Switch):
			return ui.Notice{Tone: ui.Good, Text: fill("「%s」をオフに戻しました。次の通信から、いつもどおりです。", "“%s” is off again; from the next request on all is as usual.", i.Name)}, true
		}
	}
	return n, false
}

// notice is what the address asks to say, nil for nothing or nonsense.
func (v *visit) notice() *ui.Notice {
	q := v.r.URL.Query()
	n, ok := notices[q.Get("said")]
	if !ok {
		n, ok = switchNotice(q.Get("said"))
	}
	if !ok {
		return nil
	}
	if id := q.Get("undo"); id != "" && v.who != nil {
		if w, ok := v.c.undos.find(id, time.Now()); ok && w.site == v.site && v.may(w.need) {
			n.Undo, n.Hide = v.undoPath(), [][2]string{{"undo", id}, {"to", v.self()}}
		}
	}
	return &n
}

func (v *visit) undoPath() string {
	if v.site == "" {
		return "/undo"
	}
	return v.path("/undo")
}
