package main

import (
	"fmt"
	"strings"
	"time"

	"noren"
	"noren/gateway"
)

// happened tells in one sentence what an entry of the record is about that is not
// a visitor's: who changed what, for how long and why. It is "" for the others,
// which are told by their verdict and rule.
func happened(ev *noren.Event, lang string) string {
	switch p := ev.Payload.(type) {
	case *noren.BanEntry:
		return banHappened(p, ev.At, lang)
	case *noren.SiteModeChange:
		return modeHappened(p, ev.At, lang)
	case *noren.EmergencySwitch:
		return emergencyHappened(p, ev.At, lang)
	case *noren.PlaceEntry:
		what := say(lang, "場所「"+shorten(p.Name, 64)+"」", "place "+shorten(p.Name, 64))
		if len(p.Networks) > 0 && p.Op != "remove" {
			what += " (" + shorten(strings.Join(p.Networks, ", "), 200) + ")"
		}
		return opText(p.Op, lang) + what + lasts(p.Until, ev.At, p.Op, lang) + byWhom(p.Author, p.Reason, lang)
	case *noren.AccessOpening:
		what := say(lang, "", "access rules of ") + zonesText(p.Zones, lang) + say(lang, "、対象 ", " for ") + shorten(p.From, 64)
		return opText(p.Op, lang) + what + lasts(p.Until, ev.At, p.Op, lang) + byWhom(p.Author, p.Reason, lang)
	case *noren.SettingsVersion:
		return settingsHappened(p, lang)
	case *noren.StaffSignIn, *noren.Operation:
		return staffHappened(ev, lang)
	case *noren.CertificateState:
		return certificateHappened(p, lang)
	case *noren.ServerState:
		return fmt.Sprintf(say(lang, "お店のサーバー %s: %s → %s%s（稼働 %d／%d）", "server %s of the shop: %s, then %s%s (%d of %d up)"),
			shorten(p.Server, 120), p.Before, p.State, inBrackets(shorten(p.Cause, 40)), p.Up, p.Of)
	}
	return ""
}

func say(lang, ja, en string) string { return noren.Text{Ja: ja, En: en}.In(lang) }

func banHappened(p *noren.BanEntry, at noren.Time, lang string) string {
	what := map[string]string{
		gateway.ListBan:   say(lang, "遮断 ", "ban of "),
		gateway.ListAllow: say(lang, "許可 ", "allow-list entry "),
		gateway.ListCheck: say(lang, "確認ページの対象 ", "check for "),
	}[p.List]
	who := p.Prefix
	if who == "" {
		who = say(lang, "一つのセッション", "a session")
	}
	reason := p.Reason
	if lang == "ja" && p.ReasonJa != "" {
		reason = p.ReasonJa
	}
	return opText(p.Op, lang) + what + who + lasts(p.Until, at, p.Op, lang) + byWhom(p.Author, reason, lang)
}

func modeHappened(p *noren.SiteModeChange, at noren.Time, lang string) string {
	text := say(lang, "モード ", "mode ") + p.Mode
	if p.Admit > 0 {
		text += fmt.Sprintf(modeWords.admits.In(lang), p.Admit)
	}
	if !p.Until.IsZero() {
		text += lasts(p.Until, at, "set", lang)
	}
	return text + byWhom(p.Author, p.Reason, lang)
}

func settingsHappened(p *noren.SettingsVersion, lang string) string {
	text := say(lang, "設定 ", "settings ") + p.Version
	if p.Before != "" && p.Before != p.Version {
		text += say(lang, "（それまで ", " (before: ") + p.Before + say(lang, "）", ")")
	}
	return text + byWhom(p.Author, p.Reason, lang)
}

func certificateHappened(p *noren.CertificateState, lang string) string {
	text := say(lang, "証明書 ", "certificate of ") + shorten(p.Host, 120) + ": " + p.State
	if !p.NotAfter.IsZero() {
		text += say(lang, "、期限 ", ", valid until ") + shown(p.NotAfter.Time, toDay)
	}
	if p.Problem != "" {
		text += ": " + shorten(p.Problem, 200)
	}
	return text
}

// opText is what was done, before the words for what it was done to.
func opText(op, lang string) string {
	switch op {
	case "set":
		return say(lang, "登録: ", "set: ")
	case "lift":
		return say(lang, "解除: ", "lifted: ")
	case "expire":
		return say(lang, "期限切れ: ", "its time is over: ")
	case "confirm":
		return say(lang, "確認済み: ", "confirmed: ")
	case "failed":
		return say(lang, "保存できず、行われなかった: ", "not made, it could not be stored: ")
	case "remove":
		return say(lang, "削除: ", "removed: ")
	case "restore":
		return say(lang, "元に戻した: ", "restored: ")
	case "open":
		return say(lang, "一時開放: ", "opened by hand: ")
	case "end":
		return say(lang, "一時開放の終了: ", "closed again: ")
	}
	return op + ": "
}

// lasts is for how long something was set; what ends something needs no time.
func lasts(until, at noren.Time, op, lang string) string {
	switch {
	case op != "set" && op != "open" && op != "restore":
		return ""
	case until.IsZero():
		return say(lang, "、", ", ") + endText(until, lang)
	}
	return say(lang, "、", " for ") + spanText(until.Sub(at.Time)) + say(lang, "（", " (") + endText(until, lang) + say(lang, "）", ")")
}

// spanText is a time as it is typed after --for: 30m, 24h, 7d.
func spanText(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d.Round(time.Minute) < time.Hour || d.Round(time.Minute)%time.Hour != 0:
		return fmt.Sprintf("%dm", d.Round(time.Minute)/time.Minute)
	case d.Round(time.Hour) <= 48*time.Hour || d.Round(time.Hour)%(24*time.Hour) != 0:
		return fmt.Sprintf("%dh", d.Round(time.Hour)/time.Hour)
	}
	return fmt.Sprintf("%dd", d.Round(time.Hour)/(24*time.Hour))
}

func byWhom(author, reason, lang string) string {
	text := ""
	if author != "" {
		text = say(lang, "、", ", by ") + shorten(author, 64)
	}
	if reason != "" {
		text += ": " + shorten(reason, 200)
	}
	return text
}

func zonesText(zones []noren.Zone, lang string) string {
	names := make([]string, len(zones))
	for i, z := range zones {
		names[i] = string(z)
	}
	return strings.Join(names, say(lang, "・", " and "))
}
