package sampleshop_test

import (
	"database/sql"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "noren/db" // registers the driver "sqlite"
	"noren/sampleshop"
)

// started is a shop on loopback with its payment provider on another port.
type started struct {
	*sampleshop.Shop
	URL, PSP string
	stopPSP  func()
}

func start(t testing.TB, o sampleshop.Options) *started {
	t.Helper()
	db, err := sql.Open("sqlite", sampleshop.DSN(filepath.Join(t.TempDir(), "shop.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	shop, psp := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	o.BaseURL, o.PSPBaseURL = "http://"+shop.Listener.Addr().String(), "http://"+psp.Listener.Addr().String()
	if o.PasswordCost == 0 {
		o.PasswordCost = 2_000
	}
	s, err := sampleshop.New(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	shop.Config.Handler, psp.Config.Handler = s, s.PSP()
	shop.Start()
	psp.Start()
	t.Cleanup(func() { s.Close(); shop.Close(); psp.Close() })
	return &started{s, shop.URL, psp.URL, psp.Close}
}

// visitor is a browser that keeps cookies and shows each redirect.
type visitor struct {
	t    testing.TB
	base string
	http *http.Client
}

func (s *started) visitor(t testing.TB) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, s.URL, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what a page said.
type answer struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (v *visitor) do(req *http.Request) answer {
	v.t.Helper()
	resp, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(b), resp.Header}
}

func (v *visitor) request(method, to string, body io.Reader) *http.Request {
	v.t.Helper()
	if strings.HasPrefix(to, "/") {
		to = v.base + to
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, to, body)
	if err != nil {
		v.t.Fatal(err)
	}
	return req
}

func (v *visitor) get(to string) answer {
	v.t.Helper()
	return v.do(v.request(http.MethodGet, to, nil))
}

// post sends a form given as name, value, name, value …
func (v *visitor) post(to string, fields ...string) answer {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req := v.request(http.MethodPost, to, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(req)
}

func (a answer) want(t testing.TB, status int, contains ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d (to %q), want %d\n%s", a.status, a.location, status, a.body)
	}
	for _, c := range contains {
		if !strings.Contains(a.body, c) {
			t.Fatalf("page does not say %q:\n%s", c, a.body)
		}
	}
	return a
}

func (a answer) wantTo(t testing.TB, prefix string) answer {
	t.Helper()
	if a.status != http.StatusFound || !strings.HasPrefix(a.location, prefix) {
		t.Fatalf("answered %d to %q, want 302 to %s…\n%s", a.status, a.location, prefix, a.body)
	}
	return a
}

// party is an address nobody lives at, with what real names are made of.
func party() []string {
	return []string{"name", "髙﨑（辻󠄀）①子", "kana", "ﾀｶｻｷ ｱｲｺ", "postal", "６０４－８００１", "prefecture", "京都府",
		"address", "京都市中京区見本町1-2-3 のれんﾊｲﾂ２０１", "phone", "０９０ー００００ー１２３４", "mail", "aiko@example.jp"}
}

func with(fields []string, more ...string) []string {
	return append(fields[:len(fields):len(fields)], more...)
}

func TestPages(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 1})
	v := s.visitor(t)
	tests := []struct {
		path     string
		status   int
		contains string
	}{
		{"/", 200, "南部鉄瓶"},
		{"/category/cha", 200, "宇治玉露"},
		{"/category/none", 404, "見つかりません"},
		{"/products/kyusu-aka", 200, "常滑急須（赤）"},
		{"/products/none", 404, "見つかりません"},
		{"/search?q=" + url.QueryEscape("急須 （赤）"), 200, "検索結果 1件"},
		{"/search?q=" + url.QueryEscape("100%"), 200, "検索結果 0件"},
		{"/search?q=" + url.QueryEscape(`' OR '1'='1`), 200, "検索結果 0件"},
		{"/search", 200, "商品検索"},
		{"/guide/law", 200, "特定商取引法"},
		{"/cart", 200, "カートは空です"},
		{"/login?next=https://evil.example/", 200, `value="/mypage"`},
		{"/assets/style.css", 200, "--paper"},
		{"/assets/products/hojicha.svg", 200, "<svg"},
		{"/assets/products/none.svg", 404, ""},
		{"/assets/..%2fshop.go", 400, ""},
		{"/nothing", 404, "見つかりません"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) { v.get(tt.path).want(t, tt.status, tt.contains) })
	}
	if n := len(s.Seen().Routes); n < 8 {
		t.Errorf("only %d routes seen: %v", n, s.Seen().Routes)
	}
}

func TestSignInAndOut(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 3})
	v := s.visitor(t)
	v.get("/mypage").wantTo(t, "/login?next=/mypage")
	v.post("/signup", with(party(), "password", "short")...).want(t, 200, "8文字以上")
	v.post("/signup", with(party(), "password", "himitsu-no-kotoba")...).wantTo(t, "/mypage")
	v.get("/mypage").want(t, 200, "髙﨑", "ようこそ")
	v.get("/mypage").want(t, 200, "604-8001")
	v.post("/logout").wantTo(t, "/")
	v.get("/mypage").wantTo(t, "/login")

	v.post("/signup", with(party(), "password", "another-password")...).want(t, 200, "登録できません")
	v.post("/login", "mail", "aiko@example.jp", "password", "wrong").want(t, 200, "違います")
	v.post("/login", "mail", "nobody@example.jp", "password", "wrong").want(t, 200, "違います")
	v.post("/login", "mail", "AIKO@example.jp", "password", "himitsu-no-kotoba", "next", "/checkout").wantTo(t, "/checkout")
	v.post("/mypage/address", with(party(), "address", "")...).wantTo(t, "/mypage")
	v.post("/mypage/address", "name", "").want(t, 200, "お名前をご入力ください")
}

// The lab's players know the seeded members without asking the shop.
func TestSeededMembersCanSignIn(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 9})
	for _, p := range sampleshop.People(9, 3) {
		v := s.visitor(t)
		for range 2 { // the second time with the password hashed anew
			v.post("/login", "mail", p.Mail, "password", p.Password).wantTo(t, "/mypage")
		}
	}
}

func TestSignInChangesTheCookie(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 3})
	v := s.visitor(t)
	p := sampleshop.People(3, 1)[0]
	before := v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart").header.Get("Set-Cookie")
	after := v.post("/login", "mail", p.Mail, "password", p.Password).wantTo(t, "/mypage").header.Get("Set-Cookie")
	if before == "" || after == "" || before == after {
		t.Errorf("cookie before sign-in %q, after %q", before, after)
	}
	for _, flag := range []string{"HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(after, flag) {
			t.Errorf("cookie %q has no %s", after, flag)
		}
	}
	v.get("/cart").want(t, 200, "ほうじ茶")
}

func TestSomebodyElsesOrderDoesNotExist(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 3})
	orders, err := s.Orders(t.Context(), 300)
	if err != nil {
		t.Fatal(err)
	}
	p := sampleshop.People(3, 1)[0]
	v := s.visitor(t)
	v.post("/login", "mail", p.Mail, "password", p.Password).wantTo(t, "/mypage")
	mine, others := 0, 0
	for _, o := range orders[:60] {
		got := v.get("/mypage/orders/" + strings.TrimLeft(strings.TrimPrefix(o.Number(), "ND-"), "0")).status
		if o.Customer == 1 {
			mine++
			if got != 200 {
				t.Errorf("own order %s answers %d", o.Number(), got)
			}
			continue
		}
		others++
		if got != 404 {
			t.Errorf("order %s of customer %d answers %d", o.Number(), o.Customer, got)
		}
	}
	if others == 0 {
		t.Error("no order of somebody else was tried")
	}
}

// What visitors type comes back as text on every page that shows it.
func TestPagesEscape(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 5, AdminPassword: "kanri-no-kotoba"})
	v, admin := s.visitor(t), s.visitor(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	p := sampleshop.People(5, 1)[0]
	v.post("/login", "mail", p.Mail, "password", p.Password).wantTo(t, "/mypage")
	fields := with(party(), "note", evil, "delivery", "午前中", "payment", "cod")
	fields[1], fields[9] = evil, evil
	v.post("/cart/add", "product", "hojicha").wantTo(t, "/cart")
	v.post("/checkout", fields...).wantTo(t, "/checkout/confirm")
	confirm := v.get("/checkout/confirm")
	v.post("/checkout/place").wantTo(t, "/checkout/complete")
	v.post("/mypage/address", fields...).wantTo(t, "/mypage")
	v.post("/products/hojicha/reviews", "name", evil[:27], "body", evil, "stars", "5").wantTo(t, "/products/hojicha")
	admin.post("/admin/login", "user", "admin", "password", "kanri-no-kotoba").wantTo(t, "/admin")
	pages := map[string]answer{
		"confirm": confirm, "complete": v.get("/checkout/complete"), "mypage": v.get("/mypage"), "own order": v.get("/mypage/orders/301"),
		"address": v.get("/mypage/address"), "product": v.get("/products/hojicha"),
		"search": v.get("/search?q=" + url.QueryEscape(evil)), "login": v.post("/login", "mail", evil, "password", "x", "next", evil),
		"contact": v.post("/contact", "name", evil, "mail", "a@example.jp", "subject", evil, "body", evil),
		"signup":  v.post("/signup", fields...), "admin order": admin.get("/admin/orders/301"), "admin orders": admin.get("/admin/orders"),
		"admin customers": admin.get("/admin/customers"), "admin home": admin.get("/admin"),
	}
	for name, a := range pages {
		if a.status != 200 {
			t.Errorf("%s answers %d", name, a.status)
		}
		if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img src=x") {
			t.Errorf("%s runs what was typed:\n%s", name, a.body)
		}
	}
}

func TestForeignFormsAreRefused(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 5})
	v := s.visitor(t)
	req := v.request(http.MethodPost, "/contact", strings.NewReader("name=a"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	v.do(req).want(t, 403, "ほかのサイト")
	req = v.request(http.MethodPost, "/contact", strings.NewReader("name=%zz"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	v.do(req).want(t, 200, "件名をご入力ください")
	req = v.request(http.MethodPost, "/contact", strings.NewReader("body="+strings.Repeat("あ", 40_000)))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	v.do(req).want(t, 413, "大きすぎます")
}

// Behind EC-CUBE 2 a full-width ＜ becomes a real one; this shop can be alike.
func TestFold(t *testing.T) {
	q := "/search?q=" + url.QueryEscape("１００ｇ")
	plain := start(t, sampleshop.Options{Seed: 1}).visitor(t)
	plain.get(q).want(t, 200, "検索結果 0件")
	folding := start(t, sampleshop.Options{Seed: 1, Fold: true}).visitor(t)
	folding.get(q).want(t, 200, "検索結果 3件")
	body := folding.get("/search?q="+url.QueryEscape("＜script＞alert(1)＜/script＞")).want(t, 200).body
	if strings.Contains(body, "<script>alert") {
		t.Error("folded text is not escaped")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:80", "ftp://x", "http://shop.example/path", "http://shop.example/?x=1"} {
		if _, err := sampleshop.New(t.Context(), nil, sampleshop.Options{BaseURL: base, PSPBaseURL: "http://127.0.0.1:1"}); err == nil {
			t.Errorf("BaseURL %q is accepted", base)
		}
	}
}
