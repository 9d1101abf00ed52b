package waf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"noren"
)

// shop makes the ordinary traffic of a Japanese shop from a seed: browsing,
// searching, logging in, checking out, writing, uploading, in the encodings
// that shops use.
type shop struct {
	*rand.Rand
	texts []string // what people wrote
	paths []string
}

func newShop(t testing.TB, seed uint64) *shop {
	t.Helper()
	s := &shop{Rand: rand.New(rand.NewPCG(seed, seed))}
	for _, file := range []string{"benign_more.tsv", "ja_waf_benign.tsv"} {
		for _, l := range lines(t, file) {
			s.texts = append(s.texts, l[0])
		}
	}
	for _, l := range lines(t, "benign_paths.tsv") {
		s.paths = append(s.paths, l[0])
	}
	return s
}

func (s *shop) of(list ...string) string { return list[s.IntN(len(list))] }

func (s *shop) hex(n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "%x", s.IntN(16))
	}
	return b.String()
}

func (s *shop) product() string {
	return s.of("セーター", "メーカー純正カバー", "★新春★福袋", "ワンピース（赤）", "【送料無料】マグカップ", "T-シャツ M/L", "お米 5kg", "iPhone 15 ケース",
		"ｶﾞﾗｽ食器", "珈琲豆 200g", "ベビー服", "御成橋まんじゅう") + s.of("", " 赤", " L", "（2枚組）", " No.12", "・限定")
}

func (s *shop) name() string {
	return s.of("山田", "佐藤", "髙橋", "鈴木", "田中", "渡邉", "小林", "O'Brien", "李") + s.of("太郎", "花子", "健一", "美咲", "Patrick", "小龍")
}

func (s *shop) mail() string {
	return s.of("hanako.yamada", "taro+shop", "info", "k-sato", "misaki_1990") + "@" + s.of("example.jp", "example.co.jp", "mail.example.com")
}

func (s *shop) address() string {
	return s.of("東京都千代田区丸の内1-1-1", "大阪府大阪市北区梅田３丁目１−３", "栃木県鹿沼市御成橋町1-2", "北海道札幌市中央区北１条西2-1", "京都府京都市中京区烏丸通御池下ル") +
		s.of("", " 丸ビル#1203", " メゾン・ド・青山 ２０１号室", " コーポ山田 B-2", "　サンプルビル５Ｆ")
}

func (s *shop) text() string {
	t := s.texts[s.IntN(len(s.texts))]
	for s.IntN(3) == 0 {
		t += s.of("\r\n", " ", "。") + s.texts[s.IntN(len(s.texts))]
	}
	return t
}

// headers are those of a browser that has been here before.
func (s *shop) headers(r *Request) {
	ua := s.of(browser,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 14; SO-51D) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.8.0")
	r.Header["User-Agent"] = []string{ua}
	r.Header["Accept"] = []string{s.of("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "*/*", "application/json, text/plain, */*", "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5")}
	r.Header["Accept-Language"] = []string{s.of("ja,en-US;q=0.9,en;q=0.8", "ja-JP", "en-US,en;q=0.5", "zh-CN,zh;q=0.9,ja;q=0.8")}
	r.Header["Accept-Encoding"] = []string{"gzip, deflate, br, zstd"}
	r.Header["Sec-Fetch-Site"] = []string{s.of("none", "same-origin", "cross-site")}
	r.Header["Sec-Fetch-Mode"] = []string{s.of("navigate", "cors", "no-cors")}
	r.Header["Sec-Ch-Ua"] = []string{`"Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126"`}
	r.Header["Sec-Ch-Ua-Platform"] = []string{`"Windows"`}
	r.Header["Upgrade-Insecure-Requests"] = []string{"1"}
	if s.IntN(4) > 0 {
		r.Header["Referer"] = []string{s.of("https://shop.example/", "https://shop.example/products/list?name="+url.QueryEscape(s.product()), "https://www.google.com/",
			"https://search.yahoo.co.jp/search?p="+url.QueryEscape(s.product()), "https://m.facebook.com/")}
	}
	var cookies []string
	if s.IntN(4) > 0 {
		cookies = append(cookies, s.of("eccube=", "PHPSESSID=", "session-token=", "wp_woocommerce_session_"+s.hex(32)+"=")+s.hex(26))
	}
	if s.IntN(2) > 0 {
		cookies = append(cookies, fmt.Sprintf("_ga=GA1.2.%d.17%08d", s.IntN(1e9), s.IntN(1e8)), fmt.Sprintf("_ga_%s=GS1.1.17%08d.%d.1.17%08d.60.0.0", strings.ToUpper(s.hex(10)), s.IntN(1e8), s.IntN(9)+1, s.IntN(1e8)),
			fmt.Sprintf("_fbp=fb.1.17%011d.%d", s.IntN(1e10), s.IntN(1e9)), "_gcl_au=1.1."+fmt.Sprint(s.IntN(1e9)))
	}
	if s.IntN(5) == 0 {
		cookies = append(cookies, "recently_viewed="+fmt.Sprintf("%d%%2C%d%%2C%d", s.IntN(900), s.IntN(900), s.IntN(900)), "lang=ja")
	}
	if len(cookies) > 0 {
		r.Header["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
}

func (s *shop) new(method, uri string, body []byte, contentType string) *Request {
	r := &Request{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(s.IntN(250))}), uint16(1024+s.IntN(60000))), Method: method, URI: uri,
		Proto: s.of("HTTP/2.0", "HTTP/1.1"), Host: "shop.example", Header: map[string][]string{}, Body: body, Zone: noren.ZoneContact}
	s.headers(r)
	if len(body) > 0 {
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Content-Length"] = []string{fmt.Sprint(len(body))}
		r.Header["Origin"] = []string{"https://shop.example"}
	}
	return r
}

// form is a form post in one of the encodings shops read.
func (s *shop) form(uri string, fields ...string) *Request {
	const kind = "application/x-www-form-urlencoded"
	charset, body := "", ""
	switch s.IntN(5) {
	case 0:
		charset, body = "Shift_JIS", encodeForm(japanese.ShiftJIS, fields)
	case 1:
		charset, body = "EUC-JP", encodeForm(japanese.EUCJP, fields)
	}
	if body == "" { // also when the encoding lacks a character
		charset, body = "", encodeForm(encoding.Nop, fields)
	}
	r := s.new("POST", uri, []byte(body), kind)
	if charset != "" {
		r.Charsets = []string{charset}
		if s.IntN(2) == 0 {
			r.Header["Content-Type"] = []string{kind + "; charset=" + charset}
		}
	}
	return r
}

// encodeForm is empty if a character is not in the encoding.
func encodeForm(enc encoding.Encoding, fields []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		v, err := enc.NewEncoder().String(fields[i+1])
		if err != nil {
			return ""
		}
		fmt.Fprintf(&b, "&%s=%s", url.QueryEscape(fields[i]), url.QueryEscape(v))
	}
	return b.String()[1:]
}

func (s *shop) login() *Request {
	return s.form(s.of("/mypage/login", "/login_check", "/wp-login.php"), "_csrf_token", s.hex(40), "login_email", s.mail(), "login_pass", s.of("Sakura-2026!", "pass1234", "さくらP@ss", "x9$Lm#2q"), "login_memory", "1")
}

func (s *shop) checkoutJSON() *Request {
	type item struct {
		ID    int    `json:"productId"`
		Name  string `json:"name"`
		Price int    `json:"price"`
		Qty   int    `json:"quantity"`
		Note  string `json:"note,omitempty"`
	}
	var items []item
	for range 4 + s.IntN(5) {
		items = append(items, item{s.IntN(9000), s.product(), 100 * (1 + s.IntN(200)), 1 + s.IntN(3), s.of("", s.text())})
	}
	b, _ := json.Marshal(map[string]any{"cartToken": s.hex(32), "items": items, "customer": map[string]any{"name": s.name(), "email": s.mail(), "phone": fmt.Sprintf("090-%04d-%04d", s.IntN(1e4), s.IntN(1e4)),
		"postalCode": fmt.Sprintf("%03d-%04d", s.IntN(1000), s.IntN(1e4)), "address": s.address()}, "message": s.text(), "coupon": s.of("", "WINTER2026", "10%OFF"), "agree": true, "total": 12800})
	return s.new("POST", s.of("/api/checkout", "/shop-api", "/wp-json/wc/store/v1/checkout"), b, s.of("application/json", "application/json; charset=utf-8"))
}

func (s *shop) upload() *Request {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	w.SetBoundary("----WebKitFormBoundary" + s.hex(16))
	w.WriteField("_token", s.hex(32))
	w.WriteField("name", s.name())
	w.WriteField("comment", s.text())
	part, _ := w.CreateFormFile("photo", s.of("IMG_0123.jpg", "写真.png", "レビュー画像(1).jpeg", "receipt 2026.pdf"))
	fmt.Fprint(part, "") // Reduce leaves the contents out
	w.Close()
	return s.new("POST", s.of("/review/post", "/contact"), b.Bytes(), w.FormDataContentType())
}

func (s *shop) get() *Request {
	switch s.IntN(5) {
	case 0:
		return s.new("GET", s.paths[s.IntN(len(s.paths))], nil, "")
	case 1:
		return s.new("GET", fmt.Sprintf("/products/detail/%d", s.IntN(900)), nil, "")
	case 2:
		return s.new("GET", fmt.Sprintf("/assets/img/%s.%s?v=%d", s.hex(8), s.of("jpg", "webp", "css", "js"), s.IntN(100)), nil, "")
	}
	q := "/products/list?category_id=" + fmt.Sprint(s.IntN(40)) + "&name=" + url.QueryEscape(s.product()) + "&orderby=" + fmt.Sprint(s.IntN(4)) + "&pageno=" + fmt.Sprint(1+s.IntN(9))
	if s.IntN(4) == 0 {
		q += "&utm_source=line&utm_medium=social&utm_campaign=" + url.QueryEscape(s.product())
	}
	return s.new("GET", q, nil, "")
}

// any is one request of all kinds.
func (s *shop) any() *Request {
	switch n := s.IntN(20); {
	case n < 9:
		return s.get()
	case n < 11:
		return s.login()
	case n < 13:
		return s.checkoutJSON()
	case n < 15:
		return s.upload()
	case n < 17:
		return s.form("/contact", "_token", s.hex(20), "contact[name][name01]", s.name(), "contact[email]", s.mail(), "contact[contents]", s.text())
	}
	return s.form("/shopping/confirm", "_shopping_order[_token]", s.hex(20), "_shopping_order[Shippings][0][Delivery]", "1", "name", s.name(), "kana", "ヤマダ　タロウ",
		"zip", "100-0001", "addr", s.address(), "tel", "03-1234-5678", "_shopping_order[message]", s.text())
}

// mix is the mix of the bench: 80 % pages with Japanese queries, 10 % logins,
// 10 % checkouts of about 1.5 KB of JSON.
func (s *shop) mix() *Request {
	switch n := s.IntN(10); n {
	case 8:
		return s.login()
	case 9:
		return s.checkoutJSON()
	}
	return s.get()
}
