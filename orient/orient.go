package orient

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"noren"
	"noren/db"
	"noren/kv"
)

// Source is a part that knows facts of its own.
type Source interface {
	// Facts declares them. It must always return the same.
	Facts() []noren.Fact
	// Read puts the facts of ev into into; those that are not asked for are
	// dropped. It is called only when one of them is needed, must answer within
	// ctx and must not keep ev. Its error leaves its facts unknown.
	Read(ctx context.Context, ev *noren.Event, into noren.Facts) error
}

// Options are everything an Orient needs. The zero value counts in memory.
type Options struct {
	DB *db.DB   // history; nil in replay: memory only
	KV kv.Store // request rates; a memory of its own when nil
	// Shared says that other processes use the same KV and DB: nodes then tell
	// each other of marks through it.
	Shared bool
	// Token makes keyed tokens; the vault's. Needed with DB.
	Token     func(site, field, value string) []byte
	Addresses *Addresses // what is known of addresses; nothing when nil
	Sources   []Source
	Entities  []string // declared extra entities
	Sequences []noren.Sequence
	// After is the Orient that this one follows when the settings change. The two
	// share what they count, so that no event in hand is lost between them; DB,
	// KV, Shared, Token and MaxEntities are the predecessor's.
	After *Orient
	// MaxEntities bounds the cache of entities with a database behind it.
	MaxEntities int
	Log         *slog.Logger
}

// defaultMaxEntities keeps the cache of an ordinary shop within 60 MiB.
const defaultMaxEntities = 50_000

// Orient turns events into facts. It is safe for concurrent use.
type Orient struct {
	*core
	entities  *entities
	parser    parser
	addresses *Addresses
	sources   []Source
	sequences []sequence

	catalogue   *noren.Catalogue
	sourceOf    map[string]int
	addressFact map[string]bool
	plans       plans
}

// core is what one instance counts, whatever its settings are.
type core struct {
	db     *db.DB
	kv     kv.Store
	spare  *kv.Memory // counts while kv fails
	shared bool
	log    *slog.Logger
	tokens *tokens

	layoutMu sync.Mutex
	layout   atomic.Pointer[layout]

	cache    *cache
	registry *registry
	nameless atomic.Uint64
	loader   *loader
	unsent   unsent
	erased   erased
	chains   *chains
}

// Observation is what Observe learned of an event.
type Observation struct {
	Facts noren.Facts
	// Rows are what the event adds to history. They must be committed with the
	// event's journal entry; then tell Committed, or Cancel when they were not.
	Rows []db.Row
	// Degraded says that shared state or the database could not be asked, and
	// the facts are those of this process alone.
	Degraded bool
}

// New makes an Orient. Nothing is loaded until an event needs it.
func New(o Options) (*Orient, error) {
	var before *entities
	c := (*core)(nil)
	if o.After != nil {
		c, before = o.After.core, o.After.entities
	} else if o.DB != nil && o.Token == nil {
		return nil, noren.Errorf(noren.Internal, "orient: a database needs tokens")
	}
	es, err := newEntities(o.Entities, before)
	if err != nil {
		return nil, err
	}
	if c == nil {
		c = newCore(&o)
	}
	n := &Orient{core: c, entities: es, parser: parser{es}, addresses: o.Addresses, sources: slices.Clone(o.Sources)}
	for _, q := range o.Sequences {
		n.sequences = append(n.sequences, newSequence(q, es))
	}
	if n.addresses == nil {
		n.addresses = NoAddresses()
	}
	if err := n.declare(); err != nil {
		return nil, err
	}
	if c.layout.Load() == nil {
		l, err := n.newLayout(1, map[string]tracked{}, c.db == nil)
		if err != nil {
			return nil, err
		}
		c.layout.Store(l)
	}
	return n, nil
}

const spareKeys = 20_000

func newCore(o *Options) *core {
	c := &core{
		db: o.DB, kv: o.KV, shared: o.Shared && o.DB != nil, log: o.Log, spare: kv.NewMemory(spareKeys),
		cache: newCache(cmp.Or(max(o.MaxEntities, 0), defaultMaxEntities)), loader: newLoader(o.DB), registry: newRegistry(maxRecords), chains: &chains{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.kv == nil {
		c.kv = kv.NewMemory(0)
	}
	token := o.Token
	if token == nil {
		token = throwaway()
	}
	c.tokens = newTokens(token)
	if c.db == nil {
		c.registry = newRegistry(0)
		c.registry.keep = maxWindow.Microseconds()
	}
	return c
}

// throwaway keys tokens that nobody ever compares with another process's.
func throwaway() func(site, field, value string) []byte {
	secret := make([]byte, 32)
	rand.Read(secret)
	return func(_, _, _ string) []byte { return secret }
}

// declare makes the catalogue of events', address, sources' and counted facts.
func (o *Orient) declare() error {
	facts := append(noren.EventFacts(), addressFacts()...)
	o.addressFact = map[string]bool{}
	for _, f := range addressFacts() {
		o.addressFact[f.Name] = true
	}
	o.sourceOf = map[string]int{}
	for i, s := range o.sources {
		for _, f := range s.Facts() {
			if slices.ContainsFunc(facts, func(g noren.Fact) bool { return g.Name == f.Name }) {
				return noren.Errorf(noren.Internal, "fact %s is declared twice", f.Name)
			}
			o.sourceOf[f.Name] = i
			facts = append(facts, f)
		}
	}
	o.catalogue = noren.NewCatalogue(facts, append(o.sequenceFacts(), o.parser.families()...))
	return nil
}

// Catalogue is every fact there is.
func (o *Orient) Catalogue() *noren.Catalogue { return o.catalogue }
