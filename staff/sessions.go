package staff

import (
	"context"

	"noren"
	"noren/db"
)

// Sessions lists where a person is signed in, newest first.
func (s *Staff) Sessions(ctx context.Context, person string) ([]Session, error) {
	now := s.o.Now()
	all, err := s.readSessions(ctx, sessionColumns+`person = $1 AND expires_at > $2 AND seen_at > $3 ORDER BY id DESC`,
		person, now.UnixMicro(), now.Add(-idleEnd).UnixMicro())
	if err != nil || len(all) == 0 {
		return nil, err
	}
	p, err := s.Person(ctx, person)
	for i := range all {
		all[i].Person = p
	}
	return all, err
}

// SignOut ends the session itself. Nothing stands in the way of it: neither a
// policy nor a record that cannot be written.
func (s *Staff) SignOut(ctx context.Context, x *Session, by By) error {
	if err := s.report(ctx, by, actSignOut, x.ID); err != nil {
		s.o.Log.Error("a sign-out cannot be recorded; the session ends all the same", "alarm", true, "session", x.ID, "err", err)
	}
	return s.write(ctx, actSignOut, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE staff_sessions SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL`, s.o.Now().UnixMicro(), x.ID)
		return err
	})
}

// End ends one session of a person: one's own, or as an owner another's. It holds
// from its next request on, on every node within a second.
func (s *Staff) End(ctx context.Context, by By, person, session string) error {
	return s.end(ctx, by, actEnd, person, session, `id = $3`, session)
}

// EndOthers ends all sessions of the person but this one.
func (s *Staff) EndOthers(ctx context.Context, x *Session, by By) error {
	return s.end(ctx, by, actEnd, x.Person.ID, "all but "+x.ID, `id <> $3`, x.ID)
}

// EndAll ends all sessions of a person, and no browser is known as theirs any more.
func (s *Staff) EndAll(ctx context.Context, by By, person string) error {
	return s.end(ctx, by, actEnd, person, "all", `id <> $3`, "")
}

func (s *Staff) end(ctx context.Context, by By, act, person, object, which string, arg any) error {
	p, err := s.Person(ctx, person)
	if err != nil {
		return err
	}
	over := []Grants{p.Roles}
	if by.Person == person {
		over = nil // one's own
	}
	return s.change(ctx, by, act, person+" "+object, over, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE staff_sessions SET ended_at = $1 WHERE person = $2 AND ended_at IS NULL AND `+which, s.o.Now().UnixMicro(), person, arg)
		if err != nil {
			return err
		}
		if which == `id = $3` {
			return one(res, nil, noren.Errorf(noren.NotFound, "%s has no such session any more", p.Name))
		}
		if arg == "" {
			_, err = tx.ExecContext(ctx, `DELETE FROM staff_devices WHERE person = $1`, person)
		}
		return err
	})
}

// Reconfirm takes a second factor from somebody who is signed in, before what is
// dangerous.
func (s *Staff) Reconfirm(ctx context.Context, x *Session, by By, typed string) error {
	if err := s.take(ctx, s.bySession(x.ID)); err != nil {
		return err
	}
	if _, err := s.useCode(ctx, x.Person.ID, typed); err != nil {
		s.failedWithin(ctx, x, by, factorTOTP, "wrong_code", err)
		return err
	}
	return s.change(ctx, by, actReconfirm, x.ID, nil, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE staff_sessions SET confirmed_at = $1 WHERE id = $2 AND ended_at IS NULL`, s.o.Now().UnixMicro(), x.ID)
		return one(res, err, errNoSession())
	})
}

// failedWithin records that somebody who is signed in could not show that it is
// them.
func (s *Staff) failedWithin(ctx context.Context, x *Session, by By, factor, cause string, err error) {
	if noren.CodeOf(err) == noren.Denied {
		s.failedSignIn(ctx, x.Person.ID, visitor{address: by.Address, browser: x.Browser, known: true}, factor, cause)
	}
}

// NewRecoveryCodes makes ten new codes; the old ones no longer fit. The second
// factor must have been given within ConfirmFor, else it is ErrConfirm.
func (s *Staff) NewRecoveryCodes(ctx context.Context, x *Session, by By) ([]string, error) {
	if err := s.recently(x); err != nil {
		return nil, err
	}
	codes := newRecoveryCodes()
	err := s.change(ctx, by, actRecovery, x.Person.ID, nil, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_recovery WHERE person = $1`, x.Person.ID); err != nil {
			return err
		}
		return tx.Insert(ctx, s.recoveryRows(x.Person.ID, codes))
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// ChangePassword puts a new password in the place of the old one and ends the
// person's other sessions.
func (s *Staff) ChangePassword(ctx context.Context, x *Session, by By, before, after string) error {
	if err := CheckPassword(after, x.Person.Name, x.Person.Mail); err != nil {
		return err
	}
	if err := s.take(ctx, s.bySession(x.ID)); err != nil {
		return err
	}
	p, err := s.secretOf(ctx, `id = $1`, x.Person.ID)
	if err != nil {
		return err
	}
	if ok, _, err := s.matches(ctx, p, cut(before, MaxPasswordBytes+1), true); err != nil || !ok {
		err = orElse(err, noren.WithText(noren.Errorf(noren.Denied, "the old password is not right"), noren.Text{Ja: "いまのパスワードが違います。", En: "The old password is not right."}))
		s.failedWithin(ctx, x, by, "password", "wrong_password", err)
		return err
	}
	hash, err := s.hash(ctx, after, true)
	if err != nil {
		return err
	}
	sealed, err := s.seal(ctx, "password", x.Person.ID, hash)
	if err != nil {
		return err
	}
	return s.change(ctx, by, actPassword, x.Person.ID, nil, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE staff_people SET password = $1 WHERE id = $2 AND password = $3`, sealed, x.Person.ID, p.sealed)
		if err := one(res, err, noren.Errorf(noren.Conflict, "the password was changed at the same moment")); err != nil {
			return err
		}
		return endBut(ctx, tx, x, s.o.Now().UnixMicro())
	})
}

// ChangeFactor puts a new second factor, proved with its code, in the place of the
// old one and ends the person's other sessions. The old one must have been given
// within ConfirmFor, else it is ErrConfirm.
func (s *Staff) ChangeFactor(ctx context.Context, x *Session, by By, secret, typed string) error {
	if err := s.recently(x); err != nil {
		return err
	}
	f, err := s.newFactor(secret, typed)
	if err != nil {
		return err
	}
	sealed, err := s.seal(ctx, "factor", f.id, f.secret)
	if err != nil {
		return err
	}
	return s.change(ctx, by, actFactor, x.Person.ID, nil, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_factors WHERE person = $1 AND kind = 'totp'`, x.Person.ID); err != nil {
			return err
		}
		if err := endBut(ctx, tx, x, s.o.Now().UnixMicro()); err != nil {
			return err
		}
		return tx.Insert(ctx, []db.Row{{Table: factorsTable, Values: []any{f.id, x.Person.ID, factorTOTP, sealed, f.step, s.o.Now().UnixMicro()}}})
	})
}

// endBut ends a person's sessions but this one, and the sign-ins under way.
func endBut(ctx context.Context, tx *db.Tx, x *Session, at int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM staff_tickets WHERE person = $1`, x.Person.ID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE staff_sessions SET ended_at = $1 WHERE person = $2 AND id <> $3 AND ended_at IS NULL`, at, x.Person.ID, x.ID)
	return err
}
