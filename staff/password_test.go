package staff

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"noren"
)

func TestWhichPasswordsAreTaken(t *testing.T) {
	for password, ok := range map[string]bool{
		goodPassword + "を見ていた":         true,
		"correct horse battery staple": true,
		"kakinoki ga mittsu":           true,
		"x7#Qp2!vLm9z":                 true,
		"short":                        false,
		"elevenchars":                  false,
		"password1234":                 false,
		"Passw0rd!Passw0rd!":           false,
		"aaaaaaaaaaaaaaa":              false,
		"abcabcabcabcabc":              false,
		"123456789012345":              false,
		"qwertyuiop123456":             false,
		"EC-CUBE-admin-2026":           false,
		"tanaka-hanako-2026":           false, // name
		"tanaka.h@example.jp1":         false, // mail address
		"パスワードパスワードパスワード":                      false,
		"bad\xffbytes in it here":              false,
		"with\x00zero in it here":              false,
		strings.Repeat("ありがとう ", 40) + "何でもよい": false, // over 256 bytes
	} {
		err := CheckPassword(password, "Tanaka Hanako", "tanaka.h@example.jp")
		if (err == nil) != ok {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil && noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%q: code %s", password, noren.CodeOf(err))
		}
	}
}

func TestHashIsOfThisPasswordAlone(t *testing.T) {
	text := hashPassword(goodPassword, DefaultCost())
	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(text)
	}
	p, err := parsePHC(text)
	if err != nil || !checkPassword(p, goodPassword) || checkPassword(p, goodPassword+" ") || checkPassword(p, "") {
		t.Fatal(err)
	}
	if again := hashPassword(goodPassword, DefaultCost()); again == text {
		t.Fatal("no salt")
	}
}

// A flood of strangers never holds both places, waits in a bounded line, and is
// told so; who comes in a known browser goes past it.
func TestHashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		var now, most, done, busy atomic.Int32
		work := func() {
			n := now.Add(1)
			most.Store(max(most.Load(), n))
			time.Sleep(100 * time.Millisecond)
			now.Add(-1)
			done.Add(1)
		}
		for range 200 {
			go func() {
				if err := p.do(t.Context(), false, work); err != nil {
					if noren.CodeOf(err) != noren.Unavailable || noren.HintOf(err) == "" {
						t.Error(err)
					}
					busy.Add(1)
				}
			}()
		}
		synctest.Wait()
		if most.Load() != hashesAtOnce-1 || busy.Load() != 200-maxWaiting {
			t.Fatalf("%d strangers at once, %d turned away", most.Load(), busy.Load())
		}
		begin := time.Now()
		if err := p.do(t.Context(), true, work); err != nil || time.Since(begin) > 100*time.Millisecond {
			t.Fatalf("a known browser waited %s: %v", time.Since(begin), err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.do(gone, false, work); err == nil {
			t.Fatal("hashed for somebody who has gone")
		}
		time.Sleep(longestWait)
		synctest.Wait()
		if done.Load() != maxWaiting+1 || most.Load() != hashesAtOnce {
			t.Fatalf("%d done, %d at once", done.Load(), most.Load())
		}
	})
}
