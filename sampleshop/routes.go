package sampleshop

import (
	"net/http"
	"strings"
)

// maxBody bounds what a visitor may send; the longest form is an order with a
// note.
const maxBody = 64 << 10

// routes is the map of the shop.
func (s *Shop) routes() *http.ServeMux {
	mux := http.NewServeMux()
	page := func(pattern string, f pageFunc) { mux.Handle(pattern, s.page(f)) }

	page("GET /{$}", s.home)
	page("GET /category/{category}", s.category)
	page("GET /products/{product}", s.product)
	page("POST /products/{product}/reviews", s.review)
	page("GET /search", s.search)
	page("GET /guide/{guide}", s.guide)
	page("GET /contact", s.contactForm)
	page("POST /contact", s.contact)

	page("GET /cart", s.cart)
	page("POST /cart/add", s.cartAdd)
	page("POST /cart/update", s.cartUpdate)

	page("GET /signup", s.signupForm)
	page("POST /signup", s.signup)
	page("GET /login", s.loginForm)
	page("POST /login", s.login)
	page("POST /logout", s.logout)
	page("GET /mypage", s.member(s.mypage))
	page("GET /mypage/orders/{order}", s.member(s.myOrder))
	page("GET /mypage/address", s.member(s.addressForm))
	page("POST /mypage/address", s.member(s.address))

	page("GET /checkout", s.checkoutForm)
	page("POST /checkout", s.checkout)
	page("GET /checkout/confirm", s.confirm)
	page("POST /checkout/place", s.place)
	page("POST /checkout/payment", s.payment)
	page("GET /checkout/complete", s.complete)
	page("POST /payment/callback", s.callback)

	page("GET /admin/login", s.adminLoginForm)
	page("POST /admin/login", s.adminLogin)
	page("POST /admin/logout", s.adminLogout)
	page("GET /admin", s.admin(s.adminHome))
	page("GET /admin/orders", s.admin(s.adminOrders))
	page("GET /admin/orders/{order}", s.admin(s.adminOrder))
	page("POST /admin/orders/{order}/status", s.admin(s.adminStatus))
	page("GET /admin/customers", s.admin(s.adminCustomers))
	page("GET /admin/export/orders.csv", s.admin(s.exportOrders))
	page("GET /admin/export/customers.csv", s.admin(s.exportCustomers))

	mux.Handle("GET /assets/products/{picture}", http.HandlerFunc(s.picture))
	mux.Handle("GET /assets/{file}", http.HandlerFunc(s.asset))
	page("/", func(http.ResponseWriter, *http.Request) error { return errNotFound })
	return mux
}

// protect is what stands before every page.
func (s *Shop) protect(next http.Handler) http.Handler {
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(s.page(func(http.ResponseWriter, *http.Request) error { return errForeign }))
	// Browsers check form-action along redirects too, so the payment provider
	// must be in it.
	csp := "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' " + s.opts.PSPBaseURL
	headers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
	return csrf.Handler(headers)
}

// secure says whether cookies may require TLS.
func (s *Shop) secure() bool { return strings.HasPrefix(s.opts.BaseURL, "https://") }
