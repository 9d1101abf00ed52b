package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// keyboard is a browser that is driven by its keys alone: nothing is clicked, and no
// script moves the focus.
type keyboard struct{ *browser }

// press sends one key, or several.
func (k keyboard) press(keys string, with ...chromedp.Modifier) {
	k.t.Helper()
	k.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(with...)))
}

// most is how often a key is pressed on the way to something before it counts as
// out of reach.
const most = 400

// to presses Tab until the focus is on what sel matches.
func (k keyboard) to(sel string) {
	k.t.Helper()
	for range most {
		if k.on(sel) {
			return
		}
		k.press(kb.Tab)
	}
	k.shot("failed")
	k.t.Fatalf("at %s the tab key does not lead to %s", k.location(), sel)
}

func (k keyboard) on(sel string) bool {
	k.t.Helper()
	is, err := chromedp.Run(k.ctx, chromedp.Evaluate[bool](fmt.Sprintf("!!document.activeElement && document.activeElement.matches(%q)", sel)))
	if err != nil {
		k.t.Fatalf("look where the focus is: %v", err)
	}
	return is
}

// leads presses a key and waits for the page that follows.
func (k keyboard) leads(key string) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(key)); err != nil {
		k.shot("failed")
		k.t.Fatalf("at %s the key %q leads nowhere: %v", k.location(), key, err)
	}
}

// follow goes to a link or a button and presses Enter.
func (k keyboard) follow(sel string) {
	k.t.Helper()
	k.to(sel)
	k.leads(kb.Enter)
}

// types writes into the field that sel matches, over what stands there.
func (k keyboard) types(sel, text string) {
	k.t.Helper()
	k.to(sel)
	k.press("a", chromedp.ModifierCtrl)
	k.press(text)
	if got := k.evaluate(`document.activeElement.value`); got != text {
		k.t.Fatalf("%s holds %q after %q was typed", sel, got, text)
	}
}

// Where the focus stands, and what can be said of it.
type focus struct {
	N       int     `json:"n"`     // among the controls found at first, -1 for another
	What    string  `json:"what"`  // for people
	Kind    string  `json:"kind"`  // for pictures of one of each kind
	Gone    bool    `json:"gone"`  // it is on the page as a whole
	Several bool    `json:"parts"` // has parts that take the focus one after the other, such as a date
	Scrolls bool    `json:"scrolls"`
	Plain   bool    `json:"plain"`  // looks as it does without the focus
	Hidden  string  `json:"hidden"` // why it cannot be seen
	Text    bool    `json:"text"`   // it is in the page's own text and scrolls with it
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	W       float64 `json:"w"`
	H       float64 `json:"h"`
	Down    float64 `json:"down"` // how far the page is scrolled
}

// walkScript finds what can be used with the keyboard and says where the focus is.
const walkScript = `(() => {
	const shown = e => e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true});
	const usable = e => {
		if (e.disabled || e.type === "hidden" || e.tabIndex < 0 || !shown(e)) return false;
		if (e.tagName === "SUMMARY") return e.parentElement.tagName === "DETAILS" && e.parentElement.querySelector(":scope > summary") === e;
		if (e.type !== "radio" || !e.name) return true;
		const group = [...document.getElementsByName(e.name)].filter(o => o.form === e.form && shown(o));
		return e === (group.find(o => o.checked) || group[0]);
	};
	const look = e => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.backgroundColor, s.borderColor, s.top, s.clipPath].join("|") };
	const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(usable);
	const looks = new Map(all.map(e => [e, look(e)]));
	const name = e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.name ? "[name=" + e.name + "]" : "") + (e.getAttribute("class") ? "." + e.getAttribute("class") : "") +
		" " + JSON.stringify((e.getAttribute("aria-label") || e.textContent || e.value || "").trim().slice(0, 30)) + (e.getAttribute("href") ? " → " + e.getAttribute("href").slice(0, 60) : "");
	const room = 2; // pixels of the ring that must be seen
	const hidden = e => {
		const r = e.getBoundingClientRect();
		if (r.width < 2 || r.height < 2) return "has no size";
		const left = Math.max(r.left, 0), right = Math.min(r.right, innerWidth), top = Math.max(r.top, 0), bottom = Math.min(r.bottom, innerHeight);
		const fits = r.height <= innerHeight && r.width <= innerWidth;
		if (right - left < 2 || bottom - top < 2) return "is outside the window";
		if (fits && (r.top < -1 || r.bottom > innerHeight + 1 || r.left < -1 || r.right > innerWidth + 1)) return "is cut off by the window: " + [r.left, r.top, r.right, r.bottom].map(Math.round) + " of " + innerWidth + "×" + innerHeight;
		for (let p = e; p; p = p.parentElement) {
			const s = getComputedStyle(p);
			if (s.clipPath !== "none" || s.opacity === "0") return "is clipped by " + name(p);
		}
		// Of nine points on it all that lie in the window must be its own; of what is
		// taller than the room between the bars, a third.
		let free = 0;
		const tall = r.height > innerHeight - 160;
		for (const fx of [0.1, 0.5, 0.9]) for (const fy of [0.1, 0.5, 0.9]) {
			const x = r.left + r.width * fx, y = r.top + r.height * fy;
			if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) { if (fits) return "is cut off"; continue; }
			const at = document.elementFromPoint(x, y);
			if (!at || at === e || e.contains(at) || at.contains(e)) { free++; continue; }
			// What lies over it: something else of the page, such as a bar that stays.
			const own = [...e.getClientRects()].some(c => x >= c.left && x <= c.right && y >= c.top && y <= c.bottom);
			if (own && !tall) return "is covered by " + name(at) + " at " + Math.round(x) + "," + Math.round(y);
		}
		return tall && free < 3 ? "is covered for the most part" : "";
	};
	window.norenWalk = {
		names: () => all.map(name),
		place: n => { const r = all[n].getBoundingClientRect(); return {hidden: all[n].isConnected ? hidden(all[n]) : "gone", x: r.left, y: r.top, w: r.width, h: r.height}; },
		at: () => {
			const e = document.activeElement;
			if (!e || e === document.body || e === document.documentElement) return {n: -1, gone: true};
			const r = e.getBoundingClientRect(), s = getComputedStyle(e);
			let n = all.indexOf(e);
			if (n < 0) n = all.findIndex(o => !o.isConnected && name(o) === name(e)); // the page refreshed a part
			const ring = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= room && !s.outlineColor.endsWith(", 0)") || s.boxShadow !== "none";
			return {n, what: name(e), kind: [e.tagName, e.getAttribute("class"), e.type, e.parentElement.tagName, e.parentElement.getAttribute("class")].join(" "), gone: false,
				parts: ["date", "datetime-local", "time"].includes(e.type), scrolls: n < 0 && (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight),
				text: !!e.closest("main") && !e.closest(".waits, #tried, .tip"), down: scrollY, plain: !ring || (looks.has(e) && looks.get(e) === look(e)), hidden: hidden(e), x: r.left, y: r.top, w: r.width, h: r.height};
		},
	};
})(), undefined`

func (k keyboard) where() (f focus) {
	k.t.Helper()
	said, err := chromedp.Run(k.ctx, chromedp.Evaluate[string]("JSON.stringify(norenWalk.at())"))
	if err == nil {
		err = json.Unmarshal([]byte(said), &f)
	}
	if err != nil {
		k.t.Fatalf("look where the focus is: %v: %.200s", err, said)
	}
	return f
}

// begins takes stock of a page that was just opened.
func (k keyboard) begins() (names []string) {
	k.t.Helper()
	k.do(chromedp.Evaluate[chromedp.Void](walkScript))
	said, err := chromedp.Run(k.ctx, chromedp.Evaluate[string]("JSON.stringify(norenWalk.names())"))
	if err == nil {
		err = json.Unmarshal([]byte(said), &names)
	}
	if err != nil {
		k.t.Fatalf("take stock of %s: %v", k.location(), err)
	}
	return names
}

// walk goes through the page with Tab, and back with Shift+Tab. Every control is
// reached once each way, in the order of the text, and can be seen while it has the
// focus. It returns what is not so.
func (k keyboard) walk(pictures kinds) (faults []string) {
	k.t.Helper()
	names := k.begins()
	there := k.steps(names, false, pictures, &faults)
	back := k.steps(names, true, pictures, &faults)
	for i, name := range names {
		if there[i] != 1 || back[i] != 1 {
			faults = append(faults, fmt.Sprintf("%s is reached %d times by Tab, %d times by Shift+Tab", name, there[i], back[i]))
		}
	}
	return faults
}

// steps is one way of the walk: how often each control had the focus.
func (k keyboard) steps(names []string, back bool, pictures kinds, faults *[]string) []int {
	k.t.Helper()
	seen, last := make([]int, len(names)), focus{N: -1, Gone: true}
	fault := func(format string, args ...any) {
		way := "Tab"
		if back {
			way = "Shift+Tab"
		}
		*faults = append(*faults, way+": "+fmt.Sprintf(format, args...))
	}
	var with image.Image
	now := k.where() // a field may have it from the beginning
	for pressed := 0; ; pressed++ {
		switch {
		case pressed > len(names)*2+60:
			fault("the focus does not leave the page again; it is at %s", now.What)
			return seen
		case pressed > 0 && (now.Gone || begunAnew(now.N, last.N, len(names), back)):
			return seen
		case !now.Gone && !(now.N >= 0 && now.N == last.N):
			k.judge(now, last, back, fault)
			if now.N >= 0 && !back && !pictures[now.Kind] {
				pictures[now.Kind] = true
				with = k.screen()
			}
			if now.N >= 0 {
				seen[now.N]++
			}
			last = now
		case !now.Gone && !now.Several:
			fault("the focus stays at %s", now.What)
		}
		if back {
			k.press(kb.Tab, chromedp.ModifierShift)
		} else {
			k.press(kb.Tab)
		}
		now = k.where()
		if with != nil && now.N != last.N {
			if f := k.compare(with, last); f != "" {
				fault("%s", f)
			}
			with = nil
		}
	}
}

// begunAnew reports whether the focus went from one end of the page to the other,
// as it does where the browser has no bars of its own.
func begunAnew(now, last, n int, back bool) bool {
	if back {
		now, last = last, now
	}
	return n > 1 && now == 0 && last == n-1
}

// judge looks at one control that has just got the focus.
func (k keyboard) judge(now, last focus, back bool, fault func(string, ...any)) {
	switch {
	case now.N < 0 && !now.Scrolls:
		fault("the focus is at %s, which is no control", now.What)
	case now.N >= 0 && last.N >= 0 && (now.N < last.N) != back:
		fault("the focus goes from %s to %s", last.What, now.What)
	}
	if now.Plain {
		fault("%s looks the same with the focus as without", now.What)
	}
	if now.Hidden != "" {
		fault("%s %s", now.What, now.Hidden)
	}
	first, second := last, now
	if back {
		first, second = now, last
	}
	// Upwards, and not to the head of a column beside it.
	if first.Text && second.Text && second.Y+second.Down+second.H <= first.Y+first.Down && second.X <= first.X {
		fault("%s stands above %s and comes after it", second.What, first.What)
	}
}

// kinds are pictures of one control of each kind, with the focus and without.
type kinds map[string]bool

// compare looks whether the picture of a control changed when the focus left it.
func (k keyboard) compare(with image.Image, f focus) (fault string) {
	k.t.Helper()
	var now focus
	said, err := chromedp.Run(k.ctx, chromedp.Evaluate[string](fmt.Sprintf("JSON.stringify(norenWalk.place(%d))", f.N)))
	if err == nil {
		err = json.Unmarshal([]byte(said), &now)
	}
	if err != nil {
		k.t.Fatalf("place of %s: %v", f.What, err)
	}
	if now.Hidden != "" || now.W != f.W || now.H != f.H {
		return "" // scrolled away or another by now: the style alone was compared
	}
	changed := differ(around(with, f), around(k.screen(), now))
	if least := int(f.W+f.H) / 2; changed < least {
		return fmt.Sprintf("the focus changes %d pixels of %s, want %d at least", changed, f.What, least)
	}
	return ""
}

func (k keyboard) screen() image.Image {
	k.t.Helper()
	raw, err := chromedp.Run(k.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		k.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		k.t.Fatal(err)
	}
	return img
}

// around is a control with the room of its ring.
func around(img image.Image, f focus) image.Image {
	const ring = 6
	r := image.Rect(int(math.Round(f.X))-ring, int(math.Round(f.Y))-ring, int(math.Round(f.X+f.W))+ring, int(math.Round(f.Y+f.H))+ring)
	return img.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(r.Intersect(img.Bounds()))
}

// differ counts the pixels that are not the same.
func differ(a, b image.Image) (n int) {
	for y := range min(a.Bounds().Dy(), b.Bounds().Dy()) {
		for x := range min(a.Bounds().Dx(), b.Bounds().Dx()) {
			if a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y) != b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y) {
				n++
			}
		}
	}
	return n
}

// A walk is worth what it finds in a bad page.
func TestWalkFindsFaults(t *testing.T) {
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>bad</title>
<style>.bare:focus { outline: none } .bar { position: fixed; inset: 0 0 auto; height: 60px; background: #ccc } .gone { position: absolute; clip-path: inset(50%) } textarea { margin-top: 400px; display: block }</style>
<div class="bar">a bar that stays</div><main><a href="/1">under the bar</a><p><a href="/2" tabindex="2">first of all</a> <a class="bare" href="/3">no ring</a> <a class="gone" href="/4">not seen</a></p>
<textarea onkeydown="if (event.key === 'Tab') event.preventDefault()">a trap</textarea><button>never</button></main>`)
	}))
	t.Cleanup(bad.Close)
	k := keyboard{openBrowser(t, 360, 740)}
	k.open(bad.URL)
	got := strings.Join(k.walk(kinds{}), "\n")
	for _, want := range []string{"is covered by div.bar", `goes from`, `"no ring" → /3 looks the same`, "is clipped by a.gone", "stays at textarea", `button "never" is reached 0 times by Tab`} {
		if !strings.Contains(got, want) {
			t.Errorf("the walk does not say %q:\n%s", want, got)
		}
	}
}
