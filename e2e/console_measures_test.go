package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestConsoleMeasures looks at 対策一覧 at a desk, on a phone and on paper, filters
// it, and follows a button to where a measure is set up.
func TestConsoleMeasures(t *testing.T) {
	h := openHouse(t)
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	b.watchPolicy()
	for _, lang := range []string{"ja", "en"} {
		for _, width := range []int64{1280, 360} {
			b.do(chromedp.EmulateViewport(width, 1600))
			b.open(h.pages + "/language?to=" + lang + "&back=/s/sample/measures")
			b.readable(t, fmt.Sprintf("measures-%s-%d", lang, width))
			b.open(h.pages + "/s/sample/guide/operate/access")
			b.readable(t, fmt.Sprintf("guide-%s-%d", lang, width))
		}
	}
	b.open(h.pages + "/language?to=ja&back=/s/sample/measures%3Fstate%3Dneeds")
	b.scheme("dark")
	b.readable(t, "needs-ja-360-dark")
	b.scheme("light")
	b.do(chromedp.EmulateViewport(1280, 1600))
	b.fill("[name=q]", "P08")
	b.submit("main form button")
	if n := count(b, "main tbody tr"); n < 1 || n > 3 {
		t.Errorf("P08 finds %d rows", n)
	}
	b.submit("#P08 a.button")
	if got := b.text("h1"); !strings.Contains(got, "管理画面に入れる人") {
		t.Errorf("the button of P08 leads to %q", got)
	}
	b.open(h.pages + "/s/sample/")
	b.shot("today-ja-1280")
	b.open(h.pages + "/s/sample/measures")
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		t.Fatal(err)
	}
	b.shot("print-ja")
	if n := b.evaluate("String([...document.querySelectorAll('main a.button, main form, .side')].filter(e => e.offsetParent !== null).length)"); n != "0" {
		t.Errorf("%s buttons, forms and menus stand on paper", n)
	}
	if got := b.evaluate("String(document.querySelector('main .print-only').offsetParent !== null)"); got != "true" {
		t.Error("the head of the paper does not show")
	}
	b.noViolations(t)
}
