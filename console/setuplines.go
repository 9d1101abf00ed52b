package console

import (
	"strings"

	"noren"
	"noren/console/ui"
	"noren/gateway"
)

// linesFor are the lines of noren.yaml that a step asks for, ready to be copied: the
// console never writes that file. It is pure.
func linesFor(step string, s *setupState) (out []copyable) {
	add := func(ja, en, text string) { out = append(out, copyable{noren.Text{Ja: ja, En: en}, text}) }
	site := func(lines ...string) string {
		return "sites:\n  - name: " + s.Site.Name + "\n    # …\n    " + strings.Join(lines, "\n    ") + "\n"
	}
	switch step {
	case stepShop:
		if d := s.Detected; d != nil && d.Confidence != gateway.Unknown && d.Preset != s.preset() {
			add("お店に合わせるには、noren.yaml のこのお店を次のように変えます。", "To fit the shop, change this site in noren.yaml:", site("preset: "+d.Preset))
		}
		if s.preset() == "generic" {
			add("ログインやお支払いのページが違うときは、場所を書き足します。", "Where its pages are elsewhere, name them:",
				site("zones:", `  login: ["POST /members/login"]`, "  checkout: [/order, \"/order/*\"]", "admin_prefix: /kanri"))
		}
	case stepHosts:
		if s.Site.TLS != nil {
			break
		}
		if s.Standing.HTTPS == "" || !s.Standing.ACME {
			add("Noren が証明書を取り、自動で更新します。noren.yaml に次を書き足します（アドレスは、お店のものに。agree は、https://letsencrypt.org/repository/ の規約に同意するという意味です）。", "Noren obtains certificates and renews them. Add this to noren.yaml, with your own address; agree means that you accept the terms at https://letsencrypt.org/repository/:",
				"listen: {http: \"0.0.0.0:80\", https: \"0.0.0.0:443\"}\nacme: {email: owner@shop.example.jp, agree: true}\n"+site("tls: {acme: true}", "https_only: true"))
		} else {
			add("Noren が証明書を取り、自動で更新します。", "Noren obtains the certificate and renews it:", site("tls: {acme: true}", "https_only: true"))
		}
		add("手元に証明書があるときは、次のように書きます。", "With a certificate of your own:", site("tls: {cert: /etc/noren/tls/fullchain.pem, key: /etc/noren/tls/privkey.pem}"))
		add("同じ機械の nginx などが https を受け持つときは、そのアドレスを書きます。", "Where nginx on this machine does https, name it:", site("trusted_proxies: [127.0.0.1/32, \"::1/128\"]"))
	case stepGuard:
		if s.Site.WAF == gateway.WAFShadow || s.Site.WAF == gateway.WAFOff {
			add("攻撃を止めるには、noren.yaml のこのお店を次のように変えます。", "To stop attacks, change this site in noren.yaml:", site("waf: on"))
		} else {
			add("数日のあいだ記録だけにするには、次のように変えます。", "To only record for some days:", site("waf: shadow"))
		}
	case stepNotices:
		if s.Standing.Mail == "" {
			add("メールを送るサーバーを noren.yaml に書きます。パスワードはファイルに置きます。", "Name the server that takes mail in noren.yaml; its password stands in a file.",
				"mail:\n  server: smtp.example.jp:587\n  from: noren@shop.example.jp\n  user: noren@shop.example.jp\n  password: file:/etc/noren/mail.password\n")
		}
	}
	return out
}

// triedRow is one test request explained.
type triedRow struct {
	Tried
	Name  noren.Text
	Badge ui.Badge
	Says  noren.Text
	Part  plain // of the shop
	Did   plain // what was decided
	Why   plain // what stopped it
	Rule  plain // by which rule
	Found []plain
	Fired []plain
}

// explainTried says in words what became of a test request. It is pure.
func explainTried(t Tried, waf gateway.WAFMode) triedRow {
	r := triedRow{Tried: t, Name: triedName(t.Kind), Part: sayZone(t.Zone), Did: sayVerdict(t.Verdict)}
	if t.Cause != "" {
		r.Why = sayCause(t.Cause)
		r.Did.Name = causeBadge(t)
	}
	if t.Rule != "" {
		r.Rule = sayRule(t.Cause, t.Rule)
	}
	for _, h := range t.Hits {
		if f := h.Rule / 1000; f != 949 && f != 959 { // the sums of the others
			r.Found = append(r.Found, sayHit(h))
		}
	}
	for _, reason := range t.Reasons {
		r.Fired = append(r.Fired, sayReason(reason))
	}
	stopped := t.Cause != "" || t.Ticket != ""
	good := func(ja, en string) {
		r.Badge, r.Says = ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "よし", En: "right"}}, noren.Text{Ja: ja, En: en}
	}
	look := func(tone ui.Tone, ja, en string) {
		r.Badge, r.Says = ui.Badge{Tone: tone, Text: noren.Text{Ja: "確認を", En: "look here"}}, noren.Text{Ja: ja, En: en}
	}
	switch {
	case t.Kind == TryPage && stopped:
		look(ui.Check, "ふつうの通信なのに、通りませんでした。下の理由を見てください。", "An ordinary request did not get through. The reason stands below.")
	case t.Kind == TryPage && t.Status >= 500:
		look(ui.Alert, "Noren は通しましたが、お店が正しく答えませんでした。", "Noren let it through, and the shop did not answer well.")
	case t.Kind == TryPage:
		good("お店のページが届きました。お客様にも、同じように届きます。", "The shop's page arrived, as it does for customers.")
	case stopped:
		good("入口で止まりました。お店には届いていません。", "It was stopped at the entrance and did not reach the shop.")
	case waf == gateway.WAFShadow && t.Kind == TryAttack:
		look(ui.Check, "攻撃と見分けましたが、「記録だけ」の設定なので通しました。", "It was seen to be an attack, and passed: the firewall only records.")
	case waf == gateway.WAFOff && t.Kind == TryAttack:
		look(ui.Alert, "攻撃を調べない設定なので、通りました。", "It passed: requests are not inspected.")
	default:
		look(ui.Alert, "止まるはずの通信が、通りました。「サイト」のページで点検してください。", "It should have been stopped, and passed. Please run the check on the page Site.")
	}
	return r
}

// causeBadge is what a stop was, in a word: limits let people go on.
func causeBadge(t Tried) noren.Text {
	if t.Verdict == noren.Allow || t.Verdict == "" {
		return verdictOf(noren.Block).Name
	}
	return verdictOf(t.Verdict).Name
}

func triedName(k TryKind) noren.Text {
	switch k {
	case TryAttack:
		return noren.Text{Ja: "攻撃のまね（害はありません）", En: "A mock attack (harmless)"}
	case TrySecret:
		return noren.Text{Ja: "見せてはいけないファイル", En: "A file nobody may see"}
	}
	return noren.Text{Ja: "ふつうのお客様", En: "An ordinary customer"}
}
