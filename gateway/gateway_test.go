package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/gateway/waf"
	"noren/gateway/waf/exclusion"
)

func TestOrdinaryRequestsPassUnchanged(t *testing.T) {
	s := stand(t, nil)
	res, body := s.do("GET", "/products/list?name=%E3%82%BB%E3%83%BC%E3%82%BF%E3%83%BC&x=a;b=c&%zz=100%", "")
	if res.StatusCode != 200 || res.Header.Get("X-Shop") != "yes" {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	if want := "GET /products/list?name=%E3%82%BB%E3%83%BC%E3%82%BF%E3%83%BC&x=a;b=c&%zz=100% 127.0.0.1"; !strings.HasPrefix(body, want) {
		t.Errorf("the shop received %q, want %q", strings.SplitN(body, "\n", 2)[0], want)
	}
	evs := s.loop.of(noren.HTTPRequest)
	if len(evs) != 1 {
		t.Fatalf("%d events, want 1", len(evs))
	}
	got := evs[0]
	if got.Site != "shop" || got.Zone != noren.ZoneSearch || got.Entities[noren.EntityAddress] != "127.0.0.1" {
		t.Errorf("event %+v", got)
	}
	form := "contact[name]=" + url.QueryEscape("山田") + "&contact[contents]=" + url.QueryEscape("カラー/価格を教えてください")
	if res, body := s.do("POST", "/contact", form); res.StatusCode != 200 || !strings.HasSuffix(body, form) {
		t.Errorf("a form arrived as %q (%d)", body, res.StatusCode)
	}
}

func TestForwardingHeadersAreOurs(t *testing.T) {
	s := stand(t, nil)
	_, body := s.do("GET", "/", "",
		"X-Forwarded-For: 198.51.100.1", "X-Real-Ip: 198.51.100.2", "Forwarded: for=198.51.100.3", "X-Forwarded-Proto: https",
		"X-Original-Url: /admin", "X-Rewrite-Url: /admin", "X-Forwarded-Prefix: /x", "X-Remote-User: root", "X_Forwarded_For: 198.51.100.4",
		"Proxy: http://evil.example", "True-Client-Ip: 198.51.100.5", "Host: www.example.jp")
	for _, want := range []string{"X-Forwarded-For: 127.0.0.1\n", "X-Forwarded-Proto: http\n", "X-Forwarded-Host: www.example.jp\n", "X-Real-Ip: 127.0.0.1\n", "GET / www.example.jp\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("the shop did not get %q:\n%s", want, body)
		}
	}
	for _, gone := range []string{"198.51.100", "has X-Original-Url", "has X-Rewrite-Url", "has X-Forwarded-Prefix", "has X-Remote-User", "X_forwarded_for", "has Proxy", "has Forwarded"} {
		if strings.Contains(body, gone) {
			t.Errorf("the client's %q reached the shop", gone)
		}
	}
	if ev := s.loop.of(noren.HTTPRequest)[0]; ev.Entities[noren.EntityAddress] != "127.0.0.1" {
		t.Errorf("the event believes %s", ev.Entities[noren.EntityAddress])
	}
}

func TestClientBehindTrustedProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	trusts := func(a netip.Addr) bool {
		for _, p := range trusted {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	tests := []struct {
		name, peer string
		xff        []string
		want       string
	}{
		{"no proxy", "203.0.113.7", []string{"198.51.100.1"}, "203.0.113.7"},
		{"one proxy", "127.0.0.1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"made up on the left", "127.0.0.1", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"two proxies", "127.0.0.1", []string{"198.51.100.1, 203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		{"two headers", "127.0.0.1", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		{"with a port", "127.0.0.1", []string{"203.0.113.7:5555"}, "203.0.113.7"},
		{"IPv6 in brackets", "127.0.0.1", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"IPv4 in IPv6", "127.0.0.1", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"rubbish stops the walk", "127.0.0.1", []string{"203.0.113.7, unknown, 10.0.0.1"}, "10.0.0.1"},
		{"nothing said", "127.0.0.1", nil, "127.0.0.1"},
		{"all trusted", "127.0.0.1", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		{"IPv6 proxy", "2001:db8:ffff::1", []string{"2001:db8::7"}, "2001:db8::7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for _, v := range tt.xff {
				h.Add("X-Forwarded-For", v)
			}
			if got := clientOf(netip.MustParseAddr(tt.peer), h, trusts); got.String() != tt.want {
				t.Errorf("client %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAttacksAreStoppedBeforeTheShop(t *testing.T) {
	var reached atomic.Int64
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1) })
	})
	tests := []struct {
		name, method, target, body string
		cause                      noren.Cause
		status                     int
	}{
		{"SQL injection", "GET", "/products/detail/1?id=1%27%20OR%20%271%27=%271", "", noren.CauseWAF, 403},
		{"XSS in a form", "POST", "/contact", "m=%3Cscript%3Ealert(1)%3C/script%3E", noren.CauseWAF, 403},
		{"secret file", "GET", "/.env", "", noren.CauseForbidden, 403},
		{"traversal to a secret file", "GET", "/x/..%2f.git/config", "", noren.CauseForbidden, 403},
		{"NUL", "GET", "/?a=%00", "", noren.CauseMalformed, 400},
		{"NUL in the path", "GET", "/a%00b", "", noren.CauseMalformed, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.loop.of(noren.HTTPBlocked))
			res, body := s.do(tt.method, tt.target, tt.body)
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", res.StatusCode, tt.status)
			}
			evs := s.loop.of(noren.HTTPBlocked)
			if len(evs) != before+1 {
				t.Fatalf("%d events of blocks, want one more than %d", len(evs), before)
			}
			got := evs[before].Payload.(*noren.Blocked)
			if got.Cause != tt.cause || !strings.Contains(body, got.Ticket) {
				t.Errorf("cause %s ticket %s; page: %s", got.Cause, got.Ticket, body)
			}
			if tt.cause == noren.CauseWAF && (len(got.Hits) == 0 || got.Score < 5 || got.Rule == "") {
				t.Errorf("the finding is not in the event: %+v", got)
			}
		})
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d attacks reached the shop", n)
	}
}

// recordingInspector notes when it is asked.
type recordingInspector struct{ calls atomic.Int64 }

func (r *recordingInspector) Inspect(context.Context, *waf.Request) (waf.Result, error) {
	r.calls.Add(1)
	return waf.Result{Blocked: true, Score: 5}, nil
}

// The order of the path shows in which step answers when several would.
func TestOrderOfThePath(t *testing.T) {
	lists := listsInMemory(t)
	inspector := &recordingInspector{}
	s := stand(t, func(o *Options) {
		o.Lists = lists
		o.Inspector = inspector
		o.Settings.Limits = []Limit{{Name: "one", By: ByAddress, Rate: Rate{1, time.Hour}}}
	})
	cause := func() noren.Cause {
		s.do("GET", "/ok", "")
		evs := s.loop.of(noren.HTTPBlocked)
		return evs[len(evs)-1].Payload.(*noren.Blocked).Cause
	}
	mustBan(t, lists, "127.0.0.0/16")
	if got := cause(); got != noren.CauseBan {
		t.Errorf("banned: stopped by %s", got)
	}
	lift(t, lists, ListBan, "127.0.0.0/16")
	if got := cause(); got != noren.CauseWAF {
		t.Errorf("first request: stopped by %s", got)
	}
	if got := cause(); got != noren.CauseLimit {
		t.Errorf("second request: stopped by %s", got)
	}
	if n := inspector.calls.Load(); n != 1 {
		t.Errorf("the firewall was asked %d times, want once: limits and bans come first", n)
	}
	if n := len(s.loop.of(noren.HTTPRequest)); n != 0 {
		t.Errorf("%d blocked requests were decided as requests", n)
	}
}

func TestAllowListSparesLimitsAndBansNeverTheFirewall(t *testing.T) {
	lists := listsInMemory(t)
	s := stand(t, func(o *Options) {
		o.Lists = lists
		o.Settings.Limits = []Limit{{Name: "one", By: ByAddress, Rate: Rate{1, time.Hour}}}
	})
	s.loop.answer = verdict(noren.HTTPRequest, noren.Challenge)
	mustBan(t, lists, "127.0.0.1/32")
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 403 {
		t.Fatalf("banned: status %d", res.StatusCode)
	}
	mustSet(t, lists, ListAllow, "127.0.0.1/32")
	for range 3 {
		if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
			t.Fatalf("allowed: status %d on the very next request", res.StatusCode)
		}
	}
	if res, _ := s.do("GET", "/?id=1%27%20OR%20%271%27=%271", ""); res.StatusCode != 403 {
		t.Errorf("an attack from an allowed address: status %d", res.StatusCode)
	}
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name    string
		target  string
		verdict noren.Verdict
		status  int
	}{
		{"block", "/", noren.Block, 403},
		{"limit", "/", noren.Limit, 429},
		{"challenge", "/", noren.Challenge, 429},
		{"step up", "/", noren.StepUp, 429},
		{"review", "/", noren.Review, 200},
		{"hold", "/", noren.Hold, 200},
		{"challenge in the checkout", "/shopping", noren.Challenge, 200},
		{"step up in the checkout", "/shopping", noren.StepUp, 200},
		{"limit in the checkout", "/shopping", noren.Limit, 429},
		{"block in the checkout", "/shopping", noren.Block, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stand(t, nil)
			s.loop.answer = verdict(noren.HTTPRequest, tt.verdict)
			res, _ := s.do("GET", tt.target, "")
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
			if tt.status == 429 && res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

func TestLoopThatCannotRecord(t *testing.T) {
	s := stand(t, nil)
	s.loop.answer = func(noren.Event) (noren.Decision, error) { return noren.Decision{}, errors.New("spool full") }
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("a page: status %d, want 200: the request's side is open", res.StatusCode)
	}
	if res, _ := s.do("POST", "/mypage/login", "login_email=a@example.jp&login_pass=x"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("a sign-in: status %d, want 503 with Retry-After", res.StatusCode)
	}
}

func TestSitesAreKeptApart(t *testing.T) {
	lists := listsInMemory(t)
	s := stand(t, func(o *Options) {
		o.Lists = lists
		o.Settings.Limits = []Limit{{Name: "two", By: ByAddress, Rate: Rate{2, time.Hour}}}
		o.Settings.Sites = []Site{
			{Name: "a", Hosts: []string{"a.example.jp"}, Upstream: shopServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "shop a") })},
			{Name: "b", Hosts: []string{"b.example.jp", "*.b.example.jp"}, Upstream: shopServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "shop b") })},
		}
	})
	for host, want := range map[string]string{"a.example.jp": "shop a", "B.Example.JP.:8080": "shop b", "www.b.example.jp": "shop b"} {
		if _, body := s.do("GET", "/", "", "Host: "+host); body != want {
			t.Errorf("%s is served by %q, want %q", host, body, want)
		}
	}
	if res, body := s.do("GET", "/", "", "Host: c.example.jp"); res.StatusCode != 421 || strings.Contains(body, "shop a") {
		t.Errorf("an unknown host: status %d", res.StatusCode)
	}
	if res, _ := s.do("GET", "/", "", "Host: b.example.jp"); res.StatusCode != 429 {
		t.Errorf("b's third request: status %d, want 429", res.StatusCode)
	}
	if res, _ := s.do("GET", "/", "", "Host: a.example.jp"); res.StatusCode != 200 {
		t.Errorf("a's second request: status %d; b's requests count in a", res.StatusCode)
	}
	if _, err := lists.Set(t.Context(), Entry{Site: "a", List: ListBan, Prefix: netip.MustParsePrefix("127.0.0.1/32"), Author: "test"}); err != nil {
		t.Fatal(err)
	}
	if got := lists.List("b"); len(got) != 0 {
		t.Errorf("a's ban shows in b: %+v", got)
	}
	for _, ev := range s.loop.of(noren.HTTPRequest) {
		if host := ev.Payload.(*noren.Request).Host; (host == "a.example.jp") != (ev.Site == "a") {
			t.Errorf("an event of %s is in site %s", host, ev.Site)
		}
	}
}

func TestAmbiguousRequestsAreRefused(t *testing.T) {
	s := stand(t, nil)
	tests := []struct{ name, request, want string }{
		{"ordinary", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
		{"HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n", "400"},
		{"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"odd method", "Get / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
		{"other coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
		{"bare line feed in a header", "GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n", "200"},
		{"folded header, passed on unfolded", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "200"},
		{"space before the colon", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "400"},
		{"bad escape in the path", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
		{"two content types", "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 1\r\n\r\nx", "400"},
		{"upgrade to something", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: tls/1.0\r\n\r\n", "400"},
		{"offer of h2c", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", "200"},
		{"length beside chunks: closed, and what follows is not read", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
		{"host with more behind it", "GET / HTTP/1.1\r\nHost: x:.evil.example\r\n\r\n", "400"},
		{"host with two ports", "GET / HTTP/1.1\r\nHost: x:80,evil.example\r\n\r\n", "400"},
		{"host with a quote", "GET / HTTP/1.1\r\nHost: x:80'\r\n\r\n", "400"},
		{"host with no port", "GET / HTTP/1.1\r\nHost: x:\r\n\r\n", "400"},
		{"host of port 0", "GET / HTTP/1.1\r\nHost: x:0\r\n\r\n", "400"},
		{"name in brackets", "GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", "400"},
		{"IPv6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", "200"},
		{"asterisk form, which is logged like the others", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.raw(strings.Replace(tt.request, "Host: x\r\n", "Host: x\r\nUser-Agent: Mozilla/5.0 Firefox/128.0\r\nAccept: */*\r\n", 1)); !strings.Contains(got, " "+tt.want+" ") {
				t.Errorf("answer %q, want %s", got, tt.want)
			}
		})
	}
}

// TestNothingIsSmuggled sends a request behind a body whose length two servers
// would read in two ways, and looks at what reaches the shop.
func TestNothingIsSmuggled(t *testing.T) {
	var seen atomic.Int64
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.RequestURI, "smuggled") {
				seen.Add(1)
			}
		})
	})
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	const next = "GET /smuggled HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 Firefox/128.0\r\nAccept: */*\r\n\r\n"
	io.WriteString(c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 Firefox/128.0\r\nAccept: */*\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(next)+5, next))
	answers, err := io.ReadAll(c) // until the gateway closes
	if err != nil || strings.Count(string(answers), "HTTP/1.1 ") != 1 || seen.Load() != 0 {
		t.Errorf("%d requests were smuggled; answers (%v):\n%s", seen.Load(), err, answers)
	}
}

// TestNobodySpeaksForAProxy: headers by which some product or other tells a
// client's address never reach the shop from a visitor.
func TestNobodySpeaksForAProxy(t *testing.T) {
	s := stand(t, nil)
	names := []string{"Client-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP", "X-ProxyUser-IP", "X-Azure-ClientIP", "X-Sucuri-ClientIP", "Incap-Client-IP",
		"Ali-CDN-Real-IP", "X-Original-Forwarded-For", "X-True-IP", "X-Real-Host", "X-Backend-Host", "X-Scheme", "X-Url-Scheme", "Front-End-Https", "X-SSL-Client-Verify"}
	var header []string
	for _, n := range names {
		header = append(header, n+": 192.0.2.1")
	}
	_, body := s.do("GET", "/", "", header...)
	for _, n := range names {
		if strings.Contains(body, "has "+http.CanonicalHeaderKey(n)+"\n") {
			t.Errorf("%s reached the shop", n)
		}
	}
}

// TestLoopsEnd: an upstream that leads back to the gateway.
func TestLoopsEnd(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = "http://" + ln.Addr().String() })
	server := s.Server()
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	if res, _ := s.do("GET", "/", ""); res.StatusCode != http.StatusLoopDetected {
		t.Errorf("status %d, want 508", res.StatusCode)
	}
	if n := len(s.loop.of(noren.HTTPRequest)); n != 1 {
		t.Errorf("the request went round %d times", n)
	}
}

func TestAbsoluteFormIsPlacedByItsOwnHost(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Hosts = []string{"shop.example.jp"} })
	if got := s.raw("GET http://other.example/ HTTP/1.1\r\nHost: shop.example.jp\r\n\r\n"); !strings.Contains(got, "421") {
		t.Errorf("another host in the request line: %q, want 421", got)
	}
}

// after is an empty part of a body that ends once something has arrived.
type after struct{ arrived <-chan struct{} }

func (a after) Read([]byte) (int, error) {
	select {
	case <-a.arrived:
		return 0, io.EOF
	case <-time.After(10 * time.Second):
		return 0, errors.New("nothing arrived")
	}
}

func TestBodiesOverTheLimitAreRefusedWhole(t *testing.T) {
	var reached, whole atomic.Int64
	arrived := make(chan struct{}, 10)
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].BodyLimit = 1 << 20
		o.Settings.Sites[0].InspectLimit = 4 << 10
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			reached.Add(1)
			arrived <- struct{}{}
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				whole.Add(1)
			}
		})
	})
	big := "a=" + strings.Repeat("b", 5<<10)
	if res, body := s.do("POST", "/contact", big); res.StatusCode != 413 || !strings.Contains(body, "大きすぎ") {
		t.Errorf("a long form: status %d", res.StatusCode)
	}
	chunked := func(r io.Reader, contentType string) int {
		req, _ := http.NewRequest("POST", s.url+"/contact", r)
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("User-Agent", browserUA)
		req.ContentLength = -1
		res, _ := s.send(req)
		return res.StatusCode
	}
	if got := chunked(strings.NewReader(big), "application/x-www-form-urlencoded"); got != 413 {
		t.Errorf("a long form in chunks: status %d", got)
	}
	if got := chunked(strings.NewReader(big), "text/x-unknown"); got != 413 {
		t.Errorf("a long unknown body: status %d", got)
	}
	// The shop sees the beginning of a streamed upload, and then an error. The
	// rest is sent once the shop has seen the beginning.
	upload := io.MultiReader(io.LimitReader(zeroes{}, 256<<10), after{arrived}, io.LimitReader(zeroes{}, 1<<20))
	if got := chunked(upload, "image/jpeg"); got != 413 {
		t.Errorf("a long upload in chunks: status %d", got)
	}
	if reached.Load() != 1 || whole.Load() != 0 {
		t.Errorf("%d requests reached the shop, %d of them whole; want the beginning of the streamed one only", reached.Load(), whole.Load())
	}
	if got := chunked(strings.NewReader("<script>alert(1)</script>"), "image/jpeg"); got != 403 {
		t.Errorf("text that calls itself an image: status %d", got)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestUploadsArriveWholeAndTheirFieldsAreInspected(t *testing.T) {
	s := stand(t, nil)
	form := func(note string, fileFirst bool) (io.Reader, string) {
		var b bytes.Buffer
		mw := multipart.NewWriter(&b)
		file := func() {
			f, _ := mw.CreateFormFile("photo", "猫.jpg")
			_, _ = f.Write(bytes.Repeat([]byte("\xFF\xD8\x00"), 300_000))
		}
		if fileFirst {
			file()
		}
		_ = mw.WriteField("note", note)
		if !fileFirst {
			file()
		}
		_ = mw.Close()
		return &b, mw.FormDataContentType()
	}
	for _, fileFirst := range []bool{true, false} {
		for note, want := range map[string]int{"カラー/価格": 200, "<script>alert(1)</script>": 403} {
			body, contentType := form(note, fileFirst)
			req, _ := http.NewRequest("POST", s.url+"/contact", body)
			req.Header.Set("Content-Type", contentType)
			req.Header.Set("User-Agent", browserUA)
			res, got := s.send(req)
			if res.StatusCode != want {
				t.Errorf("%q, file first %v: status %d, want %d", note, fileFirst, res.StatusCode, want)
			}
			if want == 200 && !strings.Contains(got, "猫.jpg") {
				t.Error("the upload did not arrive")
			}
			if want == 200 && strings.Count(got, "\xFF\xD8\x00") != 300_000 {
				t.Errorf("%d of 300000 pieces of the upload arrived", strings.Count(got, "\xFF\xD8\x00"))
			}
		}
	}
	if free := s.spool.free.Load(); free != defaultSpoolMax {
		t.Errorf("spooled bodies still hold %d bytes", defaultSpoolMax-free)
	}
}

func TestSpoolIsBounded(t *testing.T) {
	s := stand(t, func(o *Options) { o.SpoolMax = 300 << 10; o.SpoolDir = t.TempDir() })
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	f, _ := mw.CreateFormFile("photo", "a.jpg")
	_, _ = f.Write(make([]byte, 1<<20))
	_ = mw.Close()
	req, _ := http.NewRequest("POST", s.url+"/contact", &b)
	req.Header.Set("Content-Type", mw.FormDataContentType())
	req.Header.Set("User-Agent", browserUA)
	if res, _ := s.send(req); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, want 503 with Retry-After", res.StatusCode)
	}
}

func TestDeadShop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = "http://" + addr })
	res, body := s.do("GET", "/", "")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "メンテナンス中") {
		t.Errorf("status %d, Retry-After %q: %s", res.StatusCode, res.Header.Get("Retry-After"), body)
	}
	if len(s.loop.of(noren.HTTPRequest)) != 1 || len(s.loop.of(noren.HTTPBlocked)) != 0 {
		t.Error("a dead shop is not a block; the allowed request is still an event")
	}
}

func TestBrokenShop(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		})
	})
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 502 {
		t.Errorf("status %d, want 502", res.StatusCode)
	}
}

// failingInspector fails in one way.
type failingInspector struct{ err error }

func (f failingInspector) Inspect(context.Context, *waf.Request) (waf.Result, error) {
	return waf.Result{}, f.err
}

func TestFirewallFailsByZone(t *testing.T) {
	tests := []struct {
		name, method, target, body string
		err                        error
		want                       int
	}{
		{"fault, a page", "GET", "/", "", errors.New("broken"), 200},
		{"fault, a page, cheap check", "GET", "/?q=%3Cscript%3E", "", errors.New("broken"), 403},
		{"fault, a contact form, cheap check", "POST", "/contact", "m=%2527%20UNION%20SELECT%20", errors.New("broken"), 403},
		{"fault, a sign-in", "POST", "/mypage/login", "login_email=a&login_pass=b", errors.New("broken"), 503},
		{"fault, the admin", "GET", "/admin/order", "", errors.New("broken"), 503},
		{"fault, the checkout", "POST", "/shopping/confirm", "a=b", errors.New("broken"), 503},
		{"overload, a page", "GET", "/", "", waf.ErrOverload, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stand(t, func(o *Options) { o.Inspector = failingInspector{tt.err} })
			res, _ := s.do(tt.method, tt.target, tt.body)
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
			if tt.want == 503 && res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

func TestFirewallInShadowRecordsAndPasses(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].WAF = WAFShadow })
	if res, _ := s.do("GET", "/?id=1%27%20OR%20%271%27=%271", ""); res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	if got := s.loop.of(noren.HTTPRequest)[0].Payload.(*noren.Request); got.Score < 5 || len(got.Hits) == 0 {
		t.Errorf("the finding is not in the event: %+v", got)
	}
}

// A site goes from recording to stopping zone by zone.
func TestFirewallByZone(t *testing.T) {
	s := stand(t, func(o *Options) {
		site := &o.Settings.Sites[0]
		site.WAF, site.WAFZones = WAFShadow, map[noren.Zone]WAFMode{noren.ZoneCheckout: WAFOn}
		site.Zones = map[noren.Zone][]string{noren.ZoneCheckout: {"/checkout", "/checkout/*"}}
	})
	const attack = "?id=1%27%20OR%20%271%27=%271"
	for path, want := range map[string]int{"/": 200, "/checkout": 403} {
		if res, _ := s.do("GET", path+attack, ""); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	for _, zones := range []map[noren.Zone]WAFMode{{"nowhere": WAFOn}, {noren.ZoneCheckout: WAFOff}, {noren.ZoneCheckout: "loud"}} {
		site := s.Sites()[0]
		if site.WAFZones = zones; site.Valid() == nil {
			t.Errorf("%v is accepted", zones)
		}
	}
}

// An exclusion holds for its site, page, zone, field and rule, until its second.
func TestExclusions(t *testing.T) {
	now := time.Now()
	x := exclusion.Exclusion{ID: "1", Path: "/search", Zone: noren.ZoneStorefront, Targets: []exclusion.Target{{Rule: 100210, Field: "ARGS:id"}, {Rule: 100950, Field: "ARGS:id"}}, Event: "e", Reason: "r",
		AskedBy: "a", AskedAt: exclusion.At(now.Add(-time.Hour)), ApprovedBy: "b", ApprovedAt: exclusion.At(now.Add(-time.Hour)), Until: exclusion.At(now.Add(time.Hour))}
	s := stand(t, func(o *Options) {
		x.Zone = noren.ZoneStorefront
		o.Settings.Exclusions = map[string][]exclusion.Exclusion{o.Settings.Sites[0].Name: {x}}
	})
	const attack = "1%27%20OR%20%271%27=%271"
	status := func(target string) int {
		t.Helper()
		res, _ := s.do("GET", target, "")
		return res.StatusCode
	}
	// Two rules are about this value, so without them the request passes.
	if got := status("/search?id=" + attack); got != 200 {
		t.Errorf("the excluded field: %d", got)
	}
	for _, target := range []string{"/search?q=" + attack, "/search/?id=" + attack, "/%73earch?id=" + attack, "/other?id=" + attack} {
		if got := status(target); got != 403 {
			t.Errorf("%s: %d", target, got)
		}
	}
	next := Settings{Sites: s.Sites(), Exclusions: map[string][]exclusion.Exclusion{"another": {x}}}
	if err := s.Apply(next); err != nil {
		t.Fatal(err)
	}
	if got := status("/search?id=" + attack); got != 403 {
		t.Errorf("an exclusion of another site: %d", got)
	}
	x.Until = exclusion.At(now.Add(-time.Second))
	next.Exclusions = map[string][]exclusion.Exclusion{s.Sites()[0].Name: {x}}
	if err := s.Apply(next); err != nil {
		t.Fatal(err)
	}
	if got := status("/search?id=" + attack); got != 403 {
		t.Errorf("one that is over: %d", got)
	}
}

func TestApplyKeepsTheOldWhenTheNewIsWrong(t *testing.T) {
	s := stand(t, nil)
	err := s.Apply(Settings{Sites: []Site{
		{Name: "Bad Name", Hosts: []string{"x y"}, Upstream: "ftp://x"},
		{Name: "two", Hosts: []string{"a.example"}, Upstream: "http://127.0.0.1:1", Preset: "nothing"},
	}})
	if err == nil {
		t.Fatal("wrong settings are accepted")
	}
	for _, want := range []string{"Bad Name", "x y", "ftp://x", "nothing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q: %v", want, err)
		}
	}
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("status %d after a refused change", res.StatusCode)
	}
	site := s.Sites()[0]
	site.Zones = map[noren.Zone][]string{noren.ZoneForbidden: {"/closed/*"}}
	if err := s.Apply(Settings{Sites: []Site{site}}); err != nil {
		t.Fatal(err)
	}
	if res, _ := s.do("GET", "/closed/x", ""); res.StatusCode != 403 {
		t.Errorf("status %d after the change", res.StatusCode)
	}
}

func TestIPv6Clients(t *testing.T) {
	s := stand(t, nil)
	s.url = serve(t, s.Gateway, "[::1]:0")
	if _, body := s.do("GET", "/", ""); !strings.Contains(body, "X-Forwarded-For: ::1\n") {
		t.Errorf("the shop got %s", body)
	}
	if res, _ := s.do("GET", "/?id=1%27%20OR%20%271%27=%271", ""); res.StatusCode != 403 {
		t.Errorf("an attack over IPv6: status %d", res.StatusCode)
	}
	if got := s.loop.of(noren.HTTPRequest)[0].Entities[noren.EntityAddress]; got != "::1" {
		t.Errorf("address %q", got)
	}
}

// A shop reached by address may name itself, as WordPress does when it signs
// somebody in; a client cannot make another address the shop's own.
func TestOwnAddressInForms(t *testing.T) {
	s := stand(t, nil)
	form := func(address string, header ...string) int {
		res, _ := s.do("POST", "/contact", "redirect_to="+url.QueryEscape(address), header...)
		return res.StatusCode
	}
	if got := form(s.url + "/wp-admin/"); got != 200 {
		t.Errorf("its own address: status %d", got)
	}
	if got := form("http://169.254.169.254/latest/", "Host: 169.254.169.254"); got != 403 {
		t.Errorf("an address made one's own by Host: status %d", got)
	}
	if got := form("http://127.0.0.1:6379/", "Host: 127.0.0.1:6379"); got != 403 {
		t.Errorf("a port made one's own by Host: status %d", got)
	}
}

func TestEventsCarryNoSecrets(t *testing.T) {
	s := stand(t, nil)
	s.do("GET", "/reset?token=s3cr3t-token&mail=hanako@example.jp&q=4111111111111111", "", "Referer: https://x/?password=hunter2")
	got := s.loop.of(noren.HTTPRequest)[0].Payload.(*noren.Request)
	want := &noren.Request{Query: "token=[redacted]&mail=h%2A%2A%2A%40example.jp&q=411111%2A%2A%2A%2A%2A%2A1111", Referer: "https://x/?password=[redacted]"}
	if diff := cmp.Diff(want, &noren.Request{Query: got.Query, Referer: got.Referer}); diff != "" {
		t.Error(diff)
	}
}

func TestLongRequestsMakeValidEvents(t *testing.T) {
	s := stand(t, nil)
	long := strings.Repeat("あ", 800)
	s.do("GET", "/"+url.PathEscape(long)+"?q="+url.QueryEscape(long), "", "User-Agent: "+browserUA+strings.Repeat("x", 3000), "Referer: https://x/"+url.PathEscape(long))
	if n := len(s.loop.of(noren.HTTPRequest)) + len(s.loop.of(noren.HTTPBlocked)); n != 1 {
		t.Errorf("%d valid events, want 1", n)
	}
}

func TestVisitorPages(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	})
	if _, body := s.do("GET", "/.noren/x", ""); body != "page /.noren/x" {
		t.Errorf("body %q", body)
	}
}
