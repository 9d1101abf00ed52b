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

// pages renders what a stopped visitor sees.
type pages struct {
	stop     *moulds[stopView]
	check    *moulds[checkView]
	style    string // hash of the style
	csp      string // of the refusal, which is all words
	lineCSP  string // of the line, whose script stands in the page
	checkCSP string // of the check, which has a script and a form of ours
}

// stopView is what a page says. It is comparable, so that pages that say the same
// are made once; see moulds.
type stopView struct {
	Lang, Heading, Ticket, TicketLabel, ContactLabel, Home, Again, When, AddressLabel string

	Shop, ShopLang, ContactLang string // in another language where the shop wrote no other
	Contact                     string
	Address                     string
	Lines                       [2]string
	Back, BackLabel             string   // where a buyer chooses another way of paying
	Line                        lineView // zero: not the page of the line
}

// Reach is Contact in pieces.
func (v stopView) Reach() []piece { return reach(v.Contact) }

// AddressParts is Address in the parts it may be broken at.
func (v stopView) AddressParts() []string { return strings.SplitAfter(v.Address, ":") }

func (v *stopView) plug(f *fillings) { v.Ticket, v.When = f[holeTicket], f[holeWhen] }

// lineView is what the page of the line says besides.
type lineView struct {
	Wait, Refresh                                      int // seconds
	Says, Minutes, Seconds, Soon, Cookies, Look, Keeps string
}

func newPages() (*pages, error) {
	t, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the visitors' pages: %w", err)
	}
	p := &pages{
		stop:  newMoulds(t.Lookup("stop.html"), (*stopView).plug),
		check: newMoulds(t.Lookup("check.html"), (*checkView).plug),
	}
	style, err := hashOf(t, "style")
	if err != nil {
		return nil, err
	}
	line, err := hashOf(t, "script")
	if err != nil {
		return nil, err
	}
	const none = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src '"
	p.style = style
	p.csp = none + style + "'; form-action 'none'"
	p.lineCSP = p.csp + "; script-src '" + line + "'; connect-src 'self'"
	// No form-action: Chromium holds it against every redirect that follows, and
	// the shop may send its visitors on to another host of its own.
	p.checkCSP = none + style + "'; script-src 'self'"
	return p, nil
}

// previewCSP lets a page be looked at and not work: no script, no form.
func (p *pages) previewCSP() string {
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'self'; style-src '" + p.style + "'; form-action 'none'"
}

// hashOf is of a style or script as the template engine writes it.
func hashOf(t *template.Template, element string) (string, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, element, nil); err != nil {
		return "", fmt.Errorf("render the visitors' pages: %w", err)
	}
	_, rest, _ := strings.Cut(b.String(), "<"+element+">")
	text, _, ok := strings.Cut(rest, "</"+element+">")
	if !ok {
		return "", noren.Errorf(noren.Internal, "the visitors' pages have no %s", element)
	}
	sum := sha256.Sum256([]byte(text))
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
		if s.line {
			h.Set("Content-Security-Policy", p.lineCSP)
		}
		body, err = p.page(s, r.Method, site, lang, at)
	case "json":
		h.Set("Content-Type", "application/problem+json")
		if body, err = problem(s, lang, check); s.paused != nil && s.paused.answer != nil {
			h.Set("Content-Type", "application/json")
			body = s.paused.answer.insert(cardMessage(lang))
		}
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

func (p *pages) page(s *stop, method string, site *Site, lang string, at time.Time) ([]byte, error) {
	return p.stop.page(p.stopOf(s, method, site, lang, at), &fillings{holeTicket: s.ticket, holeWhen: when(at, lang)}, s.address != "")
}

func (p *pages) stopOf(s *stop, method string, site *Site, lang string, at time.Time) stopView {
	v := p.view(s, site, lang)
	v.Lines[0] = s.words().body.In(lang)
	if s.line {
		v.Home, v.Line = "", lineOf(s, lang)
		return v
	}
	v.Lines[1] = s.againLine(lang, at)
	if s.paused.goesOn() {
		v.Back, v.BackLabel = s.paused.back, payBack.In(lang)
		return v
	}
	if get := method == http.MethodGet || method == http.MethodHead; s.retry > 0 && get { // the front page would not open either
		v.Home, v.Again = "", pageLabels.again.In(lang)
	}
	return v
}

func lineOf(s *stop, lang string) lineView {
	wait := retrySeconds(s.retry)
	w := &lineWords
	return lineView{Wait: wait, Refresh: max(1, min(wait, retrySeconds(lookEvery))), Says: fmt.Sprintf(s.words().again.In(lang), waiting(s.retry, lang)),
		Minutes: w.minutes.In(lang), Seconds: w.seconds.In(lang), Soon: w.soon.In(lang), Cookies: w.cookies.In(lang), Look: w.look.In(lang), Keeps: w.keep.In(lang)}
}

// view is what all pages say.
func (p *pages) view(s *stop, site *Site, lang string) stopView {
	v := stopView{Lang: lang, Heading: s.words().heading.In(lang), TicketLabel: pageLabels.ticket.In(lang), AddressLabel: pageLabels.address.In(lang), Address: s.address}
	if site != nil {
		v.Shop, v.ShopLang = wroteIn(site.Title, lang)
		v.Contact, v.ContactLang = wroteIn(site.Contact, lang)
		v.ContactLabel = pageLabels.contact.In(lang)
		v.Home = pageLabels.home.In(lang)
	}
	return v
}

// wroteIn is what the shop wrote about itself, in the page's language or in the
// other one, which is then named.
func wroteIn(t noren.Text, lang string) (text, other string) {
	switch {
	case lang == "en" && t.En == "" && t.Ja != "":
		return t.Ja, "ja"
	case lang != "en" && t.Ja == "" && t.En != "":
		return t.En, "en"
	}
	return t.In(lang), ""
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

func (s *stop) againLine(lang string, at time.Time) string {
	again := s.words().again.In(lang)
	switch {
	case s.paused != nil:
		return s.pausedLine(lang, at)
	case !s.until.IsZero():
		return fmt.Sprintf(reopens.In(lang), dayAndHour(s.until, lang), waiting(s.until.Sub(at), lang))
	case strings.Contains(again, "%s"):
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
	case seconds > 2*86400:
		n, unit = (seconds+86399)/86400, noren.Text{Ja: "日", En: "day"}
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

// japan is where the shop's people read the same times.
func japan(at time.Time) time.Time { return at.In(time.FixedZone("JST", 9*60*60)) }

// dayAndHour is a time to come as people say it to each other.
func dayAndHour(at time.Time, lang string) string {
	at = japan(at)
	if lang == "en" {
		return at.Format("15:04 on Monday 2 January") + " (Japan)"
	}
	return fmt.Sprintf("%d月%d日（%c）%d時%02d分", at.Month(), at.Day(), []rune("日月火水木金土")[at.Weekday()], at.Hour(), at.Minute())
}

// when is the time of the stop.
func when(at time.Time, lang string) string {
	at = japan(at)
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
