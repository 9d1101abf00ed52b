package gateway

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// trie maps networks to list entries. It never changes: insert and remove
// return a new one that shares all but the path to what changed, so a reader
// holds a consistent view without a lock. A lookup follows the address's bits,
// at most once per distinct prefix length on its way.
type trie struct{ v4, v6 *trieNode }

// trieKey is a network as its leading bits, left-aligned.
type trieKey struct {
	hi, lo uint64
	bits   int
}

type trieNode struct {
	key     trieKey
	entries []*Entry // of exactly this network; nil in a fork
	child   [2]*trieNode
}

func keyOf(p netip.Prefix) (k trieKey, v4 bool) {
	p = p.Masked()
	if p.Addr().Is4() {
		b := p.Addr().As4()
		return trieKey{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32, bits: p.Bits()}, true
	}
	b := p.Addr().As16()
	return trieKey{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), p.Bits()}, false
}

// common counts the leading bits that a and b share, up to the shorter.
func (a trieKey) common(b trieKey) int {
	n := bits.LeadingZeros64(a.hi ^ b.hi)
	if n == 64 {
		n += bits.LeadingZeros64(a.lo ^ b.lo)
	}
	return min(n, a.bits, b.bits)
}

// bit is bit i, counted from the left.
func (a trieKey) bit(i int) int {
	if i < 64 {
		return int(a.hi >> (63 - i) & 1)
	}
	return int(a.lo >> (127 - i) & 1)
}

// cut is the first n bits.
func (a trieKey) cut(n int) trieKey {
	switch {
	case n <= 0:
		return trieKey{}
	case n <= 64:
		return trieKey{hi: a.hi & (^uint64(0) << (64 - n)), bits: n}
	}
	return trieKey{a.hi, a.lo & (^uint64(0) << (128 - n)), n}
}

func (t trie) insert(e *Entry) trie {
	k, v4 := keyOf(e.Prefix)
	if v4 {
		t.v4 = t.v4.insert(k, e)
	} else {
		t.v6 = t.v6.insert(k, e)
	}
	return t
}

func (n *trieNode) insert(k trieKey, e *Entry) *trieNode {
	if n == nil {
		return &trieNode{key: k, entries: []*Entry{e}}
	}
	same := n.key.common(k)
	switch {
	case same < n.key.bits && same == k.bits: // k is above n
		up := &trieNode{key: k, entries: []*Entry{e}}
		up.child[n.key.bit(same)] = n
		return up
	case same < n.key.bits: // they part below neither
		fork := &trieNode{key: k.cut(same)}
		fork.child[k.bit(same)] = &trieNode{key: k, entries: []*Entry{e}}
		fork.child[n.key.bit(same)] = n
		return fork
	}
	c := *n
	if same == k.bits {
		c.entries = append(append([]*Entry(nil), n.entries...), e)
		return &c
	}
	c.child[k.bit(same)] = n.child[k.bit(same)].insert(k, e)
	return &c
}

func (t trie) remove(e *Entry) trie {
	k, v4 := keyOf(e.Prefix)
	if v4 {
		t.v4 = t.v4.remove(k, e.ID)
	} else {
		t.v6 = t.v6.remove(k, e.ID)
	}
	return t
}

func (n *trieNode) remove(k trieKey, id string) *trieNode {
	if n == nil || n.key.common(k) < n.key.bits {
		return n
	}
	c := *n
	if n.key.bits == k.bits {
		c.entries = nil
		for _, e := range n.entries {
			if e.ID != id {
				c.entries = append(c.entries, e)
			}
		}
	} else {
		side := k.bit(n.key.bits)
		c.child[side] = n.child[side].remove(k, id)
	}
	return c.shrink()
}

// shrink drops a node that holds nothing and no longer parts two.
func (n trieNode) shrink() *trieNode {
	if len(n.entries) > 0 || n.child[0] != nil && n.child[1] != nil {
		return &n
	}
	if n.child[0] != nil {
		return n.child[0]
	}
	return n.child[1]
}

// find calls f with the entries of every network around addr, widest first.
func (t trie) find(addr netip.Addr, f func(*Entry)) {
	addr = addr.Unmap()
	k, v4 := keyOf(netip.PrefixFrom(addr, addr.BitLen()))
	n := t.v6
	if v4 {
		n = t.v4
	}
	for n != nil && n.key.common(k) == n.key.bits {
		for _, e := range n.entries {
			f(e)
		}
		if n.key.bits == k.bits {
			return
		}
		n = n.child[k.bit(n.key.bits)]
	}
}

// each calls f with every entry.
func (t trie) each(f func(*Entry)) {
	t.v4.each(f)
	t.v6.each(f)
}

func (n *trieNode) each(f func(*Entry)) {
	if n == nil {
		return
	}
	for _, e := range n.entries {
		f(e)
	}
	n.child[0].each(f)
	n.child[1].each(f)
}
