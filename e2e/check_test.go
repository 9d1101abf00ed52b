package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// guarded is a shop of one page behind a noren of its own, and the command line.
type guarded struct {
	t      *testing.T
	config string
	public string
}

func guard(t *testing.T) *guarded {
	t.Helper()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>のれん堂</title><h1>いらっしゃいませ</h1><p>%s</p>", r.URL.RequestURI())
	}))
	t.Cleanup(shop.Close)
	g := &guarded{t: t, config: filepath.Join(t.TempDir(), "noren.yaml"), public: fmt.Sprintf("http://127.0.0.1:%d", freePort(t))}
	text := fmt.Sprintf(`version: 1
listen: {http: "%s"}
sites:
  - name: shop
    hosts: ["127.0.0.1"]
    upstream: %s
    preset: generic
    title: {ja: のれん堂, en: Norendo}
    contact: {ja: お電話 03-0000-0000, en: phone +81-3-0000-0000}
`, strings.TrimPrefix(g.public, "http://"), shop.URL)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, noren(t), "serve", "--config", g.config)
	awaitHTTP(t, g.public+"/", 20*time.Second)
	return g
}

// mode switches the site, and waits until the running noren follows.
func (g *guarded) mode(status int, args ...string) {
	g.t.Helper()
	out, err := exec.Command(noren(g.t), append([]string{"mode", "--config", g.config, "--reason", "試験"}, args...)...).CombinedOutput()
	if err != nil {
		g.t.Fatalf("noren mode %v: %v\n%s", args, err, out)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		req, _ := http.NewRequest("GET", g.public+"/", nil)
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			g.t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == status {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("after noren mode %v the site answers %d, want %d", args, resp.StatusCode, status)
		}
	}
}

// crowd lets n visitors stand in line first, so that the next one has to wait
// however long their browser took to start.
func (g *guarded) crowd(n int) {
	g.t.Helper()
	for range n {
		req, _ := http.NewRequest("GET", g.public+"/", nil)
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			g.t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// see waits until the page shows all of want, and returns what it shows.
func (b *browser) see(within time.Duration, want ...string) string {
	b.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		got := b.peek()
		if !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(got, w) }) {
			return got
		}
		if time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("the page at %s never showed %q: %.300s", b.location(), want, got)
		}
	}
}

// peek is what the page shows now, "" while it changes to another.
func (b *browser) peek() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	if err != nil {
		return ""
	}
	return s
}

// TestVisitorsPages is what visitors of a real browser meet in each mode.
func TestVisitorsPages(t *testing.T) {
	const shop = "いらっしゃいませ"
	g := guard(t)
	t.Run("attack", func(t *testing.T) {
		g.mode(403, "attack")
		b := openBrowser(t, 390, 844)
		began := time.Now()
		b.open(g.public + "/products?name=急須")
		b.see(20*time.Second, shop, "/products?name=")
		t.Logf("passed by work in %v", time.Since(began).Round(10*time.Millisecond))
		b.open(g.public + "/next")
		b.see(5*time.Second, shop, "/next")
	})
	t.Run("attack without scripts", func(t *testing.T) {
		b := openBrowser(t, 390, 844, chromedp.Flag("blink-settings", "scriptEnabled=false"))
		b.open(g.public + "/products")
		b.see(5*time.Second, "少しだけ確認", "受付番号", "03-0000-0000")
		b.shot("check")
		b.submit("button") // at once: too early
		b.see(5*time.Second, "少し早い")
		b.shot("early")
		for range 20 { // a person presses now and then
			time.Sleep(time.Second)
			b.submit("button")
			if got := b.see(5*time.Second, ""); strings.Contains(got, shop) {
				break
			}
		}
		b.see(5*time.Second, shop, "/products")
	})
	t.Run("busy", func(t *testing.T) {
		g.mode(503, "busy", "--admit", "20")
		b := openBrowser(t, 390, 844)
		g.crowd(8)
		b.open(g.public + "/sale")
		b.see(5*time.Second, "順番にご案内", "あと")
		b.shot("line")
		b.see(40*time.Second, shop, "/sale")
	})
	t.Run("busy without scripts", func(t *testing.T) { // the page loads itself again
		for range 6 { // others who came first, so that there is a line also when this machine is slow
			if res, err := http.Get(g.public + "/sale"); err == nil {
				res.Body.Close()
			}
		}
		b := openBrowser(t, 390, 844, chromedp.Flag("blink-settings", "scriptEnabled=false"))
		g.crowd(8)
		b.open(g.public + "/sale")
		b.see(5*time.Second, "順番にご案内")
		b.see(60*time.Second, shop, "/sale")
	})
	t.Run("closed", func(t *testing.T) {
		g.mode(503, "closed", "--for", "2h")
		b := openBrowser(t, 390, 844)
		b.open(g.public + "/")
		b.see(5*time.Second, "準備中", "2時間", "03-0000-0000")
		b.shot("closed")
		g.mode(200, "normal")
		b.open(g.public + "/")
		b.see(5*time.Second, shop)
	})
}
