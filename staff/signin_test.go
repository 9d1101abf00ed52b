package staff

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

func TestSignInTakesBothSteps(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		w.clock.pass(time.Hour)
		in, err := p.signIn(w.Staff, "")
		w.must(err)
		x, err := w.Session(ctx, in.Token)
		w.must(err)
		if x.Person.Name != "店主" || !x.May("shop", People) || x.Address != home || !in.NewDevice {
			w.Fatalf("signed in as %+v", x)
		}
		if !w.Confirmed(x, time.Minute) {
			w.Fatal("the second factor was given just now")
		}
		w.clock.pass(10 * time.Minute)
		if w.Confirmed(x, 5*time.Minute) {
			w.Fatal("ten minutes ago is not within five")
		}
		w.must(w.Reconfirm(ctx, x, x.By(home, ""), p.code()))
		x, err = w.Session(ctx, in.Token)
		w.must(err)
		if !w.Confirmed(x, time.Minute) {
			w.Fatal("the second factor was given again")
		}
		w.must(w.SignOut(ctx, x, x.By(home, "")))
		_, err = w.Session(ctx, in.Token)
		w.code(err, noren.Denied)
		want := []string{"staff.owner_link", "staff.join", "link:ok", "totp:ok", "staff.reconfirm", "staff.sign_out"}
		if got := w.log.did(); !slices.Equal(got, want) {
			w.Fatalf("recorded %v, want %v", got, want)
		}
	})
}

func TestNothingTellsWhetherAnAddressIsKnown(t *testing.T) {
	each(t, func(w *world) {
		w.owner()
		_, wrong := w.SignIn(w.Context(), Attempt{Mail: "owner@example.jp", Password: "not this one at all", Address: home})
		_, unknown := w.SignIn(w.Context(), Attempt{Mail: "nobody@example.jp", Password: "not this one at all", Address: home})
		w.code(wrong, noren.Denied)
		if wrong.Error() != unknown.Error() || noren.HintOf(wrong) != noren.HintOf(unknown) {
			w.Fatalf("%q and %q", wrong, unknown)
		}
		for i := range 30 { // and how long they are let try
			_, a := w.SignIn(w.Context(), Attempt{Mail: "owner@example.jp", Password: "no", Address: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})})
			_, b := w.SignIn(w.Context(), Attempt{Mail: "nobody@example.jp", Password: "no", Address: netip.AddrFrom4([4]byte{203, 0, 114, byte(i)})})
			if noren.CodeOf(a) != noren.CodeOf(b) || a.Error() != b.Error() {
				w.Fatalf("try %d: %q and %q", i, a, b)
			}
			w.clock.pass(time.Second)
		}
	})
}

func TestOwnerEntersWhileStrangersGuess(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		w.clock.pass(time.Hour)
		hashed := 0
		for i := range 500 {
			_, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: fmt.Sprintf("guess number %d", i),
				Address: netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})})
			if noren.CodeOf(err) == noren.Denied {
				hashed++
			} else if _, slow := errors.AsType[*Slow](err); !slow && noren.CodeOf(err) != noren.Unavailable {
				w.Fatalf("try %d: %v", i, err)
			}
			w.clock.pass(200 * time.Millisecond) // as fast as strangers are let in at all
		}
		if hashed != 10 {
			w.Errorf("strangers had %d tries in 100 seconds, want 10", hashed)
		}
		if _, err := p.signIn(w.Staff, p.browser); err != nil {
			w.Fatalf("the owner, in a known browser: %v", err)
		}
		_, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Address: home})
		if _, slow := errors.AsType[*Slow](err); !slow || noren.HintOf(err) == "" {
			w.Fatalf("the owner, in a new browser, is told to wait and what else helps: %v", err)
		}
		again := w.other() // a restart forgives nothing
		if _, err := again.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: "guess", Address: netip.MustParseAddr("203.0.113.250")}); noren.CodeOf(err) == noren.Denied {
			w.Fatal("another node gave another ten tries")
		}
		w.clock.pass(time.Hour)
		_, err = p.signIn(w.Staff, "")
		w.must(err)
	})
}

// A browser is known for the person who signed in with it, and for nobody else.
func TestKnownBrowserOfAnotherIsAStranger(t *testing.T) {
	each(t, func(w *world) {
		w.owner()
		thief := w.invited("b@example.jp", Grants{"shop": Viewer})
		hashed := 0
		for range 40 {
			w.clock.pass(time.Second)
			if _, err := w.SignIn(w.Context(), Attempt{Mail: "owner@example.jp", Password: "guess", Device: thief.browser, Address: home}); noren.CodeOf(err) == noren.Denied {
				hashed++
			}
		}
		if hashed > 11 {
			w.Fatalf("%d tries", hashed)
		}
	})
}

func TestTenCodesEndATicketAndAnotherTicketGivesNoMore(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		w.clock.pass(time.Hour)
		wrong := 0
		try := func() (over bool) {
			pending, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Device: p.browser, Address: home})
			if err != nil {
				return true
			}
			for range 30 {
				_, err := w.SecondFactor(ctx, Answer{Ticket: pending.Ticket, Browser: pending.Browser, Code: "000000", Address: home})
				if errors.Is(err, ErrTicket) {
					return false
				}
				if _, slow := errors.AsType[*Slow](err); slow {
					return true
				}
				wrong++
			}
			w.Fatal("a ticket took thirty codes")
			return true
		}
		for range 5 {
			try()
		}
		if wrong != 10 {
			w.Fatalf("%d codes compared, want 10", wrong)
		}
	})
}

func TestTicketWorksOnlyInItsBrowserAndForFiveMinutes(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		w.clock.pass(time.Hour)
		first, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Address: home})
		w.must(err)
		second, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Address: home})
		w.must(err)
		for name, a := range map[string]Answer{
			"another browser": {Ticket: first.Ticket, Browser: second.Browser, Code: p.code()},
			"no browser":      {Ticket: first.Ticket, Code: p.code()},
			"exchanged":       {Ticket: first.Browser, Browser: first.Ticket, Code: p.code()},
			"garbage":         {Ticket: "x", Browser: strings.Repeat("A", 43), Code: p.code()},
		} {
			if _, err := w.SecondFactor(ctx, a); !errors.Is(err, ErrTicket) {
				w.Errorf("%s: %v", name, err)
			}
		}
		w.clock.pass(ticketFor)
		if _, err := w.SecondFactor(ctx, Answer{Ticket: first.Ticket, Browser: first.Browser, Code: p.code()}); !errors.Is(err, ErrTicket) {
			w.Errorf("after five minutes: %v", err)
		}
	})
}

// Two nodes are shown the same code at the same moment: one takes it.
func TestACodeCountsOnceOverAllNodes(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		for range 5 {
			w.clock.pass(time.Hour)
			nodes := []*Staff{w.Staff, w.other()}
			var answers []Answer
			for range nodes {
				pending, err := w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Device: p.browser, Address: home})
				w.must(err)
				answers = append(answers, Answer{Ticket: pending.Ticket, Browser: pending.Browser, Code: p.code(), Device: p.browser, Address: home})
			}
			if n := together(nodes, func(i int, s *Staff) error { _, err := s.SecondFactor(ctx, answers[i]); return err }); n != 1 {
				w.Fatalf("%d of two nodes took the same code", n)
			}
		}
	})
}

func TestALinkIsUsedOnceOverAllNodes(t *testing.T) {
	each(t, func(w *world) {
		nodes := []*Staff{w.Staff, w.other(), w.other()}
		token := w.link(w.OwnerLink(w.Context(), machine))
		n := together(nodes, func(i int, s *Staff) error {
			secret := NewSecret()
			_, err := s.Join(w.Context(), token, Joining{Name: "店主", Mail: fmt.Sprintf("p%d@example.jp", i), Password: goodPassword + "を見た",
				Secret: secret, Code: (&someone{w: w, secret: secret}).code()})
			return err
		})
		if n != 1 {
			w.Fatalf("%d joined with one link", n)
		}
		people, err := w.People(w.Context())
		w.must(err)
		if len(people) != 1 {
			w.Fatalf("%d people", len(people))
		}
		joined, failed := 0, 0
		for _, what := range w.log.did() {
			switch what {
			case "staff.join":
				joined++
			case "staff.join.failed":
				failed++
			}
		}
		if joined-failed != 1 {
			w.Fatalf("the record tells of %d who joined and %d who did not", joined, failed)
		}
	})
}

// together runs f at every node at once and counts who succeeded.
func together(nodes []*Staff, f func(i int, s *Staff) error) (n int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, s := range nodes {
		all.Go(func() {
			<-start
			if f(i, s) == nil {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	close(start)
	all.Wait()
	return n
}

func TestRecoveryCodesWorkOnceEach(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		if len(p.RecoveryCodes) != recoveryCodes {
			w.Fatalf("%d codes", len(p.RecoveryCodes))
		}
		use := func(typed string) (SignedIn, error) {
			w.clock.pass(10 * time.Minute)
			pending, err := w.SignIn(ctx, Attempt{Mail: " Owner@Example.jp ", Password: p.password, Address: home})
			w.must(err)
			return w.SecondFactor(ctx, Answer{Ticket: pending.Ticket, Browser: pending.Browser, Code: typed, Address: home})
		}
		in, err := use(strings.ToLower(strings.ReplaceAll(p.RecoveryCodes[3], "-", " ")))
		w.must(err)
		if !in.Recovery || in.Session.Person.RecoveryLeft != recoveryCodes-1 {
			w.Fatalf("%+v", in)
		}
		_, err = use(p.RecoveryCodes[3])
		w.code(err, noren.Denied)
		fresh, err := w.NewRecoveryCodes(ctx, &in.Session, in.Session.By(home, ""))
		w.must(err)
		_, err = use(p.RecoveryCodes[4])
		w.code(err, noren.Denied)
		_, err = use(fresh[4])
		w.must(err)
	})
}

func TestStrongerHashIsStoredAtSignIn(t *testing.T) {
	each(t, func(w *world) {
		p := w.owner()
		w.clock.pass(time.Hour)
		strong := w.node(w.db, Cost{KiB: 64, Passes: 2, Threads: 1})
		_, err := p.signIn(strong, p.browser)
		w.must(err)
		stored, err := strong.secretOf(w.Context(), `id = $1`, p.id())
		w.must(err)
		if !strings.HasPrefix(stored.hash, "$argon2id$v=19$m=64,t=2,p=1$") {
			w.Fatal(stored.hash)
		}
		w.clock.pass(time.Hour)
		_, err = p.signIn(w.Staff, p.browser) // a cheaper node leaves it
		w.must(err)
		if now, err := w.secretOf(w.Context(), `id = $1`, p.id()); err != nil || now.hash != stored.hash {
			w.Fatalf("%v, %v", now, err)
		}
	})
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		w.clock.pass(time.Hour)
		w.log.answer("", noren.Errorf(noren.Unavailable, "the journal is away"))
		_, err := p.signIn(w.Staff, p.browser)
		w.code(err, noren.Unavailable)
		_, err = w.Invite(ctx, machine, "", Grants{"shop": Viewer})
		w.code(err, noren.Unavailable)
		if _, err := w.Session(ctx, p.Token); err != nil {
			w.Fatalf("who is signed in stays so: %v", err)
		}
		w.must(w.SignOut(ctx, &p.Session, p.Session.By(home, "")))
		_, err = w.Session(ctx, p.Token)
		w.code(err, noren.Denied)
		w.log.answer(noren.Block, nil)
		w.clock.pass(time.Hour)
		_, err = p.signIn(w.Staff, p.browser)
		w.code(err, noren.Denied)
		_, err = w.Invite(ctx, By{Person: p.id()}, "", Grants{"shop": Viewer})
		w.code(err, noren.Denied)
		_, err = w.ResetLink(ctx, machine, p.id()) // the way back in
		w.must(err)
	})
}

func TestDatabaseAwayIsClosed(t *testing.T) {
	each(t, func(w *world) {
		p, ctx := w.owner(), w.Context()
		d := dbtest.OpenURL(w.T, db.Options{URL: w.url})
		s := w.node(d, quick)
		if _, err := s.Session(ctx, p.Token); err != nil {
			w.Fatal(err)
		}
		w.must(d.Close())
		w.clock.pass(2 * time.Second)
		_, err := s.Session(ctx, p.Token)
		if err == nil || noren.CodeOf(err) == noren.Denied {
			w.Fatalf("a session is taken on trust, or its holder told to sign in again: %v", err)
		}
		if _, err := p.signIn(s, p.browser); err == nil {
			w.Fatal("signed in without a database")
		}
	})
}

// Nothing that opens something stands in an event, nor in the database in clear.
func TestSecretsStayOut(t *testing.T) {
	each(t, func(w *world) {
		p := w.owner()
		w.clock.pass(time.Hour)
		in, err := p.signIn(w.Staff, "")
		w.must(err)
		_, err = w.SignIn(w.Context(), Attempt{Mail: "hunter2isMyPassword", Password: p.password, Address: home})
		w.code(err, noren.Denied)
		var recorded strings.Builder
		for _, ev := range w.log.events {
			fmt.Fprintf(&recorded, "%+v %+v\n", ev, ev.Payload)
		}
		stored := dump(w)
		for name, secret := range map[string]string{
			"password": p.password, "secret": p.secret, "token": in.Token, "device": in.Device, "recovery": p.RecoveryCodes[0],
			"recovery folded": foldRecovery(p.RecoveryCodes[0]), "typed": "hunter2isMyPassword", "mail": "owner@example.jp", "name": "店主",
		} {
			if strings.Contains(recorded.String(), secret) {
				w.Errorf("%s stands in an event", name)
			}
			if strings.Contains(stored, secret) {
				w.Errorf("%s stands in the database", name)
			}
		}
		for _, also := range []string{"argon2id", "198.51.100.7", "Firefox"} {
			if strings.Contains(stored, also) {
				w.Errorf("%s stands in the database", also)
			}
		}
	})
}

func dump(w *world) string {
	var out strings.Builder
	for _, table := range []string{"people", "roles", "factors", "recovery", "sessions", "tickets", "devices", "links", "throttle"} {
		rows, err := w.db.Read().QueryContext(w.Context(), `SELECT * FROM staff_`+table)
		w.must(err)
		cols, err := rows.Columns()
		w.must(err)
		for rows.Next() {
			vals := make([]any, len(cols))
			for i := range vals {
				vals[i] = new(any)
			}
			w.must(rows.Scan(vals...))
			for _, v := range vals {
				switch v := (*v.(*any)).(type) {
				case []byte:
					out.Write(v)
				default:
					fmt.Fprint(&out, v)
				}
				out.WriteByte('\n')
			}
		}
		w.must(rows.Err())
		rows.Close()
	}
	return out.String()
}
