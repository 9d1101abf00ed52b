package orient_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

// banEvent is a change of the ban list.
func banEvent(id, op, entity, who string, at time.Time, last time.Duration) *noren.Event {
	p := &noren.BanEntry{List: "ban", Op: op}
	if last > 0 {
		p.Until = noren.At(at.Add(last))
	}
	return &noren.Event{ID: id, Kind: noren.BanChange, Site: "shop", At: noren.At(at), Entities: noren.Entities{entity: who}, Payload: p}
}

func bansOf(t testing.TB, o *orient.Orient, entity, who string, at time.Time) int64 {
	t.Helper()
	return banFact(t, o, entity+".bans_7d", entity, who, at)
}

func banFact(t testing.TB, o *orient.Orient, fact, entity, who string, at time.Time) int64 {
	t.Helper()
	ev := &noren.Event{ID: fmt.Sprint("ask", fact, at.UnixNano(), who), Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(at), Entities: noren.Entities{entity: who}, Payload: &noren.Blocked{}}
	obs, err := o.Observe(t.Context(), ev, []string{fact})
	if err != nil {
		t.Fatal(err)
	}
	return obs.Facts[fact].(int64)
}

// commitEvent takes an event in and commits its rows.
func commitEvent(t testing.TB, d *db.DB, o *orient.Orient, ev *noren.Event) {
	t.Helper()
	obs, err := o.Observe(t.Context(), ev, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Insert(t.Context(), obs.Rows) }); err != nil {
		t.Fatal(err)
	}
	o.Committed(ev)
}

// How often somebody was banned is the same before and after a restart, on both
// engines: bans in force do not count yet, overlapping ones are one, lifted ones
// are forgiven, quiet days forget.
func TestBansThatAreOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		fresh := func() *orient.Orient {
			o, err := orient.New(orient.Options{DB: d, KV: kv.NewMemory(0), Token: token})
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		o := fresh()
		if err := o.Track([]string{"address.bans_7d", "session.bans_7d", "address.freed_1h", "address.freed_7d"}); err != nil {
			t.Fatal(err)
		}
		const who, six = "203.0.113.7", "2001:db8:1:2::3"
		at := func(d time.Duration) time.Time { return start.Add(d) }
		for _, ev := range []*noren.Event{
			banEvent("b1", "set", "address", who, at(0), 10*time.Minute),
			banEvent("b1x", "set", "address", who, at(time.Second), 10*time.Minute), // another node's, of the same burst
			banEvent("b2", "set", "address", who, at(time.Hour), 20*time.Minute),
			banEvent("b3", "set", "address", who, at(2*time.Hour), 40*time.Minute),
			banEvent("b3f", "failed", "address", who, at(2*time.Hour+time.Second), 0),
			banEvent("n", "set", "address", "203.0.113.8", at(0), 10*time.Minute),
			banEvent("n-l", "lift", "address", "203.0.113.8", at(time.Hour), 0),
			banEvent("v6", "set", "address", six, at(0), 10*time.Minute),
			banEvent("s", "set", "session", "5e55", at(0), 10*time.Minute),
			banEvent("s-e", "expire", "session", "5e55", at(10*time.Minute), 10*time.Minute),
		} {
			commitEvent(t, d, o, ev)
		}
		allowed := banEvent("a", "set", "address", who, at(3*time.Hour), 0)
		allowed.Payload.(*noren.BanEntry).List = "allow"
		commitEvent(t, d, o, allowed)
		for _, tt := range []struct {
			name, entity, who string
			after             time.Duration
			want              int64
		}{
			{"while the first is in force", "address", who, 5 * time.Minute, 0},
			{"after the first", "address", who, 30 * time.Minute, 1},
			{"while the second is in force", "address", who, 70 * time.Minute, 1},
			{"after both, one of three not made", "address", who, 4 * time.Hour, 2},
			{"the first is forgotten", "address", who, 7*24*time.Hour + 30*time.Minute, 1},
			{"all are", "address", who, 8 * 24 * time.Hour, 0},
			{"lifted by a person", "address", "203.0.113.8", 2 * time.Hour, 0},
			{"another address of the /64", "address", "2001:db8:1:2:ffff::1", time.Hour, 1},
			{"the /64 beside it", "address", "2001:db8:1:3::1", time.Hour, 0},
			{"a session", "session", "5e55", time.Hour, 1},
			{"a neighbour", "address", "203.0.113.9", time.Hour, 0},
		} {
			for name, o := range map[string]*orient.Orient{"running": o, "restarted": fresh()} {
				if got := bansOf(t, o, tt.entity, tt.who, at(tt.after)); got != tt.want {
					t.Errorf("%s, %s: %d bans, want %d", tt.name, name, got, tt.want)
				}
			}
		}
		for fact, want := range map[string]int64{"address.freed_1h": 0, "address.freed_7d": 1} {
			for name, o := range map[string]*orient.Orient{"running": o, "restarted": fresh()} {
				if got := banFact(t, o, fact, "address", "203.0.113.8", at(3*time.Hour)); got != want {
					t.Errorf("%s, %s: %d, want %d", fact, name, got, want)
				}
			}
		}
		if got := banFact(t, o, "address.freed_1h", "address", "203.0.113.8", at(90*time.Minute)); got != 1 {
			t.Errorf("half an hour after the ban was lifted: %d", got)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return o.Erase(t.Context(), tx, "shop", noren.Subject{Kind: "address", ID: who})
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, o := range map[string]*orient.Orient{"running": o, "restarted": fresh()} {
			if got := bansOf(t, o, "address", who, at(4*time.Hour)); got != 0 {
				t.Errorf("erased, %s: %d bans", name, got)
			}
		}
	})
}

// One more ban never makes the count smaller, and a lift always makes it none.
func TestBansOnlyAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, err := orient.New(orient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		count := func(at time.Time) int64 {
			obs, err := o.Observe(t.Context(), &noren.Event{Kind: noren.HTTPBlocked, Site: "shop", At: noren.At(at),
				Entities: noren.Entities{"address": "203.0.113.7"}, Payload: &noren.Blocked{}}, []string{"address.bans_30d"})
			if err != nil {
				t.Fatal(err)
			}
			return obs.Facts["address.bans_30d"].(int64)
		}
		now, before := start, int64(0)
		for i := range rapid.IntRange(1, 20).Draw(t, "bans") {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "minutes")) * time.Minute)
			last := time.Duration(rapid.IntRange(1, 60).Draw(t, "length")) * time.Minute
			if _, err := o.Observe(t.Context(), banEvent(fmt.Sprint("b", i), "set", "address", "203.0.113.7", now, last), nil); err != nil {
				t.Fatal(err)
			}
			after := count(now.Add(2 * time.Hour))
			if after < before || after > before+1 {
				t.Fatalf("ban %d: %d bans after %d", i, after, before)
			}
			before = after
		}
		if _, err := o.Observe(t.Context(), banEvent("l", "lift", "address", "203.0.113.7", now.Add(2*time.Hour), 0), nil); err != nil {
			t.Fatal(err)
		}
		if n := count(now.Add(3 * time.Hour)); n != 0 {
			t.Fatalf("%d bans after a person lifted one", n)
		}
	})
}

// Sessions behind an address are told apart when their requests reach the shop;
// what was stopped makes no crowd.
func TestSessionsBehindAnAddress(t *testing.T) {
	o, err := orient.New(orient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	need := []string{"address.sessions_10m"}
	var n int64
	ask := func(i int, kind noren.Kind, p noren.Payload, session string) {
		es := noren.Entities{"address": "203.0.113.7"}
		if session != "" {
			es["session"] = session
		}
		obs, err := o.Observe(t.Context(), &noren.Event{ID: fmt.Sprint(kind, i), Kind: kind, Site: "shop", At: noren.At(start.Add(time.Duration(i) * time.Second)), Entities: es, Payload: p}, need)
		if err != nil {
			t.Fatal(err)
		}
		n = obs.Facts[need[0]].(int64)
	}
	for i := range 60 {
		ask(i, noren.HTTPRequest, &noren.Request{}, fmt.Sprint("s", i%12))
		ask(i, noren.HTTPBlocked, &noren.Blocked{Cause: noren.CauseWAF}, fmt.Sprint("made up", i))
		ask(i, noren.HTTPRequest, &noren.Request{}, "")
	}
	ask(60, noren.HTTPBlocked, &noren.Blocked{}, "")
	if n != 12 {
		t.Errorf("%d sessions, want 12", n)
	}
}
