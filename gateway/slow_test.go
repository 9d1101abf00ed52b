package gateway

import (
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Who goes on and on being refused waits for each answer; a page with all its
// pictures does not, and neighbours notice nothing.
func TestWhoIsRefusedAgainAndAgainWaits(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	ask := func(from, target string, want int) time.Duration {
		t.Helper()
		began := time.Now()
		if res, _ := s.do("GET", target, "", "X-Forwarded-For: "+from); res.StatusCode != want {
			t.Errorf("%s asks for %s: answered %d", from, target, res.StatusCode)
		}
		return time.Since(began)
	}
	const attacker, buyer = "203.0.113.7", "203.0.113.8"
	began := time.Now()
	for range stopRate.Burst {
		ask(attacker, "/.env", http.StatusForbidden)
	}
	if took := time.Since(began); took > time.Duration(stopRate.Burst)*refusedHold/10 {
		t.Errorf("a page with its pictures waited: %s", took)
	}
	// However slow this machine is, what it gives back meanwhile is soon used up.
	waits := func() bool {
		for range 200 {
			if ask(attacker, "/.env", http.StatusForbidden) >= refusedHold {
				return true
			}
		}
		return false
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 2 {
			if !waits() {
				t.Error("the attacker is answered at once, again and again")
			}
		}
	})
	for range 5 {
		ask(buyer, "/", http.StatusOK)
	}
	if took := ask(buyer, "/.env", http.StatusForbidden); took > refusedHold {
		t.Errorf("one refused request of somebody else waits %s", took)
	}
	wg.Wait()
}

// However many an attacker keeps waiting at once, what is held stays bounded: the
// others are answered and their connections end.
func TestHeldRefusalsAreBounded(t *testing.T) {
	s := stand(t, nil)
	for range 2 * stopRate.Burst {
		s.callers.overdoes(netip.MustParseAddr("127.0.0.1"), time.Now())
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	closed, most := 0, 0
	for range 4 * maxHeldBucket {
		wg.Go(func() {
			res, _ := s.do("GET", "/.env", "")
			mu.Lock()
			defer mu.Unlock()
			if res.Close {
				closed++
			}
			s.refusing.mu.Lock()
			defer s.refusing.mu.Unlock()
			most = max(most, s.refusing.all)
		})
	}
	wg.Wait()
	if closed == 0 || most > maxHeldBucket {
		t.Errorf("%d connections ended, %d were held at once", closed, most)
	}
	if s.refusing.all != 0 || s.slow.all != 0 {
		t.Errorf("%d and %d are held after all is over", s.refusing.all, s.slow.all)
	}
}
