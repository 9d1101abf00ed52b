package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// pressAt presses or releases the mouse over the middle of sel.
func (b *browser) pressAt(sel string, what input.DispatchMouseEventType) {
	b.t.Helper()
	var x, y float64
	at := b.evaluate(fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return (r.x + r.width/2) + " " + (r.y + r.height/2) })()`, sel))
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		b.t.Fatalf("where %s is: %q, %v", sel, at, err)
	}
	if _, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: what, X: x, Y: y, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1}); err != nil {
		b.t.Fatal(err)
	}
}

// await asks the page until a script says "true".
func (b *browser) await(script string) {
	b.t.Helper()
	for end := time.Now().Add(15 * time.Second); b.evaluate(script) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.shot("failed")
			b.t.Fatalf("never: %s", script)
		}
	}
}

// A part that refreshes itself is not exchanged between the press of a button and
// its release: the click would go to nobody. It catches up once the hand is away.
func TestPressWhileThePartRefreshes(t *testing.T) {
	h := openHouse(t, "--quiet")
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	for range 10 {
		b.open(h.pages + "/s/sample/emergency")
		b.do(chromedp.Evaluate[chromedp.Void](`window.arrived = 0; document.addEventListener("htmx:beforeSwap", () => { window.arrived++ }); undefined`))
		b.pressAt(`a.switch[href$="/card"]`, input.DispatchMouseEventTypeMousePressed)
		b.do(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new Event("changed")); undefined`))
		b.await(`window.arrived > 0`)
		b.pressAt(`a.switch[href$="/card"]`, input.DispatchMouseEventTypeMouseReleased)
		for end := time.Now().Add(10 * time.Second); !strings.HasSuffix(b.location(), "/emergency/card"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a press on the switch while the page refreshed itself did nothing")
			}
		}
	}
	// Pressed and let go elsewhere: no click, and what was missed is fetched.
	b.open(h.pages + "/s/sample/emergency")
	b.do(chromedp.Evaluate[chromedp.Void](`window.arrived = 0; document.addEventListener("htmx:beforeSwap", () => { window.arrived++ }); document.querySelector("a.switch").dataset.old = "1"; undefined`))
	b.pressAt(`a.switch[href$="/card"]`, input.DispatchMouseEventTypeMousePressed)
	b.do(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new Event("changed")); undefined`))
	b.await(`window.arrived > 0`)
	if n := count(b, "a.switch[data-old]"); n != 1 {
		t.Error("the part was exchanged under the pressed button")
	}
	b.pressAt("h1", input.DispatchMouseEventTypeMouseReleased)
	b.await(`!document.querySelector("a.switch[data-old]")`)
}

// From recording to stopping by clicking: the owner names a place, records first,
// sees who came from elsewhere, switches, and takes it back.
func TestFromRecordingToStopping(t *testing.T) {
	h := openHouse(t, "--quiet")
	b := &firstRun{browser: openBrowser(t, 1280, 900)}
	h.joins(b.browser)
	b.watchPolicy()
	admin := func() int {
		res, err := http.Get(h.shop + "/admin/login")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	b.open(h.pages + "/s/sample/setup/places")
	b.fill("[name=name]", "本社")
	b.fill("[name=nets]", "203.0.113.7")
	b.click(`form[action$="/places"] button`)
	b.click(`form[action$="/places/admin"] button`)
	if got := admin(); got >= 400 {
		t.Fatalf("while it only records the admin answers %d", got)
	}
	b.open(h.pages + "/s/sample/")
	b.see(10*time.Second, "いまは記録だけです")
	b.whole("today")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		b.open(h.pages + "/s/sample/stopping")
		if got := b.text("#admin"); strings.Contains(got, "が止まったはずです") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("what would have been stopped is not counted: %s", got)
		}
	}
	b.fill(`form[action$="/stopping/admin"] [name=reason]`, "数日見て、スタッフは入っていなかった")
	b.click(`form[action$="/stopping/admin"] button`)
	b.shot("asks") // the browser is on this machine: nobody can tell whether it shuts itself out
	b.do(chromedp.Click(chromedp.CSS("[name=sure]")))
	b.click(`form[action$="/stopping/admin"] button`)
	b.see(10*time.Second, "決めた場所からだけ開けるようにしました")
	b.whole("switched")
	for end := time.Now().Add(10 * time.Second); admin() != http.StatusForbidden; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the admin still opens from elsewhere")
		}
	}
	b.click(".notice form button")
	b.see(10*time.Second, "元に戻しました")
	if got := b.text("#admin"); !strings.Contains(got, "記録だけ") {
		t.Errorf("after the undo: %s", got)
	}
	b.open(h.pages + "/people")
	b.click(`form[action$="/people/invite"] button`)
	if count(b.browser, "[name=code]") > 0 {
		b.fill("[name=code]", h.code())
		b.click("main form button")
	}
	b.see(10*time.Second, "この機械の中でしか開けません")
	b.readable(t, "people-link")
	for _, at := range []string{"/s/sample/stopping", "/s/sample/setup", "/s/sample/setup/letter", "/s/sample/setup/sheet", "/s/sample/guide/operate/access", "/people", "/s/sample/measures", "/s/sample/stopped"} {
		for _, lang := range []string{"ja", "en"} {
			for _, width := range []int64{1280, 360} {
				name := fmt.Sprintf("%s-%s-%d", strings.Trim(strings.ReplaceAll(at, "/", "_"), "_"), lang, width)
				b.do(chromedp.EmulateViewport(width, 800))
				b.scheme("light")
				b.open(h.pages + "/language?to=" + lang + "&back=" + at)
				b.whole(name)
				b.readable(t, name+"-top")
			}
		}
		b.scheme("dark")
		b.readable(t, strings.ReplaceAll(at, "/", "_")+"-dark")
	}
	b.noViolations(t)
}
