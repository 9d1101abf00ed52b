package staff

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

// recorder is the loop as staff sees it: it keeps what was recorded, answers what
// it is told to, and can be away.
type recorder struct {
	mu      sync.Mutex
	events  []noren.Event
	verdict noren.Verdict
	err     error
}

func (r *recorder) Decide(_ context.Context, ev noren.Event) (noren.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return noren.Decision{}, r.err
	}
	if err := ev.Valid(); err != nil {
		return noren.Decision{}, err
	}
	r.events = append(r.events, ev)
	return noren.Decision{EventID: ev.ID, Verdict: r.verdict}, nil
}

func (r *recorder) answer(v noren.Verdict, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict, r.err = v, err
}

// did lists what was done, and how sign-ins went.
func (r *recorder) did() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		switch p := ev.Payload.(type) {
		case *noren.Operation:
			out = append(out, p.Action)
		case *noren.StaffSignIn:
			out = append(out, p.Factor+":"+map[bool]string{true: "ok", false: p.Cause}[p.Success])
		}
	}
	return out
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a database with people; nodes share it.
type world struct {
	*testing.T
	*Staff
	db    *db.DB
	url   string
	log   *recorder
	clock *clock
	vault *vault.Vault
}

var quick = Cost{KiB: 8, Passes: 1, Threads: 1} // never changed: tests hash often

// each runs f on both engines.
func each(t *testing.T, f func(w *world)) {
	t.Helper()
	dbtest.EachURL(t, func(t *testing.T, url string) { f(newWorld(t, url)) })
}

func newWorld(t *testing.T, url string) *world {
	w := &world{T: t, url: url, log: &recorder{verdict: noren.Allow}, clock: &clock{at: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}}
	w.db = dbtest.OpenURL(t, db.Options{URL: url})
	var err error
	if w.vault, err = vault.Open(t.Context(), vault.Options{DB: w.db, Root: vault.NewRootKey(), Now: w.clock.now}); err != nil {
		t.Fatal(err)
	}
	w.Staff = w.node(w.db, quick)
	return w
}

// node is another process on the same database.
func (w *world) node(d *db.DB, c Cost) *Staff {
	w.Helper()
	s, err := Open(Options{
		DB: d, Now: w.clock.now, Cost: c,
		Secrets: func(ctx context.Context) ([][]byte, error) { return w.vault.Secrets(ctx, "staff") },
		Token:   func(field, value string) []byte { return w.vault.Token("", field, value) },
	})
	if err != nil {
		w.Fatal(err)
	}
	s.RaiseTo(w.log)
	return s
}

func (w *world) other() *Staff { return w.node(dbtest.OpenURL(w.T, db.Options{URL: w.url}), quick) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) code(err error, want noren.Code) {
	w.Helper()
	if got := noren.CodeOf(err); got != want {
		w.Fatalf("error is %q (%v), want %q", got, err, want)
	}
}

const goodPassword = "玄関の柿が三つ落ちた"

// someone is a person with what only they know.
type someone struct {
	Joined
	w        *world
	password string
	secret   string
	browser  string // device cookie
}

var (
	machine = AtMachine("root")
	home    = netip.MustParseAddr("198.51.100.7")
)

func (w *world) link(l NewLink, err error) string {
	w.Helper()
	w.must(err)
	return l.Token
}

func (w *world) join(token, name, mail string) *someone {
	w.Helper()
	p := &someone{w: w, password: "kakinoki ga mittsu " + name, secret: NewSecret()}
	j := Joining{Name: name, Mail: mail, Password: p.password, Secret: p.secret, Code: p.code(), Address: home, UserAgent: "Firefox"}
	var err error
	p.Joined, err = w.Join(w.Context(), token, j)
	w.must(err)
	p.browser = p.Device
	return p
}

func (w *world) owner() *someone {
	w.Helper()
	return w.join(w.link(w.OwnerLink(w.Context(), machine)), "店主", "owner@example.jp")
}

func (w *world) invited(mail string, g Grants) *someone {
	w.Helper()
	return w.join(w.link(w.Invite(w.Context(), machine, mail, g)), "田中", mail)
}

func (p *someone) id() string { return p.Session.Person.ID }

// code is what the app shows now.
func (p *someone) code() string {
	raw, err := parseSecret(p.secret)
	p.w.must(err)
	return code(raw, stepOf(p.w.clock.now()), totpDigits)
}

// signIn goes both steps, at a node, in a browser.
func (p *someone) signIn(s *Staff, device string) (SignedIn, error) {
	ctx := p.w.Context()
	pending, err := s.SignIn(ctx, Attempt{Mail: p.Session.Person.Mail, Password: p.password, Device: device, Address: home, UserAgent: "Firefox"})
	if err != nil {
		return SignedIn{}, err
	}
	return s.SecondFactor(ctx, Answer{Ticket: pending.Ticket, Browser: pending.Browser, Code: p.code(), Device: device, Address: home, UserAgent: "Firefox"})
}
