package staff

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"sync"
	"time"

	"noren"
	"noren/db"
)

// How long a session lasts. Twelve hours without use is a working day with its
// breaks (NIST SP 800-63B-4, 2.2.3, at level 2: an hour is recommended and more
// allowed by what it protects; a shop's counter is looked at now and then all day).
// Seven days at most, because each sign-in takes a second factor, and one a week
// is what people bear; the guideline's 24 hours make them leave it.
const (
	idleEnd     = 12 * time.Hour
	absoluteEnd = 7 * 24 * time.Hour
	// deviceFor is how long a browser counts as known, anew with each sign-in.
	deviceFor = 180 * 24 * time.Hour
	// fresh is how long a node goes on with what it knows of sessions.
	fresh     = time.Second
	maxCached = 4096
)

// Session is somebody who is signed in.
type Session struct {
	ID          string     `json:"id"`
	Person      *Person    `json:"person,omitempty"`
	CreatedAt   noren.Time `json:"created_at"`
	SeenAt      noren.Time `json:"seen_at"` // about a minute old at most
	ExpiresAt   noren.Time `json:"expires_at"`
	ConfirmedAt noren.Time `json:"confirmed_at"` // last second factor
	Address     netip.Addr `json:"address" personal:"address signed in from"`
	Browser     string     `json:"browser" personal:"browser signed in with"`
}

// By is the person of a session as who does something, from an address.
func (x *Session) By(from netip.Addr, reason string) By {
	return By{Person: x.Person.ID, Address: from, Reason: reason}
}

// May reports whether the session's person may do something at a site.
func (x *Session) May(site string, p Permission) bool { return x != nil && May(x.Person, site, p) }

// Confirmed reports whether the last second factor was given within d before now:
// what is dangerous asks for it.
func (s *Staff) Confirmed(x *Session, within time.Duration) bool {
	age := s.o.Now().Sub(x.ConfirmedAt.Time)
	return age <= within && age > -time.Minute // a clock that went back confirms nothing
}

// ConfirmFor is how long a second factor counts for what is dangerous.
const ConfirmFor = 10 * time.Minute

// ErrConfirm says that the second factor must be given again first (Reconfirm).
var ErrConfirm = errors.New("give the code of your second factor again first")

// recently is ErrConfirm when the last second factor was too long ago.
func (s *Staff) recently(x *Session) error {
	if s.Confirmed(x, ConfirmFor) {
		return nil
	}
	return noren.Errorf(noren.Denied, "%w", ErrConfirm)
}

// sealedSession is what of a session is sealed.
type sealedSession struct {
	Address string `json:"address,omitempty"`
	Browser string `json:"browser,omitempty"`
}

// Session returns who a token is; Denied for nobody, Unavailable when that cannot
// be known. In the usual case it reads nothing but memory. The session is shared
// and must not be changed.
func (s *Staff) Session(ctx context.Context, token string) (*Session, error) {
	hash, ok := parseToken("session", token)
	if !ok {
		return nil, errNoSession()
	}
	version, err := s.sessions.current(ctx, s)
	if err != nil {
		return nil, err
	}
	if x := s.sessions.get(version, string(hash)); x != nil && s.use(x) {
		return x, nil
	}
	// Not known here, or unused for long here: another node may know better.
	x, err := s.readSession(ctx, hash)
	if err != nil {
		return nil, err
	}
	if !s.use(x) {
		return nil, errNoSession()
	}
	s.sessions.put(version, string(hash), x)
	return x, nil
}

func errNoSession() error { return noren.Errorf(noren.Denied, "nobody is signed in") }

// use notes that a session is used now; false when it is over.
func (s *Staff) use(x *Session) bool {
	now := s.o.Now()
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	seen := x.SeenAt.Time
	if at, ok := s.seen[x.ID]; ok && at.After(seen) {
		seen = at
	}
	if !now.Before(x.ExpiresAt.Time) || now.Sub(seen) >= idleEnd {
		return false
	}
	if now.After(seen) {
		s.seen[x.ID] = now
	}
	return true
}

// flush stores when sessions were used last. What cannot be stored now is kept.
func (s *Staff) flush(ctx context.Context) {
	s.seenMu.Lock()
	seen := s.seen
	s.seen = map[string]time.Time{}
	s.seenMu.Unlock()
	if len(seen) == 0 {
		return
	}
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		for id, at := range seen {
			if _, err := tx.ExecContext(ctx, `UPDATE staff_sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1`, at.UnixMicro(), id); err != nil {
				return err
			}
		}
		return nil
	})
	s.sessions.seen(seen)
	if err == nil {
		return
	}
	s.o.Log.Warn("the last use of sessions cannot be stored; it is tried again", "err", err)
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	for id, at := range seen {
		if s.seen[id].Before(at) {
			s.seen[id] = at
		}
	}
}

// sessionCache are sessions as they were at one version of the people.
type sessionCache struct {
	asking  sync.Mutex // one asks, the others wait for the answer
	mu      sync.Mutex
	version int64
	at      time.Time // when version was read; zero: it must be read
	changes int64     // of this node, so that an answer from before one is not kept
	byToken map[string]*Session
}

// stale makes the next request ask for the version.
func (c *sessionCache) stale() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = time.Time{}
	c.changes++
}

func (c *sessionCache) known(now time.Time) (version, changes int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.at)
	return c.version, c.changes, !c.at.IsZero() && age >= 0 && age < fresh
}

// current is the version of the people, at most a second old.
func (c *sessionCache) current(ctx context.Context, s *Staff) (int64, error) {
	if v, _, ok := c.known(s.o.Now()); ok {
		return v, nil
	}
	c.asking.Lock()
	defer c.asking.Unlock()
	asked := s.o.Now()
	v, changes, ok := c.known(asked)
	if ok {
		return v, nil
	}
	if err := s.o.DB.Read().QueryRowContext(ctx, `SELECT version FROM staff_state WHERE id = 1`).Scan(&v); err != nil {
		return 0, noren.Errorf(noren.Unavailable, "look who is signed in: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v != c.version || c.byToken == nil {
		c.version, c.byToken = v, map[string]*Session{}
	}
	if changes == c.changes {
		c.at = asked
	}
	return v, nil
}

func (c *sessionCache) get(version int64, token string) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version != c.version {
		return nil
	}
	return c.byToken[token]
}

// put keeps a session that was read after version was. A change in between makes
// it one of a later version, which the next look finds.
func (c *sessionCache) put(version int64, token string, x *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version != c.version || c.byToken == nil {
		return
	}
	if len(c.byToken) >= maxCached {
		clear(c.byToken)
	}
	c.byToken[token] = x
}

// seen takes over what was stored of the last use.
func (c *sessionCache) seen(at map[string]time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for token, x := range c.byToken {
		if t, ok := at[x.ID]; ok && t.After(x.SeenAt.Time) {
			newer := *x
			newer.SeenAt = noren.At(t)
			c.byToken[token] = &newer
		}
	}
}

const sessionColumns = `SELECT id, person, sealed, created_at, seen_at, confirmed_at, expires_at FROM staff_sessions WHERE ended_at IS NULL AND `

func (s *Staff) readSession(ctx context.Context, hash []byte) (*Session, error) {
	found, err := s.readSessions(ctx, sessionColumns+`token = $1`, hash)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNoSession()
	}
	x := found[0]
	p, err := s.Person(ctx, x.Person.ID)
	if noren.CodeOf(err) == noren.NotFound || err == nil && !p.RemovedAt.IsZero() {
		return nil, errNoSession()
	}
	x.Person = p
	return &x, err
}

func (s *Staff) readSessions(ctx context.Context, query string, args ...any) (out []Session, err error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failed("read sessions", err)
	}
	defer rows.Close()
	for rows.Next() {
		x, err := s.scanSession(ctx, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, failed("read sessions", rows.Err())
}

func (s *Staff) scanSession(ctx context.Context, rows *sql.Rows) (x Session, err error) {
	x.Person = &Person{}
	var sealed []byte
	var created, seen, confirmed, expires int64
	if err := rows.Scan(&x.ID, &x.Person.ID, &sealed, &created, &seen, &confirmed, &expires); err != nil {
		return x, failed("read sessions", err)
	}
	x.CreatedAt, x.SeenAt = noren.FromMicros(created), noren.FromMicros(seen)
	x.ConfirmedAt, x.ExpiresAt = noren.FromMicros(confirmed), noren.FromMicros(expires)
	var from sealedSession
	if err := s.open(ctx, "session", x.ID, sealed, &from); err != nil {
		return x, err
	}
	x.Browser = from.Browser
	if from.Address != "" {
		x.Address, err = netip.ParseAddr(from.Address)
	}
	return x, err
}
