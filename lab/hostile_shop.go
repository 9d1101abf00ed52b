package lab

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// hostileAttack is the attack that hostile requests carry, after whatever they are
// padded with. None of it may reach the shop.
const hostileAttack = `x' UNION SELECT mail,password FROM customers-- `

// hostileShop writes down which attacks reached it.
type hostileShop struct {
	shopServer
	mu     sync.Mutex
	passed []string
}

func (s *hostileShop) start() error {
	return s.open(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 8<<20))
		if s.attacked(r, body) {
			s.mu.Lock()
			s.passed = append(s.passed, r.Method+" "+r.URL.Path)
			s.mu.Unlock()
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>お店</title>"+strings.Repeat("<p>お茶と器</p>", 100))
	})
}

// attacked looks for the attack as it was sent in any of its forms.
func (s *hostileShop) attacked(r *http.Request, body []byte) bool {
	has := func(v string) bool { return strings.Contains(v, "UNION SELECT") || strings.Contains(v, "UNION+SELECT") }
	if bytes.Contains(body, []byte("UNION SELECT")) || bytes.Contains(body, []byte("UNION+SELECT")) || has(r.URL.RawQuery) {
		return true
	}
	if q, err := url.QueryUnescape(r.URL.RawQuery); err == nil && has(q) {
		return true
	}
	return slices.ContainsFunc(r.Header["Cookie"], has)
}

func (s *hostileShop) attacks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.passed)
}
