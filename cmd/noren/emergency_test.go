package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db/dbtest"
	"noren/gateway"
	"noren/journal"
)

// shopper is a buyer at the sample shop who takes each redirect by hand.
type shopper struct {
	t   *testing.T
	url string
	c   *http.Client
}

func newShopper(t *testing.T, url string) *shopper {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &shopper{t, url, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (s *shopper) ask(method, target string, form url.Values) (status int, location, page string) {
	s.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = s.url + target
	}
	r, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0")
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	res, err := s.c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(b)
}

func (s *shopper) fillCart() {
	s.t.Helper()
	_, _, page := s.ask("GET", "/", nil)
	m := regexp.MustCompile(`href="/products/([a-z0-9-]+)"`).FindStringSubmatch(page)
	if m == nil {
		s.t.Fatal("the shop shows no products")
	}
	if status, to, _ := s.ask("POST", "/cart/add", url.Values{"product": {m[1]}, "quantity": {"1"}}); status != 302 {
		s.t.Fatalf("add to cart: %d to %s", status, to)
	}
}

func (s *shopper) checkout(how string) (status int, location, page string) {
	s.t.Helper()
	return s.ask("POST", "/checkout", url.Values{"name": {"山田 花子"}, "kana": {"ヤマダ ハナコ"}, "postal": {"100-0001"}, "prefecture": {"東京都"},
		"address": {"千代田区千代田1-1"}, "phone": {"03-0000-0000"}, "mail": {"hanako@example.jp"}, "delivery": {"指定なし"}, "payment": {how}})
}

// typeCard goes by way of the payment company's page back to the shop.
func (s *shopper) typeCard() (back string) {
	s.t.Helper()
	status, page, text := s.checkout("card")
	if status != 302 || !strings.HasPrefix(page, "http") {
		s.t.Fatalf("checkout by card: %d to %q: %.300s", status, page, text)
	}
	_, back, _ = s.ask("POST", page, url.Values{"number": {"4242424242424242"}, "expiry": {"12/30"}, "cvc": {"123"}, "holder": {"HANAKO YAMADA"}})
	return back
}

// With cards stopped at a real shop the next card buyer is stopped with the cart
// kept, pays on delivery instead, and a slip that is paid is reported to the shop.
func TestSampleShopWithoutCards(t *testing.T) {
	tw, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 7, backing{byHand: true}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tw.close(context.Background()) })
	in := tw.server.in
	set := func(on bool) {
		t.Helper()
		if err := in.stops.Set(t.Context(), sampleSite, gateway.SwitchCard, on, noren.Time{}, "taro", "不正利用の疑い"); err != nil {
			t.Fatal(err)
		}
	}
	under, buyer, slip := newShopper(t, tw.url), newShopper(t, tw.url), newShopper(t, tw.url)
	under.fillCart()
	back := under.typeCard()
	buyer.fillCart()
	set(true)
	if status, _, _ := under.ask("GET", back, nil); status != 200 {
		t.Errorf("coming back from the payment company: %d", status)
	}
	status, _, page := buyer.checkout("card")
	if status != 503 || !strings.Contains(page, "カードでのお支払いを、一時停止しています") || !strings.Contains(page, `href="/checkout"`) {
		t.Errorf("by card: %d %.300s", status, page)
	}
	if status, to, _ := buyer.checkout("cod"); status != 302 || to != "/checkout/confirm" {
		t.Errorf("on delivery: %d to %s", status, to)
	}
	buyer.ask("GET", "/checkout/confirm", nil)
	if status, to, _ := buyer.ask("POST", "/checkout/place", url.Values{}); status != 302 || to != "/checkout/complete" {
		t.Errorf("place the order: %d to %s", status, to)
	}
	slip.fillCart()
	slip.checkout("konbini")
	slip.ask("POST", "/checkout/place", url.Values{})
	_, _, page = slip.ask("GET", "/checkout/complete", nil)
	m := regexp.MustCompile(`href="(https?://[^"]+/konbini/[A-Z]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no slip: %.500s", page)
	}
	calls := tw.shop.Seen()
	slip.ask("POST", m[1], url.Values{})
	await(t, "the payment company's report reaches the shop", func() bool { return paidOrder(t, tw) })
	if n, _ := tw.shop.Charges(); n != 0 {
		t.Errorf("%d cards were charged (%+v)", n, calls)
	}
	set(false)
	card := newShopper(t, tw.url)
	card.fillCart()
	if back := card.typeCard(); !strings.Contains(back, "card_token=") {
		t.Errorf("by card again: %s", back)
	}
	in.loop.Flush(t.Context())
	kinds := map[noren.Kind]int{}
	for s, err := range in.journal.Query(t.Context(), journal.Filter{Log: sampleSite}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds[s.Entry.Event.Kind]++
		if e := s.Entry.Event; e.Kind == noren.EmergencyEvent && !strings.Contains(happened(&e, "ja"), "カード決済だけ停止") {
			t.Errorf("the record tells %q", happened(&e, "ja"))
		}
	}
	if kinds[noren.EmergencyEvent] != 2 || kinds[noren.HTTPBlocked] == 0 {
		t.Errorf("on record: %v", kinds)
	}
}

func paidOrder(t *testing.T, tw *throwaway) bool {
	t.Helper()
	orders, err := tw.shop.Orders(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range orders {
		if o.Status == "入金済み" && o.Method == "konbini" {
			return true
		}
	}
	return false
}

func (n node) admin(t *testing.T) int {
	t.Helper()
	res, err := http.Get(n.url + "/admin/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// A switch by one node's operator is in force on both nodes, and is switched off
// from the other; why names it before and not after.
func TestEmergencyOnTwoNodes(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		nodes := serveTwo(t, url, "")
		all := func(status int) {
			t.Helper()
			began := time.Now()
			for i, n := range nodes {
				await(t, "the node follows", func() bool { return n.admin(t) == status })
				t.Logf("node %d answers %d after %s", i, status, time.Since(began).Round(time.Millisecond))
			}
		}
		nodes[0].noren(t, "emergency", "admin", "--reason", "乗っ取りの疑い", "--for", "2h")
		all(403)
		got := nodes[1].noren(t, "why", "192.0.2.9", "/admin/")
		if !strings.Contains(got, "The admin is closed, until ") || !strings.Contains(got, "乗っ取りの疑い") || !strings.Contains(got, "noren emergency admin --off") {
			t.Errorf("why says %s", got)
		}
		nodes[1].noren(t, "emergency", "admin", "--off")
		all(200)
		if got := nodes[0].noren(t, "why", "192.0.2.9", "/admin/"); !strings.Contains(got, "would pass") {
			t.Errorf("afterwards why says %s", got)
		}
	})
}

// A reload that takes away what a switch needs is said, not hidden.
func TestSwitchThatLostItsMap(t *testing.T) {
	cfg := &Config{Version: 1, Data: t.TempDir(), dir: t.TempDir(), Listen: Listen{HTTP: "127.0.0.1:0"}, Sites: []gateway.Site{siteFor("shop", "shop.test", startShop(t, "shop"))}}
	cfg.Sites[0].Preset = "sampleshop"
	cfg.fill()
	in, err := openInstance(t.Context(), cfg, wants{create: true, getenv: os.Getenv}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(context.Background()) })
	if err := in.stops.Set(t.Context(), "shop", gateway.SwitchCard, true, noren.Time{}, "taro", "x"); err != nil {
		t.Fatal(err)
	}
	changed := *cfg
	changed.Sites = []gateway.Site{siteFor("shop", "shop.test", cfg.Sites[0].Upstream)}
	in.mu.Lock()
	in.now = &changed
	in.mu.Unlock()
	for _, st := range in.stops.Of("shop") {
		if st.Switch == gateway.SwitchCard && (!st.On || !strings.Contains(st.Trouble.Ja, "cards:")) {
			t.Errorf("%+v", st)
		}
	}
}

// With a country file visits from abroad can be stopped; without one they cannot.
func TestOverseasWithACountryFile(t *testing.T) {
	for _, file := range []string{"", "../../e2e/testdata/country.mmdb"} {
		dir := t.TempDir()
		if file != "" {
			abs, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			file = abs
		}
		cfg := &Config{Version: 1, Data: filepath.Join(dir, "data"), dir: dir, Sites: []gateway.Site{siteFor("shop", "shop.test", startShop(t, "shop"))}}
		cfg.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		cfg.Lookup.Country = file
		cfg.fill()
		in, err := openInstance(t.Context(), cfg, wants{create: true, getenv: os.Getenv}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(context.Background()) })
		err = in.stops.Set(t.Context(), "shop", gateway.SwitchOverseas, true, noren.Time{}, "taro", "x")
		if file == "" {
			if noren.CodeOf(err) != noren.Conflict {
				t.Errorf("without a file: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		g, access, err := in.openGateway()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { access.Close() })
		for from, want := range map[string]int{"203.0.113.200": 503, "203.0.113.7": 200, "198.51.100.7": 200} {
			r := httptest.NewRequest("GET", "http://shop.test/", nil)
			r.RemoteAddr = "127.0.0.1:5000"
			r.Header.Set("X-Forwarded-For", from)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: %d, want %d", from, w.Code, want)
			}
		}
	}
}
