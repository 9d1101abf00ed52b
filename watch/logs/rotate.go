package logs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxSiblings bounds how many names of a directory are looked at.
const maxSiblings = 10_000

// part is a file that has to be read, from a byte on.
type part struct {
	*tail
	from int64
	last bool // the log's own file, which grows; the others are complete

	begins fingerprint // when it was opened
}

func newPart(t *tail, from int64, last bool) part {
	p := part{tail: t, from: from, last: last}
	if info, err := t.f.Stat(); err == nil {
		p.begins, _ = t.fingerprintOf(info.Size())
	}
	return p
}

// resume says what to read after a pause: the files that were written
// meanwhile, oldest first, the log's own last. gap tells that the place where
// reading ended is gone (deleted or compressed).
func resume(path string, p Position) (parts []part, gap bool, err error) {
	cur, info, err := openFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		cur, err = nil, nil // between a rename and the new file
	}
	if err != nil {
		return nil, false, err
	}
	if cur != nil && cur.inode == p.Inode && p.print.n > 0 && info.Size() >= p.Offset && cur.fits(p.print) {
		return []part{newPart(cur, p.Offset, true)}, false, nil
	}
	old, since := findOld(path, p, cur)
	switch {
	case old != nil:
		parts = append(parts, newPart(old, p.Offset, false))
		parts = append(parts, between(path, since, old, cur)...)
	case p.print.n == 0: // nothing was read of the file yet, so it has no name but its time
		parts = between(path, p.ReadAt.Add(-slack), nil, cur)
	}
	if cur != nil {
		parts = append(parts, newPart(cur, 0, true))
	}
	return parts, old == nil && p.Offset > 0, nil
}

// findOld finds the file in which reading ended, under its new name: by its
// inode and beginning, or, for a log that was copied and cut, by its beginning.
func findOld(path string, p Position, cur *tail) (*tail, time.Time) {
	if p.print.n == 0 {
		return nil, time.Time{}
	}
	for _, sameInode := range []bool{true, false} {
		for _, s := range siblings(path) {
			t, info, err := openFile(s.path)
			if err != nil {
				continue
			}
			if (t.inode == p.Inode) == sameInode && (cur == nil || t.inode != cur.inode) && info.Size() >= p.Offset && t.fits(p.print) {
				return t, info.ModTime()
			}
			t.close()
		}
	}
	return nil, time.Time{}
}

// slack is how coarse file times are. A file that is read twice for it does no
// harm: the ids of its events are the same.
const slack = 50 * time.Millisecond

// between are the files that were begun and finished while nobody read.
func between(path string, since time.Time, old, cur *tail) (parts []part) {
	for _, s := range siblings(path) {
		if s.mod.Before(since) {
			continue
		}
		t, _, err := openFile(s.path)
		if err != nil {
			continue
		}
		if old != nil && t.inode == old.inode || cur != nil && t.inode == cur.inode {
			t.close()
			continue
		}
		parts = append(parts, newPart(t, 0, false))
	}
	return parts
}

type sibling struct {
	path string
	mod  time.Time
}

// siblings are the rotated files of a log that can be read as they are, oldest
// first. Compressed ones are left alone.
func siblings(path string) []sibling {
	var out []sibling
	dirs := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != dirs[0] {
		dirs = append(dirs, filepath.Dir(target))
	}
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(maxSiblings)
		d.Close()
		for _, name := range names {
			if !rotated(filepath.Base(path), name) {
				continue
			}
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
				out = append(out, sibling{filepath.Join(dir, name), info.ModTime()})
			}
		}
	}
	slices.SortFunc(out, func(a, b sibling) int { return a.mod.Compare(b.mod) })
	return out
}

// rotated reports whether name is what logrotate and others make of base:
// access.log.1, access.log-20260101, access-20260101.log, access.log.2026-01-01.
func rotated(base, name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4":
		return false
	}
	for _, b := range []string{base, strings.TrimSuffix(base, filepath.Ext(base))} {
		rest, ok := strings.CutPrefix(name, b)
		if !ok {
			continue
		}
		if b != base {
			if rest, ok = strings.CutSuffix(rest, filepath.Ext(base)); !ok {
				continue
			}
		}
		if len(rest) > 1 && strings.ContainsRune(".-_", rune(rest[0])) && strings.Trim(rest[1:], "0123456789-_.T:old") == "" {
			return true
		}
	}
	return false
}
