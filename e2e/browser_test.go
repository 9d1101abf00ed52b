package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is one fresh Chromium profile, as one customer has.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// openBrowser starts Chromium with nothing of an earlier run and no way out of
// the machine. It is closed with the test.
func openBrowser(t *testing.T, width, height int64, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("lang", "ja"),
		chromedp.Flag("accept-lang", "ja,en"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.UserDataDir(t.TempDir()),
	)
	opts = append(opts, more...)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	ctx, expire := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(func() { expire(); cancel(); stop() })
	b := &browser{t: t, ctx: ctx}
	// The browser lives as long as the context of the first call.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v; is it installed? run: make deps", err)
	}
	b.do(chromedp.EmulateViewport(width, height))
	return b
}

// do runs steps and fails the test with where the browser was.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shot("failed")
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.t.Fatalf("browser at %s: %v", at, err)
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// fill types into the field matched by sel, as a person does, and looks whether
// it arrived: scripts of a page may move the focus while one types.
func (b *browser) fill(sel, text string) {
	b.t.Helper()
	empty := chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).value = ''", sel))
	for range 5 {
		b.do(chromedp.WaitVisible(chromedp.CSS(sel)), empty, chromedp.SendKeys(chromedp.CSS(sel), text))
		got, err := chromedp.Run(b.ctx, chromedp.Value(chromedp.CSS(sel)))
		if err == nil && got == text {
			return
		}
	}
	b.t.Fatalf("%s does not take %q", sel, text)
}

// submit clicks sel and waits for the page that follows.
func (b *browser) submit(sel string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(sel))); err != nil {
		b.shot("failed")
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.t.Fatalf("submit %s at %s: %v", sel, at, err)
	}
}

// text returns what a visitor reads in sel.
func (b *browser) text(sel string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(sel)))
	if err != nil {
		b.shot("failed")
		b.t.Fatalf("read %s: %v", sel, err)
	}
	return s
}

func (b *browser) location() string {
	s, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.t.Fatalf("location: %v", err)
	}
	return s
}

// shot keeps a picture in $NOREN_SHOTS, when it is set.
func (b *browser) shot(name string) {
	dir := os.Getenv("NOREN_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("screenshot %s: %v", name, err)
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// evaluate runs a script of the page and returns the text that it promises.
func (b *browser) evaluate(script string) string {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("window.norenSaid = null; Promise.resolve(" + script + ").then(said => { window.norenSaid = String(said) }, err => { window.norenSaid = 'failed: ' + err }); undefined"))
	deadline := time.Now().Add(30 * time.Second)
	for {
		said, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("window.norenSaid === null ? '' : window.norenSaid"))
		if err != nil || time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("run %.80s: %v", script, err)
		}
		if said != "" {
			return said
		}
		time.Sleep(50 * time.Millisecond)
	}
}
