package journal

import (
	"bytes"
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// anchor is a tree head that somebody vouches for: the stored head, a signed
// checkpoint, or one kept outside.
type anchor struct {
	size int64
	root tlog.Hash
	// differs is called when the entries do not give root; from is the size of
	// the last anchor that held.
	differs func(from int64)
	// holds is called when they do.
	holds func()
}

// hashTiles gives the stored tiles of a log, nil for one that is missing.
type hashTiles interface {
	tile(ctx context.Context, level int, n int64, width int) ([]byte, error)
}

// audit recomputes a log's tree while its entries stream by. It keeps two trees:
// one of the entries as they are, and one of the leaf hashes in the tiles. As
// long as they agree there is only one. Where they part, the anchors tell which
// of the two was tampered with.
type audit struct {
	f       *findings
	tiles   hashTiles
	end     int64 // entries that there should be
	entries tree
	leaves  tree // valid when parted
	parted  bool
	upper   tileEdge
	pending []tile // full tiles of level 1 and up, to be compared

	tileN    int64 // the level 0 tile in tileData
	tileData []byte

	apart []mismatch
	known []verdictAt
	held  int64 // size of the last anchor that held
}

// mismatch is an entry whose hash is not the one in its tile.
type mismatch struct {
	seq       int64
	got, want tlog.Hash
}

// verdictAt says which tree an anchor agrees with where they differ.
type verdictAt struct {
	size         int64
	entriesRight bool
}

const maxMismatches = 10_000

func newAudit(f *findings, tiles hashTiles, end int64) *audit {
	a := &audit{f: f, tiles: tiles, end: end, tileN: -1}
	a.upper.full = func(t tile) {
		if t.level > 0 {
			a.pending = append(a.pending, t)
		}
	}
	return a
}

// next takes the entry with the next number; nil hash for one that is missing.
func (a *audit) next(ctx context.Context, got *tlog.Hash) error {
	seq := a.entries.size
	want, err := a.leaf(ctx, seq)
	if err != nil {
		return err
	}
	switch {
	case got == nil && want == nil:
		got, want = new(tlog.Hash), new(tlog.Hash) // unknown for ever: no later root can hold
	case got == nil:
		got = want
	case want == nil:
		want = got
	case *got != *want:
		a.part(mismatch{seq, *got, *want})
	}
	a.add(*got, *want)
	return a.compareUpper(ctx)
}

func (a *audit) add(got, want tlog.Hash) {
	if !a.parted {
		a.entries.add(got, a.upper.node)
		return
	}
	a.entries.add(got, func(int, int64, tlog.Hash) {})
	a.leaves.add(want, a.upper.node)
}

func (a *audit) part(m mismatch) {
	if !a.parted {
		a.parted = true
		a.leaves = a.entries.clone()
	}
	if len(a.apart) < maxMismatches {
		a.apart = append(a.apart, m)
	}
}

// leaf is the hash that the level 0 tile holds for an entry.
func (a *audit) leaf(ctx context.Context, seq int64) (*tlog.Hash, error) {
	n := seq / tileWidth
	if n != a.tileN {
		width := tileWidthAt(a.end, 0, n)
		data, err := a.tiles.tile(ctx, 0, n, width)
		if err != nil {
			return nil, err
		}
		if len(data) < width*tlog.HashSize || len(data) > tileBytes || len(data)%tlog.HashSize != 0 {
			a.f.add(FoundTile, n*tileWidth, "ハッシュの控え（タイル0/%d）が失われたか、壊れています", "tile 0/%d is missing or damaged", n)
		}
		a.tileN, a.tileData = n, data
	}
	i := int(seq%tileWidth) * tlog.HashSize
	if i+tlog.HashSize > len(a.tileData) {
		return nil, nil
	}
	h := tlog.Hash(a.tileData[i : i+tlog.HashSize])
	return &h, nil
}

// compareUpper compares the finished tiles of level 1 and up.
func (a *audit) compareUpper(ctx context.Context) error {
	for _, t := range a.pending {
		if err := a.compare(ctx, t); err != nil {
			return err
		}
	}
	a.pending = a.pending[:0]
	return nil
}

func (a *audit) compare(ctx context.Context, t tile) error {
	data, err := a.tiles.tile(ctx, t.level, t.n, len(t.data)/tlog.HashSize)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(data, t.data) || len(data) > tileBytes || len(data)%tlog.HashSize != 0 {
		a.f.add(FoundTile, -1, "ハッシュの控え（タイル%d/%d）が記録と一致しません", "tile %d/%d does not follow from the entries", t.level, t.n)
	}
	return nil
}

// at compares the trees with an anchor of the present size.
func (a *audit) at(c anchor) {
	entriesHold := a.entries.root() == c.root
	leavesHold := entriesHold
	if a.parted {
		leavesHold = a.leaves.root() == c.root
		if entriesHold != leavesHold && len(a.known) < maxMismatches {
			a.known = append(a.known, verdictAt{a.entries.size, entriesHold})
		}
	}
	if !entriesHold && !leavesHold {
		c.differs(a.held)
		return
	}
	a.held = a.entries.size
	c.holds()
}

// finish compares the unfinished tiles and names the entries that differ.
func (a *audit) finish(ctx context.Context) error {
	for _, t := range a.upper.open {
		if t.level == 0 || len(t.data) == 0 {
			continue
		}
		if err := a.compare(ctx, t); err != nil {
			return err
		}
	}
	wanted := make(map[tlog.Hash]int64, len(a.apart))
	for _, m := range a.apart {
		wanted[m.want] = m.seq
	}
	for _, m := range a.apart {
		a.name(m, wanted)
	}
	return nil
}

func (a *audit) name(m mismatch, wanted map[tlog.Hash]int64) {
	if a.entriesRightAt(m.seq) {
		a.f.add(FoundTile, m.seq, "ハッシュの控え（タイル0/%d）の%d番目が書き換えられています", "tile 0/%d was changed at entry %d", m.seq/tileWidth, m.seq)
		return
	}
	if from, ok := wanted[m.got]; ok {
		a.f.add(FoundReordered, m.seq, "本来%d番の記録が%d番に置かれています", "entry %d stands in the place of entry %d", from, m.seq)
		return
	}
	a.f.add(FoundChanged, m.seq, "%d番の記録が書き換えられています", "entry %d was changed", m.seq)
}

// entriesRightAt asks the first anchor behind an entry that tells the trees apart.
func (a *audit) entriesRightAt(seq int64) bool {
	for _, v := range a.known {
		if v.size > seq {
			return v.entriesRight
		}
	}
	return false
}
