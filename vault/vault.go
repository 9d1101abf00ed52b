package vault

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
)

// DefaultCacheKeys is how many subject keys are kept ready, about 1 KiB each.
const DefaultCacheKeys = 20_000

// Options says where a vault keeps its keys.
type Options struct {
	DB   *db.DB
	Root KEK
	Now  func() time.Time // time.Now when nil
	// ErasuresFile lists every erasure outside the database and its backups.
	// Erase and Reapply need it.
	ErasuresFile string
	// Location is how the recovery sheet names the database; without passwords.
	Location string
	// CacheKeys bounds the subject keys kept ready; DefaultCacheKeys when 0.
	CacheKeys int
	Log       *slog.Logger
}

// Vault seals, opens and erases. It is safe for concurrent use, and several may
// work on one database. There is nothing to close; it must not be used after
// its database was closed.
type Vault struct {
	db       *db.DB
	now      func() time.Time
	file     erasuresFile
	location string
	log      *slog.Logger
	instance string
	search   *purposeKey
	tokens   *tokenizer

	root atomic.Pointer[KEK]
	ring atomic.Pointer[keyring]
	era  atomic.Int64 // number of the last erasure known
	// changes counts whatever makes a cached key wrong; see learn.
	changes atomic.Int64

	sealing *cache // keys that seal, made here
	opening *cache // keys loaded to open

	learning sync.Mutex // held by the one who brings ring, era and caches up to date
	retained string     // first month the last Retain kept; under learning
	watch    watch
	erasers  erasers
	// unscrubbed is set while destroyed keys may still be in SQLite's log.
	unscrubbed atomic.Bool
}

// Open opens the vault of a database and makes its first keys when it has none.
// It fails with a hint when the root key is not the one that wrapped them.
func Open(ctx context.Context, o Options) (*Vault, error) {
	if o.DB == nil || o.Root == nil {
		return nil, noren.Errorf(noren.Invalid, "open vault: a database and a root key are needed")
	}
	v := newVault(o)
	if err := v.load(ctx); err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	for _, purpose := range []string{PurposeSeal, PurposeSearch} {
		if _, err := v.purposeKey(ctx, purpose); err != nil {
			return nil, fmt.Errorf("open vault: %w", err)
		}
	}
	if v.instance == "" { // this or another node made the first keys just now
		if err := v.load(ctx); err != nil {
			return nil, fmt.Errorf("open vault: %w", err)
		}
	}
	v.search = v.ring.Load().active[PurposeSearch]
	v.tokens = newTokenizer(derive(v.search.secret, "noren search 1"))
	return v, nil
}

func newVault(o Options) *Vault {
	v := &Vault{
		db:       o.DB,
		now:      o.Now,
		file:     erasuresFile{path: o.ErasuresFile},
		location: o.Location,
		log:      o.Log,
		watch:    watch{wait: waitAtMost, limit: checkAtMost},
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if o.CacheKeys <= 0 {
		o.CacheKeys = DefaultCacheKeys
	}
	v.sealing, v.opening = newCache(o.CacheKeys), newCache(o.CacheKeys)
	v.root.Store(&o.Root)
	v.ring.Store(newKeyring(0, nil))
	return v
}

// load reads what the database holds.
func (v *Vault) load(ctx context.Context) error {
	now := v.now()
	state, err := loadState(ctx, v.db.Read())
	if err != nil {
		return readError("read the vault's state", err)
	}
	if err := v.checkRoot(state[stateRoot]); err != nil {
		return err
	}
	version, err := counter(state[stateKeys])
	if err != nil {
		return err
	}
	era, err := counter(state[stateErasures])
	if err != nil {
		return err
	}
	ring, err := v.readRing(ctx, v.db.Read(), version)
	if err != nil {
		return err
	}
	v.instance = state[stateInstance]
	v.ring.Store(ring)
	v.era.Store(era)
	v.watch.checked.Store(&now)
	return nil
}

// Instance is the id of this installation, made with its first key.
func (v *Vault) Instance() string { return v.instance }

// String names the vault and shows nothing it holds.
func (v *Vault) String() string { return "vault " + v.instance }

// Format answers every verb without what the vault holds.
func (v *Vault) Format(f fmt.State, _ rune) { fmt.Fprint(f, v.String()) }

// LogValue names the vault and shows nothing it holds.
func (v *Vault) LogValue() slog.Value { return slog.StringValue(v.String()) }

func readError(doing string, err error) error {
	if db.IsUnavailable(err) {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "%s: %w", doing, err), "Check that the database is up; Noren tries again by itself.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
