package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

func act(kind noren.ActionKind, id, entity, target string, now time.Time) noren.Action {
	return noren.Action{ID: id, Kind: kind, Site: "shop", Entity: entity, Target: target, Until: noren.At(now.Add(time.Hour)),
		Policy: "p", Reason: noren.Text{Ja: "理由", En: "reason"}, Repeat: 2}
}

// A session's ban holds for the session alone, on every node, after a restart,
// and until it is lifted; its address and the sessions beside it go on.
func TestSessionBans(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer := newSealer(t)
		now := time.Now()
		l, loop := openLists(t, d, sealer, nil)
		other, _ := openLists(t, d, sealer, nil)
		a := act(noren.ActBan, "01A", noren.EntitySession, "5e55", now)
		for range 2 { // redone after a crash
			if err := l.Act(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		third, _ := openLists(t, d, sealer, nil)
		for name, l := range map[string]*Lists{"here": l, "another node": other, "after a restart": third} {
			e := l.CheckSession("shop", "5e55", now)
			if e == nil || e.Policy != "p" || e.Repeat != 2 || e.Reason.Ja != "理由" {
				t.Errorf("%s: %+v", name, e)
			}
			if l.CheckSession("shop", "5e56", now) != nil || l.CheckSession("other", "5e55", now) != nil || l.CheckSession("shop", "", now) != nil {
				t.Errorf("%s: others are banned", name)
			}
			if l.CheckSession("shop", "5e55", now.Add(2*time.Hour)) != nil {
				t.Errorf("%s: still banned after its time", name)
			}
			if list := l.List("shop"); len(list) != 1 || list[0].What() != "session 5e55" {
				t.Errorf("%s: list %+v", name, list)
			}
		}
		changes := loop.of(noren.BanChange)
		p := changes[0].Payload.(*noren.BanEntry)
		if len(changes) != 1 || p.ReasonJa != "理由" || p.Reason != "reason" || p.Policy != "p" || p.Repeat != 2 || p.Prefix != "" || changes[0].Entities[noren.EntitySession] != "5e55" {
			t.Errorf("recorded %+v", p)
		}
		if n, err := l.LiftSession(t.Context(), "shop", "session 5e55", "taro", noren.Text{Ja: "間違い"}); n != 1 || err != nil {
			t.Errorf("lift: %d %v", n, err)
		}
		if l.CheckSession("shop", "5e55", now) != nil {
			t.Error("still banned")
		}
		if _, err := l.LiftSession(t.Context(), "shop", "session 5e55", "taro", noren.Text{}); noren.CodeOf(err) != noren.NotFound {
			t.Errorf("lift again: %v", err)
		}
	})
}

func TestBannedSessionEndToEnd(t *testing.T) {
	lists := listsInMemory(t)
	s := stand(t, func(o *Options) { o.Lists = lists })
	s.do("GET", "/", "", "Cookie: eccube=bad")
	hash := s.loop.of(noren.HTTPRequest)[0].Entities[noren.EntitySession]
	if err := lists.Act(t.Context(), act(noren.ActBan, "01A", noren.EntitySession, hash, time.Now())); err != nil {
		t.Fatal(err)
	}
	for cookie, want := range map[string]int{"eccube=bad": 403, "eccube=good": 200, "a=b": 200} {
		if res, _ := s.do("GET", "/", "", "Cookie: "+cookie); res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", cookie, res.StatusCode, want)
		}
	}
	mustSet(t, lists, ListAllow, "127.0.0.1/32")
	if res, _ := s.do("GET", "/", "", "Cookie: eccube=bad"); res.StatusCode != 200 {
		t.Errorf("on the allow-list: status %d", res.StatusCode)
	}
}

// Where many shop, an attack makes an address pass the check and bans nobody:
// who pays or has passed goes on.
func TestAskedAddress(t *testing.T) {
	lists := listsInMemory(t)
	s := stand(t, func(o *Options) {
		o.Lists = lists
		o.Secrets = func(context.Context) ([][]byte, error) { return [][]byte{[]byte("key of the test")}, nil }
	})
	if err := lists.Act(t.Context(), act(noren.ActCheck, "01A", noren.EntityAddress, "127.0.0.1", time.Now())); err != nil {
		t.Fatal(err)
	}
	res, page := s.do("GET", "/products/list", "", "Cookie: eccube=somebody")
	if res.StatusCode != 403 || !strings.Contains(page, `id="check"`) {
		t.Errorf("a visitor there: %d", res.StatusCode)
	}
	f := fields(page)
	f.Set("proof", solve(f.Get("puzzle"), puzzleBits))
	res, _ = s.do("POST", checkPath, f.Encode())
	pass := cookieOf(res)
	if res, _ := s.do("GET", "/products/list", "", "Cookie: "+pass); pass == "" || res.StatusCode != 200 {
		t.Errorf("with the pass: %d", res.StatusCode)
	}
	for _, target := range []string{"/shopping", "/shopping/confirm"} {
		if res, _ := s.do("GET", target, ""); res.StatusCode != 200 {
			t.Errorf("%s: %d, who pays is not asked", target, res.StatusCode)
		}
	}
	if b := s.loop.of(noren.HTTPBlocked)[0].Payload.(*noren.Blocked); b.Cause != noren.CauseChallenge || b.Rule != "p" {
		t.Errorf("recorded %+v", b)
	}
	if p := s.loop.of(noren.HTTPRequest); len(p) == 0 {
		t.Error("nothing reached the policies")
	}
	lift(t, lists, ListCheck, "127.0.0.1/32")
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("after it was lifted: %d", res.StatusCode)
	}
}

// One IPv6 customer is one client: the ban covers the /64, tells whose it is, and
// is lifted by any address in it.
func TestBanOfAnIPv6Client(t *testing.T) {
	l, loop := openLists(t, dbtest.Open(t, db.SQLite), newSealer(t), nil)
	if err := l.Act(t.Context(), act(noren.ActBan, "01A", noren.EntityAddress, "2001:db8:1:2::7", time.Now())); err != nil {
		t.Fatal(err)
	}
	if got := loop.of(noren.BanChange)[0].Entities[noren.EntityAddress]; got != "2001:db8:1:2::7" {
		t.Errorf("recorded for %q", got)
	}
	p, _ := ParsePrefix("2001:db8:1:2:3::9")
	if n, err := l.LiftClient(t.Context(), "shop", ListBan, p, "taro", noren.Text{}); n != 1 || err != nil {
		t.Errorf("lifted %d %v", n, err)
	}
	lifted := loop.of(noren.BanChange)[1]
	if lifted.Payload.(*noren.BanEntry).Op != "lift" || !strings.HasPrefix(lifted.Entities[noren.EntityAddress], "2001:db8:1:2:") {
		t.Errorf("the lift is recorded for %v", lifted.Entities)
	}
}

// Sessions that somebody makes up do not fill memory with bans.
func TestSessionBansAreBounded(t *testing.T) {
	l := listsInMemory(t)
	full := sessionBans{}
	for i := range maxSessionBans {
		s := fmt.Sprint(i)
		full[s] = []*Entry{{ID: s, Site: "shop", List: ListBan, Session: s}}
	}
	l.snap.Store(&map[string]siteLists{"shop": {sessions: full}})
	if err := l.Act(t.Context(), act(noren.ActBan, "01A", noren.EntitySession, "one more", time.Now())); err != nil {
		t.Fatal(err)
	}
	if l.CheckSession("shop", "one more", time.Now()) != nil {
		t.Error("one more is banned")
	}
	if err := l.Act(t.Context(), act(noren.ActBan, "01B", noren.EntityAddress, "203.0.113.7", time.Now())); err != nil {
		t.Fatal(err)
	}
	if _, ban := l.Check("shop", netip.MustParseAddr("203.0.113.7"), time.Now()); ban == nil {
		t.Error("addresses are not banned any more")
	}
}
