package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestConsoleByKeyboardAlone is an owner's work without a mouse: nothing is clicked,
// and the focus goes where the keys lead it.
func TestConsoleByKeyboardAlone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		width   int64
		scripts bool
	}{{"desk", 1280, true}, {"phone-no-scripts", 360, false}} {
		t.Run(tt.name, func(t *testing.T) {
			h := openHouse(t)
			h.joins(openBrowser(t, 1280, 900))
			attackEverything(t, h.shop)
			k := keyboard{openBrowser(t, tt.width, 800)}
			k.scripts(tt.scripts)
			k.signsIn(h)
			k.skips()
			k.menu(tt.width)
			k.filters(h, tt.scripts)
			k.frees(h)
			k.stopsCards(h)
			k.language(h)
			k.asksForHelp(h, tt.scripts)
			k.zooms(h)
			k.editsPolicy(h)
			k.turnsPages(h)
			k.signsOut(h)
		})
	}
}

func (k keyboard) signsIn(h *house) {
	k.t.Helper()
	k.open(h.pages + "/")
	k.types("[name=mail]", ownerMail)
	k.types("[name=password]", ownerPassword)
	k.leads(kb.Enter)
	k.types("[name=code]", h.code())
	k.leads(kb.Enter)
	if got := k.evaluate("document.title"); !strings.Contains(got, "sample") {
		k.t.Fatalf("signed in, the owner is at %s, %q", k.location(), got)
	}
}

// skips uses the first link of the page: the next control is one of its text.
func (k keyboard) skips() {
	k.t.Helper()
	k.press(kb.Tab)
	if !k.on("a.skip") {
		k.t.Fatal("the first control of a page is not the link to its text")
	}
	k.press(kb.Enter)
	k.press(kb.Tab)
	if !k.on("main *") {
		k.t.Errorf("behind the link to the text the focus is at %s", k.evaluate(`document.activeElement.outerHTML.slice(0, 100)`))
	}
}

// menu goes to every page of it.
func (k keyboard) menu(width int64) {
	k.t.Helper()
	phone := width < 800
	n := count(k.browser, ".side a")
	if n < 12 {
		k.t.Fatalf("the menu has %d entries", n)
	}
	for i := range n {
		to := attr(k.browser, fmt.Sprintf(".side li:nth-child(%d) a", i+1), "href")
		sel := fmt.Sprintf(`.side a[href=%q]`, to)
		if phone {
			sel = fmt.Sprintf(`.thumbs a[href=%q]`, to)
			if count(k.browser, fmt.Sprintf(`.thumbs .more a[href=%q]`, to)) == 1 {
				k.to(".thumbs summary")
				k.press(kb.Enter)
			}
		}
		k.follow(sel)
		if got := k.location(); !strings.HasSuffix(got, to) {
			k.t.Errorf("the entry %s leads to %s", to, got)
		}
		if strings.HasPrefix(to, "/s/") && count(k.browser, fmt.Sprintf(`.side a[aria-current][href=%q]`, to)) != 1 {
			k.t.Errorf("at %s the menu does not say where one is", to)
		}
	}
}

// filters takes the third choice of a list: what is chosen on the way there does not
// send the form, which would take the owner to another page in the middle.
func (k keyboard) filters(h *house, scripts bool) {
	k.t.Helper()
	k.open(h.pages + "/s/sample/events")
	k.to("select[name=kind]")
	for range 3 {
		k.press(kb.ArrowDown)
	}
	time.Sleep(time.Second / 2) // a form that sends itself has done so by then
	if got := k.location(); strings.Contains(got, "kind=") || !k.on("select[name=kind]") {
		k.t.Fatalf("choosing with the arrow keys leads to %s", got)
	}
	third := k.evaluate(`document.activeElement.value`)
	k.to(".events-filter summary")
	k.press(" ")
	k.types("[name=words]", "UNION")
	k.press("a", chromedp.ModifierCtrl)
	k.press(kb.Delete)
	k.follow(".events-filter button")
	if got := k.location(); !strings.Contains(got, "kind="+third) {
		k.t.Errorf("the filter leads to %s, want the kind %q", got, third)
	}
	k.follow(".events-filter a.quiet")
	if scripts { // a search for words is stopped
		k.open(h.pages + "/s/sample/events?words=UNION")
		k.see(20*time.Second, "最後まで見ました")
	}
}

// frees opens an event, lets its visitor through and takes it back, bans and lifts.
func (k keyboard) frees(h *house) {
	k.t.Helper()
	k.open(h.pages + "/s/sample/events?kind=http.blocked")
	k.follow("td.says a")
	k.follow(`.acts a[href$="/free"]`)
	k.to("select[name=for]")
	k.press(kb.ArrowDown)
	k.types("[name=reason]", "お電話: 制作会社の方でした")
	k.to("form.card button")
	k.leads(" ")
	k.see(5*time.Second, "通すようにしました")
	k.lifts()
	k.follow(`.acts a[href$="/ban"]`)
	k.types("[name=reason]", "くり返しの攻撃")
	k.leads(kb.Enter)
	k.see(5*time.Second, "遮断")
	k.shot("banned")
	k.lifts()
}

// lifts takes back what is in force about the visitor of an event.
func (k keyboard) lifts() {
	k.t.Helper()
	const lift = `form[action$="/lift"] button`
	was := count(k.browser, lift)
	k.to(lift)
	k.leads(kb.Enter)
	if now := count(k.browser, lift); now >= was {
		k.t.Errorf("%d entries are in force after lifting one of %d", now, was)
	}
}

func (k keyboard) stopsCards(h *house) {
	k.t.Helper()
	k.open(h.pages + "/s/sample/emergency")
	k.follow(`a.switch[href$="/card"]`)
	k.types("[name=reason]", "カード会社から連絡があった")
	k.to("button.danger")
	k.leads(kb.Enter)
	k.see(5*time.Second, "いまオン")
	k.open(h.pages + "/s/sample/emergency/card")
	k.types("[name=reason]", "確認が終わった")
	k.to("button.big")
	k.leads(" ")
	k.open(h.pages + "/s/sample/emergency/card")
	if got := k.text("main"); strings.Contains(got, "いまオン") {
		k.t.Error("cards stay stopped")
	}
}

func (k keyboard) language(h *house) {
	k.t.Helper()
	k.open(h.pages + "/s/sample/stopped")
	k.follow("a.lang")
	if got := k.text("h1"); got != "Stopped and allowed" {
		k.t.Errorf("in English the page is called %q", got)
	}
	k.follow("a.lang")
	if got := k.text("h1"); got != "止めた相手" {
		k.t.Errorf("in Japanese the page is called %q", got)
	}
}

// asksForHelp opens the help beside a term and closes it.
func (k keyboard) asksForHelp(h *house, scripts bool) {
	k.t.Helper()
	k.open(h.pages + "/style")
	k.to(".term summary")
	k.press(kb.Enter)
	if count(k.browser, ".term details[open]") != 1 {
		k.t.Fatal("the help does not open")
	}
	if scripts {
		k.press(kb.Escape)
	} else {
		k.press(" ")
	}
	if count(k.browser, ".term details[open]") != 0 || !k.on(".term summary") {
		k.t.Error("the help does not close, or the focus is elsewhere then")
	}
	if !scripts {
		return
	}
	k.press(kb.Enter)
	k.press(kb.Tab)
	if count(k.browser, ".term details[open]") != 0 {
		k.t.Error("the help stays open over what comes next")
	}
}

// zooms chooses a bar of the timeline.
func (k keyboard) zooms(h *house) {
	k.t.Helper()
	k.open(h.pages + "/s/sample/events?t=24h")
	k.to(".zoom .skip")
	k.press(kb.Tab)
	if !k.on(".zoom svg a") {
		k.t.Fatal("behind the link past the timeline there is no bar of it")
	}
	k.leads(kb.Enter)
	if got := k.location(); !strings.Contains(got, "since=") || !strings.Contains(got, "until=") {
		k.t.Errorf("a bar leads to %s", got)
	}
	k.open(h.pages + "/s/sample/events?t=24h")
	k.to(".zoom .skip")
	k.press(kb.Enter)
	k.press(kb.Tab)
	if !k.on("#list *") {
		k.t.Error("the link past the timeline leads elsewhere")
	}
}

// editsPolicy writes a line into a file of policies, leaves the field with Tab, puts
// it in force for a while and takes it back.
func (k keyboard) editsPolicy(h *house) {
	k.t.Helper()
	k.open(h.pages + "/s/sample/policies")
	k.follow(`a[href$="policies%2Forder.yaml"], a[href$="policies/order.yaml"]`)
	k.to("#text")
	k.press(kb.Home, chromedp.ModifierCtrl)
	k.press("# 年末の売り出しの前に\r")
	k.press(kb.Tab)
	if k.on("#text") {
		k.t.Fatal("the field keeps the tab key")
	}
	if got := k.evaluate(`document.getElementById("text").value`); !strings.HasPrefix(got, "# 年末の売り出しの前に\n") || strings.Contains(got, "\t") {
		k.t.Fatalf("the field holds %.60q", got)
	}
	k.follow("button[formaction=review]")
	k.types("[name=reason]", "覚え書きを足した")
	k.follow("form[action=change] button")
	k.see(10*time.Second, "確定を待っています")
	k.to(".waits form + form button")
	k.leads(kb.Enter)
	k.see(10*time.Second, "変更の前に戻しました")
}

// turnsPages goes to older events and back.
func (k keyboard) turnsPages(h *house) {
	k.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		k.open(h.pages + "/s/sample/events")
		if count(k.browser, ".pager a[rel=next]") == 1 {
			break
		}
		if time.Now().After(end) {
			k.t.Fatal("after two minutes of traffic there is one page of events")
		}
	}
	k.follow(".pager a[rel=next]")
	older := k.location()
	k.follow(".pager a[rel=prev]")
	if got := k.location(); older == got {
		k.t.Errorf("the newer page is %s, as the older one", got)
	}
}

func (k keyboard) signsOut(h *house) {
	k.t.Helper()
	k.follow("a.me")
	k.to(`form[action="/signout"] button`)
	k.leads(" ")
	k.open(h.pages + "/s/sample/")
	if got := k.location(); !strings.Contains(got, "/signin") {
		k.t.Errorf("signed out, the owner is still at %s", got)
	}
}

// TestConsoleKeyboardWalks goes through every page of the console with Tab and back
// with Shift+Tab, at a desk and on a phone, in both languages, and once without
// scripts.
func TestConsoleKeyboardWalks(t *testing.T) {
	h := openHouse(t, "--quiet")
	desk := openBrowser(t, 1280, 800)
	h.joins(desk)
	attackEverything(t, h.shop)
	desk.open(h.pages + "/s/sample/events")
	event := attr(desk, "td.says a", "href")
	pages := append([]string{event, event + "/why", event + "/try", event + "/free", event + "/ban", "/s/sample/events?t=24h", "/s/sample/events?words=UNION", "/s/sample/events?t=custom",
		"/s/sample/visitor?key=address&value=127.0.0.1", "/s/sample/ticket", "/s/sample/policies/edit?file=policies/order.yaml", "/s/sample/policies/versions", "/s/sample/policies/mode?name=order-after-order&to=shadow",
		"/s/sample/site", "/s/sample/places", "/s/sample/setup", "/s/sample/setup/admin", "/s/sample/nothing"}, consolePages...)
	k := keyboard{desk}
	for _, look := range walks(t) {
		pictures := kinds{}
		for _, at := range pages {
			name := fmt.Sprintf("%s %d scripts %t %s", look.lang, look.width, look.scripts, at)
			k.do(chromedp.EmulateViewport(look.width, 800))
			k.scripts(look.scripts)
			k.open(h.pages + "/language?to=" + look.lang + "&back=" + strings.ReplaceAll(strings.ReplaceAll(at, "?", "%3F"), "&", "%26"))
			k.calm(look.scripts)
			for _, fault := range k.walk(pictures) {
				t.Errorf("%s: %s", name, fault)
			}
		}
		t.Logf("%s at %d, scripts %t: %d pages, %d kinds of controls compared by picture", look.lang, look.width, look.scripts, len(pages), len(pictures))
	}
}

// keyboardLook is a way in which somebody without a mouse sees the console.
type keyboardLook struct {
	lang    string
	width   int64
	scripts bool
}

// walks are the ways to walk: one, by the run's seed, and all of them in the soak
// (NOREN_WALK=full), because all take six minutes.
func walks(t *testing.T) []keyboardLook {
	all := []keyboardLook{{"ja", 1280, true}, {"en", 1280, true}, {"ja", 360, true}, {"en", 360, true}, {"ja", 1280, false}, {"ja", 360, false}}
	if os.Getenv("NOREN_WALK") == "full" {
		return all
	}
	seed, err := strconv.ParseUint(os.Getenv("NOREN_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with NOREN_SEED)", seed)
	i := seed % uint64(len(all))
	return all[i : i+1]
}

// calm waits until nothing on the page is about to change by itself.
func (k keyboard) calm(scripts bool) {
	k.t.Helper()
	for end := time.Now().Add(30 * time.Second); scripts; time.Sleep(50 * time.Millisecond) {
		if k.evaluate("typeof htmx") != "undefined" && count(k.browser, `[hx-trigger^="load"]`) == 0 {
			return
		}
		if time.Now().After(end) {
			k.t.Fatalf("%s goes on changing", k.location())
		}
	}
}
