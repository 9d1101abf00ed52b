package gateway

import (
	"testing"

	"noren"
)

// What became of a sign-in, from a line that tells status and at best where the
// redirect went.
func TestSignInsByLog(t *testing.T) {
	const customer, staff = noren.LoginAttempt, noren.StaffLogin
	for _, tt := range []struct {
		preset, method, path, query string
		status                      int
		location                    string
		kind                        noren.Kind
		ok, known                   bool
	}{
		{"woocommerce", "POST", "/wp-login.php", "", 200, "", customer, false, true},
		{"woocommerce", "POST", "/wp-login.php", "", 302, "", customer, true, true},
		{"woocommerce", "POST", "/wp-login.php", "", 403, "", customer, false, true},
		{"woocommerce", "POST", "/wp-login.php", "action=lostpassword", 302, "", "", false, false},
		{"woocommerce", "POST", "/wp-login.php", "action=postpass", 302, "", "", false, false},
		{"woocommerce", "GET", "/wp-login.php", "", 200, "", "", false, false},
		{"woocommerce", "POST", "/xmlrpc.php", "", 200, "", "", false, false},
		{"woocommerce", "POST", "/my-account/", "", 200, "", customer, false, true},
		{"woocommerce", "POST", "/my-account/", "", 302, "", customer, true, true},
		{"woocommerce", "POST", "/my-account/", "", 500, "", customer, false, false},
		{"eccube4", "POST", "/mypage/login", "", 302, "", customer, false, false},
		{"eccube4", "POST", "/mypage/login", "", 302, "/mypage/login", customer, false, true},
		{"eccube4", "POST", "/mypage/login", "", 302, "/mypage/", customer, true, true},
		{"eccube4", "POST", "/mypage/login", "", 403, "", customer, false, true},
		{"eccube4", "POST", "/admin/login", "", 302, "", staff, false, false},
		{"eccube4", "POST", "/admin/login", "", 302, "/admin/login", staff, false, true},
		{"eccube4", "POST", "/admin/login", "", 302, "/admin/", staff, true, true},
		{"eccube4", "POST", "/admin/two_factor_auth/auth", "", 302, "", "", false, false},
		{"eccube2", "POST", "/frontparts/login_check.php", "", 200, "", customer, false, true},
		{"eccube2", "POST", "/frontparts/login_check.php", "", 302, "/mypage/index.php", customer, true, true},
		{"eccube2", "POST", "/admin/index.php", "", 200, "", staff, false, true},
		{"generic", "POST", "/login", "", 401, "", customer, false, true},
		{"generic", "POST", "/contact", "", 200, "", "", false, false},
	} {
		m, err := NewShopMap(Site{Name: "shop", Preset: tt.preset})
		if err != nil {
			t.Fatal(err)
		}
		kind, ok, known := m.SignIn(tt.method, tt.path, tt.query, tt.status, tt.location)
		if kind != tt.kind || ok != tt.ok || known != tt.known {
			t.Errorf("%s %s %s?%s %d %q: %q %v known %v, want %q %v known %v",
				tt.preset, tt.method, tt.path, tt.query, tt.status, tt.location, kind, ok, known, tt.kind, tt.ok, tt.known)
		}
	}
}
