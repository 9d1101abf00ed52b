package staff

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"time"

	"noren"
	"noren/db"
)

// Attempt is a sign-in's first step.
type Attempt struct {
	Mail      string
	Password  string
	Device    string // value of the device cookie; may be empty
	Address   netip.Addr
	UserAgent string
}

// Pending is a sign-in whose password was right. Ticket goes into the form that
// asks for the code, Browser into a cookie: both are needed, so that a ticket works
// only in the browser it was given to.
type Pending struct {
	Ticket  string
	Browser string
	Until   noren.Time
}

// Answer is a sign-in's second step.
type Answer struct {
	Ticket    string
	Browser   string // value of the cookie that Pending.Browser was put into
	Code      string // of the app, or a recovery code
	Device    string
	Address   netip.Addr
	UserAgent string
}

// SignedIn is a session that just began. Token goes into the session cookie, and
// Device into one that lasts until DeviceUntil. Both are shown this once.
type SignedIn struct {
	Token       string
	Device      string
	DeviceUntil noren.Time
	Session     Session
	NewDevice   bool // this browser was not known before
	Recovery    bool // a recovery code was used
}

const (
	ticketFor = 5 * time.Minute
	// codesPerTicket ends a ticket; the person then begins again with the password.
	codesPerTicket = 10
)

// SignIn takes a mail address and a password. Denied says that they do not belong
// together, in the same words and at the same cost whether there is such an
// address; *Slow that there were too many tries; Unavailable that it cannot be
// told now.
func (s *Staff) SignIn(ctx context.Context, a Attempt) (Pending, error) {
	v := visitorOf(a.Address, a.UserAgent)
	mail := s.mailToken(a.Mail)
	p, d, err := s.whose(ctx, a.Device, mail)
	if err != nil {
		return Pending{}, err
	}
	v.known = p != nil && d.person == p.id
	if err := s.admit(ctx, v, d, mail); err != nil {
		if _, slow := errors.AsType[*Slow](err); slow {
			s.failedSignIn(ctx, "", v, "password", "too_many")
		}
		return Pending{}, err
	}
	if p == nil {
		if p, err = s.byToken(ctx, mail); err != nil {
			return Pending{}, err
		}
	}
	ok, again, err := s.matches(ctx, p, cut(a.Password, MaxPasswordBytes+1), v.known)
	if err != nil {
		return Pending{}, err
	}
	if !ok {
		s.wrongPassword(ctx, p, v)
		return Pending{}, errWrong()
	}
	if again {
		s.strengthen(ctx, p, a.Password, v.known)
	}
	return s.ticket(ctx, p.id)
}

// whose looks up the browser and, when it is somebody's, the person. For strangers
// nothing is read before they are admitted.
func (s *Staff) whose(ctx context.Context, cookie string, mail []byte) (p *secretPerson, d device, err error) {
	if d, err = s.device(ctx, cookie); err != nil || d.person == "" {
		return nil, d, err
	}
	p, err = s.byToken(ctx, mail)
	return p, d, err
}

// admit counts the try.
func (s *Staff) admit(ctx context.Context, v visitor, d device, mail []byte) error {
	if v.known {
		return s.take(ctx, s.byDevice(d.hash))
	}
	if err := s.crowd.take(s.o.Now()); err != nil {
		return err
	}
	return s.take(ctx, s.byAccount(mail), s.byAddress(v.address))
}

func (s *Staff) wrongPassword(ctx context.Context, p *secretPerson, v visitor) {
	if p == nil {
		s.failedSignIn(ctx, "", v, "password", "unknown")
		return
	}
	s.failedSignIn(ctx, p.id, v, "password", "wrong_password")
}

func errWrong() error {
	return noren.WithText(noren.WithHint(noren.Errorf(noren.Denied, "mail address and password do not belong together"), "look at capital letters and the keyboard's language"),
		noren.Text{Ja: "メールアドレスかパスワードが違います。大文字・小文字と、日本語入力になっていないかを確かめてください。", En: "Mail address and password do not belong together. Look at capital letters and the keyboard's language."})
}

// errRefused answers a sign-in that a policy stops.
func errRefused() error {
	return noren.WithText(noren.WithHint(noren.Errorf(noren.Denied, "signing in is refused at this time"), "an owner sees the reason in the record; at the machine: noren journal show"),
		noren.Text{Ja: "いまはサインインをお断りしています。理由はオーナーの画面の記録に残っています。", En: "Signing in is refused at this time. The owner sees the reason in the record."})
}

// strengthen hashes a password that was right with today's cost. It is tried again
// at the next sign-in.
func (s *Staff) strengthen(ctx context.Context, p *secretPerson, password string, known bool) {
	hash, err := s.hash(ctx, password, known)
	if err == nil {
		err = s.rehash(ctx, p, hash)
	}
	if err != nil {
		s.o.Log.Warn("a password hash stays at its old cost", "person", p.id, "err", err)
	}
}

func (s *Staff) ticket(ctx context.Context, person string) (Pending, error) {
	until := noren.At(s.o.Now().Add(ticketFor))
	ticket, hash := newToken("ticket")
	browser, bound := newToken("browser")
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		return tx.Insert(ctx, []db.Row{{Table: ticketsTable, Values: []any{hash, bound, person, int64(0), until.UnixMicro()}}})
	})
	if err != nil {
		return Pending{}, failed("go on with a sign-in", err)
	}
	return Pending{ticket, browser, until}, nil
}

// SecondFactor takes a code for a ticket. Denied says that the code is wrong or
// the ticket is over (ErrTicket); a code counts once, whichever node is asked.
func (s *Staff) SecondFactor(ctx context.Context, a Answer) (SignedIn, error) {
	v := visitorOf(a.Address, a.UserAgent)
	hash, person, err := s.openTicket(ctx, a.Ticket, a.Browser)
	if err != nil {
		return SignedIn{}, err
	}
	d, err := s.device(ctx, a.Device)
	if err != nil {
		return SignedIn{}, err
	}
	v.known = d.person == person
	tries := s.byCodes(person)
	if v.known {
		tries = s.byDevice(d.hash)
	}
	if err := s.take(ctx, tries); err != nil {
		return SignedIn{}, err
	}
	how, err := s.useCode(ctx, person, a.Code)
	if noren.CodeOf(err) == noren.Denied {
		s.failedSignIn(ctx, person, v, factorTOTP, "wrong_code")
	}
	if err != nil {
		return SignedIn{}, err
	}
	if err := s.allowed(ctx, person, v, how); err != nil {
		return SignedIn{}, err
	}
	return s.begin(ctx, hash, person, v, a.Device, how)
}

// allowed records a sign-in that is right, and asks the policies about it. Those
// that want one more proof have it: it is the second factor.
func (s *Staff) allowed(ctx context.Context, person string, v visitor, how string) error {
	d, err := s.signIn(ctx, person, v, true, how, "")
	switch {
	case err != nil:
		return err
	case !refuses(d.Verdict) || d.Verdict == noren.StepUp || d.Verdict == noren.Challenge:
		return nil
	case d.Fault != "":
		return errUndecided()
	}
	return errRefused()
}

// ErrTicket says that a sign-in must begin again with the password.
var ErrTicket = errors.New("this sign-in is over; begin again with mail address and password")

func errTicket() error { return noren.Errorf(noren.Denied, "%w", ErrTicket) }

// openTicket counts a try and tells whose ticket it is.
func (s *Staff) openTicket(ctx context.Context, ticket, browser string) (hash []byte, person string, err error) {
	hash, ok := parseToken("ticket", ticket)
	bound, ok2 := parseToken("browser", browser)
	if !ok || !ok2 {
		return nil, "", errTicket()
	}
	err = s.o.DB.Write(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE staff_tickets SET tries = tries + 1 WHERE token = $1 AND browser = $2 AND tries < $3 AND expires_at > $4 RETURNING person`,
			hash, bound, int64(codesPerTicket), s.o.Now().UnixMicro()).Scan(&person)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", errTicket()
	}
	return hash, person, failed("go on with a sign-in", err)
}

// begin uses up the ticket and stores the session.
func (s *Staff) begin(ctx context.Context, ticket []byte, person string, v visitor, cookie, how string) (SignedIn, error) {
	row, in := s.newSession(ctx, person, v)
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM staff_tickets WHERE token = $1`, ticket)
		if err := one(res, err, errTicket()); err != nil {
			return err
		}
		if err := s.noteSignIn(ctx, tx, person, v); err != nil {
			return err
		}
		return s.insertSession(ctx, tx, row, !v.known)
	})
	if err != nil {
		s.failedSignIn(context.WithoutCancel(ctx), person, v, how, "not_stored")
		return SignedIn{}, failed("begin a session", err)
	}
	if in.Recovery, in.NewDevice = how == factorRecovery, !v.known; v.known {
		in.Device = cookie
		s.renewDevice(ctx, cookie, in.DeviceUntil)
	}
	in.Session.Person, err = s.Person(ctx, person)
	return in, err
}

// noteSignIn gives back the tries that it took. It fails for who was removed
// meanwhile.
func (s *Staff) noteSignIn(ctx context.Context, tx *db.Tx, person string, v visitor) error {
	var mail []byte
	err := tx.QueryRowContext(ctx, `UPDATE staff_people SET signed_in_at = $1 WHERE id = $2 AND removed_at IS NULL RETURNING mail`, s.o.Now().UnixMicro(), person).Scan(&mail)
	if errors.Is(err, sql.ErrNoRows) {
		return errTicket()
	}
	if err != nil || v.known {
		return err
	}
	taken := []limit{s.byAccount(mail), s.byAddress(v.address), s.byCodes(person)}
	s.refused.forget(taken[0].key, taken[1].key, taken[2].key)
	return s.giveBack(ctx, tx, taken...)
}

// renewDevice keeps a browser known that is used. When it cannot be stored it is
// known for less long.
func (s *Staff) renewDevice(ctx context.Context, cookie string, until noren.Time) {
	hash, _ := parseToken("device", cookie)
	if _, err := s.changesOne(ctx, "keep a browser known", `UPDATE staff_devices SET expires_at = $1 WHERE token = $2`, until.UnixMicro(), hash); err != nil {
		s.o.Log.Warn("a browser is known for less long", "browser", short(hash), "err", err)
	}
}

// sessionRow is a session to be stored, and the browser known with it.
type sessionRow struct {
	x            Session
	token        []byte
	device       []byte
	deviceExpiry noren.Time
}

func (s *Staff) newSession(_ context.Context, person string, v visitor) (sessionRow, SignedIn) {
	now := noren.At(s.o.Now())
	x := Session{
		ID: noren.NewID(now.Time), Person: &Person{ID: person}, CreatedAt: now, SeenAt: now, ConfirmedAt: now,
		ExpiresAt: noren.At(now.Add(absoluteEnd)), Address: v.address, Browser: v.browser,
	}
	token, hash := newToken("session")
	device, deviceHash := newToken("device")
	until := noren.At(now.Add(deviceFor))
	return sessionRow{x, hash, deviceHash, until}, SignedIn{Token: token, Device: device, DeviceUntil: until, Session: x, NewDevice: true}
}

func (s *Staff) insertSession(ctx context.Context, tx *db.Tx, r sessionRow, newDevice bool) error {
	from := sealedSession{Browser: r.x.Browser}
	if r.x.Address.IsValid() {
		from.Address = r.x.Address.String()
	}
	sealed, err := s.seal(ctx, "session", r.x.ID, from)
	if err != nil {
		return err
	}
	at, person := r.x.CreatedAt.UnixMicro(), r.x.Person.ID
	rows := []db.Row{{Table: sessionsTable, Values: []any{r.x.ID, r.token, person, sealed, at, at, at, r.x.ExpiresAt.UnixMicro()}}}
	if newDevice {
		rows = append(rows, db.Row{Table: devicesTable, Values: []any{r.device, person, at, r.deviceExpiry.UnixMicro()}})
	}
	return tx.Insert(ctx, rows)
}
