package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
)

// loginShop signs in whoever knows the password "right".
func loginShop(reached *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		switch {
		case r.FormValue("broken") != "":
			w.WriteHeader(http.StatusInternalServerError)
		case r.FormValue("login_pass") == "right":
			http.Redirect(w, r, "/mypage", http.StatusFound)
		default:
			http.Redirect(w, r, "/mypage/login", http.StatusFound)
		}
	}
}

func TestSignInsAreAttemptAndOutcome(t *testing.T) {
	var reached atomic.Int64
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = shopServer(t, loginShop(&reached)) })
	tests := []struct {
		name, form string
		want       *noren.LoginResult
	}{
		{"right", "login_email=Hanako%40example.jp&login_pass=right", &noren.LoginResult{User: "Hanako@example.jp", Success: true}},
		{"wrong", "login_email=Hanako%40example.jp&login_pass=hunter2", &noren.LoginResult{User: "Hanako@example.jp"}},
		{"no answer", "login_email=Hanako%40example.jp&login_pass=x&broken=1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries, outs := len(s.loop.of(noren.LoginAttempt)), len(s.loop.of(noren.LoginOutcome))
			s.do("POST", "/mypage/login", tt.form, "Cookie: eccube=abc")
			attempts, outcomes := s.loop.of(noren.LoginAttempt)[tries:], s.loop.of(noren.LoginOutcome)[outs:]
			if len(attempts) != 1 {
				t.Fatalf("%d attempts", len(attempts))
			}
			a := attempts[0]
			if a.Entities[noren.EntityAccount] != "hanako@example.jp" || a.Entities[noren.EntitySession] == "" || a.AttemptID == "" || a.Zone != noren.ZoneLogin {
				t.Errorf("attempt %+v", a)
			}
			if tt.want == nil {
				if len(outcomes) != 0 {
					t.Errorf("an answer that tells nothing made %+v", outcomes)
				}
				return
			}
			if len(outcomes) != 1 || outcomes[0].AttemptID != a.AttemptID {
				t.Fatalf("outcomes %+v of attempt %s", outcomes, a.AttemptID)
			}
			if diff := cmp.Diff(tt.want, outcomes[0].Payload); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, ev := range s.loop.events {
		if b, _ := ev.Payload.(*noren.Login); b != nil && strings.Contains(b.User, "hunter2") {
			t.Error("the password is in an event")
		}
	}
}

func TestAttemptsAreStoppedBeforeTheShop(t *testing.T) {
	var reached atomic.Int64
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = shopServer(t, loginShop(&reached)) })
	for v, want := range map[noren.Verdict]int{noren.Block: 403, noren.Limit: 429, noren.StepUp: 429} {
		s.loop.answer = verdict(noren.LoginAttempt, v)
		if res, _ := s.do("POST", "/mypage/login", "login_email=a%40example.jp&login_pass=x"); res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", v, res.StatusCode, want)
		}
	}
	if reached.Load() != 0 {
		t.Errorf("%d attempts reached the shop", reached.Load())
	}
	if len(s.loop.of(noren.LoginOutcome)) != 0 {
		t.Error("an attempt that the shop never saw has an outcome")
	}
	s.loop.answer = nil
	if res, _ := s.do("POST", "/mypage/login", "login_email=a%40example.jp&login_email=b%40example.jp&login_pass=x"); res.StatusCode != 400 {
		t.Errorf("two users in one form: status %d, want 400", res.StatusCode)
	}
}

func TestPayments(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Preset = "sampleshop"
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("card_token") == "tok_good" {
				http.Redirect(w, r, "/checkout/complete", http.StatusFound)
				return
			}
			w.WriteHeader(http.StatusPaymentRequired)
		})
	})
	s.do("POST", "/checkout/payment", "card_token=tok_good&card_bin=411111&card_last4=1111&payment=card")
	s.do("POST", "/checkout/payment", "card_token=tok_bad&card_bin=411111&card_last4=1111&payment=card")
	attempts, outcomes := s.loop.of(noren.PaymentAttempt), s.loop.of(noren.PaymentOutcome)
	if len(attempts) != 2 || len(outcomes) != 2 {
		t.Fatalf("%d attempts, %d outcomes", len(attempts), len(outcomes))
	}
	if got := attempts[0]; got.Entities[noren.EntityCard] != "tok_good" || got.Entities[noren.EntityBIN] != "411111" || got.Payload.(*noren.Payment).Last4 != "1111" {
		t.Errorf("attempt %+v", got)
	}
	if !outcomes[0].Payload.(*noren.PaymentResult).Success || outcomes[1].Payload.(*noren.PaymentResult).Success {
		t.Errorf("outcomes %+v %+v", outcomes[0].Payload, outcomes[1].Payload)
	}
	// Who pays is never challenged.
	s.loop.answer = verdict(noren.PaymentAttempt, noren.Challenge)
	if res, _ := s.do("POST", "/checkout/payment", "card_token=tok_good"); res.StatusCode != 302 {
		t.Errorf("a challenged payment: status %d, want the shop's 302", res.StatusCode)
	}
}

func TestGuardReads(t *testing.T) {
	g, err := NewShopGuard("/admin", GuardConfig{
		Login: []LoginForm{{Path: "POST /api/login", User: []string{"variables.username", "login[name]"}, Password: []string{"password"}, Success: []AnswerRule{{Status: []int{200}}}}},
		Payment: []PaymentForm{{Path: "POST /pay", Amount: []string{"amount"}, Order: []string{"order"}, Number: []string{"number"}, Token: []string{"token"},
			Success: []AnswerRule{{Status: []int{200}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(path, contentType, body string) *Attempt {
		t.Helper()
		a, err := g.Attempt(&Inspected{Method: "POST", Path: path, Values: bodyValues(contentType, []byte(body))})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	form := "application/x-www-form-urlencoded"
	if a := read("/api/login", "application/json", `{"query":"mutation","variables":{"username":"hanako","password":"x"}}`); a == nil || a.Entities[noren.EntityAccount] != "hanako" {
		t.Errorf("JSON: %+v", a)
	}
	if a := read("//api/./login/", form, "login%5Bname%5D=Hanako&password=x"); a == nil || a.Payload.(*noren.Login).User != "Hanako" {
		t.Errorf("another view of the path: %+v", a)
	}
	if a := read("/api/login", form, "password=x"); a != nil {
		t.Errorf("no user: %+v", a)
	}
	if a := read("/api/login", form, "login%5Bname%5D=4111111111111111&password=x"); a == nil || strings.Contains(a.Entities[noren.EntityAccount], "4111111111111111") {
		t.Errorf("a card number as a user name: %+v", a)
	}
	a := read("/pay", form, url.Values{"amount": {"¥12,800"}, "order": {"A-1"}, "number": {"4111 1111 1111 1111"}}.Encode())
	want := &noren.Payment{Order: "A-1", Amount: noren.Yen(12800), Last4: "1111"}
	if diff := cmp.Diff(want, a.Payload); diff != "" || a.Entities[noren.EntityBIN] != "411111" {
		t.Errorf("payment: %s %v", diff, a.Entities)
	}
	// A card number where a token belongs never becomes an entity.
	a = read("/pay", form, "token=4111111111111111")
	ev := noren.Event{Kind: noren.PaymentAttempt, At: noren.At(testTime), Entities: a.Entities, Payload: a.Payload}
	if err := ev.Valid(); err != nil {
		t.Errorf("the event is refused: %v", err)
	}
	if _, err := NewShopGuard("", GuardConfig{Login: []LoginForm{{Path: "nowhere"}, {Path: "/x", User: []string{"a"}, Password: []string{"b"}, Success: []AnswerRule{{}}}}}); err == nil || strings.Count(err.Error(), "\n") < 1 {
		t.Errorf("faults are not all reported: %v", err)
	}
}

func TestAnswerRules(t *testing.T) {
	tests := []struct {
		name string
		rule AnswerRule
		a    Answer
		want bool
	}{
		{"status", AnswerRule{Status: []int{302, 303}}, Answer{Status: 303}, true},
		{"other status", AnswerRule{Status: []int{302}}, Answer{Status: 200}, false},
		{"location", AnswerRule{Location: "/mypage*"}, Answer{Location: "/mypage?x=1"}, true},
		{"not location", AnswerRule{NotLocation: "*/login*"}, Answer{Location: "/mypage"}, true},
		{"not location, but there", AnswerRule{NotLocation: "*/login*"}, Answer{Location: "/login"}, false},
		{"not location without a redirect", AnswerRule{NotLocation: "*/login*"}, Answer{}, false},
		{"cookie", AnswerRule{Cookie: "wordpress_logged_in_*"}, Answer{Cookies: []*http.Cookie{{Name: "wordpress_logged_in_ab", Value: "x"}}}, true},
		{"cookie taken back", AnswerRule{Cookie: "sid"}, Answer{Cookies: []*http.Cookie{{Name: "sid", Value: "x", MaxAge: -1}}}, false},
	}
	for _, tt := range tests {
		if got := tt.rule.fits(&tt.a); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
