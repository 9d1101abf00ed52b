package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"noren"
	"noren/gateway/waf"
)

const (
	rotatedPrefix = "access-"
	plainSuffix   = ".jsonl"
	packedSuffix  = ".jsonl.gz"
	unfinished    = ".tmp"
)

// rotateIfDue starts a new file when the current one is large or of yesterday.
func (a *AccessLog) rotateIfDue() {
	if a.file == nil {
		return
	}
	size := a.size + int64(a.out.Buffered())
	today := a.opts.Now().UTC().Format(time.DateOnly)
	if size >= a.opts.FileBytes || today != a.day && size > 0 {
		a.rotate()
	}
	a.day = today
}

// rotate starts a new file, even after an empty one: what another process has
// not written yet goes where it is rotated to, not into what Erase leaves alone.
func (a *AccessLog) rotate() {
	a.flush()
	a.follow()
	if a.file == nil {
		return
	}
	if err := a.file.Sync(); err != nil {
		a.lost(0, err)
	}
	a.closeFile()
	name := rotatedPrefix + a.opts.Now().UTC().Format("20060102T150405") + "-" + noren.NewID(a.opts.Now()) + plainSuffix
	if err := os.Rename(filepath.Join(a.opts.Dir, currentFile), filepath.Join(a.opts.Dir, name)); err != nil {
		a.lost(0, err)
	}
	if err := a.open(); err != nil {
		a.lost(0, err)
	}
	a.wakeCompressor()
}

func (a *AccessLog) wakeCompressor() {
	select {
	case a.compressor <- struct{}{}:
	default:
	}
}

// settled is how long a rotated file is left alone: until no process writes to
// it any more.
const settled = 3 * time.Second

func (a *AccessLog) compressLoop() {
	for {
		select {
		case <-a.done:
			return
		case <-a.compressor:
			again, err := a.tidy()
			if err != nil {
				a.opts.Log.Error("access log cannot be compressed or bounded", "alarm", true, "err", err)
			}
			if again {
				time.AfterFunc(settled, a.wakeCompressor)
			}
		}
	}
}

// lock keeps other goroutines and processes from changing rotated files.
func (a *AccessLog) lock() (unlock func(), err error) {
	a.files.Lock()
	f, err := os.OpenFile(filepath.Join(a.opts.Dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
		}
	}
	if err != nil {
		a.files.Unlock()
		return nil, err
	}
	return func() {
		f.Close() // releases the lock
		a.files.Unlock()
	}, nil
}

// tidy removes what a crash left half done, compresses rotated files and drops
// the oldest when all together are over the bound. again says that a file was
// too fresh to be touched.
func (a *AccessLog) tidy() (again bool, err error) {
	unlock, err := a.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	names, err := a.rotated()
	if err != nil {
		return false, err
	}
	var errs []error
	for _, n := range names {
		switch {
		case strings.HasSuffix(n, unfinished):
			errs = append(errs, os.Remove(filepath.Join(a.opts.Dir, n)))
		case !strings.HasSuffix(n, plainSuffix):
		case a.fresh(n):
			again = true
		case a.empty(n):
			errs = append(errs, os.Remove(filepath.Join(a.opts.Dir, n)))
		default:
			_, err := a.rewrite(n, func([]byte) bool { return true })
			errs = append(errs, err)
		}
	}
	return again, errors.Join(append(errs, a.dropOldest())...)
}

func (a *AccessLog) empty(name string) bool {
	info, err := os.Stat(filepath.Join(a.opts.Dir, name))
	return err == nil && info.Size() == 0
}

func (a *AccessLog) fresh(name string) bool {
	info, err := os.Stat(filepath.Join(a.opts.Dir, name))
	return err == nil && time.Since(info.ModTime()) < settled
}

// rotated lists the rotated files, oldest first.
func (a *AccessLog) rotated() ([]string, error) {
	entries, err := os.ReadDir(a.opts.Dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), rotatedPrefix) {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

func (a *AccessLog) dropOldest() error {
	names, err := a.rotated()
	if err != nil {
		return err
	}
	sizes := make([]int64, len(names))
	total := a.opts.FileBytes // the current file may grow so far
	for i, n := range names {
		if info, err := os.Stat(filepath.Join(a.opts.Dir, n)); err == nil {
			sizes[i] = info.Size()
			total += sizes[i]
		}
	}
	for i, n := range names {
		if total <= a.opts.TotalBytes {
			return nil
		}
		if err := os.Remove(filepath.Join(a.opts.Dir, n)); err != nil {
			return err
		}
		total -= sizes[i]
	}
	return nil
}

// rewrite copies a rotated file, line by line as keep says, into its compressed
// form and puts that in its place. It returns how many lines were left out.
func (a *AccessLog) rewrite(name string, keep func(line []byte) bool) (left int, err error) {
	from := filepath.Join(a.opts.Dir, name)
	base := strings.TrimSuffix(strings.TrimSuffix(name, packedSuffix), plainSuffix)
	to := filepath.Join(a.opts.Dir, base+packedSuffix)
	out, err := os.OpenFile(to+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer os.Remove(to + unfinished)
	defer out.Close()
	zip := gzip.NewWriter(out)
	err = eachLine(from, func(line []byte) error {
		if !keep(line) {
			left++
			return nil
		}
		_, err := zip.Write(append(line, '\n'))
		return err
	})
	if err := errors.Join(err, zip.Close(), out.Sync()); err != nil {
		return 0, fmt.Errorf("rewrite %s: %w", name, err)
	}
	if err := os.Rename(to+unfinished, to); err != nil {
		return 0, err
	}
	if from != to {
		return left, os.Remove(from)
	}
	return left, nil
}

// eachLine calls f with the lines of a plain or compressed file. The line is
// valid during the call.
func eachLine(file string, f func(line []byte) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	var src io.Reader = in
	if strings.HasSuffix(file, ".gz") {
		zip, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		defer zip.Close()
		src = zip
	}
	lines := bufio.NewScanner(src)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue // a torn line was ended here
		}
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Erase removes the lines of an erased person from all files and returns how
// many there were. Files without such a line are not touched.
func (a *AccessLog) Erase(ctx context.Context, site string, s noren.Subject) (int, error) {
	is := ofSubject(site, s)
	if is == nil {
		return 0, nil
	}
	if err := a.call(ctx, func() { a.drain(); a.rotate() }); err != nil {
		return 0, fmt.Errorf("erase from the access log: %w", err)
	}
	// Another process may still write to the file that was current till now.
	select {
	case <-time.After(settled):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	unlock, err := a.lock()
	if err != nil {
		return 0, fmt.Errorf("erase from the access log: %w", err)
	}
	defer unlock()
	names, err := a.rotated()
	if err != nil {
		return 0, fmt.Errorf("erase from the access log: %w", err)
	}
	total := 0
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		if strings.HasSuffix(n, unfinished) || !a.mentions(n, is) {
			continue
		}
		left, err := a.rewrite(n, func(line []byte) bool { return !is(line) })
		if err != nil {
			return total, fmt.Errorf("erase from the access log: %w", err)
		}
		total += left
	}
	return total, nil
}

func (a *AccessLog) mentions(name string, is func([]byte) bool) bool {
	found := false
	err := eachLine(filepath.Join(a.opts.Dir, name), func(line []byte) error {
		if is(line) {
			found = true
			return io.EOF
		}
		return nil
	})
	return found || err != nil && !errors.Is(err, io.EOF) // unreadable: rewrite reports it
}

// ofSubject recognises a person's lines: by address, or by an account that
// stands in an address or query. Devices are not logged.
func ofSubject(site string, s noren.Subject) func(line []byte) bool {
	switch s.Kind {
	case noren.EntityAddress:
		needle := []byte(s.ID)
		return func(line []byte) bool {
			var l Line
			if !bytes.Contains(line, needle) {
				return false
			}
			// A torn line that names the address goes too.
			return json.Unmarshal(line, &l) != nil || l.Site == site && l.Address == s.ID
		}
	case noren.EntityAccount:
		who := strings.ToLower(s.ID)
		return func(line []byte) bool {
			var l Line
			if json.Unmarshal(line, &l) != nil || l.Site != site {
				return false
			}
			return strings.Contains(strings.ToLower(waf.Unescape(l.Path+"\n"+l.Query+"\n"+l.Referer)), who)
		}
	}
	return nil
}
