package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noren"
)

// CheckpointSink takes checkpoints off the machine. Put must be idempotent; when
// it returns nil the checkpoint is kept. One sink gets checkpoints of several
// logs, told apart by their origin.
type CheckpointSink interface {
	Name() string
	Put(ctx context.Context, origin string, note []byte) error
}

// CheckpointSource is a sink that can tell the last checkpoint it took of a log;
// nil for none. What it kept is compared before anything new is signed.
type CheckpointSource interface {
	Latest(ctx context.Context, origin string) ([]byte, error)
}

// DirectorySink keeps checkpoints in a directory, best on another machine's disk:
// LOG.SIZE.checkpoint for each and LOG.latest.
type DirectorySink struct {
	dir string
}

// NewDirectorySink makes the directory when it is missing.
func NewDirectorySink(dir string) (*DirectorySink, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open checkpoint directory: %w", err)
	}
	return &DirectorySink{dir}, nil
}

// Name says where the checkpoints go.
func (s *DirectorySink) Name() string { return "directory " + s.dir }

// Put writes the checkpoint and syncs it. It never replaces a checkpoint by
// another of the same size, nor the latest by an older one.
func (s *DirectorySink) Put(ctx context.Context, origin string, note []byte) error {
	c, err := parseUnsigned(note)
	if err != nil {
		return err
	}
	if c.origin != origin {
		return noren.Errorf(noren.Invalid, "checkpoint of %s given as one of %s", c.origin, origin)
	}
	latest, err := s.latest(origin)
	if err != nil {
		return err
	}
	if latest.size == c.size && latest.root != c.root {
		return noren.Errorf(noren.Tampered, "%s holds another root for %d entries of %s", s.Name(), c.size, origin)
	}
	if err := s.keep(fmt.Sprintf("%s.%d.checkpoint", logName(origin), c.size), note); err != nil {
		return err
	}
	if latest.size >= c.size {
		return nil
	}
	return writeFile(filepath.Join(s.dir, logName(origin)+".latest"), note)
}

// keep writes a file that is never changed again.
func (s *DirectorySink) keep(name string, note []byte) error {
	path := filepath.Join(s.dir, name)
	was, err := os.ReadFile(path)
	if err == nil {
		a, errA := parseUnsigned(was)
		b, errB := parseUnsigned(note)
		if errA != nil || errB != nil || a.root != b.root || a.origin != b.origin {
			return noren.Errorf(noren.Tampered, "%s exists and says something else", path)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(path, note)
}

// Latest returns the last checkpoint of a log, nil when there is none.
func (s *DirectorySink) Latest(ctx context.Context, origin string) ([]byte, error) {
	c, err := s.latest(origin)
	return c.note, err
}

func (s *DirectorySink) latest(origin string) (checkpoint, error) {
	path := filepath.Join(s.dir, logName(origin)+".latest")
	msg, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, nil
	}
	if err != nil {
		return checkpoint{}, err
	}
	c, err := parseUnsigned(msg)
	if err != nil {
		return checkpoint{}, fmt.Errorf("%s: %w", path, err)
	}
	if c.origin != origin {
		return checkpoint{}, noren.WithHint(noren.Errorf(noren.Conflict, "%s is of %s, not of %s", path, c.origin, origin),
			"Give each instance a directory of its own.")
	}
	return c, nil
}

// logOfOrigin is the log that an origin line names.
func logOfOrigin(origin string) string { return origin[strings.LastIndexByte(origin, '/')+1:] }

// logName is the same, safe as a file name whatever the origin says.
func logName(origin string) string { return fileName(logOfOrigin(origin)) }

// writeFile replaces a file so that a crash leaves the old or the new one.
func writeFile(path string, data []byte) error {
	if was, err := os.ReadFile(path); err == nil && bytes.Equal(was, data) {
		return nil
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // no longer there when all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}
