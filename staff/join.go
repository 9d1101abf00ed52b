package staff

import (
	"context"
	"net/netip"
	"strings"

	"noren"
	"noren/db"
)

// Joining is what somebody fills in who follows a link. With a link for a reset,
// name and mail are the person's own and what is given is not looked at.
type Joining struct {
	Name     string
	Mail     string
	Password string
	Secret   string // of the second factor, as NewSecret made it and the page showed it
	Code     string // that the app shows for it

	Address   netip.Addr
	UserAgent string
}

// Joined is somebody who joined and is signed in with it.
type Joined struct {
	SignedIn
	// RecoveryCodes are shown this once.
	RecoveryCodes []string
}

// Join uses a link: a person, a password and a second factor come to be, or are
// chosen anew, all or nothing. What is wrong with the form is Invalid and leaves
// the link as it was.
func (s *Staff) Join(ctx context.Context, token string, j Joining) (Joined, error) {
	l, err := s.Link(ctx, token)
	if err != nil {
		return Joined{}, err
	}
	n, err := s.newcomer(ctx, l, j)
	if err != nil {
		return Joined{}, err
	}
	v := visitorOf(j.Address, j.UserAgent)
	by := By{Person: n.id, Address: v.address}
	act := actJoin
	if l.Kind == LinkReset {
		act = actReset
	}
	object := l.ID + " " + l.Roles.String()
	if err := s.reportJoin(ctx, by, act, object, v); err != nil {
		return Joined{}, err
	}
	session, in := s.newSession(ctx, n.id, v)
	err = s.write(ctx, act, func(tx *db.Tx) error {
		if err := s.useLink(ctx, tx, l.ID); err != nil {
			return err
		}
		if err := s.settle(ctx, tx, l, n); err != nil {
			return err
		}
		return s.insertSession(ctx, tx, session, true)
	})
	if db.IsUnique(err) {
		err = errMailTaken()
	}
	if err != nil {
		s.notMade(ctx, by, act, object, err)
		return Joined{}, err
	}
	if l.Kind == LinkReset {
		s.o.Log.Warn("somebody chose password and second factor anew; their other sessions ended", "alarm", true, "person", n.id, "from", v.address)
	}
	in.Session.Person = &Person{ID: n.id, Name: n.name.Name, Mail: n.name.Mail, Roles: l.Roles, CreatedAt: session.x.CreatedAt, RecoveryLeft: recoveryCodes}
	return Joined{in, n.codes}, nil // nothing may fail now: the codes are shown this once
}

// reportJoin records who joins, and that they are signed in with it.
func (s *Staff) reportJoin(ctx context.Context, by By, act, object string, v visitor) error {
	if err := s.report(ctx, by, act, object); err != nil {
		return err
	}
	return s.allowed(ctx, by.Person, v, "link")
}

// newcomer is what a person will be stored as.
type newcomer struct {
	id     string
	name   sealedPerson
	hash   string
	factor factor
	codes  []string
}

// newcomer checks a form. The second factor is proved with a code before anything
// is stored, and that code is used up with it.
func (s *Staff) newcomer(ctx context.Context, l Link, j Joining) (n newcomer, err error) {
	n = newcomer{id: l.Person, name: sealedPerson{l.Name, l.Mail}, codes: newRecoveryCodes()}
	if l.Kind != LinkReset {
		n.id = noren.NewID(s.o.Now())
		n.name = sealedPerson{strings.TrimSpace(j.Name), strings.TrimSpace(j.Mail)}
		if err := s.free(ctx, n.name); err != nil {
			return n, err
		}
	}
	if err := CheckPassword(j.Password, n.name.Name, n.name.Mail); err != nil {
		return n, err
	}
	if n.factor, err = s.newFactor(j.Secret, j.Code); err != nil {
		return n, err
	}
	n.hash, err = s.hash(ctx, j.Password, true)
	return n, err
}

// free checks a name and a mail address that nobody else may have.
func (s *Staff) free(ctx context.Context, p sealedPerson) error {
	if err := validName(p.Name); err != nil {
		return err
	}
	if err := validMail(p.Mail); err != nil {
		return err
	}
	switch _, err := s.ByMail(ctx, p.Mail); noren.CodeOf(err) {
	case "":
		return errMailTaken()
	case noren.NotFound:
		return nil
	default:
		return err
	}
}

func errMailTaken() error {
	return noren.WithText(noren.WithHint(noren.Errorf(noren.Conflict, "somebody here has this mail address already"), "sign in with it, or ask an owner for a new link"),
		noren.Text{Ja: "このメールアドレスはもう使われています。ご本人ならサインインするか、オーナーに新しいリンクを頼んでください。", En: "Somebody here has this mail address already. If it is yours, sign in with it, or ask an owner for a new link."})
}

// newFactor is a second factor that was proved with a code.
func (s *Staff) newFactor(secret, typed string) (factor, error) {
	raw, err := parseSecret(secret)
	if err != nil {
		return factor{}, err
	}
	now := s.o.Now()
	step, ok := stepFor(raw, typed, now, -1)
	if !ok {
		return factor{}, noren.WithText(noren.WithHint(noren.Errorf(noren.Invalid, "this code does not fit the second factor"),
			"type the six digits that the app shows now; if none fits, the clock of the phone or of this machine is wrong"),
			noren.Text{Ja: "確認コードが合いません。アプリにいま出ている6桁を入れてください。何度やっても合わないときは、スマートフォンの時計がずれています。", En: "This code does not fit. Type the six digits the app shows now; if none ever fits, the clock of your phone is wrong."})
	}
	return factor{noren.NewID(now), raw, step}, nil
}

// settle stores a newcomer, or what somebody chose anew.
func (s *Staff) settle(ctx context.Context, tx *db.Tx, l Link, n newcomer) error {
	at := s.o.Now()
	password, err := s.seal(ctx, "password", n.id, n.hash)
	if err != nil {
		return err
	}
	if l.Kind == LinkReset {
		if err := forgetSignIn(ctx, tx, n.id, at); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE staff_people SET password = $1 WHERE id = $2 AND removed_at IS NULL`, password, n.id)
		if err := one(res, err, errNoLink()); err != nil {
			return err
		}
		return s.insertFactors(ctx, tx, n)
	}
	if l.Kind == LinkOwner {
		if count, err := owners(ctx, tx); err != nil || count > 0 {
			return orElse(err, errHasOwner())
		}
	}
	sealed, err := s.seal(ctx, "person", n.id, n.name)
	if err != nil {
		return err
	}
	rows := []db.Row{{Table: peopleTable, Values: []any{n.id, s.mailToken(n.name.Mail), sealed, password, at.UnixMicro()}}}
	for site, role := range l.Roles {
		rows = append(rows, db.Row{Table: rolesTable, Values: []any{n.id, site, string(role)}})
	}
	if err := tx.Insert(ctx, rows); err != nil {
		return err
	}
	return s.insertFactors(ctx, tx, n)
}

func (s *Staff) insertFactors(ctx context.Context, tx *db.Tx, n newcomer) error {
	sealed, err := s.seal(ctx, "factor", n.factor.id, n.factor.secret)
	if err != nil {
		return err
	}
	rows := []db.Row{{Table: factorsTable, Values: []any{n.factor.id, n.id, factorTOTP, sealed, n.factor.step, s.o.Now().UnixMicro()}}}
	return tx.Insert(ctx, append(rows, s.recoveryRows(n.id, n.codes)...))
}

func (s *Staff) recoveryRows(person string, codes []string) (rows []db.Row) {
	for _, c := range codes {
		rows = append(rows, db.Row{Table: recoveryTable, Values: []any{person, s.recoveryToken(person, foldRecovery(c))}})
	}
	return rows
}
