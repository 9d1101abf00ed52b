package sampleshop_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"noren/sampleshop"
)

var hidden = regexp.MustCompile(`type="hidden" name="(card_[a-z0-9]+)" value="([^"]*)"`)

// toConfirm fills the checkout and the provider's card page.
func toConfirm(t *testing.T, v *visitor, card string) []string {
	t.Helper()
	pay := v.post("/checkout", with(party(), "note", "のし「御祝」; ' < & (´・ω・`)", "delivery", "午前中", "payment", "card")...).wantTo(t, "http://")
	v.get(pay.location).want(t, 200, "みほんペイ")
	back := v.post(pay.location, "number", card, "expiry", "12/30", "cvc", "123").wantTo(t, v.base+"/checkout/confirm?card_token=tok_")
	page := v.get(back.location).want(t, 200, "この内容で支払う", "**** "+card[len(card)-4:])
	var fields []string
	for _, m := range hidden.FindAllStringSubmatch(page.body, -1) {
		fields = append(fields, m[1], m[2])
	}
	if len(fields) != 6 {
		t.Fatalf("confirm page has the fields %q", fields)
	}
	return fields
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *started) newest(t *testing.T) sampleshop.Order {
	t.Helper()
	os, err := s.Orders(t.Context(), 1)
	if err != nil || len(os) != 1 {
		t.Fatalf("newest order: %v, %v", os, err)
	}
	return os[0]
}

func TestGuestPaysByCard(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.get("/checkout").wantTo(t, "/cart")
	v.post("/cart/add", "product", "kyusu-aka", "quantity", "2").wantTo(t, "/cart")
	v.post("/cart/update", "product", "kyusu-aka", "quantity", "1").wantTo(t, "/cart")
	v.get("/cart").want(t, 200, "6,600円", "7,260円")

	declined := toConfirm(t, v, "4000000000000002")
	v.post("/checkout/payment", declined...).want(t, 402, `data-decline="card_declined"`)
	funds := toConfirm(t, v, "4000000000009995")
	v.post("/checkout/payment", funds...).want(t, 402, `data-decline="insufficient_funds"`, "限度額")
	good := toConfirm(t, v, "4111111111111111")
	v.post("/checkout/payment", good...).wantTo(t, "/checkout/complete")
	v.get("/checkout/complete").want(t, 200, "ND-000301", "aiko@example.jp")
	v.get("/cart").want(t, 200, "空です")

	o := s.newest(t)
	if o.Total != 7260 || o.Last4 != "1111" || o.Customer != 0 || o.Name != "髙﨑（辻󠄀）①子" || o.Postal != "604-8001" || o.Note != "のし「御祝」; ' < & (´・ω・`)" {
		t.Errorf("order is %+v", o)
	}
	if accepted, refused := s.Charges(); accepted != 1 || refused != 2 {
		t.Errorf("%d charges accepted and %d declined, want 1 and 2", accepted, refused)
	}
	eventually(t, "the provider's report", func() bool { return s.Seen().Routes["POST /payment/callback"] > 0 })
}

func TestPaymentNeedsAnOrderAndAToken(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	made := []string{"card_token", "tok_" + strings.Repeat("ab", 16), "card_bin", "411111", "card_last4", "1111"}
	v.post("/checkout/payment", made...).wantTo(t, "/cart")
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	v.post("/checkout/payment", made...).wantTo(t, "/checkout")
	v.post("/checkout", with(party(), "payment", "card", "delivery", "午前中")...).wantTo(t, s.PSP+"/pay/")
	v.post("/checkout/payment", made...).want(t, 402, `data-decline="invalid_token"`)
	v.post("/checkout/payment", "card_token", "4111111111111111").want(t, 402, `data-decline="invalid_token"`)
	v.get("/checkout/confirm?card_token=nonsense").wantTo(t, "/checkout")
	v.post("/checkout/place").wantTo(t, "/checkout") // a card order cannot be had without paying
	if n := s.newest(t).ID; n != 300 {
		t.Errorf("order %d was placed", n)
	}
}

func TestOnlyTestCardsAreTaken(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	pay := v.post("/checkout", with(party(), "payment", "card", "delivery", "午前中")...).location
	v.post(pay, "number", "4539148803436467", "expiry", "12/30", "cvc", "123").want(t, 200, "テスト用のカード番号")
	v.post(pay, "number", "4111 1111 1111 1111", "expiry", "13/30", "cvc", "1").want(t, 200, "有効期限", "セキュリティコード")
	v.post(pay, "number", "４１１１-1111-1111-1111", "expiry", "12/30", "cvc", "123").wantTo(t, s.URL)
	v.get(s.PSP+"/pay/none").want(t, 404)
	v.get(s.PSP+"/api/tokens/x").want(t, 401)
}

func TestPressingTwiceBuysOnce(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	fields := toConfirm(t, v, "5555555555554444")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			// A late press finds the cart empty and is sent there.
			if a := v.post("/checkout/payment", fields...); a.status != http.StatusFound {
				t.Errorf("answered %d", a.status)
			}
		})
	}
	wg.Wait()
	if o := s.newest(t); o.ID != 301 {
		t.Errorf("newest order is %d, want 301 and no more", o.ID)
	}
	if accepted, _ := s.Charges(); accepted != 1 {
		t.Errorf("%d charges, want 1", accepted)
	}
}

func TestKonbiniIsPaidLater(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	v.post("/checkout", with(party(), "payment", "konbini", "delivery", "指定なし")...).wantTo(t, "/checkout/confirm")
	v.get("/checkout/confirm").want(t, 200, "コンビニ払い", "この内容で注文する")
	v.post("/checkout/place").wantTo(t, "/checkout/complete")
	if got := s.newest(t).Status; got != "入金待ち" {
		t.Errorf("status is %s", got)
	}
	page := v.get("/checkout/complete").want(t, 200, "払込票番号")
	slip := regexp.MustCompile(regexp.QuoteMeta(s.PSP) + `/konbini/[A-P]+`).FindString(page.body)
	v.get(slip).want(t, 200, "レジで支払う")
	v.post(slip).want(t, 200, "お支払いを受け付けました")
	eventually(t, "the order to be paid", func() bool { return s.newest(t).Status == "入金済み" })
}

func TestCashOnDelivery(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.post("/cart/add", "product", "hojicha", "quantity", "1").wantTo(t, "/cart")
	v.post("/checkout", with(party(), "payment", "cod", "delivery", "指定なし")...).wantTo(t, "/checkout/confirm")
	v.post("/checkout/place").wantTo(t, "/checkout/complete")
	if o := s.newest(t); o.Total != 972+660+330 || o.Status != "受付" {
		t.Errorf("order is %+v", o)
	}
	v.post("/checkout/place").wantTo(t, "/checkout")
}

func TestCheckoutSaysWhatIsWrong(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	v.post("/checkout", "name", "", "kana", "漢字", "postal", "12", "phone", "x", "mail", "x", "prefecture", "東京", "delivery", "夜", "payment", "bitcoin").
		want(t, 200, "お名前", "フリガナ", "郵便番号", "都道府県", "ご住所", "お電話番号", "メールアドレス", "お届け時間帯", "お支払い方法")
}

func TestProviderAway(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	s.stopPSP()
	v.post("/checkout", with(party(), "payment", "card", "delivery", "午前中")...).want(t, 503, "代金はいただいておりません")
}

func TestAdmin(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 4, AdminPassword: "kanri-no-kotoba"})
	guest, admin := s.visitor(t), s.visitor(t)
	for _, path := range []string{"/admin", "/admin/orders", "/admin/orders/1", "/admin/customers", "/admin/export/orders.csv", "/admin/export/customers.csv"} {
		guest.get(path).wantTo(t, "/admin/login")
	}
	guest.post("/admin/orders/1/status", "status", "取消").wantTo(t, "/admin/login")
	guest.post("/admin/login", "user", "admin", "password", "wrong").want(t, 200, "違います")
	guest.post("/admin/login", "user", "nobody", "password", "").want(t, 200, "違います")
	admin.post("/admin/login", "user", "admin", "password", "kanri-no-kotoba").wantTo(t, "/admin")
	admin.get("/admin").want(t, 200, "300件", "200名")
	admin.get("/admin/orders/300").want(t, 200, "ND-000300")
	admin.post("/admin/orders/300/status", "status", "発送済み").wantTo(t, "/admin/orders/300")
	admin.post("/admin/orders/300/status", "status", "盗難").want(t, 404)
	admin.get("/admin/customers").want(t, 200, "会員一覧")
	admin.post("/admin/logout").wantTo(t, "/admin/login")
	admin.get("/admin").wantTo(t, "/admin/login")
}

// A customer's name must not become a formula on the shopkeeper's machine.
func TestExportHoldsNoFormulas(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 4})
	v, admin := s.visitor(t), s.visitor(t)
	evil := []string{"name", `=HYPERLINK("http://evil.example";"見る")`, "kana", "ア", "postal", "604-8001", "prefecture", "京都府",
		"address", "＝１＋１", "phone", "090-0000-0000", "mail", "+x@example.jp", "password", "himitsu-no-kotoba"}
	v.post("/signup", evil...).wantTo(t, "/mypage")
	admin.post("/admin/login", "user", "admin", "password", s.AdminPassword()).wantTo(t, "/admin")
	a := admin.get("/admin/export/customers.csv").want(t, 200, `"'=HYPERLINK(""http`, "'＝１＋１", "'+x@example.jp")
	if got := a.header.Get("Content-Disposition"); got != `attachment; filename="customers.csv"` {
		t.Errorf("Content-Disposition is %q", got)
	}
	if lines := strings.Count(a.body, "\r\n"); lines != 202 {
		t.Errorf("%d lines, want a head and 201 customers", lines)
	}
	if lines := strings.Count(admin.get("/admin/export/orders.csv").body, "\r\n"); lines != 301 {
		t.Errorf("%d lines, want a head and 300 orders", lines)
	}
}

func TestSeedDecidesTheShop(t *testing.T) {
	at := func() time.Time { return time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC) }
	dump := func(seed uint64) string {
		s := start(t, sampleshop.Options{Seed: seed, Now: at, AdminPassword: "kanri-no-kotoba"})
		v := s.visitor(t)
		v.post("/admin/login", "user", "admin", "password", "kanri-no-kotoba").wantTo(t, "/admin")
		return v.get("/admin/export/orders.csv").body + v.get("/admin/export/customers.csv").body + v.get("/products/hojicha").body
	}
	first := dump(7)
	if dump(7) != first {
		t.Error("two shops of one seed differ")
	}
	if dump(8) == first {
		t.Error("shops of two seeds are alike")
	}
}

func TestSeenCountsByMark(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 2})
	v := s.visitor(t)
	req := v.request(http.MethodGet, "/search?"+url.Values{"q": {"急須"}}.Encode(), nil)
	req.Header.Set(sampleshop.MarkHeader, "sql_injection")
	v.do(req).want(t, 200)
	req.URL.Path, req.URL.RawQuery = "/none", ""
	v.do(req).want(t, 404)
	v.get("/").want(t, 200)
	seen := s.Seen()
	if m := seen.Marks["sql_injection"]; m.Total != 2 || m.Routes["GET /search"] != 1 || m.Routes["other"] != 1 {
		t.Errorf("marked requests seen: %+v", m)
	}
	if seen.Total != 3 {
		t.Errorf("%d requests seen, want 3", seen.Total)
	}
}

// The demo has two seconds from start to the first request; the shop may take half of one.
func BenchmarkStart(b *testing.B) {
	for range b.N {
		start(b, sampleshop.Options{Seed: 1, PasswordCost: 100_000})
	}
}
