package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

func openLists(t testing.TB, d *db.DB, s Sealer, now func() time.Time) (*Lists, *loopback) {
	t.Helper()
	l, err := OpenLists(t.Context(), ListsOptions{DB: d, Sealer: s, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	loop := &loopback{}
	l.RaiseTo(loop)
	return l, loop
}

func listsInMemory(t testing.TB) *Lists {
	t.Helper()
	l, _ := openLists(t, dbtest.Open(t, db.SQLite), newSealer(t), nil)
	return l
}

func mustSet(t testing.TB, l *Lists, list, prefix string) Entry {
	t.Helper()
	e, err := l.Set(t.Context(), Entry{Site: "shop", List: list, Prefix: netip.MustParsePrefix(prefix), Author: "test", Reason: noren.Text{En: "a test"}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustBan(t testing.TB, l *Lists, prefix string) Entry {
	t.Helper()
	return mustSet(t, l, ListBan, prefix)
}

func lift(t testing.TB, l *Lists, list, prefix string) {
	t.Helper()
	if _, err := l.Lift(t.Context(), "shop", list, netip.MustParsePrefix(prefix), "test", noren.Text{En: "over"}); err != nil {
		t.Fatal(err)
	}
}

// listed says what Check finds, as allow/ban prefixes.
func listed(l *Lists, addr string, at time.Time) string {
	allow, ban := l.Check("shop", netip.MustParseAddr(addr), at)
	out := ""
	if allow != nil {
		out += "allow " + allow.Prefix.String()
	}
	if ban != nil {
		out += "ban " + ban.Prefix.String()
	}
	return out
}

func TestListsOnBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer := newSealer(t)
		l, loop := openLists(t, d, sealer, nil)
		now := time.Now()
		mustBan(t, l, "203.0.113.0/24")
		mustBan(t, l, "203.0.113.7/32")
		mustSet(t, l, ListAllow, "203.0.113.9/32")
		mustBan(t, l, "2001:db8:1::/48")
		want := map[string]string{
			"203.0.113.7": "ban 203.0.113.7/32", "203.0.113.8": "ban 203.0.113.0/24", "203.0.113.9": "allow 203.0.113.9/32ban 203.0.113.0/24",
			"203.0.114.1": "", "2001:db8:1::5": "ban 2001:db8:1::/48", "2001:db8:2::5": "", "::ffff:203.0.113.7": "ban 203.0.113.7/32",
		}
		check := func(l *Lists, when string) {
			t.Helper()
			for addr, w := range want {
				if got := listed(l, addr, now); got != w {
					t.Errorf("%s: %s is %q, want %q", when, addr, got, w)
				}
			}
		}
		check(l, "after setting")
		again, _ := openLists(t, d, sealer, nil)
		check(again, "after a restart")
		if got := len(loop.of(noren.BanChange)); got != 4 {
			t.Errorf("%d ban.changed events, want 4", got)
		}

		lift(t, l, ListBan, "203.0.113.7/32")
		if got := listed(l, "203.0.113.7", now); got != "ban 203.0.113.0/24" {
			t.Errorf("after lifting one of two: %q", got)
		}
		if _, err := l.Lift(t.Context(), "shop", ListBan, netip.MustParsePrefix("198.51.100.1/32"), "test", noren.Text{}); noren.CodeOf(err) != noren.NotFound {
			t.Errorf("lifting what is not there: %v", err)
		}
		if err := again.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := listed(again, "203.0.113.7", now); got != "ban 203.0.113.0/24" {
			t.Errorf("the other node after one poll: %q", got)
		}
		mustBan(t, again, "198.51.100.1/32")
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := listed(l, "198.51.100.1", now); got == "" {
			t.Error("a ban of the other node did not arrive with one poll")
		}
		if n := len(l.List("shop")); n != 4 {
			t.Errorf("%d entries listed, want 4", n)
		}
	})
}

// A change of one node is in force on the other within a second.
func TestChangesReachOtherNodesInTime(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	sealer := newSealer(t)
	a, _ := openLists(t, d, sealer, nil)
	b, _ := openLists(t, d, sealer, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go b.Run(ctx)
	mustBan(t, a, "203.0.113.7/32")
	deadline := time.Now().Add(time.Second)
	for listed(b, "203.0.113.7", time.Now()) == "" {
		if time.Now().After(deadline) {
			t.Fatal("not in force after a second")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestActIsIdempotent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Now()
		l, loop := openLists(t, d, newSealer(t), func() time.Time { return now })
		act := noren.Action{ID: "01ACTION", Kind: noren.ActBan, Site: "shop", Entity: noren.EntityAddress, Target: "203.0.113.7",
			Until: noren.At(now.Add(time.Hour)), Policy: "brute-force", Reason: noren.Text{Ja: "総当たり", En: "brute force"}}
		for range 3 {
			if err := l.Act(t.Context(), act); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.List("shop"); len(got) != 1 || got[0].Policy != "brute-force" || got[0].Author != "policy:brute-force" {
			t.Errorf("entries %+v, want one", got)
		}
		if n := len(loop.of(noren.BanChange)); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		// Another action for the same client that adds nothing is done already;
		// one that lasts longer is not.
		shorter, longer := act, act
		shorter.ID, shorter.Until = "01SHORTER", noren.At(now.Add(time.Minute))
		longer.ID, longer.Until = "01LONGER", noren.At(now.Add(2*time.Hour))
		for _, a := range []noren.Action{shorter, longer} {
			if err := l.Act(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if _, ban := l.Check("shop", netip.MustParseAddr("203.0.113.7"), now.Add(90*time.Minute)); ban == nil || ban.ID != "01LONGER" {
			t.Errorf("after 90 minutes the ban is %+v", ban)
		}
		if n := len(l.List("shop")); n != 2 {
			t.Errorf("%d entries, want 2", n)
		}
		six := act
		six.ID, six.Target = "01SIX", "2001:db8::77"
		if err := l.Act(t.Context(), six); err != nil {
			t.Fatal(err)
		}
		if got := listed(l, "2001:db8::1", now); got != "ban 2001:db8::/64" {
			t.Errorf("an IPv6 customer's /64: %q", got)
		}
		past := act
		past.ID, past.Target, past.Until = "01PAST", "203.0.113.99", noren.At(now.Add(-time.Second))
		if err := l.Act(t.Context(), past); err != nil || listed(l, "203.0.113.99", now) != "" {
			t.Errorf("an action whose time is over: %v", err)
		}
	})
}

func TestExpiry(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Now()
		sealer := newSealer(t)
		l, loop := openLists(t, d, sealer, func() time.Time { return now })
		other, otherLoop := openLists(t, d, sealer, func() time.Time { return now })
		_, err := l.Set(t.Context(), Entry{Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("203.0.113.7/32"), Author: "test", Until: noren.At(now.Add(time.Minute))})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Minute)
		if got := listed(l, "203.0.113.7", now); got != "" {
			t.Errorf("past its time: %q", got)
		}
		for _, n := range []*Lists{l, other} {
			if err := n.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		expired := 0
		for _, ev := range append(loop.of(noren.BanChange), otherLoop.of(noren.BanChange)...) {
			if ev.Payload.(*noren.BanEntry).Op == "expire" {
				expired++
			}
		}
		if expired != 1 {
			t.Errorf("%d expire events on two nodes, want 1", expired)
		}
		now = now.Add(keepEnded + time.Hour)
		if err := l.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := d.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM gateway_lists`).Scan(&rows); err != nil || rows != 0 {
			t.Errorf("%d rows kept, %v", rows, err)
		}
	})
}

func TestChangesThatCannotBeRecordedAreNotMade(t *testing.T) {
	l, loop := openLists(t, dbtest.Open(t, db.SQLite), newSealer(t), nil)
	loop.answer = func(noren.Event) (noren.Decision, error) { return noren.Decision{}, errors.New("journal away") }
	if _, err := l.Set(t.Context(), Entry{Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("203.0.113.7/32")}); err == nil {
		t.Error("an unrecorded ban is accepted")
	}
	if got := listed(l, "203.0.113.7", time.Now()); got != "" {
		t.Errorf("it is in force: %q", got)
	}
}

func TestEraseRemovesTheAddressEverywhere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l, _ := openLists(t, d, newSealer(t), nil)
		mustBan(t, l, "203.0.113.7/32")
		mustBan(t, l, "203.0.113.8/32")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return l.Erase(t.Context(), tx, "shop", noren.Subject{Kind: noren.EntityAddress, ID: "203.0.113.7"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.List("shop"); len(got) != 1 || got[0].Prefix.String() != "203.0.113.8/32" {
			t.Errorf("after erasing: %+v", got)
		}
	})
}

func TestPersonalDataIsSealedAtRest(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	l, _ := openLists(t, d, newSealer(t), nil)
	mustBan(t, l, "203.0.113.7/32")
	var row string
	if err := d.Read().QueryRowContext(t.Context(), `SELECT id || site || list || hex(token) || sealed_key || CAST(sealed AS TEXT) || policy FROM gateway_lists`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"203.0.113", "a test"} {
		if strings.Contains(row, plain) {
			t.Errorf("%q stands in the row", plain)
		}
	}
}

func TestEntryFaults(t *testing.T) {
	l := listsInMemory(t)
	for name, e := range map[string]Entry{
		"no site":         {List: ListBan, Prefix: netip.MustParsePrefix("203.0.113.7/32")},
		"no list":         {Site: "shop", Prefix: netip.MustParsePrefix("203.0.113.7/32")},
		"no prefix":       {Site: "shop", List: ListBan},
		"half the world":  {Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("0.0.0.0/1")},
		"all of IPv6":     {Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("::/0")},
		"over before now": {Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("203.0.113.7/32"), Until: noren.At(time.Now().Add(-time.Hour))},
	} {
		if _, err := l.Set(t.Context(), e); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	for in, want := range map[string]string{
		"203.0.113.7": "203.0.113.7/32", " 203.0.113.9/24 ": "203.0.113.0/24", "2001:db8::1": "2001:db8::1/128",
		"::ffff:203.0.113.7": "203.0.113.7/32", "::ffff:203.0.113.0/120": "203.0.113.0/24", "::ffff:0:0/90": "", "x": "", "": "",
	} {
		if p, err := ParsePrefix(in); (err != nil) != (want == "") || err == nil && p.String() != want {
			t.Errorf("ParsePrefix(%q) = %s, %v; want %s", in, p, err, want)
		}
	}
}

// The trie agrees with looking through a plain list, whatever is set and lifted.
func TestTrieAgreesWithAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr trie
		plain := map[string]*Entry{}
		addr := rapid.Custom(func(t *rapid.T) netip.Addr {
			if rapid.Bool().Draw(t, "v6") {
				var b [16]byte
				b[0], b[7], b[8], b[15] = 0x20, rapid.Byte().Draw(t, "a"), rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c")
				return netip.AddrFrom16(b)
			}
			return netip.AddrFrom4([4]byte{10, rapid.ByteRange(0, 3).Draw(t, "a"), rapid.ByteRange(0, 3).Draw(t, "b"), rapid.Byte().Draw(t, "c")})
		})
		for i := range rapid.IntRange(0, 60).Draw(t, "n") {
			a := addr.Draw(t, "addr")
			e := &Entry{ID: fmt.Sprint(i), Prefix: netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()}
			tr, plain[e.ID] = tr.insert(e), e
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "op") == 0 {
				if gone := plain[fmt.Sprint(rapid.IntRange(0, i).Draw(t, "gone"))]; gone != nil {
					tr = tr.remove(gone)
					delete(plain, gone.ID)
				}
			}
		}
		count := 0
		tr.each(func(*Entry) { count++ })
		if count != len(plain) {
			t.Fatalf("%d entries in the trie, %d set", count, len(plain))
		}
		for range 20 {
			a := addr.Draw(t, "lookup")
			got := map[string]bool{}
			last := -1
			tr.find(a, func(e *Entry) {
				got[e.ID] = true
				if e.Prefix.Bits() < last {
					t.Fatalf("found out of order")
				}
				last = e.Prefix.Bits()
			})
			for id, e := range plain {
				if e.Prefix.Contains(a) != got[id] {
					t.Fatalf("%s in %s: found %v", a, e.Prefix, got[id])
				}
			}
			if len(got) > len(plain) {
				t.Fatal("found what was lifted")
			}
		}
	})
}

func BenchmarkLists(b *testing.B) {
	var tr trie
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 7})
		tr = tr.insert(&Entry{ID: fmt.Sprint(i), Prefix: netip.PrefixFrom(a, 32)})
	}
	addr := netip.MustParseAddr("0.77.9.7")
	b.ReportAllocs()
	for b.Loop() {
		tr.find(addr, func(*Entry) {})
	}
}

// TestBanThatCannotBeStored: the record tells of the ban, so it also tells that
// the ban was not made.
func TestBanThatCannotBeStored(t *testing.T) {
	fail := func(p db.FaultPoint) db.Fault { return db.Fault{Fail: p.Table == "gateway_lists"} }
	l, loop := openLists(t, dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: fail}), newSealer(t), nil)
	_, err := l.Set(t.Context(), Entry{Site: "shop", List: ListBan, Prefix: netip.MustParsePrefix("203.0.113.7/32"), Author: "test"})
	if err == nil || len(l.List("shop")) != 0 {
		t.Errorf("%v, and the list is %v", err, l.List("shop"))
	}
	var ops []string
	for _, ev := range loop.of(noren.BanChange) {
		ops = append(ops, ev.Payload.(*noren.BanEntry).Op)
	}
	if strings.Join(ops, " ") != "set failed" {
		t.Errorf("recorded: %v, want set and failed", ops)
	}
}
