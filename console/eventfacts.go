package console

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"noren"
	"noren/console/ui"
)

// factLine is a fact in words.
type factLine struct {
	Name  string // as policies write it
	Text  noren.Text
	Value noren.Text
	Raw   string // the code, where Value is what it means
}

// factGroup are the facts about one thing.
type factGroup struct {
	Name  noren.Text
	Facts []factLine
}

// groupName names what the facts before the point of their name are about.
func groupName(of string) noren.Text {
	return textOr(map[string]noren.Text{
		"address": {Ja: "IPアドレスについて", En: "about the address"}, "net": {Ja: "ネットワークについて", En: "about the network"}, "device": {Ja: "端末について", En: "about the device"},
		"account": {Ja: "会員について", En: "about the account"}, "session": {Ja: "この訪問について", En: "about the visit"}, "site": {Ja: "お店全体について", En: "about the shop"},
		"staff": {Ja: "スタッフについて", En: "about the staff"}, "sequence": {Ja: "一連の手順", En: "steps in a sequence"}, "card": {Ja: "カードについて", En: "about the card"},
		"asn": {Ja: "通信事業者について", En: "about the network operator"}, "country": {Ja: "国について", En: "about the country"}, "request": {Ja: "通信そのもの", En: "the request itself"},
		"blocked": {Ja: "止めたこと", En: "how it was stopped"}, "zone": {Ja: "お店の場所", En: "where in the shop"}, "login": {Ja: "ログイン", En: "the sign-in"}, "order": {Ja: "ご注文", En: "the order"}, "payment": {Ja: "お支払い", En: "the payment"},
		"mail": {Ja: "メール", En: "mail"}, "change": {Ja: "会員情報の変更", En: "the change of account data"}, "tls": {Ja: "暗号化通信", En: "encryption"}, "client": {Ja: "接続したプログラム", En: "the program that connected"}, "entity": {Ja: "だれの・なんの", En: "who and what"},
	}, of, noren.Text{Ja: "そのほか", En: "other"})
}

// facts are those that were stored with the decision, grouped.
func (t *teller) facts(cat *noren.Catalogue, e *noren.Entry) (out []factGroup) {
	groups := map[string][]factLine{}
	for _, name := range slices.Sorted(maps.Keys(e.Facts)) {
		of, _, _ := strings.Cut(name, ".")
		l := t.factLine(cat, name, e.Facts[name])
		if rule, ok := e.Facts[name].(string); ok && name == "blocked.rule" && rule != "" {
			c, _ := causeAndStep(e)
			l.Value, l.Raw = sayRule(c, rule).Name, rule
		}
		groups[of] = append(groups[of], l)
	}
	for _, of := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, factGroup{groupName(of), groups[of]})
	}
	return out
}

func (t *teller) factLine(cat *noren.Catalogue, name string, value any) factLine {
	f, err := cat.Lookup(name)
	text := f.Meaning
	if err != nil || text.Ja == "" {
		text = same(ui.Plain(name)) // of a policy that is gone
	}
	if of, last, _ := strings.Cut(name, "."); of == "request" || of == "blocked" { // shorter than what whoever writes a policy reads
		text = textOr(map[string]noren.Text{last: fieldName(last)}, last, text)
	}
	line := factLine{Name: name, Text: text}
	switch x := value.(type) {
	case string:
		if word, ok := wordOf(name, x); ok {
			line.Value, line.Raw = word, x
			return line
		}
	case int64:
		if word, ok := t.numberWord(name, x); ok {
			line.Value, line.Raw = word, strconv.FormatInt(x, 10)
			return line
		}
	}
	line.Value = t.factValue(name, value, f.Unit)
	return line
}

// numberWord is what a number means that stands on a scale.
func (t *teller) numberWord(name string, n int64) (noren.Text, bool) {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "score":
		return t.scale.words(n), true
	case "status", "answered":
		return statusWords(n), true
	}
	return noren.Text{}, false
}

// factValue writes a value with its unit. A number of -1 stands for "not known" in
// several facts, and their meaning says so.
func (t *teller) factValue(name string, value any, unit string) noren.Text {
	w := ui.Words{}
	switch x := value.(type) {
	case bool:
		if x {
			return noren.Text{Ja: "はい", En: "yes"}
		}
		return noren.Text{Ja: "いいえ", En: "no"}
	case int64:
		n := w.Number(x)
		switch unit {
		case "count":
			return noren.Text{Ja: n + " 件", En: n}
		case "days":
			return noren.Text{Ja: n + " 日", En: n + " days"}
		case "seconds":
			return noren.Text{Ja: n + " 秒", En: n + " s"}
		case "bytes":
			return same(w.Bytes(x))
		case "minor units":
			return noren.Text{Ja: n + " 円（またはその通貨の最小単位）", En: n + " (yen, or the currency's smallest unit)"}
		}
		return same(n)
	case float64:
		if unit == "share" {
			return same(w.Percent(x))
		}
		return same(strconv.FormatFloat(x, 'g', 6, 64))
	case string:
		if x == "" {
			return noren.Text{Ja: "（不明）", En: "(not known)"}
		}
		return same(t.factText(name, x))
	case []string:
		if len(x) == 0 {
			return noren.Text{Ja: "（なし）", En: "(none)"}
		}
		all := make([]string, len(x))
		for i, s := range x {
			all[i] = t.text(s)
		}
		return same(strings.Join(all, ", "))
	case nil:
		return noren.Text{Ja: "（不明）", En: "(not known)"}
	}
	b, err := json.Marshal(value)
	if err != nil {
		return same("–")
	}
	return same(t.text(string(b)))
}

// factText masks those facts that are personal by their name.
func (t *teller) factText(name, value string) string {
	if field, ok := strings.CutPrefix(name, "entity."); ok {
		return t.entity(field, value)
	}
	switch name {
	case "request.query":
		return t.query(value)
	case "login.user", "mail.user":
		return t.name(value)
	case "address.country", "address.asn_name", "address.network":
		return value
	}
	return t.text(value)
}

// fieldName names a field of a payload in words.
func fieldName(json string) noren.Text {
	return textOr(map[string]noren.Text{
		"method": {Ja: "したこと", En: "what was done"}, "host": {Ja: "ホスト名", En: "host"}, "path": {Ja: "ページ（パス）", En: "page (path)"}, "query": {Ja: "ページに渡した内容", En: "what the page was asked"},
		"user_agent": {Ja: "ブラウザの名乗り", En: "browser calls itself"}, "referer": {Ja: "直前のページ", En: "page before"}, "protocol": {Ja: "通信の方式", En: "protocol"},
		"length": {Ja: "本文の大きさ（バイト）", En: "body bytes"}, "score": {Ja: "攻撃らしさの点数", En: "score of the firewall"}, "passed": {Ja: "確認のページを通過済み", En: "passed the check before"},
		"access_shadow": {Ja: "試験中の入室ルール", En: "access rule in shadow"}, "probe": {Ja: "探り・攻撃のしるし", En: "sign of probing"}, "answered": {Ja: "お店の答え", En: "shop's answer"}, "source": {Ja: "どこで見たか", En: "seen where"},
		"cause": {Ja: "理由", En: "cause"}, "rule": {Ja: "規則", En: "rule"}, "status": {Ja: "Noren の答え", En: "Noren's answer"}, "ticket": {Ja: "受付番号", En: "reference number"}, "step": {Ja: "上限の段階", En: "step of the limit"}, "by": {Ja: "誰の回数か", En: "counted by"},
		"user": {Ja: "ログイン名", En: "user"}, "success": {Ja: "成功", En: "succeeded"}, "fields": {Ja: "変わった項目", En: "fields changed"}, "number": {Ja: "注文番号", En: "order number"}, "total": {Ja: "合計", En: "total"}, "amount": {Ja: "金額", En: "amount"},
		"note": {Ja: "お店への伝言", En: "message"}, "order": {Ja: "注文", En: "order"}, "last4": {Ja: "カード下4桁", En: "last four digits"}, "code": {Ja: "決済会社の答え", En: "provider's answer"}, "factor": {Ja: "確認のしかた", En: "factor"}, "browser": {Ja: "ブラウザ", En: "browser"},
		"known": {Ja: "見覚えのあるブラウザ", En: "known browser"}, "action": {Ja: "操作", En: "action"}, "object": {Ja: "対象", En: "object"}, "records": {Ja: "件数", En: "records"}, "reason": {Ja: "理由", En: "reason"}, "reason_ja": {Ja: "理由（日本語）", En: "reason (Japanese)"},
		"version": {Ja: "設定の版", En: "version"}, "before": {Ja: "それまで", En: "before"}, "author": {Ja: "した人", En: "by"}, "files": {Ja: "変わったファイル", En: "files"}, "list": {Ja: "一覧", En: "list"}, "op": {Ja: "したこと", En: "what was done"}, "prefix": {Ja: "アドレス・ネットワーク", En: "address or network"},
		"until": {Ja: "いつまで", En: "until"}, "policy": {Ja: "方針", En: "policy"}, "repeat": {Ja: "前の回数", En: "times before"}, "mode": {Ja: "モード", En: "mode"}, "admit": {Ja: "1分に通す人数", En: "admitted a minute"}, "name": {Ja: "名前", En: "name"}, "networks": {Ja: "ネットワーク", En: "networks"},
		"zones": {Ja: "場所", En: "zones"}, "from": {Ja: "どこから", En: "from"}, "to": {Ja: "宛先", En: "to"}, "state": {Ja: "状態", En: "state"}, "not_after": {Ja: "期限", En: "valid until"}, "days": {Ja: "残り日数", En: "days left"}, "grade": {Ja: "評価", En: "grade"}, "problem": {Ja: "困りごと", En: "problem"},
		"step_micros": {Ja: "ずれ（マイクロ秒）", En: "step (µs)"}, "node": {Ja: "機械", En: "node"}, "than": {Ja: "相手の機械", En: "than"}, "server": {Ja: "サーバー", En: "server"}, "backup": {Ja: "予備", En: "backup"}, "up": {Ja: "動いている台数", En: "up"}, "of": {Ja: "全部の台数", En: "of"},
		"kana": {Ja: "フリガナ", En: "kana"}, "postal": {Ja: "郵便番号", En: "postal code"}, "prefecture": {Ja: "都道府県", En: "prefecture"}, "address": {Ja: "住所", En: "address"}, "phone": {Ja: "電話", En: "phone"}, "mail": {Ja: "メール", En: "mail"}, "items": {Ja: "商品", En: "items"},
		"receiver": {Ja: "お届け先", En: "receiver"}, "buyer": {Ja: "ご注文主", En: "buyer"}, "id": {Ja: "商品番号", En: "item"}, "quantity": {Ja: "個数", En: "pieces"}, "price": {Ja: "単価", En: "price"},
	}, json, same(json))
}

// mostLines bounds what a page shows of one payload.
const mostLines = 120

// carried are the fields of a payload that hold something, by its type: what its
// personal tag marks is masked.
func (t *teller) carried(p noren.Payload) (out []line) {
	if p == nil || reflect.ValueOf(p).IsNil() {
		return nil
	}
	t.fields(reflect.ValueOf(p).Elem(), noren.Text{}, &out)
	return out
}

func (t *teller) fields(v reflect.Value, of noren.Text, out *[]line) {
	for i := range v.NumField() {
		f, x := v.Type().Field(i), v.Field(i)
		if f.Anonymous {
			t.fields(x, of, out)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if x.IsZero() || name == "hits" || len(*out) >= mostLines { // hits have their own table
			continue
		}
		text := fieldName(name)
		if of.Ja != "" {
			text = fill("%s・%s", "%s, %s", of, text)
		}
		t.field(x, name, f.Tag.Get("personal") != "", text, out)
	}
}

func (t *teller) field(x reflect.Value, name string, personal bool, text noren.Text, out *[]line) {
	add := func(s string) {
		l := line{Name: text, Tech: name, Value: s}
		if word, ok := wordOf(name, s); ok {
			l.Word = word
		} else if n, err := strconv.ParseInt(s, 10, 64); err == nil && x.CanInt() {
			l.Word, _ = t.numberWord(name, n)
		}
		*out = append(*out, l)
	}
	switch y := x.Interface().(type) {
	case noren.Money:
		add(yen(y))
		return
	case noren.Time:
		add(ui.Exact(y))
		return
	}
	switch x.Kind() {
	case reflect.String:
		add(t.payloadText(name, x.String(), personal))
	case reflect.Pointer:
		t.fields(x.Elem(), text, out)
	case reflect.Slice:
		for i := range min(x.Len(), 30) {
			if e := x.Index(i); e.Kind() == reflect.Struct {
				t.fields(e, text, out)
			} else {
				add(t.payloadText(name, e.String(), personal))
			}
		}
	case reflect.Bool:
		*out = append(*out, line{Name: text, Tech: name, Value: strconv.FormatBool(x.Bool()), Word: noren.Text{Ja: "はい", En: "yes"}}) // what is false is not there
	default:
		add(strings.TrimSuffix(strings.TrimPrefix(jsonOf(x.Interface()), `"`), `"`))
	}
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "–"
	}
	return string(b)
}

// payloadText writes one text of a payload.
func (t *teller) payloadText(name, s string, personal bool) string {
	switch {
	case name == "author":
		return t.people.author(s).Ja
	case t.open || name == "user_agent" || name == "browser": // a browser's name is many people's
		return s
	case name == "query":
		return t.query(s)
	case name == "referer":
		return t.referer(s)
	case strings.Contains(s, "@") && personal:
		return t.name(s)
	case s == "anywhere":
		return s
	case name == "prefix", name == "networks", name == "from":
		return t.address(s)
	case name == "path", name == "prefecture":
		return t.text(s)
	case personal:
		return t.name(s)
	}
	return t.text(s)
}
