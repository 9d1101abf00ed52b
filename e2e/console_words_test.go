package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// What an owner reads at first sight is in their words, at a desk and on a phone, in
// both languages, light and dark: one event that was stopped, the policies and the
// measures.
func TestConsoleWords(t *testing.T) {
	h := openHouse(t)
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	event := ""
	for end := time.Now().Add(90 * time.Second); event == "" && time.Now().Before(end); time.Sleep(time.Second) {
		b.open(h.pages + "/s/sample/events?t=all&kind=http.blocked&cause=waf")
		if got := b.evaluate(`(document.querySelector("td.says a") || {getAttribute: () => "none"}).getAttribute("href")`); got != "none" {
			event = got
		}
	}
	if event == "" {
		t.Fatal("the demo's attacks stopped nothing in 90 s")
	}
	for name, at := range map[string]string{"event": event, "why": event + "/why", "policies": "/s/sample/policies", "policies-mode": "/s/sample/policies?mode=shadow", "measures": "/s/sample/measures", "stopped": "/s/sample/stopped"} {
		for _, lang := range []string{"ja", "en"} {
			for _, width := range []int64{1280, 360} {
				b.do(chromedp.EmulateViewport(width, 800))
				for _, scheme := range []string{"light", "dark"} {
					b.scheme(scheme)
					b.open(h.pages + "/language?to=" + lang + "&back=" + strings.ReplaceAll(at, "?", "%3F"))
					b.readable(t, fmt.Sprintf("%s-%s-%d-%s", name, lang, width, scheme))
				}
			}
		}
	}
	b.open(h.pages + "/language?to=ja&back=" + event)
	b.awaitText("h1", "お断りしました")
}
