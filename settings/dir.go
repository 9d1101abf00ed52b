package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"noren"
)

// maxEntries bounds the walk through a directory that is not a settings set at
// all, for example somebody's home.
const maxEntries = 2_000

// ReadDir reads a set from a directory. Hidden files are left out; anything but
// plain files is an error, so that a link cannot bring in what lies elsewhere.
func ReadDir(dir string) (Set, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noren.WithHint(noren.Errorf(noren.NotFound, "settings directory %s does not exist", dir), "`noren settings export DIR` writes one")
	}
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "read settings: %w", err)
	}
	defer root.Close()
	r := reader{root: root, set: Set{}}
	if err := fs.WalkDir(root.FS(), ".", r.visit); err != nil {
		return nil, fmt.Errorf("read settings from %s: %w", dir, err)
	}
	return r.set, r.set.Valid()
}

// reader collects the files of a directory within the limits of a set.
type reader struct {
	root    *os.Root
	set     Set
	bytes   int
	entries int
}

func (r *reader) visit(p string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if r.entries++; r.entries > maxEntries {
		return noren.Errorf(noren.Invalid, "more than %d files and directories; is this a settings directory?", maxEntries)
	}
	switch {
	case p == ".":
		return nil
	case strings.HasPrefix(d.Name(), ".") && d.IsDir():
		return fs.SkipDir
	case strings.HasPrefix(d.Name(), ".") || d.IsDir():
		return nil
	case !d.Type().IsRegular():
		return noren.Errorf(noren.Invalid, "%s is not a plain file", p)
	}
	return r.file(p)
}

// file reads one file, and makes sure that it is still the plain file that the
// directory listed: a link put in its place meanwhile would not be.
func (r *reader) file(p string) error {
	listed, err := r.root.Lstat(p)
	if err != nil {
		return err
	}
	if !listed.Mode().IsRegular() {
		return noren.Errorf(noren.Invalid, "%s is not a plain file", p)
	}
	f, err := r.root.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(listed, opened) {
		return noren.Errorf(noren.Unavailable, "%s changed while it was read", p)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(maxBytes-r.bytes)+1))
	if err != nil {
		return err
	}
	r.bytes += len(b)
	r.set[p] = string(b)
	if len(r.set) > maxFiles || r.bytes > maxBytes {
		return tooMuch(len(r.set), r.bytes)
	}
	return nil
}

// WriteDir writes a set into a directory that is new or empty. What goes wrong
// on the way leaves nothing behind.
func WriteDir(dir string, set Set) error {
	if err := set.Valid(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if len(entries) > 0 {
		return noren.WithHint(noren.Errorf(noren.Conflict, "%s is not empty", dir), "name a new directory, so that nothing of yours is overwritten")
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = writeNew(filepath.Clean(dir), set)
	case err == nil:
		err = writeInto(dir, set)
	}
	if err != nil {
		return noren.Errorf(noren.Invalid, "write settings: %w", err)
	}
	return nil
}

// writeNew writes beside dir and takes its name at the end.
func writeNew(dir string, set Set) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return staged(filepath.Dir(dir), set, func(stage string) error { return os.Rename(stage, dir) })
}

// writeInto keeps an empty directory, which may be the working directory of
// somebody's shell, and moves files into it once all are written.
func writeInto(dir string, set Set) error {
	return staged(dir, set, func(stage string) error {
		entries, err := os.ReadDir(stage)
		for _, e := range entries {
			err = errors.Join(err, os.Rename(filepath.Join(stage, e.Name()), filepath.Join(dir, e.Name())))
		}
		return err
	})
}

// staged writes a set into a hidden directory under parent and hands it on.
func staged(parent string, set Set, done func(stage string) error) error {
	stage, err := os.MkdirTemp(parent, ".noren-settings-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := writeFiles(stage, set); err != nil {
		return err
	}
	return done(stage)
}

func writeFiles(dir string, set Set) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range set.Paths() {
		if err := root.MkdirAll(path.Dir(p), 0o755); err != nil {
			return err
		}
		if err := writeFile(root, p, set[p]); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(root *os.Root, p, content string) error {
	f, err := root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}
