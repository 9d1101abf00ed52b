package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noren"
)

// ReadDir reads a set from a directory. Hidden files are left out; anything but
// a plain file is an error, so that a link cannot bring in what lies elsewhere.
func ReadDir(dir string) (Set, error) {
	set := Set{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != dir && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		return readFile(set, dir, p, d)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noren.WithHint(noren.Errorf(noren.NotFound, "settings directory %s does not exist", dir), "`noren settings export DIR` writes one")
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return set, set.Valid()
}

func readFile(set Set, dir, p string, d fs.DirEntry) error {
	rel, err := filepath.Rel(dir, p)
	if err != nil {
		return err
	}
	if !d.Type().IsRegular() {
		return noren.Errorf(noren.Invalid, "%s is not a plain file", rel)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Size() > maxBytes || len(set) >= maxFiles {
		return noren.Errorf(noren.Invalid, "%s: the settings hold too much; at most %d files of %d bytes in all", rel, maxFiles, maxBytes)
	}
	b, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	set[filepath.ToSlash(rel)] = string(b)
	return nil
}

// WriteDir writes a set into a directory that is new or empty.
func WriteDir(dir string, set Set) error {
	if err := set.Valid(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return noren.WithHint(noren.Errorf(noren.Conflict, "%s is not empty", dir), "name a new directory, so that nothing of yours is overwritten")
	}
	for _, p := range set.Paths() {
		file := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write settings: %w", err)
		}
		if err := os.WriteFile(file, []byte(set[p]), 0o644); err != nil {
			return fmt.Errorf("write settings: %w", err)
		}
	}
	return nil
}
