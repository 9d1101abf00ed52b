package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/gateway"
	"noren/loop"
	"noren/settings"
	"noren/staff"
)

// pane is somebody at the console of a running noren.
type pane struct {
	*testing.T
	in     *instance
	url    string
	client *http.Client
	person *staff.Person
	log    *logBuffer
}

const orderPolicies = `version: 1
policies:
  - name: big-order
    kinds: [order.placed]
    mode: on # いつも
    when: order.total >= 50000
    then: review
    reason: {ja: 高額の注文です, en: A large order}
    tests:
      - {name: big, facts: {order.total: 50000}, fires: true}
      - {name: small, facts: {order.total: 3000}, fires: false}
  - name: many-orders
    kinds: [order.placed]
    mode: shadow
    when: order.total >= 30000
    then: hold
    reason: {ja: 中くらいの注文です, en: A middling order}
    tests:
      - {name: big, facts: {order.total: 30000}, fires: true}
      - {name: small, facts: {order.total: 3000}, fires: false}
`

const ordersFile = "policies/orders.yaml"

func paneSettings() settings.Set {
	return settings.Set{ordersFile: orderPolicies, "sites/other/policies/secret.yaml": strings.ReplaceAll(strings.ReplaceAll(orderPolicies, "big-order", "secret-order"), "many-orders", "secret-orders"),
		limitsFile: string(gateway.ShippedLimitsFile()), accessFile: string(gateway.ShippedAccessFile())}
}

// openPane starts two sites and signs the owner in.
func openPane(t *testing.T, change ...func(*Config)) *pane {
	t.Helper()
	shop := startShop(t, "shop")
	cfg := configFor(t.TempDir(), "", siteFor("shop", "shop.test", shop), siteFor("other", "other.test", shop))
	cfg.Console.Listen = "127.0.0.1:0"
	for _, f := range change {
		f(cfg)
	}
	p := &pane{T: t, log: &logBuffer{}}
	in, err := openInstance(t.Context(), cfg, wants{create: true, getenv: os.Getenv, initial: paneSettings()}, p.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	s, err := startServer(t.Context(), in, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	p.in, p.url = in, "http://"+s.listeners[socketConsole].Addr().String()
	link, err := in.staff.OwnerLink(t.Context(), staff.AtMachine("test"))
	if err != nil {
		t.Fatal(err)
	}
	p.join(link.Token, "店主 <b>花子</b>")
	return p
}

// as is somebody else with a role, at the same console.
func (p *pane) as(roles staff.Grants) *pane {
	p.Helper()
	link, err := p.in.staff.Invite(p.Context(), staff.AtMachine("test"), "", roles)
	if err != nil {
		p.Fatal(err)
	}
	other := &pane{T: p.T, in: p.in, url: p.url, log: p.log}
	other.join(link.Token, "スタッフ")
	return other
}

func (p *pane) join(token, name string) {
	p.Helper()
	secret := staff.NewSecret()
	joined, err := p.in.staff.Join(p.Context(), token, staff.Joining{Name: name, Mail: "p" + strings.ToLower(noren.NewID(time.Now())) + "@shop.example", Password: "とても長い合言葉を使います",
		Secret: secret, Code: totp(secret), Address: netip.MustParseAddr("127.0.0.1"), UserAgent: "test"})
	if err != nil {
		p.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	u, _ := url.Parse(p.url)
	jar.SetCookies(u, []*http.Cookie{{Name: "noren_session", Value: joined.Token, Path: "/"}, {Name: "noren_lang", Value: "ja", Path: "/"}})
	p.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	p.person = joined.Session.Person
}

// totp is a code of a second factor (RFC 6238).
func totp(secret string) string {
	key, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	mac := hmac.New(sha1.New, key)
	binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&0xf:])&0x7fffffff%1_000_000)
}

type paneAnswer struct {
	status   int
	location string
	body     string
}

func (p *pane) do(req *http.Request) paneAnswer {
	p.Helper()
	resp, err := p.client.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return paneAnswer{resp.StatusCode, resp.Header.Get("Location"), strings.ReplaceAll(string(b), "&#43;", "+")}
}

func (p *pane) get(path string) paneAnswer {
	p.Helper()
	req, _ := http.NewRequest("GET", p.url+path, nil)
	return p.do(req)
}

// post sends a form as the pages do; the values come in pairs.
func (p *pane) post(path string, pairs ...string) paneAnswer {
	p.Helper()
	return p.do(p.form(path, pairs...))
}

func (p *pane) form(path string, pairs ...string) *http.Request {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i+1 < len(pairs); i += 2 {
		m.WriteField(pairs[i], strings.ReplaceAll(pairs[i+1], "\n", "\r\n")) // as browsers do
	}
	m.Close()
	req, _ := http.NewRequest("POST", p.url+path, &b)
	req.Header.Set("Content-Type", m.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req
}

func (a paneAnswer) says(t testing.TB, status int, want ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d (to %q), want %d:\n%.1500s", a.status, a.location, status, a.main())
	}
	for _, s := range want {
		if !strings.Contains(a.body, s) {
			t.Errorf("the page does not say %q:\n%.1500s", s, a.main())
		}
	}
}

func (a paneAnswer) silent(t testing.TB, never ...string) {
	t.Helper()
	for _, s := range never {
		if strings.Contains(a.body, s) {
			t.Errorf("the page says %q", s)
		}
	}
}

func (a paneAnswer) main() string {
	_, main, _ := strings.Cut(a.body, `<main id="main"`)
	return main
}

// hidden is the value of a hidden field of a page.
func (a paneAnswer) hidden(t testing.TB, name string) string {
	t.Helper()
	_, form, _ := strings.Cut(a.body, `action="change"`)
	if form == "" {
		form = a.body
	}
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(form)
	if m == nil {
		t.Fatalf("no field %s on the page:\n%.3000s", name, a.main())
	}
	return html.UnescapeString(m[1])
}

// force puts a text in force by the page that reviews it.
func (p *pane) force(file, text, within string, more ...string) paneAnswer {
	p.Helper()
	base, _ := p.in.settings.CurrentHash(p.Context())
	page := p.post("/s/shop/policies/review", "file", file, "text", text, "base", base)
	page.says(p.T, http.StatusOK, "反映する")
	return p.post("/s/shop/policies/change", append([]string{"op", "put", "file", file, "text", text, "base", page.hidden(p.T, "base"), "once", page.hidden(p.T, "once"), "within", within, "reason", "試験のため"}, more...)...)
}

// policies are those in force.
func (p *pane) policies() *loop.Policies {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	return &p.in.rules.policies
}

func (p *pane) policy(name string) string {
	p.Helper()
	for _, i := range p.policies().For("shop").Policies() {
		if i.Name == name {
			return string(i.Mode)
		}
	}
	return "none"
}

func TestPolicyIsSwitchedKeptAndReturned(t *testing.T) {
	p := openPane(t)
	p.get("/s/shop/policies").says(t, 200, "高額の注文です", "big-order", "有効", "記録だけ", "お店の方に見ていただくよう記録します", ordersFile)
	page := p.get("/s/shop/policies/mode?name=big-order&to=shadow")
	page.says(t, 200, "止めるのをやめ、止めたはずの件数だけを記録します", "<del>-    mode: on # いつも</del>", "<ins>+    mode: shadow # いつも</ins>", "10分後（おすすめ）")
	if p.policy("big-order") != "on" {
		t.Fatal("a page that is looked at changes something")
	}
	form := []string{"op", "put", "file", ordersFile, "text", strings.Replace(orderPolicies, "mode: on", "mode: shadow", 1), "base", page.hidden(t, "base"), "once", page.hidden(t, "once"), "within", "10m"}
	p.post("/s/shop/policies/change", form...).says(t, http.StatusUnprocessableEntity, "理由を書いてください", "mode: shadow # いつも")
	form = append(form, "reason", "誤検知の様子を見る")
	if a := p.post("/s/shop/policies/change", form...); a.status != http.StatusSeeOther || !strings.Contains(a.location, "said=policy-trial") {
		t.Fatalf("%d to %q: %s", a.status, a.location, a.main())
	}
	if got := p.policy("big-order"); got != "shadow" {
		t.Errorf("right after the change it is %s, want shadow", got)
	}
	if a := p.post("/s/shop/policies/change", form...); !strings.Contains(a.location, "said=again") {
		t.Errorf("sent twice: %d to %q", a.status, a.location)
	}
	band := p.get("/s/shop/")
	band.says(t, 200, "設定の変更が確定を待っています", "確定する", "今すぐ戻す")
	p.as(staff.Grants{"shop": staff.Viewer}).get("/s/shop/").says(t, 200, "設定の変更が確定を待っています")
	p.post("/s/shop/policies/change", append(p.formFor(strings.Replace(orderPolicies, "mode: on", "mode: off", 1)), "reason", "二つ目", "within", "10m")...).says(t, 422, "前の変更が確定を待っています")
	keep := []string{"once", band.hidden(t, "once"), "trial", band.hidden(t, "trial")}
	if a := p.post("/s/shop/policies/confirm", keep...); !strings.Contains(a.location, "said=policy-kept") {
		t.Errorf("keep: %d to %q", a.status, a.location)
	}
	p.get("/s/shop/").silent(t, "確定を待っています")
	versions := p.get("/s/shop/policies/versions")
	versions.says(t, 200, "店主 &lt;b&gt;花子&lt;/b&gt;", "誤検知の様子を見る", "Noren（自動）", "この版に戻す", "<ins>+    mode: shadow")
	versions.silent(t, "<b>花子</b>")
	back := regexp.MustCompile(`policies/return\?to=([0-9A-Z]+)`).FindStringSubmatch(versions.body)
	page = p.get("/s/shop/policies/return?to=" + back[1])
	page.says(t, 200, "働き始めます", "<ins>+    mode: on # いつも</ins>")
	a := p.post("/s/shop/policies/change", "op", "return", "version", back[1], "base", page.hidden(t, "base"), "once", page.hidden(t, "once"), "within", "0s", "reason", "元に戻す")
	if !strings.Contains(a.location, "said=policy-changed") || p.policy("big-order") != "on" {
		t.Errorf("return: %d to %q, the policy is %s", a.status, a.location, p.policy("big-order"))
	}
}

func (p *pane) formFor(text string) []string {
	base, _ := p.in.settings.CurrentHash(p.Context())
	return []string{"op", "put", "file", ordersFile, "text", text, "base", base, "once", noren.NewID(time.Now())}
}

func TestPolicyNotKeptRevertsByItself(t *testing.T) {
	p := openPane(t)
	a := p.force(ordersFile, strings.Replace(orderPolicies, "mode: on", "mode: off", 1), "1s")
	if a.status != http.StatusSeeOther || p.policy("big-order") != "off" {
		t.Fatalf("%d to %q, the policy is %s", a.status, a.location, p.policy("big-order"))
	}
	await(t, "it is taken back", func() bool { return p.policy("big-order") == "on" })
	p.get("/s/shop/policies/versions").says(t, 200, "not confirmed in time")
	p.post("/s/shop/policies/confirm", "once", noren.NewID(time.Now()), "trial", "gone")
	p.get("/s/shop/policies?said=policy-over").says(t, 200, "確定を待つ変更はもうありません")
}

func TestDraftIsTriedAsItIsTyped(t *testing.T) {
	p := openPane(t)
	typed := func(text string) paneAnswer {
		req := p.form("/s/shop/policies/test", "file", ordersFile, "text", text, "base", "x")
		req.Header.Set("HX-Request", "true")
		req.Header.Set("HX-Target", "tried")
		return p.do(req)
	}
	good := typed(orderPolicies)
	good.says(t, 200, "いま有効な内容と同じです", "4件すべて思いどおりです", "big", "small")
	good.silent(t, "<html")
	typed(strings.Replace(orderPolicies, "order.total >= 50000", "order.totall >= 50000", 1)).says(t, 200, "直すところが", "6行目", "▶ 6", "order.totall")
	typed(strings.Replace(orderPolicies, "{name: small, facts: {order.total: 3000}", "{name: small, facts: {order.total: 99999}", 1)).says(t, 200, "1件が思いどおりになりません", "不合格", "11行目")
	typed(strings.Replace(orderPolicies, "    then: review", "    then: review: x", 1)).says(t, 200, "直すところが", "7行目")
	typed(strings.Repeat("x", 1<<20)).says(t, 200, "直すところが")
	typed(strings.Replace(orderPolicies, "name: big-order", `name: "<script>alert(1)</script>"`, 1)).says(t, 200, "&lt;script&gt;alert(1)&lt;/script&gt;")
	p.post("/s/shop/policies/test", "file", ordersFile, "text", "version: 1\npolicies: [\u202e", "base", "x").says(t, 200, `<textarea id="text"`, "直すところが", "version: 1")
	p.post("/s/shop/policies/test", "file", "policies/<img onerror=x>.yaml", "text", "version: 1\n").says(t, 200, "&lt;img onerror=x&gt;")
	p.post("/s/shop/policies/review", "file", ordersFile, "text", strings.Replace(orderPolicies, "50000, fires", "x, fires", 1)+"x", "base", "x").says(t, http.StatusConflict, "ほかの人が先に")
	p.post("/s/shop/policies/test", "file", ordersFile, "text", strings.Repeat("あ", 1<<20)).says(t, http.StatusRequestEntityTooLarge, "大きすぎます")
	if all, _ := p.in.settings.Versions(t.Context(), 10); len(all) != 1 {
		t.Errorf("trying stored %d versions", len(all)-1)
	}
}

func TestStaleDraftKeepsItsText(t *testing.T) {
	p := openPane(t)
	mine := strings.Replace(orderPolicies, "50000", "60000", -1)
	base, _ := p.in.settings.CurrentHash(t.Context())
	p.force(ordersFile, strings.Replace(orderPolicies, "高額の注文です", "とても高額です", 1), "0s")
	form := []string{"op", "put", "file", ordersFile, "text", mine, "base", base, "once", noren.NewID(time.Now()), "reason", "上げる", "within", "10m"}
	page := p.post("/s/shop/policies/change", form...)
	page.says(t, http.StatusConflict, "ほかの人が先に設定を変えました", "order.total &gt;= 60000")
	p.post("/s/shop/policies/review", form...).says(t, http.StatusConflict, "order.total &gt;= 60000", "とても高額です")
	if p.policy("big-order") != "on" || strings.Contains(fmt.Sprint(p.policies().For("shop").Policies()), "60000") {
		t.Error("a stale draft is in force")
	}
}

func TestLockedDatabaseKeepsTheDraft(t *testing.T) {
	p := openPane(t)
	form := append(p.formFor(strings.Replace(orderPolicies, "50000", "70000", -1)), "reason", "上げる", "within", "10m")
	release := lockDatabase(t, p.in.cfg.Database.URL)
	defer release()
	p.post("/s/shop/policies/change", form...).says(t, http.StatusServiceUnavailable, "order.total &gt;= 70000", "番号", "お店の入口は動き続けています")
	release()
	if a := p.post("/s/shop/policies/change", form...); a.status != http.StatusSeeOther {
		t.Errorf("once more after the lock: %d %s", a.status, a.main())
	}
}

func TestDraftIsTriedOnThePast(t *testing.T) {
	p := openPane(t)
	for i, total := range []int64{60_000, 40_000, 35_000, 2_000} {
		ev := orderOf(fmt.Sprintf("customer%d", i), "203.0.113.5")
		ev.ID = fmt.Sprintf("past-%d", i)
		ev.Payload.(*noren.Order).Total = noren.Yen(total)
		if _, err := p.in.loop.Decide(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	p.in.loop.Flush(t.Context())
	if err := p.in.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the list counts", func() bool {
		a := p.get("/s/shop/policies")
		return !strings.Contains(a.body, "件数を数えています") && strings.Contains(a.body, ">1件<") && strings.Contains(a.body, ">3件<")
	})
	draft := strings.Replace(orderPolicies, "order.total >= 50000", "order.total >= 38000 && account.orders_1h >= 0", 1)
	a := p.post("/s/shop/policies/replay", "file", ordersFile, "text", draft, "days", "7")
	if a.status != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.status, a.main())
	}
	var page paneAnswer
	await(t, "it ends", func() bool {
		page = p.get(a.location)
		return page.status != 200 || !strings.Contains(page.body, "途中の結果も")
	})
	page.says(t, 200, `<p class="figure">1<small> 件`, "/s/shop/events/past-1", "通す → 通して、人が後で見る", "account.orders_1h", "当時調べていませんでした", "変わる記録はありません")
	id := a.location[strings.LastIndex(a.location, "/")+1:]
	p.get("/s/other/policies/replay/"+id).says(t, http.StatusNotFound)
	p.post("/s/shop/policies/replay", "file", ordersFile, "text", orderPolicies).says(t, 422, "試すことがありません")
	p.post("/s/shop/policies/replay", "file", ordersFile, "text", "version: 2\n").says(t, 422, "まだ誤りがある")
}

func TestNobodyShutsThemselvesOut(t *testing.T) {
	p := openPane(t)
	office := "version: 1\nrules:\n  - name: office\n    zones: [storefront]\n    allow: {networks: [198.51.100.0/28]}\n    reason: {ja: 試験, en: a test}\n"
	p.force(accessFile, office, "10m").says(t, 422, "あなたのIPアドレスを書いてください")
	p.force(accessFile, office, "10m", "as", "x").says(t, 422, "IPアドレスの形ではありません")
	p.force(accessFile, office, "0s", "as", "203.0.113.9").says(t, 422, "自動で戻る時間を選んでください", "あなたの場所から入れなくなります")
	p.force(accessFile, office, "10m", "as", "203.0.113.9").says(t, 422, "承知のうえなら")
	if a := p.force(accessFile, office, "10m", "as", "203.0.113.9", "shut", "1"); a.status != http.StatusSeeOther {
		t.Errorf("known and on trial: %d %s", a.status, a.main())
	}
}

func TestPoliciesOfOthersAreNotThere(t *testing.T) {
	p := openPane(t)
	p.get("/s/shop/policies").silent(t, "secret")
	p.get("/s/shop/policies/edit?file=sites/other/policies/secret.yaml").says(t, http.StatusNotFound)
	own := p.as(staff.Grants{"shop": staff.Owner})
	own.get("/s/shop/policies").says(t, 200, "見るだけ")
	own.get("/s/shop/policies/versions").silent(t, "secret")
	own.get("/s/other/policies").says(t, http.StatusNotFound)
	base, _ := p.in.settings.CurrentHash(t.Context())
	for _, file := range []string{"sites/other/policies/secret.yaml", "sites/other/policies/new.yaml"} {
		for _, path := range []string{"test", "review", "change", "replay"} {
			own.post("/s/shop/policies/"+path, "file", file, "text", "version: 1\n", "base", base, "once", noren.NewID(time.Now()), "reason", "x", "within", "10m").says(t, http.StatusNotFound)
		}
	}
	own.post("/s/shop/policies/change", "file", ordersFile, "text", "version: 1\n", "base", base, "once", noren.NewID(time.Now()), "reason", "x", "within", "10m").says(t, http.StatusForbidden)
	mine := strings.ReplaceAll(strings.ReplaceAll(orderPolicies, "big-order", "our-order"), "many-orders", "our-orders")
	if a := own.force("sites/shop/policies/own.yaml", mine, "0s"); a.status != http.StatusSeeOther || p.policy("our-order") != "on" {
		t.Errorf("a file of one's own: %d, %s", a.status, p.policy("our-order"))
	}
	viewer := p.as(staff.Grants{"shop": staff.Viewer})
	viewer.get("/s/shop/policies/edit?file="+ordersFile).says(t, 200, "見るだけです", "readonly")
	viewer.post("/s/shop/policies/test", "file", ordersFile, "text", "x").says(t, http.StatusForbidden)
}

func TestPolicyFirstInShadow(t *testing.T) {
	p := openPane(t)
	a := p.force(ordersFile, strings.Replace(orderPolicies, "order.total >= 50000", "order.total >= 45000", 1), "0s", "first", "shadow")
	if a.status != http.StatusSeeOther || p.policy("big-order") != "shadow" {
		t.Errorf("%d, the policy is %s", a.status, p.policy("big-order"))
	}
}

func TestSettingsThatAreFilesBecomeAPatch(t *testing.T) {
	dir := t.TempDir() + "/set"
	if err := settings.WriteDir(dir, paneSettings()); err != nil {
		t.Fatal(err)
	}
	p := openPane(t, func(c *Config) { c.Settings.Mode, c.Settings.Dir = "files", dir })
	p.get("/s/shop/policies").says(t, 200, "ファイルで管理されています")
	base, _ := p.in.settings.CurrentHash(t.Context())
	changed := strings.Replace(orderPolicies, "mode: on", "mode: off", 1)
	page := p.post("/s/shop/policies/review", "file", ordersFile, "text", changed, "base", base)
	page.says(t, 200, "patch -p0", "+    mode: off")
	page.silent(t, `action="change"`)
	p.post("/s/shop/policies/change", "file", ordersFile, "text", changed, "base", base, "once", noren.NewID(time.Now()), "reason", "x", "within", "0s").says(t, http.StatusUnprocessableEntity, "ファイルで管理されています")
	if p.policy("big-order") != "on" {
		t.Error("settings that are files were changed")
	}
}
