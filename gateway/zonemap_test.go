package gateway

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"noren"
)

func testMap(t testing.TB, preset, admin string) *zoneMap {
	t.Helper()
	p, err := LookupPreset(preset)
	if err != nil {
		t.Fatal(err)
	}
	s := Site{Preset: preset, AdminPrefix: admin}
	m, err := s.zoneMap(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPresetZones(t *testing.T) {
	tests := []struct {
		preset, admin, method, target string
		want                          noren.Zone
	}{
		{"eccube4", "", "GET", "/", noren.ZoneStorefront},
		{"eccube4", "", "GET", "/products/detail/12", noren.ZoneStorefront},
		{"eccube4", "", "GET", "/products/list?name=%E3%82%BB%E3%83%BC%E3%82%BF%E3%83%BC", noren.ZoneSearch},
		{"eccube4", "", "GET", "/products/list?category_id=1", noren.ZoneStorefront},
		{"eccube4", "", "POST", "/mypage/login", noren.ZoneLogin},
		{"eccube4", "", "GET", "/mypage/login", noren.ZoneStorefront},
		{"eccube4", "", "GET", "/entry", noren.ZoneSignup},
		{"eccube4", "", "GET", "/forgot/reset/abc", noren.ZoneReset},
		{"eccube4", "", "POST", "/shopping/checkout", noren.ZoneCheckout},
		{"eccube4", "", "POST", "/products/add_cart/3", noren.ZoneCart},
		{"eccube4", "", "POST", "/contact", noren.ZoneContact},
		{"eccube4", "", "POST", "/admin/login", noren.ZoneAdminLogin},
		{"eccube4", "", "GET", "/admin", noren.ZoneAdmin},
		{"eccube4", "", "GET", "/admin/order", noren.ZoneAdmin},
		{"eccube4", "", "GET", "/admin/customer/export", noren.ZoneExport},
		{"eccube4", "", "POST", "/admin/content/page/3/edit", noren.ZoneCodeEdit},
		{"eccube4", "/kanri", "GET", "/kanri/order", noren.ZoneAdmin},
		{"eccube4", "/kanri", "GET", "/admin/order", noren.ZoneStorefront},
		{"eccube4", "", "GET", "/.env", noren.ZoneForbidden},
		{"eccube4", "", "GET", "/var/log/prod.log", noren.ZoneForbidden},
		{"eccube4", "", "GET", "/html/user_data/assets/js/customize.js", noren.ZoneStorefront},
		{"eccube2", "", "POST", "/frontparts/login_check.php", noren.ZoneLogin},
		{"eccube2", "", "GET", "/admin/contents/csv_sql.php", noren.ZoneExport},
		{"eccube2", "", "GET", "/data/logs/site.log", noren.ZoneForbidden},
		{"woocommerce", "", "GET", "/", noren.ZoneStorefront},
		{"woocommerce", "", "POST", "/?wc-api=WC_Gateway_Paypal", noren.ZoneCallback},
		{"woocommerce", "", "GET", "/shop/?wc-api=x", noren.ZoneStorefront},
		{"woocommerce", "", "GET", "/?s=tea&wc-api=x", noren.ZoneSearch},
		{"woocommerce", "", "POST", "/my-account/lost-password/?wc-api=x", noren.ZoneReset},
		{"woocommerce", "", "POST", "/?wc-ajax=checkout", noren.ZoneCheckout},
		{"woocommerce", "", "GET", "/?wc-ajax=checkout", noren.ZoneStorefront},
		{"welcart", "", "POST", "/?acting=zeus_card", noren.ZoneCallback},
		{"welcart", "", "GET", "/shop?acting=x", noren.ZoneStorefront},
		{"woocommerce", "", "GET", "/?s=shirt", noren.ZoneSearch},
		{"woocommerce", "", "POST", "/my-account/", noren.ZoneLogin},
		{"woocommerce", "", "GET", "/my-account/", noren.ZoneStorefront},
		{"woocommerce", "", "GET", "/my-account/lost-password/", noren.ZoneReset},
		{"woocommerce", "", "POST", "/?wc-ajax=checkout", noren.ZoneCheckout},
		{"woocommerce", "", "POST", "/shop/?wc-ajax=add_to_cart", noren.ZoneCart},
		{"woocommerce", "", "POST", "/wp-json/wc/store/v1/checkout", noren.ZoneCheckout},
		{"woocommerce", "", "POST", "/?rest_route=/wc/store/v1/checkout", noren.ZoneCheckout},
		{"woocommerce", "", "GET", "/?rest.route=/wp/v2/users", noren.ZoneAdmin},
		{"woocommerce", "", "GET", "/?rest%5froute=%2Fwp%2Fv2%2Fusers", noren.ZoneAdmin},
		{"woocommerce", "", "POST", "/?rest_route=/a&rest_route=/b&rest_route=/c&rest_route=/d&rest_route=/e&rest_route=/wc/store/v1/checkout", noren.ZoneCheckout},
		{"woocommerce", "", "POST", "/?rest_route=/wc/store/v1/checkout&rest_route=/a&rest_route=/b&rest_route=/c&rest_route=/d&rest_route=/e", noren.ZoneCheckout},
		{"woocommerce", "", "POST", "/wp-login.php", noren.ZoneAdminLogin},
		{"woocommerce", "", "GET", "/wp-admin/", noren.ZoneAdmin},
		{"woocommerce", "", "POST", "/wp-admin/admin-ajax.php", noren.ZoneStorefront},
		{"woocommerce", "", "POST", "/wp-admin/admin-ajax.php?action=edit-theme-plugin-file", noren.ZoneCodeEdit},
		{"woocommerce", "", "GET", "/wp-admin/css/login.min.css", noren.ZoneStorefront},
		{"woocommerce", "", "POST", "/wp-comments-post.php", noren.ZoneContact},
		{"woocommerce", "", "POST", "/wc-api/wc_gateway_paypal", noren.ZoneCallback},
		{"woocommerce", "", "GET", "/wp-config.php", noren.ZoneForbidden},
		{"woocommerce", "", "GET", "/wp-content/uploads/2026/11/x.php", noren.ZoneForbidden},
		{"woocommerce", "", "GET", "/wp-content/uploads/2026/11/x.jpg", noren.ZoneStorefront},
		{"woocommerce", "", "PUT", "/wp-json/wp/v2/posts/3", noren.ZoneAdmin},
		{"woocommerce", "", "GET", "/wp-json/wp/v2/posts", noren.ZoneStorefront},
		{"welcart", "", "POST", "/usces-member/?page=login", noren.ZoneLogin},
		{"welcart", "", "POST", "/usces-cart/", noren.ZoneCheckout},
		{"welcart", "", "GET", "/usces-cart/", noren.ZoneCart},
		{"magento2", "/admin_1x2y", "GET", "/admin_1x2y/sales/order", noren.ZoneAdmin},
		{"magento2", "", "POST", "/customer/account/loginPost/", noren.ZoneLogin},
		{"magento2", "", "GET", "/checkout/cart/", noren.ZoneCart},
		{"magento2", "", "POST", "/rest/default/V1/guest-carts/abc/payment-information", noren.ZoneCheckout},
		{"vendure", "", "POST", "/shop-api", noren.ZoneStorefront},
		{"vendure", "", "POST", "/admin-api", noren.ZoneAdmin},
		{"generic", "", "POST", "/login", noren.ZoneLogin},
		{"generic", "", "GET", "/search?q=a", noren.ZoneSearch},
		{"generic", "", "GET", "/.well-known/security.txt", noren.ZoneStorefront},
	}
	for _, tt := range tests {
		m := testMap(t, tt.preset, tt.admin)
		path, query, _ := strings.Cut(tt.target, "?")
		if got := m.Find(tt.method, path, query); got.Zone != tt.want {
			t.Errorf("%s %s %s is in %s (%q as %q), want %s", tt.preset, tt.method, tt.target, got.Zone, got.Pattern, got.View, tt.want)
		}
	}
}

// A tilde ends the names of tags and products, too.
func TestTildeIsNoBackup(t *testing.T) {
	m := testMap(t, "eccube4", "")
	for _, path := range []string{"/tag/%EF%BC%BC%E4%BA%BA%E6%B0%97No.1%EF%BC%8F%E7%B5%B5%E6%9C%AC~%E7%94%9F%E6%88%90%E3%82%8A~", "/products/list/~1000yen~"} {
		if got := m.Find("GET", path, ""); got.Zone == noren.ZoneForbidden {
			t.Errorf("%s is in %s", path, got.Zone)
		}
	}
}

func TestForbiddenForEveryShop(t *testing.T) {
	for _, preset := range PresetNames() {
		m := testMap(t, preset, "")
		for _, path := range []string{
			"/.env", "/.env.production", "/shop/.env", "/.git/config", "/.git", "/a/b/.git/HEAD", "/dump.sql", "/backup/db.sql.gz",
			"/index.php.bak", "/config.yaml", "/app/config.yml", "/composer.lock", "/wp-config.php", "/wp-config.php.bak", "/id_rsa",
			"/.aws/credentials", "/.htpasswd", "/data.sqlite", "/server.pem", "/page.php~", "/app/config.yml~", "/.env~", "/.DS_Store",
		} {
			if got := m.Find("GET", path, ""); got.Zone != noren.ZoneForbidden {
				t.Errorf("%s: %s is in %s", preset, path, got.Zone)
			}
		}
	}
}

// What a shop's server makes of a path decides, not how it is written.
func TestNastyPathsAreSeenAsTheShopSeesThem(t *testing.T) {
	tests := []struct{ path, why string }{
		{"/admin/order", "plain"},
		{"//admin/order", "doubled slash"},
		{"/%61dmin/order", "encoded"},
		{"/%2561dmin/order", "encoded twice"},
		{"/admin%2forder", "encoded slash"},
		{"/./admin/order", "dot segment"},
		{"/x/../admin/order", "dot segments"},
		{"/x/%2e%2e/admin/order", "encoded dot segments"},
		{"/x/%252e%252e/admin/order", "dot segments encoded twice"},
		{"/x/..;/admin/order", "Tomcat's dot segments"},
		{"/admin;jsessionid=1/order", "path parameter"},
		{"/ADMIN/Order", "capitals"},
		{"/admin/order/", "slash at the end"},
		{`/admin\order`, "backslash"},
		{"/admin%5corder", "encoded backslash"},
		{`/x\..\admin/order`, "backslashed dot segments"},
		{"/index.php/admin/order", "front controller"},
		{"/index_dev.php/admin/order", "EC-CUBE's second front controller"},
		{"/index.php/x/../admin/order", "front controller and dots"},
		{"/index.php/index.php/admin/order", "front controller twice"},
		{"/admin./order", "dot at a segment's end"},
		{"/admin%20/order", "space at a segment's end"},
	}
	m := testMap(t, "eccube4", "")
	for _, tt := range tests {
		if got := m.Find("GET", tt.path, ""); got.Zone != noren.ZoneAdmin {
			t.Errorf("%s (%s) is in %s, want admin", tt.path, tt.why, got.Zone)
		}
	}
	wp := testMap(t, "woocommerce", "")
	for _, path := range []string{"/wp-login.php/x", "/wp-login.php/", "/wp-login.php/a.css", "//wp-login.php", "/wp-admin/../wp-login.php"} {
		if got := wp.Find("POST", path, ""); got.Zone != noren.ZoneAdminLogin {
			t.Errorf("%s is in %s, want admin_login", path, got.Zone)
		}
	}
}

func TestPatterns(t *testing.T) {
	good := map[string]bool{
		"/a": true, "/a/*": true, "*.sql": true, "POST /a": true, "POST,PUT /a?x=1": true, "!/a": true, "{admin}/x": true,
		"a": false, "post /a": false, "/a?": false, "": false, "/a?=x": false,
	}
	for text, want := range good {
		if _, err := parsePattern(text, noren.ZoneCart, "/admin"); (err == nil) != want {
			t.Errorf("parsePattern(%q): %v, want ok %v", text, err, want)
		}
	}
	if _, err := parsePattern("/a", "nowhere", ""); err == nil {
		t.Error("a zone that does not exist is accepted")
	}
	if _, err := compileZones("", map[noren.Zone][]string{noren.ZoneCart: {"a", "b"}}); err == nil || strings.Count(err.Error(), "pattern") != 2 {
		t.Errorf("faults are not all reported: %v", err)
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pat, s string
		want   bool
	}{
		{"/a", "/a", true}, {"/a", "/ab", false}, {"/a*", "/ab", true}, {"*b", "/ab", true}, {"/a*c", "/abc", true}, {"/a*c", "/acb", false},
		{"*/.git/*", "/x/.git/config", true}, {"a*b*c", "abxbc", true}, {"a*a", "a", false}, {"*", "", true}, {"**", "x", true}, {"a*b*", "ab", true},
	}
	for _, tt := range tests {
		if got := glob(tt.pat, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) = %v", tt.pat, tt.s, got)
		}
	}
}

// A site can take a path out of must_be_403, and nothing else with it.
func TestSiteMayServeWhatIsForbiddenElsewhere(t *testing.T) {
	p, _ := LookupPreset("generic")
	s := Site{Zones: map[noren.Zone][]string{noren.ZoneForbidden: {"!/openapi.yaml", "/internal/*"}}}
	m, err := s.zoneMap(p)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]noren.Zone{
		"/openapi.yaml": noren.ZoneStorefront, "/other.yaml": noren.ZoneForbidden, "/internal/x": noren.ZoneForbidden,
		"/x/../.env": noren.ZoneForbidden,
	} {
		if got := m.Find("GET", path, ""); got.Zone != want {
			t.Errorf("%s is in %s, want %s", path, got.Zone, want)
		}
	}
}

// disguise writes a path in another way that some server reads as the same.
func disguise(path string, r *rand.Rand) string {
	i := 1 + r.IntN(len(path)-1)
	switch r.IntN(9) {
	case 0:
		return path[:i] + "%" + hexByte(path[i]) + path[i+1:]
	case 1:
		return strings.Replace(path, "/", "//", 1+r.IntN(2))
	case 2:
		return "/." + path
	case 3:
		return "/x/.." + path
	case 4:
		return path + "/"
	case 5:
		return path[:i] + strings.ToUpper(path[i:])
	case 6:
		return strings.Replace(path, "/", `\`, 1)
	case 7:
		return path + ";a=b"
	}
	return "/index.php" + path
}

func hexByte(b byte) string {
	const hex = "0123456789abcdef"
	return string([]byte{hex[b>>4], hex[b&15]})
}

// TestDisguisesAreNeverLaxer holds that no disguise of a path has a milder zone
// than the path the shop would see.
func TestDisguisesAreNeverLaxer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	paths := []string{"/admin/order", "/admin/login", "/shopping/confirm", "/mypage/login", "/.env", "/contact", "/admin/customer/export", "/entry"}
	m := testMap(t, "eccube4", "")
	for range 20_000 {
		plain := paths[r.IntN(len(paths))]
		written := plain
		for range 1 + r.IntN(2) {
			if d := disguise(written, r); decodesTo(d, plain) {
				written = d
			}
		}
		want, got := m.Find("POST", plain, "").Zone, m.Find("POST", written, "").Zone
		if mustInfo(got).Strict < mustInfo(want).Strict {
			t.Fatalf("%q is in %s, but the shop may see %q, which is in %s", written, got, plain, want)
		}
	}
}

// decodesTo says that a careless server sees plain in written.
func decodesTo(written, plain string) bool {
	s := strings.ToLower(decodePath(decodePath(written)))
	s = resolveDots(stripParams(strings.ReplaceAll(s, `\`, "/")))
	return s == plain || strings.TrimPrefix(s, "/index.php") == plain
}

// FuzzZone holds that any path has a zone, and that none is laxer than the
// decoded, cleaned path that the shop would see.
func FuzzZone(f *testing.F) {
	f.Add("/x/..;/%2561dmin/login", "rest_route=/wp/v2/users")
	f.Add("//", "a;b=c&%%%")
	f.Add("/index.php/index.php/.php/", "")
	shops := []*zoneMap{testMap(f, "eccube4", ""), testMap(f, "woocommerce", "")}
	f.Fuzz(func(t *testing.T, path, query string) {
		if len(path) > 2048 || len(query) > 2048 {
			return
		}
		for _, m := range shops {
			got := m.Find("POST", path, query)
			info, ok := got.Zone.Info()
			if !ok {
				t.Fatalf("%q has the zone %q", path, got.Zone)
			}
			for _, seen := range []string{decodePath(path), resolveDots(decodePath(path)), strings.ToLower(decodePath(decodePath(path)))} {
				// A % that decoding left over would be decoded once more on the
				// second reading, which is a third in all.
				if strings.Contains(seen, "%") {
					continue
				}
				want := m.Find("POST", "/"+strings.TrimPrefix(seen, "/"), query)
				if mustInfo(want.Zone).Strict > info.Strict {
					t.Fatalf("%q is in %s, but as %q it is in %s (%s)", path, got.Zone, seen, want.Zone, want.Pattern)
				}
			}
		}
	})
}

// The dearest paths a client can send stay cheap to place: the best of three
// tries, with room for a slow machine.
func TestWorstPathsAreCheap(t *testing.T) {
	m := testMap(t, "woocommerce", "")
	try := func(what, path, query string) {
		best := time.Hour
		for range 3 {
			start := time.Now()
			m.Find("POST", path, query)
			best = min(best, time.Since(start))
		}
		t.Logf("16 KiB of %q: %s", what, best)
		if best > 50*time.Millisecond {
			t.Errorf("16 KiB of %q take %s", what, best)
		}
	}
	for _, piece := range []string{"/index.php", "/..", "/%252e", "//", "/a;b", ".php/", "%25", "/.git", `\`, "/wp-admin"} {
		try(piece, "/"+strings.Repeat(piece, maxURIBytes/len(piece)), "")
	}
	var query strings.Builder
	for i := range maxURIBytes / 16 {
		fmt.Fprintf(&query, "rest_route=/%d&", i)
	}
	try("rest_route=/…&", "/", query.String())
}

func BenchmarkZone(b *testing.B) {
	m := testMap(b, "woocommerce", "")
	for _, bb := range []struct{ name, path, query string }{
		{"page", "/product/red-sweater", ""},
		{"asset", "/wp-content/themes/shop/style.css", "ver=6.1.9"},
		{"Japanese", "/product/%E3%83%A1%E3%83%BC%E3%82%AB%E3%83%BC", ""},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Find("GET", bb.path, bb.query)
			}
		})
	}
}
