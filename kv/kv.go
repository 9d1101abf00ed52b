// Package kv is short-lived shared state: request rates, recent items several
// nodes exchange, and who is alive. Nothing in it is the truth about a person or
// an order; all of it may be lost at any moment.
//
// Memory serves one process; package valkey serves several over Valkey or
// Redis; Failover goes from the second to the first while the server is away.
package kv

import (
	"context"
	"math"
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

// Divide shares the rate among n nodes. One that has fewer events than there
// are nodes becomes a rarer one, never none.
func (r Rate) Divide(n int64) Rate {
	if n <= 1 {
		return r
	}
	d := Rate{Events: r.Events / int(n), Per: r.Per, Burst: r.Burst / int(n)}
	if d.Events == 0 {
		d.Events = 1
		d.Per = min(maxRefill, time.Duration(float64(r.Per)*float64(n)/float64(r.Events)))
	}
	return d
}

// Take asks a limit for Cost units by the generic cell rate algorithm (ITU-T
// I.371). A refused Take uses nothing up. Result: Allowed, Remaining, RetryAfter.
type Take struct {
	Key  string
	At   time.Time
	Rate Rate
	Cost int  // 0 counts as 1
	Peek bool // look without taking
	// Back gives Cost back instead of taking it: what was taken and not used
	// after all. A bucket never holds more than its rate. It is always Allowed.
	Back bool
}

// Count is an exact sliding window: how many were added with At later than
// At−Window. With Member it counts distinct members, else distinct IDs, so that
// adding an event twice counts once; the latest At of each counts. What fell out
// of the window is forgotten, so one Key has one Window. Result: N, Capped.
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

// Limits on what an op may carry. Servers compute in doubles, which are exact
// below 2^53: enough for microseconds until 2200 and a year of refilling.
const (
	maxKey    = 512
	maxItem   = 4096
	maxCap    = 1 << 16
	maxMicros = 7_258_118_400_000_000 // 2200-01-01
	maxWindow = 400 * 24 * time.Hour
	maxRefill = 366 * 24 * time.Hour
	maxNumber = 1 << 53
)

// Valid reports a Take without key, time or rate, or with a cost or a bucket
// that takes more than a year to refill.
func (t Take) Valid() error {
	if err := validKey(t.Key); err != nil {
		return err
	}
	if err := validAt(t.At); err != nil {
		return err
	}
	r := t.Rate
	if r.Events < 1 || r.Events > math.MaxInt32 || r.Per < time.Millisecond || r.Per > maxRefill || r.Burst < 0 || r.Burst > math.MaxInt32 || t.Cost < 0 {
		return noren.Errorf(noren.Invalid, "take: rate %+v or cost %d is out of range", r, t.Cost)
	}
	if max(t.cost(), r.Capacity()) > maxRefill.Microseconds()/r.Interval() {
		return noren.Errorf(noren.Invalid, "take: rate %+v or cost %d takes more than %s to refill", r, t.Cost, maxRefill)
	}
	return nil
}

func (t Take) cost() int64 { return int64(max(1, t.Cost)) }

// Valid reports a Count without key, window or something to count.
func (c Count) Valid() error {
	if err := validKey(c.Key); err != nil {
		return err
	}
	if err := validAt(c.At); err != nil {
		return err
	}
	if c.Window < time.Millisecond || c.Window > maxWindow || c.Cap < 0 || c.Cap > maxCap {
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
	if t.From < 0 || t.From > maxNumber || len(t.Epoch) > maxKey || t.Keep < time.Second || t.Keep > maxWindow || len(t.Items) > MaxTail {
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
	if b.Window < time.Second || b.Window > maxWindow {
		return noren.Errorf(noren.Invalid, "beat: window %s is out of range", b.Window)
	}
	if err := validAt(b.At); err != nil {
		return err
	}
	return validKey(b.Node)
}

// Count is the beat as what it is: a count of distinct nodes, under a key of
// its own.
func (b Beat) Count() Count {
	return Count{Key: "nodes", At: b.At, Window: b.Window, Member: b.Node}
}

func validAt(at time.Time) error {
	if us := at.UnixMicro(); us <= 0 || us > maxMicros {
		return noren.Errorf(noren.Invalid, "time %s is not between 1970 and 2200", at.Format(time.RFC3339))
	}
	return nil
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
