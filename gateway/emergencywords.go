package gateway

import (
	"fmt"
	"slices"
	"time"

	"noren"
)

// SwitchInfo is a switch in the words of a shopkeeper.
type SwitchInfo struct {
	Switch Switch `json:"switch"`
	Mode   Mode   `json:"mode,omitempty"` // the mode it is, "" for one that stands beside the modes
	// Name is the button, Does what it stops, Customers what they see, Spares what
	// goes on.
	Name      noren.Text `json:"name"`
	Does      noren.Text `json:"does"`
	Customers noren.Text `json:"customers"`
	Spares    noren.Text `json:"spares"`
}

var modeSpares = noren.Text{
	Ja: "お支払いの途中の方、決済会社からの通知、管理画面、許可リストの接続元は、そのまま通ります",
	En: "Payments under way, calls from the payment company, the admin and the allow-list go on",
}

// Switches lists the switches, those that stop a part of the shop first.
func Switches() []SwitchInfo {
	return []SwitchInfo{
		{Switch: SwitchCard,
			Name:      noren.Text{Ja: "カード決済だけ停止", En: "Stop card payments"},
			Does:      noren.Text{Ja: "カードでのお支払いと、カードの登録を止めます。お店は開いたままです", En: "Stops paying by card and adding cards. The shop stays open"},
			Customers: noren.Text{Ja: "カードを選んだ方に「カードでのお支払いを一時停止しています」と出ます。カートはそのまま残り、銀行振込・代金引換・コンビニなどで注文できます", En: "Who pays by card reads that cards are paused. The cart is kept, and every other way of paying works"},
			Spares:    noren.Text{Ja: "決済会社からの通知と、本人認証（3Dセキュア）からの戻りは切りません。許可リストの方も、カードでは払えません", En: "Calls from the payment company and returns from 3-D Secure are never cut. The allow-list does not pay by card either"}},
		{Switch: SwitchLogin,
			Name:      noren.Text{Ja: "ログイン停止", En: "Stop sign-in"},
			Does:      noren.Text{Ja: "お客様のログイン・会員登録・パスワードの再設定を止めます", En: "Stops customers' sign-in, sign-up and password reset"},
			Customers: noren.Text{Ja: "ログインしようとした方に「ログインと会員登録を一時停止しています」と出ます", En: "Who signs in reads that sign-in is paused"},
			Spares:    noren.Text{Ja: "ログイン済みの方と、会員登録なしのご注文は、そのまま続けられます。管理画面のログインは止まりません", En: "Who is signed in, and who orders as a guest, goes on. The admin's sign-in is not stopped"}},
		{Switch: SwitchAdmin,
			Name:      noren.Text{Ja: "管理画面閉鎖", En: "Close the admin"},
			Does:      noren.Text{Ja: "お店の管理画面を、許可リスト・名前を付けた場所・非常開放の方だけに絞ります", En: "Closes the shop's admin to everybody but the allow-list, named places and who is let in by noren open"},
			Customers: noren.Text{Ja: "お客様には何も変わりません。管理画面を開こうとした人には「管理画面は、ただいま閉じています」と出ます", En: "Nothing changes for customers. Who opens the admin reads that it is closed"},
			Spares:    noren.Text{Ja: "お店とご注文は、そのまま続きます", En: "The shop and its orders go on"}},
		{Switch: SwitchOverseas,
			Name:      noren.Text{Ja: "海外遮断", En: "Shut out visits from abroad"},
			Does:      noren.Text{Ja: "日本の外からのアクセスを、お店も管理画面も止めます", En: "Stops visits from outside Japan, to the shop and to the admin"},
			Customers: noren.Text{Ja: "海外からの方に「海外からのアクセスを一時停止しています」と出ます", En: "Who comes from abroad reads that visits from abroad are paused"},
			Spares:    noren.Text{Ja: "国がわからない接続元は海外とみなしません。許可リスト、名前を付けた場所、確認できた検索エンジン、決済会社からの通知、本人認証からの戻りは通ります", En: "An address whose country is not known is not foreign. The allow-list, named places, verified search engines, calls from the payment company and returns from 3-D Secure go on"}},
		{Switch: SwitchClosed, Mode: ModeClosed,
			Name:      noren.Text{Ja: "全停止（告知ページ）", En: "Close the shop"},
			Does:      noren.Text{Ja: "お店を閉め、告知のページだけを出します", En: "Closes the shop and shows the standby page alone"},
			Customers: noren.Text{Ja: "どのページを開いても「ただいま準備中です」と出ます", En: "Every page says that the shop is closed for a moment"},
			Spares:    modeSpares},
		{Switch: SwitchBusy, Mode: ModeBusy,
			Name:      noren.Text{Ja: "混雑モード", En: "Busy"},
			Does:      noren.Text{Ja: "新しい方を、来た順に一定の速さでお通しします", En: "Lets new visitors in at a steady rate, in the order they came"},
			Customers: noren.Text{Ja: "新しい方に順番待ちのページが出て、順番が来るとお店が開きます", En: "New visitors see the line, and the shop when it is their turn"},
			Spares:    modeSpares},
		{Switch: SwitchAttack, Mode: ModeAttack,
			Name:      noren.Text{Ja: "攻撃モード", En: "Under attack"},
			Does:      noren.Text{Ja: "どなたにも一度だけ、確認のページを通っていただきます", En: "Every visitor passes the check once"},
			Customers: noren.Text{Ja: "初めの一度だけ、1秒ほどの確認のページが出ます", En: "Once, a check of about a second"},
			Spares:    modeSpares},
	}
}

func (s Switch) info() (SwitchInfo, bool) {
	all := Switches()
	i := slices.IndexFunc(all, func(i SwitchInfo) bool { return i.Switch == s })
	if i < 0 {
		return SwitchInfo{}, false
	}
	return all[i], true
}

// pausedKinds are what visitors read whom a switch stops.
var pausedKinds = map[Switch]stopKind{
	SwitchCard: {
		heading: noren.Text{Ja: "カードでのお支払いを、一時停止しています", En: "Card payment is paused"},
		body: noren.Text{
			Ja: "ただいま、クレジットカードなどのカードでのお支払いをお受けしておりません。ご不便をおかけして申し訳ございません。いまのお支払いは行われていません。カートの中身は、そのまま残っています。",
			En: "The shop is not taking payment by card for the time being. We are sorry for the inconvenience. This payment was not made, and your cart is kept.",
		},
		again: noren.Text{
			Ja: "お支払い方法の選択へ戻り、銀行振込・代金引換・コンビニ払いなど、カード以外の方法をお選びください。",
			En: "Please go back and choose another way of paying, such as bank transfer, cash on delivery or a convenience store.",
		},
	},
	SwitchLogin: {
		heading: noren.Text{Ja: "ログインと会員登録を、一時停止しています", En: "Sign-in is paused"},
		body: noren.Text{
			Ja: "皆さまの会員情報を守るため、ただいま、ログイン・会員登録・パスワードの再設定をお受けしておりません。ご不便をおかけして申し訳ございません。",
			En: "To protect our customers' accounts, sign-in, sign-up and password reset are paused for the time being. We are sorry for the inconvenience.",
		},
		again: noren.Text{
			Ja: "すでにログインされている方は、そのままお買い物を続けられます。ほかの方は、しばらくたってから、もう一度お試しください。",
			En: "If you are signed in already, you can go on shopping. Otherwise please try again in a while.",
		},
	},
	SwitchAdmin: {
		heading: noren.Text{Ja: "管理画面は、ただいま閉じています", En: "The admin is closed"},
		body: noren.Text{
			Ja: "お店の判断で、管理画面をいったん閉めています。いまお使いの回線からは開けません。",
			En: "The shop has closed its admin for the time being. It does not open from the connection you are using.",
		},
		again: noren.Text{
			Ja: "お店の方は、下のアドレスと受付番号を、Noren を管理している方にお伝えください。",
			En: "If you work for the shop, please give the address and the number below to whoever looks after Noren.",
		},
	},
	SwitchOverseas: {
		heading: noren.Text{Ja: "海外からのアクセスを、一時停止しています", En: "Visits from outside Japan are paused"},
		body: noren.Text{
			Ja: "お店を守るため、ただいま、日本国外からのアクセスをお受けしておりません。ご不便をおかけして申し訳ございません。すでにいただいたご注文は、そのままお預かりしております。",
			En: "To protect the shop, visits from outside Japan are paused for the time being. We are sorry for the inconvenience. Orders you have placed are safe with us.",
		},
		again: noren.Text{
			Ja: "しばらくたってから、またお越しください。日本からお越しの方は、お手数ですが、下の受付番号をお店へお知らせください。",
			En: "Please come back in a while. If you are in Japan, please tell the shop and give the number below.",
		},
	},
}

// pausedUntil follows when the owner said when it goes on.
var pausedUntil = noren.Text{
	Ja: "再開は、%sごろ（あと%sほど）の予定です。",
	En: "We expect to resume around %s, in about %s.",
}

// payBack is the link of a buyer who paid by card.
var payBack = noren.Text{Ja: "お支払い方法を選び直す", En: "Choose another way of paying"}

// pausedLine is what a page says of what to do and how long.
func (s *stop) pausedLine(lang string, at time.Time) string {
	text := s.words().again.In(lang)
	if s.until.IsZero() || s.paused.by == SwitchAdmin {
		return text
	}
	if lang == "en" {
		text += " "
	}
	return text + fmt.Sprintf(pausedUntil.In(lang), dayAndHour(s.until, lang), waiting(s.until.Sub(at), lang))
}

// goesOn reports whether the visitor's way leads on to the shop and not to the
// same page again.
func (p *paused) goesOn() bool { return p != nil && p.by != SwitchOverseas }

// cardMessage is what a buyer reads in the shop's own page.
func cardMessage(lang string) string {
	k := pausedKinds[SwitchCard]
	if lang == "en" {
		return k.heading.En + ". " + k.again.En
	}
	return k.heading.Ja + "。" + k.again.Ja
}
