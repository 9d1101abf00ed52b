package pagewalk

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// site is a shop of a few pages that notes what it was asked.
type site struct {
	mu    sync.Mutex
	asked []string
}

func (s *site) start(t *testing.T, pages map[string]string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.RequestURI)
		s.mu.Unlock()
		if r.Host != "shop.example.jp" || r.Header.Get("X-Forwarded-Proto") != "https" || len(r.Cookies()) > 0 {
			t.Errorf("asked as %s %v", r.Host, r.Header)
		}
		body, ok := pages[r.RequestURI]
		if to, redirect := strings.CutPrefix(body, "→"); redirect {
			w.Header().Set("Location", to)
			w.WriteHeader(302)
			return
		}
		if !ok {
			w.WriteHeader(404)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestWalk(t *testing.T) {
	s := &site{}
	up := s.start(t, map[string]string{
		"/": `<html>
<a href="/list?category_id=3">お茶</a> <a href="https://shop.example.jp/about#x">about</a> <a href="http://SHOP.example.jp/old">old</a>
<a href="https://elsewhere.example/">away</a> <a href="//other.example/x">away</a> <a href="mailto:a@example.jp">mail</a>
<a href="/mypage/logout">さようなら</a> <a href="/bye">ログアウト</a> <a href="/cart/add/3">x</a> <a href="/?add-to-cart=3">x</a>
<a href="/list?mode=cart&product_id=3">x</a> <a href="/item/delete">x</a> <a href="/x" rel="nofollow">x</a> <a href="/y" data-method="delete">y</a>
<a href="/z" class="button add_to_cart_button">x</a> <a href="/favorite/3">x</a> <a href="/w"><img alt=""><span>カートに入れる</span></a> <a href="javascript:void(0)">j</a>
<a href="/moved">moved</a> <a href="/saddle-bag">saddle</a> <a href="/address">address</a>
<script src="http://cdn.example/a.js"></script><script src="//cdn.example/b.js"></script>
<img src=http://cdn.example/a.png srcset="/b.png 1x,
 http://cdn.example/c.png 2x">
<div style="background:url('http://cdn.example/d.png')"></div>
<style>
 @import "http://cdn.example/e.css";
</style>
<link rel="canonical" href="http://shop.example.jp/"><link rel="stylesheet" href="http://cdn.example/f.css">
<!-- <script src="http://cdn.example/comment.js"></script> -->
</html>`,
		"/list?category_id=3": `<form method="post"><input name=a></form><form action="/search"></form>`,
		"/about":              "<form\n action=\"http://shop.example.jp/contact\"><button formaction='https://pay.example/'>x</button></form>",
		"/old":                `<base href="http://cdn.example/"><img src="g.png">`,
		"/moved":              "→https://shop.example.jp/new",
		"/new":                `<form action="https://pay.example/link">`,
		"/saddle-bag":         `<iframe src="HTTP://ads.example/"></iframe>`,
	})
	got, err := Walk(t.Context(), Options{Upstream: up, Hosts: []string{"shop.example.jp"}, Follow: func(path, _ string) bool { return path != "/address" }})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.asked)
	if d := cmp.Diff([]string{"GET /", "GET /about", "GET /list?category_id=3", "GET /moved", "GET /new", "GET /old", "GET /saddle-bag"}, s.asked); d != "" {
		t.Error("asked", d)
	}
	var found []string
	for _, f := range got.Findings {
		found = append(found, fmt.Sprintf("%s:%d %s %s %s", f.Page, f.Line, f.Kind, f.Tag, f.URL))
		if f.Text.Ja == "" || f.Text.En == "" {
			t.Errorf("%s says nothing", f.Kind)
		}
	}
	slices.Sort(found)
	if d := cmp.Diff([]string{
		"/:11 mixed_passive div style http://cdn.example/d.png",
		"/:13 mixed_passive style http://cdn.example/e.css",
		"/:15 mixed_active link href http://cdn.example/f.css",
		"/:8 mixed_active script src http://cdn.example/a.js",
		"/:9 mixed_passive img src http://cdn.example/a.png",
		"/:9 mixed_passive img srcset http://cdn.example/c.png",
		"/about:1 form_http form action http://shop.example.jp/contact",
		"/about:2 form_away button formaction https://pay.example/",
		"/new:1 form_away form action https://pay.example/link",
		"/old:1 mixed_active base href http://cdn.example/",
		"/old:1 mixed_passive img src http://cdn.example/g.png",
		"/saddle-bag:1 mixed_active iframe src http://ads.example/",
	}, found); d != "" {
		t.Error(d)
	}
}

func TestWalkIsBounded(t *testing.T) {
	s := &site{}
	pages := map[string]string{}
	for i := range 200 {
		pages[fmt.Sprintf("/p/%d", i)] = fmt.Sprintf(`<a href="/p/%d">x</a><a href="/p/%d">x</a>%s`, i+1, i+2, strings.Repeat("x", 10_000))
	}
	up := s.start(t, pages)
	r, err := Walk(t.Context(), Options{Upstream: up, Hosts: []string{"shop.example.jp"}, Start: []string{"/p/0"}, Pages: 10})
	if err != nil || len(r.Pages) != 10 || r.Left == 0 {
		t.Errorf("%v: %d pages, %d left", err, len(r.Pages), r.Left)
	}
	if r, err = Walk(t.Context(), Options{Upstream: up, Hosts: []string{"shop.example.jp"}, Start: []string{"/p/0"}, Pages: 100, Bytes: 25_000}); err != nil || len(r.Pages) != 3 {
		t.Errorf("%v: %d pages", err, len(r.Pages))
	}
	if _, err := Walk(t.Context(), Options{Upstream: "http://127.0.0.1:1", Hosts: []string{"shop.example.jp"}}); err == nil {
		t.Error("a dead shop is walked")
	}
}

// Whatever a page holds, a link that is followed stays with the shop and names no
// side effect.
func FuzzLook(f *testing.F) {
	for _, s := range []string{`<a href="/x?add-to-cart=1">`, `<a href=//evil.example/>`, `<base href="http://x/"><a href=y>`, "<form action=\"http://\n", `<img srcset=",,http://a ">`, `<style>url(http://x`, `<a href="/%6cogout">`} {
		f.Add(s)
	}
	at, _ := url.Parse("https://shop.example.jp/dir/")
	hosts := []string{"shop.example.jp"}
	f.Fuzz(func(t *testing.T, page string) {
		w := &walk{o: Options{Hosts: hosts}, seen: map[string]bool{}}
		links, found := look(at, strings.NewReader(page), hosts)
		for _, l := range links {
			w.link(at, l)
		}
		for _, target := range w.queue {
			u, err := url.Parse("https://shop.example.jp" + target)
			if err != nil || u.Hostname() != "shop.example.jp" || !strings.HasPrefix(target, "/") || acts(u.Path) || u.Query().Has("add-to-cart") {
				t.Fatalf("%q is followed", target)
			}
		}
		lines := strings.Count(page, "\n") + 1
		for _, f := range found {
			if f.Line < 1 || f.Line > lines || len(found) > maxFindings {
				t.Fatalf("finding in line %d of %d", f.Line, lines)
			}
		}
	})
}
