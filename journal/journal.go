// Package journal is the log that nobody can alter unnoticed: append, query,
// checkpoint, prove, verify, export.
//
// Each site has a log of its own and the instance has one. A log is a Merkle
// tree (RFC 6962) over its entries; the tree's head is read and advanced in the
// SQL transaction that inserts them, so two processes append to one database
// correctly. Signed checkpoints (C2SP tlog-checkpoint) leave the machine, so
// that somebody who keeps one can prove later that nothing before it was
// changed or removed.
//
//	leaf.go        an entry as a leaf: public part, sealed part, hash
//	tree.go        the right edge of the tree and its tiles
//	queue.go       what waits to be committed, bounded
//	commit.go      group commit: gather, insert, acknowledge
//	spool.go       the file that takes entries while the database is away
//	checkpoint.go  signed heads; sink.go and webhook.go carry them away
//	verify.go      recompute everything and compare
//	prove.go       proofs that verify offline
//	export.go      C2SP tlog-tiles directories
//	query.go       reading entries back
//	rollup.go      sums beside the appending; trend.go and tops.go read them
//	search.go      a page of entries at a time; find.go finds them
//	text.go        words in opened entries
//	story.go       everything around one visitor
//	standing.go    what the page of proofs shows; bundle.go packs one to take away
package journal

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

// InstanceLog is the log of events that belong to no site.
const InstanceLog = "instance"

// Sealer encrypts what is personal in an entry and makes search tokens. The
// vault fits. When it also has Confirm(keyIDs ...string), the journal calls
// that once the rows of a Seal are committed.
type Sealer interface {
	Seal(site string, s noren.Subject, at time.Time, plain, aad []byte) (noren.Sealed, []db.Row, error)
	Open(ctx context.Context, s noren.Sealed, aad []byte) ([]byte, error)
	Token(site, field, value string) []byte
}

type confirmer interface{ Confirm(keyIDs ...string) }

// Options are everything a Journal needs.
type Options struct {
	DB     *db.DB
	Sealer Sealer
	// SigningKey signs checkpoints. Without it (nil) the journal reads,
	// verifies and appends, and cannot sign.
	SigningKey ed25519.PrivateKey
	KeyID      string // of the signing key, for the program's own log
	// OldKeys are public keys that signed earlier checkpoints.
	OldKeys []ed25519.PublicKey
	// Origin names the instance, e.g. noren/01JD…; "/" and the log's name are
	// appended to make the origin line of its checkpoints.
	Origin string
	Node   string // this node; names its spool file
	// SpoolDir is where entries go while the database is away; "" for no spool.
	SpoolDir string
	SpoolMax int64 // bytes; DefaultSpoolMax when 0
	Outside  []CheckpointSink
	Log      *slog.Logger
}

// DefaultSpoolMax is the spool's bound when Options do not say.
const DefaultSpoolMax = 256 << 20

// Journal appends to and reads from the logs of one database. It is safe for
// concurrent use.
type Journal struct {
	o       Options
	log     *slog.Logger
	db      *db.DB
	spool   *spool // nil without one
	queue   *queue
	stop    context.CancelFunc
	running sync.WaitGroup
	closed  atomic.Bool
	adopted atomic.Pointer[[]*spool] // spools of ended processes that this one drains
	signed  signedHeads

	rollAtOnce rollSizes
}

// Receipt says where an appended entry is.
type Receipt struct {
	Log     string
	Seq     int64     // -1 while the entry is in the spool only
	Leaf    tlog.Hash // RFC 6962 leaf hash
	Spooled bool
}

// Open starts a journal. What an earlier process of this node left in the spool
// is moved into the database in the background.
func Open(ctx context.Context, o Options) (*Journal, error) {
	if err := o.valid(); err != nil {
		return nil, err
	}
	j := &Journal{o: o, log: o.Log, db: o.DB, queue: newQueue(), rollAtOnce: rollSizes{rollForward, rollBack}}
	if o.SpoolDir != "" {
		sp, err := openSpool(o.SpoolDir, o.Node, o.Origin, o.SpoolMax, o.Log)
		if err != nil {
			return nil, err
		}
		j.spool = sp
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	j.stop = stop
	c := newCommitter(j)
	j.running.Go(func() { c.run(run) })
	return j, nil
}

func (o *Options) valid() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Node == "" {
		o.Node = "node"
	}
	if o.SpoolMax == 0 {
		o.SpoolMax = DefaultSpoolMax
	}
	if err := ValidOrigin(o.Origin); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	switch {
	case o.DB == nil || o.Sealer == nil:
		return noren.Errorf(noren.Invalid, "open journal: a database and a sealer are needed")
	case o.SpoolMax < 0:
		return noren.Errorf(noren.Invalid, "open journal: the spool's bound of %d bytes is negative", o.SpoolMax)
	}
	return nil
}

// ValidOrigin reports what is wrong with an origin.
func ValidOrigin(s string) error {
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, notOrigin) {
		return noren.Errorf(noren.Invalid, "origin %q must be 1 to 128 characters of a-z A-Z 0-9 . _ - /", s)
	}
	return nil
}

// notOrigin keeps an origin to what is safe in a note line, a path and a URL.
func notOrigin(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-/", r)
}

// Append records e and makes rows durable with it, in one transaction. It
// returns once both are durable: committed, or in the fsynced spool while the
// database is away. Appending the same Event.ID again returns the receipt of the
// first time and drops the rows, which were committed then.
//
// When ctx ends first the outcome is open: the entry may still be committed.
// Append again with the same ID to find out. Code Unavailable means that
// neither the database nor the spool could take the entry.
func (j *Journal) Append(ctx context.Context, e noren.Entry, rows ...db.Row) (Receipt, error) {
	p, err := j.Submit(ctx, e, rows...)
	if err != nil {
		return Receipt{}, err
	}
	return p.Wait(ctx)
}

// Pending is an entry on its way.
type Pending struct{ r *record }

// Submit puts e and rows in line for what Append does and returns at once, or
// when there is room in the queue.
func (j *Journal) Submit(ctx context.Context, e noren.Entry, rows ...db.Row) (*Pending, error) {
	r, err := j.prepare(&e, rows)
	if err != nil {
		return nil, err
	}
	r.done = make(chan struct{})
	if err := j.queue.put(ctx, r); err != nil {
		return nil, err
	}
	return &Pending{r}, nil
}

// Wait returns once the entry is durable, as Append does. After an error because
// ctx ended it may be called again.
func (p *Pending) Wait(ctx context.Context) (Receipt, error) {
	select {
	case <-p.r.done:
		return p.r.receipt, p.r.err
	case <-ctx.Done():
	}
	select {
	case <-p.r.done: // both at once: the good news counts
		return p.r.receipt, p.r.err
	default:
		return Receipt{}, noren.Errorf(noren.Unavailable, "append %s: not durable yet: %w", p.r.id, context.Cause(ctx))
	}
}

// Post is Append without waiting for the entry to be durable. It waits for room
// in the queue, up to ctx, rather than dropping anything. Entries that can
// neither be committed nor spooled stay in the queue and are tried again.
func (j *Journal) Post(ctx context.Context, e noren.Entry, rows ...db.Row) error {
	r, err := j.prepare(&e, rows)
	if err != nil {
		return err
	}
	return j.queue.put(ctx, r)
}

// Rows makes rows durable with a coming group, without an entry and without
// waiting. After a failed commit they may be inserted again, so their tables
// must have a primary key or ignore conflicts.
func (j *Journal) Rows(ctx context.Context, rows ...db.Row) error {
	if len(rows) == 0 {
		return nil
	}
	r, err := bareRows(rows)
	if err != nil {
		return err
	}
	return j.queue.put(ctx, r)
}

// Flush returns once everything posted before it is durable.
func (j *Journal) Flush(ctx context.Context) error {
	r := &record{done: make(chan struct{}), barrier: true}
	if err := j.queue.put(ctx, r); err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return noren.Errorf(noren.Unavailable, "flush journal: %w", context.Cause(ctx))
	}
}

// Close flushes and stops the journal. What is in the spool stays there for the
// next start. It is an error when posted entries could not be made durable
// before ctx ended.
func (j *Journal) Close(ctx context.Context) error {
	if j.closed.Swap(true) {
		return nil
	}
	j.queue.close()
	err := j.Flush(ctx)
	for err != nil && ctx.Err() == nil { // posted entries wait for the database to come back
		sleep(ctx, backoffMin)
		err = j.Flush(ctx)
	}
	j.stop()
	j.running.Wait()
	if lost := j.queue.drop(); lost > 0 {
		j.log.Error("journal closed with entries that are nowhere durable", "alarm", true, "records", lost)
	}
	if j.spool != nil {
		j.spool.close()
	}
	return err
}

// Spooled returns how much is in this node's spools, adopted ones included, and
// not yet in the database. A node with any must not be removed.
func (j *Journal) Spooled() (entries, bytes int64) {
	var all []*spool
	if p := j.adopted.Load(); p != nil {
		all = *p
	}
	if j.spool != nil {
		all = append([]*spool{j.spool}, all...)
	}
	for _, s := range all {
		n, b := s.waiting()
		entries, bytes = entries+n, bytes+b
	}
	return entries, bytes
}

// logOf returns the log of events of a site.
func logOf(site string) string {
	if site == "" {
		return InstanceLog
	}
	return site
}

// siteOf is the inverse of logOf.
func siteOf(log string) string {
	if log == InstanceLog {
		return ""
	}
	return log
}

// origin is the first line of a log's checkpoints and the name of the key that
// signs them.
func (j *Journal) origin(log string) string { return j.o.Origin + "/" + log }
