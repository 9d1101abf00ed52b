package policy

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
)

// The time doubles with every ban that still counts, never shrinks with one
// more, and is the first time again when all are forgotten.
func TestBanLadder(t *testing.T) {
	b := &Ban{Entity: "address", For: 10 * time.Minute, UpTo: 24 * time.Hour}
	for repeat, want := range map[int64]time.Duration{
		-1: 10 * time.Minute, 0: 10 * time.Minute, 1: 20 * time.Minute, 2: 40 * time.Minute, 3: 80 * time.Minute,
		7: 1280 * time.Minute, 8: 24 * time.Hour, 9: 24 * time.Hour, 1 << 40: 24 * time.Hour,
	} {
		if got := b.Last(repeat); got != want {
			t.Errorf("after %d bans: %s, want %s", repeat, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := Ban{For: time.Duration(rapid.Int64Range(1, 43_200).Draw(t, "for")) * time.Minute}
		b.UpTo = b.For + time.Duration(rapid.Int64Range(0, 43_200).Draw(t, "more"))*time.Minute
		fixed := Ban{For: b.For}
		last := b.Last(0)
		if last != b.For {
			t.Fatalf("the first ban lasts %s, not %s", last, b.For)
		}
		for n := range int64(60) {
			if d := b.Last(n); d < last || d > b.UpTo {
				t.Fatalf("ban %d lasts %s after %s, at most %s", n, d, last, b.UpTo)
			} else {
				last = d
			}
			if fixed.Last(n) != b.For {
				t.Fatal("a ban without up_to grows")
			}
		}
		if last != b.UpTo {
			t.Fatalf("sixty bans come to %s, not to the longest %s", last, b.UpTo)
		}
	})
}

func TestBanFaults(t *testing.T) {
	for ban, want := range map[string]string{
		"{entity: address, for: 10m, up_to: 24h}":                 "",
		"{entity: address, for: 10m, up_to: 7d, forget: 30d}":     "",
		"{entity: address, for: 10m, up_to: 7d}":                  "forget: ",
		"{entity: address, for: 10m, up_to: 5m}":                  "up_to: ",
		"{entity: address, for: 10m, forget: 7d}":                 "add up_to",
		"{entity: net, for: 10m, up_to: 1h}":                      "different people",
		"{entity: session, for: 10m}":                             "may be anybody's",
		"{entity: device, for: 10m}":                              "entity",
		"{entity: address, for: 10m, up_to: 24h, forget: 60h30m}": "whole hours",
	} {
		f := file(map[string]string{"ban": ban})
		_, err := Load([]File{f}, testCatalogue())
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", ban, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.yaml:")):
			t.Errorf("%s: %v, want %q with its line", ban, err, want)
		}
	}
	narrow := file(map[string]string{"when": "session.logins_failed_10m >= 20", "ban": "{entity: address, for: 10m}",
		"tests": "[{facts: {session.logins_failed_10m: 20}, fires: true}, {fires: false}]"})
	if _, err := Load([]File{narrow}, testCatalogue()); err == nil || !strings.Contains(err.Error(), "one visitor") {
		t.Errorf("one visitor's deeds ban an address: %v", err)
	}
}

// Whom the evidence is about is banned; an address where many shop is asked for
// the check instead, whatever one of them does.
func TestWhoIsBanned(t *testing.T) {
	byAddress := mustLoad(t, file(map[string]string{"ban": "{entity: address, for: 10m, up_to: 24h}"}))
	bySession := mustLoad(t, file(map[string]string{"when": "session.logins_failed_10m >= 20", "ban": "{entity: session, for: 10m, up_to: 24h}",
		"tests": "[{facts: {session.logins_failed_10m: 20}, fires: true}, {fires: false}]"}))
	rapid.Check(t, func(t *rapid.T) {
		sessions := rapid.Int64Range(0, 2000).Draw(t, "sessions behind the address")
		repeat := rapid.Int64Range(0, 20).Draw(t, "bans")
		facts := noren.Facts{"address.logins_failed_10m": int64(500), "session.logins_failed_10m": int64(500),
			"address.sessions_10m": sessions, "address.bans_7d": repeat, "session.bans_7d": repeat}
		ev := &noren.Event{ID: "e", Kind: noren.LoginAttempt, Site: "shop", At: at, Entities: noren.Entities{"address": "203.0.113.7", "session": "abc"}}
		a := byAddress.Decide(ev, facts).Actions[0]
		want := noren.ActBan
		if sessions >= crowd {
			want = noren.ActCheck
		}
		if a.Kind != want || a.Target != "203.0.113.7" || a.Repeat != repeat {
			t.Fatalf("%d sessions behind the address: %+v", sessions, a)
		}
		if s := bySession.Decide(ev, facts).Actions[0]; s.Kind != noren.ActBan || s.Entity != "session" || s.Target != "abc" {
			t.Fatalf("a session's own deeds: %+v", s)
		}
		ev.Entities["address"] = rapid.SampledFrom([]string{"127.0.0.1", "::1", "172.17.0.1", "fd00::7"}).Draw(t, "a web server of the shop's own in front")
		if a := byAddress.Decide(ev, facts).Actions[0]; a.Kind != noren.ActCheck {
			t.Fatalf("%s is banned, and everybody behind it: %+v", ev.Entities["address"], a)
		}
		delete(ev.Entities, "session")
		if d := bySession.Decide(ev, facts); len(d.Actions) != 0 {
			t.Fatalf("nobody to ban: %+v", d.Actions)
		}
	})
	if got := byAddress.Needs(noren.LoginAttempt, ""); strings.Join(got, " ") != "address.bans_7d address.logins_failed_10m address.sessions_10m" {
		t.Errorf("needs %v", got)
	}
}
