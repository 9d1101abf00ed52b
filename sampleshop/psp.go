package sampleshop

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// provider is 「みほんペイ」, a model of a payment provider: a hosted card page
// that turns card numbers into tokens, charges, convenience store slips and
// signed reports to the shop. It takes published test numbers only and keeps
// none of them: a token knows the first six and last four digits.
type provider struct {
	key      string // the shop's API key
	secret   []byte // signs reports
	callback string
	pages    pages
	now      func() time.Time
	handler  http.Handler
	client   *http.Client

	mu       sync.Mutex
	sessions fifo[cardSession]
	tokens   fifo[cardToken]
	charges  fifo[chargeAnswer] // by token: a token is charged once
	slips    fifo[slipRequest]
	accepted int64
	refused  int64

	reports chan report
	stop    context.CancelFunc
	sending sync.WaitGroup
}

// keep bounds each of the provider's lists; the oldest go first.
const keep = 20_000

// fifo is a map that forgets what it has held longest.
type fifo[V any] struct {
	m     map[string]V
	order []string
}

func (f *fifo[V]) put(key string, v V) {
	if f.m == nil {
		f.m = map[string]V{}
	}
	if _, known := f.m[key]; !known {
		f.order = append(f.order, key)
	}
	f.m[key] = v
	if len(f.order) > keep {
		delete(f.m, f.order[0])
		f.order = f.order[1:]
	}
}

type cardSession struct {
	Amount    int64  `json:"amount"`
	Reference string `json:"reference"`
	Return    string `json:"return"`
}

// cardInfo is what a shop may know of a card.
type cardInfo struct {
	Brand string `json:"brand"`
	BIN   string `json:"bin"`
	Last4 string `json:"last4"`
}

type cardToken struct {
	cardInfo
	decline string // what charging it answers; "" for money
}

type chargeRequest struct {
	Token     string `json:"token"`
	Amount    int64  `json:"amount"`
	Reference string `json:"reference"`
}

type chargeAnswer struct {
	ID   string `json:"id"`
	Code string `json:"code,omitempty"` // why it was declined
}

type slipRequest struct {
	Amount    int64  `json:"amount"`
	Reference string `json:"reference"`
}

func newProvider(o Options, p pages) (*provider, error) {
	v := &provider{key: "sk_test_" + letters(16), secret: make([]byte, 32), callback: o.BaseURL + "/payment/callback", pages: p, now: o.Now,
		client: &http.Client{Timeout: pspTimeout}, reports: make(chan report, reportQueue)}
	rand.Read(v.secret)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pay/{session}", v.cardPage)
	mux.HandleFunc("POST /pay/{session}", v.takeCard)
	mux.HandleFunc("GET /konbini/{slip}", v.slipPage)
	mux.HandleFunc("POST /konbini/{slip}", v.paySlip)
	mux.HandleFunc("GET /assets/psp.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, staticFiles, "static/psp.css")
	})
	mux.HandleFunc("POST /api/sessions", v.api(v.openSession))
	mux.HandleFunc("GET /api/tokens/{token}", v.api(v.readToken))
	mux.HandleFunc("POST /api/charges", v.api(v.charge))
	mux.HandleFunc("DELETE /api/charges/{charge}", v.api(v.cancel))
	mux.HandleFunc("POST /api/slips", v.api(v.openSlip))
	v.handler = http.MaxBytesHandler(mux, maxBody)
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	for range 2 {
		v.sending.Go(func() { v.send(ctx) })
	}
	return v, nil
}

func (v *provider) close() {
	v.stop()
	v.sending.Wait()
}

// letters returns n random bytes as letters only: a token must never look as if
// it held a card number.
func letters(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	out := make([]byte, 0, 2*n)
	for _, c := range b {
		out = append(out, 'a'+c>>4, 'a'+c&15)
	}
	return string(out)
}

func (v *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	v.handler.ServeHTTP(w, r)
}

// apiError is an answer to the shop that is not 200.
type apiError struct {
	status int
	code   string
}

func (e apiError) Error() string { return e.code }

// api answers the shop's own calls in JSON.
func (v *provider) api(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		status, answer, err := http.StatusOK, any(nil), error(apiError{http.StatusUnauthorized, "bad_key"})
		if subtle.ConstantTimeCompare([]byte(got), []byte(v.key)) == 1 {
			answer, err = f(r)
		}
		if err != nil {
			status = http.StatusBadRequest
			if e, ok := errors.AsType[apiError](err); ok {
				status = e.status
			}
			answer = map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(answer)
	}
}

func readJSON[T any](r *http.Request) (T, error) {
	var v T
	err := json.NewDecoder(r.Body).Decode(&v)
	return v, err
}

func (v *provider) openSession(r *http.Request) (any, error) {
	s, err := readJSON[cardSession](r)
	if err != nil {
		return nil, err
	}
	if s.Amount <= 0 || s.Amount > 10_000_000 {
		return nil, apiError{http.StatusBadRequest, "bad_amount"}
	}
	id := letters(16)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sessions.put(id, s)
	return map[string]string{"path": "/pay/" + id}, nil
}

func (v *provider) readToken(r *http.Request) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, ok := v.tokens.m[r.PathValue("token")]
	if !ok {
		return nil, apiError{http.StatusNotFound, "no_such_token"}
	}
	return t.cardInfo, nil
}

// charge takes the money, once per token however often it is asked.
func (v *provider) charge(r *http.Request) (any, error) {
	c, err := readJSON[chargeRequest](r)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if before, ok := v.charges.m[c.Token]; ok {
		return before, nil
	}
	t, ok := v.tokens.m[c.Token]
	if !ok {
		v.refused++
		return chargeAnswer{Code: "invalid_token"}, nil
	}
	a := chargeAnswer{ID: "ch_" + letters(12), Code: t.decline}
	v.charges.put(c.Token, a)
	if a.Code != "" {
		v.refused++
		return a, nil
	}
	v.accepted++
	v.tell(report{Type: "charge.succeeded", Reference: c.Reference, Charge: a.ID, Amount: c.Amount})
	return a, nil
}

func (v *provider) cancel(r *http.Request) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.accepted--
	return map[string]string{"cancelled": r.PathValue("charge")}, nil
}

func (v *provider) openSlip(r *http.Request) (any, error) {
	s, err := readJSON[slipRequest](r)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	number := strings.ToUpper(letters(6))
	v.slips.put(number, s)
	return map[string]string{"slip": number}, nil
}

// Charges tells how many payments by card the provider took and declined.
func (s *Shop) Charges() (accepted, declined int64) {
	s.psp.mu.Lock()
	defer s.psp.mu.Unlock()
	return s.psp.accepted, s.psp.refused
}
