package console

import (
	"cmp"
	"strings"

	"noren"
	"noren/gateway/waf/exclusion"
)

// ofShop tells what customers and the shop's people did.
func (t *teller) ofShop(ev *noren.Event) (noren.Text, bool) {
	switch p := ev.Payload.(type) {
	case *noren.Login:
		if p != nil {
			return fill("%s さんがログインしようとしました（%s）", "%s tried to sign in (%s)", t.someone(ev, p.User), t.visitor(ev)), true
		}
	case *noren.LoginResult:
		if p != nil {
			return t.loginResult(ev, p), true
		}
	case *noren.AccountChange:
		if p != nil {
			return fill("会員 %s が %s を変えました（%s）", "%s changed %s (%s)", t.someone(ev, ""), changed(p.Fields), t.visitor(ev)), true
		}
	case *noren.Order:
		if p != nil {
			return fill("ご注文をお受けしました: %s（%s、%s）", "An order of %s (%s, %s)", yen(p.Total), method(p.Method), t.someone(ev, "")), true
		}
	case *noren.Payment:
		if p != nil {
			return fill("%s さんが %s を支払おうとしました（%s）", "%s tried to pay %s (%s)", t.someone(ev, ""), yen(p.Amount), method(p.Method)), true
		}
	case *noren.PaymentResult:
		if p != nil {
			return t.paymentResult(ev, p), true
		}
	case *noren.StaffSignIn:
		if p != nil {
			return t.staffSignIn(ev, p), true
		}
	case *noren.Operation:
		if p != nil {
			return t.operation(ev, p), true
		}
	}
	return noren.Text{}, false
}

// someone is a customer by the account, or else by where they came from.
func (t *teller) someone(ev *noren.Event, user string) noren.Text {
	if a := t.account(ev, user); a != "" {
		return same(a)
	}
	return t.visitor(ev)
}

func (t *teller) loginResult(ev *noren.Event, p *noren.LoginResult) noren.Text {
	who, from := t.someone(ev, p.User), t.visitor(ev)
	if p.Success {
		return fill("%s さんがログインしました（%s）", "%s signed in (%s)", who, from)
	}
	why := map[string]noren.Text{
		"wrong_password": {Ja: "パスワード違い", En: "wrong password"},
		"unknown_user":   {Ja: "そのような会員はいません", En: "no such account"},
		"locked":         {Ja: "ロック中", En: "locked"},
	}
	return fill("%s さんのログインは失敗しました（%s、%s）", "The sign-in of %s failed (%s, %s)", who, textOr(why, p.Cause, noren.Text{Ja: "理由は不明", En: "no reason given"}), from)
}

// textOr is a word of a table, the word itself when the table lacks it, and other
// when there is none.
func textOr(table map[string]noren.Text, word string, other noren.Text) noren.Text {
	if x, ok := table[word]; ok {
		return x
	}
	if word == "" {
		return other
	}
	return same(cutTo(word, 40))
}

func changed(fields []string) noren.Text {
	words := map[string]noren.Text{
		"mail": {Ja: "メールアドレス", En: "the mail address"}, "password": {Ja: "パスワード", En: "the password"},
		"address": {Ja: "住所", En: "the address"}, "phone": {Ja: "電話番号", En: "the phone number"}, "name": {Ja: "お名前", En: "the name"},
	}
	var ja, en []string
	for i, f := range fields {
		if i == 6 {
			ja, en = append(ja, "ほか"), append(en, "more")
			break
		}
		w := textOr(words, f, same(f))
		ja, en = append(ja, w.Ja), append(en, w.En)
	}
	if len(ja) == 0 {
		return noren.Text{Ja: "会員情報", En: "account data"}
	}
	return noren.Text{Ja: strings.Join(ja, "・"), En: strings.Join(en, ", ")}
}

func method(m string) noren.Text {
	return textOr(map[string]noren.Text{
		"card": {Ja: "カード", En: "card"}, "konbini": {Ja: "コンビニ", En: "convenience store"}, "cod": {Ja: "代金引換", En: "cash on delivery"},
		"bank": {Ja: "銀行振込", En: "bank transfer"},
	}, m, noren.Text{Ja: "支払い方法は不明", En: "way of paying unknown"})
}

func (t *teller) paymentResult(ev *noren.Event, p *noren.PaymentResult) noren.Text {
	who := t.someone(ev, "")
	if p.Success {
		return fill("%s さんのお支払い %s が済みました", "%s paid %s", who, yen(p.Amount))
	}
	return fill("%s さんのお支払い %s は断られました（決済会社の答え: %s）", "The payment of %s, %s, was refused (the provider said: %s)", who, yen(p.Amount), cutTo(cmp.Or(p.Code, "–"), 60))
}

func (t *teller) staffSignIn(ev *noren.Event, p *noren.StaffSignIn) noren.Text {
	who := t.people.author("staff:" + ev.Entities[noren.EntityStaff])
	if p.Success {
		return fill("%s がサインインしました（%s）", "%s signed in (%s)", who, t.visitor(ev))
	}
	why := map[string]noren.Text{
		"unknown": {Ja: "登録のないメールアドレス", En: "unknown mail address"}, "wrong_password": {Ja: "パスワード違い", En: "wrong password"},
		"wrong_code": {Ja: "確認コード違い", En: "wrong code"}, "too_many": {Ja: "回数が多すぎ", En: "too many tries"}, "not_stored": {Ja: "保存できず", En: "it could not be stored"},
	}
	return fill("スタッフのサインインが失敗しました（%s、%s）", "A staff sign-in failed (%s, %s)", textOr(why, p.Cause, noren.Text{Ja: "理由は不明", En: "no reason given"}), t.visitor(ev))
}

// operations are the acts of staff by name. What the shop's own admin reports is
// shown by its name.
func operations() map[string]noren.Text {
	return map[string]noren.Text{
		actReveal:              {Ja: "個人情報を表示しました", En: "laid personal data open"},
		actConceal:             {Ja: "個人情報の表示をやめました", En: "hid personal data again"},
		actExport:              {Ja: "できごとをCSVで保存しました（個人情報つき）", En: "saved events as CSV, personal data included"},
		"staff.owner_link":     {Ja: "店主の登録リンクを作りました", En: "made the owner's link"},
		"staff.invite":         {Ja: "スタッフを招待しました", En: "invited somebody"},
		"staff.reset_link":     {Ja: "再登録のリンクを作りました", En: "made a link to begin anew"},
		"staff.link_withdrawn": {Ja: "リンクを取り消しました", En: "withdrew a link"},
		"staff.join":           {Ja: "登録しました", En: "joined"},
		"staff.reset":          {Ja: "登録をやり直しました", En: "was set up anew"},
		"staff.role":           {Ja: "役割を変えました", En: "changed a role"},
		"staff.remove":         {Ja: "スタッフを外しました", En: "removed somebody"},
		"staff.session_end":    {Ja: "端末のサインインを終わらせました", En: "ended a session"},
		"staff.sign_out":       {Ja: "サインアウトしました", En: "signed out"},
		"staff.password":       {Ja: "パスワードを変えました", En: "changed the password"},
		"staff.second_factor":  {Ja: "確認コードのアプリを変えました", En: "changed the second factor"},
		"staff.recovery_codes": {Ja: "予備のコードを作り直しました", En: "made new recovery codes"},
		"staff.reconfirm":      {Ja: "確認コードを入れました", En: "gave the second factor again"},
		"order.export":         {Ja: "注文を書き出しました", En: "exported orders"},
		"customer.export":      {Ja: "お客様の一覧を書き出しました", En: "exported customers"},
	}
}

func (t *teller) operation(ev *noren.Event, p *noren.Operation) noren.Text {
	who := t.people.author("staff:" + ev.Entities[noren.EntityStaff])
	did := textOr(operations(), p.Action, noren.Text{Ja: "操作しました", En: "did something"})
	_, known := operations()[p.Action]
	if excluded, ok := exclusion.ActText(p.Action); ok {
		did, known = excluded, true
	}
	text := fill("%s が%s", "%s %s", who, did)
	if !known {
		text = fill("%s の操作: %s", "%s did: %s", who, did)
	}
	if p.Records > 0 {
		text = fill("%s（%d件）", "%s (%d records)", text, p.Records)
	}
	return text
}
