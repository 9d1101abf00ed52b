package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
)

// VerifyDir verifies an exported log with nothing but the public key (several
// may be given, separated by white space): no database, no secrets. A checkpoint
// kept elsewhere shows a roll-back or a rewritten log as in Verify.
func VerifyDir(ctx context.Context, dir, verifierKey string, outside []byte) (Report, error) {
	rep, err := verifyDir(ctx, dir, verifierKey, outside)
	if err != nil {
		return Report{}, fmt.Errorf("verify %s: %w", dir, err)
	}
	return rep, nil
}

func verifyDir(ctx context.Context, dir, verifierKey string, outside []byte) (Report, error) {
	var rep Report
	keys, err := parseKeys(verifierKey)
	if err != nil {
		return rep, err
	}
	msg, err := readBounded(filepath.Join(dir, "checkpoint"), maxNote)
	if err != nil {
		return rep, noren.WithHint(err, "Give a directory that noren journal export wrote.")
	}
	claimed, err := parseUnsigned(msg)
	if err != nil {
		return rep, err
	}
	f := &findings{log: logOfOrigin(claimed.origin)}
	if _, err := parseSigned(msg, keys); err != nil {
		f.add(FoundSignature, -1, "チェックポイントの署名が正しくありません（%v）", "the checkpoint is not signed by this key: %v", err)
	}
	c := &dirCheck{dir: dir, f: f, rep: LogReport{Log: f.log, Entries: claimed.size}}
	c.a = newAudit(f, c, claimed.size)
	c.anchors = []anchor{{size: claimed.size, root: claimed.root, holds: func() { c.rep.Checkpoints++ }, differs: func(from int64) {
		f.add(FoundCheckpoint, -1, "記録がチェックポイントと一致しません", "the entries are not those that the checkpoint signed")
	}}}
	if len(outside) == 0 {
		rep.warnInside(f.log)
	} else if err := c.addOutside(outside, claimed, func(m []byte) error { _, err := parseSigned(m, keys); return err }); err != nil {
		return rep, err
	}
	if err := c.stream(ctx, claimed.size); err != nil {
		return rep, err
	}
	c.rep.Root = c.a.entries.root()
	rep.take(f)
	rep.Logs = []LogReport{c.rep}
	return rep, nil
}

// dirCheck verifies one exported log.
type dirCheck struct {
	dir     string
	f       *findings
	a       *audit
	rep     LogReport
	anchors []anchor
}

func (c *dirCheck) addOutside(msg []byte, claimed checkpoint, signed func([]byte) error) error {
	o, err := parseUnsigned(msg)
	if err != nil {
		return err
	}
	if o.origin != claimed.origin {
		return noren.Errorf(noren.Invalid, "the checkpoint is of %s, the directory of %s", o.origin, claimed.origin)
	}
	switch err := signed(msg); {
	case err != nil:
		c.f.add(FoundSignature, -1, "外部のチェックポイントがこのログの鍵で署名されていません（%v）", "the checkpoint given is not signed by this log's key: %v", err)
	case o.size > claimed.size:
		c.f.add(FoundRollback, claimed.size, "外部のチェックポイントは%d件、ログは%d件です。古い状態に戻されています",
			"%d entries were signed, the log has %d: it was rolled back", o.size, claimed.size)
	default:
		c.anchors = append(c.anchors, anchor{size: o.size, root: o.root, holds: func() { c.rep.Outside++ }, differs: func(from int64) {
			c.f.add(FoundForked, -1, "先頭%d件の記録が、外部のチェックポイントのときのものと違います", "the first %d entries are not those of the checkpoint given: the log was rewritten", o.size)
		}})
	}
	slices.SortStableFunc(c.anchors, func(a, b anchor) int { return int(min(max(a.size-b.size, -1), 1)) })
	return nil
}

func (c *dirCheck) stream(ctx context.Context, size int64) error {
	c.arrive()
	for n := int64(0); n*tileWidth < size; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		width := tileWidthAt(size, 0, n)
		leaves, err := c.bundle(n, width)
		if err != nil {
			return err
		}
		if len(leaves) == 0 {
			return c.a.finish(ctx) // said already; nothing behind it could be compared
		}
		for i := range width {
			var got *tlog.Hash
			if i < len(leaves) {
				h := tlog.RecordHash(leaves[i])
				got = &h
			}
			if err := c.a.next(ctx, got); err != nil {
				return err
			}
			c.arrive()
		}
	}
	return c.a.finish(ctx)
}

func (c *dirCheck) arrive() {
	for len(c.anchors) > 0 && c.anchors[0].size == c.a.entries.size {
		c.a.at(c.anchors[0])
		c.anchors = c.anchors[1:]
	}
}

// bundle reads the entries of a bundle; what is missing is a finding.
func (c *dirCheck) bundle(n int64, width int) ([][]byte, error) {
	first := n * tileWidth
	data, err := c.file("tile/entries/"+tilePath(n, width), "tile/entries/"+tilePath(n, tileWidth), tileWidth*(2+maxLeaf))
	if err != nil {
		return nil, err
	}
	leaves, err := parseBundle(data, tileWidth)
	if len(leaves) < width {
		c.f.add(FoundRemoved, first+int64(len(leaves)), "%d番から%d番の記録が失われています", "entries %d to %d are missing", first+int64(len(leaves)), first+int64(width)-1)
	} else if err != nil {
		c.f.add(FoundChanged, first, "記録のファイル（entries/%d）に余分なデータがあります（%v）", "bundle entries/%d holds more than its entries: %v", n, err)
	}
	return leaves[:min(len(leaves), width)], nil
}

// parseBundle splits an entry bundle: sequences of a big-endian uint16 length
// and that many bytes, at most max of them. What could be read comes back with
// the error.
func parseBundle(b []byte, most int) ([][]byte, error) {
	var out [][]byte
	for len(b) > 0 {
		if len(out) == most {
			return out, noren.Errorf(noren.Invalid, "entry bundle has more than %d entries", most)
		}
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return out, noren.Errorf(noren.Invalid, "entry bundle ends within entry %d", len(out))
		}
		n := int(binary.BigEndian.Uint16(b))
		out = append(out, b[2:2+n:2+n])
		b = b[2+n:]
	}
	return out, nil
}

// tile serves the audit from files.
func (c *dirCheck) tile(ctx context.Context, level int, n int64, width int) ([]byte, error) {
	dir := fmt.Sprintf("tile/%d/", level)
	return c.file(dir+tilePath(n, width), dir+tilePath(n, tileWidth), tileBytes)
}

// file reads a tile or, when it is gone, the full one that replaced it; nil when
// neither is there or it is larger than it may be.
func (c *dirCheck) file(name, full string, most int) ([]byte, error) {
	for _, n := range []string{name, full} {
		data, err := readBounded(filepath.Join(c.dir, filepath.FromSlash(n)), most)
		if err == nil || noren.CodeOf(err) == noren.Invalid {
			return data, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, nil
}

func readBounded(path string, most int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(most) || !info.Mode().IsRegular() {
		return nil, noren.Errorf(noren.Invalid, "%s is not a file of at most %d bytes", path, most)
	}
	return os.ReadFile(path)
}
