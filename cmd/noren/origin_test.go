package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"noren"
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
		how, err := checkOrigin(t.Context(), &site, site.Backends()[0], tt.secret)
		said := how
		if err != nil {
			said = err.Error()
		}
		if (err == nil) != tt.ok || !strings.Contains(said, tt.want) || err != nil && noren.HintOf(err) == "" {
			t.Errorf("%s: %q, %v", name, how, err)
		}
	}
}
