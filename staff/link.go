package staff

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"noren"
	"noren/db"
)

// LinkKind says what a one-time link is for.
type LinkKind string

// Kinds of links.
const (
	LinkOwner  LinkKind = "owner"  // the first owner, while there is none
	LinkInvite LinkKind = "invite" // somebody new
	LinkReset  LinkKind = "reset"  // somebody who lost everything signs in anew
)

// How long links can be used. One that opens everything lasts a day, an
// invitation the week in which somebody reads their mail.
const (
	ownerLinkFor  = 24 * time.Hour
	inviteFor     = 7 * 24 * time.Hour
	resetLinkFor  = 24 * time.Hour
	maxOpenInvite = 200
)

// Link is a one-time link without its token.
type Link struct {
	ID        string     `json:"id"`
	Kind      LinkKind   `json:"kind"`
	Mail      string     `json:"mail,omitempty"` // whom it was sent to, if that is known
	Roles     Grants     `json:"roles,omitempty"`
	Person    string     `json:"person,omitempty"` // id of whom a reset is for
	Name      string     `json:"name,omitempty"`   // of the same
	MadeBy    string     `json:"made_by,omitempty"`
	CreatedAt noren.Time `json:"created_at"`
	ExpiresAt noren.Time `json:"expires_at"`
}

// NewLink is a link that was just made. The token is shown this once.
type NewLink struct {
	Link
	Token string `json:"token"`
}

// sealedLink is what of a link is sealed.
type sealedLink struct {
	Mail  string `json:"mail,omitempty"`
	Roles Grants `json:"roles,omitempty"`
}

// OwnerLink makes the link by which the first owner joins. While there is an owner
// of all sites it is refused; an owner link made before can no longer be used.
func (s *Staff) OwnerLink(ctx context.Context, by By) (NewLink, error) {
	has, err := s.HasOwner(ctx)
	if err != nil {
		return NewLink{}, err
	}
	if has {
		return NewLink{}, errHasOwner()
	}
	return s.makeLink(ctx, by, actOwnerLink, Link{Kind: LinkOwner, Roles: Grants{AllSites: Owner}}, ownerLinkFor, func(tx *db.Tx) error {
		if n, err := owners(ctx, tx); err != nil || n > 0 {
			return orElse(err, errHasOwner())
		}
		_, err := tx.ExecContext(ctx, `UPDATE staff_links SET closed_at = $1 WHERE kind = 'owner' AND closed_at IS NULL`, s.o.Now().UnixMicro())
		return err
	})
}

func errHasOwner() error {
	return noren.WithHint(noren.Errorf(noren.Conflict, "there is an owner already"),
		"an owner invites others in the console; for an owner who lost everything: noren staff link MAIL")
}

// Invite makes a link by which somebody new joins with these roles. mail may be
// empty; it is only a help when the form is filled in.
func (s *Staff) Invite(ctx context.Context, by By, mail string, roles Grants) (NewLink, error) {
	if err := roles.valid(); err != nil {
		return NewLink{}, err
	}
	if mail = strings.TrimSpace(mail); mail != "" {
		if err := validMail(mail); err != nil {
			return NewLink{}, err
		}
	}
	return s.makeLink(ctx, by, actInvite, Link{Kind: LinkInvite, Mail: mail, Roles: roles}, inviteFor, func(tx *db.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_links WHERE kind = 'invite' AND closed_at IS NULL AND expires_at > $1`, s.o.Now().UnixMicro()).Scan(&n)
		if err == nil && n >= maxOpenInvite {
			return noren.WithText(noren.Errorf(noren.Invalid, "%d invitations are open; withdraw those that nobody needs", n),
				noren.Text{Ja: "使われていない招待が多すぎます。要らないものを取り消してください。", En: "Too many invitations are open. Withdraw those that nobody needs."})
		}
		return err
	})
}

// ResetLink makes a link by which somebody chooses password and second factor
// anew: for a lost phone, or at the machine for an owner who lost everything. When
// it is used all their sessions end. It is recorded now and when it is used.
func (s *Staff) ResetLink(ctx context.Context, by By, person string) (NewLink, error) {
	p, err := s.working(ctx, person)
	if err != nil {
		return NewLink{}, err
	}
	l := Link{Kind: LinkReset, Person: p.ID, Name: p.Name, Mail: p.Mail, Roles: p.Roles}
	return s.makeLink(ctx, by, actResetLink, l, resetLinkFor, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE staff_links SET closed_at = $1 WHERE kind = 'reset' AND person = $2 AND closed_at IS NULL`, s.o.Now().UnixMicro(), p.ID)
		return err
	})
}

// makeLink records and stores a link, after before.
func (s *Staff) makeLink(ctx context.Context, by By, act string, l Link, life time.Duration, before func(tx *db.Tx) error) (NewLink, error) {
	at := noren.At(s.o.Now())
	l.ID, l.MadeBy, l.CreatedAt, l.ExpiresAt = noren.NewID(at.Time), by.Person, at, noren.At(at.Add(life))
	token, hash := newToken("link")
	sealed, err := s.seal(ctx, "link", l.ID, sealedLink{l.Mail, l.Roles})
	if err != nil {
		return NewLink{}, err
	}
	object := l.ID + " " + l.Roles.String()
	if l.Person != "" {
		object = l.Person
	}
	err = s.change(ctx, by, act, object, []Grants{l.Roles}, func(tx *db.Tx) error {
		if err := before(tx); err != nil {
			return err
		}
		return tx.Insert(ctx, []db.Row{{Table: linksTable, Values: []any{
			l.ID, hash, string(l.Kind), l.Person, l.MadeBy, sealed, at.UnixMicro(), l.ExpiresAt.UnixMicro(),
		}}})
	})
	return NewLink{l, token}, err
}

// Links lists the links that can still be used, newest first.
func (s *Staff) Links(ctx context.Context) ([]Link, error) {
	return s.readLinks(ctx, `closed_at IS NULL AND expires_at > $1 ORDER BY id DESC`, s.o.Now().UnixMicro())
}

// Withdraw closes a link that was not used.
func (s *Staff) Withdraw(ctx context.Context, by By, id string) error {
	links, err := s.readLinks(ctx, `closed_at IS NULL AND id = $1`, id)
	if err != nil {
		return err
	}
	if len(links) == 0 {
		return errNoLink()
	}
	return s.change(ctx, by, actCancel, id, []Grants{links[0].Roles}, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE staff_links SET closed_at = $1 WHERE id = $2 AND closed_at IS NULL`, s.o.Now().UnixMicro(), id)
		return one(res, err, errNoLink())
	})
}

// Link looks at a link without using it. Its error is Denied for one that was
// used, withdrawn, is over or never was: all the same to whoever holds it.
func (s *Staff) Link(ctx context.Context, token string) (Link, error) {
	hash, ok := parseToken("link", token)
	if !ok {
		return Link{}, errNoLink()
	}
	links, err := s.readLinks(ctx, `token = $1 AND closed_at IS NULL AND expires_at > $2`, hash, s.o.Now().UnixMicro())
	if err != nil {
		return Link{}, err
	}
	if len(links) == 0 {
		return Link{}, errNoLink()
	}
	l := links[0]
	if l.Kind == LinkReset {
		p, err := s.working(ctx, l.Person)
		if noren.CodeOf(err) == noren.NotFound {
			return Link{}, errNoLink()
		}
		if err != nil {
			return Link{}, err
		}
		l.Name, l.Mail, l.Roles = p.Name, p.Mail, p.Roles
	}
	return l, nil
}

func errNoLink() error {
	return noren.WithText(noren.WithHint(noren.Errorf(noren.Denied, "this link was used, withdrawn, or is over"), "ask whoever sent it for a new one"),
		noren.Text{Ja: "このリンクはもう使えません。一度使われたか、取り消されたか、期限が過ぎています。送ってくれた人に、新しいリンクを頼んでください。", En: "This link cannot be used: it was used once, withdrawn, or its time is over. Ask whoever sent it for a new one."})
}

func (s *Staff) readLinks(ctx context.Context, where string, args ...any) (out []Link, err error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, kind, person, made_by, sealed, created_at, expires_at FROM staff_links WHERE `+where, args...)
	if err != nil {
		return nil, failed("read links", err)
	}
	defer rows.Close()
	for rows.Next() {
		l, err := s.scanLink(ctx, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, failed("read links", rows.Err())
}

func (s *Staff) scanLink(ctx context.Context, rows *sql.Rows) (l Link, err error) {
	var sealed []byte
	var created, expires int64
	if err := rows.Scan(&l.ID, &l.Kind, &l.Person, &l.MadeBy, &sealed, &created, &expires); err != nil {
		return l, failed("read links", err)
	}
	l.CreatedAt, l.ExpiresAt = noren.FromMicros(created), noren.FromMicros(expires)
	var hidden sealedLink
	err = s.open(ctx, "link", l.ID, sealed, &hidden)
	l.Mail, l.Roles = hidden.Mail, hidden.Roles
	return l, err
}

// useLink closes a link: of all who hold it, one does.
func (s *Staff) useLink(ctx context.Context, tx *db.Tx, id string) error {
	now := s.o.Now().UnixMicro()
	res, err := tx.ExecContext(ctx, `UPDATE staff_links SET closed_at = $1 WHERE id = $2 AND closed_at IS NULL AND expires_at > $1`, now, id)
	return one(res, err, errNoLink())
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// LinkPath is where the console takes a link.
func LinkPath(token string) string { return "/join/" + token }
