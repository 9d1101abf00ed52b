package console

import (
	"fmt"
	"slices"
	"strings"

	"noren"
	"noren/console/ui"
)

// fill makes a sentence in both languages; arguments that are Texts are put in
// in the sentence's own language.
func fill(ja, en string, args ...any) noren.Text {
	in := func(lang, format string) string {
		mine := make([]any, len(args))
		for i, a := range args {
			if t, ok := a.(noren.Text); ok {
				a = t.In(lang)
			}
			mine[i] = a
		}
		if len(mine) == 0 {
			return format
		}
		return fmt.Sprintf(format, mine...)
	}
	return noren.Text{Ja: in("ja", ja), En: in("en", en)}
}

// same is a text that is no language's, such as a name.
func same(s string) noren.Text { return noren.Text{Ja: s, En: s} }

// verdictInfo is a verdict in the shopkeeper's words.
type verdictInfo struct {
	Verdict       noren.Verdict
	Tone          ui.Tone
	Name, Meaning noren.Text
}

// verdicts are all there are, from mildest to strictest.
func verdicts() []verdictInfo {
	return []verdictInfo{
		{noren.Allow, ui.Good, noren.Text{Ja: "通過", En: "passed"}, noren.Text{Ja: "そのままお通ししました。", En: "Let through as usual."}},
		{noren.Limit, ui.Check, noren.Text{Ja: "間を置いた", En: "slowed"}, noren.Text{Ja: "速すぎたので、少し待ってからもう一度とお願いしました。", En: "Too fast; asked to try again a little later."}},
		{noren.Challenge, ui.Check, noren.Text{Ja: "確認した", En: "checked"}, noren.Text{Ja: "人がブラウザーで見ているか、短い確認のページを通っていただきました。", En: "Shown a short check that a person with a browser passes."}},
		{noren.StepUp, ui.Check, noren.Text{Ja: "本人確認", En: "asked for proof"}, noren.Text{Ja: "本人である証しを、もう一つお願いしました。", En: "Asked for one more proof of who they are."}},
		{noren.Review, ui.Check, noren.Text{Ja: "人が確認", En: "for review"}, noren.Text{Ja: "受け付けました。発送の前に、お店の人が見ます。", En: "Accepted; a person looks before it ships."}},
		{noren.Hold, ui.Check, noren.Text{Ja: "保留", En: "on hold"}, noren.Text{Ja: "受け付けましたが、発送しません。", En: "Accepted, and not to be shipped."}},
		{noren.Block, ui.Alert, noren.Text{Ja: "止めた", En: "stopped"}, noren.Text{Ja: "お店に届く前に止めました。", En: "Stopped before the shop saw it."}},
	}
}

func verdictOf(v noren.Verdict) verdictInfo {
	all := verdicts()
	if i := slices.IndexFunc(all, func(i verdictInfo) bool { return i.Verdict == v }); i >= 0 {
		return all[i]
	}
	if v == "" {
		return verdictInfo{Tone: ui.Calm, Name: noren.Text{Ja: "記録", En: "noted"}}
	}
	return verdictInfo{Verdict: v, Tone: ui.Calm, Name: same(string(v))}
}

// badgeOf is what was decided; what tells of Noren itself was only noted.
func badgeOf(e *noren.Entry) ui.Badge {
	if i, err := e.Event.Kind.Info(); err != nil || i.Operational {
		return ui.Badge{Tone: ui.Calm, Text: verdictOf("").Name}
	}
	if b, asked := askedBadge(e); asked {
		return b
	}
	v := verdictOf(e.Decision.Verdict)
	return ui.Badge{Tone: v.Tone, Text: v.Name}
}

// askedBadge is of a request that was stopped for now and accuses nobody: the
// visitor was asked for something.
func askedBadge(e *noren.Entry) (b ui.Badge, ok bool) {
	cause, _, _ := strings.Cut(e.Rule, ":")
	step := ""
	if p, is := e.Event.Payload.(*noren.Blocked); is && p != nil {
		cause, step = string(p.Cause), p.Step
	}
	if e.Event.Kind != noren.HTTPBlocked {
		return b, false
	}
	switch c := noren.Cause(cause); {
	case c == noren.CauseChallenge, c == noren.CauseLimit && step == "check":
		return ui.Badge{Tone: ui.Check, Text: verdictOf(noren.Challenge).Name}, true
	case c == noren.CauseLimit && (step == "line" || step == "wait"), c == noren.CauseQueue, c == noren.CauseOverload:
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "お待ちいただいた", En: "asked to wait"}}, true
	case c == noren.CauseClosed:
		return ui.Badge{Tone: ui.Calm, Text: causeOf(noren.CauseClosed).Name}, true
	}
	return b, false
}

// kindName is a kind in words; one that this version does not know by its name.
func kindName(k noren.Kind) noren.Text {
	if i, err := k.Info(); err == nil {
		return i.Meaning
	}
	return fill("知らない種類の出来事（%s）", "An event of a kind not known here (%s)", ui.Plain(string(k)))
}

// zoneName is a zone in words.
func zoneName(z noren.Zone) noren.Text {
	if i, ok := z.Info(); ok {
		return i.Meaning
	}
	if z == "" {
		return same("–")
	}
	return same(ui.Plain(string(z)))
}

// entityInfo is a party of events in words.
type entityInfo struct {
	Field string
	Name  noren.Text
}

// entities are those that people search for, the most usual first.
func entities() []entityInfo {
	return []entityInfo{
		{noren.EntityAddress, noren.Text{Ja: "IPアドレス", En: "IP address"}},
		{noren.EntityNet, noren.Text{Ja: "ネットワーク", En: "network"}},
		{noren.EntityAccount, noren.Text{Ja: "会員（メール・ログイン名）", En: "account (mail, sign-in name)"}},
		{noren.EntitySession, noren.Text{Ja: "訪問（セッション）", En: "visit (session)"}},
		{noren.EntityDevice, noren.Text{Ja: "端末", En: "device"}},
		{noren.EntityOrder, noren.Text{Ja: "注文番号", En: "order number"}},
		{noren.EntityCard, noren.Text{Ja: "カード（決済会社の番号）", En: "card (the payment provider's name for it)"}},
		{noren.EntityMail, noren.Text{Ja: "メールアドレス", En: "mail address"}},
		{noren.EntityPhone, noren.Text{Ja: "電話番号", En: "phone number"}},
		{noren.EntityStaff, noren.Text{Ja: "スタッフ", En: "staff"}},
	}
}

// otherEntities stand in events and are not searched for.
func otherEntities() []entityInfo {
	return []entityInfo{
		{noren.EntityBIN, noren.Text{Ja: "カードの種類（先頭の数字）", En: "beginning of the card number"}},
		{noren.EntityItem, noren.Text{Ja: "商品", En: "item"}},
		{noren.EntityJA4, noren.Text{Ja: "接続したプログラムの特徴（JA4）", En: "fingerprint of the program (JA4)"}},
		{noren.EntityASN, noren.Text{Ja: "事業者の番号（AS）", En: "network operator (AS)"}},
		{noren.EntityCountry, noren.Text{Ja: "国", En: "country"}},
		{noren.EntitySite, noren.Text{Ja: "お店", En: "site"}},
	}
}

func entityName(field string) noren.Text {
	for _, e := range append(entities(), otherEntities()...) {
		if e.Field == field {
			return e.Name
		}
	}
	return same(ui.Plain(field))
}

// ruleMeaning says what family of attack a firewall rule is about: the Core Rule
// Set numbers its files (coreruleset.org/docs/3-about-rules/rules).
func ruleMeaning(rule int) noren.Text {
	if rule > 0 && rule <= noren.MaxOwnRule {
		return noren.Text{Ja: "お店が自分で足した規則", En: "a rule that the shop added itself"}
	}
	families := map[int]noren.Text{
		911: {Ja: "許していない通信のしかた", En: "a method that is not allowed"},
		913: {Ja: "弱点を探す道具", En: "a tool that looks for weaknesses"},
		920: {Ja: "規格に合わない通信", En: "a breach of the protocol"},
		921: {Ja: "通信をごまかす仕掛け", En: "a trick with the protocol"},
		922: {Ja: "ファイル送信の形のごまかし", En: "a trick with an upload's form"},
		930: {Ja: "サーバーの中のファイルをのぞく仕掛け", En: "an attempt to read the server's own files"},
		931: {Ja: "よその悪いファイルを読み込ませる仕掛け", En: "an attempt to load a file from elsewhere"},
		932: {Ja: "サーバーに命令を実行させる仕掛け", En: "an attempt to run commands on the server"},
		933: {Ja: "PHPのプログラムを動かさせる仕掛け", En: "an attempt to run PHP code"},
		934: {Ja: "プログラムを動かさせる仕掛け", En: "an attempt to run code"},
		941: {Ja: "ページに悪いスクリプトを埋め込む仕掛け（XSS）", En: "an attempt to put a script into a page (XSS)"},
		942: {Ja: "データベースをあやつる仕掛け（SQLインジェクション）", En: "an attempt to steer the database (SQL injection)"},
		943: {Ja: "他人の訪問を乗っ取る仕掛け", En: "an attempt to fix somebody's session"},
		944: {Ja: "Javaのプログラムを動かさせる仕掛け", En: "an attempt to run Java code"},
		949: {Ja: "疑わしい点の合計", En: "the sum of what was suspicious"},
		959: {Ja: "お店の答えの疑わしい点の合計", En: "the sum of what was suspicious in the answer"},
	}
	if t, ok := families[noren.RuleFamily(rule)]; ok {
		return t
	}
	return noren.Text{Ja: "攻撃に似た文字列", En: "text that looks like an attack"}
}

// partMeaning says where in a request a firewall rule found something.
func partMeaning(field string) noren.Text {
	kind, name, _ := strings.Cut(field, ":")
	name = ui.Plain(name)
	switch {
	case strings.HasPrefix(kind, "ARGS") && name != "":
		return fill("入力欄「%s」", "form field “%s”", name)
	case strings.HasPrefix(kind, "ARGS"):
		return noren.Text{Ja: "入力欄", En: "a form field"}
	case strings.EqualFold(field, "REQUEST_HEADERS:User-Agent"):
		return noren.Text{Ja: "ブラウザの名乗り", En: "what the browser calls itself"}
	case kind == "REQUEST_HEADERS":
		return fill("通信の見出し「%s」", "header “%s”", name)
	case strings.HasPrefix(kind, "REQUEST_COOKIES"):
		return fill("Cookie「%s」", "cookie “%s”", name)
	case strings.HasPrefix(kind, "REQUEST_URI"), strings.HasPrefix(kind, "REQUEST_FILENAME"), kind == "REQUEST_BASENAME", kind == "REQUEST_LINE", kind == "QUERY_STRING":
		return noren.Text{Ja: "ページのアドレス", En: "the page's address"}
	case strings.HasPrefix(kind, "FILES"), strings.HasPrefix(kind, "MULTIPART"):
		return noren.Text{Ja: "送られたファイル", En: "an uploaded file"}
	case kind == "REQUEST_BODY", kind == "XML", kind == "JSON":
		return noren.Text{Ja: "送られた内容", En: "what was sent"}
	case kind == "":
		return noren.Text{Ja: "通信全体", En: "the request as a whole"}
	}
	return same(ui.Plain(field))
}
