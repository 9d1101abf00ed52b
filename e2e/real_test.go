package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

	dir := t.TempDir()
	config := filepath.Join(dir, "noren.yaml")
	writeFile(t, config, fmt.Sprintf(`version: 1
data: %s
listen: {http: "127.0.0.1:%d"}
sites:
  - name: wordpress
    hosts: ["127.0.0.1"]
    upstream: http://127.0.0.1:%d
    preset: woocommerce
`, filepath.Join(dir, "data"), norenPort, shopPort))
	start(t, noren(t), "serve", "--config", config)
	awaitHTTP(t, public+"/", 20*time.Second)

	// One after the other: the attacks come last, because they end in a ban.
	t.Run("visitor", func(t *testing.T) { visitWordPress(t, public) })
	t.Run("owner", func(t *testing.T) { ownWordPress(t, public, password) })
	t.Run("attacks", func(t *testing.T) { attackWordPress(t, public) })
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
		limited := 0
		for range 600 {
			resp, err := get("/?s=x")()
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == 429 || resp.StatusCode == 403 {
				limited++
			}
		}
		if limited < 300 {
			t.Errorf("%d of 600 fast requests were limited, want most", limited)
		}
	})
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
