package e2e

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// strictRule is a rule of the shop's own that stops a polite buyer.
const strictRule = `SecRule ARGS "@rx のし.*御祝" "id:501,phase:2,deny,t:none,msg:'strict'"` + "\n"

// settingsWith puts a file into the settings in force, as the machine's people do.
func (h *house) settingsWith(name, text string) {
	h.t.Helper()
	set := filepath.Join(h.t.TempDir(), "set")
	run := func(args ...string) {
		h.t.Helper()
		if out, err := exec.Command(noren(h.t), append([]string{"--config", h.config, "settings"}, args...)...).CombinedOutput(); err != nil {
			h.t.Fatalf("noren settings %s: %v\n%s", args, err, out)
		}
	}
	run("export", set)
	file := filepath.Join(set, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	run("import", set, "--reason", "e2e")
}

// sends posts a form past the browser, and tells the status.
func (h *house) sends(path string, form url.Values) int {
	h.t.Helper()
	req, err := http.NewRequest("POST", h.shop+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Mozilla/5.0", "Accept": "text/html", "X-Forwarded-For": "198.51.100.77"} {
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// A buyer is stopped at the checkout and reads the number out. The owner finds it,
// says that this is a real customer, sees what would open, and approves; the buyer
// buys. The attack at the same field still stops, and one click takes it back.
func TestConsoleMistakenBuyer(t *testing.T) {
	h, link := openServed(t)
	owner := openBrowser(t, 1280, 900)
	owner.watchPolicy()
	h.joinsBy(owner, link)
	h.settingsWith("firewall/own.conf", strictRule)
	polite := url.Values{"note": {"のし：御祝"}}
	for end := time.Now().Add(20 * time.Second); h.sends("/checkout", polite) != http.StatusForbidden; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the strict rule does not come into force")
		}
	}

	buyer := openBrowser(t, 390, 844)
	buyer.comesFrom("198.51.100.41")
	buyer.fillCheckout(h.shop, "cod")
	buyer.fill("[name=note]", "のし：御祝（名入れ：髙橋）")
	buyer.submit("main form button.go")
	number := numberOn(buyer)
	if number == "" {
		t.Fatalf("the buyer was not stopped: %s", buyer.location())
	}
	buyer.shot("buyer-stopped")

	began := time.Now()
	owner.open(h.pages + "/s/sample/mistaken")
	owner.fill("#find-number", number)
	owner.submit(".find button")
	owner.shot("event")
	owner.submit(".acts a.button:first-child")
	if got := owner.text("h1"); got != "これは正しいお客様ですか" {
		t.Fatalf("%q", got)
	}
	owner.readable(t, "case")
	owner.submit("form[action$='/try'] button")
	owner.shot("running")
	owner.awaitText("#tried", "新しく通るものはありません")
	owner.readable(t, "tried")
	owner.fill("[name=reason]", "お電話のお客様。のしの書き方")
	owner.submit("form[action$='/ask'] button")
	if got := owner.text("h1"); !strings.Contains(got, "検査から外しています") {
		t.Fatalf("%q at %s", got, owner.location())
	}
	t.Logf("from the number to the exclusion: %s", time.Since(began).Round(time.Second))
	owner.readable(t, "in-force")
	page := owner.location()

	buyer.fillCheckout(h.shop, "cod")
	buyer.fill("[name=note]", "のし：御祝（名入れ：髙橋）")
	buyer.submit("main form button.go")
	if numberOn(buyer) != "" || !strings.Contains(buyer.location(), "/checkout/confirm") {
		t.Errorf("the buyer is at %s", buyer.location())
	}
	buyer.submit("button.buyit")
	if got := buyer.text("body"); !strings.Contains(got, "ご注文ありがとうございます") {
		t.Errorf("the order ended at %s with %.200q", buyer.location(), got)
	}
	for what, form := range map[string]url.Values{
		"an attack in that field": {"note": {"のし：御祝' UNION SELECT mail,password FROM customers-- "}}, "another field": {"name": {"のし：御祝"}},
	} {
		if got := h.sends("/checkout", form); got != http.StatusForbidden {
			t.Errorf("%s: %d", what, got)
		}
	}
	if got := h.sends("/contact", url.Values{"note": {"のし：御祝"}}); got != http.StatusForbidden {
		t.Errorf("another page: %d", got)
	}

	h.deskOnAPhone(t, owner, page)
	owner.open(h.pages + "/s/sample/mistaken")
	owner.open(page)
	owner.submit("form[action$='/lift'] button")
	owner.shot("lifted")
	if got := h.sends("/checkout", polite); got != http.StatusForbidden {
		t.Errorf("lifted, and the rule still does not stop: %d", got)
	}
	owner.noViolations(t)
}

// deskOnAPhone looks at the pages on a phone, in English, in the dark and without
// scripts.
func (h *house) deskOnAPhone(t *testing.T, b *browser, exclusion string) {
	b.open(h.pages + "/s/sample/mistaken")
	b.awaitText("#harm", "見立て")
	b.readable(t, "desk")
	id := strings.TrimPrefix(attr(b, "#harm td a", "href"), "/s/sample/mistaken/")
	for _, look := range []struct{ name, lang, scheme string }{{"phone", "ja", "light"}, {"phone-dark-en", "en", "dark"}} {
		b.do(chromedp.EmulateViewport(360, 800))
		b.scheme(look.scheme)
		b.open(h.pages + "/language?to=" + look.lang + "&back=/s/sample/mistaken")
		b.scripts(false)
		for name, path := range map[string]string{"desk": h.pages + "/s/sample/mistaken", "case": h.pages + "/s/sample/mistaken/" + id, "exclusion": exclusion} {
			b.open(path)
			b.scripts(true)
			b.readable(t, look.name+"-"+name)
			b.shotWhole(look.name+"-"+name+"-whole", 360)
			b.scripts(false)
		}
		b.scripts(true)
	}
	b.scheme("light")
	b.do(chromedp.EmulateViewport(1280, 900))
	b.open(h.pages + "/language?to=ja&back=/s/sample/mistaken")
	b.shotWhole("desk-whole", 1280)
}
