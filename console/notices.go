package console

import (
	"noren"
	"noren/console/ui"
)

// notices are what a page says after an act, by the name in its address. An
// address can be made up by anybody, so none of them says who or how much.
var notices = map[string]ui.Notice{
	"signed-out":     {Tone: ui.Good, Text: noren.Text{Ja: "サインアウトしました。", En: "You are signed out."}},
	"too-late":       {Tone: ui.Check, Text: noren.Text{Ja: "時間切れです。もう一度、メールアドレスとパスワードから始めてください。", En: "That took too long. Please begin again with mail address and password."}},
	"joined":         {Tone: ui.Good, Text: noren.Text{Ja: "登録が終わりました。ようこそ。", En: "You are set up. Welcome."}},
	"ended":          {Tone: ui.Good, Text: noren.Text{Ja: "その端末のサインインを終わらせました。", En: "That device is signed out."}},
	"policy-trial":   {Tone: ui.Check, Text: noren.Text{Ja: "反映しました。お店がいつもどおりか確かめて、上の帯で確定してください。", En: "It is in force. See that the shop works as usual, then keep it above."}},
	"policy-changed": {Tone: ui.Good, Text: noren.Text{Ja: "反映しました。「版」からいつでも戻せます。", En: "It is in force. “Versions” takes you back at any time."}},
	"policy-same":    {Tone: ui.Calm, Text: noren.Text{Ja: "今の設定と同じなので、何も変えていません。", En: "It is the same as in force; nothing was changed."}},
	"policy-kept":    {Tone: ui.Good, Text: noren.Text{Ja: "変更を確定しました。", En: "The change stays."}},
	"policy-back":    {Tone: ui.Good, Text: noren.Text{Ja: "変更の前に戻しました。", En: "The change was taken back."}},
	"policy-over":    {Tone: ui.Calm, Text: noren.Text{Ja: "確定を待つ変更はもうありません（時間で戻ったか、ほかの人が済ませました）。", En: "No change waits any more: it went back by itself, or somebody else dealt with it."}},
	"again":          {Tone: ui.Calm, Text: noren.Text{Ja: "この操作はもう済んでいます（二重には行いません）。", En: "That was done already; it is not done twice."}},
}

// notice is what the address asks to say, nil for nothing or nonsense.
func (v *visit) notice() *ui.Notice {
	n, ok := notices[v.r.URL.Query().Get("said")]
	if !ok {
		return nil
	}
	return &n
}
