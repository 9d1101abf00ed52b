package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"noren/sampleshop"
)

// Result is one request a player made.
type Result struct {
	Player string // buyer-007, xss
	Kind   string // buyer, or the attack's name
	Step   string // what it was for
	Method string
	Path   string
	Status int // 0: there was no answer
	Took   time.Duration
	Err    error
}

// Kinds of players that are no attack.
const kindBuyer = "buyer"

// profile is a browser as a server sees it.
type profile struct {
	agent    string
	brands   string // sec-ch-ua; "" for browsers that send none
	mobile   bool
	platform string
	language string
}

func profiles() []profile {
	const chromium = `"Chromium";v="154", "Google Chrome";v="154", "Not?A_Brand";v="24"`
	return []profile{
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "", true, "", "ja"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/15.17.0", "", true, "", "ja-JP"},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 Mobile Safari/537.36", chromium, true, "Android", "ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 Safari/537.36", chromium, false, "Windows", "ja,en-US;q=0.9,en;q=0.8"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 Safari/537.36 Edg/154.0.0.0", `"Chromium";v="154", "Microsoft Edge";v="154", "Not?A_Brand";v="24"`, false, "Windows", "ja,en;q=0.9,en-GB;q=0.8,en-US;q=0.7"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "", false, "", "ja"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "", false, "", "ja,en-US;q=0.7,en;q=0.3"},
	}
}

// source returns the n-th loopback address of a role, the same for a seed. To
// whoever listens on loopback each is another client. Buyers and attackers live
// in different networks.
func source(seed uint64, role string, n int) netip.Addr {
	r := rand.New(rand.NewPCG(seed, uint64(n)<<8|uint64(len(role))))
	first := 16
	if role != kindBuyer {
		first = 128
	}
	return netip.AddrFrom4([4]byte{127, byte(first + r.IntN(84)), byte(1 + r.IntN(254)), byte(1 + r.IntN(254))})
}

// answer is a response as far as players look at it.
type answer struct {
	status   int
	location string
	body     string
	kind     string // content type
}

// browser makes requests the way one visitor's browser does: its own address,
// cookies, headers, and a memory of what it has loaded already.
type browser struct {
	player, kind string
	base         *url.URL
	http         *http.Client
	profile      profile
	referer      string
	loaded       map[string]bool
	observe      func(Result)
}

// maxAnswer bounds how much of an answer a player reads.
const maxAnswer = 4 << 20

const answerWithin = 30 * time.Second

func newBrowser(player, kind, shop string, from netip.Addr, p profile, observe func(Result)) (*browser, error) {
	base, err := url.Parse(shop)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("shop address %q is not a URL", shop)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	if observe == nil {
		observe = func(Result) {}
	}
	return &browser{player: player, kind: kind, base: base, profile: p, loaded: map[string]bool{}, observe: observe,
		http: &http.Client{Transport: transport(from), Jar: jar, Timeout: answerWithin,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// transport connects from the given address when the other end is on loopback;
// elsewhere the machine has only its own.
func transport(from netip.Addr) *http.Transport {
	plain := &net.Dialer{Timeout: 10 * time.Second}
	bound := &net.Dialer{Timeout: 10 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	return &http.Transport{
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if to, err := netip.ParseAddrPort(addr); err == nil && to.Addr().Is4() && to.Addr().IsLoopback() {
				return bound.DialContext(ctx, network, addr)
			}
			return plain.DialContext(ctx, network, addr)
		},
	}
}

func (b *browser) close() { b.http.CloseIdleConnections() }

// get loads a page.
func (b *browser) get(ctx context.Context, step, to string) (answer, error) {
	return b.navigate(ctx, step, http.MethodGet, to, nil)
}

// post sends a form.
func (b *browser) post(ctx context.Context, step, to string, form url.Values) (answer, error) {
	return b.navigate(ctx, step, http.MethodPost, to, form)
}

func (b *browser) navigate(ctx context.Context, step, method, to string, form url.Values) (answer, error) {
	u, err := b.base.Parse(to)
	if err != nil {
		return answer{}, err
	}
	request := func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(form.Encode()))
		if err == nil {
			b.pageHeaders(req)
		}
		return req, err
	}
	a, err := b.patiently(ctx, step, request)
	if check, asked := checkOf(a); asked && err == nil {
		if err := b.pass(ctx, check); err != nil {
			return a, err
		}
		a, err = b.patiently(ctx, step, request)
	}
	if err == nil && a.status == http.StatusOK && method == http.MethodGet {
		b.referer = u.String()
	}
	return a, err
}

// reloadAfter is how long a person looks at a page that asks to come back.
const reloadAfter = 2 * time.Second

// patiently sends a request and, when the shop says that it is too busy just
// now, once more. The observer sees both.
func (b *browser) patiently(ctx context.Context, step string, make func() (*http.Request, error)) (answer, error) {
	for try := 0; ; try++ {
		req, err := make()
		if err != nil {
			return answer{}, err
		}
		a, err := b.do(req, step)
		if err != nil || a.status != http.StatusServiceUnavailable || try > 0 {
			return a, err
		}
		if err := wait(ctx, reloadAfter); err != nil {
			return a, err
		}
	}
}

// pageHeaders are what browsers send when a person goes to a page.
func (b *browser) pageHeaders(req *http.Request) {
	h := req.Header
	b.commonHeaders(h)
	h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8")
	h.Set("Upgrade-Insecure-Requests", "1")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-User", "?1")
	site := b.fetchSite(req.URL)
	h.Set("Sec-Fetch-Site", site)
	if site == "same-origin" { // the payment provider's pages send none
		h.Set("Referer", b.referer)
	}
	if req.Method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Cache-Control", "max-age=0")
		h.Set("Origin", req.URL.Scheme+"://"+req.URL.Host) // every form here goes to its own site
	}
}

func (b *browser) fetchSite(to *url.URL) string {
	from, err := url.Parse(b.referer)
	switch {
	case err != nil || b.referer == "":
		return "none"
	case from.Host == to.Host:
		return "same-origin"
	case from.Hostname() == to.Hostname():
		return "same-site"
	}
	return "cross-site"
}

func (b *browser) commonHeaders(h http.Header) {
	h.Set("User-Agent", b.profile.agent)
	h.Set("Accept-Language", b.profile.language)
	h.Set(sampleshop.MarkHeader, b.kind)
	if b.profile.brands == "" {
		return
	}
	mobile := "?0"
	if b.profile.mobile {
		mobile = "?1"
	}
	h.Set("Sec-Ch-Ua", b.profile.brands)
	h.Set("Sec-Ch-Ua-Mobile", mobile)
	h.Set("Sec-Ch-Ua-Platform", `"`+b.profile.platform+`"`)
}

// load fetches a page's part (style, picture), once like a browser's cache.
func (b *browser) load(ctx context.Context, path string) error {
	if b.loaded[path] {
		return nil
	}
	b.loaded[path] = true
	u, err := b.base.Parse(path)
	if err != nil {
		return err
	}
	a, err := b.patiently(ctx, "part", func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err == nil {
			b.partHeaders(req.Header, path)
		}
		return req, err
	})
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("part %s answered %d", path, a.status)
	}
	return nil
}

func (b *browser) partHeaders(h http.Header, path string) {
	b.commonHeaders(h)
	dest, accept := "image", "image/avif,image/webp,image/svg+xml,image/*,*/*;q=0.8"
	if strings.HasSuffix(path, ".css") {
		dest, accept = "style", "text/css,*/*;q=0.1"
	}
	h.Set("Accept", accept)
	h.Set("Sec-Fetch-Dest", dest)
	h.Set("Sec-Fetch-Mode", "no-cors")
	h.Set("Sec-Fetch-Site", "same-origin")
	h.Set("Referer", b.referer)
}

// do sends a request as it is and tells the observer.
func (b *browser) do(req *http.Request, step string) (answer, error) {
	start := time.Now()
	a, err := b.exchange(req)
	if err != nil && errors.Is(req.Context().Err(), context.Canceled) {
		return a, err // the play is over; that is no finding
	}
	if _, asked := checkOf(a); asked && b.kind == kindBuyer {
		return a, err // neither passed nor stopped; what comes of it is told
	}
	path := req.URL.Path
	if req.URL.Opaque != "" {
		path = req.URL.Opaque
	}
	b.observe(Result{Player: b.player, Kind: b.kind, Step: step, Method: req.Method, Path: path, Status: a.status, Took: time.Since(start), Err: err})
	return a, err
}

func (b *browser) exchange(req *http.Request) (answer, error) {
	resp, err := b.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), body.String(), resp.Header.Get("Content-Type")}, nil
}
