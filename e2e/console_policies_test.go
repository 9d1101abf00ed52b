package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// setText replaces what stands in the text of a file as if it were typed.
func (b *browser) setText(from, to string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => { const t = document.getElementById("text"); t.value = t.value.replace(%q, %q); t.dispatchEvent(new Event("input", {bubbles: true})); })()`, from, to)))
}

// awaitText waits until sel says something.
func (b *browser) awaitText(sel, want string) {
	b.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText`, sel)))
		if err == nil && strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("%s says %.600q, want %q", sel, got, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// choose picks the option of a select; without one of that value it is added, for
// times that no person would choose.
func (b *browser) choose(sel, value string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => { const s = document.querySelector(%q); if (![...s.options].some(o => o.value === %q)) s.add(new Option("x", %q)); s.value = %q; })()`, sel, value, value, value)))
}

// clean fails for what axe finds.
func (b *browser) clean(page string) {
	b.t.Helper()
	found, _ := b.axe()
	for _, f := range found {
		if !f.Unsure {
			b.t.Errorf("%s: %s", page, f)
		}
	}
}

// A policy is edited, tried as it is typed, tried on the past, put in force in
// shadow, kept, switched on and returned; another change is not kept and goes back
// by itself.
func TestConsolePolicies(t *testing.T) {
	h := openHouse(t)
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	b.open(h.pages + "/s/sample/policies")
	b.awaitText("#list .head p", "件数は過去7日")
	b.shot("list")
	b.clean("the list")
	b.open(h.pages + "/s/sample/policies/edit?file=policies/order.yaml")
	b.setText("account.orders_1h >= 5 ||", "account.orders_1hh >= 5 ||")
	b.awaitText("#tried", "直すところが")
	b.shot("fault")
	b.clean("a fault")
	b.do(chromedp.Click(chromedp.CSS("#tried a[data-line]")))
	if at := b.evaluate(`document.activeElement.id`); at != "text" {
		t.Errorf("the jump to the line leads to %q", at)
	}
	b.setText("account.orders_1hh >= 5 ||", "account.orders_1h >= 1 ||")
	b.awaitText("#tried", "思いどおりになりません")
	b.shot("rows")
	b.setText("{account.orders_1h: 3,", "{account.orders_1h: 0,")
	b.awaitText("#tried", "すべて思いどおりです")
	b.shot("typed")
	h.triesOnThePast(t, b)
	b.open(h.pages + "/s/sample/policies/edit?file=policies/order.yaml")
	b.setText("account.orders_1h >= 5 ||", "account.orders_1h >= 4 ||")
	b.submit("button[formaction=review]")
	b.shot("review")
	b.clean("the review")
	b.do(chromedp.Click(chromedp.CSS("input[name=first][value=shadow]")))
	b.fill("[name=reason]", "続けての注文を早めに見る")
	b.submit("form[action=change] button")
	b.awaitText(".waits", "確定を待っています")
	b.awaitText("#p-order-after-order", "記録だけ")
	b.shot("trial")
	b.clean("on trial")
	b.submit(".waits form button")
	if n := count(b, ".waits"); n != 0 {
		t.Error("the band stays after the change was kept")
	}
	b.open(h.pages + "/s/sample/policies/mode?name=order-after-order&to=on")
	b.fill("[name=reason]", "様子を見たので有効にする")
	b.submit("form[action=change] button")
	b.submit(".waits form button")
	b.open(h.pages + "/s/sample/policies/versions")
	b.awaitText("main", "店主 花子")
	b.shot("versions")
	b.clean("versions")
	h.returnsOnAPhone(t, b)
}

// triesOnThePast makes a new file about sign-ins and decides those of the record
// by it; the customers of the demo sign in within its first minute.
func (h *house) triesOnThePast(t *testing.T, b *browser) {
	for end := time.Now().Add(90 * time.Second); ; {
		b.open(h.pages + "/s/sample/policies/edit?new=1")
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.getElementById("text").value = %q`, signInPolicy)))
		b.submit("button[formaction=replay]")
		b.awaitText("#replay", "最後まで調べました")
		if b.text("#more + .figure") != "0 件" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody signed in")
		}
		time.Sleep(2 * time.Second)
	}
	b.do(chromedp.Click(chromedp.CSS("section[aria-labelledby=more] summary")))
	b.shot("past")
	b.clean("tried on the past")
	if n := count(b, `section[aria-labelledby=more] a[href^="/s/sample/events/"]`); n == 0 {
		t.Error("no example leads to its event")
	}
}

const signInPolicy = `version: 1
policies:
  - name: every-sign-in
    kinds: [account.login.attempt]
    mode: shadow
    when: address.logins_failed_10m >= 0
    then: limit
    reason: {ja: すべてのサインイン, en: Every sign-in}
    tests:
      - {name: any, facts: {address.logins_failed_10m: 0}, fires: true}
      - {name: none, facts: {address.logins_failed_10m: -1}, fires: false}
`

// returnsOnAPhone goes back without scripts on a phone, and lets a change go back
// by itself.
func (h *house) returnsOnAPhone(t *testing.T, b *browser) {
	b.do(chromedp.EmulateViewport(360, 740))
	v := &visitor{b, nil, "ja"}
	v.scripts(false)
	b.open(h.pages + "/s/sample/policies")
	b.shot("phone-list")
	b.open(h.pages + "/s/sample/policies/versions")
	b.shot("phone-versions")
	b.submit("tbody tr:last-child a[href*=return]")
	b.fill("[name=reason]", "出荷時に戻す")
	b.shot("phone-return")
	b.submit("form[action=change] button")
	b.awaitText(".waits", "確定を待っています")
	b.shot("phone-trial")
	b.submit(".waits form + form button")
	b.awaitText(".notice", "変更の前に戻しました")
	b.open(h.pages + "/s/sample/policies/edit?file=policies/order.yaml")
	b.shot("phone-edit")
	b.submit("button[formaction=test]")
	b.awaitText("#tried", "すべて思いどおりです")
	v.scripts(true)
	b.open(h.pages + "/s/sample/policies/mode?name=order-after-order&to=off")
	b.choose("[name=within]", "2s")
	b.fill("[name=reason]", "試しに切る")
	b.submit("form[action=change] button")
	b.awaitText("#p-order-after-order", "切")
	b.awaitText("#p-order-after-order .badge", "有効") // the page looks again by itself
	b.shot("phone-back")
	if got := v.cut(); len(got) > 0 {
		t.Errorf("cut on a phone: %q", got)
	}
	b.do(chromedp.EmulateViewport(1280, 900))
	b.open(h.pages + "/language?to=en&back=/s/sample/policies")
	b.awaitText("h1", "Policies")
	b.shot("en")
}
