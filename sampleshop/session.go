package sampleshop

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const sessionLife = 7 * 24 * time.Hour

// session is what the shop knows of a visitor. A visitor who only looks has
// none.
type session struct {
	Customer int64          `json:"customer,omitempty"`
	Admin    bool           `json:"admin,omitempty"`
	Cart     map[string]int `json:"cart,omitempty"` // product to pieces
	Draft    *draft         `json:"draft,omitempty"`
	Placed   int64          `json:"placed,omitempty"` // the order just placed
	Notice   string         `json:"notice,omitempty"` // shown once, on the next page

	token string // in the cookie; the table holds its hash
}

// cookieName carries the prefix that ties a cookie to its host where browsers
// accept it: over TLS.
func (s *Shop) cookieName() string {
	if s.secure() {
		return "__Host-norendo"
	}
	return "norendo"
}

func hashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// session returns the visitor's session, an empty one for a new visitor.
func (s *Shop) session(r *http.Request) (*session, error) {
	c, err := r.Cookie(s.cookieName())
	if err != nil || len(c.Value) != 64 {
		return &session{}, nil
	}
	var data string
	err = s.db.QueryRowContext(r.Context(), `SELECT data FROM sessions WHERE token = $1 AND expires_at > $2`,
		hashToken(c.Value), s.opts.Now().Unix()).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return &session{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	sess := session{token: c.Value}
	if err := json.Unmarshal([]byte(data), &sess); err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	return &sess, nil
}

// save keeps the session and gives a new visitor the cookie.
func (s *Shop) save(w http.ResponseWriter, r *http.Request, sess *session) error {
	fresh := sess.token == ""
	if fresh {
		var b [32]byte
		rand.Read(b[:])
		sess.token = hex.EncodeToString(b[:])
	}
	if err := s.storeSession(r.Context(), sess, fresh); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	if fresh {
		http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Value: sess.token, Path: "/", MaxAge: int(sessionLife / time.Second),
			HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode})
	}
	return nil
}

func (s *Shop) storeSession(ctx context.Context, sess *session, fresh bool) error {
	data, err := json.Marshal(sess)
	if err != nil {
		return err
	}
	now := s.opts.Now()
	return s.write(ctx, func(tx *sql.Tx) error {
		if fresh { // a new visitor makes room by sweeping out the old
			if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires_at <= $1`, now.Unix()); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions (token, data, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at`,
			hashToken(sess.token), string(data), now.Add(sessionLife).Unix())
		return err
	})
}

// renew drops the old token: after a change of rights a token that somebody
// else may know must be worth nothing.
func (s *Shop) renew(ctx context.Context, sess *session) error {
	if sess.token == "" {
		return nil
	}
	old := hashToken(sess.token)
	sess.token = ""
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE token = $1`, old)
		return err
	})
}

// end forgets the session and takes the cookie back.
func (s *Shop) end(w http.ResponseWriter, r *http.Request, sess *session) error {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode})
	return s.renew(r.Context(), sess)
}
