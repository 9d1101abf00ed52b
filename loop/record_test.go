package loop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// Kinds that must be recorded are in the database when Decide returns.
func TestRecordedFirst(t *testing.T) {
	of := func(k noren.Kind, p noren.Payload) noren.Event {
		return noren.Event{Kind: k, Site: "shop", Entities: noren.Entities{"account": "hanako", "staff": "sato"}, Payload: p}
	}
	events := []noren.Event{
		login("", "hanako"), answered("", "a", "hanako", true), order("", "hanako"), payment("", "tok1", 4000), staffLogin("", false),
		of(noren.PaymentOutcome, &noren.PaymentResult{Amount: noren.Yen(4000)}),
		of(noren.AccountChanged, &noren.AccountChange{Fields: []string{"mail"}}),
		of(noren.StaffAction, &noren.Operation{Action: "order.export"}),
		of(noren.BanChange, &noren.BanEntry{List: "ban", Op: "set", Prefix: "203.0.113.7/32"}),
		of(noren.SettingsChange, &noren.SettingsVersion{Version: "1", Author: "sato"}),
		of(noren.ClockStep, &noren.ClockJump{StepMicros: 1}),
	}
	each(t, setup{}, func(t *testing.T, w *world) {
		for i, ev := range events {
			ev.ID = id(i)
			if d := w.decide(ev); d.Verdict != noren.Allow || d.Fault != "" || d.EventID != ev.ID {
				t.Errorf("%s: decision %+v", ev.Kind, d)
			}
			if !w.has(ev.ID) {
				t.Errorf("%s was not in the database when Decide returned", ev.Kind)
			}
		}
	})
}

// An event without an ID gets one, and its time is the loop's.
func TestEventsAreStamped(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		ev := order("", "hanako")
		ev.At = noren.At(time.Now().AddDate(10, 0, 0))
		d := w.decide(ev)
		got := w.entries("shop")
		if len(got) != 1 || got[0].Event.ID == "" || got[0].Event.ID != d.EventID {
			t.Fatalf("decision about %q, entries %+v", d.EventID, got)
		}
		if !got[0].Event.At.Equal(time.Now()) {
			t.Errorf("at %v, want now, %v", got[0].Event.At, time.Now())
		}
	})
}

func TestUnknownKindIsRefused(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		d, err := w.Decide(t.Context(), noren.Event{Kind: "no.such", Site: "shop"})
		if noren.CodeOf(err) != noren.Invalid || d.Verdict != noren.Block {
			t.Errorf("got %s, %v", d.Verdict, err)
		}
	})
}

// tally is what the journal has of events: entries that are whole, and the
// counted ones with what they stand for.
type tally struct{ whole, counted, of int64 }

func (w *world) tally(site string, kind noren.Kind) (n tally) {
	for _, e := range w.entries(site) {
		switch {
		case e.Event.Kind != kind:
		case e.Count == 1 && e.Event.ID != "" && len(e.Event.ID) < 12: // the tests' own ids are short
			n.whole++
		default:
			n.counted++
			n.of += e.Count
		}
	}
	return n
}

// The first ten per client, kind and rule in a minute are whole, the rest is
// one number; every one of them counts in the facts.
func TestSampling(t *testing.T) {
	tests := []struct {
		site   string
		events int
		event  func(i int) noren.Event
		kind   noren.Kind
		want   tally
	}{
		{"ten-blocks", 10, func(i int) noren.Event { return blocked(id(i), client, noren.CauseForbidden, "git") }, noren.HTTPBlocked, tally{10, 0, 0}},
		{"eleven-blocks", 11, func(i int) noren.Event { return blocked(id(i), client, noren.CauseForbidden, "git") }, noren.HTTPBlocked, tally{10, 1, 1}},
		{"a-thousand-blocks", 1000, func(i int) noren.Event { return blocked(id(i), client, noren.CauseForbidden, "git") }, noren.HTTPBlocked, tally{10, 1, 990}},
		{"three-rules", 300, func(i int) noren.Event {
			return blocked(id(i), client, noren.CauseForbidden, []string{"git", "env", "sql"}[i%3])
		}, noren.HTTPBlocked, tally{30, 3, 270}},
		{"a-ban-is-one-rule-whichever-it-is", 300, func(i int) noren.Event { return blocked(id(i), client, noren.CauseBan, id(i)) }, noren.HTTPBlocked, tally{10, 1, 290}},
		{"three-clients", 300, func(i int) noren.Event {
			return blocked(id(i), fmt.Sprint("203.0.113.", i%3), noren.CauseForbidden, "git")
		}, noren.HTTPBlocked, tally{30, 3, 270}},
		{"failed-sign-ins", 200, func(i int) noren.Event { return answered(id(i), "a"+id(i), "hanako", false) }, noren.LoginOutcome, tally{10, 1, 190}},
		{"refused-sign-ins", 50, func(i int) noren.Event { return login(id(i), "hanako") }, noren.LoginAttempt, tally{13, 1, 37}}, // 3 allowed ones first
		{"scored-requests", 50, scored, noren.HTTPRequest, tally{10, 1, 40}},
		{"limited-requests", 50, func(i int) noren.Event { return request(id(i), "/odd") }, noren.HTTPRequest, tally{10, 1, 40}},
		{"ordinary-requests", 5000, func(i int) noren.Event { return request(id(i), "/products/12") }, noren.HTTPRequest, tally{0, 1, 5000}},
	}
	each(t, setup{}, func(t *testing.T, w *world) {
		for _, tt := range tests {
			for i := range tt.events {
				ev := tt.event(i)
				ev.Site = tt.site
				w.decide(ev)
			}
			w.Flush(t.Context())
			if got := w.tally(tt.site, tt.kind); got != tt.want {
				t.Errorf("%s: the journal has %+v, want %+v", tt.site, got, tt.want)
			}
		}
	})
}

func id(i int) string { return fmt.Sprint("e", i) }

func scored(i int) noren.Event {
	ev := request(id(i), "/search")
	ev.Payload.(*noren.Request).Score = 3
	ev.Payload.(*noren.Request).Hits = []noren.Hit{{Rule: 942100, Field: "ARGS:q", Score: 3}}
	return ev
}

// Ordinary requests are counted per zone and minute and say nothing of visitors.
func TestRequestsAreCountedPerZoneAndMinute(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		end := w.run()
		for i := range 180 { // three minutes, one request a second
			ev := request(id(i), "/")
			ev.Entities["address"] = fmt.Sprintf("203.0.113.%d", i%50)
			if i%3 == 0 {
				ev.Zone = noren.ZoneSearch
			}
			w.decide(ev)
			time.Sleep(time.Second)
		}
		end()
		var total int64
		minutes := map[string]bool{}
		for _, e := range w.entries("shop") {
			total += e.Count
			key := fmt.Sprint(e.Event.Zone, e.Event.At.Truncate(time.Minute))
			if minutes[key] || len(e.Event.Entities) != 0 || e.Decision.Verdict != noren.Allow {
				t.Errorf("entry %+v: more than one of a zone and minute, or it names a visitor", e)
			}
			minutes[key] = true
		}
		if total != 180 || len(minutes) != 6 && len(minutes) != 8 { // three or four minutes are touched
			t.Errorf("%d requests in %d entries, want 180 in 6 or 8", total, len(minutes))
		}
	})
}

// A counted entry belongs to the minute of its events and is written soon after.
func TestCountedEntriesLeaveWithTheirMinute(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + 30*time.Second))) // half past a minute
		end := w.run()
		defer end()
		half := time.Now()
		for i := range 20 {
			w.decide(blocked(id(i), client, noren.CauseForbidden, "git"))
		}
		time.Sleep(29 * time.Second)
		if got := w.tally("shop", noren.HTTPBlocked); got != (tally{10, 0, 0}) {
			t.Errorf("before the minute ended: %+v", got)
		}
		time.Sleep(3 * time.Second)
		for i := range 5 {
			w.decide(blocked(id(100+i), client, noren.CauseForbidden, "git"))
		}
		if got := w.tally("shop", noren.HTTPBlocked); got != (tally{15, 1, 10}) {
			t.Errorf("after it: %+v, want the rest as one number and whole entries again", got)
		}
		for _, e := range w.entries("shop") {
			if e.Count > 1 && (!e.Event.At.Equal(half) || e.Event.Entities["address"] != client || e.Rule != "must_be_403:git" || e.Decision.Verdict != noren.Block) {
				t.Errorf("counted entry %+v", e)
			}
		}
	})
}

// long is as much as a client can write into one blocked request.
func long(i int, address string) noren.Event {
	ev := blocked(id(i), address, noren.CauseWAF, "942100")
	ev.Payload.(*noren.Blocked).Request = noren.Request{
		Method: "POST", Host: strings.Repeat("h", 253), Path: "/" + strings.Repeat("p", 1023), Query: strings.Repeat("q", 1024),
		UserAgent: strings.Repeat("u", 512), Referer: strings.Repeat("r", 512), Protocol: "HTTP/1.1", Score: 40,
		Hits: []noren.Hit{{Rule: 942100, Field: "ARGS:q", Value: strings.Repeat("v", 128), Msg: "SQL Injection Attack Detected via libinjection", Score: 5}, {Rule: 941100, Field: "ARGS:q", Value: strings.Repeat("v", 128), Msg: "XSS Attack Detected via libinjection", Score: 5}},
	}
	return ev
}

// A flood stays within its budget on disk whoever sends it: at most 100 MiB in
// an hour, every event counted.
func TestFloodBudget(t *testing.T) {
	const events, lasts, budget = 100_000, 3 * time.Minute, 100 << 20
	for _, tt := range []struct {
		name    string
		clients int
		event   func(i int, address string) noren.Event
	}{
		{"one client", 1, func(i int, a string) noren.Event { return blocked(id(i), a, noren.CauseLimit, "pages") }},
		{"5,000 clients", 5000, func(i int, a string) noren.Event { return blocked(id(i), a, noren.CauseLimit, "pages") }},
		{"5,000 banned clients", 5000, func(i int, a string) noren.Event { return blocked(id(i), a, noren.CauseBan, "01J"+a+"/attack/ban") }},
		{"5,000 clients with long requests", 5000, long},
		{"5,000 clients, a hundred rules in every zone", 5000, func(i int, a string) noren.Event {
			ev := blocked(id(i), a, noren.CauseWAF, fmt.Sprint(942100+i%97))
			ev.Zone = []noren.Zone{noren.ZoneStorefront, noren.ZoneSearch, noren.ZoneLogin, noren.ZoneCart, noren.ZoneAdmin}[i%5]
			return ev
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := dbtest.URL(t, db.SQLite)
			synctest.Test(t, func(t *testing.T) {
				w := start(t, url, setup{policies: quiet})
				end := w.run()
				for i := range events {
					c := i % tt.clients
					w.decide(tt.event(i, fmt.Sprintf("198.18.%d.%d", c/250, c%250)))
					time.Sleep(lasts / events)
				}
				end()
				wantBudget(t, w, events, int64(lasts/time.Minute)+1, budget/20)
			})
		})
	}
}

// quiet are policies that have nothing to say about blocked requests.
var quiet = []string{pol("odd-path", "http.request", `request.path.startsWith("/odd")`, "limit", "request.path: /odd")}

// wantBudget compares what is stored with what an hour may have for each minute
// that was touched.
func wantBudget(t *testing.T, w *world, events, minutes, perThreeMinutes int64) {
	t.Helper()
	if err := w.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n, of, bytes, tokens int64
	if err := w.d.Read().QueryRow(`SELECT count(*), sum(count), sum(length(body)) FROM journal_entries`).Scan(&n, &of, &bytes); err != nil {
		t.Fatal(err)
	}
	if err := w.d.Read().QueryRow(`SELECT count(*) FROM journal_tokens`).Scan(&tokens); err != nil {
		t.Fatal(err)
	}
	var pages, size int64
	w.d.Read().QueryRow(`PRAGMA page_count`).Scan(&pages)
	w.d.Read().QueryRow(`PRAGMA page_size`).Scan(&size)
	t.Logf("%d entries in at most %d minutes, %d KiB of leaves, %d search tokens, %d KiB of database; at this rate an hour has %d MiB", n, minutes, bytes>>10, tokens, pages*size>>10, pages*size*20>>20)
	if of != events {
		t.Errorf("the journal counts %d events, want %d", of, events)
	}
	if most := minutes * 1010; n > most {
		t.Errorf("%d entries in %d minutes, want %d at most", n, minutes, most)
	}
	if got := pages * size; got > perThreeMinutes {
		t.Errorf("three minutes of flood take %d bytes, want %d at most (100 MiB an hour)", got, perThreeMinutes)
	}
}

// What the journal's full queue does not take is counted, and nobody waits for
// it longer than the deadline.
func TestFullQueueCountsInstead(t *testing.T) {
	url := dbtest.URL(t, db.SQLite)
	synctest.Test(t, func(t *testing.T) {
		w := start(t, url, setup{})
		w.faults.set(db.Fault{Fail: true})
		for i := range 16_500 { // the queue has room for 16,384
			_ = w.journal.Post(full(t), noren.Entry{Event: noren.Event{ID: fmt.Sprint("f", i), Kind: noren.ClockStep, At: noren.At(time.Now()), Payload: &noren.ClockJump{}},
				Count: 1, Decision: noren.Decision{Verdict: noren.Allow}})
		}
		began := time.Now()
		d := w.decide(blocked("b", client, noren.CauseForbidden, "git"))
		if took := time.Since(began); d.Verdict != noren.Block || took > 20*time.Millisecond {
			t.Errorf("block: %s after %v", d.Verdict, took)
		}
		began = time.Now()
		d, err := w.Decide(t.Context(), order("o", "hanako"))
		if took := time.Since(began); noren.CodeOf(err) != noren.Unavailable || d.Verdict != noren.Review || took > 500*time.Millisecond {
			t.Errorf("order: %s, %v after %v; want review and that it is not recorded", d.Verdict, err, took)
		}
		end := w.run()
		time.Sleep(2 * time.Second)
		began = time.Now()
		end()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the loop took %v to end", took)
		}
		w.faults.heal()
		eventually(t, "the queue empties", func() bool { return w.journal.Flush(t.Context()) == nil })
		w.Flush(t.Context())
		if got := w.tally("shop", noren.HTTPBlocked); got != (tally{0, 1, 1}) {
			t.Errorf("journal has %+v of the block, want it as a number", got)
		}
	})
}

// full is a context for a queue that may be full: it has no patience.
func full(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
