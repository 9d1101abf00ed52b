package console

import (
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/gateway"
	"noren/staff"
)

// The database breaks in the middle of every act, at each write in turn: the answer
// says so in words, nobody is signed out, and the same form sent once more acts.
func TestDatabaseBreaksInEveryAct(t *testing.T) {
	w, ids := openShops(t)
	b := w.owner()
	other := w.as(staff.Grants{shopSite: staff.Viewer})
	banned := func() string {
		e, err := w.lists.Set(t.Context(), gateway.Entry{Site: shopSite, List: gateway.ListBan, Prefix: netip.MustParsePrefix("192.0.2.8/32"), Author: "test", Reason: noren.Text{Ja: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	role := map[bool]string{true: "staff", false: "viewer"}
	n := 0
	for _, act := range []struct {
		name string
		form func() (path string, pairs []string)
	}{
		{"ban", func() (string, []string) {
			return "/s/shop/stopped/new", []string{"list", "ban", "who", "192.0.2.9", "for", "24h", "reason", "x", "sure", "yes"}
		}},
		{"lift", func() (string, []string) { return "/s/shop/stopped/" + banned() + "/lift", []string{"reason", "x"} }},
		{"acknowledge", func() (string, []string) { return "/s/shop/notices/" + ids[shopSite]["notice"] + "/ack", nil }},
		{"read the digest", func() (string, []string) {
			return "/s/shop/digest/" + time.Now().UTC().Format(time.DateOnly), nil
		}},
		{"switch", func() (string, []string) {
			n++
			return "/s/shop/emergency/" + string(gateway.SwitchClosed), []string{"on", map[bool]string{true: "yes"}[n%2 == 1], "for", "2h", "reason", "x"}
		}},
		{"free", func() (string, []string) {
			return "/s/shop/events/" + ids[shopSite]["event"] + "/free", []string{"reason", "x", "for", "1h"}
		}},
		{"reveal", func() (string, []string) { return "/s/shop/reveal", nil }},
		{"invite", func() (string, []string) {
			return "/people/invite", []string{"mail", "", "role", "viewer", "site", shopSite}
		}},
		{"role", func() (string, []string) {
			n++
			return "/people/role", []string{"person", other.person.ID, "site", shopSite, "role", role[n%2 == 1]}
		}},
		{"policy", func() (string, []string) {
			n++
			return "/s/shop/policies/change", []string{"op", "put", "file", "policies/a.yaml", "text", testPolicy + strings.Repeat("#", n) + "\n", "base", set2hash(t, w), "reason", "x", "within", "0s"}
		}},
	} {
		for at := int64(1); at < 40; at++ {
			path, pairs := act.form()
			pairs = append(pairs, "once", newForm())
			var count atomic.Int64
			broken := func() (f db.Fault) { f.Fail = count.Add(1) >= at; return f }
			w.faults.Store(&broken)
			got := b.post(path, pairs...)
			w.faults.Store(nil)
			if got.status >= 400 && (got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "番号") && !strings.Contains(got.body, "お店の入口は動き続けています")) {
				t.Errorf("%s, write %d breaks: %d, want 503 in words\n%.600s", act.name, at, got.status, plainMain(got.body))
			}
			if strings.Contains(got.header.Get("Set-Cookie"), sessionCookie) || ledToSignIn(got) {
				t.Errorf("%s, write %d breaks: signed out", act.name, at)
			}
			if count.Load() < at {
				break // no write was left
			}
			if got := b.post(path, pairs...); got.status >= 400 && got.status != http.StatusNotFound {
				t.Errorf("%s, sent once more after write %d: %d\n%.300s", act.name, at, got.status, plainMain(got.body))
			}
		}
	}
}
