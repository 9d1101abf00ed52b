package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The zones of the shop's map decide where a walk goes: nowhere near the admin,
// and nothing is changed in the shop.
func TestCheckPages(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" && r.Method != "HEAD" || strings.HasPrefix(r.URL.Path, "/kanri") || strings.HasPrefix(r.URL.Path, "/logout") {
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<a href="/kanri/">管理</a><a href="/logout">x</a><a href="/contact">お問い合わせ</a>`)
		if r.URL.Path == "/contact" {
			fmt.Fprint(w, "\n<form action='http://shop.test/contact'>")
		}
	}))
	t.Cleanup(shop.Close)
	file := filepath.Join(t.TempDir(), "noren.yaml")
	text := "version: 1\nsites:\n  - {name: shop, hosts: [shop.test], upstream: \"" + shop.URL + "\", admin_prefix: /kanri}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) (string, int) {
		var out, said bytes.Buffer
		code := run(t.Context(), append([]string{"--config", file, "--lang", "en", "check", "--pages"}, args...), stdio{strings.NewReader(""), &out, &said}, os.Getenv)
		return out.String(), code
	}
	out, code := check()
	if code != exitFindings || !strings.Contains(out, "BAD  pages shop               2 pages read, 1 findings") || !strings.Contains(out, "/contact:2: form action http://shop.test/contact") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	out, _ = check("--json")
	var fs findings
	if err := json.Unmarshal([]byte(out), &fs); err != nil {
		t.Fatal(err)
	}
	if w := fs[len(fs)-1].Walk; w == nil || len(w.Pages) != 2 || len(w.Findings) != 1 || w.Findings[0].Line != 2 {
		t.Errorf("as JSON: %s", out)
	}
}
