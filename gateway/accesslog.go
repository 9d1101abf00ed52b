package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"noren"
)

// Line is one line of the access log. The keys are an interface: operators
// build alarms and statistics on them.
type Line struct {
	At      noren.Time    `json:"at"`
	Site    string        `json:"site,omitempty"`
	Zone    noren.Zone    `json:"zone,omitempty"`
	Address string        `json:"address,omitempty"`
	Country string        `json:"country,omitempty"`
	Method  string        `json:"method,omitempty"`
	Host    string        `json:"host,omitempty"`
	Path    string        `json:"path,omitempty"`
	Query   string        `json:"query,omitempty"`
	Proto   string        `json:"proto,omitempty"`
	Status  int           `json:"status,omitempty"`
	Verdict noren.Verdict `json:"verdict"`
	Cause   string        `json:"cause,omitempty"`
	Rule    string        `json:"rule,omitempty"`
	// Shadow is the access rule in shadow that would have kept the visitor out.
	Shadow     string  `json:"access_shadow,omitempty"`
	Score      int     `json:"score,omitempty"`
	Ticket     string  `json:"ticket,omitempty"`
	Bytes      int64   `json:"bytes"`
	Millis     float64 `json:"ms"`
	UpstreamMS float64 `json:"upstream_ms,omitempty"`
	HeldMS     float64 `json:"held_ms,omitempty"` // held back by a limit, part of ms
	UA         string  `json:"ua,omitempty"`
	Referer    string  `json:"referer,omitempty"`
	JA4        string  `json:"ja4,omitempty"`
	// Count is on the one line a minute that stands for blocked requests
	// beyond the first ten of a client.
	Count int64 `json:"count,omitempty"`
}

// AccessOptions say where the access log is kept and how much of it.
type AccessOptions struct {
	Dir string // made 0700 when missing
	// FileBytes is when a file is rotated, besides once a day; 0 means 64 MiB.
	FileBytes int64
	// TotalBytes bounds all files; the oldest goes first. 0 means 4 GiB.
	TotalBytes int64
	Now        func() time.Time
	Log        *slog.Logger
}

const (
	currentFile   = "access.jsonl"
	accessQueue   = 4096
	accessWait    = 50 * time.Millisecond
	flushEvery    = time.Second
	accessBuffer  = 64 << 10
	alarmInterval = 10 * time.Second
)

// AccessLog writes one JSON line per request, in files that are rotated by size
// and day, compressed in the background and bounded in all. A full disk costs
// lines, never requests.
//
// Several processes may have one directory open: during a hand-over, or while a
// command erases a person. They append whole lines, notice within a second
// when another has rotated the file, and change rotated files under a lock.
type AccessLog struct {
	opts    AccessOptions
	waiting lineQueue
	calls   chan func() // run by the writer, between lines
	done    chan struct{}
	stop    sync.Once
	dropped atomic.Int64

	// The writer's own:
	file      *os.File
	out       *bufio.Writer // holds whole lines only
	line      lineEncoder   // of the one being written
	size      int64         // of the file, as this process knows it
	torn      bool          // the file may end inside a line
	day       string
	sampler   sampler
	lastAlarm time.Time

	files      sync.Mutex // held while rotated files are changed
	compressor chan struct{}
	working    sync.WaitGroup
}

// OpenAccessLog opens the log and starts its writer. What a crash left
// uncompressed is compressed then.
func OpenAccessLog(o AccessOptions) (*AccessLog, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FileBytes <= 0 {
		o.FileBytes = 64 << 20
	}
	if o.TotalBytes <= 0 {
		o.TotalBytes = 4 << 30
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	a := &AccessLog{
		opts: o, waiting: newLineQueue(), calls: make(chan func()), done: make(chan struct{}),
		compressor: make(chan struct{}, 1),
	}
	if err := a.open(); err != nil {
		return nil, noren.WithHint(fmt.Errorf("access log: %w", err), "Let the user Noren runs as write to "+o.Dir+".")
	}
	a.sampler.reset(time.Time{})
	a.working.Go(a.compressLoop)
	a.working.Go(a.writeLoop)
	a.wakeCompressor()
	return a, nil
}

// Write queues a line. It waits for at most 50 ms when the disk is slow and
// drops the line then; Dropped counts them.
func (a *AccessLog) Write(l Line) {
	if a.waiting.add(&l) {
		return
	}
	t := time.NewTimer(accessWait)
	defer t.Stop()
	for {
		select {
		case <-a.waiting.room:
			if a.waiting.add(&l) {
				signal(a.waiting.room) // perhaps for others too
				return
			}
		case <-a.done:
			return
		case <-t.C:
			a.dropped.Add(1)
			return
		}
	}
}

// Dropped counts the lines lost to a slow or full disk.
func (a *AccessLog) Dropped() int64 { return a.dropped.Load() }

// Flush returns when everything queued before it is in the file.
func (a *AccessLog) Flush(ctx context.Context) error {
	return a.call(ctx, func() {
		a.drain()
		a.flush()
	})
}

// call has the writer run f and waits for it.
func (a *AccessLog) call(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case a.calls <- func() { f(); close(ran) }:
	case <-a.done:
		return noren.Errorf(noren.Unavailable, "access log is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	<-ran
	return nil
}

// Close writes what is queued and stops.
func (a *AccessLog) Close() error {
	a.stop.Do(func() { close(a.done) })
	a.working.Wait()
	return nil
}

func (a *AccessLog) writeLoop() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-a.waiting.full:
			a.drain()
		case f := <-a.calls:
			f()
		case <-tick.C:
			a.drain()
			a.summarise(a.opts.Now())
			a.flush()
			a.follow()
			a.rotateIfDue()
		case <-a.done:
			a.drain()
			a.summarise(time.Time{})
			a.flush()
			a.closeFile()
			return
		}
	}
}

func (a *AccessLog) drain() {
	lines := a.waiting.take()
	for i := range lines {
		a.put(&lines[i])
	}
	a.waiting.giveBack(lines)
}

// put writes a line, unless it is one of too many blocked ones.
func (a *AccessLog) put(l *Line) {
	a.summarise(l.At.Time)
	if !a.sampler.keep(l) {
		return
	}
	a.encode(l)
	a.rotateIfDue()
}

func (a *AccessLog) encode(l *Line) {
	line, err := a.line.encode(l)
	if err != nil {
		a.lost(1, err)
		return
	}
	if a.out.Available() < len(line)+1 {
		a.flush()
	}
	_, err = a.out.Write(line)
	if err == nil {
		err = a.out.WriteByte('\n')
	}
	if err != nil {
		a.failed(err)
	}
}

// summarise writes the counted rest of a minute that is over.
func (a *AccessLog) summarise(now time.Time) {
	for _, l := range a.sampler.roll(now) {
		a.encode(&l)
	}
}

func (a *AccessLog) open() error {
	f, err := os.OpenFile(filepath.Join(a.opts.Dir, currentFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	a.file, a.size, a.torn = f, info.Size(), !endsLine(f.Name(), info.Size())
	if a.out == nil {
		a.out = bufio.NewWriterSize(f, accessBuffer)
	} else {
		a.out.Reset(f)
	}
	a.day = a.opts.Now().UTC().Format(time.DateOnly)
	return nil
}

// endsLine reports whether a file of this size ends with a whole line; a crash
// or a full disk may have cut the last one.
func endsLine(name string, size int64) bool {
	if size == 0 {
		return true
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], size-1)
	return err == nil && last[0] == '\n'
}

// follow opens the current file again when another process has rotated it.
func (a *AccessLog) follow() {
	if a.file != nil {
		mine, err := a.file.Stat()
		current, cerr := os.Stat(filepath.Join(a.opts.Dir, currentFile))
		if err == nil && cerr == nil && os.SameFile(mine, current) {
			a.size = current.Size()
			return
		}
		a.closeFile()
	}
	if err := a.open(); err != nil {
		a.lost(0, err)
	}
}

// flush brings the buffer to the file, in one append of whole lines. After a
// fault the buffer is lost, and the next lines begin on a new one.
func (a *AccessLog) flush() {
	if a.file == nil {
		a.lost(int64(a.out.Buffered()/averageLine), os.ErrClosed)
		a.out.Reset(io.Discard)
		return
	}
	if a.out.Buffered() == 0 {
		return
	}
	if a.torn {
		if _, err := a.file.WriteString("\n"); err != nil {
			a.failed(err)
			return
		}
		a.torn = false
	}
	n := int64(a.out.Buffered())
	if err := a.out.Flush(); err != nil {
		a.failed(err)
		return
	}
	a.size += n
}

const averageLine = 300 // bytes, for estimating what was lost

func (a *AccessLog) failed(err error) {
	a.lost(int64(1+a.out.Buffered()/averageLine), err)
	a.out.Reset(a.file)
	a.torn = true
}

// lost counts lines and says so, not more often than every ten seconds.
func (a *AccessLog) lost(lines int64, err error) {
	a.dropped.Add(lines)
	if now := time.Now(); now.Sub(a.lastAlarm) > alarmInterval {
		a.lastAlarm = now
		a.opts.Log.Error("access log cannot be written; requests are served on", "alarm", true, "lost", a.dropped.Load(), "err", err)
	}
}

func (a *AccessLog) closeFile() {
	if a.file != nil {
		a.file.Close()
		a.file = nil
	}
}

// sampler keeps the log of a flood small: of the blocked requests of one client
// the first ten a minute stand one by one, the rest as a count per site and
// cause.
type sampler struct {
	minute  time.Time
	seen    map[string]int
	skipped map[[2]string]int64 // site, cause
}

const (
	perMinute  = 10
	maxClients = 50_000
)

func (s *sampler) reset(minute time.Time) {
	s.minute, s.seen, s.skipped = minute, map[string]int{}, map[[2]string]int64{}
}

func (s *sampler) keep(l *Line) bool {
	if l.Verdict != noren.Block && l.Verdict != noren.Limit && l.Verdict != noren.Challenge {
		return true
	}
	client := l.Site + "|" + l.Address
	n, known := s.seen[client]
	if !known && len(s.seen) >= maxClients {
		client = ""
		n = s.seen[client]
	}
	s.seen[client] = n + 1
	if n < perMinute {
		return true
	}
	s.skipped[[2]string{l.Site, l.Cause}]++
	return false
}

// roll returns the counts of the minute when now is past it; the zero time ends
// it in any case.
func (s *sampler) roll(now time.Time) []Line {
	minute := now.Truncate(time.Minute)
	if minute.Equal(s.minute) || !now.IsZero() && minute.Before(s.minute) {
		return nil
	}
	var out []Line
	for k, n := range s.skipped {
		out = append(out, Line{At: noren.At(s.minute), Site: k[0], Cause: k[1], Verdict: noren.Block, Count: n})
	}
	s.reset(minute)
	return out
}

// line is what an exchange leaves in the access log.
func (x *exchange) line() Line {
	p := x.requestPayload()
	l := Line{
		At: x.at, Zone: x.place.Zone, Address: x.clientText, Method: p.Method, Host: p.Host, Path: p.Path, Query: p.Query,
		Proto: p.Protocol, Status: x.w.status, Verdict: x.verdict, Cause: x.note, Shadow: x.accessShadow, Score: x.result.Score, Bytes: x.w.bytes,
		Millis: millis(time.Since(x.begun)), UpstreamMS: millis(x.upstream), HeldMS: millis(x.held), UA: p.UserAgent, Referer: p.Referer, JA4: x.ja4,
	}
	if x.shop != nil {
		l.Site = x.shop.Name
	}
	if s := x.stopped; s != nil {
		l.Rule, l.Ticket = cutText(s.rule, 128), s.ticket
		if s.cause != "" {
			l.Cause = string(s.cause)
		}
	}
	if x.g.opts.Country != nil && x.client.IsValid() {
		l.Country = x.g.opts.Country(x.client)
	}
	return l
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
