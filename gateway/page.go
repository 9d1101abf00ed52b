package gateway

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"noren"
)

//go:embed pages/*.html
var pageFiles embed.FS

// stopKind says which words a stopped visitor reads. It tells a visitor what to
// do, and an attacker nothing: a firewall finding, a ban and a policy look alike.
type stopKind struct{ heading, body, again noren.Text }

var stopKinds = map[int]stopKind{
	http.StatusForbidden: {
		heading: noren.Text{Ja: "このままお通しできませんでした", En: "We could not let this through"},
		body: noren.Text{
			Ja: "お店を守る仕組みが、ただいまの操作を見合わせました。入力された文字や通信の形が、よくないものに似ていただけのこともあります。",
			En: "The system that protects this shop has held back what was just asked for. It may simply have looked like something it is not.",
		},
		again: noren.Text{
			Ja: "お心当たりのないときは、下の受付番号を添えてお店へお知らせください。番号から何が起きたかをお調べできます。",
			En: "If this surprises you, please tell the shop and give the number below. From it they can see what happened.",
		},
	},
	http.StatusTooManyRequests: {
		heading: noren.Text{Ja: "少しだけ、お待ちください", En: "One moment, please"},
		body: noren.Text{
			Ja: "短いあいだに操作が続いたため、いったん間を置かせていただいています。",
			En: "There were many requests in a short time, so we are taking a short pause.",
		},
		again: noren.Text{
			Ja: "%sほどたってから、もう一度お試しください。同じ回線をお使いの方が多いときにも、このページが出ることがあります。",
			En: "Please try again in about %s. This page can also appear when many people share one connection.",
		},
	},
	http.StatusRequestEntityTooLarge: {
		heading: noren.Text{Ja: "送られた内容が大きすぎました", En: "What you sent is too large"},
		body: noren.Text{
			Ja: "お店が一度に受け取れる大きさを超えていたため、お受けできませんでした。途中で切れて届いたものはありません。",
			En: "It is larger than this shop takes at once, so none of it was accepted. Nothing arrived in part.",
		},
		again: noren.Text{
			Ja: "文章を短くするか、画像やファイルを小さくして、もう一度お試しください。",
			En: "Please shorten the text or make the picture or file smaller, and try again.",
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
			Ja: "前のページへ戻り、もう一度お試しください。くり返し起きるときは、下の受付番号を添えてお店へお知らせください。",
			En: "Please go back and try again. If it keeps happening, tell the shop and give the number below.",
		},
	},
	http.StatusMisdirectedRequest: {
		heading: noren.Text{Ja: "ここに、そのお店はありません", En: "There is no such shop here"},
		body: noren.Text{
			Ja: "開こうとした名前のお店は、この場所では営んでおりません。",
			En: "No shop of the name you asked for is kept at this place.",
		},
		again: noren.Text{
			Ja: "アドレスの綴りをお確かめください。",
			En: "Please check the spelling of the address.",
		},
	},
	http.StatusServiceUnavailable: {
		heading: noren.Text{Ja: "お店はただいま支度中です", En: "The shop is getting ready"},
		body: noren.Text{
			Ja: "いま、お店からのお返事をいただけません。ご不便をおかけして申し訳ございません。",
			En: "The shop is not answering right now. We are sorry for the trouble.",
		},
		again: noren.Text{
			Ja: "%sほどたってから、もう一度お越しください。ご注文の途中でしたら、注文が済んだかどうかを、購入履歴や確認メールでお確かめください。",
			En: "Please come back in about %s. If you were placing an order, check your order history or mail to see whether it went through.",
		},
	},
}

// busy is a 503 that the gateway itself gives because it cannot inspect more.
var busy = stopKind{
	heading: noren.Text{Ja: "ただいま混み合っています", En: "We are very busy just now"},
	body: noren.Text{
		Ja: "多くの方がいらしているため、いまは新しくお通しできません。",
		En: "Many people are here at once, so we cannot let anyone else in for a moment.",
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
			Ja: "お店はいま、一時的に閉めております。ご不便をおかけして申し訳ございません。",
			En: "The shop is closed for the time being. We are sorry for the inconvenience.",
		},
		again: noren.Text{
			Ja: "%sほどたってから、またお越しください。すでにいただいたご注文は、そのままお預かりしております。",
			En: "Please come back in about %s. Orders you have placed are safe with us.",
		},
	}
	// shopDown comes by itself while no server of the shop can be reached. The
	// shop saw nothing of the request, and the page says so.
	shopDown = stopKind{
		heading: noren.Text{Ja: "ただいまメンテナンス中です", En: "We are under maintenance"},
		body: noren.Text{
			Ja: "お店はいま、一時的にお休みしております。ご不便をおかけして申し訳ございません。ただいまの操作は、お店に届いておりません。",
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
			Ja: "ただいま大変混み合っているため、いらした順にお通ししています。このページを開いたままお待ちください。順番が来ると、自動でお店が開きます。",
			En: "The shop is very busy, so visitors come in in the order they arrived. Please keep this page open: the shop appears by itself when it is your turn.",
		},
		again: noren.Text{Ja: "お待ちいただく時間は、あと%sほどです。", En: "It will take about %s more."},
	}
	lineFull = stopKind{
		heading: noren.Text{Ja: "いまは列が長くなりすぎています", En: "The line is too long just now"},
		body: noren.Text{
			Ja: "大変多くの方がお待ちのため、新しくお並びいただくことができません。",
			En: "So many people are waiting that nobody else can join the line.",
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

var pageLabels = struct{ ticket, contact, home, address noren.Text }{
	ticket:  noren.Text{Ja: "受付番号", En: "Reference number"},
	contact: noren.Text{Ja: "お問い合わせ先", En: "How to reach the shop"},
	home:    noren.Text{Ja: "お店のトップページへ", En: "Go to the shop's front page"},
	address: noren.Text{Ja: "お使いの回線のアドレス", En: "The address of your connection"},
}

// pages renders what a stopped visitor sees.
type pages struct {
	stop, check *template.Template
	csp         string // of the refusal, which is all words
	checkCSP    string // of the check, which has a script and a form of ours
}

type stopView struct {
	Lang, Heading, Shop, Ticket, TicketLabel, Contact, ContactLabel, Home, When, Address, AddressLabel string
	Lines                                                                                              []string
	Refresh                                                                                            int // seconds
}

func newPages() (*pages, error) {
	t, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the visitors' pages: %w", err)
	}
	p := &pages{stop: t.Lookup("stop.html"), check: t.Lookup("check.html")}
	style, err := styleHash(t)
	if err != nil {
		return nil, err
	}
	const none = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src '"
	p.csp = none + style + "'; form-action 'none'"
	// No form-action: Chromium holds it against every redirect that follows, and
	// the shop may send its visitors on to another host of its own.
	p.checkCSP = none + style + "'; script-src 'self'"
	return p, nil
}

// styleHash is of the style as the template engine writes it.
func styleHash(t *template.Template) (string, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "style", nil); err != nil {
		return "", fmt.Errorf("render the visitors' pages: %w", err)
	}
	_, rest, _ := strings.Cut(b.String(), "<style>")
	style, _, ok := strings.Cut(rest, "</style>")
	if !ok {
		return "", noren.Errorf(noren.Internal, "the visitors' pages have no style")
	}
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), nil
}

// write answers a stopped request in the form its sender reads: a page for
// people, a problem document (RFC 9457) for programs, a line for what a page
// loads.
// A check that programs meet says where a person can pass it.
func (p *pages) write(w http.ResponseWriter, r *http.Request, s *stop, site *Site, at time.Time, check *checkForm) (int64, error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept, Accept-Language")
	if s.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(retrySeconds(s.retry)))
	}
	var body []byte
	var err error
	lang := language(r.Header.Get("Accept-Language"))
	switch form(r) {
	case "page":
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Language", lang)
		if check != nil {
			h.Set("Content-Security-Policy", p.checkCSP)
			h.Set("Referrer-Policy", "same-origin") // its form needs an origin
			body, err = p.checkPage(s, check, site, lang, at)
			break
		}
		h.Set("Content-Security-Policy", p.csp)
		body, err = p.page(s, site, lang, at)
	case "json":
		h.Set("Content-Type", "application/problem+json")
		body, err = problem(s, lang, check)
	default:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		body = []byte(s.ticket + "\n")
	}
	if err != nil {
		return 0, err
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(s.status)
	if r.Method == http.MethodHead {
		return 0, nil
	}
	n, err := w.Write(body)
	return int64(n), err
}

func (p *pages) page(s *stop, site *Site, lang string, at time.Time) ([]byte, error) {
	v := p.view(s, site, lang, at)
	v.Lines = []string{s.words().body.In(lang), s.againLine(lang)}
	if s.line {
		v.Home, v.Refresh = "", retrySeconds(min(s.retry, lookEvery))
	}
	var b bytes.Buffer
	err := p.stop.Execute(&b, v)
	return b.Bytes(), err
}

// view is what all pages say.
func (p *pages) view(s *stop, site *Site, lang string, at time.Time) stopView {
	v := stopView{Lang: lang, Heading: s.words().heading.In(lang), Ticket: s.ticket, TicketLabel: pageLabels.ticket.In(lang), When: when(at, lang),
		Address: s.address, AddressLabel: pageLabels.address.In(lang)}
	if site != nil {
		v.Shop, v.Contact, v.ContactLabel = site.Title.In(lang), site.Contact.In(lang), pageLabels.contact.In(lang)
		v.Home = pageLabels.home.In(lang)
	}
	return v
}

func problem(s *stop, lang string, check *checkForm) ([]byte, error) {
	p := struct {
		Type       string `json:"type"`
		Title      string `json:"title"`
		Status     int    `json:"status"`
		Detail     string `json:"detail"`
		Ticket     string `json:"ticket"`
		RetryAfter int    `json:"retry_after,omitempty"`
		Check      string `json:"check,omitempty"`   // where a person passes it
		Address    string `json:"address,omitempty"` // the visitor's own, where it decides
	}{Type: "about:blank", Title: s.words().heading.In(lang), Status: s.status, Detail: s.words().body.In(lang), Ticket: s.ticket, RetryAfter: retrySeconds(s.retry), Address: s.address}
	if check != nil {
		p.Title, p.Detail, p.Check = checkWords.heading.In(lang), checkWords.body.In(lang), checkPath
	}
	return json.Marshal(p)
}

// words picks what the visitor reads; an unusual status reads like a refusal.
func (s *stop) words() stopKind {
	switch {
	case s.cause == noren.CauseOverload && s.status == http.StatusServiceUnavailable:
		return busy
	case s.cause == noren.CauseClosed:
		return shopClosed
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
	return stopKinds[http.StatusForbidden]
}

func (s *stop) againLine(lang string) string {
	again := s.words().again.In(lang)
	if strings.Contains(again, "%s") {
		return fmt.Sprintf(again, waiting(s.retry, lang))
	}
	return again
}

func retrySeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// waiting is a time to wait as people say it.
func waiting(d time.Duration, lang string) string {
	seconds := max(retrySeconds(d), 1)
	n, unit := seconds, noren.Text{Ja: "秒", En: "second"}
	switch {
	case seconds > 5400:
		n, unit = (seconds+3599)/3600, noren.Text{Ja: "時間", En: "hour"}
	case seconds > 90:
		n, unit = (seconds+59)/60, noren.Text{Ja: "分", En: "minute"}
	}
	if lang != "en" {
		return strconv.Itoa(n) + unit.Ja
	}
	if n == 1 {
		return "1 " + unit.En
	}
	return strconv.Itoa(n) + " " + unit.En + "s"
}

// when is the time of the stop in Japan, where the shop's people read it too.
func when(at time.Time, lang string) string {
	at = at.In(time.FixedZone("JST", 9*60*60))
	if lang == "en" {
		return at.Format("2 January 2006, 15:04:05") + " (Japan)"
	}
	return at.Format("2006年1月2日 15時04分05秒")
}

// language picks ja or en: Japanese unless the browser prefers another language.
func language(accept string) string {
	bestJa, bestOther := 0.0, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(part, ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				q = f
			}
		}
		switch tag = strings.ToLower(strings.TrimSpace(tag)); {
		case strings.Trim(tag, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(tag) < 2:
		case tag == "ja" || strings.HasPrefix(tag, "ja-"):
			bestJa = max(bestJa, q)
		default:
			bestOther = max(bestOther, q)
		}
	}
	if bestOther > bestJa {
		return "en"
	}
	return "ja"
}

// form says what the sender reads: "page", "json" or "text".
func form(r *http.Request) string {
	accept := strings.ToLower(r.Header.Get("Accept"))
	dest := r.Header.Get("Sec-Fetch-Dest")
	switch {
	case strings.Contains(accept, "text/html"):
		return "page"
	case strings.Contains(accept, "application/json"), strings.Contains(accept, "+json"):
		return "json"
	case dest == "empty", r.Header.Get("X-Requested-With") == "XMLHttpRequest":
		return "json"
	case dest != "" && dest != "document" && dest != "iframe" && dest != "frame":
		return "text"
	}
	return "page"
}
