package console

import (
	"strconv"
	"strings"

	"noren"
	"noren/gateway"
)

// wordOf is what a coded value of a fact or of an event's field means; false where
// the value is no code or is not known. The code itself stands one click deeper.
func wordOf(name, value string) (noren.Text, bool) {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "zone" || last == "zones" {
		i, ok := noren.Zone(value).Info()
		return i.Meaning, ok
	}
	if last == "verdict" && noren.Verdict(value).Valid() {
		return verdictOf(noren.Verdict(value)).Name, true
	}
	t, ok := codes()[last][value]
	return t, ok
}

// codes are the words of coded values, by the last part of the name of what holds
// them.
func codes() map[string]map[string]noren.Text {
	cause := map[string]noren.Text{
		"wrong_password": {Ja: "パスワード違い", En: "wrong password"}, "unknown_user": {Ja: "そのような会員はいません", En: "no such account"}, "locked": {Ja: "ロック中", En: "locked"},
		"unknown": {Ja: "登録のないメールアドレス", En: "unknown mail address"}, "wrong_code": {Ja: "確認コード違い", En: "wrong code"}, "too_many": {Ja: "回数が多すぎ", En: "too many tries"},
		"upstream": {Ja: "お店のサーバーが応答しませんでした", En: "the shop's server did not answer"},
	}
	for _, c := range causes() {
		cause[string(c.Cause)] = c.Name
	}
	operation := map[string]noren.Text{}
	for name, said := range operations() {
		operation[name] = said
	}
	return map[string]map[string]noren.Text{
		"cause":  cause,
		"action": operation,
		"probe": {
			string(noren.ProbeScan): sayProbe(noren.ProbeScan).Name, string(noren.ProbeExploit): sayProbe(noren.ProbeExploit).Name, string(noren.ProbeShell): sayProbe(noren.ProbeShell).Name,
			"heartbleed": {Ja: "暗号化通信の古い弱点（Heartbleed）", En: "an old weakness of TLS (Heartbleed)"}, "heartbeat": {Ja: "暗号化通信の弱点を調べる接続", En: "a look for a weakness of TLS"}, "sslv2": {Ja: "古くて危ない暗号化（SSLv2）", En: "old, unsafe encryption (SSLv2)"},
		},
		"step":   wordsOf(sayStep, gateway.ThenSlow, gateway.ThenLine, gateway.ThenCheck, gateway.ThenWait, gateway.ThenBlock, gateway.ThenBan),
		"by":     wordsOf(sayBy, gateway.ByAddress, gateway.ByNet, gateway.BySession, gateway.ByAccount, gateway.BySite, gateway.ByASN, gateway.ByPass, gateway.ByDevice),
		"method": {"GET": {Ja: "ページを見る", En: "look at a page"}, "HEAD": {Ja: "ページがあるか確かめる", En: "ask whether a page is there"}, "POST": {Ja: "入力した内容を送る", En: "send what was typed"}, "PUT": {Ja: "内容を置きかえる", En: "replace something"}, "DELETE": {Ja: "何かを消す", En: "delete something"}, "OPTIONS": {Ja: "できることを尋ねる", En: "ask what is possible"}, "card": {Ja: "カード", En: "card"}, "konbini": {Ja: "コンビニ", En: "convenience store"}, "cod": {Ja: "代金引換", En: "cash on delivery"}, "bank": {Ja: "銀行振込", En: "bank transfer"}},
		"source": {"log": {Ja: "お店のサーバーのログ", En: "the shop's server log"}},
		"list":   {gateway.ListBan: listName(gateway.ListBan), gateway.ListAllow: listName(gateway.ListAllow), gateway.ListCheck: listName(gateway.ListCheck)},
		"mode":   {"normal": modeName("normal"), "busy": modeName("busy"), "attack": modeName("attack"), "closed": modeName("closed")},
		"op":     {"set": opName("set"), "lift": opName("lift"), "expire": opName("expire"), "confirm": opName("confirm"), "failed": opName("failed"), "remove": opName("remove"), "restore": opName("restore"), "open": opName("open"), "end": opName("end")},
		"state":  {"up": serverState("up"), "unwell": serverState("unwell"), "down": serverState("down")},
		"before": {"up": serverState("up"), "unwell": serverState("unwell"), "down": serverState("down")},
		"fields": {"mail": {Ja: "メールアドレス", En: "mail address"}, "password": {Ja: "パスワード", En: "password"}, "address": {Ja: "住所", En: "address"}, "phone": {Ja: "電話番号", En: "phone number"}, "name": {Ja: "お名前", En: "name"}},
	}
}

// wordsOf are the words of these codes.
func wordsOf[S ~string](say func(string) plain, all ...S) map[string]noren.Text {
	out := map[string]noren.Text{}
	for _, s := range all {
		out[string(s)] = say(string(s)).Name
	}
	return out
}

// byWords is whom a limit counts, also by a fact.
func byWords(by gateway.By) noren.Text {
	if s := sayBy(string(by)); s.Name.Ja != s.Raw {
		return s.Name
	}
	return noren.Text{Ja: "同じ特徴を持つ通信の合計", En: "requests that have something in common"}
}

// rateWords is a rate as people say it: 10 in 60 seconds is ten a minute.
func rateWords(r gateway.Rate) noren.Text {
	sec := int64(r.Per.Seconds())
	n := strconv.Itoa(r.Events)
	switch {
	case sec == 1:
		return noren.Text{Ja: "1秒に" + n + "回まで", En: n + " a second"}
	case sec == 60:
		return noren.Text{Ja: "1分に" + n + "回まで", En: n + " a minute"}
	case sec == 3600:
		return noren.Text{Ja: "1時間に" + n + "回まで", En: n + " an hour"}
	case sec > 0 && sec%3600 == 0:
		return fill("%[2]d時間に%[1]s回まで", "%s in %d hours", n, sec/3600)
	case sec > 0 && sec%60 == 0:
		return fill("%[2]d分に%[1]s回まで", "%s in %d minutes", n, sec/60)
	}
	return fill("%[2]d秒に%[1]s回まで", "%s in %d seconds", n, sec)
}

// statusWords is what an answer's status told the visitor.
func statusWords(status int64) noren.Text {
	switch {
	case status <= 0:
		return noren.Text{Ja: "（答えはまだ分かりません）", En: "(not known)"}
	case status == 304:
		return noren.Text{Ja: "前に見たものと同じと伝えました", En: "told that nothing changed since the last visit"}
	case status == 404, status == 410:
		return noren.Text{Ja: "そのページはないと伝えました", En: "told that there is no such page"}
	case status == 403:
		return noren.Text{Ja: "お断りしました", En: "refused"}
	case status == 401:
		return noren.Text{Ja: "サインインをお願いしました", En: "asked to sign in"}
	case status == 429:
		return noren.Text{Ja: "少し待ってからもう一度とお願いしました", En: "asked to try again a little later"}
	case status == 503:
		return noren.Text{Ja: "いまは応じられないと伝えました", En: "told that it is not possible just now"}
	case status < 300:
		return noren.Text{Ja: "ページを表示しました", En: "the page was shown"}
	case status < 400:
		return noren.Text{Ja: "別のページへご案内しました", En: "sent on to another page"}
	case status < 500:
		return noren.Text{Ja: "受け付けられないと伝えました", En: "told that it cannot be accepted"}
	}
	return noren.Text{Ja: "お店の側の不具合と伝えました", En: "told that the shop has a fault"}
}

// scale is what the firewall's score is measured against at a site.
type scale struct {
	Stops int // from this score on; 0 when it is not known
	Mode  gateway.WAFMode
}

// words are a score with its scale.
func (s scale) words(score int64) noren.Text {
	n := strconv.FormatInt(score, 10)
	switch points := (noren.Text{Ja: n + "点", En: n + " points"}); {
	case s.Stops <= 0:
		return points
	case s.Mode == gateway.WAFOff:
		return fill("%s。検査は切ってあります（入れると%d点から止めます）", "%s. The inspection is off (on, it stops from %d points)", points, s.Stops)
	case s.Mode == gateway.WAFShadow:
		return fill("%s。%d点から止める決まりですが、いまは記録だけです", "%s. It would stop from %d points; now it only records", points, s.Stops)
	default:
		return fill("%s。0点が正常、%d点から止めます", "%s. 0 is clean, from %d on it is stopped", points, s.Stops)
	}
}

// part is what one finding adds to the score.
func (s scale) part(score int64) noren.Text {
	if s.Stops <= 0 {
		return fill("%d点", "%d points", score)
	}
	return fill("%d点（合計が%d点になると止めます）", "%d points (from a sum of %d on it is stopped)", score, s.Stops)
}
