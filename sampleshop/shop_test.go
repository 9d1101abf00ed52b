package sampleshop_test

import (
	"database/sql"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"testing"

	_ "noren/db" // registers the driver "sqlite"
	"noren/sampleshop"
)

// started is a shop on loopback with its payment provider on another port.
type started struct {
	*sampleshop.Shop
	URL, PSP string
	DB       *sql.DB
}

func start(t testing.TB, o sampleshop.Options) *started {
	t.Helper()
	db, err := sql.Open("sqlite", sampleshop.DSN(filepath.Join(t.TempDir(), "shop.db")))
	if err != nil {
		t.Fatal(err)
	}
	shop, psp := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	o.BaseURL, o.PSPBaseURL = "http://"+shop.Listener.Addr().String(), "http://"+psp.Listener.Addr().String()
	if o.PasswordCost == 0 {
		o.PasswordCost = 2_000
	}
	s, err := sampleshop.New(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	shop.Config.Handler, psp.Config.Handler = s, s.PSP()
	shop.Start()
	psp.Start()
	t.Cleanup(func() { s.Close(); shop.Close(); psp.Close(); db.Close() })
	return &started{s, shop.URL, psp.URL, db}
}

// browser keeps cookies and does not follow redirects by itself.
func browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestHome(t *testing.T) {
	s := start(t, sampleshop.Options{Seed: 1})
	resp, err := browser(t).Get(s.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("home answers %d", resp.StatusCode)
	}
}
