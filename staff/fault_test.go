package staff

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// Every write statement and commit of a change fails in turn, before or after it
// was done. Whatever the answer was, a person is there whole or not at all, a link
// is used with them or not at all, and trying again leads to the same end.
func TestFaultsLeaveNothingHalfDone(t *testing.T) {
	for _, kind := range []db.Fault{{Fail: true}, {FailPersisted: true}} {
		each(t, func(w *world) {
			for at := int64(1); ; at++ {
				var armed atomic.Bool
				var n atomic.Int64
				d := dbtest.OpenURL(w.T, db.Options{URL: w.url, Faults: func(db.FaultPoint) db.Fault {
					if armed.Load() && n.Add(1) == at {
						return kind
					}
					return db.Fault{}
				}})
				s := w.node(d, quick)
				mail := noren.NewID(time.Now()) + "@example.jp"
				token := w.link(w.Invite(w.Context(), machine, mail, Grants{"tea": Viewer}))
				p := &someone{w: w, password: "hachi no ji ni tobu", secret: NewSecret()}
				j := Joining{Name: "八", Mail: mail, Password: p.password, Secret: p.secret, Code: p.code(), Address: home}
				armed.Store(true)
				_, err := s.Join(w.Context(), token, j)
				armed.Store(false)
				if err == nil && n.Load() < at {
					return // no fault point was left
				}
				_, link := w.Link(w.Context(), token)
				who, missing := w.ByMail(w.Context(), mail)
				if (link == nil) != (missing != nil) {
					w.Fatalf("fault %+v at %d: link usable %v, person there %v", kind, at, link == nil, missing == nil)
				}
				if missing != nil {
					_, err = s.Join(w.Context(), token, j)
					w.must(err)
					who, err = w.ByMail(w.Context(), mail)
					w.must(err)
				}
				p.Session.Person = who
				w.clock.pass(time.Hour)
				_, err = p.signIn(s, "")
				w.must(err)
				if who, err = w.Person(w.Context(), who.ID); err != nil || who.Roles["tea"] != Viewer || who.RecoveryLeft != recoveryCodes {
					w.Fatalf("fault %+v at %d: %+v, %v", kind, at, who, err)
				}
			}
		})
	}
}

// A change that was recorded and could not be stored is recorded as not made.
func TestWhatWasNotStoredIsToldAsNotMade(t *testing.T) {
	each(t, func(w *world) {
		w.owner()
		p := w.invited("p@example.jp", Grants{"tea": Viewer})
		var armed atomic.Bool
		s := w.node(dbtest.OpenURL(w.T, db.Options{URL: w.url, Faults: func(at db.FaultPoint) db.Fault {
			return db.Fault{Fail: armed.Load() && at.Op == "commit"}
		}}), quick)
		armed.Store(true)
		w.code(s.Remove(w.Context(), machine, p.id()), noren.Unavailable)
		did := w.log.did()
		if did[len(did)-2] != "staff.remove" || did[len(did)-1] != "staff.remove.failed" {
			w.Fatalf("recorded %v", did)
		}
		if _, err := w.Session(w.Context(), p.Token); err != nil {
			w.Fatal(err)
		}
	})
}

// Whoever is active on one node all day is not idle on another that saw them in
// the morning.
func TestIdleIsOverAllNodes(t *testing.T) {
	each(t, func(w *world) {
		ctx, p := w.Context(), w.owner()
		far := w.other()
		_, err := far.Session(ctx, p.Token)
		w.must(err)
		for range 14 {
			w.clock.pass(time.Hour)
			_, err := w.Session(ctx, p.Token)
			w.must(err)
			w.flush(ctx)
		}
		_, err = far.Session(ctx, p.Token)
		w.must(err)
	})
}

func TestDangerousChangesAskForTheSecondFactorAgain(t *testing.T) {
	each(t, func(w *world) {
		ctx, p := w.Context(), w.owner()
		w.clock.pass(time.Hour)
		by := By{Person: p.id(), Address: home}
		if _, err := w.NewRecoveryCodes(ctx, &p.Session, by); !errors.Is(err, ErrConfirm) {
			w.Fatal(err)
		}
		if err := w.ChangeFactor(ctx, &p.Session, by, NewSecret(), "000000"); !errors.Is(err, ErrConfirm) {
			w.Fatal(err)
		}
		for range 10 {
			w.code(w.Reconfirm(ctx, &p.Session, by, "000000"), noren.Denied)
		}
		if _, slow := errors.AsType[*Slow](w.Reconfirm(ctx, &p.Session, by, p.code())); !slow {
			w.Fatal("codes can be guessed within a session")
		}
		if did := w.log.did(); did[len(did)-1] != "totp:wrong_code" {
			w.Fatalf("%v", did)
		}
		w.clock.pass(time.Minute)
		w.must(w.Reconfirm(ctx, &p.Session, by, p.code()))
		x, err := w.Session(ctx, p.Token)
		w.must(err)
		_, err = w.NewRecoveryCodes(ctx, x, by)
		w.must(err)
	})
}

// The clock of the machine goes an hour back and forth: nobody is locked out for
// longer than that, and no code counts twice.
func TestClockSteps(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		w.clock.pass(2 * time.Hour)
		used := p.code()
		_, err := p.signIn(w.Staff, p.browser)
		w.must(err)
		w.clock.pass(-time.Hour)
		if _, err := w.Session(ctx, p.Token); err != nil {
			w.Fatal("signed out by a clock", err)
		}
		pending, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Device: p.browser, Address: home})
		w.must(err)
		in, err := w.SecondFactor(ctx, Answer{Ticket: pending.Ticket, Browser: pending.Browser, Code: p.RecoveryCodes[0], Device: p.browser, Address: home})
		w.must(err) // a recovery code does, whatever the time
		if w.Confirmed(&in.Session, time.Minute) != true {
			w.Fatal("confirmed just now")
		}
		w.clock.pass(time.Hour)
		pending, err = w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Device: p.browser, Address: home})
		w.must(err)
		_, err = w.SecondFactor(ctx, Answer{Ticket: pending.Ticket, Browser: pending.Browser, Code: used, Device: p.browser, Address: home})
		w.code(err, noren.Denied)
		w.clock.pass(time.Minute)
		_, err = p.signIn(w.Staff, p.browser)
		w.must(err)
	})
}

func BenchmarkSession(b *testing.B) {
	s, token := signedIn(b)
	for b.Loop() {
		if _, err := s.Session(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// signedIn is an owner by the machine's clock.
func signedIn(b *testing.B) (*Staff, string) {
	d := dbtest.Open(b, db.SQLite)
	s, err := Open(Options{
		DB: d, Cost: quick,
		Secrets: func(context.Context) ([][]byte, error) { return [][]byte{make([]byte, 32)}, nil },
		Token:   func(field, value string) []byte { return hashToken(field, []byte(value))[:16] },
	})
	if err != nil {
		b.Fatal(err)
	}
	s.RaiseTo(&recorder{verdict: noren.Allow})
	l, err := s.OwnerLink(b.Context(), machine)
	if err != nil {
		b.Fatal(err)
	}
	secret := NewSecret()
	raw, _ := parseSecret(secret)
	in, err := s.Join(b.Context(), l.Token, Joining{Name: "店主", Mail: "o@example.jp", Password: "hachi no ji ni tobu", Secret: secret, Code: code(raw, stepOf(time.Now()), totpDigits)})
	if err != nil {
		b.Fatal(err)
	}
	return s, in.Token
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		hashPassword(goodPassword, DefaultCost())
	}
}

// dying is a loop whose process is killed as soon as an act is recorded.
type dying struct{ *recorder }

func (d dying) Decide(ctx context.Context, ev noren.Event) (noren.Decision, error) {
	out, err := d.recorder.Decide(ctx, ev)
	if err == nil {
		runtime.Goexit()
	}
	return out, err
}

// Killed between the record and the change: the record tells what was asked for, the
// change is not there, nothing half of it either, and after the restart the same act
// is made and recorded again.
func TestKilledBetweenRecordAndChange(t *testing.T) {
	each(t, func(w *world) {
		w.owner()
		p := w.invited("p@example.jp", Grants{"tea": Viewer})
		token := w.link(w.Invite(w.Context(), machine, "q@example.jp", Grants{"tea": Viewer}))
		q := &someone{w: w, password: "hachi no ji ni tobu", secret: NewSecret()}
		joining := Joining{Name: "八", Mail: "q@example.jp", Password: q.password, Secret: q.secret, Code: q.code(), Address: home}
		steps := []struct {
			act  string
			do   func(*Staff) error
			made func() bool
		}{
			{actRole, func(s *Staff) error { return s.SetRole(w.Context(), machine, p.id(), "rice", Viewer) }, func() bool {
				who, err := w.Person(w.Context(), p.id())
				w.must(err)
				return who.Roles["rice"] == Viewer
			}},
			{actJoin, func(s *Staff) error { _, err := s.Join(w.Context(), token, joining); return err }, func() bool {
				_, there := w.ByMail(w.Context(), "q@example.jp")
				_, link := w.Link(w.Context(), token)
				if (there == nil) == (link == nil) {
					w.Fatalf("person there: %v, link open: %v", there == nil, link == nil)
				}
				return there == nil
			}},
			{actRemove, func(s *Staff) error { return s.Remove(w.Context(), machine, p.id()) }, func() bool {
				who, err := w.Person(w.Context(), p.id())
				w.must(err)
				return !who.RemovedAt.IsZero()
			}},
		}
		for _, x := range steps {
			before := len(w.log.did())
			d, err := db.Open(w.Context(), db.Options{URL: w.url})
			w.must(err)
			s := w.node(d, quick)
			s.RaiseTo(dying{w.log})
			done := make(chan struct{})
			go func() { defer close(done); x.do(s) }()
			<-done
			w.must(d.Close())
			if got := w.log.did()[before:]; !slices.Equal(got, []string{x.act}) || x.made() {
				w.Fatalf("%s, killed: recorded %v, made %v", x.act, got, x.made())
			}
			w.must(x.do(w.other()))
			if got := w.log.did()[before:]; got[1] != x.act || slices.Contains(got, x.act+actNotMadeMark) || !x.made() {
				w.Fatalf("%s, again: recorded %v, made %v", x.act, got, x.made())
			}
		}
	})
}
