package logs

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"noren"
	"noren/db"
)

// Log is one log to read.
type Log struct {
	Site, Path, Format, Pattern string
	FromStart                   bool   // a log that was never read is read from its beginning
	TimeZone                    string // of times without one; "": the machine's
}

// Valid reports what is wrong with a log's format.
func (l *Log) Valid() error {
	_, err := newParser(l)
	return err
}

// Options are what a Reader needs.
type Options struct {
	DB      *db.DB
	Node    string
	Decider noren.Decider
	Shop    func(site string) Shop // nil result: the site is gone
	Own     func(netip.Addr) bool  // addresses of this machine
	Seen    *Seen
	Log     *slog.Logger
	// LockFile keeps two processes of one machine from reading at once, as during
	// a hand-over; "" for none.
	LockFile string
	Now      func() time.Time
	Poll     time.Duration // how often a file is looked at; 0: half a second
	Grace    time.Duration // how long a renamed file may still be written to; 0: five seconds
}

// Reader follows logs.
type Reader struct {
	o    Options
	mu   sync.Mutex
	logs []Log
	wake chan struct{}
}

// New makes a reader of logs that are valid.
func New(o Options, logs []Log) *Reader {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll <= 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Grace <= 0 {
		o.Grace = 5 * time.Second
	}
	return &Reader{o: o, logs: logs, wake: make(chan struct{}, 1)}
}

// Set changes which logs are read.
func (r *Reader) Set(logs []Log) {
	r.mu.Lock()
	r.logs = logs
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run reads until ctx ends.
func (r *Reader) Run(ctx context.Context) {
	unlock, ok := r.lock(ctx)
	if !ok {
		return
	}
	defer unlock()
	running := map[Log]func(){}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		r.mu.Lock()
		wanted := map[Log]bool{}
		for _, l := range r.logs {
			wanted[l] = true
		}
		r.mu.Unlock()
		for l, stop := range running {
			if !wanted[l] {
				stop()
				delete(running, l)
			}
		}
		for l := range wanted {
			if running[l] == nil {
				running[l] = r.start(ctx, l)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
	}
}

// start follows one log; the function it returns ends that and waits.
func (r *Reader) start(ctx context.Context, l Log) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f := &follower{o: &r.o, log: l, alarmed: map[string]time.Time{}}
		f.run(ctx)
	}()
	return func() { cancel(); <-done }
}

// lock waits until no other process of this machine reads.
func (r *Reader) lock(ctx context.Context) (unlock func(), ok bool) {
	if r.o.LockFile == "" {
		return func() {}, true
	}
	f, err := os.OpenFile(r.o.LockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		r.o.Log.Error("logs are not read: the lock cannot be made", "alarm", true, "err", err)
		return nil, false
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return func() { f.Close() }, true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, false
		case <-time.After(r.o.Poll):
		}
	}
}
