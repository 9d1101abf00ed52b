// Package kv is short-lived shared state: request rates, recent items several
// nodes exchange, and who is alive. Nothing in it is the truth about a person or
// an order; all of it may be lost at any moment.
//
// Memory serves one process; package valkey serves several over Valkey or
// Redis; Failover goes from the second to the first while the server is away.
package kv

import (
	"context"
	"time"

	"noren"
)

// Store carries out operations.
type Store interface {
	// Do carries out ops in order, in one round trip, and returns one Result
	// each. Each op is atomic; the list is not. Times come from the ops, never
	// from a clock; only the forgetting of unused keys follows a clock.
	Do(ctx context.Context, ops ...Op) ([]Result, error)
	Close() error
}

// Op is one of Take, Count, Tail and Beat.
type Op interface {
	// Valid reports an op that no store can carry out.
	Valid() error
}

// Rate allows Events per Per, and Burst more on top while they were not used:
// a bucket of Events+Burst that refills at Events per Per.
type Rate struct {
	Events int
	Per    time.Duration
	Burst  int
}

// Interval is the time one event takes to refill, in whole microseconds.
func (r Rate) Interval() int64 {
	return max(1, (r.Per.Microseconds()+int64(r.Events)-1)/int64(r.Events))
}

// Capacity is how many events fit at once.
func (r Rate) Capacity() int64 { return int64(r.Events) + int64(r.Burst) }

// Divide shares the rate among n nodes; nothing becomes zero.
func (r Rate) Divide(n int64) Rate {
	if n <= 1 {
		return r
	}
	return Rate{Events: max(1, r.Events/int(n)), Per: r.Per, Burst: r.Burst / int(n)}
}

// Take asks a limit for Cost units by the generic cell rate algorithm (ITU-T
// I.371). A refused Take uses nothing up. Result: Allowed, Remaining, RetryAfter.
type Take struct {
	Key  string
	At   time.Time
	Rate Rate
	Cost int  // 0 counts as 1
	Peek bool // look without taking
}

// Count is an exact sliding window: how many were added with At later than
// At−Window. With Member it counts distinct members, else distinct IDs, so that
// adding an event twice counts once. Result: N, Capped.
type Count struct {
	Key    string
	At     time.Time
	Window time.Duration
	ID     string
	Member string
	Peek   bool // look without adding
	// Cap bounds the memory of one key: N is exact below it, and Capped says
	// that there are Cap or more. DefaultCap when 0.
	Cap int
}

// DefaultCap of a Count.
const DefaultCap = 4096

// Tail is a short log of recent items that several nodes share. It appends
// Items and returns what others appended after From. Epoch names the
// incarnation of the log that the reader knows; when the store lost it, or
// dropped items the reader has not seen, Result.Fresh is true, Items are all it
// has and the reader must load the rest from SQL. Result: Items, Next, Epoch, Fresh.
type Tail struct {
	Key   string
	Epoch string
	From  int64
	Items [][]byte
	Keep  time.Duration // forgotten when unused for so long
}

// MaxTail is how many items a Tail keeps.
const MaxTail = 1024

// Beat says that Node lives. Result: N, how many nodes did within Window.
type Beat struct {
	Node   string
	At     time.Time
	Window time.Duration
}

// Result is the answer to one Op; which fields are set is said there.
type Result struct {
	Allowed    bool
	Remaining  int64
	RetryAfter time.Duration
	N          int64
	Capped     bool
	Fresh      bool
	Epoch      string
	Items      [][]byte
	Next       int64
}

// Limits on what an op may carry.
const (
	maxKey  = 512
	maxItem = 4096
	maxCap  = 1 << 16
)

// Valid reports a Take without key, rate or with a negative cost.
func (t Take) Valid() error {
	if err := validKey(t.Key); err != nil {
		return err
	}
	if t.Rate.Events < 1 || t.Rate.Per < time.Millisecond || t.Rate.Burst < 0 || t.Cost < 0 {
		return noren.Errorf(noren.Invalid, "take: rate %+v or cost %d is out of range", t.Rate, t.Cost)
	}
	return nil
}

func (t Take) cost() int64 { return int64(max(1, t.Cost)) }

// Valid reports a Count without key, window or something to count.
func (c Count) Valid() error {
	if err := validKey(c.Key); err != nil {
		return err
	}
	if c.Window < time.Millisecond || c.Cap < 0 || c.Cap > maxCap {
		return noren.Errorf(noren.Invalid, "count: window %s or cap %d is out of range", c.Window, c.Cap)
	}
	if !c.Peek && c.Counted() == "" || len(c.Counted()) > maxKey {
		return noren.Errorf(noren.Invalid, "count: member or id is missing or too long")
	}
	return nil
}

// Counted is what is counted distinctly: Member, else ID.
func (c Count) Counted() string {
	if c.Member != "" {
		return c.Member
	}
	return c.ID
}

// Limit is Cap or its default.
func (c Count) Limit() int {
	if c.Cap == 0 {
		return DefaultCap
	}
	return c.Cap
}

// Valid reports a Tail without key or with items over the limit.
func (t Tail) Valid() error {
	if err := validKey(t.Key); err != nil {
		return err
	}
	if t.From < 0 || t.Keep < time.Second || len(t.Items) > MaxTail {
		return noren.Errorf(noren.Invalid, "tail: from %d, keep %s or %d items are out of range", t.From, t.Keep, len(t.Items))
	}
	for _, item := range t.Items {
		if len(item) > maxItem {
			return noren.Errorf(noren.Invalid, "tail: an item of %d bytes is over the limit of %d", len(item), maxItem)
		}
	}
	return nil
}

// Valid reports a Beat without node or window.
func (b Beat) Valid() error {
	if b.Window < time.Second {
		return noren.Errorf(noren.Invalid, "beat: window %s is under a second", b.Window)
	}
	return validKey(b.Node)
}

func validKey(k string) error {
	if k == "" || len(k) > maxKey {
		return noren.Errorf(noren.Invalid, "key of %d bytes is empty or over the limit of %d", len(k), maxKey)
	}
	return nil
}

// Validate checks every op before any is carried out.
func Validate(ops []Op) error {
	for _, op := range ops {
		if err := op.Valid(); err != nil {
			return err
		}
	}
	return nil
}
