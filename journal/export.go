package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
)

// Export writes a log as a C2SP tlog-tiles directory: checkpoint, tile/LEVEL/N
// and tile/entries/N. It may be repeated into the same directory and then writes
// only what is new. The checkpoint is replaced last, so that whoever reads the
// directory meanwhile, or finds it after a crash, sees a whole log.
func (j *Journal) Export(ctx context.Context, log, dir string) error {
	if err := j.export(ctx, log, dir); err != nil {
		return fmt.Errorf("export log %s to %s: %w", log, dir, err)
	}
	return nil
}

func (j *Journal) export(ctx context.Context, log, dir string) error {
	msg, err := j.Checkpoint(ctx, log)
	if msg == nil {
		return err
	}
	c, err := parseUnsigned(msg)
	if err != nil {
		return err
	}
	x := &exporter{j: j, log: log, dir: dir, c: c}
	if err := x.resume(ctx); err != nil {
		return err
	}
	if err := x.bundles(ctx); err != nil {
		return err
	}
	if err := x.hashTiles(ctx); err != nil {
		return err
	}
	if err := x.write("checkpoint", c.note); err != nil {
		return err
	}
	return x.dropPartials()
}

// exporter writes one checkpoint's worth of a log.
type exporter struct {
	j    *Journal
	log  string
	dir  string
	c    checkpoint
	from int64 // entries that an earlier export wrote
}

// resume looks at what an earlier export left and makes sure that it is of the
// same log.
func (x *exporter) resume(ctx context.Context) error {
	msg, err := os.ReadFile(filepath.Join(x.dir, "checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := parseUnsigned(msg)
	if err != nil {
		return err
	}
	if old.origin != x.c.origin {
		return noren.WithHint(noren.Errorf(noren.Conflict, "the directory holds %s", old.origin), "Export each log into a directory of its own.")
	}
	if err := x.j.extends(ctx, x.log, head{tree{size: x.c.size}, x.c.root}, old); err != nil {
		return noren.WithHint(fmt.Errorf("compare with the earlier export: %w", err), "Keep that directory: it holds another history of the log.")
	}
	x.from = old.size
	return nil
}

// bundles writes the entries, 256 a file, each a big-endian uint16 length and
// the leaf. What does not fit the tiles is not exported.
func (x *exporter) bundles(ctx context.Context) error {
	for n := x.from / tileWidth; n*tileWidth < x.c.size; n++ {
		width := tileWidthAt(x.c.size, 0, n)
		p := x.j.page(ctx, x.log, n*tileWidth, n*tileWidth+int64(width)-1, width)
		if p.err != nil {
			return p.err
		}
		hashes, err := getTile(ctx, x.j.db.Read(), x.log, 0, n)
		if err != nil {
			return err
		}
		b, err := x.bundle(p.rows, n*tileWidth, width, hashes)
		if err != nil {
			return err
		}
		if err := x.write("tile/entries/"+tilePath(n, width), b); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) bundle(rows []entryRow, first int64, width int, hashes []byte) ([]byte, error) {
	tampered := func(seq int64) error {
		return noren.WithHint(noren.Errorf(noren.Tampered, "entry %d is missing or was changed", seq), "Run: noren journal verify")
	}
	var b []byte
	for i := range width {
		seq := first + int64(i)
		if i >= len(rows) || rows[i].seq != seq || len(rows[i].body) > maxLeaf {
			return nil, tampered(seq)
		}
		h := tlog.RecordHash(rows[i].body)
		if !bytes.HasPrefix(hashes[min(i*tlog.HashSize, len(hashes)):], h[:]) {
			return nil, tampered(seq)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(rows[i].body)))
		b = append(b, rows[i].body...)
	}
	return b, nil
}

// hashTiles writes the tiles that changed since the earlier export.
func (x *exporter) hashTiles(ctx context.Context) error {
	for _, t := range tlog.NewTiles(tileHeight, x.from, x.c.size) {
		data, err := getTile(ctx, x.j.db.Read(), x.log, t.L, t.N)
		if err != nil {
			return err
		}
		if len(data) < t.W*tlog.HashSize {
			return noren.WithHint(noren.Errorf(noren.Tampered, "tile %d/%d is missing or too short", t.L, t.N), "Run: noren journal verify")
		}
		if err := x.write(fmt.Sprintf("tile/%d/%s", t.L, tilePath(t.N, t.W)), data[:t.W*tlog.HashSize]); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) write(name string, data []byte) error {
	path := filepath.Join(x.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeFile(path, data)
}

// dropPartials removes the partial tiles of the earlier export, which the new
// checkpoint no longer needs.
func (x *exporter) dropPartials() error {
	for level := 0; x.from>>(tileHeight*level) > 0; level++ {
		n := x.from >> (tileHeight * (level + 1))
		old, now := tileWidthAt(x.from, level, n), tileWidthAt(x.c.size, level, n)
		if old == now {
			continue
		}
		names := []string{fmt.Sprintf("tile/%d/%s", level, tilePath(n, old))}
		if level == 0 {
			names = append(names, "tile/entries/"+tilePath(n, old))
		}
		for _, name := range names {
			path := filepath.Join(x.dir, filepath.FromSlash(name))
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			_ = os.Remove(filepath.Dir(path)) // fails while other partial tiles are in it, as it should
		}
	}
	return nil
}
