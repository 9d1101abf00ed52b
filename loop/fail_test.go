package loop_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/orient"
)

// trouble is a source of facts that can be slow or panic.
type trouble struct {
	slow   atomic.Int64 // nanoseconds
	panics atomic.Bool
}

func (s *trouble) Facts() []noren.Fact {
	return []noren.Fact{{Name: "trouble.level", Type: noren.Int, Meaning: noren.Text{Ja: "試験", En: "test"}}}
}

func (s *trouble) Read(ctx context.Context, _ *noren.Event, into noren.Facts) error {
	if s.panics.Load() {
		panic("no such shelf")
	}
	select {
	case <-time.After(time.Duration(s.slow.Load())):
	case <-ctx.Done():
		return ctx.Err()
	}
	into["trouble.level"] = int64(1)
	return nil
}

// asking are policies that ask for the source at every kind that is decided.
var asking = []string{pol("asks", "http.request, http.blocked, tls.probe, http.logged, http.exposed, http.answered, mail.login, mail.refused, account.login.attempt, account.login.outcome, account.changed, order.placed, payment.attempt, payment.outcome, staff.login, staff.action",
	"trouble.level >= 9", "hold", "trouble.level: 9")}

// oneOfEach is an event of every kind, and the verdict of its failure side.
func oneOfEach() map[noren.Verdict][]noren.Event {
	of := func(k noren.Kind, p noren.Payload) noren.Event {
		return noren.Event{ID: strings.ReplaceAll(string(k), ".", "-"), Kind: k, Site: "shop", Entities: noren.Entities{"account": "hanako"}, Payload: p}
	}
	return map[noren.Verdict][]noren.Event{
		noren.Allow: {of(noren.HTTPRequest, &noren.Request{}), of(noren.HTTPLogged, &noren.Request{}), of(noren.HTTPExposed, &noren.Request{}), of(noren.HTTPAnswered, &noren.Request{}),
			of(noren.MailLogin, &noren.MailSignIn{}), of(noren.MailRefused, &noren.MailRefusal{}), of(noren.LoginOutcome, &noren.LoginResult{Success: true}), of(noren.AccountChanged, &noren.AccountChange{}),
			of(noren.PaymentAttempt, &noren.Payment{Amount: noren.Yen(1)}), of(noren.PaymentOutcome, &noren.PaymentResult{Amount: noren.Yen(1)}), of(noren.ClockStep, &noren.ClockJump{}), of(noren.UpstreamChange, &noren.ServerState{}), of(noren.CertState, &noren.CertificateState{})},
		noren.StepUp: {of(noren.LoginAttempt, &noren.Login{})},
		noren.Review: {of(noren.OrderPlaced, &noren.Order{Total: noren.Yen(1)})},
		noren.Block: {of(noren.StaffLogin, &noren.StaffSignIn{}), of(noren.StaffAction, &noren.Operation{}), of(noren.SettingsChange, &noren.SettingsVersion{}), of(noren.BanChange, &noren.BanEntry{}), of(noren.ModeChange, &noren.SiteModeChange{}),
			of(noren.EmergencyEvent, &noren.EmergencySwitch{}), of(noren.PlaceChange, &noren.PlaceEntry{}), of(noren.AccessOpened, &noren.AccessOpening{}),
			of(noren.HTTPBlocked, &noren.Blocked{Cause: noren.CauseWAF}), of(noren.TLSProbe, &noren.TLSProbing{Probe: "heartbleed"})}, // open, but what was stopped stays stopped
		noren.Limit: {of(noren.HTTPBlocked, &noren.Blocked{Cause: noren.CauseLimit})},
	}
}

// eachKind calls f with one event of every kind, its declaration and the
// verdict of its failure side.
func eachKind(f func(ev noren.Event, info noren.KindInfo, side noren.Verdict)) {
	for side, events := range oneOfEach() {
		for i, ev := range events {
			ev.ID = fmt.Sprint(ev.ID, i)
			info := must(ev.Kind.Info())
			f(ev, info, side)
		}
	}
}

func TestOneOfEachIsOneOfEach(t *testing.T) {
	seen := map[noren.Kind]bool{}
	eachKind(func(ev noren.Event, _ noren.KindInfo, _ noren.Verdict) { seen[ev.Kind] = true })
	for _, k := range noren.Kinds() {
		if !seen[k.Kind] {
			t.Errorf("no event of kind %s", k.Kind)
		}
	}
}

// Facts that come too late: the kind's side answers at the deadline.
func TestSlowFacts(t *testing.T) {
	src := &trouble{}
	each(t, setup{policies: asking, sources: []orient.Source{src}}, func(t *testing.T, w *world) {
		src.slow.Store(int64(time.Minute))
		defer src.slow.Store(0)
		eachKind(func(ev noren.Event, info noren.KindInfo, side noren.Verdict) {
			if info.Operational {
				return // asks for no facts
			}
			began := time.Now()
			d := w.decide(ev)
			if took := time.Since(began); took != info.Deadline {
				t.Errorf("%s: answered after %v, want %v", ev.Kind, took, info.Deadline)
			}
			if d.Verdict != side || d.Fault != "deadline" || !d.Degraded {
				t.Errorf("%s: %s, fault %q, degraded %t; want %s for the deadline", ev.Kind, d.Verdict, d.Fault, d.Degraded, side)
			}
			w.Flush(t.Context())
			wantRecorded(t, w, ev, d)
		})
	})
}

// wantRecorded wants the answer in the journal, under the event's own entry or
// one that follows up on it.
func wantRecorded(t *testing.T, w *world, ev noren.Event, d noren.Decision) {
	t.Helper()
	for _, e := range w.entries("shop") {
		if (e.Event.ID == ev.ID || e.Event.AttemptID == ev.ID) && e.Decision.Verdict == d.Verdict && e.Decision.Fault == d.Fault {
			return
		}
	}
	t.Errorf("%s: no entry says that %s was answered for %q", ev.Kind, d.Verdict, d.Fault)
}

// An entry that is not durable in time: the side answers, and a second entry
// says so. Counted and sampled kinds do not wait for the journal at all.
func TestSlowJournal(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		eachKind(func(ev noren.Event, info noren.KindInfo, side noren.Verdict) {
			w.faults.commits(db.Fault{Delay: info.Deadline + time.Millisecond})
			defer w.faults.heal()
			began := time.Now()
			d := w.decide(ev)
			took := time.Since(began)
			if info.Recording != noren.RecordFirst {
				if took != 0 || d.Fault != "" {
					t.Errorf("%s waited %v for the journal, fault %q", ev.Kind, took, d.Fault)
				}
				return
			}
			if took != info.Deadline || d.Verdict != side || d.Fault != "deadline" || len(d.Actions) != 0 {
				t.Errorf("%s: %s after %v, fault %q; want %s after %v", ev.Kind, d.Verdict, took, d.Fault, side, info.Deadline)
			}
			wantRecorded(t, w, ev, d)
			if !w.has(ev.ID) {
				t.Errorf("%s: the entry itself did not commit later", ev.Kind)
			}
		})
		if !w.heard.have("slower than the deadline") {
			t.Error("no alarm")
		}
	})
}

// A ban whose record came too late is not carried out by Decide; it is as soon as
// the record stands.
func TestLateRecordIsActedOn(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.decide(blocked("e-1", client, noren.CauseWAF, "942100"))
		w.decide(blocked("e-2", client, noren.CauseWAF, "942100"))
		w.entries("shop")
		w.faults.commits(db.Fault{Delay: 50 * time.Millisecond})
		d := w.decide(blocked("e", client, noren.CauseWAF, "942100"))
		if d.Verdict != noren.Block || d.Fault != "deadline" || len(d.Actions) != 0 || len(w.bans.ids()) != 0 {
			t.Errorf("decision %+v, acted %v", d, w.bans.ids())
		}
		w.faults.heal()
		eventually(t, "the ban follows", func() bool { return len(w.bans.ids()) == 1 && w.marked("e/attack/ban") })
	})
}

// A database that is away and no spool: what must be recorded first is
// answered by the side and not counted; the rest waits in memory.
func TestJournalThatCannotRecord(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		unrecorded := map[string]bool{}
		w.faults.set(db.Fault{Fail: true})
		eachKind(func(ev noren.Event, info noren.KindInfo, side noren.Verdict) {
			began := time.Now()
			d, err := w.Decide(t.Context(), ev)
			if took := time.Since(began); took > info.Deadline {
				t.Errorf("%s took %v, over its deadline of %v", ev.Kind, took, info.Deadline)
			}
			switch {
			case info.Recording != noren.RecordFirst:
				if err != nil || d.Fault != "" {
					t.Errorf("%s: fault %q, %v", ev.Kind, d.Fault, err)
				}
				return
			case err == nil && d.Fault == "deadline": // the follow-up waits in memory
			case noren.CodeOf(err) == noren.Unavailable && d.Fault == "not recorded":
				unrecorded[ev.ID] = true
			default:
				t.Errorf("%s: fault %q, %v", ev.Kind, d.Fault, err)
			}
			if d.Verdict != side {
				t.Errorf("%s: %s, want %s", ev.Kind, d.Verdict, side)
			}
		})
		if len(unrecorded) == 0 || !w.heard.have("could not be recorded") {
			t.Errorf("%d events not recorded; want some, with an alarm", len(unrecorded))
		}
		w.faults.heal()
		w.Flush(t.Context())
		eventually(t, "the queue is written", func() bool { return w.journal.Flush(t.Context()) == nil })
		for _, e := range w.written("shop") {
			if unrecorded[e.Event.ID] {
				t.Errorf("%s is in the journal although Decide said it is not", e.Event.ID)
			}
		}
	})
}

// An order that could not be recorded does not count.
func TestUnrecordedEventsAreGivenBack(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.decide(order("o1", "hanako"))
		w.faults.set(db.Fault{Fail: true})
		for i := range 5 {
			if d, err := w.Decide(t.Context(), order(fmt.Sprint("lost", i), "hanako")); noren.CodeOf(err) != noren.Unavailable || d.Verdict != noren.Review || d.Fault != "not recorded" {
				t.Fatalf("decision %+v, %v", d, err)
			}
		}
		w.faults.heal()
		if d := w.decide(order("o2", "hanako")); d.Verdict != noren.Allow {
			t.Errorf("the second recorded order is %s: those that were not recorded count", d.Verdict)
		}
		if d := w.decide(order("o3", "hanako")); d.Verdict != noren.Review {
			t.Errorf("the third recorded order is %s, want review", d.Verdict)
		}
	})
}

// With a spool the same outage costs nobody anything.
func TestSpooledEventsCountAndArrive(t *testing.T) {
	each(t, setup{spool: t.TempDir()}, func(t *testing.T, w *world) {
		w.decide(order("o1", "hanako"))
		w.faults.set(db.Fault{Fail: true})
		for _, tt := range []struct {
			id   string
			want noren.Verdict
		}{{"o2", noren.Allow}, {"o3", noren.Review}} {
			if d := w.decide(order(tt.id, "hanako")); d.Verdict != tt.want || d.Fault != "" {
				t.Errorf("%s while the database is away: %s, fault %q; want %s", tt.id, d.Verdict, d.Fault, tt.want)
			}
		}
		if entries, _ := w.journal.Spooled(); entries != 2 {
			t.Errorf("%d entries in the spool, want 2", entries)
		}
		w.faults.heal()
		eventually(t, "the spool is drained", func() bool { entries, _ := w.journal.Spooled(); return entries == 0 })
		if !w.has("o2") || !w.has("o3") {
			t.Error("spooled orders did not arrive in the journal")
		}
		w.restart()
		if d := w.decide(order("o4", "hanako")); d.Verdict != noren.Review {
			t.Errorf("after a restart the fourth order is %s: the spooled ones do not count", d.Verdict)
		}
	})
}

// A panic while deciding: the side answers, an alarm is raised, the next event
// is decided as ever.
func TestPanicWhileDeciding(t *testing.T) {
	src := &trouble{}
	each(t, setup{policies: asking, sources: []orient.Source{src}}, func(t *testing.T, w *world) {
		eachKind(func(ev noren.Event, info noren.KindInfo, side noren.Verdict) {
			if info.Operational {
				return
			}
			src.panics.Store(true)
			d := w.decide(ev)
			if d.Verdict != side || d.Fault != "panic" || d.Policies == "" || d.EventID != ev.ID {
				t.Errorf("%s: %+v, want %s for the panic", ev.Kind, d, side)
			}
			wantRecorded(t, w, ev, d)
			src.panics.Store(false)
			ev.ID += "-next"
			if d := w.decide(ev); d.Fault != "" || d.Verdict != ev.Given() {
				t.Errorf("%s after the panic: %+v", ev.Kind, d)
			}
		})
		if !w.heard.have("decision panicked") {
			t.Error("no alarm")
		}
	})
}

// A visitor who hangs up changes nothing: what happened is decided and recorded.
func TestVisitorWhoHangsUp(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ev := range []noren.Event{login("l", "hanako"), order("o", "hanako"), staffLogin("s", false)} {
			d, err := w.Decide(gone, ev)
			if err != nil || d.Verdict != noren.Allow || d.Fault != "" {
				t.Errorf("%s: %+v, %v", ev.Kind, d, err)
			}
			if !w.has(ev.ID) {
				t.Errorf("%s is not recorded", ev.Kind)
			}
		}
		if n := w.heard.count(); n != 0 {
			t.Errorf("%d alarms", n)
		}
	})
}
