package gateway

import (
	"net/http"

	"noren"
)

// stopKind says which words a stopped visitor reads. It tells a visitor what to
// do, and an attacker nothing: a firewall finding, a ban and a policy look alike.
type stopKind struct{ heading, body, again noren.Text }

var stopKinds = map[int]stopKind{
	http.StatusForbidden: {
		heading: noren.Text{Ja: "このままお通しできませんでした", En: "We could not let this through"},
		body: noren.Text{
			Ja: "お店を守る仕組みが、ただいまの操作をお止めしました。入力された文字や通信のようすが、攻撃に使われるものとたまたま似ていただけのこともあります。",
			En: "The system that protects this shop stopped what was just asked for. Sometimes a harmless message or connection happens to look like an attack.",
		},
		again: noren.Text{
			Ja: "お心当たりがないときは、お手数ですが、下の受付番号をお店へお知らせください。番号をもとに、何が起きたかをお調べします。",
			En: "If this surprises you, please tell the shop and give the number below. From it they can see what happened.",
		},
	},
	http.StatusTooManyRequests: {
		heading: noren.Text{Ja: "少しだけ、お待ちください", En: "One moment, please"},
		body: noren.Text{
			Ja: "短いあいだに操作が続いたため、いったん間を置かせていただいています。同じ回線をお使いの方が多いときにも、このページが出ることがあります。",
			En: "There were many requests in a short time, so we are taking a short pause. This page can also appear when many people share one connection.",
		},
		again: noren.Text{
			Ja: "%sほどたってから、もう一度お試しください。",
			En: "Please try again in about %s.",
		},
	},
	http.StatusRequestEntityTooLarge: {
		heading: noren.Text{Ja: "送られた内容が大きすぎました", En: "What you sent is too large"},
		body: noren.Text{
			Ja: "お店が一度に受け取れる大きさを超えていたため、お受けできませんでした。一部だけが届いていることもありません。",
			En: "It is larger than this shop takes at once, so none of it was accepted. Nothing arrived in part.",
		},
		again: noren.Text{
			Ja: "前のページへ戻り、文章を短くするか、画像やファイルを小さくして、もう一度お試しください。",
			En: "Please go back, shorten the text or make the picture or file smaller, and try again.",
		},
	},
	http.StatusUnsupportedMediaType: {
		heading: noren.Text{Ja: "この形ではお受けできません", En: "This form cannot be accepted"},
		body: noren.Text{
			Ja: "送られた内容の圧縮のしかたを、こちらでは読み取れません。",
			En: "What was sent is compressed in a way that cannot be read here.",
		},
		again: noren.Text{
			Ja: "圧縮せずに、または gzip で圧縮して、もう一度お送りください。",
			En: "Please send it again uncompressed, or compressed with gzip.",
		},
	},
	http.StatusBadRequest: {
		heading: noren.Text{Ja: "うまく読み取れませんでした", En: "We could not read this request"},
		body: noren.Text{
			Ja: "届いた内容の形が崩れていたため、お店へお取り次ぎできませんでした。",
			En: "What arrived was not in a form that can be passed on to the shop.",
		},
		again: noren.Text{
			Ja: "前のページへ戻り、もう一度お試しください。くり返し起きるときは、お手数ですが、下の受付番号をお店へお知らせください。",
			En: "Please go back and try again. If it keeps happening, tell the shop and give the number below.",
		},
	},
	http.StatusMisdirectedRequest: {
		heading: noren.Text{Ja: "こちらに、そのお店はありません", En: "There is no such shop here"},
		body: noren.Text{
			Ja: "お探しのアドレスのお店は、この場所では営んでおりません。",
			En: "No shop of the name you asked for is kept at this place.",
		},
		again: noren.Text{
			Ja: "アドレスの綴りに間違いがないか、お確かめください。",
			En: "Please check the spelling of the address.",
		},
	},
	http.StatusServiceUnavailable: {
		heading: noren.Text{Ja: "お店はただいま支度中です", En: "The shop is getting ready"},
		body: noren.Text{
			Ja: "お店のページを、いまお見せすることができません。ご不便をおかけして申し訳ございません。",
			En: "The shop's page cannot be shown right now. We are sorry for the trouble.",
		},
		again: noren.Text{
			Ja: "%sほどたってから、もう一度お越しください。ご注文の途中でしたら、注文が済んでいるかどうかを、購入履歴や確認メールでお確かめください。",
			En: "Please come back in about %s. If you were placing an order, check your order history or mail to see whether it went through.",
		},
	},
}

// busy is a 503 that the gateway itself gives because it cannot inspect more.
var busy = stopKind{
	heading: noren.Text{Ja: "ただいま混み合っています", En: "We are very busy just now"},
	body: noren.Text{
		Ja: "多くの方にお越しいただいているため、いまは新しくお通しできません。申し訳ございません。",
		En: "Many people are here at once, so we cannot let anyone else in for a moment. We are sorry.",
	},
	again: noren.Text{
		Ja: "%sほどたってから、もう一度お試しください。",
		En: "Please try again in about %s.",
	},
}

// shopClosed is the standby page; inTheLine and lineFull stand before a crowded shop.
var (
	shopClosed = stopKind{
		heading: noren.Text{Ja: "ただいま準備中です", En: "We are closed for a moment"},
		body: noren.Text{
			Ja: "お店を、いま一時的に閉めております。ご不便をおかけして申し訳ございません。すでにいただいたご注文は、そのままお預かりしております。",
			En: "The shop is closed for the time being. We are sorry for the inconvenience. Orders you have placed are safe with us.",
		},
		again: noren.Text{
			Ja: "しばらくたってから、またお越しください。お待ちしております。",
			En: "Please come back in a while. We look forward to seeing you.",
		},
	}
	// reopens follows when the owner said when the shop is back: the time of day,
	// because one wants to know it later as well, and how long that is from now.
	reopens = noren.Text{
		Ja: "再開は、%sごろ（あと%sほど）の予定です。またのお越しをお待ちしております。",
		En: "We expect to be back around %s, in about %s. We look forward to seeing you.",
	}
	// shopDown comes by itself while no server of the shop can be reached. The
	// shop saw nothing of the request, and the page says so.
	shopDown = stopKind{
		heading: noren.Text{Ja: "ただいまメンテナンス中です", En: "We are under maintenance"},
		body: noren.Text{
			Ja: "お店は、いま一時的にお休みしております。ご不便をおかけして申し訳ございません。ただいまの操作は、お店に届いておりません。",
			En: "The shop is away for a moment. We are sorry for the inconvenience. What you just did has not reached the shop.",
		},
		again: noren.Text{
			Ja: "%sほどたってから、もう一度お試しください。すでにいただいたご注文は、そのままお預かりしております。",
			En: "Please try again in about %s. Orders you placed before are safe with us.",
		},
	}
	inTheLine = stopKind{
		heading: noren.Text{Ja: "順番にご案内しています", En: "You are in line"},
		body: noren.Text{
			Ja: "ただいま大変混み合っているため、お越しいただいた順にお通ししています。このページを開いたまま、お待ちください。順番が来ると、自動でお店が開きます。",
			En: "The shop is very busy, so visitors come in in the order they arrived. Please keep this page open: the shop appears by itself when it is your turn.",
		},
		again: noren.Text{Ja: "お待ちいただく時間は、あと%sほどです。", En: "It will take about %s more."},
	}
	lineFull = stopKind{
		heading: noren.Text{Ja: "ただいま、列がいっぱいです", En: "The line is full just now"},
		body: noren.Text{
			Ja: "大変多くの方にお待ちいただいているため、新しくお並びいただくことができません。申し訳ございません。",
			En: "So many people are waiting that nobody else can join the line. We are sorry.",
		},
		again: noren.Text{Ja: "%sほどたってから、もう一度お越しください。", En: "Please come back in about %s."},
	}
)

// noEntry is for who came to the shop's admin from a place that may not enter. It
// may be the owner abroad, so it says what to tell whom.
var noEntry = stopKind{
	heading: noren.Text{Ja: "この場所からは、管理画面に入れません", En: "The admin cannot be entered from here"},
	body: noren.Text{
		Ja: "お店の管理画面は、決められた場所からだけ開けるようになっています。いまお使いの回線は、その中にありません。",
		En: "The admin of this shop opens only from certain places, and the connection you are using is not one of them.",
	},
	again: noren.Text{
		Ja: "お店の方は、下のアドレスと受付番号を、Noren を管理している方にお伝えください。ここから入れるように登録してもらえます。",
		En: "If you work for the shop, please give the address and the number below to whoever looks after Noren. They can let you in from here.",
	},
}

var pageLabels = struct{ ticket, contact, home, again, address noren.Text }{
	ticket:  noren.Text{Ja: "受付番号", En: "Reference number"},
	contact: noren.Text{Ja: "お問い合わせ先", En: "How to reach the shop"},
	home:    noren.Text{Ja: "お店のトップページへ", En: "Go to the shop's front page"},
	again:   noren.Text{Ja: "もう一度開く", En: "Try again"},
	address: noren.Text{Ja: "お使いの回線のアドレス", En: "The address of your connection"},
}

// lineWords are what the page of the line says while time goes by. # is a number.
// The steps are coarse, because each change is read aloud to who listens.
var lineWords = struct{ minutes, seconds, soon, cookies, look, keep noren.Text }{
	minutes: noren.Text{Ja: "お待ちいただく時間は、あと#分ほどです。", En: "It will take about # minutes more."},
	seconds: noren.Text{Ja: "お待ちいただく時間は、あと#秒ほどです。", En: "It will take about # seconds more."},
	soon:    noren.Text{Ja: "まもなくご案内します。", En: "It is nearly your turn."},
	cookies: noren.Text{
		Ja: "お並びいただくには、このお店のCookieを受け入れる設定が必要です。",
		En: "To stand in line, please allow cookies for this shop.",
	},
	look: noren.Text{Ja: "ページを開き直す", En: "Load the page again"},
	keep: noren.Text{Ja: "開き直しても、順番は変わりません。", En: "You keep your place when you load it again."},
}

// words picks what the visitor reads; an unusual status reads like a refusal.
func (s *stop) words() stopKind {
	switch {
	case s.cause == noren.CauseOverload && s.status == http.StatusServiceUnavailable:
		return busy
	case s.cause == noren.CauseClosed:
		return shopClosed
	case s.paused != nil:
		return pausedKinds[s.paused.by]
	case s.address != "":
		return noEntry
	case s.shopDown:
		return shopDown
	case s.line:
		return inTheLine
	case s.cause == noren.CauseQueue:
		return lineFull
	}
	switch s.status {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return stopKinds[http.StatusServiceUnavailable]
	}
	if k, ok := stopKinds[s.status]; ok {
		return k
	}
	if s.cause == noren.CauseMalformed { // too slow, too long, in a loop
		return stopKinds[http.StatusBadRequest]
	}
	return stopKinds[http.StatusForbidden]
}
