package sampleshop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"
)

var (
	tokenForm = regexp.MustCompile(`^tok_[a-p]{32}$`)
	binForm   = regexp.MustCompile(`^[0-9]{6}$`)
	last4Form = regexp.MustCompile(`^[0-9]{4}$`)
)

type declinedPage struct{ Code, Text string }

// payment charges the card and places the order.
func (s *Shop) payment(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	d := sess.Draft
	if sess.pieces() == 0 {
		return see(w, r, "/cart")
	}
	if d == nil || d.Method != methodCard {
		return see(w, r, "/checkout")
	}
	token, last4 := s.value(r, "card_token"), s.value(r, "card_last4")
	if !tokenForm.MatchString(token) || !binForm.MatchString(s.value(r, "card_bin")) || !last4Form.MatchString(last4) {
		return s.declined(w, r, "invalid_token")
	}
	s.seen.charge(r)
	charge, err := s.payments.charge(r.Context(), chargeRequest{Token: token, Amount: d.Total, Reference: d.Reference})
	if err != nil {
		return s.providerAway(w, r, err)
	}
	if charge.Code != "" {
		return s.declined(w, r, charge.Code)
	}
	id, err := s.store(r.Context(), sess, Order{Status: statusPaid, Last4: last4, Charge: charge.ID})
	if err != nil { // no order, no money
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pspTimeout)
		defer cancel()
		return errors.Join(err, s.payments.cancel(ctx, charge.ID))
	}
	return s.placed(w, r, sess, id)
}

func (s *Shop) declined(w http.ResponseWriter, r *http.Request, code string) error {
	text := "カード会社の承認が得られませんでした。別のカードか、ほかのお支払い方法をお試しください。"
	switch code {
	case "insufficient_funds":
		text = "ご利用限度額を超えているため、お支払いできませんでした。"
	case "expired_card":
		text = "カードの有効期限が切れています。"
	case "incorrect_cvc":
		text = "セキュリティコードが違います。"
	}
	return s.render(w, r, http.StatusPaymentRequired, "declined", view{Title: "お支払いができませんでした", Data: declinedPage{code, text}})
}

func (s *Shop) providerAway(w http.ResponseWriter, r *http.Request, err error) error {
	if r.Context().Err() != nil {
		return err
	}
	s.log.Error("payment provider", "path", r.URL.Path, "err", err)
	return s.render(w, r, http.StatusServiceUnavailable, "error", view{Title: "お知らせ",
		Data: "決済サービスに接続できませんでした。代金はいただいておりません。少し時間をおいて、もう一度お試しください。"})
}

// report is what the payment provider tells the shop.
type report struct {
	Type      string `json:"type"` // charge.succeeded or slip.paid
	Reference string `json:"reference"`
	Charge    string `json:"charge"`
	Amount    int64  `json:"amount"`
}

// callback takes the payment provider's report. An order that is not known yet
// answers 409, and the provider tries again.
func (s *Shop) callback(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if !s.psp.signed(r.Header.Get(signatureHeader), body, s.opts.Now()) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return nil
	}
	var rep report
	if err := json.Unmarshal(body, &rep); err != nil {
		return fmt.Errorf("%w: %w", errForm, err)
	}
	switch err := s.paid(r.Context(), rep.Reference, rep.Charge); {
	case errors.Is(err, errNotFound):
		http.Error(w, "no such order yet", http.StatusConflict)
	case err != nil:
		return err
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// signatureAge is how old a report may be; older ones may be replays.
const signatureAge = 5 * time.Minute
