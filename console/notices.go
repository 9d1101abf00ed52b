package console

import (
	"noren"
	"noren/console/ui"
)

// notices are what a page says after an act, by the name in its address. An
// address can be made up by anybody, so none of them says who or how much.
var notices = map[string]ui.Notice{
	"signed-out": {Tone: ui.Good, Text: noren.Text{Ja: "サインアウトしました。", En: "You are signed out."}},
	"too-late":   {Tone: ui.Check, Text: noren.Text{Ja: "時間切れです。もう一度、メールアドレスとパスワードから始めてください。", En: "That took too long. Please begin again with mail address and password."}},
	"joined":     {Tone: ui.Good, Text: noren.Text{Ja: "登録が終わりました。ようこそ。", En: "You are set up. Welcome."}},
	"ended":      {Tone: ui.Good, Text: noren.Text{Ja: "その端末のサインインを終わらせました。", En: "That device is signed out."}},
	"revealed":   {Tone: ui.Calm, Text: noren.Text{Ja: "個人情報を10分間表示します。見たことは記録に残りました。", En: "Personal data is shown for ten minutes. That you looked is in the record."}},
	"concealed":  {Tone: ui.Good, Text: noren.Text{Ja: "個人情報を隠しました。", En: "Personal data is hidden again."}},
	"freed":      {Tone: ui.Good, Text: noren.Text{Ja: "この方を通すようにしました。すぐに効いています。", En: "This visitor is let through, from now on."}},
	"banned":     {Tone: ui.Good, Text: noren.Text{Ja: "この相手を遮断しました。すぐに効いています。", En: "This visitor is banned, from now on."}},
	"lifted":     {Tone: ui.Good, Text: noren.Text{Ja: "登録を外しました。すぐに効いています。", En: "The entry is taken off the list, from now on."}},
	"again":      {Tone: ui.Calm, Text: noren.Text{Ja: "この操作はもう済んでいます（二重には行いません）。", En: "That was done already; it is not done twice."}},
}

// notice is what the address asks to say, nil for nothing or nonsense.
func (v *visit) notice() *ui.Notice {
	n, ok := notices[v.r.URL.Query().Get("said")]
	if !ok {
		return nil
	}
	return &n
}
