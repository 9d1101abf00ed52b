package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// eccube answers like an EC-CUBE 4 whose admin was moved.
func eccube(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.SetCookie(w, &http.Cookie{Name: "eccube", Value: "x"})
			io.WriteString(w, `<meta name="eccube-csrf-token" content="x"><link rel="canonical" href="https://www.cha.example.jp/">`)
		case "/robots.txt":
			io.WriteString(w, "Disallow: /kanri-8f2/\n")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// command runs noren and returns its exit code and what it said.
func command(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, stdio{strings.NewReader(""), &out, &errs}, func(string) string { return "" })
	return code, out.String(), errs.String()
}

func TestInitWritesWhatItFound(t *testing.T) {
	shop, path := eccube(t), filepath.Join(t.TempDir(), "new", "noren.yaml")
	code, out, said := command(t, "--config", path, "init", shop)
	if code != exitOK || !strings.Contains(out, "noren check") || !strings.Contains(said, "/kanri-8f2") {
		t.Fatalf("exit %d: %s%s", code, out, said)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "version: 1\nsites:\n  - name: cha\n    hosts: [\"www.cha.example.jp\"]\n    upstream: \"" + shop + "\"   # where the shop answers\n    preset: eccube4   # EC-CUBE 4\n"
	if string(text) != want {
		t.Errorf("wrote\n%s\nwant\n%s", text, want)
	}
	if code, _, said := command(t, "--config", path, "init", shop, "--host", "other.example.jp"); code != exitUsage || !strings.Contains(said, "not overwritten") {
		t.Errorf("a second time: exit %d: %s", code, said)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, text) {
		t.Error("the file was overwritten")
	}
	if code, out, _ := command(t, "--config", path, "check"); code != exitOK || !strings.Contains(out, "preset eccube4 fits") {
		t.Errorf("check: exit %d: %s", code, out)
	}
}

func TestInitAsksForWhatItCannotFind(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	path := filepath.Join(t.TempDir(), "noren.yaml")
	if code, _, said := command(t, "--config", path, "init", plain.URL); code != exitUsage || !strings.Contains(said, "--host") {
		t.Errorf("without a name: exit %d: %s", code, said)
	}
	if code, _, said := command(t, "--config", path, "init", plain.URL, "--host", "shop.example.jp", "--host", "*.shop.example.jp", "--admin", "/kanri", "--data", "/var/lib/noren/noren-data", "--behind-proxy", "--shadow"); code != exitOK {
		t.Errorf("exit %d: %s", code, said)
	}
	cfg, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := cfg.Sites[0]; len(s.Hosts) != 2 || s.Preset != "generic" || s.AdminPrefix != "/kanri" || len(s.TrustedProxies) != 2 || s.WAF != "shadow" || cfg.Data != "/var/lib/noren/noren-data" || s.Name != "shop" {
		t.Errorf("%+v", s)
	}
	for _, url := range []string{"ftp://x", "file:///etc/passwd", "shop", "http://u:p@x", "http://x/path"} {
		if code, _, _ := command(t, "detect", url); code != exitUsage {
			t.Errorf("%s: exit %d", url, code)
		}
	}
	if code, _, said := command(t, "detect", "http://127.0.0.1:1"); code != exitFailed || !strings.Contains(said, "does not answer") {
		t.Errorf("nobody there: exit %d: %s", code, said)
	}
}

func TestCheckKnowsTheWrongPreset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "noren.yaml")
	conf := "version: 1\nsites:\n  - name: shop\n    hosts: [cha.example.jp]\n    upstream: " + eccube(t) + "\n    preset: woocommerce\n"
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := command(t, "--config", path, "--lang", "ja", "check")
	if code != exitFindings || !strings.Contains(out, "EC-CUBE 4 のようですが、設定は preset: woocommerce") || !strings.Contains(out, "preset: eccube4 と書いてください") {
		t.Errorf("exit %d: %s", code, out)
	}
	if err := os.WriteFile(path, []byte(conf+"    zones: {search: [/find]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := command(t, "--config", path, "check"); code != exitOK || !strings.Contains(out, "may be EC-CUBE 4") {
		t.Errorf("with zones of one's own: exit %d: %s", code, out)
	}
}

func TestDetectSpeaksBothLanguages(t *testing.T) {
	shop := eccube(t)
	for lang, want := range map[string]string{"ja": "EC-CUBE 4 のようです（確か）", "en": "looks like EC-CUBE 4 (sure)"} {
		if code, out, _ := command(t, "--lang", lang, "detect", shop); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d: %s", lang, code, out)
		}
	}
	if code, out, _ := command(t, "detect", shop, "--json"); code != exitOK || !strings.Contains(out, `"preset": "eccube4"`) {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestSiteNames(t *testing.T) {
	for host, want := range map[string]string{"shop.example.jp": "shop", "www.tea.jp": "tea", "*.tea.jp": "tea", "127.0.0.1": "shop", "::1": "shop", "localhost": "localhost", "instance.jp": "jp"} {
		if got := siteNameOf(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
