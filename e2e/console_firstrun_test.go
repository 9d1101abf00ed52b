package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// firstRun is an owner who sets a shop up by clicking.
type firstRun struct {
	*browser
	clicks int
}

// click is one click that leads to another page.
func (b *firstRun) click(sel string) {
	b.t.Helper()
	b.clicks++
	b.submit(sel)
}

// From the owner's link to a guarded sample shop by clicking alone, with scripts and
// without, at a desk and on a phone: every step of the guided set-up is done or
// decided, and the last shows an attack stopped with its number found in the record.
func TestFirstRunByClicking(t *testing.T) {
	for _, tt := range []struct {
		name    string
		width   int64
		scripts bool
		lang    string
		records string
	}{{"desk", 1280, true, "ja", "記録だけ"}, {"phone-no-scripts", 360, false, "en", "records only"}} {
		t.Run(tt.name, func(t *testing.T) {
			h := openHouse(t, "--quiet")
			b := &firstRun{browser: openBrowser(t, tt.width, 900)}
			b.scripts(tt.scripts)
			b.watchPolicy()
			if tt.lang == "en" {
				b.open(h.pages + "/language?to=en&back=/signin")
			}
			began := time.Now()
			h.signsUp(b.browser, h.demo.await("  Noren の画面", 10*time.Second))
			b.click("main a.button")
			b.whole("1-setup")
			if got := b.location(); !strings.Contains(got, "/s/sample/setup") {
				t.Fatalf("the first owner is led to %s", got)
			}
			b.setsUp(h)
			b.whole("8-done")
			// Who enters the admin was set to record first, and the step says so.
			if n := count(b.browser, ".guide .badge.good, .guide .badge.calm"); n != 6 || b.text(".guide .badge.check") != tt.records {
				t.Errorf("%d steps are done, and one is %q", n, b.text(".guide .badge.check"))
			}
			took := time.Since(began).Round(time.Second)
			t.Logf("%d clicks in %s", b.clicks, took)
			if took > 10*time.Minute {
				t.Errorf("it took %s", took)
			}
			b.noViolations(t)
		})
	}
}

// setsUp goes through the steps from the overview.
func (b *firstRun) setsUp(h *house) {
	b.t.Helper()
	b.click(`a[href$="/setup/shop"]`)
	b.whole("2-shop")
	b.click(".apart > a.button")
	b.whole("3-hosts")
	b.click(`form[action$="/hosts/settle"] button`)
	b.click(`a[href$="/setup/places"]`)
	b.fill("[name=name]", "本社")
	b.fill("[name=nets]", "203.0.113.7")
	b.click(`form[action$="/places"] button`)
	b.whole("4-places")
	b.click(`form[action$="/places/admin"] button`)
	b.click(".apart > a.button")
	b.whole("5-guard")
	b.click(".apart > a.button")
	if got := value(b.browser, "[name=mail]"); got != ownerMail {
		b.t.Errorf("the owner's mail is not filled in: %q", got)
	}
	b.click(`form[action$="/notices/tell"] button`)
	b.click(`form[action$="/notices/test"] button`)
	b.whole("6-notices")
	b.click(`form[action$="/notices/settle"] button`)
	b.click(`a[href$="/setup/sheet"]`)
	b.clicks++
	b.do(chromedp.Click(chromedp.CSS("[name=held]")))
	b.click(`form[action$="/proof/sheet"] button`)
	if count(b.browser, "[name=code]") > 0 {
		b.fill("[name=code]", h.code())
		b.click("main form button")
	}
	if got := b.location(); !strings.Contains(got, "/setup/sheet") {
		b.t.Errorf("after the sheet one is no longer in the set-up: %s", got)
	}
	b.click(".apart > a.button")
	b.click(`form[action$="/test/now"] button`)
	b.whole("7-test")
	if n := count(b.browser, "#tried > section .head .badge.good"); n != 3 {
		b.t.Errorf("%d of 3 test requests went as they should: %s", n, b.text("#tried"))
	}
	if got := b.text("#tried"); !strings.Contains(got, "noren_test=") || count(b.browser, "#tried dd b.mono + .badge.good") != 2 {
		b.t.Errorf("the numbers are not found in the record: %s", got)
	}
	b.open(h.pages + "/s/sample/setup")
}

// whole checks the page and takes a picture of all of it.
func (b *firstRun) whole(name string) {
	b.t.Helper()
	width, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64]("window.innerWidth"))
	if err != nil {
		b.t.Fatal(err)
	}
	height, _ := chromedp.Run(b.ctx, chromedp.Evaluate[int64]("document.documentElement.scrollHeight"))
	b.do(chromedp.EmulateViewport(width, min(max(height, 800), 5000)))
	b.shot(name)
	b.do(chromedp.EmulateViewport(width, 900))
}

// The pages サイト, 場所 and 案内 at a desk and on a phone, in both languages, light
// and dark; the check runs by a click and fills in its findings by itself.
func TestConsoleSitePages(t *testing.T) {
	h := openHouse(t, "--quiet")
	b := &firstRun{browser: openBrowser(t, 1280, 900)}
	h.joins(b.browser)
	b.watchPolicy()
	b.open(h.pages + "/s/sample/site")
	b.click(`form[action$="/site/check"] button`)
	deadline := time.Now().Add(time.Minute)
	for count(b.browser, ".findings li") < 5 || count(b.browser, "#checkup progress") > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the check does not end: %s", b.text("#checkup"))
		}
		time.Sleep(200 * time.Millisecond)
	}
	b.open(h.pages + "/s/sample/places")
	b.fill("[name=name]", "本社")
	b.fill("[name=nets]", "203.0.113.7\n2001:db8:1:2::9")
	b.click(`form[action$="/places"] button`)
	place := b.evaluate(`document.querySelector('th a[href*="/places/"]').getAttribute("href")`)
	for _, at := range []string{"/s/sample/site", "/s/sample/places", place, "/s/sample/setup", "/s/sample/setup/shop", "/s/sample/setup/hosts", "/s/sample/setup/places",
		"/s/sample/setup/guard", "/s/sample/setup/notices", "/s/sample/setup/sheet", "/s/sample/setup/test"} {
		for _, lang := range []string{"ja", "en"} {
			for _, width := range []int64{1280, 360} {
				name := at
				if at == place {
					name = "place"
				}
				name = fmt.Sprintf("%s-%s-%d", strings.Trim(strings.ReplaceAll(name, "/", "_"), "_"), lang, width)
				b.do(chromedp.EmulateViewport(width, 800))
				b.scheme("light")
				b.open(h.pages + "/language?to=" + lang + "&back=" + at)
				b.whole(name)
				b.readable(t, name+"-top")
				if lang == "ja" {
					b.scheme("dark")
					b.readable(t, name+"-dark")
				}
			}
		}
	}
	b.noViolations(t)
}
