package console

import (
	"net/url"
	"strings"

	"noren"
	"noren/console/ui"
	"noren/gateway"
)

// letter is all that the machine's administrator still has to do, as one text to be
// sent: the console never writes noren.yaml, and a shopkeeper shall not have to put
// pieces together.
type letter struct {
	Asks   int    // what is asked for; 0 for nothing
	Text   string // to be copied as it is
	Mailto string
	Whole  bool // the mail has the whole text
}

// ask is one thing the administrator is asked for.
type ask struct {
	What, Why noren.Text
	Where     noren.Text
	Lines     string
}

// mailtoMost is how long a mailto link may be: longer ones are cut or refused by mail
// programs and by Windows (ShellExecute, 2048 characters).
const mailtoMost = 1900

// stepLetter is the last page of the set-up, which is no step to be done.
const stepLetter = "letter"

// asksFor are what a set-up still needs from whoever runs the machine, most
// important first. host is the console's own name. It is pure.
func asksFor(s *setupState, host string) (out []ask) {
	file := s.Standing.File
	if file == "" {
		file = "noren.yaml"
	}
	inFile := fill("%s の中（保存すると数秒で読み直されます）", "in %s (read again within seconds of saving)", file)
	steps := map[string]setupStep{}
	for _, one := range s.steps() {
		steps[one.Key] = one
	}
	add := func(what, why, where noren.Text, lines string) { out = append(out, ask{what, why, where, lines}) }
	first := func(step string) string {
		if all := linesFor(step, s); len(all) > 0 {
			return all[0].Text
		}
		return ""
	}
	if lines := first(stepShop); lines != "" && !steps[stepShop].Done {
		add(noren.Text{Ja: "お店のプログラムに合わせる", En: "Fit Noren to the shop's program"}, steps[stepShop].Says, inFile, lines)
	}
	if lines := first(stepHosts); lines != "" && !steps[stepHosts].Done {
		add(noren.Text{Ja: "https にする", En: "Serve the shop by https"}, noren.Text{Ja: "https がないと、パスワードやカードの番号が途中で読まれるおそれがあります。メールアドレスはお店のものに直してください。", En: "Without https, passwords and card numbers can be read on their way. Put in the shop's own mail address."}, inFile, lines)
	}
	if s.Site.WAF == gateway.WAFShadow || s.Site.WAF == gateway.WAFOff {
		add(noren.Text{Ja: "攻撃の文字列を、記録だけでなく止める", En: "Stop attacks rather than record them"}, FirewallSays(s.Site.WAF), inFile, first(stepGuard))
	}
	if lines := first(stepNotices); lines != "" {
		add(noren.Text{Ja: "知らせのメールを送れるようにする", En: "Let Noren send mail"}, noren.Text{Ja: "何か起きたときに、すぐ気づけるようにするためです。サーバーの名前などは、ご利用のものに直してください。", En: "So that people notice at once when something happens. Put in your own server and names."}, inFile, lines)
	}
	if s.NoSheet {
		add(noren.Text{Ja: "復旧用紙を印刷して、渡す", En: "Print the recovery sheet and hand it over"}, noren.Text{Ja: "この機械が壊れたとき、記録したお客様の情報を読むための、ただ1つの鍵です。機械とは別の金庫などに保管します。", En: "It is the one key to what is recorded about customers, should this machine break. It is kept apart from the machine."},
			noren.Text{Ja: "Noren を動かしている機械で打ちます", En: "typed on the machine that runs Noren"}, "noren keys sheet\n")
	}
	if host == "" {
		add(noren.Text{Ja: "Noren の画面を、ほかの機械からも開けるようにする", En: "Let the console be opened from other machines"}, noren.Text{Ja: "いまは Noren を動かしている機械の中でしか開けません。名前はお店のものに直し、その名前の DNS をこの機械に向けてください。", En: "It opens only on the machine that runs Noren. Put in a name of your own that points to that machine in DNS."}, inFile, consoleLines(&s.Standing))
	}
	return out
}

// consoleLines are those by which the console gets a name of its own.
func consoleLines(st *Standing) string {
	lines := "console:\n  host: noren.shop.example.jp\n  tls: {acme: true}\n"
	if st == nil || !st.ACME {
		lines += "acme: {email: owner@shop.example.jp, agree: true}\n"
	}
	if st == nil || st.HTTPS == "" {
		lines += "listen: {http: \"0.0.0.0:80\", https: \"0.0.0.0:443\"}\n"
	}
	return lines
}

// letterOf writes the text in one language. It is pure.
func letterOf(asks []ask, site, file, lang string) (l letter) {
	if l.Asks = len(asks); l.Asks == 0 {
		return l
	}
	w := ui.Words{Lang: lang}
	if file == "" {
		file = "noren.yaml"
	}
	var b strings.Builder
	b.WriteString(w.T("お店「"+site+"」を守る Noren の設定について、次をお願いします。\n", "Please set up the following for Noren, which guards the shop “"+site+"”.\n"))
	for i, a := range asks {
		b.WriteString("\n" + w.Number(i+1) + ". " + a.What.In(lang) + "\n")
		b.WriteString(w.T("   なぜ： ", "   Why: ") + a.Why.In(lang) + "\n")
		b.WriteString(w.T("   どこに： ", "   Where: ") + a.Where.In(lang) + "\n\n")
		for line := range strings.Lines(a.Lines) {
			b.WriteString("     " + line)
		}
	}
	b.WriteString(w.T("\n「# …」の行は、いまある行を残すという印です。同じ見出し（sites: など）がもうあるときは、その中に書き足してください。\n",
		"\nA line “# …” means that what stands there stays. Where a heading such as sites: exists already, add the lines below it.\n"))
	b.WriteString(w.T("\n終わったら、機械で次のように打って確かめてください。誤りがあれば、行の番号と直し方が出ます。\n\n     noren check --config ", "\nWhen you are done, check it on the machine. Faults are named with their line and how to mend them.\n\n     noren check --config ") + file + "\n")
	l.Text = b.String()
	subject := w.T("Noren の設定のお願い（"+site+"）", "Noren: please set this up ("+site+")")
	if l.Mailto = mailto(subject, l.Text); len(l.Mailto) <= mailtoMost {
		l.Whole = true
		return l
	}
	l.Mailto = mailto(subject, w.T("（ここに、画面から写した文面を貼り付けてください）\n", "(Paste the text from the page here.)\n"))
	return l
}

// mailto is a link to a new mail (RFC 6068: spaces as %20, lines end in CRLF).
func mailto(subject, body string) string {
	esc := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return "mailto:?subject=" + esc(subject) + "&body=" + esc(strings.ReplaceAll(body, "\n", "\r\n"))
}

// letter is the text for a site as it stands.
func (v *visit) letter(s *setupState) letter {
	host := ""
	if v.c.o.Host != nil {
		host = v.c.o.Host()
	}
	return letterOf(asksFor(s, host), v.site, s.Standing.File, v.lang)
}
