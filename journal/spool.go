package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"noren"
)

// spool is one append-only file of entries that the database could not take. A
// process owns it through a lock beside it; a file whose process is gone is
// adopted by another of the same instance. Only the committer touches it.
type spool struct {
	path   string
	origin string
	most   int64
	log    *slog.Logger
	lock   *os.File
	file   *os.File

	end     int64 // durable
	read    int64 // in the database
	broken  bool  // the file could not be brought back to end; it must be opened anew
	damaged bool  // a line in the middle is unreadable; the file is kept

	frames frameReader

	entries atomic.Int64 // between read and end
	bytes   atomic.Int64
}

// spoolSlots is how many processes of one node may hold a spool at the same
// time: two while a listener is handed over, and some that are just ending.
const spoolSlots = 8

// openSpool takes the first free file of this node in dir.
func openSpool(dir, node, origin string, most int64, log *slog.Logger) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, noren.WithHint(fmt.Errorf("open spool: %w", err), "Give a directory that this user may write to, on a disk that survives a restart.")
	}
	node = fileName(node)
	for slot := range spoolSlots {
		name := node + ".spool"
		if slot > 0 {
			name = fmt.Sprintf("%s.%d.spool", node, slot)
		}
		s, err := openSpoolFile(filepath.Join(dir, name), origin, most, log, true)
		if errors.Is(err, errLocked) || errors.Is(err, errForeign) {
			continue
		}
		return s, err
	}
	return nil, noren.WithHint(noren.Errorf(noren.Unavailable, "open spool in %s: %d processes of node %s hold one already", dir, spoolSlots, node),
		"Give each node a name of its own.")
}

// fileName keeps a node's name to what is safe as a file's.
func fileName(node string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, node)
}

var (
	errLocked  = errors.New("held by another process")
	errForeign = errors.New("belongs to another instance")
	errFull    = errors.New("spool is full")
)

// openSpoolFile locks and reads a spool; create says to make it when missing.
func openSpoolFile(path, origin string, most int64, log *slog.Logger, create bool) (*spool, error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &spool{path: path, origin: origin, most: most, log: log, lock: lock}
	if err := s.open(create); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock spool: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock spool %s: %w", path, errLocked)
	}
	return f, nil
}

// open reads the file up to its last whole line and cuts off a torn tail, which
// was never acknowledged.
func (s *spool) open(create bool) error {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(s.path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	s.file, s.broken, s.damaged = f, false, false
	header, end, entries, err := s.scan()
	if err != nil {
		return fmt.Errorf("read spool %s: %w", s.path, err)
	}
	if err := s.cut(end); err != nil {
		return err
	}
	s.end, s.read = end, header
	if header == 0 {
		if err := s.writeHeader(); err != nil {
			return err
		}
	}
	s.entries.Store(entries)
	s.bytes.Store(s.end - s.read)
	return nil
}

func (s *spool) cut(end int64) error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	if info.Size() == end {
		return nil
	}
	s.log.Warn("cut the torn tail of a spool; it was never acknowledged", "file", s.path, "bytes", info.Size()-end)
	if err := s.file.Truncate(end); err != nil {
		return fmt.Errorf("cut torn tail of spool %s: %w", s.path, err)
	}
	return nil
}

// scan walks the file once. header and end are offsets; entries counts the lines
// between, unreadable ones included. What follows the last line feed is torn.
func (s *spool) scan() (header, end, entries int64, err error) {
	lines := newLineReader(s.file, 0)
	for {
		line, at, err := lines.next()
		if errors.Is(err, io.EOF) {
			return header, end, entries, nil
		}
		if err != nil {
			return 0, 0, 0, err
		}
		body, ok := checkFrame(line)
		end = lines.at
		if at > 0 {
			entries++
		} else {
			var h spoolHeader
			header = end
			ok = ok && parseStrict(body, &h) == nil
			if ok && h.Origin != s.origin {
				return 0, 0, 0, errForeign
			}
		}
		s.damaged = s.damaged || !ok
	}
}

func (s *spool) writeHeader() error {
	b, err := appendFrame(nil, spoolHeader{1, s.origin})
	if err != nil {
		return err
	}
	if err := s.write(b); err != nil {
		return err
	}
	s.read = s.end
	return syncDir(filepath.Dir(s.path))
}

// append makes records durable in the file. When it returns an error none of
// them counts as recorded.
func (s *spool) append(group []*record) error {
	if s.broken {
		s.file.Close()
		if err := s.open(true); err != nil {
			return err
		}
	}
	var b []byte
	for _, r := range group {
		f, err := frameOf(r)
		if err != nil {
			return err
		}
		if b, err = appendFrame(b, f); err != nil {
			return err
		}
	}
	if s.end+int64(len(b)) > s.most {
		return fmt.Errorf("%w: %d of %d bytes", errFull, s.end, s.most)
	}
	if err := s.write(b); err != nil {
		return err
	}
	s.entries.Add(int64(len(group)))
	s.bytes.Add(int64(len(b)))
	return nil
}

// write adds b and syncs. After a failure the file is cut back: what was not
// acknowledged must not stand between what is.
func (s *spool) write(b []byte) error {
	_, err := s.file.WriteAt(b, s.end)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.broken = s.file.Truncate(s.end) != nil
		return noren.Errorf(noren.Unavailable, "write spool %s: %w", s.path, err)
	}
	s.end += int64(len(b))
	return nil
}

// batch is a run of records read from a spool.
type batch struct {
	records []*record
	lines   int   // records and unreadable lines
	to      int64 // offset where it ends
}

// next reads up to n records from the front.
func (s *spool) next(n, bytes int) (batch, error) {
	b := batch{}
	lines := newLineReader(io.NewSectionReader(s.file, 0, s.end), s.read)
	for b.lines < n && lines.at-s.read < int64(bytes) {
		line, at, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return b, fmt.Errorf("read spool %s: %w", s.path, err)
		}
		b.lines++
		r, err := s.frames.line(line)
		if err != nil {
			s.damaged = true
			s.log.Error("spool line is unreadable; the file will be kept", "alarm", true, "file", s.path, "offset", at, "err", err)
			continue
		}
		b.records = append(b.records, r)
	}
	b.to = lines.at
	return b, nil
}

// advance says that everything in b is in the database.
func (s *spool) advance(b batch) {
	s.read = b.to
	s.entries.Add(int64(-b.lines))
	s.bytes.Store(s.end - s.read)
}

func (s *spool) left() int64 { return s.end - s.read }

func (s *spool) waiting() (entries, bytes int64) { return s.entries.Load(), s.bytes.Load() }

// reset empties the file after its last entry was committed. A damaged one is
// kept beside it for a person to look at.
func (s *spool) reset() error {
	if s.damaged {
		if err := s.setAside(); err != nil {
			return err
		}
		s.file.Close()
		if err := s.open(true); err != nil {
			return err
		}
		return nil
	}
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("empty spool %s: %w", s.path, err)
	}
	s.end = 0
	if err := s.writeHeader(); err != nil {
		return err
	}
	s.entries.Store(0)
	s.bytes.Store(0)
	return nil
}

func (s *spool) setAside() error {
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.damaged-%d", s.path, i)
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		s.log.Error("damaged spool kept for inspection", "alarm", true, "file", aside)
		return os.Rename(s.path, aside)
	}
}

// remove deletes an adopted file once it is empty, and its lock.
func (s *spool) remove() error {
	var err error
	if s.damaged {
		err = s.setAside()
	} else {
		err = os.Remove(s.path)
	}
	s.close() // the lock file stays: removing one that somebody waits for would give out two locks
	return err
}

func (s *spool) close() {
	if s.file != nil && s.left() == 0 && s.end > 0 && !s.damaged && !s.broken {
		os.Remove(s.path) // holds its header only
	}
	if s.file != nil {
		s.file.Close()
	}
	s.lock.Close()
}

// orphans adopts the spools in the directory whose processes are gone.
func (s *spool) orphans() []*spool {
	names, err := filepath.Glob(filepath.Join(filepath.Dir(s.path), "*.spool"))
	if err != nil {
		return nil
	}
	var out []*spool
	for _, name := range names {
		if name == s.path {
			continue
		}
		o, err := openSpoolFile(name, s.origin, s.most, s.log, false)
		switch {
		case err == nil && o.left() > 0:
			out = append(out, o)
		case err == nil:
			o.remove()
		case !errors.Is(err, errLocked) && !errors.Is(err, errForeign) && !errors.Is(err, fs.ErrNotExist):
			s.log.Error("spool cannot be adopted", "alarm", true, "file", name, "err", err)
		}
	}
	return out
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// lineReader reads whole lines of bounded length and knows where they begin.
type lineReader struct {
	r   io.ReaderAt
	at  int64 // offset of the next line
	buf []byte
	eof bool
}

func newLineReader(r io.ReaderAt, at int64) *lineReader { return &lineReader{r: r, at: at} }

// next returns the next line without its line feed and its offset. A line
// without a line feed at the end is no line: io.EOF. What is too long to be a
// line comes in pieces that no checksum will fit.
func (l *lineReader) next() (line []byte, at int64, err error) {
	for {
		at = l.at
		if i := bytes.IndexByte(l.buf, '\n'); i >= 0 {
			line = l.buf[:i]
			l.buf = l.buf[i+1:]
			l.at += int64(i) + 1
			return line, at, nil
		}
		if l.eof {
			return nil, 0, io.EOF
		}
		if len(l.buf) > maxFrame+10 {
			line, l.buf = l.buf, nil
			l.at += int64(len(line))
			return line, at, nil
		}
		if err := l.fill(); err != nil {
			return nil, 0, err
		}
	}
}

func (l *lineReader) fill() error {
	chunk := make([]byte, len(l.buf), len(l.buf)+256<<10)
	copy(chunk, l.buf)
	n, err := l.r.ReadAt(chunk[len(chunk):cap(chunk)], l.at+int64(len(l.buf)))
	l.buf = chunk[:len(chunk)+n]
	if errors.Is(err, io.EOF) {
		l.eof, err = true, nil
	}
	return err
}
