package loop_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"noren"
)

var growing = []string{pol("overrun", "http.blocked", `blocked.step == "ban"`, "block", "blocked.step: ban", "    ban: {entity: address, for: 10m, up_to: 1h}\n    alarm: high\n")}

// overrun is a client that a limit has had enough of; the ban that follows is
// reported as the gateway's lists do.
func overrun(w *world, id, address string) noren.Action {
	w.t.Helper()
	ev := noren.Event{ID: id, Kind: noren.HTTPBlocked, Site: "shop", Entities: noren.Entities{"address": address},
		Payload: &noren.Blocked{Cause: noren.CauseLimit, Rule: "flood", Step: "ban", By: "address", Status: 403}}
	d := w.decide(ev)
	if len(d.Actions) != 1 {
		w.t.Fatalf("%s: actions %+v", id, d.Actions)
	}
	a := d.Actions[0]
	change(w, a.ID, "set", address, a.Until)
	return a
}

func change(w *world, id, op, address string, until noren.Time) {
	w.t.Helper()
	w.decide(noren.Event{ID: id + "-" + op, Kind: noren.BanChange, Site: "shop", Entities: noren.Entities{"address": address},
		Payload: &noren.BanEntry{List: "ban", Op: op, Prefix: address + "/32", Until: until, Author: "policy:overrun", Reason: "reason"}})
}

// A ban doubles for who comes back, the same on a restarted process; it is the
// first time again for whom a person let go and for who was quiet for a week,
// and never a neighbour's. The journal decided again says the same.
func TestBansGrowAndAreForgotten(t *testing.T) {
	each(t, setup{policies: growing}, func(t *testing.T, w *world) {
		const neighbour = "203.0.113.200"
		n := 0
		lasts := func(address string) time.Duration {
			n++
			a := overrun(w, fmt.Sprint("e", n), address)
			return time.Until(a.Until.Time).Round(time.Minute)
		}
		for i, want := range []time.Duration{10, 20, 40, 60, 60} {
			if got := lasts(client); got != want*time.Minute {
				t.Errorf("ban %d lasts %s, want %d minutes", i+1, got, want)
			}
			time.Sleep(61 * time.Minute)
			if i == 1 {
				w.restart()
			}
		}
		if got := lasts(neighbour); got != 10*time.Minute {
			t.Errorf("a neighbour is banned for %s", got)
		}
		change(w, "by-hand", "lift", client, noren.Time{})
		time.Sleep(time.Minute)
		if got := lasts(client); got != 10*time.Minute {
			t.Errorf("after a person lifted the ban: %s", got)
		}
		time.Sleep(time.Hour)
		w.restart()
		if got := lasts(client); got != 20*time.Minute {
			t.Errorf("restarted: %s", got)
		}
		time.Sleep(8 * 24 * time.Hour)
		if got := lasts(client); got != 10*time.Minute {
			t.Errorf("after a quiet week: %s", got)
		}

		rep := w.replay()
		for _, e := range w.entries("shop") {
			if e.Event.Kind == noren.BanChange {
				if err := rep.Noted(t.Context(), e.Event); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if len(e.Decision.Actions) == 0 {
				continue
			}
			again, err := rep.Recomputed(t.Context(), e.Event)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := asJSON(t, again.Decision.Actions), asJSON(t, e.Decision.Actions); got != want {
				t.Errorf("%s again:\n%s\nwas\n%s", e.Event.ID, got, want)
			}
			if got := asJSON(t, rep.Recorded(&e)); got != asJSON(t, e.Decision) {
				t.Errorf("%s from its facts:\n%s\nwas\n%s", e.Event.ID, got, asJSON(t, e.Decision))
			}
		}
	})
}

// Requests of one burst that are judged before the ban is in force do not make
// anybody a repeat offender.
func TestABurstIsOneOffence(t *testing.T) {
	each(t, setup{policies: growing}, func(t *testing.T, w *world) {
		for i := range 20 {
			overrun(w, fmt.Sprint("burst", i), client)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(30 * time.Minute)
		a := overrun(w, "later", client)
		if got := time.Until(a.Until.Time).Round(time.Minute); got != 20*time.Minute || a.Repeat != 1 {
			t.Errorf("the second time lasts %s after %d bans", got, a.Repeat)
		}
	})
}

// People are told once a minute for each address and policy.
func TestAlarmsArePolite(t *testing.T) {
	each(t, setup{policies: growing}, func(t *testing.T, w *world) {
		told := func() (n int) {
			w.heard.mu.Lock()
			defer w.heard.mu.Unlock()
			for _, l := range w.heard.lines {
				if strings.Contains(l, "reason") {
					n++
				}
			}
			return n
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		for i := range 30 {
			overrun(w, fmt.Sprint("a", i), client)
		}
		if n := told(); n != 1 {
			t.Errorf("told %d times of one address", n)
		}
		for i := range 300 {
			overrun(w, fmt.Sprint("b", i), fmt.Sprintf("198.51.%d.%d", i/250, i%250))
		}
		if n := told(); n != 200 {
			t.Errorf("told %d times in a minute, want 200", n)
		}
		time.Sleep(time.Minute)
		overrun(w, "c", client)
		if n := told(); n != 201 {
			t.Errorf("told %d times with the next minute", n)
		}
	})
}
