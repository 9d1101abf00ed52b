package acme

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"noren"
)

// maxValue bounds what is kept under one name; a chain with its key is a few KiB.
const maxValue = 256 << 10

// storage is certmagic's store over SQL. Names look like paths; directories are
// what names begin with.
type storage struct {
	*locks
	o *Options
}

var (
	_ certmagic.Storage   = (*storage)(nil)
	_ certmagic.TryLocker = (*storage)(nil)
)

// id is what stands for a name in the database.
func (s *storage) id(name string) string { return hex.EncodeToString(s.o.Token("acme.name", name)) }

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, name string, value []byte) error {
	if len(value) > maxValue {
		return noren.Errorf(noren.Invalid, "store %s: %d bytes are over %d", name, len(value), maxValue)
	}
	keys, err := s.o.Secrets(ctx)
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	id := s.id(name)
	sealed, err := seal(keys[0], id, name, value)
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return doing("store "+name, s.put(ctx, id, sealed, time.Now()))
}

// Load implements certmagic.Storage.
func (s *storage) Load(ctx context.Context, name string) ([]byte, error) {
	e, err := s.load(ctx, name)
	return e.value, err
}

// entry is one stored value.
type entry struct {
	name    string
	value   []byte
	changed time.Time
}

func (s *storage) load(ctx context.Context, name string) (entry, error) {
	keys, err := s.o.Secrets(ctx)
	if err != nil {
		return entry{}, fmt.Errorf("load %s: %w", name, err)
	}
	id := s.id(name)
	sealed, changed, err := s.get(ctx, id)
	if err != nil {
		return entry{}, doing("load "+name, err)
	}
	got, value, err := open(keys, id, sealed)
	if err == nil && got != name {
		err = noren.Errorf(noren.Tampered, "the row holds %s", got)
	}
	return entry{name, value, changed}, doing("load "+name, err)
}

// Delete implements certmagic.Storage: a name, and all below it.
func (s *storage) Delete(ctx context.Context, name string) error {
	below, err := s.below(ctx, name)
	if err != nil {
		return doing("delete "+name, err)
	}
	ids := []string{s.id(name)}
	for _, e := range below {
		ids = append(ids, s.id(e.name))
	}
	return doing("delete "+name, s.remove(ctx, ids))
}

// Exists implements certmagic.Storage.
func (s *storage) Exists(ctx context.Context, name string) bool {
	if _, _, err := s.get(ctx, s.id(name)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err == nil
	}
	below, err := s.below(ctx, name)
	return err == nil && len(below) > 0
}

// List implements certmagic.Storage.
func (s *storage) List(ctx context.Context, dir string, recursive bool) ([]string, error) {
	all, err := s.below(ctx, dir)
	if err != nil {
		return nil, doing("list "+dir, err)
	}
	var names []string
	for _, e := range all {
		name := e.name
		if !recursive {
			name = child(dir, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return nil, fmt.Errorf("list %s: %w", dir, fs.ErrNotExist)
	}
	return names, nil
}

// child is the first step from dir towards name.
func child(dir, name string) string {
	prefix := ""
	if dir != "" {
		prefix = dir + "/"
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "/")
	return prefix + first
}

// Stat implements certmagic.Storage.
func (s *storage) Stat(ctx context.Context, name string) (certmagic.KeyInfo, error) {
	e, err := s.load(ctx, name)
	if err == nil {
		return certmagic.KeyInfo{Key: name, Modified: e.changed, Size: int64(len(e.value)), IsTerminal: true}, nil
	}
	if below, err := s.below(ctx, name); err == nil && len(below) > 0 {
		return certmagic.KeyInfo{Key: name}, nil
	}
	return certmagic.KeyInfo{}, err
}

// below opens every value whose name lies under dir. There are a few per host,
// and only the daily clean-up and deletions ask.
func (s *storage) below(ctx context.Context, dir string) ([]entry, error) {
	keys, err := s.o.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	var out []entry
	for _, r := range rows {
		name, value, err := open(keys, r.id, r.sealed)
		if err != nil { // one damaged row must not hide the others
			s.o.Log.Error("a stored certificate cannot be opened", "alarm", true, "err", err, "hint", noren.HintOf(err))
			continue
		}
		if dir == "" || strings.HasPrefix(name, dir+"/") {
			out = append(out, entry{name, value, r.changed})
		}
	}
	return out, nil
}

func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
