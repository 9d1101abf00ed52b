package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"noren"
)

// The answer of a web shell and a table of customers are told before they leave,
// and withheld when the policies say so. Ordinary answers are nobody's business.
func TestAnswersAreToldAndWithheld(t *testing.T) {
	secret := "name,mail\nHanako,hanako@example.jp\n"
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("gone") != "" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("X-Shop", "yes")
			fmt.Fprint(w, secret)
		})
	})
	ask := func(method, target string) (*http.Response, string) { return s.do(method, target, "") }
	for _, tt := range []struct {
		method, target string
		told           bool
		status         int
	}{
		{"POST", "/html/upload/save_image/c.php", true, 200},
		{"POST", "/html/upload/save_image/c.php?gone=1", true, 404},
		{"GET", "/admin/customer/export", true, 200},
		{"GET", "/products/list", false, 200},
		{"GET", "/html/upload/save_image/cake.jpg", false, 200},
	} {
		before := len(s.loop.of(noren.HTTPAnswered))
		if res, _ := ask(tt.method, tt.target); res.StatusCode != tt.status {
			t.Errorf("%s: status %d", tt.target, res.StatusCode)
		}
		told := s.loop.of(noren.HTTPAnswered)[before:]
		if (len(told) == 1) != tt.told {
			t.Errorf("%s: told %d times", tt.target, len(told))
			continue
		}
		if tt.told && told[0].Payload.(*noren.Request).Answered != tt.status {
			t.Errorf("%s: %+v", tt.target, told[0].Payload)
		}
	}
	s.loop.answer = verdict(noren.HTTPAnswered, noren.Block)
	res, body := ask("POST", "/html/upload/save_image/c.php")
	if res.StatusCode != 403 || strings.Contains(body, "hanako") || res.Header.Get("X-Shop") != "" || !strings.Contains(body, "受付番号") {
		t.Errorf("withheld: %d %q\n%.200s", res.StatusCode, res.Header, body)
	}
	blocked := s.loop.of(noren.HTTPBlocked)
	if p := blocked[len(blocked)-1].Payload.(*noren.Blocked); p.Cause != noren.CausePolicy || p.Rule != "test" || p.Status != 403 {
		t.Errorf("recorded %+v", p)
	}
	if res, _ := ask("GET", "/products/list"); res.StatusCode != 200 {
		t.Errorf("an ordinary page: %d", res.StatusCode)
	}
}

// When the loop cannot record the answer, the shop's own people still get their
// export: an alarm, and it leaves.
func TestAnswerThatCannotBeRecorded(t *testing.T) {
	s := stand(t, nil)
	s.loop.answer = func(ev noren.Event) (noren.Decision, error) {
		if ev.Kind == noren.HTTPAnswered {
			return noren.Decision{}, noren.Errorf(noren.Unavailable, "the journal is away")
		}
		return noren.Decision{Verdict: noren.Allow}, nil
	}
	if res, _ := s.do("GET", "/admin/customer/export", ""); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}
