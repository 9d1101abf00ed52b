package staff

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
)

// Options are what Open needs.
type Options struct {
	DB *db.DB
	// Secrets are the keys that seal what is stored, the newest first: the
	// vault's, of the purpose "staff".
	Secrets func(context.Context) ([][]byte, error)
	// Token makes a keyed token of a value; the vault's.
	Token func(field, value string) []byte
	Now   func() time.Time // nil: the system clock
	Log   *slog.Logger
	Cost  Cost // of a password's hash; zero: DefaultCost
}

// Staff are the people of an instance. It is safe for concurrent use, and several
// nodes may share a database.
type Staff struct {
	o        Options
	decider  atomic.Pointer[noren.Decider]
	hashing  *pool
	nobody   string // hash of a password that nobody has
	sessions sessionCache
	refused  refusals
	crowd    crowd

	seenMu sync.Mutex
	seen   map[string]time.Time // by session id: last use that is not stored yet
}

// Open readies the people of the database.
func Open(o Options) (*Staff, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Cost == (Cost{}) {
		o.Cost = DefaultCost()
	}
	if err := o.Cost.valid(); err != nil {
		return nil, err
	}
	s := &Staff{o: o, hashing: newPool(), seen: map[string]time.Time{}}
	s.nobody = hashPassword(rand.Text(), o.Cost)
	return s, nil
}

// RaiseTo names where sign-ins and changes are recorded. Before that, they fail.
func (s *Staff) RaiseTo(d noren.Decider) { s.decider.Store(&d) }

// flushEvery is how often the last use of sessions is stored.
const flushEvery = time.Minute

// Run stores the last use of sessions every minute, and once more at the end.
func (s *Staff) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.flush(ctx)
			return
		case <-tick.C:
			s.flush(ctx)
		}
	}
}

// By is who does something: a person of the shop, or somebody at the machine.
type By struct {
	Person  string     // id
	Machine string     // user of the operating system, where no person signed in
	Address netip.Addr // from where; may be missing
	Reason  string     // for the record
}

// AtMachine is who works at the machine itself: whoever may run noren there holds
// the keys, and may do everything.
func AtMachine(user string) By { return By{Machine: user} }

// name is how the record names by.
func (b By) name() string {
	if b.Person != "" {
		return b.Person
	}
	return "machine:" + b.Machine
}

// may refuses who does not manage people wherever these roles hold.
func (s *Staff) may(ctx context.Context, q querier, by By, over ...Grants) error {
	if by.Person == "" {
		if by.Machine == "" {
			return noren.Errorf(noren.Denied, "who does this is not known")
		}
		return nil
	}
	own, err := grantsOf(ctx, q, by.Person)
	if err != nil {
		return failed("read roles", err)
	}
	for _, g := range over {
		if !own.covers(g) {
			return noren.Errorf(noren.Denied, "only an owner of the sites concerned may do this")
		}
	}
	return nil
}

// change records what by does and then does it. over are the roles that by must
// manage people for; that is looked at again within the transaction, after all
// changes of people before it.
func (s *Staff) change(ctx context.Context, by By, act, object string, over []Grants, f func(tx *db.Tx) error) error {
	if err := s.may(ctx, s.o.DB.Read(), by, over...); err != nil {
		return err
	}
	if err := s.report(ctx, by, act, object); err != nil {
		return err
	}
	err := s.write(ctx, act, func(tx *db.Tx) error {
		if err := s.may(ctx, tx, by, over...); err != nil {
			return err
		}
		return f(tx)
	})
	if err != nil {
		s.notMade(ctx, by, act, object, err)
	}
	return err
}

// write runs f in a transaction that counts the version up first. That row's lock
// makes changes of people one after the other on every node.
func (s *Staff) write(ctx context.Context, doing string, f func(tx *db.Tx) error) error {
	err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE staff_state SET version = version + 1 WHERE id = 1`); err != nil {
			return err
		}
		return f(tx)
	})
	s.sessions.stale() // done or not: the answer may have been lost
	return failed(doing, err)
}

// failed says what could not be done; a database that is away is Unavailable.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case db.IsUnavailable(err):
		return noren.Errorf(noren.Unavailable, "%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
