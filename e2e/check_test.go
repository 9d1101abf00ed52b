package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

// shop waits until the browser shows the shop, and returns what it shows.
func (b *browser) shop(within time.Duration) string {
	b.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		if got := b.text("body"); strings.Contains(got, "いらっしゃいませ") {
			return got
		} else if time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("the shop never appeared; at %s: %.300s", b.location(), got)
		}
	}
}

// TestVisitorsPages is what visitors of a real browser meet in each mode.
func TestVisitorsPages(t *testing.T) {
	g := guard(t)
	t.Run("attack", func(t *testing.T) {
		g.mode(403, "attack")
		b := openBrowser(t, 390, 844)
		began := time.Now()
		b.open(g.public + "/products?name=急須")
		got := b.shop(20 * time.Second)
		t.Logf("passed by work in %v", time.Since(began).Round(10*time.Millisecond))
		if !strings.Contains(got, "/products?name=") {
			t.Errorf("the visitor ended at another page: %s", got)
		}
		b.open(g.public + "/next")
		if got := b.text("body"); !strings.Contains(got, "/next") {
			t.Errorf("asked again: %.200s", got)
		}
	})
	t.Run("attack without scripts", func(t *testing.T) {
		b := openBrowser(t, 390, 844, chromedp.Flag("blink-settings", "scriptEnabled=false"))
		b.open(g.public + "/products")
		b.shot("check")
		b.submit("button") // at once: too early
		if got := b.text("main"); !strings.Contains(got, "少し早い") {
			t.Errorf("at once: %.300s", got)
		}
		b.shot("early")
		for range 20 { // a person presses now and then
			time.Sleep(time.Second)
			b.submit("button")
			if !strings.Contains(b.text("body"), "確認") {
				break
			}
		}
		if got := b.text("body"); !strings.Contains(got, "/products") {
			t.Errorf("after waiting: %.300s", got)
		}
	})
	t.Run("busy", func(t *testing.T) {
		g.mode(503, "busy", "--admit", "20")
		b := openBrowser(t, 390, 844)
		b.open(g.public + "/sale")
		if got := b.text("main"); !strings.Contains(got, "順番にご案内") || !strings.Contains(got, "あと") {
			t.Errorf("in line: %.300s", got)
		}
		b.shot("line")
		b.shop(40 * time.Second)
	})
	t.Run("closed", func(t *testing.T) {
		g.mode(503, "closed", "--for", "2h")
		b := openBrowser(t, 1280, 900)
		b.open(g.public + "/")
		if got := b.text("main"); !strings.Contains(got, "準備中") || !strings.Contains(got, "2時間") || !strings.Contains(got, "03-0000-0000") {
			t.Errorf("closed: %.300s", got)
		}
		b.shot("closed")
		g.mode(200, "normal")
		b.open(g.public + "/")
		b.shop(5 * time.Second)
	})
}
