package gateway

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// stopping is a gateway with emergency switches and a clock of its own.
type stopping struct {
	*standing
	em     *Emergency
	lists  *Lists
	places *Places
	now    atomic.Int64 // seconds after noon
}

// abroadNet is where the test's foreigners come from; unknownNet has no country.
const (
	abroadAddr  = "203.0.113.5"
	unknownAddr = "192.0.2.5"
	japanAddr   = "198.51.100.5"
)

func countryOf(a netip.Addr) string {
	switch {
	case netip.MustParsePrefix("203.0.113.0/24").Contains(a):
		return "US"
	case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
		return "JP"
	}
	return ""
}

func standStopping(t *testing.T, preset string, change func(*Site)) *stopping {
	t.Helper()
	s := &stopping{}
	now := func() time.Time { return noon.Add(time.Duration(s.now.Load()) * time.Second) }
	d, sealer := dbtest.Open(t, db.SQLite), newSealer(t)
	var err error
	if s.lists, err = OpenLists(t.Context(), ListsOptions{DB: d, Sealer: sealer, Now: now}); err != nil {
		t.Fatal(err)
	}
	if s.places, err = OpenPlaces(t.Context(), PlacesOptions{DB: d, Sealer: sealer, Now: now}); err != nil {
		t.Fatal(err)
	}
	modes, err := OpenModes(t.Context(), ModeSwitchOptions{DB: d, Sealer: sealer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.em, err = OpenEmergency(t.Context(), EmergencyOptions{DB: d, Sealer: sealer, Modes: modes, Lists: s.lists, Places: s.places, Now: now,
		Sites: func() []Site { return s.Sites() }, Countries: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	s.standing = stand(t, func(o *Options) {
		o.Emergency, o.Modes, o.Lists, o.Places, o.Now, o.Country = s.em, modes, s.lists, s.places, now, countryOf
		o.Secrets = func(context.Context) ([][]byte, error) { return [][]byte{[]byte("key of the test")}, nil }
		o.Settings.Limits = []Limit{{Name: "none", By: BySite, Rate: Rate{1_000_000, time.Second}}}
		site := &o.Settings.Sites[0]
		site.Preset = preset
		site.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		if change != nil {
			change(site)
		}
	})
	modes.RaiseTo(s.loop)
	s.em.RaiseTo(s.loop)
	s.lists.RaiseTo(s.loop)
	s.places.RaiseTo(s.loop)
	return s
}

func (s *stopping) set(sw Switch, on bool, until noren.Time) {
	s.t.Helper()
	if err := s.em.Set(context.Background(), "shop", sw, on, until, "taro", "a test"); err != nil {
		s.t.Fatal(err)
	}
}

// stopped asks as somebody and reports whether a switch's page came back.
func (s *stopping) stopped(method, target, body string, header ...string) bool {
	s.t.Helper()
	before := len(s.loop.of(noren.HTTPBlocked))
	res, _ := s.do(method, target, body, header...)
	for _, ev := range s.loop.of(noren.HTTPBlocked)[before:] {
		p := ev.Payload.(*noren.Blocked)
		if p.Cause == noren.CauseEmergency {
			return true
		}
		s.t.Logf("%s %s: %d, %s %s", method, target, res.StatusCode, p.Cause, p.Rule)
	}
	return false
}

func TestCardsStopped(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	pay := func(how string) (int, string) {
		res, page := s.do("POST", "/checkout", "name=x&payment="+how, "Accept-Language: ja")
		return res.StatusCode, page
	}
	if status, _ := pay("card"); status != 200 {
		t.Fatalf("on an ordinary day: %d", status)
	}
	s.set(SwitchCard, true, noren.At(noon.Add(time.Hour)))
	status, page := pay("card")
	for _, want := range []string{"カードでのお支払いを、一時停止しています", "カートの中身は、そのまま", "銀行振込", `href="/checkout"`, "再開は、"} {
		if status != 503 || !strings.Contains(page, want) {
			t.Errorf("%d, without %q: %s", status, want, page)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page needs a script")
	}
	for _, how := range []string{"cod", "konbini"} {
		if status, _ := pay(how); status != 200 {
			t.Errorf("by %s: %d", how, status)
		}
	}
	if !s.stopped("POST", "/checkout/payment", "order=1&card_token=tok_1") {
		t.Error("the call that takes the money passes")
	}
	// A payment under way ends well.
	for _, open := range [][3]string{{"GET", "/checkout/confirm?card_token=tok_1", ""}, {"POST", "/payment/callback", "payment=card&result=paid"}, {"GET", "/checkout/complete", ""}, {"GET", "/checkout", ""}} {
		if res, _ := s.do(open[0], open[1], open[2]); res.StatusCode != 200 {
			t.Errorf("%s %s: %d", open[0], open[1], res.StatusCode)
		}
	}
	ev := s.loop.of(noren.HTTPBlocked)
	if p := ev[0].Payload.(*noren.Blocked); p.Cause != noren.CauseEmergency || p.Rule != "card" {
		t.Errorf("recorded as %s %s", p.Cause, p.Rule)
	}
	s.set(SwitchCard, false, noren.Time{})
	if status, _ := pay("card"); status != 200 {
		t.Errorf("the next request after it was switched off: %d", status)
	}
	s.set(SwitchCard, true, noren.At(noon.Add(time.Hour)))
	s.now.Store(3600)
	if status, _ := pay("card"); status != 200 {
		t.Errorf("when its time is over: %d", status)
	}
}

// Nobody gets around the stop by writing a request in another way that some shop
// reads the same.
func TestCardsStoppedInEveryView(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	s.set(SwitchCard, true, noren.Time{})
	form := "Content-Type: application/x-www-form-urlencoded"
	var mp bytes.Buffer
	w := multipart.NewWriter(&mp)
	w.WriteField("payment", "cod")
	w.WriteField("payment", "card")
	w.Close()
	for name, r := range map[string][]string{
		"double slash":         {"POST", "//checkout", "payment=card", form},
		"escaped slash":        {"POST", "/%2fcheckout", "payment=card", form},
		"escaped letter":       {"POST", "/%63heckout", "payment=card", form},
		"escaped twice":        {"POST", "/%2563heckout", "payment=card", form},
		"capitals":             {"POST", "/CheckOut", "payment=card", form},
		"dot segments":         {"POST", "/cart/../checkout", "payment=card", form},
		"parameters":           {"POST", "/checkout;x=1", "payment=card", form},
		"slash at the end":     {"POST", "/checkout/", "payment=card", form},
		"twice, card last":     {"POST", "/checkout", "payment=cod&payment=card", form},
		"twice, card first":    {"POST", "/checkout", "payment=card&payment=cod", form},
		"list":                 {"POST", "/checkout", "payment%5B%5D=card", form},
		"list with a number":   {"POST", "/checkout", "payment[0]=card", form},
		"escaped name":         {"POST", "/checkout", "p%61yment=c%61rd", form},
		"value escaped twice":  {"POST", "/checkout", "payment=c%2561rd", form},
		"capital value":        {"POST", "/checkout", "payment=CARD", form},
		"capital name":         {"POST", "/checkout", "Payment=card", form},
		"spaces":               {"POST", "/checkout", "payment=+card+", form},
		"full-width":           {"POST", "/checkout", "payment=ｃａｒｄ", form},
		"markup in it":         {"POST", "/checkout", "payment=ca%3Ci%3Erd", form},
		"null in it":           {"POST", "/checkout", "payment=car%00d", form},
		"invisible in it":      {"POST", "/checkout", "payment=car%E2%80%8Bd", form},
		"semicolon":            {"POST", "/checkout", "a=1;payment=card", form},
		"in the query":         {"POST", "/checkout?payment=card", "a=1", form},
		"method of the header": {"GET", "/checkout?payment=card", "", "X-HTTP-Method-Override: POST"},
		"another method":       {"PUT", "/checkout", "payment=card", form},
		"JSON":                 {"POST", "/checkout", `{"payment":"card"}`, "Content-Type: application/json"},
		"JSON, card first":     {"POST", "/checkout", `{"payment":"card","payment":"cod"}`, "Content-Type: application/json"},
		"JSON, card last":      {"POST", "/checkout", `{"payment":"cod","payment":"card"}`, "Content-Type: application/json"},
		"JSON, escaped":        {"POST", "/checkout", `{"p\u0061yment":"c\u0061rd"}`, "Content-Type: application/json"},
		"JSON as a form":       {"POST", "/checkout", `{"payment":"card"}`, form},
		"JSON, broken":         {"POST", "/checkout", `{"payment":"card",`, "Content-Type: application/json"},
		"form as JSON":         {"POST", "/checkout", "payment=card", "Content-Type: application/json"},
		"form as text":         {"POST", "/checkout", "payment=card", "Content-Type: text/plain"},
		"multipart":            {"POST", "/checkout", mp.String(), "Content-Type: " + w.FormDataContentType()},
		"behind many fields":   {"POST", "/checkout", strings.Repeat("a&", 6000) + "payment=card", form},
		"deep":                 {"POST", "/checkout", strings.Repeat(`{"a":`, 60) + `"x"` + strings.Repeat("}", 60), "Content-Type: application/json"},
		"binary":               {"POST", "/checkout", "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00\x01\xff", 2000), "Content-Type: image/png"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.loop.of(noren.HTTPBlocked))
			res, page := s.do(r[0], r[1], r[2], r[3:]...)
			blocked := s.loop.of(noren.HTTPBlocked)[before:]
			if len(blocked) != 1 { // by the firewall or as malformed is as well
				t.Fatalf("%d, not stopped: %.300s", res.StatusCode, page)
			}
		})
	}
	for name, r := range map[string][]string{
		"cash on delivery": {"POST", "/checkout", "payment=cod", form},
		"a word with card": {"POST", "/checkout", "payment=cod&note=card+please", form},
		"JSON":             {"POST", "/checkout", `{"payment":"cod"}`, "Content-Type: application/json"},
		"another page":     {"POST", "/contact", "text=payment%3Dcard", form},
		"the cart":         {"POST", "/cart", "payment=card", form},
	} {
		t.Run("passes: "+name, func(t *testing.T) {
			if res, page := s.do(r[0], r[1], r[2], r[3:]...); res.StatusCode != 200 {
				t.Errorf("%d: %.300s", res.StatusCode, page)
			}
		})
	}
}

func TestCardsOfShopPrograms(t *testing.T) {
	type ask struct {
		method, target, body, header string
		stop                         bool
	}
	const form, jsonType = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	for preset, asks := range map[string][]ask{
		"woocommerce": {
			{"POST", "/?wc-ajax=checkout", "payment_method=stripe", form, true},
			{"POST", "/?wc-ajax=checkout", "payment_method=stripe_konbini", form, false},
			{"POST", "/?wc-ajax=checkout", "payment_method=cod", form, false},
			{"POST", "/?wc-ajax=checkout", "payment_method=bacs", form, false},
			{"POST", "/?wc-ajax=update_order_review", "payment_method=stripe&post_data=payment_method%3Dstripe", form, false},
			{"POST", "/?wc-ajax=update_order_review&wc-ajax=checkout", "payment_method=stripe", form, true},
			{"POST", "/?wc-ajax=update_order_review", "payment_method=stripe&woocommerce_checkout_place_order=1", form, true},
			{"POST", "/?wc-ajax=wc_stripe_create_order", "payment_method=stripe", form, true},
			{"POST", "/?wc-ajax=checkout&wc-api=x", "payment_method=stripe", form, true},
			{"POST", "/", "woocommerce_checkout_place_order=1&payment_method=stripe", form, true},
			{"POST", "/checkout/order-pay/12/?pay_for_order=true", "payment_method=paygent_cc&woocommerce_pay=1", form, true},
			{"POST", "/wp-json/wc/store/v1/checkout", `{"payment_method":"ppcp-credit-card-gateway"}`, jsonType, true},
			{"POST", "/?rest_route=/wc/store/v1/checkout", `{"payment_method":"stripe"}`, jsonType, true},
			{"GET", "/wp-json/wc/store/v1/checkout?_method=POST&payment_method=stripe", "", form, true},
			{"POST", "/wp-json/wc/store/v1/batch", `{"requests":[{"path":"/wc/store/v1/checkout","body":{"payment_method":"stripe"}}]}`, jsonType, true},
			{"POST", "/wp-json/wc/store/v1/checkout", `{"payment_method":"cheque"}`, jsonType, false},
			{"POST", "/my-account/add-payment-method", "x=1", form, true},
			{"POST", "/wc-api/wc_stripe", `{"payment_method":"stripe"}`, jsonType, false},
			{"GET", "/checkout/order-received/12/?key=wc_order", "", form, false},
		},
		"welcart": {
			{"POST", "/usces-cart/", "offer%5Bpayment_name%5D=%E3%82%AF%E3%83%AC%E3%82%B8%E3%83%83%E3%83%88%E3%82%AB%E3%83%BC%E3%83%89", form, true},
			{"POST", "/usces-cart/", "offer[payment_name]=銀行振込", form, false},
			{"POST", "/?acting=zeus_card", "result=OK", form, false},
		},
		"magento2": {
			{"POST", "/rest/default/V1/guest-carts/x/payment-information", `{"paymentMethod":{"method":"braintree"}}`, jsonType, true},
			{"POST", "/rest/default/V1/guest-carts/x/payment-information", `{"paymentMethod":{"method":"cashondelivery"}}`, jsonType, false},
			{"POST", "/graphql", `{"query":"mutation($c:String!){setPaymentMethodOnCart(input:{cart_id:$c,payment_method:{code:\"stripe_payments\"}}){cart{id}}}"}`, jsonType, true},
			{"POST", "/graphql", `{"query":"mutation{setPaymentMethodOnCart(input:{payment_method:{code:\"checkmo\"}}){cart{id}}}"}`, jsonType, false},
			{"POST", "/graphql", `{"query":"{products(search:\"tea\"){items{name}}}"}`, jsonType, false},
		},
		"eccube4": {
			{"POST", "/shopping/confirm", "_shopping_order%5BPayment%5D=5", form, true},
			{"POST", "/index.php/shopping/confirm", "_shopping_order[Payment]=5", form, true},
			{"POST", "/shopping/confirm", "_shopping_order%5BPayment%5D=3", form, false},
			{"POST", "/shopping/redirect_to", "_shopping_order[Payment]=5", form, true},
			{"GET", "/shopping/complete", "", form, false},
		},
		"vendure": {
			{"POST", "/shop-api", `{"query":"mutation{addPaymentToOrder(input:{method:\"5\",metadata:{}}){__typename}}"}`, jsonType, true},
			{"POST", "/shop-api", `{"query":"mutation($i:PaymentInput!){addPaymentToOrder(input:$i){__typename}}","variables":{"i":{"method":"5"}}}`, jsonType, true},
			{"POST", "/shop-api", `{"query":"mutation{p:addPaymentToOrder(input:{method:\"cod\"}){__typename}}"}`, jsonType, false},
			{"POST", "/shop-api", `{"query":"mutation{createStripePaymentIntent}"}`, jsonType, true},
			{"POST", "/shop-api", `{"query":"mutation{addItemToOrder(productVariantId:1,quantity:1){__typename}}"}`, jsonType, false},
			{"POST", "/shop-api", `{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}`, jsonType, true},
		},
	} {
		t.Run(preset, func(t *testing.T) {
			s := standStopping(t, preset, func(site *Site) {
				if preset == "eccube4" || preset == "vendure" {
					site.Cards.Values = []string{"5"}
				}
			})
			s.set(SwitchCard, true, noren.Time{})
			for _, a := range asks {
				if got := s.stopped(a.method, a.target, a.body, a.header); got != a.stop {
					t.Errorf("%s %s %s: stopped %v", a.method, a.target, a.body, got)
				}
			}
		})
	}
}

// The script of the shop's own page gets what it shows its buyer.
func TestCardAnswerOfTheShopsScript(t *testing.T) {
	s := standStopping(t, "woocommerce", nil)
	s.set(SwitchCard, true, noren.Time{})
	res, body := s.do("POST", "/?wc-ajax=checkout", "payment_method=stripe", "Accept: application/json, text/javascript, */*; q=0.01", "X-Requested-With: XMLHttpRequest", "Accept-Language: ja")
	if res.StatusCode != 200 || !strings.Contains(body, `"result":"failure"`) || !strings.Contains(body, "カードでのお支払いを、一時停止しています") || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%d %s: %s", res.StatusCode, res.Header.Get("Content-Type"), body)
	}
}

func TestSignInStopped(t *testing.T) {
	s := standStopping(t, "woocommerce", nil)
	s.set(SwitchLogin, true, noren.Time{})
	for _, r := range [][2]string{{"/my-account", "username=a&password=b"}, {"/my-account/lost-password/", "user_login=a"}, {"//my-account/", "username=a&password=b"},
		{"/wp-login.php?action=register", "user_login=a"}, {"/", "login=1&username=a&password=b"}, {"/checkout/", "username=a&password=b&login=1"}} {
		if !s.stopped("POST", r[0], r[1]) {
			t.Errorf("%s %s passes", r[0], r[1])
		}
	}
	for _, r := range [][3]string{{"GET", "/my-account/", ""}, {"GET", "/", ""}, {"POST", "/?wc-ajax=checkout", "payment_method=stripe&billing_email=a%40b.jp"}, {"GET", "/checkout/", ""}} {
		if s.stopped(r[0], r[1], r[2]) {
			t.Errorf("%s %s is stopped", r[0], r[1])
		}
	}
	_, page := s.do("POST", "/my-account", "username=a&password=b", "Accept-Language: en")
	if !strings.Contains(page, "Sign-in is paused") {
		t.Errorf("%.400s", page)
	}
}

func TestAdminClosed(t *testing.T) {
	s := standStopping(t, "eccube4", nil)
	if _, _, err := s.places.Set(t.Context(), NamedPlace{ID: noren.NewID(noon), Site: "shop", Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}, Author: "taro"}, false); err != nil {
		t.Fatal(err)
	}
	s.set(SwitchAdmin, true, noren.Time{})
	from := func(a string) string { return "X-Forwarded-For: " + a }
	for _, path := range []string{"/admin/", "/admin/login", "//admin/", "/%61dmin/", "/ADMIN/order", "/index.php/admin/"} {
		if !s.stopped("GET", path, "", from(japanAddr[:len(japanAddr)-1]+"99")) {
			t.Errorf("%s opens for a stranger", path)
		}
		if s.stopped("GET", path, "", from(japanAddr)) {
			t.Errorf("%s is closed to the office", path)
		}
	}
	if s.stopped("GET", "/", "", from(abroadAddr)) {
		t.Error("the shop is closed too")
	}
	res, page := s.do("GET", "/admin/", "", from(unknownAddr), "Accept-Language: ja")
	if res.StatusCode != 403 || !strings.Contains(page, "管理画面は、ただいま閉じています") || !strings.Contains(strings.ReplaceAll(page, "<wbr>", ""), unknownAddr) {
		t.Errorf("%d: %.400s", res.StatusCode, page)
	}
	if ok, by := s.em.Enters("shop", netip.MustParseAddr(japanAddr)); !ok || !strings.Contains(by.Ja, "本社") {
		t.Errorf("the office: %v %s", ok, by.Ja)
	}
	if ok, _ := s.em.Enters("shop", netip.MustParseAddr(unknownAddr)); ok {
		t.Error("a stranger would get in")
	}
	if _, err := s.places.Open(t.Context(), Opening{Site: "shop", Zones: []noren.Zone{noren.ZoneAdmin}, From: netip.MustParsePrefix(unknownAddr + "/32"), Reason: "x", Until: noren.At(noon.Add(time.Hour))}); err != nil {
		t.Fatal(err)
	}
	if s.stopped("GET", "/admin/", "", from(unknownAddr)) {
		t.Error("break-glass does not open")
	}
	if _, err := s.lists.Set(t.Context(), Entry{Site: "shop", List: ListAllow, Prefix: netip.MustParsePrefix("192.0.2.77/32"), Author: "taro"}); err != nil {
		t.Fatal(err)
	}
	if s.stopped("GET", "/admin/", "", from("192.0.2.77")) {
		t.Error("the allow-list does not open")
	}
}

func TestOverseasStopped(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	s.set(SwitchOverseas, true, noren.Time{})
	from := func(a string) string { return "X-Forwarded-For: " + a }
	for _, r := range []struct {
		method, path, from string
		stop               bool
	}{
		{"GET", "/", abroadAddr, true}, {"GET", "/", japanAddr, false}, {"GET", "/", unknownAddr, false}, {"GET", "/", "127.0.0.9", false},
		{"POST", "/checkout", abroadAddr, true}, {"GET", "/admin/", abroadAddr, true}, {"POST", "/login", abroadAddr, true},
		{"POST", "/payment/callback", abroadAddr, false}, {"GET", "/checkout/confirm?card_token=t", abroadAddr, false}, {"GET", "/checkout/../", abroadAddr, true},
	} {
		body := ""
		if r.method == "POST" {
			body = "a=b"
		}
		if got := s.stopped(r.method, r.path, body, from(r.from)); got != r.stop {
			t.Errorf("%s %s from %s: stopped %v", r.method, r.path, r.from, got)
		}
	}
	_, page := s.do("GET", "/", "", from(abroadAddr), "Accept-Language: en")
	if !strings.Contains(page, "Visits from outside Japan are paused") || strings.Contains(page, `href="/"`) {
		t.Errorf("%.400s", page)
	}
	if _, err := s.lists.Set(t.Context(), Entry{Site: "shop", List: ListAllow, Prefix: netip.MustParsePrefix(abroadAddr + "/32"), Author: "taro"}); err != nil {
		t.Fatal(err)
	}
	if s.stopped("GET", "/", "", from(abroadAddr)) {
		t.Error("the allow-list does not pass")
	}
}

// Switches stand beside each other and beside a mode.
func TestSwitchesBesideEachOther(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	for _, sw := range []Switch{SwitchCard, SwitchLogin, SwitchClosed} {
		s.set(sw, true, noren.At(noon.Add(time.Hour)))
	}
	on := map[Switch]SwitchState{}
	for _, st := range s.em.Of("shop") {
		if st.On {
			on[st.Switch] = st
		}
	}
	if len(on) != 3 || on[SwitchClosed].Author != "taro" || on[SwitchCard].Reason != "a test" || on[SwitchClosed].Until.IsZero() {
		t.Errorf("on: %+v", on)
	}
	if res, page := s.do("POST", "/login", "mail=a&password=b"); res.StatusCode != 503 || !strings.Contains(page, "準備中") {
		t.Errorf("closed and sign-in stopped: %d %.200s", res.StatusCode, page)
	}
	s.set(SwitchAttack, false, noren.Time{}) // is not on: the mode that is stays
	if got := s.em.o.Modes.Of("shop", noon).Mode; got != ModeClosed {
		t.Errorf("the mode became %s", got)
	}
	s.set(SwitchClosed, false, noren.Time{})
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("open again: %d", res.StatusCode)
	}
	if !s.stopped("POST", "/checkout", "payment=card") || !s.stopped("POST", "/login", "mail=a&password=b") {
		t.Error("the others ended with the mode")
	}
}

func TestSwitchesThatCannotBeUsed(t *testing.T) {
	for preset, sw := range map[string]Switch{"generic": SwitchCard, "eccube4": SwitchCard, "eccube2": SwitchCard, "vendure": SwitchCard} {
		s := standStopping(t, preset, nil)
		ok, why := s.em.Can("shop", sw)
		err := s.em.Set(t.Context(), "shop", sw, true, noren.Time{}, "taro", "")
		if ok || !strings.Contains(why.Ja, "cards:") || !strings.Contains(why.En, "cards:") || noren.CodeOf(err) != noren.Conflict {
			t.Errorf("%s: %v %s, %v", preset, ok, why.Ja, err)
		}
		if len(s.loop.of(noren.EmergencyEvent)) != 0 {
			t.Errorf("%s: what was refused is on record", preset)
		}
	}
	s := standStopping(t, "generic", func(site *Site) {
		site.Cards.Forms = []CardForm{{Path: "POST /order/pay", Field: []string{"how"}, Values: []string{"credit"}}}
	})
	s.set(SwitchCard, true, noren.Time{})
	if !s.stopped("POST", "/order/pay", "how=credit") || s.stopped("POST", "/order/pay", "how=bank") {
		t.Error("a shop's own form is not stopped")
	}
	s.em.o.Countries = func() bool { return false }
	if ok, why := s.em.Can("shop", SwitchOverseas); ok || why.Ja == "" {
		t.Errorf("without a country file: %v %s", ok, why.Ja)
	}
	for name, err := range map[string]error{
		"unknown switch": s.em.Set(t.Context(), "shop", "all", true, noren.Time{}, "", ""),
		"in the past":    s.em.Set(t.Context(), "shop", SwitchCard, true, noren.At(noon), "", ""),
		"long reason":    s.em.Set(t.Context(), "shop", SwitchCard, true, noren.Time{}, "", strings.Repeat("あ", 10_000)),
	} {
		if noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.em.Set(t.Context(), "other", SwitchCard, true, noren.Time{}, "", ""); noren.CodeOf(err) != noren.NotFound {
		t.Errorf("another site: %v", err)
	}
}

func TestWrongCards(t *testing.T) {
	for name, c := range map[string]CardConfig{
		"no values":       {Forms: []CardForm{{Path: "POST /a", Field: []string{"x"}}}},
		"values alone":    {Forms: []CardForm{{Path: "POST /a", Values: []string{"x"}}}},
		"no path":         {Forms: []CardForm{{Path: "a"}}},
		"back elsewhere":  {Forms: []CardForm{{Path: "/a", Back: "//evil.example"}}},
		"back javascript": {Forms: []CardForm{{Path: "/a", Back: "javascript:alert(1)"}}},
		"answer":          {Forms: []CardForm{{Path: "/a", Answer: &CardAnswer{Status: 200, Body: "{}"}}}},
	} {
		s := Site{Name: "shop", Hosts: []string{"*"}, Upstream: "http://127.0.0.1:1", Cards: c}
		if err := s.Valid(); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// While the database is away the last switches stay in force, and another is
// refused: in the record it is taken back.
func TestSwitchesWithoutADatabase(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	s.set(SwitchCard, true, noren.Time{})
	s.em.o.DB.Close()
	if err := s.em.Refresh(t.Context()); err == nil || !s.stopped("POST", "/checkout", "payment=card") {
		t.Errorf("%v, and cards are taken again", err)
	}
	for _, on := range []bool{true, false} {
		sw := SwitchLogin
		if !on {
			sw = SwitchCard
		}
		err := s.em.Set(t.Context(), "shop", sw, on, noren.Time{}, "taro", "x")
		if err == nil || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("on %v: %v", on, err)
		}
		ev := s.loop.of(noren.EmergencyEvent)
		if last := ev[len(ev)-1].Payload.(*noren.EmergencySwitch); last.Op != "failed" {
			t.Errorf("the record ends with %+v", last)
		}
	}
	if s.stopped("POST", "/login", "mail=a&password=b") || !s.stopped("POST", "/checkout", "payment=card") {
		t.Error("what was refused is in force")
	}
}

func TestSwitchThatCannotBeRecordedIsNotMade(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	s.loop.answer = func(ev noren.Event) (noren.Decision, error) {
		if ev.Kind == noren.EmergencyEvent {
			return noren.Decision{}, errors.New("no room")
		}
		return noren.Decision{Verdict: noren.Allow}, nil
	}
	if err := s.em.Set(t.Context(), "shop", SwitchCard, true, noren.Time{}, "taro", ""); err == nil {
		t.Error("not refused")
	}
	if err := s.em.Refresh(t.Context()); err != nil || s.stopped("POST", "/checkout", "payment=card") {
		t.Errorf("it is in force (%v)", err)
	}
}

func TestWhyOfSwitches(t *testing.T) {
	s := standStopping(t, "sampleshop", nil)
	ask := func(addr, method, target string) Would {
		x, err := s.Why(t.Context(), "shop", netip.MustParseAddr(addr), method, target)
		if err != nil {
			t.Fatal(err)
		}
		return x.Would
	}
	if w := ask(abroadAddr, "GET", "/"); !w.Pass {
		t.Errorf("before: %+v", w)
	}
	for _, sw := range []Switch{SwitchCard, SwitchLogin, SwitchAdmin, SwitchOverseas} {
		s.set(sw, true, noren.At(noon.Add(time.Hour)))
	}
	for want, w := range map[string]Would{
		"overseas": ask(abroadAddr, "GET", "/"), "admin": ask(japanAddr, "GET", "/admin/"), "login": ask(japanAddr, "POST", "/login"),
	} {
		if w.Pass || w.Cause != noren.CauseEmergency || w.Rule != want || w.Text.Ja == "" {
			t.Errorf("%s: %+v", want, w)
		}
	}
	if w := ask(japanAddr, "POST", "/checkout"); !w.Pass || !strings.Contains(w.Text.En, "Card payments are stopped") {
		t.Errorf("card: %+v", w)
	}
	if w := ask(japanAddr, "GET", "/"); !w.Pass || strings.Contains(w.Text.En, "Card") {
		t.Errorf("the front page: %+v", w)
	}
}

func TestPreviews(t *testing.T) {
	s := standStopping(t, "sampleshop", func(site *Site) { site.Title = noren.Text{Ja: "のれん堂", En: "Norendo"} })
	for _, info := range Switches() {
		for _, lang := range []string{"ja", "en"} {
			w := httptest.NewRecorder()
			if err := s.em.Preview(w, "shop", info.Switch, noren.At(noon.Add(time.Hour)), lang); err != nil {
				t.Fatal(err)
			}
			page, csp := w.Body.String(), w.Header().Get("Content-Security-Policy")
			if !strings.Contains(page, `lang="`+lang+`"`) || strings.Contains(page, "%!") || strings.Contains(csp, "script-src") || !strings.Contains(csp, "sha256-") || len(page) > 8<<10 {
				t.Errorf("%s %s: %s\n%s", info.Switch, lang, csp, page)
			}
		}
		if info.Name.En == "" || info.Name.Ja == "" || info.Does.En == "" || info.Does.Ja == "" || info.Customers.En == "" || info.Customers.Ja == "" || info.Spares.En == "" || info.Spares.Ja == "" {
			t.Errorf("%s has no words", info.Switch)
		}
	}
	if err := s.em.Preview(httptest.NewRecorder(), "shop", "all", noren.Time{}, "ja"); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("an unknown switch: %v", err)
	}
	if len(s.loop.of(noren.EmergencyEvent)) != 0 {
		t.Error("a preview switched something")
	}
}

// FuzzCardViews: whatever stands around it, a field that says card is seen.
func FuzzCardViews(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", `{"a":[1,{"b":"c"}]}`, "payment=cod", "%", "&&;;", "{", "[[[[", "a[b][c]=1", "\xff\xfe"} {
		f.Add(seed)
	}
	site := Site{Preset: "sampleshop"}
	preset, err := LookupPreset("sampleshop")
	if err != nil {
		f.Fatal(err)
	}
	m, err := site.cardMap(preset)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		if len(rest) > 8<<10 {
			return
		}
		for _, body := range []string{"payment=card&" + rest, rest + "&payment=card", rest + "&payment=cod&payment=card"} {
			for _, ct := range []string{"application/x-www-form-urlencoded", "application/json", "text/plain", ""} {
				if m.find(&cardRequest{method: "POST", path: "/checkout", contentType: ct, body: []byte(body)}) == nil {
					t.Errorf("%s %q is no card payment", ct, body)
				}
			}
		}
	})
}
