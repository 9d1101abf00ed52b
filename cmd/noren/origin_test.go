package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"noren/gateway"
)

// TestCheckSeesTheWayPastNoren asks shops with and without a lock.
func TestCheckSeesTheWayPastNoren(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(gateway.OriginHeader) != secret {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer locked.Close()
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer open.Close()
	for name, tt := range map[string]struct {
		upstream, secret, want string
		ok                     bool
	}{
		"locked":                 {locked.URL, secret, "locked", true},
		"private":                {open.URL, "", "private network", true},
		"lock not in place":      {open.URL, secret, "answers 200 to a stranger", false},
		"open to the world":      {"http://192.0.2.1:81", "", "can be reached by everybody", false},
		"a name nobody resolves": {"http://shop.invalid", "", "can be reached by everybody", false},
	} {
		site := gateway.Site{Name: "shop", Hosts: []string{"shop.example"}, Upstream: tt.upstream}
		var fs findings
		checkOrigin(t.Context(), &fs, &site, site.Backends()[0], tt.secret)
		f := fs[0]
		if f.OK != tt.ok || !strings.Contains(f.Text, tt.want) || !f.OK && (f.Hint == "" || f.Ja.Hint == "") || f.Ja.Text == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
