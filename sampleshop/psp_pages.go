package sampleshop

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// testCard returns what charging a published test number answers: "" for
// money, a code for a decline. Any other number is refused, so that nobody can
// type a real card into a model.
func testCard(number string) (decline string, ok bool) {
	decline, ok = map[string]string{
		"4111111111111111": "", "4242424242424242": "", "4000056655665556": "", "4012888888881881": "",
		"5555555555554444": "", "2223003122003222": "", "5200828282828210": "", "5105105105105100": "",
		"378282246310005": "", "371449635398431": "", "3530111333300000": "", "3566002020360505": "",
		"6011111111111117": "", "6011000990139424": "", "3056930009020004": "", "36227206271667": "",
		"4000000000000002": "card_declined", "4000000000009995": "insufficient_funds", "4000000000009987": "lost_card",
		"4000000000009979": "stolen_card", "4000000000000069": "expired_card", "4000000000000127": "incorrect_cvc",
		"4000000000000119": "processing_error", "4000000000006975": "card_velocity_exceeded",
	}[number]
	return decline, ok
}

func brand(number string) string {
	switch {
	case strings.HasPrefix(number, "4"):
		return "Visa"
	case strings.HasPrefix(number, "34"), strings.HasPrefix(number, "37"):
		return "American Express"
	case strings.HasPrefix(number, "35"):
		return "JCB"
	case strings.HasPrefix(number, "3"):
		return "Diners Club"
	case strings.HasPrefix(number, "6"):
		return "Discover"
	}
	return "Mastercard"
}

type cardPage struct {
	Title  string
	Amount int64
	Errors []string
	Slip   string
	Paid   bool
}

func (v *provider) findSession(w http.ResponseWriter, r *http.Request) (cardSession, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.sessions.m[r.PathValue("session")]
	if !ok {
		http.NotFound(w, r)
	}
	return s, ok
}

func (v *provider) cardPage(w http.ResponseWriter, r *http.Request) {
	if s, ok := v.findSession(w, r); ok {
		v.pages.write(w, http.StatusOK, "psp_card", cardPage{Title: "カード情報の入力", Amount: s.Amount})
	}
}

var (
	expiryForm = regexp.MustCompile(`^(0[1-9]|1[0-2])\s*/\s*[0-9]{2}$`)
	cvcForm    = regexp.MustCompile(`^[0-9]{3,4}$`)
)

// takeCard turns a card into a token and sends the buyer back to the shop.
func (v *provider) takeCard(w http.ResponseWriter, r *http.Request) {
	s, ok := v.findSession(w, r)
	if !ok {
		return
	}
	number := strings.NewReplacer(" ", "", "-", "").Replace(foldASCII(r.PostFormValue("number")))
	decline, known := testCard(number)
	var f faults
	if !known {
		f.add("ここは見本の決済ページです。公開されているテスト用のカード番号（4111 1111 1111 1111 など）だけが使えます。")
	}
	f.match("有効期限", r.PostFormValue("expiry"), expiryForm, "12/30")
	f.match("セキュリティコード", r.PostFormValue("cvc"), cvcForm, "123")
	if len(f) > 0 {
		v.pages.write(w, http.StatusOK, "psp_card", cardPage{Title: "カード情報の入力", Amount: s.Amount, Errors: f})
		return
	}
	token := "tok_" + letters(16)
	v.mu.Lock()
	v.tokens.put(token, cardToken{cardInfo{brand(number), number[:6], number[len(number)-4:]}, decline})
	v.mu.Unlock()
	http.Redirect(w, r, s.Return+"?"+url.Values{"card_token": {token}}.Encode(), http.StatusFound)
}

func (v *provider) findSlip(w http.ResponseWriter, r *http.Request) (slipRequest, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.slips.m[r.PathValue("slip")]
	if !ok {
		http.NotFound(w, r)
	}
	return s, ok
}

func (v *provider) slipPage(w http.ResponseWriter, r *http.Request) {
	if s, ok := v.findSlip(w, r); ok {
		v.pages.write(w, http.StatusOK, "psp_konbini", cardPage{Title: "コンビニ払込票", Amount: s.Amount, Slip: r.PathValue("slip")})
	}
}

func (v *provider) paySlip(w http.ResponseWriter, r *http.Request) {
	s, ok := v.findSlip(w, r)
	if !ok {
		return
	}
	slip := r.PathValue("slip")
	v.tell(report{Type: "slip.paid", Reference: s.Reference, Charge: "slip_" + slip, Amount: s.Amount})
	v.pages.write(w, http.StatusOK, "psp_konbini", cardPage{Title: "お支払い済み", Amount: s.Amount, Slip: slip, Paid: true})
}
