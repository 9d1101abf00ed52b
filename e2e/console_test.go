package e2e

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// house is a demo with its console, and its owner in a browser.
type house struct {
	t      *testing.T
	demo   *process
	shop   string // through Noren
	pages  string // the console
	secret string // of the owner's second factor
	used   string // the last code that was typed; each counts once
	config string // noren.yaml, where there is one
}

const (
	ownerMail     = "hanako@shop.example"
	ownerPassword = "茶碗と急須を売る小さなお店です"
)

// openHouse starts the demo and waits for its console.
func openHouse(t *testing.T, more ...string) *house {
	t.Helper()
	h := &house{t: t}
	shop, pages := freePort(t), freePort(t)
	h.shop, h.pages = fmt.Sprintf("http://127.0.0.1:%d", shop), fmt.Sprintf("http://127.0.0.1:%d", pages)
	h.demo = start(t, noren(t), append([]string{"demo", "--listen", strings.TrimPrefix(h.shop, "http://"), "--console", strings.TrimPrefix(h.pages, "http://"), "--seed", seed()}, more...)...)
	awaitHTTP(t, h.shop+"/", 20*time.Second)
	return h
}

func seed() string {
	if s := os.Getenv("NOREN_SEED"); s != "" {
		return s
	}
	return "20261121"
}

// joins follows the owner's link and fills the form in.
func (h *house) joins(b *browser) {
	h.t.Helper()
	h.joinsBy(b, h.demo.await("  Noren の画面", 10*time.Second))
}

// joinsBy is joins by a link.
func (h *house) joinsBy(b *browser, link string) {
	h.t.Helper()
	h.signsUp(b, link)
	b.open(h.pages + "/")
}

// signsUp is joinsBy up to the page with the recovery codes.
func (h *house) signsUp(b *browser, link string) {
	h.t.Helper()
	b.open(link)
	b.shot("join")
	h.secret = value(b, "[name=secret]")
	b.fill("[name=name]", "店主 花子")
	b.fill("[name=mail]", ownerMail)
	b.fill("[name=password]", ownerPassword)
	b.fill("[name=code]", h.code())
	b.submit("main form button")
	b.shot("recovery")
	if n := count(b, ".codes li"); n != 10 {
		h.t.Errorf("%d recovery codes are shown, want 10", n)
	}
}

// code is the next one of the owner's second factor that was not typed yet
// (RFC 6238); at worst the next half minute is waited for.
func (h *house) code() string {
	h.t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(h.secret)
	if err != nil {
		h.t.Fatalf("secret %q: %v", h.secret, err)
	}
	for {
		mac := hmac.New(sha1.New, key)
		binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
		sum := mac.Sum(nil)
		n := binary.BigEndian.Uint32(sum[sum[19]&0xf:]) & 0x7fffffff
		if c := fmt.Sprintf("%06d", n%1_000_000); c != h.used {
			h.used = c
			return c
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func value(b *browser, sel string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Value(chromedp.CSS(sel)))
	if err != nil {
		b.t.Fatalf("value of %s: %v", sel, err)
	}
	return s
}

func count(b *browser, sel string) int {
	b.t.Helper()
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](fmt.Sprintf("document.querySelectorAll(%q).length", sel)))
	if err != nil {
		b.t.Fatalf("count %s: %v", sel, err)
	}
	return n
}

func TestConsoleFirstLook(t *testing.T) {
	h := openHouse(t)
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	b.shot("today")
	if got := b.text("h1"); got == "" {
		t.Error("the first page says nothing")
	}
	b.open(h.pages + "/style")
	b.shot("style")
	b.open(h.pages + "/me")
	b.shot("me")
}
