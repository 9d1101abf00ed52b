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
