package console

import (
	"strconv"
	"strings"

	"noren"
	"noren/console/ui"
)

// plain is a word of the program in the shopkeeper's words. Pages show it by the part
// "said": the name, and what the program itself calls it one <details> deeper.
type plain struct {
	Name    noren.Text
	Meaning noren.Text // a sentence about it; empty where the name says all
	Raw     string     // "" where the program has no word for it
}

// sayZone is a part of the shop.
func sayZone(z noren.Zone) plain { return plain{Name: zoneName(z), Raw: ui.Plain(string(z))} }

// sayVerdict is what was decided.
func sayVerdict(v noren.Verdict) plain {
	i := verdictOf(v)
	return plain{i.Name, i.Meaning, ui.Plain(string(v))}
}

// sayCause is which part of Noren stopped a request.
func sayCause(c noren.Cause) plain {
	i := causeOf(c)
	return plain{Name: i.Name, Meaning: i.Meaning, Raw: ui.Plain(string(c))}
}

// sayRule is the rule that a stop names, in words that depend on what stopped it.
func sayRule(c noren.Cause, rule string) plain {
	raw := ui.Plain(rule)
	out := plain{Name: same(raw), Raw: raw}
	switch c {
	case noren.CauseWAF:
		out.Name = wafRule(rule)
	case noren.CauseMalformed:
		out.Name = textOr(malformations, rule, noren.Text{Ja: "規格に合わない形", En: "a form that the protocol does not have"})
	case noren.CauseLimit:
		out.Name = limitName(rule)
	case noren.CauseForbidden:
		out.Name = fill("見せてはいけない場所の型「%s」", "the pattern “%s” of what must never be served", raw)
	case noren.CausePolicy:
		out.Name = fill("お店の方針「%s」", "the shop's policy “%s”", raw)
	case noren.CauseAccess:
		out.Name = fill("入れる人の決まり「%s」", "the rule “%s” of who may enter", raw)
	case noren.CauseBan:
		out.Name = fill("遮断の登録「%s」", "the ban “%s”", raw)
	case noren.CauseEmergency:
		out.Name = textOr(switchNames, rule, causeOf(c).Name)
	default:
		out.Name = causeOf(c).Name
	}
	if rule == "" {
		out.Name = causeOf(c).Name
	}
	return out
}

// wafRule is a rule of the firewall by its number; the others have names.
func wafRule(rule string) noren.Text {
	if rule == "cheap" {
		return noren.Text{Ja: "名簿で知っている攻撃の形", En: "a form of attack known beforehand"}
	}
	n, _ := strconv.Atoi(rule)
	return ruleMeaning(n)
}

// sayHit is one thing that the firewall found: what it is and where it stood. Rules'
// own messages are English and for engineers, so they stay one step deeper.
func sayHit(h noren.Hit) plain {
	return plain{ruleMeaning(h.Rule), partMeaning(h.Field), strings.TrimSpace(strconv.Itoa(h.Rule) + " " + ui.Plain(h.Msg))}
}

// sayReason is one policy that fired: its own reason, or its name where the record
// has kept no more.
func sayReason(r noren.Reason) plain {
	out := plain{Name: r.Text, Meaning: verdictOf(r.Verdict).Name, Raw: ui.Plain(r.Policy)}
	if out.Name.Ja == "" && out.Name.En == "" {
		out.Name = fill("方針「%s」", "policy “%s”", out.Raw)
	}
	return out
}

// sayProbe is what the address of a request gives away about its intent.
func sayProbe(p noren.Probe) plain {
	return plain{Name: textOr(map[string]noren.Text{
		string(noren.ProbeNone):    {Ja: "怪しい点はありません", En: "nothing suspicious"},
		string(noren.ProbeScan):    {Ja: "弱い所を探す下見", En: "looking for weak places"},
		string(noren.ProbeExploit): {Ja: "弱点を突く攻撃そのもの", En: "an attack on a weakness"},
		string(noren.ProbeShell):   {Ja: "置き去りのプログラムへの命令", En: "an order to a program left behind"},
	}, string(p), same(ui.Plain(string(p)))), Raw: ui.Plain(string(p))}
}

// sayStep is the answer that a limit gave.
func sayStep(step string) plain {
	return plain{Name: textOr(map[string]noren.Text{
		"slow":  {Ja: "少し待たせて通した", En: "held back a little, then served"},
		"line":  {Ja: "順番待ちのページ", En: "the page of the line"},
		"check": {Ja: "確認のページ", En: "the check"},
		"wait":  {Ja: "少し待ってからとお願いした", En: "asked to come back shortly"},
		"block": {Ja: "止めた", En: "stopped"},
		"ban":   {Ja: "しばらく遮断した", En: "banned for a while"},
	}, step, same(ui.Plain(step))), Raw: ui.Plain(step)}
}

// sayBy is whose requests a limit counted.
func sayBy(by string) plain {
	return plain{Name: textOr(map[string]noren.Text{
		"address": {Ja: "同じIPアドレス", En: "one address"}, "net": {Ja: "同じネットワーク", En: "one network"}, "session": {Ja: "同じ訪問", En: "one visit"},
		"account": {Ja: "同じ会員", En: "one account"}, "device": {Ja: "同じ端末", En: "one device"}, "pass": {Ja: "確認を通った同じ方", En: "one visitor who passed the check"},
		"asn": {Ja: "同じ通信事業者", En: "one network operator"}, "site": {Ja: "お店全体", En: "the whole shop"},
	}, by, same(ui.Plain(by))), Raw: ui.Plain(by)}
}

var switchNames = map[string]noren.Text{
	"card":     {Ja: "カード決済だけ停止", En: "card payments stopped"},
	"login":    {Ja: "ログイン停止", En: "sign-in stopped"},
	"admin":    {Ja: "管理画面閉鎖", En: "admin closed"},
	"overseas": {Ja: "海外遮断", En: "visits from abroad stopped"},
}

// limitName says what a limit of the shipped limits.yaml is about; a shop's own has
// the name the shop gave it.
func limitName(limit string) noren.Text {
	what, of := limit, noren.Text{}
	for tail, t := range map[string]noren.Text{
		"_address": {Ja: "（1つのアドレスから）", En: " from one address"},
		"_net":     {Ja: "（1つのネットワークから）", En: " from one network"},
	} {
		if head, ok := strings.CutSuffix(limit, tail); ok {
			what, of = head, t
		}
	}
	t, ok := limitWhats[what]
	if !ok {
		return fill("速さの上限「%s」", "the limit “%s”", ui.Plain(limit))
	}
	return noren.Text{Ja: t.Ja + of.Ja, En: t.En + of.En}
}

var limitWhats = map[string]noren.Text{
	"flood":       {Ja: "ページを開く速さの上限", En: "the limit of how fast pages are opened"},
	"search":      {Ja: "検索の速さの上限", En: "the limit of searches"},
	"login":       {Ja: "ログインの回数の上限", En: "the limit of sign-ins"},
	"admin_login": {Ja: "管理画面ログインの回数の上限", En: "the limit of sign-ins to the admin"},
	"signup":      {Ja: "会員登録の回数の上限", En: "the limit of sign-ups"},
	"reset":       {Ja: "パスワード再設定の回数の上限", En: "the limit of password resets"},
	"contact":     {Ja: "お問い合わせの回数の上限", En: "the limit of contact forms"},
	"profile":     {Ja: "会員情報の変更回数の上限", En: "the limit of changes to an account"},
	"checkout":    {Ja: "購入手続きの回数の上限", En: "the limit of checkouts"},
	"card_add":    {Ja: "カード登録の回数の上限", En: "the limit of cards added"},
	"callback":    {Ja: "決済会社からの通知の回数の上限", En: "the limit of the payment provider's calls"},
	"streams":     {Ja: "開いたままの通信の数の上限", En: "the limit of connections kept open"},
	"attack-mode": {Ja: "攻撃モードの上限", En: "the limit of the attack mode"},
}

// malformations are the reasons for which the gateway refuses a request's form
// (gateway/bound.go, strict.go, body.go).
var malformations = map[string]noren.Text{
	"method":            {Ja: "使わない通信のしかた", En: "a method that no browser uses"},
	"uri_length":        {Ja: "長すぎるアドレス", En: "an address that is too long"},
	"target":            {Ja: "二通りに読めるアドレス", En: "an address that can be read in two ways"},
	"host":              {Ja: "店の名前の書き方の誤り", En: "a wrong name of the shop"},
	"unknown_host":      {Ja: "登録していない店の名前", En: "a name that this shop does not have"},
	"server_name":       {Ja: "暗号化のときと違う店の名前", En: "another name than in the encryption"},
	"nul":               {Ja: "隠した文字", En: "a hidden character"},
	"fragment":          {Ja: "送られるはずのない記号", En: "a sign that is never sent"},
	"query_pairs":       {Ja: "多すぎる項目", En: "too many fields"},
	"header_count":      {Ja: "多すぎる見出し", En: "too many headers"},
	"header_twice":      {Ja: "二度書かれた見出し", En: "a header given twice"},
	"field_twice":       {Ja: "二度書かれた項目", En: "a field given twice"},
	"trailer":           {Ja: "後から足した見出し", En: "headers added behind"},
	"transfer_encoding": {Ja: "読み方の食い違いを狙う形", En: "a form that two servers would read differently"},
	"content_length":    {Ja: "長さの食い違い", En: "lengths that contradict"},
	"connection":        {Ja: "つなぎ方のごまかし", En: "a trick with the connection"},
	"upgrade":           {Ja: "つなぎ方の切り替えの誤り", En: "a wrong change of protocol"},
	"method_override":   {Ja: "通信のしかたのすり替え", En: "a method that poses as another"},
	"content_encoding":  {Ja: "開けない圧縮", En: "a compression that cannot be opened"},
	"multipart":         {Ja: "崩れたファイル送信", En: "a broken upload"},
	"body":              {Ja: "崩れた内容", En: "a broken body"},
	"slow_body":         {Ja: "わざと遅い送り方", En: "sent too slowly"},
	"graphql_together":  {Ja: "まとめられない操作", En: "calls that may not go together"},
	"loop":              {Ja: "自分に戻ってきた通信", En: "a request that came back to itself"},
	"body_limit":        {Ja: "大きすぎる内容", En: "a body that is too large"},
	"inspect_limit":     {Ja: "調べきれない大きさの内容", En: "a body too large to inspect"},
	"unpacked_ratio":    {Ja: "開くとふくれ上がる圧縮", En: "a compression that blows up"},
	"peer":              {Ja: "だれからか分からない通信", En: "a request from nobody known"},
	"gone":              {Ja: "途中で切れた通信", En: "a request that broke off"},
}
