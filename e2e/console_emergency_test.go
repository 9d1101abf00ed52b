package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestConsoleStopsCardsFromAPhone is the worst day of a shop: the owner stands in a
// train, with a phone whose browser runs no scripts, and stops card payments. Who
// pays otherwise still buys; then cards are taken again.
func TestConsoleStopsCardsFromAPhone(t *testing.T) {
	h := openHouse(t, "--quiet")
	owner := openBrowser(t, 390, 844)
	h.joins(owner)
	owner.scripts(false)

	owner.open(h.pages + "/s/sample/emergency")
	owner.submit(`a.switch[href$="/card"]`)
	owner.shot("switch")
	owner.fill("[name=reason]", "カード会社から連絡があった")
	owner.submit("button.danger")
	owner.shot("on")
	if got := owner.text("main"); !strings.Contains(got, "いまオン") {
		t.Fatalf("after switching on the page says %q", got)
	}

	card := openBrowser(t, 390, 844)
	card.fillCheckout(h.shop, "card")
	card.submit("main form button.go")
	card.shot("buyer-by-card")
	card.see(10*time.Second, "カードでのお支払いを、一時停止しています")
	cash := openBrowser(t, 390, 844)
	cash.fillCheckout(h.shop, "cod")
	cash.submit("main form button.go")
	cash.shot("buyer-by-cash")
	cash.see(10*time.Second, "ご注文")

	owner.open(h.pages + "/s/sample/")
	owner.shot("today-while-on")
	if got := owner.text("h1"); got != "対応中です" {
		t.Errorf("while cards are stopped the first page says %q", got)
	}
	owner.open(h.pages + "/s/sample/emergency/card")
	owner.fill("[name=reason]", "確認が終わった")
	owner.submit("button.big")
	buyInDemo(t, openBrowser(t, 390, 844), h.shop)
}

// scripts switches the scripts of the pages opened from now on.
func (b *browser) scripts(on bool) {
	b.t.Helper()
	p := emulation.SetScriptExecutionDisabledParams{Value: !on}
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, p); err != nil {
		b.t.Fatal(err)
	}
}

// fillCheckout puts something into the cart and fills the order in, up to the
// button.
func (b *browser) fillCheckout(shop, payment string) {
	b.t.Helper()
	b.open(shop + "/products/" + firstProduct(b.t, shop))
	b.submit("form.buy button.buyit")
	b.open(shop + "/checkout")
	for field, text := range map[string]string{
		"name": "髙橋 花子", "kana": "タカハシ ハナコ", "postal": "100-0005", "address": "千代田区丸の内1-1-1", "phone": "03-1234-5678", "mail": "hanako@customer.example",
	} {
		b.fill("[name="+field+"]", text)
	}
	b.do(chromedp.SetValue(chromedp.CSS("[name=prefecture]"), "東京都"), chromedp.Click(chromedp.CSS("[name=payment][value="+payment+"]")))
}
