package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"noren"
	"noren/gateway/waf"
)

const (
	wafRounds = 5
	wafConns  = 32
	// The goals of the firewall against nginx with libmodsecurity and against
	// Coraza behind the standard library's proxy, all with the same rules.
	wafGoal = "≥ 10 × requests/s of nginx, ≤ 0.1 × CPU, ≤ 0.2 × p99; ≥ 12 × of plain Coraza"
)

// firewall measures a shop's mix of clean requests through each firewall, in
// rounds that take turns: 80 % pages with Japanese queries, 10 % sign-ins, 10 %
// checkouts of about 1.5 KB of JSON.
func (b *bencher) firewall() error {
	shop, pair, err := b.startShop()
	if err != nil {
		return err
	}
	defer shop.stop()
	all, err := b.startFirewalls(shop.said, pair)
	for _, c := range all {
		defer c.stop()
	}
	if err != nil {
		return err
	}
	for n := range wafRounds {
		for i := range all {
			c := all[(n+i)%len(all)]
			if err := c.measure(b, loadPlan{Addr: c.plain, Round: n, Conns: wafConns, Streams: 1, Mix: true,
				Warm: proxyWarm, Window: proxyWindow, PIDs: c.pids}); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	b.compareFirewalls(all)
	return nil
}

func (b *bencher) startFirewalls(shop string, pair certificate) ([]*contender, error) {
	noren, err := b.startNoren("waf-mix", shop, pair, "on")
	if err != nil {
		return nil, err
	}
	noren.name, noren.goal = "gateway with the WAF", wafGoal
	all := []*contender{noren}
	for round := range wafRounds {
		// A network of its own for each round, as dialerFrom says; the limits by
		// address are not what is measured.
		allow := exec.CommandContext(b.ctx, b.noren, "allow", fmt.Sprintf("127.%d.0.0/16", 10+round), "--as", "nobody", "--reason", "bench",
			"--config", filepath.Join(b.dir, "waf-mix", "noren.yaml"))
		if out, err := allow.CombinedOutput(); err != nil {
			return all, fmt.Errorf("allow the load: %w\n%s", err, out)
		}
	}
	peer, err := startChild(b.ctx, "", "coraza", shop)
	if err != nil {
		return all, err
	}
	all = append(all, &contender{name: "httputil.ReverseProxy + Coraza", plain: peer.said, pids: []int{peer.cmd.Process.Pid}, stop: peer.stop})
	nginx, err := b.startNginx(shop, pair)
	if err != nil {
		return all, fmt.Errorf("nginx with libmodsecurity: %w (apt-get install --no-install-recommends libnginx-mod-http-modsecurity)", err)
	}
	return append(all, nginx), nil
}

func (b *bencher) compareFirewalls(all []*contender) {
	rate, p99 := loadResult.perSecond, func(r loadResult) float64 { return float64(r.P99) }
	for _, c := range all {
		beside := ""
		for _, peer := range all[1:] {
			if c == all[0] {
				beside += fmt.Sprintf("of %s: %.1f × requests/s, 1/%.1f of CPU, p99 1/%.1f; ", peer.name, c.against(peer, rate), peer.against(c, loadResult.cpuEach), peer.against(c, p99))
			}
		}
		b.add("firewall, mix: "+c.name, c.goal, strings.TrimSuffix(beside, "; "), "%.0f/s, p99 %s, CPU %.0f µs, RSS %.0f MiB%s", c.median(rate),
			time.Duration(c.median(p99)).Round(100*time.Microsecond), c.median(loadResult.cpuEach), float64(rssOf(c.pids))/(1<<20), c.refused())
	}
}

// rssOf is the memory that processes hold (proc(5), statm, second field).
func rssOf(pids []int) (sum int64) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		var size, resident int64
		fmt.Sscan(string(text), &size, &resident)
		sum += resident * int64(os.Getpagesize())
	}
	return sum
}

// serveCoraza is the peer: the standard library's reverse proxy, which runs
// every request through Coraza with the same rules and no screen.
func serveCoraza(shop string) (string, error) {
	u, err := url.Parse("http://" + shop)
	if err != nil {
		return "", err
	}
	w, err := waf.New(waf.Options{NoScreen: true, Slots: 64, Wait: time.Minute, Budget: time.Minute})
	if err != nil {
		return "", err
	}
	proxy := &httputil.ReverseProxy{BufferPool: newBuffers(), Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u); p.Out.Host = p.In.Host }}
	return serveOn(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(rw, "", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		from, _ := netip.ParseAddrPort(r.RemoteAddr)
		res, err := w.Inspect(r.Context(), &waf.Request{Addr: from, Method: r.Method, URI: r.RequestURI, Proto: r.Proto, Host: r.Host,
			Header: r.Header, Body: body, Zone: noren.ZoneStorefront})
		if err != nil || res.Blocked {
			http.Error(rw, "", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
}

// mixTurns are the requests of one visitor in their order: of ten, eight pages,
// a sign-in and a checkout.
func mixTurns(n int) (turns []turn) {
	for i := range 8 {
		q := url.QueryEscape(mixProducts[(n+i)%len(mixProducts)])
		turns = append(turns, turn{method: http.MethodGet, path: []string{
			"/products/list?category_id=" + fmt.Sprint(n%9) + "&name=" + q, "/products/detail/" + fmt.Sprint(1+n%400),
			"/products/list?mode=search&name=" + q + "&orderby=price&pageno=" + fmt.Sprint(1+i),
		}[i%3]})
	}
	turns = append(turns, turn{http.MethodPost, "/mypage/login", "application/x-www-form-urlencoded",
		url.Values{"_csrf_token": {fmt.Sprintf("%040x", n)}, "login_email": {fmt.Sprintf("hanako%d@example.jp", n)}, "login_pass": {"Sakura-2026!"}, "login_memory": {"1"}}.Encode()})
	return append(turns, turn{http.MethodPost, "/api/checkout", "application/json", checkoutJSON(n)})
}

var mixProducts = []string{"セーター 赤", "マグカップ（2個組）", "【送料無料】お米 5kg", "iPhone 15 ケース", "ワンピース M", "珈琲豆 200g", "御成橋まんじゅう", "★新春★福袋"}

func checkoutJSON(n int) string {
	type item struct {
		ID    int    `json:"productId"`
		Name  string `json:"name"`
		Price int    `json:"price"`
		Qty   int    `json:"quantity"`
		Note  string `json:"note"`
	}
	var items []item
	for i := range 6 {
		items = append(items, item{n*7 + i, mixProducts[(n+i)%len(mixProducts)], 1200 + 100*i, 1 + i%3, "のしをお願いします。お届けは午前中だと助かります。"})
	}
	text, err := json.Marshal(map[string]any{"cartToken": fmt.Sprintf("%032x", n), "items": items, "customer": map[string]any{
		"name": "髙橋 美咲", "email": fmt.Sprintf("misaki%d@example.co.jp", n), "phone": "090-0000-0000", "postalCode": "322-0000",
		"address": "栃木県鹿沼市御成橋町1-2 コーポ山田 B-2", "building": "メゾン・ド・青山 ２０１号室"},
		"message": "いつもありがとうございます。プレゼント用に包装をお願いします。", "coupon": "WINTER2026", "agree": true, "total": 12800})
	if err != nil {
		panic(err) // made of texts and numbers
	}
	return string(text)
}
