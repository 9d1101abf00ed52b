package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tally is what a run looked at.
type tally struct{ pages, variants, rules, broken, unsure, largest int }

// check looks at the page in all its variants.
func (v *visitor) check(p sight, seen *tally) {
	v.t.Helper()
	seen.pages++
	for _, size := range [][2]int64{{1280, 800}, {360, 740}} {
		for _, scheme := range []string{"light", "dark"} {
			v.do(chromedp.EmulateViewport(size[0], size[1]))
			v.media(scheme, false)
			v.axeFinds(p, fmt.Sprintf("%d×%d %s", size[0], size[1], scheme), seen)
		}
	}
	v.media("light", false)
	v.named(p, seen)
	for _, fault := range append(v.unreachable(), v.cut()...) {
		v.t.Error(fault)
	}
	if n := v.moving(); n > 0 {
		v.t.Errorf("%d animations for who asked for none", n)
	}
}

// unwillingly is what is broken and stays so: without scripts the line can only
// load itself again. It does so once a minute, loses nothing by it, and falls
// under the exception of real-time events (WCAG 2.2, 2.2.1).
const unwillingly = "meta-refresh"

func (v *visitor) axeFinds(p sight, variant string, seen *tally) {
	v.t.Helper()
	found, rules := v.axe()
	seen.variants++
	seen.rules += rules
	for _, f := range found {
		switch {
		case p.without && f.Rule == unwillingly:
			continue
		case f.Unsure:
			seen.unsure++
		default:
			seen.broken++
		}
		v.t.Errorf("%s: %s", variant, f)
	}
}

// facts of a page for who does not see it.
type pageFacts struct {
	Lang, Title, Shop, Loaded string
	H1                        []string
	Bytes                     int
}

// named checks what is read first: language, title, one heading, the shop; and
// that nothing is loaded but our own script.
func (v *visitor) named(p sight, seen *tally) {
	v.t.Helper()
	var f pageFacts
	v.json(`({lang: document.documentElement.lang, title: document.title, h1: [...document.querySelectorAll("h1")].map(e => e.textContent),
		shop: (document.querySelector("header") || {}).textContent || "", bytes: performance.getEntriesByType("navigation")[0].decodedBodySize,
		loaded: performance.getEntriesByType("resource").map(r => new URL(r.name).pathname).filter(n => n !== "/.noren/check.js" && n !== location.pathname && n !== "/favicon.ico").join(" ")})`, &f)
	if f.Lang != v.lang || len(f.H1) != 1 || !strings.HasPrefix(f.Title, f.H1[0]) || f.Loaded != "" {
		v.t.Errorf("language %q, title %q, headings %q, loaded %q", f.Lang, f.Title, f.H1, f.Loaded)
	}
	shop := map[string]string{"ja": "のれん堂", "en": "Norendo"}[v.lang]
	if !p.unnamed && (f.Shop != shop || !strings.HasSuffix(f.Title, shop)) {
		v.t.Errorf("shop %q, title %q, want %q", f.Shop, f.Title, shop)
	}
	seen.largest = max(seen.largest, f.Bytes)
	if f.Bytes > 9<<10 {
		v.t.Errorf("the page has %d bytes", f.Bytes)
	}
	v.t.Logf("%d bytes", f.Bytes)
}

// unreachable walks through the page with the tab key: everything that can be
// used is reached, from top to bottom, and is seen to be. It returns what is not.
func (v *visitor) unreachable() (faults []string) {
	v.t.Helper()
	var want, got []string
	v.json(`(document.activeElement.blur(), getSelection().removeAllRanges(), [...document.querySelectorAll("a[href], button")].filter(e => e.checkVisibility()).map(e => e.textContent))`, &want)
	last := -1.0
	for range want {
		v.do(chromedp.KeyEvent(kb.Tab))
		var at struct {
			Text, Outline string
			Wide, Top     float64
		}
		v.json(`(e => { const s = getComputedStyle(e); return {text: e.textContent, outline: s.outlineStyle, wide: parseFloat(s.outlineWidth), top: e.getBoundingClientRect().top + scrollY} })(document.activeElement)`, &at)
		if at.Outline == "none" || at.Wide < 2 {
			faults = append(faults, fmt.Sprintf("focus is not seen at %q: outline %s %v wide", at.Text, at.Outline, at.Wide))
		}
		if at.Top < last {
			faults = append(faults, fmt.Sprintf("focus goes back up to %q", at.Text))
		}
		got, last = append(got, at.Text), at.Top
	}
	if !slices.Equal(got, want) {
		faults = append(faults, fmt.Sprintf("the tab key reaches %q, want %q", got, want))
	}
	v.json(`(document.activeElement.blur(), 0)`, new(int))
	return faults
}

// overflowing is everything that stands out to the right of the window.
const overflowing = `[...document.querySelectorAll("header, main, main *, footer")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className)`

// cut returns what is cut off or needs sideways scrolling: at 320 CSS pixels
// (1.4.10), with letters twice as large (1.4.4), with wide spacing (1.4.12).
func (v *visitor) cut() (faults []string) {
	v.t.Helper()
	for _, c := range []struct {
		name, set string
		width     int64
	}{
		{"320 pixels", `""`, 320},
		{"letters of 200 %", `document.documentElement.style.fontSize = "200%"`, 360},
		{"wide spacing", `document.querySelectorAll("body, body *").forEach(e => { e.style.lineHeight = "1.5"; e.style.letterSpacing = "0.12em"; e.style.wordSpacing = "0.16em" }), document.querySelectorAll("p").forEach(e => { e.style.marginBottom = "2em" })`, 320},
	} {
		v.do(chromedp.EmulateViewport(c.width, 740))
		var out []string
		v.json(`(`+c.set+`, document.scrollingElement.scrollWidth > innerWidth ? ["the page"] : `+overflowing+`)`, &out)
		if len(out) > 0 {
			faults = append(faults, fmt.Sprintf("%s: cut off: %q", c.name, out))
		}
		v.json(`(document.documentElement.removeAttribute("style"), document.querySelectorAll("[style]").forEach(e => e.removeAttribute("style")), 0)`, new(int))
	}
	return faults
}

// moving is how much moves for who asked that nothing should.
func (v *visitor) moving() (n int) {
	v.t.Helper()
	v.media("light", true)
	v.json(`document.getAnimations().length`, &n)
	v.media("light", false)
	return n
}

// listens stands in the line with time running fast, and hears every change.
func (v *visitor) listens() {
	v.t.Helper()
	fast := page.AddScriptToEvaluateOnNewDocumentParams{Source: `window.setInterval = f => { window.norenTick = f; return 1 };
		const now = Date.now; window.norenSkew = 0; Date.now = () => now() + window.norenSkew * 1000; window.fetch = () => new Promise(() => {})`}
	if _, err := chromedp.Call(v.ctx, page.AddScriptToEvaluateOnNewDocument, fast); err != nil {
		v.t.Fatal(err)
	}
	v.header(map[string]any{"X-Forwarded-For": "198.51.100.40"})
	v.walk("line", "/sale")
	var heard struct {
		Wait int
		Said []string
	}
	v.json(`(() => {
		const e = document.getElementById("wait"), said = [e.textContent], wait = +e.dataset.wait;
		for (; window.norenSkew < wait; window.norenSkew++) {
			window.norenTick();
			if (e.textContent !== said[said.length - 1]) said.push(e.textContent);
		}
		return {wait, said};
	})()`, &heard)
	v.t.Logf("in %d s: %q", heard.Wait, heard.Said)
	if most := heard.Wait/60 + 5; heard.Wait < 60 || len(heard.Said) > most || !strings.Contains(heard.Said[len(heard.Said)-1], "まもなく") {
		v.t.Errorf("%d changes in %d s, want %d at most: %q", len(heard.Said), heard.Wait, most, heard.Said)
	}
}

// json evaluates a script of the page into out.
func (v *visitor) json(script string, out any) {
	v.t.Helper()
	said, err := chromedp.Run(v.ctx, chromedp.Evaluate[string]("JSON.stringify("+script+")"))
	if err == nil {
		err = json.Unmarshal([]byte(said), out)
	}
	if err != nil {
		v.t.Fatalf("%.120s: %v: %.200s", script, err, said)
	}
}
