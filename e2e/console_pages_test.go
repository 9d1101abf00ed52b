package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// consolePages are the pages that every person with all rights finds by clicking.
var consolePages = []string{
	"/s/sample/", "/s/sample/events", "/s/sample/stopped", "/s/sample/stopped?list=allow", "/s/sample/stopped/new?list=ban",
	"/s/sample/emergency", "/s/sample/emergency/card", "/s/sample/notices", "/s/sample/digest", "/s/sample/policies", "/s/sample/proof",
	"/s/sample/measures", "/s/sample/measures?state=needs", "/s/sample/guide/operate/access", "/s/sample/glossary", "/people", "/me", "/style",
}

// TestConsolePages looks at every page at a desk and on a phone, in both
// languages, light and dark: nothing is cut off, the accessibility checker finds
// nothing, and the browser reports no violation of the content policy.
func TestConsolePages(t *testing.T) {
	h := openHouse(t)
	b := openBrowser(t, 1280, 900)
	h.joins(b)
	b.watchPolicy()
	for _, at := range consolePages {
		for _, lang := range []string{"ja", "en"} {
			for _, width := range []int64{1280, 360} {
				name := fmt.Sprintf("%s-%s-%d", strings.Trim(strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(at), "_"), lang, width)
				b.do(chromedp.EmulateViewport(width, 800))
				b.scheme("light")
				b.open(h.pages + "/language?to=" + lang + "&back=" + strings.ReplaceAll(at, "?", "%3F"))
				b.readable(t, name)
				if lang == "ja" {
					b.scheme("dark")
					b.readable(t, name+"-dark")
				}
			}
		}
	}
	// By now there were customers and attackers: what the documentation shows.
	b.scheme("light")
	b.do(chromedp.EmulateViewport(1280, 960))
	b.open(h.pages + "/language?to=ja&back=/s/sample/")
	b.shot("picture-today")
	b.noViolations(t)
}

// scheme is what the person's system asks of pages.
func (b *browser) scheme(name string) {
	b.t.Helper()
	p := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, p); err != nil {
		b.t.Fatal(err)
	}
}

// watchPolicy notes what the content policy of pages keeps from happening.
func (b *browser) watchPolicy() {
	b.t.Helper()
	p := page.AddScriptToEvaluateOnNewDocumentParams{Source: `document.addEventListener("securitypolicyviolation", e => {
		sessionStorage.violations = (sessionStorage.violations || "") + location.pathname + ": " + e.violatedDirective + " " + e.blockedURI + "\n";
	});`}
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, p); err != nil {
		b.t.Fatal(err)
	}
}

// noViolations fails when there were some since watchPolicy.
func (b *browser) noViolations(t *testing.T) {
	t.Helper()
	if got := b.evaluate("sessionStorage.violations || 'none'"); got != "none" {
		t.Errorf("the content policy was violated:\n%s", got)
	}
}

// readable checks one page as it stands.
func (b *browser) readable(t *testing.T, name string) {
	t.Helper()
	b.shot(name)
	found, rules := b.axe()
	if rules < 10 {
		t.Errorf("%s: axe applied only %d rules", name, rules)
	}
	for _, f := range found {
		if !f.Unsure {
			t.Errorf("%s: %s", name, f)
		}
	}
	over, err := chromedp.Run(b.ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
	if err != nil || over > 0 {
		t.Errorf("%s: %d px stand over the edge (%v)", name, over, err)
	}
}
