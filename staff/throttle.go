package staff

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/netip"
	"sync"
	"time"

	"noren"
	"noren/db"
)

// Throttling of sign-ins. Tries are counted in SQL before a password is hashed or
// a code compared, in one statement each, so that nodes together give no more than
// one would, and a restart forgives nothing. In front of that each node remembers
// whom SQL refused, so that a flood costs no statements.
//
// Strangers are slowed by account and by address. A browser in which the person
// signed in before (see staff_devices) is counted by itself and passes both, so
// that nobody can lock the owner out from elsewhere; without such a browser a link
// from the machine does. Who has no account is counted like who has one.

// limit is a GCRA: burst tries at once, then one every so often.
type limit struct {
	key   []byte
	burst int64
	every time.Duration
}

// byAccount: ten tries, then twenty an hour: 490 on the first day, against a
// password that no list has.
func (s *Staff) byAccount(mail []byte) limit {
	return limit{s.key("account", string(mail)), 10, 3 * time.Minute}
}

// byAddress: an office full of people who come back from their holidays.
func (s *Staff) byAddress(a netip.Addr) limit {
	if a.Is6() { // one line has a /64
		if p, err := a.Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return limit{s.key("address", a.String()), 20, time.Minute}
}

// byDevice: somebody who mistypes; a stolen browser must not guess for long.
func (s *Staff) byDevice(hash []byte) limit {
	return limit{s.key("device", string(hash)), 10, time.Minute}
}

// byCodes: a million codes, three of them right at any time. Ten tries, then twelve
// an hour find one with a chance of one in a thousand a day, by somebody who has
// the password.
func (s *Staff) byCodes(person string) limit {
	return limit{s.key("codes", person), 10, 5 * time.Minute}
}

// bySession: codes and passwords asked for within a session.
func (s *Staff) bySession(id string) limit { return limit{s.key("session", id), 10, time.Minute} }

func (s *Staff) key(kind, value string) []byte { return s.o.Token("staff.throttle", kind+"\x00"+value) }

// errSlow refuses a try until a time.
func errSlow(wait time.Duration) error {
	return noren.WithHint(&Slow{wait.Round(time.Second)},
		"from a browser in which you signed in before it works at once; somebody at the machine can make a new way in: noren staff link MAIL")
}

// Slow says that there were too many tries, and how long to wait.
type Slow struct{ Wait time.Duration }

func (e *Slow) Error() string {
	return "there were too many tries; the next one is possible in " + max(e.Wait, time.Second).String()
}

// take counts a try against every limit, or none when one of them is reached.
func (s *Staff) take(ctx context.Context, limits ...limit) error {
	now := s.o.Now()
	for _, l := range limits {
		if until, ok := s.refused.until(l.key, now); ok {
			return errSlow(until.Sub(now))
		}
	}
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		for _, l := range limits {
			if err := s.takeOne(ctx, tx, l, now); err != nil {
				return err
			}
		}
		return nil
	})
	if _, slow := errors.AsType[*Slow](err); slow {
		return err
	}
	return failed("count a try", err)
}

func (s *Staff) takeOne(ctx context.Context, tx *db.Tx, l limit, now time.Time) error {
	at, every := now.UnixMicro(), l.every.Microseconds()
	room := at + (l.burst-1)*every
	// Later than any try could bring it is one thing alone: a clock that went back.
	// Then it begins anew, because nobody may be refused for as long as that was.
	impossible := room + 2*every
	var tat int64
	err := tx.QueryRowContext(ctx, `INSERT INTO staff_throttle (key, tat) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE
		SET tat = CASE WHEN staff_throttle.tat < $3 OR staff_throttle.tat > $6 THEN $3 ELSE staff_throttle.tat END + $4
		WHERE staff_throttle.tat <= $5 OR staff_throttle.tat > $6 RETURNING tat`,
		l.key, at+every, at, every, room, impossible).Scan(&tat)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT tat FROM staff_throttle WHERE key = $1`, l.key).Scan(&tat); err != nil {
		return err
	}
	wait := time.Duration(tat-room) * time.Microsecond
	s.refused.add(l.key, now, now.Add(wait))
	return errSlow(wait)
}

// giveBack forgets the tries that a full sign-in took.
func (s *Staff) giveBack(ctx context.Context, tx *db.Tx, limits ...limit) error {
	for _, l := range limits {
		if _, err := tx.ExecContext(ctx, `UPDATE staff_throttle SET tat = tat - $1 WHERE key = $2`, l.every.Microseconds(), l.key); err != nil {
			return err
		}
	}
	return nil
}

// refusals are keys that SQL refused, and until when. The zero value is ready.
type refusals struct {
	mu    sync.Mutex
	byKey map[string]refusal
}

// refusal holds from one time to another; before from is a clock that went back.
type refusal struct{ from, until time.Time }

const maxRefusals = 10_000

func (r *refusals) until(key []byte, now time.Time) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.byKey[string(key)]
	return e.until, ok && now.Before(e.until) && !now.Before(e.from)
}

func (r *refusals) add(key []byte, from, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil || len(r.byKey) >= maxRefusals { // SQL knows it still
		r.byKey = map[string]refusal{}
	}
	r.byKey[string(key)] = refusal{from, until}
}

func (r *refusals) forget(keys ...[]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		delete(r.byKey, string(k))
	}
}

// crowd bounds how many strangers of a node try at all, whatever they type and
// wherever they come from: beyond that the rest is refused before anything is read.
type crowd struct {
	mu  sync.Mutex
	tat time.Time
}

const (
	crowdBurst = 20
	crowdEvery = 200 * time.Millisecond
)

func (c *crowd) take(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tat.Before(now) || c.tat.Sub(now) > 2*crowdBurst*crowdEvery { // the latter: a clock that went back
		c.tat = now
	}
	if c.tat.Sub(now) > (crowdBurst-1)*crowdEvery {
		return errBusy()
	}
	c.tat = c.tat.Add(crowdEvery)
	return nil
}

// device is a browser in which somebody signed in before.
type device struct {
	hash   []byte
	person string
}

// device looks a cookie up; the zero device for none that counts.
func (s *Staff) device(ctx context.Context, cookie string) (d device, err error) {
	hash, ok := parseToken("device", cookie)
	if !ok {
		return d, nil
	}
	err = s.o.DB.Read().QueryRowContext(ctx, `SELECT person FROM staff_devices WHERE token = $1 AND expires_at > $2`, hash, s.o.Now().UnixMicro()).Scan(&d.person)
	if errors.Is(err, sql.ErrNoRows) {
		return device{}, nil
	}
	d.hash = hash
	return d, failed("look a browser up", err)
}

// short names a hash in a log.
func short(hash []byte) string { return hex.EncodeToString(hash[:min(4, len(hash))]) }
