package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// street is one noren before many shops, each in another state, so that every
// page visitors can meet is there at once.
type street struct {
	t            *testing.T
	port         int
	config, data string
	set          string // the settings of the street, edited before they are imported
}

// shopFront answers everything with a page that has a form.
func shopFront(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/torn" { // the shop dies while it answers
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="ja"><title>のれん堂</title><h1>いらっしゃいませ</h1><p>%s</p>
<form method="post" action="/contact"><textarea name="text"></textarea><button>送る</button></form>
<form method="post" action="/upload" enctype="multipart/form-data"><textarea name="file"></textarea><button id="upload">送る</button></form>`, r.URL.RequestURI())
}

const streetSite = `
  - name: %[1]s
    hosts: ["%[1]s.test"]
    upstream: %[2]s
    preset: generic
    trusted_proxies: [127.0.0.1/32]
    zones: {admin: [/admin/*], search: [/search], contact: [/contact]}
    cards: {forms: [{path: POST /order/pay, field: [text], values: ["あ*"], back: /order}]}
    title: {ja: のれん堂, en: Norendo}
    contact: {ja: "お電話 03-0000-0000（平日 10〜17時）\nshop@norendo.example", en: "phone +81-3-0000-0000 (weekdays 10:00–17:00)\nshop@norendo.example"}
`

const streetAccess = `version: 1
rules:
  - {name: office, allow: {networks: [198.51.100.0/28, 192.0.2.11]}, reason: {ja: 管理画面は本社から, en: the admin from the office}}
`

const streetLimits = `version: 1
limits:
  - {name: search, zones: [search], by: address, rate: 1/40s}
`

func openStreet(t *testing.T) *street {
	t.Helper()
	shop := httptest.NewServer(http.HandlerFunc(shopFront))
	t.Cleanup(shop.Close)
	dir := t.TempDir()
	s := &street{t: t, port: freePort(t), config: filepath.Join(dir, "noren.yaml"), data: filepath.Join(dir, "noren-data"), set: filepath.Join(dir, "set")}
	text := fmt.Sprintf("version: 1\nlisten: {http: \"127.0.0.1:%d\"}\nsites:", s.port)
	for _, name := range []string{"open", "closed", "until", "line", "full", "check", "cards", "signin", "office", "home"} {
		text += fmt.Sprintf(streetSite, name, shop.URL)
	}
	text += fmt.Sprintf(streetSite, "away", fmt.Sprintf("http://127.0.0.1:%d", freePort(t)))
	country, err := filepath.Abs("testdata/country.mmdb") // 198.51.100.61 and 192.0.2.161 are in the United States
	if err != nil {
		t.Fatal(err)
	}
	s.write(s.config, text+fmt.Sprintf("addresses: {country: %q}\n", country))
	start(t, noren(t), "serve", "--config", s.config)
	awaitHTTP(t, fmt.Sprintf("http://127.0.0.1:%d/", s.port), 30*time.Second)
	s.noren("settings", "export", s.set)
	s.write(filepath.Join(s.set, "access.yaml"), streetAccess)
	s.write(filepath.Join(s.set, "limits.yaml"), streetLimits)
	s.noren("settings", "import", s.set, "--reason", "試験")
	s.noren("mode", "closed", "--site", "closed", "--reason", "試験")
	s.noren("mode", "closed", "--site", "until", "--for", "90m", "--reason", "試験")
	s.noren("mode", "busy", "--site", "line", "--admit", "1", "--reason", "試験")
	s.noren("mode", "busy", "--site", "full", "--admit", "1", "--reason", "試験")
	s.noren("mode", "attack", "--site", "check", "--reason", "試験")
	s.noren("emergency", "card", "--site", "cards", "--reason", "試験")
	s.noren("emergency", "login", "--site", "signin", "--reason", "試験")
	s.noren("emergency", "admin", "--site", "office", "--reason", "試験")
	s.noren("emergency", "overseas", "--site", "home", "--for", "90m", "--reason", "試験")
	s.noren("ban", "203.0.113.0/24", "--site", "open", "--reason", "試験")
	s.await("open", "/admin/", "192.0.2.1", 403)
	s.await("open", "/", "203.0.113.1", 403)
	s.await("check", "/", "192.0.2.1", 403)
	s.await("office", "/admin/", "198.51.100.1", 403)
	s.await("signin", "/signup", "192.0.2.1", 503)
	s.await("home", "/", "192.0.2.161", 503)
	for _, name := range []string{"closed", "until", "line", "full"} {
		for i := 1; i < 4; i++ { // the first in a line goes in
			s.await(name, "/", fmt.Sprintf("192.0.2.%d", i), 503)
		}
	}
	for i := range 70 {
		s.ask("full", "/", fmt.Sprintf("192.0.2.%d", 100+i))
	}
	return s
}

func (s *street) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) noren(args ...string) {
	s.t.Helper()
	cmd := exec.Command(noren(s.t), append([]string{"--config", s.config}, args...)...)
	cmd.Env = append(os.Environ(), "SSH_CONNECTION=")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("noren %v: %v\n%s", args, err, out)
	}
}

func (s *street) url(site, path string) string {
	return fmt.Sprintf("http://%s.test:%d%s", site, s.port, path)
}

// ask is somebody else on the street.
func (s *street) ask(site, path, from string) (status int) {
	s.t.Helper()
	r, _ := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d%s", s.port, path), nil)
	r.Host = site + ".test"
	r.Header.Set("Accept", "text/html")
	r.Header.Set("X-Forwarded-For", from)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// await waits until a site answers as it was told to.
func (s *street) await(site, path, from string, status int) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := s.ask(site, path, from)
		if got == status {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s%s answers %d, want %d", site, path, got, status)
		}
	}
}

// visitor is somebody with a browser of their own language on the street.
type visitor struct {
	*browser
	s    *street
	lang string
}

func (s *street) visitor(t *testing.T, lang string) *visitor {
	t.Helper()
	accept := map[string]string{"ja": "ja,en", "en": "en-GB,en"}[lang]
	b := openBrowser(t, 1280, 800, chromedp.Flag("lang", lang), chromedp.Flag("accept-lang", accept),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP * ~NOTFOUND"))
	return &visitor{b, s, lang}
}

// header makes every request of the visitor carry more.
func (v *visitor) header(pairs map[string]any) {
	v.t.Helper()
	if _, err := chromedp.Call(v.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers(pairs)}); err != nil {
		v.t.Fatal(err)
	}
}

// without opens a page and submits as somebody without scripts; the page that is
// left stands as it came.
func (v *visitor) without(do func()) {
	v.t.Helper()
	v.scripts(false)
	do()
	v.scripts(true)
}

// holdForms keeps the check's script from sending its form, so that the page can
// be looked at while it works.
func (v *visitor) holdForms() {
	v.t.Helper()
	src := page.AddScriptToEvaluateOnNewDocumentParams{Source: "HTMLFormElement.prototype.submit = function () { window.norenSolved = true }"}
	if _, err := chromedp.Call(v.ctx, page.AddScriptToEvaluateOnNewDocument, src); err != nil {
		v.t.Fatal(err)
	}
}

func (v *visitor) walk(site, path string) { v.t.Helper(); v.open(v.s.url(site, path)) }

// post sends a form with a field of n letters from the page that is open.
func (v *visitor) post(action, kind string, n int) {
	v.t.Helper()
	v.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const f = document.createElement("form"), t = document.createElement("textarea"), b = document.createElement("button");
		f.method = "post"; f.action = %q; f.enctype = %q; t.name = "text"; t.value = "あ".repeat(%d); b.id = "norenpost"; b.textContent = "x";
		f.append(t, b); document.body.prepend(f);
	})()`, action, kind, n)))
	v.submit("#norenpost")
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	formData   = "multipart/form-data"
)

// sight is a page that a visitor can meet.
type sight struct {
	name    string // of its pictures; "" for one that looks like another
	what    string // in the test's name
	from    string // the visitor's address
	reach   func(*visitor)
	ja, en  string // what it says
	without bool   // it is looked at as it stands without scripts
	unnamed bool   // of no shop
}

func sights() []sight {
	goTo := func(site, path string) func(*visitor) { return func(v *visitor) { v.walk(site, path) } }
	return []sight{
		{name: "blocked", what: "firewall", from: "198.51.100.21", reach: goTo("open", "/?q=<script>alert(1)</script>"), ja: "お通しできませんでした", en: "could not let this through"},
		{what: "ban", from: "203.0.113.7", reach: goTo("open", "/"), ja: "お通しできませんでした", en: "could not let this through"},
		{what: "must be 403", from: "198.51.100.22", reach: goTo("open", "/.env"), ja: "お通しできませんでした", en: "could not let this through"},
		{name: "access", what: "admin", from: "2001:db8:1234:5678:9abc:def0:1234:5678", reach: goTo("open", "/admin/"), ja: "管理画面に入れません", en: "admin cannot be entered"},
		{name: "limit", what: "limit", from: "198.51.100.23", reach: func(v *visitor) { v.walk("open", "/search?q=a"); v.walk("open", "/search?q=a") }, ja: "少しだけ、お待ちください", en: "One moment"},
		{name: "toolarge", what: "too large", from: "198.51.100.24", reach: func(v *visitor) { v.walk("open", "/"); v.post("/contact", urlencoded, 200_000) }, ja: "大きすぎました", en: "too large"},
		{name: "unsupported", what: "content encoding", from: "198.51.100.25", reach: func(v *visitor) {
			v.walk("open", "/")
			v.header(map[string]any{"X-Forwarded-For": "198.51.100.25", "Content-Encoding": "br"})
			v.post("/contact", urlencoded, 3)
		}, ja: "お受けできません", en: "cannot be accepted"},
		{name: "malformed", what: "malformed", from: "198.51.100.26", reach: goTo("open", "/?q=%00"), ja: "読み取れませんでした", en: "could not read"},
		{name: "unknown", what: "unknown host", from: "198.51.100.27", reach: goTo("nobody", "/"), ja: "そのお店はありません", en: "no such shop", unnamed: true},
		{name: "overload", what: "overload", from: "198.51.100.28", reach: func(v *visitor) { v.walk("open", "/"); v.post("/upload", formData, 600_000) }, ja: "混み合っています", en: "very busy"},
		{name: "down", what: "shop down", from: "198.51.100.29", reach: goTo("away", "/"), ja: "メンテナンス中", en: "under maintenance"},
		{name: "unanswered", what: "shop torn", from: "198.51.100.30", reach: goTo("open", "/torn"), ja: "支度中", en: "getting ready"},
		{name: "closed", what: "closed", from: "198.51.100.31", reach: goTo("closed", "/"), ja: "準備中", en: "closed for a moment"},
		{name: "closed-until", what: "closed until", from: "198.51.100.32", reach: goTo("until", "/"), ja: "再開は、", en: "expect to be back"},
		{name: "card-stopped", what: "card payments stopped", from: "198.51.100.51", reach: func(v *visitor) { v.walk("cards", "/order"); v.post("/order/pay", urlencoded, 3) }, ja: "カードでのお支払いを、一時停止", en: "Card payment is paused"},
		{name: "login-stopped", what: "sign-in stopped", from: "198.51.100.52", reach: goTo("signin", "/signup"), ja: "ログインと会員登録を、一時停止", en: "Sign-in is paused"},
		{name: "admin-closed", what: "admin closed", from: "198.51.100.1", reach: goTo("office", "/admin/"), ja: "管理画面は、ただいま閉じています", en: "The admin is closed"},
		{name: "overseas-stopped", what: "visits from abroad stopped", from: "198.51.100.61", reach: goTo("home", "/"), ja: "海外からのアクセスを、一時停止", en: "Visits from outside Japan are paused"},
		{name: "line", what: "line", from: "198.51.100.33", reach: goTo("line", "/sale"), ja: "順番にご案内", en: "You are in line"},
		{what: "line without scripts", from: "198.51.100.34", reach: func(v *visitor) { v.without(func() { v.walk("line", "/sale") }) }, ja: "順番にご案内", en: "You are in line", without: true},
		{name: "line-full", what: "line full", from: "198.51.100.35", reach: func(v *visitor) {
			for i := range 8 { // since the street was opened, some went in
				v.s.ask("full", "/", fmt.Sprintf("192.0.2.%d", 200+i))
			}
			v.walk("full", "/sale")
		}, ja: "列がいっぱい", en: "line is full"},
		{name: "check", what: "check", from: "198.51.100.36", reach: goTo("check", "/"), ja: "少しだけ確認", en: "short check"},
		{name: "check-waiting", what: "check without scripts", from: "198.51.100.37", reach: func(v *visitor) { v.without(func() { v.walk("check", "/") }) }, ja: "10秒ほど", en: "ten seconds", without: true},
		{name: "check-again", what: "check after a failed try", from: "198.51.100.38", reach: func(v *visitor) {
			v.without(func() { v.walk("check", "/"); v.submit("button") })
		}, ja: "少し早い", en: "a little early", without: true},
		{name: "check-form", what: "check after a form", from: "198.51.100.39", reach: func(v *visitor) { v.walk("check", "/"); v.post("/contact", urlencoded, 3) }, ja: "もう一度送信", en: "send it once more"},
	}
}

// TestPagesForEverybody opens every page that visitors can meet in both
// languages, on a desktop and a phone, light and dark, and checks each for who
// sees, hears or types otherwise. With NOREN_SHOTS it keeps the pictures of
// docs/operate/pages.
func TestPagesForEverybody(t *testing.T) {
	s := openStreet(t)
	if err := os.RemoveAll(filepath.Join(s.data, "bodies")); err != nil { // where large bodies go: no room
		t.Fatal(err)
	}
	var seen tally
	for _, lang := range []string{"ja", "en"} {
		t.Run(lang, func(t *testing.T) {
			v := s.visitor(t, lang)
			v.holdForms()
			for _, p := range sights() {
				t.Run(p.what, func(t *testing.T) {
					v := &visitor{&browser{t, v.ctx}, s, lang}
					v.meet(p)
					v.check(p, &seen)
					v.picture(p)
				})
			}
		})
	}
	t.Run("the line does not chatter", func(t *testing.T) { s.visitor(t, "ja").listens() })
	t.Run("the check on a slow device", func(t *testing.T) { s.visitor(t, "ja").pressesTheButton() })
	t.Logf("%d pages, %d variants, %d rules applied, %d violations, %d undecided, the largest page %d bytes", seen.pages, seen.variants, seen.rules, seen.broken, seen.unsure, seen.largest)
}

// meet brings the visitor to a page and sees that it is the one meant.
func (v *visitor) meet(p sight) {
	v.t.Helper()
	v.media("light", false)
	v.do(chromedp.EmulateViewport(1280, 800))
	from := p.from
	if v.lang == "en" { // somebody else
		from = strings.Replace(strings.Replace(from, "198.51.100.", "192.0.2.1", 1), "1234:5678:9", "1234:5679:9", 1)
	}
	v.header(map[string]any{"X-Forwarded-For": from})
	p.reach(v)
	v.header(map[string]any{"X-Forwarded-For": from})
	v.see(10*time.Second, map[string]string{"ja": p.ja, "en": p.en}[v.lang])
}

// media is what the visitor's system asks of pages.
func (v *visitor) media(scheme string, still bool) {
	v.t.Helper()
	motion := "no-preference"
	if still {
		motion = "reduce"
	}
	p := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}}
	if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, p); err != nil {
		v.t.Fatal(err)
	}
}

// pressesTheButton has a device whose script never comes to an end: after a while
// the button is there, and lets one in.
func (v *visitor) pressesTheButton() {
	v.t.Helper()
	v.holdForms()
	v.header(map[string]any{"X-Forwarded-For": "198.51.100.41"})
	v.walk("check", "/slow")
	v.see(10*time.Second, "確認しています")
	v.see(40*time.Second, "お店へ進む")
	v.submit("button")
	v.see(10*time.Second, "いらっしゃいませ", "/slow")
}
