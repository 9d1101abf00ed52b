package orient

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
)

// listSet is a set of lists, a bit each.
type listSet uint64

// maxLists bounds how many lists there are.
const maxLists = 64

// ranges says in which lists an address is: sorted disjoint ranges, found by
// binary search. It never changes.
type ranges struct{ v4, v6 []span }

// span begins at from and ends where the next one begins.
type span struct {
	from  point
	lists listSet
}

// point is an address as a number.
type point struct{ hi, lo uint64 }

func pointOf(a netip.Addr) point {
	if a.Is4() {
		b := a.As4()
		return point{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return point{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (p point) compare(q point) int {
	if c := cmp.Compare(p.hi, q.hi); c != 0 {
		return c
	}
	return cmp.Compare(p.lo, q.lo)
}

// turn is where a network of a list begins or ends.
type turn struct {
	at    point
	list  int
	begin bool
}

// newRanges builds ranges from the networks of each list.
func newRanges(lists [][]netip.Prefix) ranges {
	var v4, v6 []turn
	for i, networks := range lists {
		for _, n := range networks {
			if n.Addr().Is4() {
				v4 = appendTurns(v4, n, i)
			} else {
				v6 = appendTurns(v6, n, i)
			}
		}
	}
	return ranges{flatten(v4), flatten(v6)}
}

func appendTurns(ts []turn, n netip.Prefix, list int) []turn {
	ts = append(ts, turn{pointOf(n.Addr()), list, true})
	if next := lastOf(n).Next(); next.IsValid() { // else it reaches the end of all addresses
		ts = append(ts, turn{pointOf(next), list, false})
	}
	return ts
}

// lastOf is the last address of a network.
func lastOf(n netip.Prefix) netip.Addr {
	b := n.Addr().AsSlice()
	for i := n.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// flatten sweeps over the turns; networks of one list may lie in each other.
func flatten(ts []turn) []span {
	slices.SortFunc(ts, func(a, b turn) int { return a.at.compare(b.at) })
	var out []span
	var depth [maxLists]int
	var lists listSet
	for i := 0; i < len(ts); {
		at := ts[i].at
		for ; i < len(ts) && ts[i].at == at; i++ {
			lists = ts[i].apply(&depth, lists)
		}
		if len(out) == 0 || out[len(out)-1].lists != lists {
			out = append(out, span{at, lists})
		}
	}
	return slices.Clip(out)
}

func (t turn) apply(depth *[maxLists]int, lists listSet) listSet {
	if t.begin {
		depth[t.list]++
	} else {
		depth[t.list]--
	}
	if depth[t.list] > 0 {
		return lists | 1<<t.list
	}
	return lists &^ (1 << t.list)
}

// lookup returns the lists that hold a.
func (r *ranges) lookup(a netip.Addr) listSet {
	spans := r.v6
	if a.Is4() {
		spans = r.v4
	}
	p := pointOf(a)
	i := sort.Search(len(spans), func(i int) bool { return spans[i].from.compare(p) > 0 })
	if i == 0 {
		return 0
	}
	return spans[i-1].lists
}
