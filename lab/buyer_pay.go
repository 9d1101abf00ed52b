package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// goodCards are published test numbers that the sample shop's payment provider
// accepts, badCards ones it declines.
func goodCards() []string {
	return []string{"4111 1111 1111 1111", "4242424242424242", "5555-5555-5555-4444", "3566002020360505", "378282246310005", "5105105105105100"}
}

func badCards() []string {
	return []string{"4000000000000002", "4000000000009995", "4000000000000069", "4000000000000127", "4000000000009987", "4000000000009979", "4000000000000119"}
}

func (b *buyer) checkout(ctx context.Context, m manner) error {
	if _, err := b.read(ctx, "checkout form", "/checkout", "ご注文手続き"); err != nil {
		return err
	}
	if m.method == "card" {
		return b.payByCard(ctx, m)
	}
	if err := b.sendCheckout(ctx, m.method, "/checkout/confirm", nil); err != nil {
		return err
	}
	if _, err := b.read(ctx, "confirm", "/checkout/confirm", "この内容で注文する"); err != nil {
		return err
	}
	if _, err := b.send(ctx, "place order", "/checkout/place", "/checkout/complete", nil); err != nil {
		return err
	}
	a, err := b.read(ctx, "complete", "/checkout/complete", "ご注文ありがとうございます")
	if err != nil || m.method != "konbini" || b.r.IntN(2) == 0 {
		return err
	}
	return b.payAtKonbini(ctx, a)
}

// sendCheckout sends the address form; onTo gets where the shop sends the buyer.
func (b *buyer) sendCheckout(ctx context.Context, method, to string, onTo *string) error {
	form := b.address(b.who)
	form.Set("note", pick(b.r, notes()))
	form.Set("delivery", pick(b.r, []string{"指定なし", "午前中", "14時〜16時", "19時〜21時"}))
	form.Set("payment", method)
	a, err := b.send(ctx, "checkout", "/checkout", to, form)
	if err == nil && onTo != nil {
		*onTo = a.location
	}
	return err
}

var cardFields = regexp.MustCompile(`type="hidden" name="([a-z0-9_]+)" value="([^"]*)"`)

func (b *buyer) payByCard(ctx context.Context, m manner) error {
	cards := []string{pick(b.r, goodCards())}
	if m.badCard {
		cards = []string{pick(b.r, badCards()), cards[0]}
	}
	for i, card := range cards {
		form, err := b.typeCard(ctx, card)
		if err != nil {
			return err
		}
		if i < len(cards)-1 {
			if err := b.beDeclined(ctx, form); err != nil {
				return err
			}
			continue
		}
		if _, err := b.send(ctx, "pay", "/checkout/payment", "/checkout/complete", form); err != nil {
			return err
		}
	}
	_, err := b.read(ctx, "complete", "/checkout/complete", "ご注文ありがとうございます")
	return err
}

// typeCard goes by way of the provider's card page to the shop's confirm page
// and returns the form there.
func (b *buyer) typeCard(ctx context.Context, card string) (url.Values, error) {
	var page string
	if err := b.sendCheckout(ctx, "card", "http", &page); err != nil {
		return nil, err
	}
	if _, err := b.want(ctx, "card page", page, "みほんペイ"); err != nil {
		return nil, err
	}
	if err := b.think(ctx, 6*time.Second); err != nil {
		return nil, err
	}
	b.begin("card number")
	a, err := b.post(ctx, "card number", page, url.Values{"number": {card}, "expiry": {"12/30"}, "cvc": {"123"}, "holder": {"HANAKO YAMADA"}})
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusFound {
		return nil, fmt.Errorf("the card page answered %d", a.status)
	}
	a, err = b.read(ctx, "confirm", a.location, "この内容で支払う")
	if err != nil {
		return nil, err
	}
	form := url.Values{}
	for _, m := range cardFields.FindAllStringSubmatch(a.body, -1) {
		form.Set(m[1], m[2])
	}
	return form, nil
}

func (b *buyer) beDeclined(ctx context.Context, form url.Values) error {
	b.begin("pay, declined")
	a, err := b.post(ctx, "pay, declined", "/checkout/payment", form)
	if err != nil {
		return err
	}
	if err := expect(a, http.StatusPaymentRequired, "お支払いができませんでした"); err != nil {
		return err
	}
	return b.think(ctx, 5*time.Second)
}

var slipLink = regexp.MustCompile(`href="(https?://[^"]+/konbini/[A-Z]+)"`)

func (b *buyer) payAtKonbini(ctx context.Context, complete answer) error {
	m := slipLink.FindStringSubmatch(complete.body)
	if m == nil {
		return fmt.Errorf("the page shows no slip to pay")
	}
	b.begin("pay at the convenience store")
	a, err := b.post(ctx, "pay at the convenience store", m[1], nil)
	if err != nil {
		return err
	}
	return expect(a, http.StatusOK, "お支払いを受け付けました")
}
