package e2e

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestDemo does what a newcomer does after `make run`: look at the summary, shop
// like a customer, then try to break in.
func TestDemo(t *testing.T) {
	port := freePort(t)
	demo := start(t, noren(t), "demo", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--seed", cmp.Or(os.Getenv("NOREN_SEED"), "20261121"))
	public := fmt.Sprintf("http://127.0.0.1:%d", port)
	awaitHTTP(t, public+"/", 20*time.Second)

	t.Run("summary", func(t *testing.T) { demoSummary(t, demo) })
	t.Run("customer on a phone", func(t *testing.T) { buyInDemo(t, openBrowser(t, 390, 844), public) })
	t.Run("customer at a desk", func(t *testing.T) { buyInDemo(t, openBrowser(t, 1280, 900), public) })
	t.Run("attacker", func(t *testing.T) { attackDemo(t, public) })
}

var summaryLine = regexp.MustCompile(`(\d+)s +通過 (\d+) +遮断 (\d+)`)

// demoSummary waits until the summary tells of traffic and of stopped attacks,
// within a minute of the start.
func demoSummary(t *testing.T, demo *process) {
	deadline := time.After(time.Minute)
	for {
		for line := range strings.SplitSeq(demo.tail(50), "\n") {
			m := summaryLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			passed, _ := strconv.Atoi(m[2])
			stopped, _ := strconv.Atoi(m[3])
			if passed > 50 && stopped > 5 {
				t.Logf("after %s s: %d passed, %d stopped", m[1], passed, stopped)
				return
			}
		}
		select {
		case <-demo.grew:
		case <-deadline:
			t.Fatalf("no traffic passed and attacks stopped within a minute:\n%s", demo.tail(20))
		}
	}
}

func buyInDemo(t *testing.T, b *browser, public string) {
	b.open(public + "/")
	b.shot("home")
	b.open(public + "/search?q=" + url.QueryEscape("急須（赤）"))
	b.shot("search")
	b.open(public + "/products/" + firstProduct(t, public))
	b.shot("product")
	b.submit("form.buy button.buyit")
	b.open(public + "/checkout")
	for field, text := range map[string]string{
		"name": "髙橋 花子", "kana": "タカハシ ハナコ", "postal": "100-0005", "address": "千代田区丸の内1-1-1 丸ビル#1203",
		"phone": "03-1234-5678", "mail": "hanako@customer.example", "note": "午後6時以降で; 不在時は宅配BOXへ m(_ _)m ＜のし＞希望（赤）",
	} {
		b.fill(fmt.Sprintf("[name=%s]", field), text)
	}
	b.do(chromedp.SetValue(chromedp.CSS("[name=prefecture]"), "東京都"), chromedp.Click(chromedp.CSS("[name=payment][value=card]")))
	b.submit("main form button.go")
	for field, text := range map[string]string{"number": "4111 1111 1111 1111", "expiry": "12/30", "cvc": "123", "holder": "HANAKO TAKAHASHI"} {
		b.fill(fmt.Sprintf("[name=%s]", field), text)
	}
	b.submit("form button")
	b.submit("button.buyit")
	if got := b.text("body"); !strings.Contains(got, "ご注文ありがとうございます") {
		t.Errorf("the order ended at %s with %.200q", b.location(), got)
	}
	b.shot("ordered")
}

var productLink = regexp.MustCompile(`/products/([a-z0-9-]+)`)

func firstProduct(t *testing.T, public string) string {
	t.Helper()
	resp, err := http.Get(public + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	m := productLink.FindSubmatch(page)
	if m == nil {
		t.Fatal("the shop's front page has no products")
	}
	return string(m[1])
}

func attackDemo(t *testing.T, public string) {
	b := openBrowser(t, 390, 844)
	b.open(public + "/search?q=" + url.QueryEscape("1' UNION SELECT mail, password FROM customers--"))
	got := b.text("body")
	if !strings.Contains(got, "受付番号") || strings.Contains(got, "942100") {
		t.Errorf("an attacker reads %.300q, want a ticket number and no detail", got)
	}
	b.shot("stopped")
	for _, path := range []string{"/.env", "/.git/config", "/products/..%2f..%2fetc/passwd"} {
		resp, err := http.Get(public + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 403 && resp.StatusCode != 400 {
			t.Errorf("%s answered %s, want it stopped", path, resp.Status)
		}
	}
}
