package console

import (
	"strings"

	"noren"
	"noren/gateway"
)

// ofNoren tells of what people and Noren itself changed.
func (t *teller) ofNoren(ev *noren.Event) (noren.Text, bool) {
	switch p := ev.Payload.(type) {
	case *noren.SettingsVersion:
		if p != nil {
			return t.because(fill("%s が設定を変えました", "%s changed the settings", t.people.author(p.Author)), p.Reason), true
		}
	case *noren.BanEntry:
		if p != nil {
			return t.listChange(p), true
		}
	case *noren.SiteModeChange:
		if p != nil {
			return t.because(fill("%s がお店を「%s」に切り替えました", "%s switched the shop to “%s”", t.people.author(p.Author), modeName(p.Mode)), p.Reason), true
		}
	case *noren.PlaceEntry:
		if p != nil {
			return t.because(fill("場所「%s」: %s（%s）", "Place “%s”: %s (%s)", cutTo(p.Name, 64), opName(p.Op), t.people.author(p.Author)), p.Reason), true
		}
	case *noren.AccessOpening:
		if p != nil {
			return t.opening(p), true
		}
	case *noren.CertificateState:
		if p != nil {
			return certificateTold(p), true
		}
	case *noren.ClockJump:
		if p != nil {
			return clockTold(p), true
		}
	case *noren.ServerState:
		if p != nil {
			return fill("お店のサーバー %s: %s → %s（%d台のうち%d台が動いています）", "Server %s of the shop: %s, now %s (%[5]d of %[4]d running)",
				cutTo(p.Server, 80), serverState(p.Before), serverState(p.State), p.Of, p.Up), true
		}
	}
	return noren.Text{}, false
}

// because adds the reason that was given.
func (t *teller) because(text noren.Text, reason string) noren.Text {
	if reason == "" {
		return text
	}
	return fill("%s。理由: %s", "%s. Reason: %s", text, cutTo(t.text(reason), 120))
}

func opName(op string) noren.Text {
	return textOr(map[string]noren.Text{
		"set": {Ja: "登録しました", En: "set"}, "lift": {Ja: "解除しました", En: "lifted"}, "expire": {Ja: "期限が来て終わりました", En: "its time is over"},
		"confirm": {Ja: "このままにすると決めました", En: "confirmed"}, "failed": {Ja: "保存できず、行いませんでした", En: "not made: it could not be stored"},
		"remove": {Ja: "消しました", En: "removed"}, "restore": {Ja: "元に戻しました", En: "restored"}, "open": {Ja: "開けました", En: "opened"}, "end": {Ja: "閉じました", En: "closed again"},
	}, op, same("–"))
}

func modeName(m string) noren.Text {
	return textOr(map[string]noren.Text{
		"normal": {Ja: "ふだん", En: "normal"}, "busy": {Ja: "混雑", En: "busy"}, "attack": {Ja: "攻撃", En: "attack"}, "closed": {Ja: "準備中", En: "closed"},
	}, m, same("–"))
}

// listName is a list in words.
func listName(list string) noren.Text {
	return textOr(map[string]noren.Text{
		gateway.ListBan: {Ja: "遮断", En: "ban"}, gateway.ListAllow: {Ja: "いつも通す", En: "always let through"}, gateway.ListCheck: {Ja: "確認のページを出す", En: "ask for the check"},
	}, list, same("–"))
}

func (t *teller) listChange(p *noren.BanEntry) noren.Text {
	who := same(t.address(p.Prefix))
	if p.Prefix == "" {
		who = noren.Text{Ja: "一つの訪問（セッション）", En: "one visit (session)"}
	}
	text := fill("「%s」%s: %s", "“%s” %s: %s", listName(p.List), opName(p.Op), who)
	if p.Op == "set" {
		text = fill("%s、%s", "%s, %s", text, until(p.Until))
	}
	by := t.people.author(p.Author)
	if p.Policy != "" {
		by = fill("方針 %s", "policy %s", cutTo(p.Policy, 48))
	}
	text = fill("%s（%s）", "%s (%s)", text, by)
	ja, en := p.ReasonJa, p.Reason
	if ja == "" {
		ja = en
	}
	return noren.Text{Ja: t.because(text, ja).Ja, En: t.because(text, en).En}
}

func (t *teller) opening(p *noren.AccessOpening) noren.Text {
	var ja, en []string
	for _, z := range p.Zones {
		ja, en = append(ja, zoneName(z).Ja), append(en, zoneName(z).En)
	}
	zones := noren.Text{Ja: strings.Join(ja, "・"), En: strings.Join(en, ", ")}
	who := same(t.address(p.From))
	if p.From == "anywhere" {
		who = noren.Text{Ja: "どこからでも", En: "anywhere"}
	}
	return t.because(fill("%s への入室ルールを手で%s（対象: %s、%s）", "Access to %s by hand: %s (for %s, by %s)", zones, opName(p.Op), who, t.people.author(p.Author)), p.Reason)
}

func certificateTold(p *noren.CertificateState) noren.Text {
	state := textOr(map[string]noren.Text{
		"in_use": {Ja: "使い始めました", En: "in use"}, "expiring": {Ja: "期限が近づいています", En: "running out"}, "expired": {Ja: "期限が切れました", En: "over"},
		"wrong": {Ja: "正しくありません", En: "wrong"}, "failed": {Ja: "取得できませんでした", En: "could not be obtained"},
	}, p.State, same("–"))
	text := fill("%s の証明書: %s", "The certificate of %s: %s", cutTo(p.Host, 80), state)
	if !p.NotAfter.IsZero() {
		text = fill("%s（%s）", "%s (%s)", text, until(p.NotAfter))
	}
	return text
}

func clockTold(p *noren.ClockJump) noren.Text {
	if p.Than != "" {
		return fill("機械どうしの時計がずれています: %s は %s より %s", "Clocks of two machines are apart: %s against %s by %s", cutTo(p.Node, 40), cutTo(p.Than, 40), seconds(p.StepMicros))
	}
	return fill("機械の時計が %s 飛びました", "The machine's clock jumped by %s", seconds(p.StepMicros))
}

func serverState(s string) noren.Text {
	return textOr(map[string]noren.Text{
		"up": {Ja: "正常", En: "well"}, "unwell": {Ja: "不調", En: "unwell"}, "down": {Ja: "停止", En: "down"},
	}, s, same("–"))
}
