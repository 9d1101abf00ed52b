package journal

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
)

// tree is the right edge of a Merkle tree: the roots of its perfect subtrees,
// largest first. It is all that is needed to append and to know the root.
type tree struct {
	size int64
	edge []tlog.Hash
}

// add appends a leaf and calls node for each subtree that it completes, from
// the leaf itself upwards.
func (t *tree) add(h tlog.Hash, node func(level int, n int64, h tlog.Hash)) {
	n := t.size
	t.size++
	node(0, n, h)
	for level := 1; n&1 == 1; level++ {
		n >>= 1
		h = tlog.NodeHash(t.edge[len(t.edge)-1], h)
		t.edge = t.edge[:len(t.edge)-1]
		node(level, n, h)
	}
	t.edge = append(t.edge, h)
}

// root is the RFC 6962 tree hash.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

func (t *tree) clone() tree {
	return tree{t.size, append(make([]tlog.Hash, 0, len(t.edge)+2), t.edge...)}
}

// edgeBytes is how the edge is stored.
func (t *tree) edgeBytes() []byte {
	b := make([]byte, 0, len(t.edge)*tlog.HashSize)
	for _, h := range t.edge {
		b = append(b, h[:]...)
	}
	return b
}

func parseTree(size int64, edge []byte) (tree, error) {
	if size < 0 || len(edge) != bits.OnesCount64(uint64(size))*tlog.HashSize {
		return tree{}, noren.Errorf(noren.Tampered, "a tree of %d entries cannot have an edge of %d bytes", size, len(edge))
	}
	t := tree{size: size}
	for i := 0; i < len(edge); i += tlog.HashSize {
		t.edge = append(t.edge, tlog.Hash(edge[i:i+tlog.HashSize]))
	}
	return t, nil
}

// Tiles are those of C2SP tlog-tiles: 256 hashes wide, each level 8 tree levels
// above the one before.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	tileBytes  = tileWidth * tlog.HashSize
)

// tile is a run of hashes in the tree, full or the last of its level.
type tile struct {
	level int
	n     int64
	data  []byte
}

// tileWidthAt is how many hashes tile n of a level has in a tree of size.
func tileWidthAt(size int64, level int, n int64) int {
	return int(max(0, min(size>>(tileHeight*level)-n<<tileHeight, tileWidth)))
}

// tilePath is the tile's place in a tlog-tiles directory, e.g. x001/x234/067 or
// 000.p/12 for a partial one.
func tilePath(n int64, width int) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	if width < tileWidth {
		s += fmt.Sprintf(".p/%d", width)
	}
	return s
}

// tileEdge collects the last, unfinished tile of each level.
type tileEdge struct {
	open []tile
	// full receives finished tiles.
	full func(tile)
}

// node is for tree.add.
func (e *tileEdge) node(level int, n int64, h tlog.Hash) {
	if level%tileHeight != 0 {
		return
	}
	l := level / tileHeight
	for len(e.open) <= l {
		e.open = append(e.open, tile{level: len(e.open)})
	}
	t := &e.open[l]
	t.data = append(t.data, h[:]...)
	if len(t.data) == tileBytes {
		e.full(tile{l, n >> tileHeight, t.data})
		*t = tile{level: l, n: n>>tileHeight + 1}
	}
}

// clone is independent of e but for the bytes both have already.
func (e *tileEdge) clone() tileEdge {
	c := tileEdge{open: append([]tile(nil), e.open...)}
	for i := range c.open {
		c.open[i].data = c.open[i].data[:len(c.open[i].data):len(c.open[i].data)]
	}
	return c
}

// changed lists the unfinished tiles that differ from before's.
func (e *tileEdge) changed(before *tileEdge) []tile {
	var out []tile
	for i, t := range e.open {
		same := i < len(before.open) && before.open[i].n == t.n && len(before.open[i].data) == len(t.data)
		if len(t.data) > 0 && !same {
			out = append(out, t)
		}
	}
	return out
}

// tileRoot is the hash of a full tile's subtree.
func tileRoot(data []byte) tlog.Hash {
	var t tree
	for i := 0; i < len(data); i += tlog.HashSize {
		t.add(tlog.Hash(data[i:i+tlog.HashSize]), func(int, int64, tlog.Hash) {})
	}
	return t.root()
}

// fits reports whether data is the unfinished tile of a level: its subtrees are
// those of the edge.
func (t *tree) fits(level int, data []byte) bool {
	width := int(t.size>>(tileHeight*level)) & (tileWidth - 1)
	if len(data) != width*tlog.HashSize {
		return false
	}
	var part tree
	for i := 0; i < len(data); i += tlog.HashSize {
		part.add(tlog.Hash(data[i:i+tlog.HashSize]), func(int, int64, tlog.Hash) {})
	}
	smaller := bits.OnesCount64(uint64(t.size) & (1<<(tileHeight*level) - 1)) // subtrees below the level
	end := len(t.edge) - smaller
	return slices.Equal(part.edge, t.edge[end-len(part.edge):end])
}
