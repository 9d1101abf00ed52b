package sampleshop

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// draft is an order that is agreed but not placed: kept in the session until
// the buyer confirms or the card is charged.
type draft struct {
	Reference string `json:"reference"`
	Party     party  `json:"party"`
	Note      string `json:"note"`
	Delivery  string `json:"delivery"`
	Method    string `json:"method"`
	Total     int64  `json:"total"`
}

// MethodName is the way of paying in words.
func (d draft) MethodName() string { return methodName(d.Method) }

func deliveries() []string {
	return []string{"指定なし", "午前中", "14時〜16時", "16時〜18時", "18時〜20時", "19時〜21時"}
}

type checkoutPage struct {
	Draft       draft
	Bill        bill
	Prefectures []string
	Deliveries  []string
}

// Party is what the address form shows.
func (p checkoutPage) Party() party { return p.Draft.Party }

func (s *Shop) checkoutForm(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if sess.pieces() == 0 {
		return see(w, r, "/cart")
	}
	d := draft{Method: methodCard, Delivery: deliveries()[0]}
	switch {
	case sess.Draft != nil:
		d = *sess.Draft
	case sess.Customer != 0:
		c, err := s.customer(r.Context(), sess.Customer)
		if err != nil {
			return err
		}
		d.Party = c.party
	}
	return s.showCheckout(w, r, sess, d, nil)
}

func (s *Shop) showCheckout(w http.ResponseWriter, r *http.Request, sess *session, d draft, f faults) error {
	b, err := s.bill(r.Context(), sess.Cart, "")
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "checkout", view{Title: "ご注文手続き", Errors: f, session: sess,
		Data: checkoutPage{Draft: d, Bill: b, Prefectures: prefectures(), Deliveries: deliveries()}})
}

func (s *Shop) checkout(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if sess.pieces() == 0 {
		return see(w, r, "/cart")
	}
	d := draft{Reference: newReference(), Party: s.party(r), Note: s.value(r, "note"), Delivery: s.value(r, "delivery"), Method: s.value(r, "payment")}
	var f faults
	d.Party.check(&f)
	f.optional("備考", d.Note, 1000)
	if !slices.Contains(deliveries(), d.Delivery) {
		f.add("お届け時間帯をお選びください。")
	}
	if methodName(d.Method) == "" {
		f.add("お支払い方法をお選びください。")
	}
	if len(f) > 0 {
		return s.showCheckout(w, r, sess, d, f)
	}
	b, err := s.bill(r.Context(), sess.Cart, d.Method)
	if err != nil {
		return err
	}
	d.Total, sess.Draft = b.Total, &d
	to := "/checkout/confirm"
	if d.Method == methodCard {
		if to, err = s.payments.open(r.Context(), cardSession{Amount: d.Total, Reference: d.Reference, Return: s.opts.BaseURL + "/checkout/confirm"}); err != nil {
			return s.providerAway(w, r, err)
		}
	}
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, to)
}

// newReference names an order to the payment provider before it has a number.
func newReference() string {
	var b [10]byte
	rand.Read(b[:])
	return "ref" + base32.StdEncoding.EncodeToString(b[:])
}

type confirmPage struct {
	Draft draft
	Bill  bill
	Card  cardInfo
	Token string
}

// confirm shows everything once more before the buyer is bound.
func (s *Shop) confirm(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if sess.Draft == nil {
		return see(w, r, "/checkout")
	}
	page := confirmPage{Draft: *sess.Draft, Token: s.value(r, "card_token")}
	if page.Bill, err = s.bill(r.Context(), sess.Cart, sess.Draft.Method); err != nil {
		return err
	}
	if sess.Draft.Method == methodCard {
		page.Card, err = s.payments.card(r.Context(), page.Token)
		if errors.Is(err, errNotFound) {
			return see(w, r, "/checkout")
		}
		if err != nil {
			return s.providerAway(w, r, err)
		}
	}
	return s.render(w, r, http.StatusOK, "confirm", view{Title: "ご注文内容の確認", Data: page, session: sess})
}

// place stores an order that is paid later.
func (s *Shop) place(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	d := sess.Draft
	if d == nil || d.Method == methodCard {
		return see(w, r, "/checkout")
	}
	o := Order{Status: statusOpen}
	if d.Method == methodKonbini {
		if o.Slip, err = s.payments.slip(r.Context(), slipRequest{Amount: d.Total, Reference: d.Reference}); err != nil {
			return s.providerAway(w, r, err)
		}
		o.Status = statusWaiting
	}
	id, err := s.store(r.Context(), sess, o)
	if err != nil {
		return err
	}
	return s.placed(w, r, sess, id)
}

// store keeps the order of the session's draft.
func (s *Shop) store(ctx context.Context, sess *session, o Order) (id int64, err error) {
	d := sess.Draft
	b, err := s.bill(ctx, sess.Cart, d.Method)
	if err != nil {
		return 0, err
	}
	o.Reference, o.Customer, o.party, o.At = d.Reference, sess.Customer, d.Party, s.opts.Now()
	o.Note, o.Delivery, o.Method, o.Lines = d.Note, d.Delivery, d.Method, b.Lines
	o.Subtotal, o.Shipping, o.Fee, o.Total = b.Subtotal, b.Shipping, b.Fee, b.Total
	err = s.write(ctx, func(tx *sql.Tx) error { return insertOrder(ctx, tx, &o) })
	if err == nil {
		return o.ID, nil
	}
	twice, lookErr := s.orderByReference(ctx, d.Reference)
	if lookErr != nil {
		return 0, errors.Join(err, lookErr)
	}
	return twice, nil
}

// placed empties the cart and shows the order.
func (s *Shop) placed(w http.ResponseWriter, r *http.Request, sess *session, id int64) error {
	sess.Placed, sess.Draft, sess.Cart = id, nil, nil
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/checkout/complete")
}

// orderByReference finds the order of a button that was pressed twice.
func (s *Shop) orderByReference(ctx context.Context, reference string) (int64, error) {
	os, err := s.queryOrders(ctx, `WHERE reference = $1`, reference)
	if err != nil {
		return 0, err
	}
	if len(os) == 0 {
		return 0, fmt.Errorf("order %s: %w", reference, errNotFound)
	}
	return os[0].ID, nil
}

type completePage struct {
	Order Order
	PayAt string // where a convenience store order is paid in this model world
}

func (s *Shop) complete(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if sess.Placed == 0 {
		return see(w, r, "/")
	}
	o, err := s.order(r.Context(), sess.Placed)
	if err != nil {
		return err
	}
	page := completePage{Order: o}
	if o.Slip != "" {
		page.PayAt = s.opts.PSPBaseURL + "/konbini/" + url.PathEscape(o.Slip)
	}
	return s.render(w, r, http.StatusOK, "complete", view{Title: "ご注文ありがとうございます", Data: page, session: sess})
}
