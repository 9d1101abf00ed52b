package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime/debug"
	"time"

	"noren"
)

// follower reads one log, across rotations.
type follower struct {
	o       *Options
	log     Log
	parse   parser
	in      interpreter
	pos     Position
	cur     *tail
	queue   []part // what comes after cur
	whole   bool   // cur is complete: nothing will be written to it any more
	moved   time.Time
	size    int64     // of the log's own file when its beginning was last compared
	changed time.Time // and when it was written to
	dirty   bool      // pos is not stored
	saved   time.Time
	absent  bool // the log was not there yet when we began
	through bool // the old file was read to its end before it was let go
	alarmed map[string]time.Time
}

// saveEvery bounds how many lines are read again after a crash.
const saveEvery = time.Second

// run follows until ctx ends. A panic is one log's trouble.
func (f *follower) run(ctx context.Context) {
	defer f.stop(ctx)
	for ctx.Err() == nil {
		if err := f.guarded(ctx); err != nil && ctx.Err() == nil {
			f.trouble(ctx, err)
		}
		wait(ctx, f.o.Poll)
	}
}

func (f *follower) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			f.closeAll()
			err = fmt.Errorf("reading panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return f.step(ctx)
}

// step opens what there is to read, reads all of it, and looks whether the log
// was rotated.
func (f *follower) step(ctx context.Context) error {
	if f.parse == nil {
		if err := f.begin(ctx); err != nil {
			return err
		}
	}
	if f.cur == nil && len(f.queue) == 0 {
		if err := f.open(); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		if f.cur == nil && !f.nextPart() {
			return nil
		}
		if f.rewritten() {
			return nil
		}
		if err := f.readAll(ctx); err != nil {
			return err
		}
		if f.save(ctx, f.dirty && f.o.Now().Sub(f.saved) >= saveEvery); !f.finished() {
			return nil
		}
	}
	return nil
}

// begin compiles the format and loads where reading ended.
func (f *follower) begin(ctx context.Context) error {
	parse, err := newParser(&f.log)
	if err != nil {
		return err
	}
	pos, known, err := load(ctx, f.o.DB, f.o.Node, f.log.Site, f.log.Path)
	if err != nil {
		return err
	}
	f.in = interpreter{site: f.log.Site, own: f.o.Own, seen: f.o.Seen}
	f.pos, f.saved = pos, f.o.Now()
	if !known || pos.Inode == 0 && pos.Lines == 0 { // never read, at most found unreadable
		if err := f.first(); err != nil {
			return err
		}
		f.save(ctx, true) // from here on nothing is lost
	}
	f.parse = parse
	return nil
}

// first begins a log that was never read: at its end, or at its beginning.
func (f *follower) first() error {
	t, info, err := openFile(f.log.Path)
	if err != nil {
		f.absent = f.absent || errors.Is(err, fs.ErrNotExist)
		return err
	}
	t.seek(0)
	if !f.log.FromStart && !f.absent {
		t.seekEnd(info.Size())
	}
	f.cur, f.whole, f.size = t, false, info.Size()
	f.stand()
	return nil
}

// open finds what to read from where reading ended.
func (f *follower) open() error {
	parts, gap, err := resume(f.log.Path, f.pos)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return &fs.PathError{Op: "open", Path: f.log.Path, Err: fs.ErrNotExist}
	}
	if gap && !f.through {
		f.o.Log.Warn("a log was rotated away before it was read to its end; its last lines are missing", "path", f.log.Path, "site", f.log.Site)
	}
	f.queue, f.through = parts, false
	return nil
}

func (f *follower) nextPart() bool {
	if len(f.queue) == 0 {
		return false
	}
	p := f.queue[0]
	f.queue = f.queue[1:]
	p.seek(p.from)
	f.cur, f.whole, f.moved, f.size, f.changed = p.tail, !p.last, time.Time{}, 0, time.Time{}
	f.stand()
	if f.pos.print.n == 0 {
		f.pos.print = p.begins // so that it is missed when it is cut before it is read
	}
	return true
}

// stand notes the file that is read and where.
func (f *follower) stand() {
	at := f.cur.position()
	if f.pos.Inode != f.cur.inode || f.pos.Offset > at {
		f.pos.print = fingerprint{}
	}
	f.pos.Inode, f.pos.Offset = f.cur.inode, at
	if f.pos.print.n < maxFingerprint && at > f.pos.print.n {
		if p, err := f.cur.fingerprintOf(at); err == nil {
			f.pos.print = p
		}
	}
	f.dirty = true
}

// readAll reads to the end of the file.
func (f *follower) readAll(ctx context.Context) error {
	for ctx.Err() == nil {
		begin := f.cur.position()
		line, err := f.cur.next()
		if errors.Is(err, io.EOF) {
			if f.pos.Note != "" {
				f.pos.Note, f.dirty = "", true
			}
			return nil
		}
		if err != nil && !errors.Is(err, errLong) {
			return err
		}
		if err := f.take(ctx, line, begin, err); err != nil {
			return err
		}
		if f.moved = (time.Time{}); f.o.Now().Sub(f.saved) >= saveEvery {
			f.save(ctx, true)
		}
	}
	return ctx.Err()
}

// take deals with one line. It returns an error only when ctx ended before its
// events were recorded; the line is then read again.
func (f *follower) take(ctx context.Context, line []byte, begin int64, err error) error {
	f.in.now = f.o.Now()
	raised, left := 0, ""
	if err == nil && len(line) > 0 {
		raised, left, err = f.raise(ctx, line, begin)
	}
	if ctx.Err() != nil {
		f.cur.seek(begin)
		return ctx.Err()
	}
	f.pos.Lines++
	f.pos.Raised += int64(raised)
	switch {
	case errors.Is(err, errSkip):
		f.pos.LeftOut[leftOther]++
	case err != nil:
		f.pos.Bad++
	case left != "":
		f.pos.LeftOut[left]++
	}
	f.stand()
	return nil
}

func (f *follower) raise(ctx context.Context, line []byte, begin int64) (raised int, left string, err error) {
	text := string(line)
	for len(text) > 0 && text[0] == 0 { // a log that was cut while its writer stood further on
		text = text[1:]
	}
	l, err := f.parse(text, f.in.now)
	if !l.Time.IsZero() && (err == nil || errors.Is(err, errSkip)) {
		f.pos.LineAt = l.Time
	}
	if err != nil {
		return 0, "", err
	}
	if l.Time.Year() < 2000 || l.Time.Year() > 2200 {
		return 0, "", errBad
	}
	if f.in.shop = f.o.Shop(f.log.Site); f.in.shop == nil {
		return 0, leftOther, nil
	}
	r := f.in.read(&l, idMaker(f.o.Node, f.log.Site, f.log.Path, begin, l.Time, line))
	if r.exposed {
		f.alarmExposed(&r.events[0])
	}
	for _, ev := range r.events {
		if err := f.decide(ctx, ev); err != nil {
			return raised, "", err
		}
		raised++
	}
	return raised, r.left, nil
}

// decide raises an event, again and again while it cannot be recorded: a line is
// not left behind because the database is away.
func (f *follower) decide(ctx context.Context, ev noren.Event) error {
	for ctx.Err() == nil {
		_, err := f.o.Decider.Decide(ctx, ev)
		if err == nil {
			return nil
		}
		if noren.CodeOf(err) == noren.Invalid {
			return err
		}
		f.alarm("unrecorded", "event of a log not recorded; it is tried again", "err", err)
		wait(ctx, time.Second)
	}
	return ctx.Err()
}

// rewritten deals with a log that was copied and cut (copytruncate): the rest is
// in the copy.
func (f *follower) rewritten() bool {
	if f.whole {
		return false
	}
	info, err := f.cur.f.Stat()
	if err != nil || info.Size() == f.size && info.ModTime().Equal(f.changed) {
		return false
	}
	first := f.changed.IsZero()
	f.size, f.changed = info.Size(), info.ModTime()
	emptied := f.size == 0 && f.pos.print.n == 0 && !first // it was filled and cut while nobody looked
	if f.size >= f.pos.Offset && f.cur.fits(f.pos.print) && !emptied {
		return false
	}
	f.closeAll()
	return true
}

// finished reports whether the file is read for good, and lets it go. It looks
// whether the log's name stands for another file by now; the old one is read for
// a while longer, because servers write on until they are told.
func (f *follower) finished() bool {
	if f.whole {
		if _, err := f.cur.rest(); !errors.Is(err, io.EOF) {
			f.pos.Lines++ // cut off in the middle
			f.pos.Bad++
		}
		f.drop()
		return true
	}
	info, err := os.Stat(f.log.Path)
	if err != nil || inodeOf(info) == f.cur.inode {
		f.moved = time.Time{}
		return false
	}
	if f.moved.IsZero() {
		f.moved = f.o.Now()
	}
	if f.o.Now().Sub(f.moved) < f.o.Grace {
		return false
	}
	f.through = true
	f.closeAll() // resume finds the old file, what came between, and the new one
	return false
}

func (f *follower) drop() {
	f.cur.close()
	f.cur = nil
	if len(f.queue) == 0 { // the log's own file does not exist yet
		f.pos.Inode, f.pos.Offset, f.pos.print = 0, 0, fingerprint{}
	}
}

func (f *follower) closeAll() {
	if f.cur != nil {
		f.cur.close()
		f.cur = nil
	}
	for _, p := range f.queue {
		p.close()
	}
	f.queue = nil
}

func (f *follower) save(ctx context.Context, due bool) {
	if !due {
		return
	}
	f.saved = f.o.Now()
	f.pos.ReadAt = f.saved
	if err := f.pos.save(ctx, f.o.DB); err != nil {
		if ctx.Err() == nil {
			f.alarm("position", "how far a log is read cannot be stored; after a restart lines are read again", "err", err)
		}
		return
	}
	f.dirty = false
}

func (f *follower) stop(ctx context.Context) {
	f.closeAll()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	f.save(ctx, f.dirty)
}

// trouble is a log that cannot be read: said once in ten minutes, tried again
// all the time.
func (f *follower) trouble(ctx context.Context, err error) {
	note := err.Error()
	if f.pos.LeftOut != nil && f.pos.Note != note {
		f.pos.Note = note
		f.save(ctx, true)
	}
	f.alarm("trouble", "log cannot be read", "err", err, "hint", noren.HintOf(readHint(err, f.log.Path)))
}

func readHint(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return noren.WithHint(err, "let Noren's user read it: on Debian `adduser noren adm`, then restart noren")
	case errors.Is(err, fs.ErrNotExist):
		return noren.WithHint(err, "correct logs: path, or start the server that writes "+path)
	}
	return err
}

const (
	alarmEvery = 10 * time.Minute
	alarmsMost = 20 // of one log in that time: paths are strangers' to choose
)

func (f *follower) alarm(key, msg string, args ...any) {
	now := f.o.Now()
	if last, ok := f.alarmed[key]; ok && now.Sub(last) < alarmEvery {
		return
	}
	maps.DeleteFunc(f.alarmed, func(_ string, last time.Time) bool { return now.Sub(last) >= alarmEvery })
	if len(f.alarmed) >= alarmsMost {
		return
	}
	f.alarmed[key] = now
	f.o.Log.Error(msg, append([]any{"alarm", true, "site", f.log.Site, "path", f.log.Path}, args...)...)
}

// alarmExposed says that something got out that never should.
func (f *follower) alarmExposed(ev *noren.Event) {
	r, ok := ev.Payload.(*noren.Request)
	if !ok {
		return
	}
	f.alarm("exposed "+r.Path, "a file that must never be seen was served", "file", r.Path, "status", r.Answered, "address", ev.Entities[noren.EntityAddress], "at", ev.OccurredAt.Time,
		"hint", "take the file away or forbid it in the web server now, and change every password and key in it; if it is meant to be public, say so with a ! pattern under zones: must_be_403")
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
