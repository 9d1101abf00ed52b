package e2e

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	_ "noren/db" // the SQLite driver
	"noren/sampleshop"
)

// hostile are what attackers put into the fields that pages show.
var hostile = []string{
	`<script>document.title='broken'</script>`, `"><img src=x onerror="document.title='broken'">`, "\u202egnp.exe", `{{.}}`, `=HYPERLINK("http://evil.example")`, strings.Repeat("あ", 1500),
}

// attackEverything stops some requests of every simple sort, with hostile values in
// the fields that an attacker fills.
func attackEverything(t *testing.T, shop string) {
	t.Helper()
	for i, x := range hostile {
		for _, path := range []string{"/search?q=" + url.QueryEscape("1' UNION SELECT mail FROM customers-- "+x), "/" + url.PathEscape(firstOf(x, 300)), "/products/x?a=" + url.QueryEscape("<script>alert(1)</script>")} {
			req, err := http.NewRequest("GET", shop+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", "Mozilla/5.0 "+strings.Map(latin, firstOf(x, 300)))
			req.Header.Set("Referer", "http://evil.example/?"+url.QueryEscape(firstOf(x, 100)))
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("attack %d: %v", i, err)
			}
			resp.Body.Close()
		}
	}
}

func latin(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

func firstOf(s string, n int) string {
	r := []rune(s)
	return string(r[:min(len(r), n)])
}

// openServed is a house whose visitors come through a load balancer, so that each
// has an address of their own; the link is its owner's.
func openServed(t *testing.T) (h *house, link string) {
	t.Helper()
	dir := t.TempDir()
	shop, pages := freePort(t), freePort(t)
	h = &house{t: t, shop: fmt.Sprintf("http://127.0.0.1:%d", shop), pages: fmt.Sprintf("http://127.0.0.1:%d", pages)}
	config := filepath.Join(dir, "noren.yaml")
	h.config = config
	text := fmt.Sprintf(`version: 1
listen: {http: "127.0.0.1:%d"}
console: {listen: "127.0.0.1:%d"}
sites:
  - {name: sample, hosts: [127.0.0.1], upstream: %s, preset: sampleshop, trusted_proxies: [127.0.0.1/32]}
`, shop, pages, openShop(t, filepath.Join(dir, "shop.db"), h.shop))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.demo = start(t, noren(t), "serve", "--config", config)
	awaitHTTP(t, h.shop+"/", 30*time.Second)
	out, err := exec.Command(noren(t), "--config", config, "staff", "link", "--console", h.pages).Output()
	if err != nil {
		t.Fatalf("noren staff link: %v", err)
	}
	return h, strings.TrimSpace(string(out))
}

// openShop serves the sample shop and its payment provider to Noren.
func openShop(t *testing.T, file, public string) (upstream string) {
	t.Helper()
	d, err := sql.Open("sqlite", sampleshop.DSN(file))
	if err != nil {
		t.Fatal(err)
	}
	var shop *sampleshop.Shop
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { shop.ServeHTTP(w, r) }))
	psp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { shop.PSP().ServeHTTP(w, r) }))
	if shop, err = sampleshop.New(t.Context(), d, sampleshop.Options{Seed: 7, BaseURL: public, PSPBaseURL: psp.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close(); psp.Close(); shop.Close(); d.Close() })
	return front.URL
}

// TestConsoleBlockedBuyer is the day's most important call: a buyer was stopped,
// reads the number from the page, is found, freed, and buys.
func TestConsoleBlockedBuyer(t *testing.T) {
	h, link := openServed(t)
	owner := openBrowser(t, 1280, 900)
	h.joinsBy(owner, link)

	buyer := openBrowser(t, 390, 844)
	buyer.comesFrom("198.51.100.41")
	buyer.open(h.shop + "/")
	for range 6 {
		buyer.open(h.shop + "/.env")
	}
	var number string
	for range 8 { // the ban follows the decision; of more than ten stops a minute some are only counted
		buyer.open(h.shop + "/")
		if number = numberOn(buyer); number != "" {
			break
		}
		time.Sleep(time.Second / 4)
	}
	if number == "" {
		t.Fatal("somebody who looks for secret files again and again still shops")
	}
	buyer.shot("blocked")

	owner.open(h.pages + "/")
	owner.fill("#find-number", strings.ToLower(strings.ReplaceAll(number, "-", "")))
	owner.submit(".find button")
	if got := owner.text("#ticket"); got != number {
		t.Fatalf("the event found says number %q, want %q", got, number)
	}
	owner.shot("event")
	owner.submit(".acts a.button:first-child")
	owner.shot("free")
	owner.fill("[name=reason]", "お電話: 制作会社の方でした")
	owner.submit("form[method=post].card button")
	if got := owner.text(".notice"); !strings.Contains(got, "通すようにしました") {
		t.Errorf("after freeing the page says %q", got)
	}
	owner.shot("freed")
	buyInDemo(t, buyer, h.shop)

	owner.submit(".acts a[href$='/why']")
	if got := owner.text("h1"); !strings.Contains(got, "通ります") {
		t.Errorf("the freed buyer would be answered %q", got)
	}
	owner.shot("why")
}

// comesFrom gives the browser an address of its own, as a load balancer tells it.
func (b *browser) comesFrom(address string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"X-Forwarded-For": address}}); err != nil {
		b.t.Fatal(err)
	}
}

// numberOn is the reference number on a page of Noren, "" on any other page.
func numberOn(b *browser) string {
	return strings.TrimSpace(b.evaluate(`document.querySelector("dd.ticket")?.textContent || " "`))
}

// TestConsoleEventPages looks at every page of events on a phone and at a desk, in
// both languages, with and without scripts, light and dark.
func TestConsoleEventPages(t *testing.T) {
	h := openHouse(t, "--quiet")
	desk := openBrowser(t, 1280, 900)
	h.joins(desk)
	attackEverything(t, h.shop)
	desk.open(h.pages + "/s/sample/events")
	event := attr(desk, "td.says a", "href")
	t.Logf("the event looked at: %s", event)
	pages := []string{
		"/s/sample/events", "/s/sample/events?kind=http.blocked&cause=waf&t=24h", "/s/sample/events?q=127.0.0.1", "/s/sample/events?q=nobody@shop.example&t=1h", "/s/sample/events?t=nonsense",
		"/s/sample/events?words=UNION", event, event + "/why", event + "/try", event + "/try?version=", event + "/free", event + "/ban",
		"/s/sample/visitor?key=address&value=127.0.0.1", "/s/sample/visitor?key=account&value=nobody", "/s/sample/ticket", "/s/sample/ticket?number=0000000000", "/s/sample/ticket?number=x", "/s/sample/glossary", "/s/sample/",
	}
	for _, look := range []struct {
		name, lang, scheme string
		wide               int64
		scripts            bool
	}{{"desk-ja", "ja", "light", 1280, true}, {"phone-ja", "ja", "light", 360, true}, {"phone-en-dark", "en", "dark", 360, true}, {"desk-en-noscript", "en", "light", 1280, false}} {
		desk.do(chromedp.EmulateViewport(look.wide, 900))
		if _, err := chromedp.Call(desk.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}}); err != nil {
			t.Fatal(err)
		}
		desk.open(h.pages + "/language?to=" + look.lang + "&back=/s/sample/events")
		for i, p := range pages {
			scripts(desk, look.scripts)
			desk.open(h.pages + p)
			scripts(desk, true) // the checkers need them
			desk.shotWhole(fmt.Sprintf("%s-%02d", look.name, i), look.wide)
			lookedWell(desk, look.name+" "+p)
		}
	}
}

// TestConsoleTimelineZooms drags over the chart, and then looks for words until it
// is told to stop.
func TestConsoleTimelineZooms(t *testing.T) {
	h := openHouse(t, "--quiet")
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	attackEverything(t, h.shop)
	b.open(h.pages + "/s/sample/events?t=24h")
	b.do(chromedp.Evaluate[chromedp.Void](`setTimeout(() => {
		const svg = document.querySelector(".zoom svg"), r = svg.getBoundingClientRect();
		const at = (kind, x) => (kind === "pointerdown" ? svg : window).dispatchEvent(new PointerEvent(kind, {bubbles: true, button: 0, pointerType: "mouse", clientX: r.left + r.width * x, clientY: r.top + 20}));
		at("pointerdown", 0.5); at("pointermove", 0.8); at("pointerup", 0.98);
	}, 50); undefined`))
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(b.location(), "since="); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("dragging over the chart leads to %s", b.location())
		}
	}
	b.shot("zoomed")
	if got := b.location(); !strings.Contains(got, "until=") || strings.Contains(got, "t=24h") {
		t.Errorf("dragging over the chart leads to %s", got)
	}
	b.open(h.pages + "/s/sample/events?t=24h&words=UNION")
	b.see(20*time.Second, "最後まで見ました", "データベースをあやつる仕掛け")
}

func scripts(b *browser, on bool) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		b.t.Fatal(err)
	}
}

// lookedWell checks what holds of every page: nothing of an attacker runs, nothing
// is cut, and axe finds nothing.
func lookedWell(b *browser, where string) {
	b.t.Helper()
	if got := b.evaluate(`document.title + (document.querySelector("main img") ? " with a picture" : "")`); strings.Contains(got, "broken") || strings.Contains(got, "picture") {
		b.t.Errorf("%s: an attacker's script ran: %s", where, got)
	}
	if got := b.evaluate(`String(Math.max(0, document.documentElement.scrollWidth - innerWidth))`); got != "0" {
		b.t.Errorf("%s is %s px wider than the window", where, got)
	}
	found, _ := b.axe()
	found = slices.DeleteFunc(found, func(f finding) bool { return f.Unsure })
	for _, f := range found {
		b.t.Errorf("%s: %v", where, f)
	}
}

func attr(b *browser, sel, name string) string {
	b.t.Helper()
	return b.evaluate(fmt.Sprintf(`document.querySelector(%q).getAttribute(%q)`, sel, name))
}

// shotWhole is shot of the page to its foot.
func (b *browser) shotWhole(name string, wide int64) {
	tall, err := strconv.ParseInt(b.evaluate(`String(Math.min(document.documentElement.scrollHeight, 5000))`), 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(wide, max(900, tall)))
	b.shot(name)
	b.do(chromedp.EmulateViewport(wide, 900))
}
