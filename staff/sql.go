package staff

import (
	"context"
	"database/sql"
	"time"

	"noren"
	"noren/db"
)

var (
	peopleTable   = &db.Table{Name: "staff_people", Columns: []string{"id", "mail", "sealed", "password", "created_at"}}
	rolesTable    = &db.Table{Name: "staff_roles", Columns: []string{"person", "site", "role"}}
	factorsTable  = &db.Table{Name: "staff_factors", Columns: []string{"id", "person", "kind", "sealed", "step", "created_at"}}
	recoveryTable = &db.Table{Name: "staff_recovery", Columns: []string{"person", "code"}}
	sessionsTable = &db.Table{Name: "staff_sessions", Columns: []string{"id", "token", "person", "sealed", "created_at", "seen_at", "confirmed_at", "expires_at"}}
	ticketsTable  = &db.Table{Name: "staff_tickets", Columns: []string{"token", "browser", "person", "tries", "expires_at"}}
	devicesTable  = &db.Table{Name: "staff_devices", Columns: []string{"token", "person", "created_at", "expires_at"}}
	linksTable    = &db.Table{Name: "staff_links", Columns: []string{"id", "token", "kind", "person", "made_by", "sealed", "created_at", "expires_at"}}
)

// querier is the reading pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func timeOf(us sql.NullInt64) noren.Time {
	if !us.Valid {
		return noren.Time{}
	}
	return noren.FromMicros(us.Int64)
}

// grantsOf are the roles of somebody who works here; none of who was removed.
func grantsOf(ctx context.Context, q querier, person string) (Grants, error) {
	rows, err := q.QueryContext(ctx, `SELECT site, role FROM staff_roles WHERE person = $1`, person)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	g := Grants{}
	for rows.Next() {
		var site, role string
		if err := rows.Scan(&site, &role); err != nil {
			return nil, err
		}
		g[site] = Role(role)
	}
	return g, rows.Err()
}

// owners counts the owners of all sites. Roles go with their person.
func owners(ctx context.Context, q querier) (n int, err error) {
	err = q.QueryRowContext(ctx, `SELECT count(*) FROM staff_roles WHERE site = '' AND role = 'owner'`).Scan(&n)
	return n, err
}

func setRole(ctx context.Context, tx *db.Tx, person, site string, role Role) error {
	if role == "" {
		_, err := tx.ExecContext(ctx, `DELETE FROM staff_roles WHERE person = $1 AND site = $2`, person, site)
		return err
	}
	// Only for somebody who is here: a removal may have come in between.
	res, err := tx.ExecContext(ctx, `INSERT INTO staff_roles (person, site, role) SELECT id, $2, $3 FROM staff_people WHERE id = $1 AND removed_at IS NULL
		ON CONFLICT (person, site) DO UPDATE SET role = EXCLUDED.role`, person, site, string(role))
	return one(res, err, noren.Errorf(noren.NotFound, "the person was removed"))
}

func removePerson(ctx context.Context, tx *db.Tx, person string, at time.Time) error {
	res, err := tx.ExecContext(ctx, `UPDATE staff_people SET removed_at = $1 WHERE id = $2 AND removed_at IS NULL`, at.UnixMicro(), person)
	if err := one(res, err, noren.Errorf(noren.NotFound, "the person was removed already")); err != nil {
		return err
	}
	if err := forgetSignIn(ctx, tx, person, at); err != nil {
		return err
	}
	if err := withdrawLinksOf(ctx, tx, person, at); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM staff_roles WHERE person = $1`, person)
	return err
}

// forgetSignIn ends a person's sessions and deletes what they sign in with beside
// the password.
func forgetSignIn(ctx context.Context, tx *db.Tx, person string, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE staff_sessions SET ended_at = $1 WHERE person = $2 AND ended_at IS NULL`, at.UnixMicro(), person); err != nil {
		return err
	}
	for _, table := range []*db.Table{factorsTable, recoveryTable, ticketsTable, devicesTable} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table.Name+` WHERE person = $1`, person); err != nil {
			return err
		}
	}
	return nil
}

// withdrawLinksOf closes the links that somebody made, and those made for them.
func withdrawLinksOf(ctx context.Context, tx *db.Tx, person string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE staff_links SET closed_at = $1 WHERE (made_by = $2 OR person = $2) AND closed_at IS NULL`, at.UnixMicro(), person)
	return err
}

// one is an error unless exactly one row was changed.
func one(res sql.Result, err, otherwise error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n != 1 {
		return otherwise
	}
	return err
}

// changesOne runs a statement that either changes one row or none, in a
// transaction of its own: of several nodes one is told that it did.
func (s *Staff) changesOne(ctx context.Context, doing, query string, args ...any) (changed bool, err error) {
	err = s.o.DB.Write(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		changed = n == 1
		return err
	})
	if err != nil {
		return false, failed(doing, err)
	}
	return changed, nil
}

// useStep notes the time step of a code as used, unless it or a later one was.
func (s *Staff) useStep(ctx context.Context, factor string, step int64) (bool, error) {
	return s.changesOne(ctx, "use a code", `UPDATE staff_factors SET step = $1 WHERE id = $2 AND step < $1`, step, factor)
}

func (s *Staff) factors(ctx context.Context, person string) (out []factor, err error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, sealed, step FROM staff_factors WHERE person = $1 AND kind = 'totp'`, person)
	if err != nil {
		return nil, failed("read second factors", err)
	}
	defer rows.Close()
	for rows.Next() {
		var f factor
		var sealed []byte
		if err := rows.Scan(&f.id, &sealed, &f.step); err != nil {
			return nil, failed("read second factors", err)
		}
		if err := s.open(ctx, "factor", f.id, sealed, &f.secret); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, failed("read second factors", rows.Err())
}

// secretPerson is what signing in needs of a person.
type secretPerson struct {
	id   string
	mail []byte
	hash string // of the password, as a PHC string

	sealed []byte // hash as it is stored
}

// byToken finds who has a mail address; nil for nobody.
func (s *Staff) byToken(ctx context.Context, mail []byte) (*secretPerson, error) {
	return s.secretOf(ctx, `mail = $1`, mail)
}

func (s *Staff) secretOf(ctx context.Context, where string, arg any) (*secretPerson, error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, mail, password FROM staff_people WHERE removed_at IS NULL AND `+where, arg)
	if err != nil {
		return nil, failed("read a person", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, failed("read a person", rows.Err())
	}
	var p secretPerson
	if err := rows.Scan(&p.id, &p.mail, &p.sealed); err != nil {
		return nil, failed("read a person", err)
	}
	return &p, s.open(ctx, "password", p.id, p.sealed, &p.hash)
}

// rehash stores the hash of the same password at today's cost, unless the
// password was changed meanwhile.
func (s *Staff) rehash(ctx context.Context, p *secretPerson, hash string) error {
	sealed, err := s.seal(ctx, "password", p.id, hash)
	if err != nil {
		return err
	}
	_, err = s.changesOne(ctx, "store a stronger hash", `UPDATE staff_people SET password = $1 WHERE id = $2 AND password = $3`, sealed, p.id, p.sealed)
	return err
}

// Prune deletes what is over: tickets, devices, throttling at once; sessions and
// links a month after their end; the names of people who were removed before a
// time, which is when the record of what they did ends.
func (s *Staff) Prune(ctx context.Context, now, removedBefore time.Time) error {
	at, month := now.UnixMicro(), now.Add(-keepEnded).UnixMicro()
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, del := range []struct {
			where string
			at    int64
		}{
			{`staff_tickets WHERE expires_at < $1`, at},
			{`staff_devices WHERE expires_at < $1`, at},
			{`staff_throttle WHERE tat < $1`, at},
			{`staff_sessions WHERE ended_at < $1 OR expires_at < $1`, month},
			{`staff_links WHERE closed_at < $1 OR expires_at < $1`, month},
			{`staff_people WHERE removed_at < $1`, removedBefore.UnixMicro()},
		} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+del.where, del.at); err != nil {
				return err
			}
		}
		return nil
	})
	return failed("delete what is over of staff", err)
}

// keepEnded is how long sessions that ended can still be looked at.
const keepEnded = 31 * 24 * time.Hour
