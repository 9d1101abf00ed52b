package e2e

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealWordPress stands before a shop that we did not write. It runs with
// `make e2e-real`, which installs WordPress from Debian's packages.
func TestRealWordPress(t *testing.T) {
	if os.Getenv("NOREN_REAL") == "" {
		t.Skip("needs WordPress; run it with: make e2e-real")
	}
	shopPort, norenPort := freePort(t), freePort(t)
	public := fmt.Sprintf("http://127.0.0.1:%d", norenPort)
	shop := start(t, filepath.Join("..", "scripts", "wordpress"), filepath.Join(t.TempDir(), "wp"), fmt.Sprint(shopPort), public)
	password := shop.await("password ", time.Minute)
	shop.await("ready ", 20*time.Second)

	upstream := fmt.Sprintf("http://127.0.0.1:%d", shopPort)
	dir := t.TempDir()
	t.Run("detected", func(t *testing.T) { detectReal(t, upstream, "WordPress without a shop", "woocommerce") })
	serveReal(t, dir, norenPort, upstream, "woocommerce")
	awaitHTTP(t, public+"/", 20*time.Second)

	// One after the other: the attacks come last, because they end in a ban.
	t.Run("visitor", func(t *testing.T) { visitWordPress(t, public) })
	t.Run("owner", func(t *testing.T) { ownWordPress(t, public, password) })
	t.Run("nothing was stopped so far", func(t *testing.T) { noStops(t, dir) })
	t.Run("attacks", func(t *testing.T) { attackWordPress(t, public) })
}

// serveReal starts noren before a shop.
func serveReal(t *testing.T, dir string, port int, upstream, preset string) {
	t.Helper()
	config := filepath.Join(dir, "noren.yaml")
	writeFile(t, config, fmt.Sprintf(`version: 1
data: %s
listen: {http: "127.0.0.1:%d"}
sites:
  - name: shop
    hosts: ["127.0.0.1"]
    upstream: %s
    preset: %s
`, filepath.Join(dir, "data"), port, upstream, preset))
	start(t, noren(t), "serve", "--config", config)
}

// runNoren runs a command of noren and returns what it prints.
func runNoren(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(noren(t), args...).Output()
	if err != nil {
		t.Errorf("noren %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// noStops holds that the firewall, the limits and the policies let every step of
// the shop's customers and of its owner pass.
func noStops(t *testing.T, dir string) {
	lines, err := os.ReadFile(filepath.Join(dir, "data", "access", "access.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for line := range strings.SplitSeq(strings.TrimSpace(string(lines)), "\n") {
		var l struct {
			Verdict, Path, Zone, Cause, Rule string
			Status                           int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if l.Verdict != "allow" {
			t.Errorf("stopped: %s", line)
			continue
		}
		passed++
	}
	t.Logf("%d requests of customers and owner, all passed", passed)
}

func visitWordPress(t *testing.T, public string) {
	b := openBrowser(t, 390, 844)
	b.open(public + "/")
	if got := b.text("body"); !strings.Contains(got, "暖簾の茶屋") {
		t.Errorf("front page reads %.200q, want the shop's name", got)
	}
	b.shot("front")
	b.open(public + "/?s=" + url.QueryEscape("急須（赤）"))
	if at := b.location(); !strings.Contains(at, "s=") {
		t.Errorf("search ended at %s", at)
	}
	b.shot("search")
	b.open(public + "/hello-world/")
	b.fill("#comment", "とても良いお茶でした（赤）。ポイント10%還元、ありがとう m(_ _)m 「select」セットも欲しいです")
	b.fill("#author", "髙橋 花子")
	b.fill("#email", "hanako@customer.example")
	b.submit("#submit")
	if got := b.text("body"); !strings.Contains(got, "とても良いお茶でした") {
		t.Errorf("the comment does not show: %.300q", got)
	}
	b.shot("comment")
}

func ownWordPress(t *testing.T, public, password string) {
	b := openBrowser(t, 1280, 900)
	b.open(public + "/wp-login.php")
	b.fill("#user_login", "owner")
	b.fill("#user_pass", password+"x")
	b.submit("#wp-submit")
	if at := b.location(); !strings.Contains(at, "wp-login.php") {
		t.Fatalf("a wrong password led to %s", at)
	}
	b.fill("#user_login", "owner")
	b.fill("#user_pass", password)
	b.submit("#wp-submit")
	if got := b.text("#wpbody"); !strings.Contains(got, "Dashboard") && !strings.Contains(got, "ダッシュボード") {
		t.Errorf("admin reads %.200q, want the dashboard", got)
	}
	b.shot("admin")
	b.open(public + "/wp-admin/edit-comments.php")
	if got := b.text("#the-comment-list"); !strings.Contains(got, "とても良いお茶でした") {
		t.Errorf("the comment is not in the admin's list: %.300q", got)
	}
	b.open(public + "/wp-admin/options-general.php")
	b.fill("#blogdescription", "お茶と器の店 ＜新茶＞入荷; 20% OFF")
	b.submit("#submit")
	if got := b.text("#wpbody"); !strings.Contains(got, "Settings saved") && !strings.Contains(got, "保存") {
		t.Errorf("saving the settings answered %.200q", got)
	}
	b.shot("settings")
	writeInWordPress(t, b, public)
	uploadToWordPress(t, b, public)
}

// articles are what owners of shops write, on purpose.
var articles = []struct{ title, html string }{
	{"新茶のご案内（八女・星野村）", `<!-- wp:paragraph --><p>価格は<strong>1,080円</strong>（税込）、20% OFF です。メーカー/型番：SK-5 &amp; SK-7。ご注文は「お問い合わせ」から m(_ _)m</p><!-- /wp:paragraph -->`},
	{"動画と表", `<!-- wp:html --><table border="1" style="width:100%"><tr><td onclick="void(0)">煎茶</td><td><a href="javascript:history.back()">戻る</a></td></tr></table><iframe src="https://www.youtube.com/embed/x" width="560" height="315" allowfullscreen></iframe><!-- /wp:html -->`},
	{"計測のタグ", `<!-- wp:html --><script>window.dataLayer = window.dataLayer || []; function gtag(){dataLayer.push(arguments);} gtag('js', new Date());</script><!-- /wp:html -->`},
}

// writeInWordPress posts articles by the call that WordPress's own editor makes.
func writeInWordPress(t *testing.T, b *browser, public string) {
	b.open(public + "/wp-admin/post-new.php")
	for _, a := range articles {
		script := fmt.Sprintf(`wp.apiFetch({path: '/wp/v2/posts', method: 'POST', data: {title: %q, content: %q, status: 'publish'}}).then(p => p.link, e => 'failed: ' + JSON.stringify(e))`, a.title, a.html)
		link := b.evaluate(script)
		if !strings.HasPrefix(link, "http") {
			t.Errorf("%s: %s", a.title, link)
			continue
		}
		visitor := openBrowser(t, 390, 844)
		visitor.open(link)
		if got := visitor.text("body"); !strings.Contains(got, a.title) {
			t.Errorf("%s does not show: %.200q", a.title, got)
		}
		visitor.shot("article")
	}
}

// uploadToWordPress adds a picture with a Japanese name to the media library.
func uploadToWordPress(t *testing.T, b *browser, public string) {
	picture := filepath.Join(t.TempDir(), "急須（赤）.png")
	writePicture(t, picture)
	b.open(public + "/wp-admin/media-new.php?browser-uploader")
	b.do(chromedp.WaitVisible(chromedp.CSS("#async-upload")), chromedp.SetUploadFiles(chromedp.CSS("#async-upload"), []string{picture}))
	b.submit("#html-upload")
	b.open(public + "/wp-admin/upload.php?mode=list")
	if got := b.text("#the-list"); !strings.Contains(got, "急須") {
		t.Errorf("the picture is not in the library: %.200q", got)
	}
	b.shot("library")
}

// writePicture makes a picture that no two pixels of are alike, as photographs
// are.
func writePicture(t *testing.T, name string) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 400, 300))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(rng.Uint32()) | 0x0F
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

// attackWordPress plays the attack kinds; each must be stopped before WordPress
// or limited.
func attackWordPress(t *testing.T, public string) {
	form := func(path, body string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			return http.Post(public+path, "application/x-www-form-urlencoded", strings.NewReader(body))
		}
	}
	get := func(path string) func() (*http.Response, error) {
		return func() (*http.Response, error) { return http.Get(public + path) }
	}
	tests := []struct {
		name string
		send func() (*http.Response, error)
	}{
		{"SQL injection", get("/?s=1%27%20UNION%20SELECT%20user_pass%20FROM%20wp_users--%20-")},
		{"XSS", form("/wp-comments-post.php", "comment=%3Cscript%3Ealert(document.cookie)%3C%2Fscript%3E&author=a&email=a%40a.example&comment_post_ID=1")},
		{"traversal", get("/wp-content/../../../../etc/passwd?f=../../../../etc/passwd")},
		{"secret file", get("/wp-config.php.bak")},
		{"git", get("/.git/config")},
		{"scanner", func() (*http.Response, error) {
			req, err := http.NewRequest(http.MethodGet, public+"/", nil)
			if err != nil {
				return nil, err
			}
			req.Header.Set("User-Agent", "sqlmap/1.8.2#stable (https://sqlmap.org)")
			return http.DefaultClient.Do(req)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := tt.send()
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 403 && resp.StatusCode != 400 {
				t.Errorf("answered %s, want it stopped", resp.Status)
			}
		})
	}
	t.Run("brute force", func(t *testing.T) {
		reached, limited := 0, 0
		for i := range 60 {
			resp, err := form("/wp-login.php", fmt.Sprintf("log=owner&pwd=guess%d&wp-submit=Log+In", i))()
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == 200 {
				reached++
			} else {
				limited++
			}
		}
		if reached > 30 {
			t.Errorf("%d of 60 guesses reached the shop, want at most 30", reached)
		}
		t.Logf("brute force: %d guesses reached the shop, %d limited", reached, limited)
	})
	t.Run("flood", func(t *testing.T) {
		var limited atomic.Int64
		var workers sync.WaitGroup
		begun := time.Now()
		for range 20 {
			workers.Go(func() {
				for range 30 {
					resp, err := get("/?s=x")()
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
					if resp.StatusCode == 429 || resp.StatusCode == 403 {
						limited.Add(1)
					}
				}
			})
		}
		workers.Wait()
		// The limit of searches without a session is 15, and 5 a second; how many
		// come in that time is the machine's speed.
		passed, most := 600-limited.Load(), 20+6*int64(time.Since(begun)/time.Second+1)
		if passed > most {
			t.Errorf("%d of 600 searches passed in %s, want at most %d", passed, time.Since(begun), most)
		}
		t.Logf("%d of 600 searches passed in %s", passed, time.Since(begun).Round(time.Second))
	})
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
