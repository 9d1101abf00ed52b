package gateway

import (
	"net/http"
	"time"

	"noren"
)

// checkWords are what a visitor reads who is asked to pass the check.
var checkWords = struct{ heading, body, working, byHand, button, resend noren.Text }{
	heading: noren.Text{Ja: "お通しする前に、少しだけ確認します", En: "A short check before you come in"},
	body: noren.Text{
		Ja: "お店に機械的なアクセスが増えているため、お越しの方に短い確認をお願いしています。ふつうは1秒ほどで、そのままページが開きます。",
		En: "The shop is seeing a lot of automated traffic, so visitors pass a short check first. It usually takes about a second, and the page opens by itself.",
	},
	working: noren.Text{Ja: "確認しています", En: "Checking"},
	byHand: noren.Text{
		Ja: "自動で進まないときは、10秒ほど待ってから次のボタンを押してください。文字や絵を読み取っていただくことはありません。",
		En: "If nothing happens by itself, please wait about ten seconds and press this button. There is nothing to read off a picture.",
	},
	button: noren.Text{Ja: "お店へ進む", En: "Go to the shop"},
	resend: noren.Text{
		Ja: "送信の途中でしたので、確認のあとで、もう一度送信をお願いいたします。",
		En: "You were sending something: after the check, please send it once more.",
	},
}

// checkForm is what the check page needs to know of the request.
type checkForm struct {
	puzzle string
	level  int
	back   string
	resend bool // what was sent has to be sent again
	said   noren.Text
}

type checkView struct {
	stopView
	Said, Body, Working, ByHand, Button, After string
	Action, Script, Puzzle, Back               string
	Level, Parts                               int
}

func (v *checkView) plug(f *fillings) {
	v.stopView.plug(f)
	v.Puzzle, v.Back = f[holePuzzle], f[holeBack]
}

// checkForm returns nil when the stop asks for no check.
func (x *exchange) checkForm(s *stop) *checkForm {
	if !s.check {
		return nil
	}
	keys := x.g.secrets(x.r.Context())
	if keys == nil {
		return nil
	}
	f := &checkForm{puzzle: x.puzzle, level: puzzleBits, back: x.backTo(), said: s.said}
	if x.g.opts.Modes.Of(x.shop.Name, x.at.Time).Mode == ModeAttack {
		f.level = attackBits
	}
	c := clerk{keys}
	if t, ok := c.open(f.puzzle, puzzleToken, x.bearer(), x.at.Time); ok {
		f.level = int(t.level)
	} else {
		f.puzzle = c.puzzle(x.bearer(), f.level, x.at.Time)
	}
	f.resend = !x.own() && x.r.Method != http.MethodGet && x.r.Method != http.MethodHead
	return f
}

func (p *pages) checkPage(s *stop, f *checkForm, site *Site, lang string, at time.Time) ([]byte, error) {
	v := checkView{
		stopView: p.view(s, site, lang),
		Said:     f.said.In(lang), Body: checkWords.body.In(lang), Working: checkWords.working.In(lang),
		ByHand: checkWords.byHand.In(lang), Button: checkWords.button.In(lang),
		Action: checkPath, Script: scriptPath, Level: f.level, Parts: proofs,
	}
	v.Heading = checkWords.heading.In(lang)
	if f.resend {
		v.After = checkWords.resend.In(lang)
	}
	return p.check.page(v, &fillings{holeTicket: s.ticket, holeWhen: when(at, lang), holePuzzle: f.puzzle, holeBack: f.back}, s.address != "")
}
