package screen

import (
	"maps"
	"slices"
)

// automaton finds all literals of all rules in one pass over a string
// (Aho-Corasick with classes of bytes, ASCII letters without case). What it
// finds are numbers of clauses.
type automaton struct {
	class   [256]uint8
	classes int
	next    []uint32 // state*classes+class: the state, times classes; top bit: it has output
	out     [][]uint16
}

const hasOutput = 1 << 31

// trie is the automaton while it is built.
type trie struct {
	child []map[uint8]int
	out   [][]uint16
}

func buildAutomaton(lits map[string][]uint16) *automaton {
	a := &automaton{classes: 1}
	words := make([]string, 0, len(lits))
	var used [256]bool
	for l := range lits {
		words = append(words, l)
		for i := range len(l) {
			used[l[i]] = true
		}
	}
	slices.Sort(words)
	for b := range 256 {
		if used[b] {
			a.class[b] = uint8(a.classes)
			a.classes++
		}
	}
	for b := 'A'; b <= 'Z'; b++ {
		a.class[b] = a.class[b+'a'-'A']
	}
	t := &trie{[]map[uint8]int{{}}, [][]uint16{nil}}
	for _, w := range words {
		t.add(w, &a.class, lits[w])
	}
	a.link(t)
	return a
}

func (t *trie) add(word string, class *[256]uint8, ids []uint16) {
	s := 0
	for i := range len(word) {
		c := class[word[i]]
		next, ok := t.child[s][c]
		if !ok {
			next = len(t.child)
			t.child, t.out = append(t.child, map[uint8]int{}), append(t.out, nil)
			t.child[s][c] = next
		}
		s = next
	}
	for _, id := range ids {
		if !slices.Contains(t.out[s], id) {
			t.out[s] = append(t.out[s], id)
		}
	}
}

// link numbers the states breadth first, so that those near the root lie
// together in memory, and fills in where each goes when a literal breaks off.
func (a *automaton) link(t *trie) {
	order, place := []int{0}, make([]int, len(t.child))
	for i := 0; i < len(order); i++ {
		for _, c := range slices.Sorted(maps.Keys(t.child[order[i]])) {
			child := t.child[order[i]][c]
			place[child] = len(order)
			order = append(order, child)
		}
	}
	fail := make([]int, len(order))
	a.next = make([]uint32, len(order)*a.classes)
	a.out = make([][]uint16, len(order))
	for i, node := range order {
		// Whoever a state falls back to is nearer to the root, and done.
		row, back := a.next[i*a.classes:(i+1)*a.classes], a.next[fail[i]*a.classes:]
		if i > 0 {
			copy(row, back)
		}
		a.out[i] = union(t.out[node], a.out[fail[i]])
		for c, child := range t.child[node] {
			if i > 0 {
				fail[place[child]] = int(back[c])
			}
			row[c] = uint32(place[child])
		}
	}
	for i, p := range a.next {
		a.next[i] = p * uint32(a.classes)
		if len(a.out[p]) > 0 {
			a.next[i] |= hasOutput
		}
	}
}

func union(a, b []uint16) []uint16 {
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(slices.Clip(a), id)
		}
	}
	return a
}

// bits is a set of clauses.
type bits []uint64

func (b bits) set(i uint16)      { b[i>>6] |= 1 << (i & 63) }
func (b bits) has(i uint16) bool { return b[i>>6]&(1<<(i&63)) != 0 }

// scan adds to found what clauses s has literals of, and tells of which kinds of
// bytes s is.
func (a *automaton) scan(s string, found bits) kinds {
	state, has := uint32(0), kindAny
	for i := range len(s) {
		has |= kindOf[s[i]]
		state = a.next[state+uint32(a.class[s[i]])]
		if state&hasOutput == 0 {
			continue
		}
		state &^= hasOutput
		for _, id := range a.out[int(state)/a.classes] {
			found.set(id)
		}
	}
	return has
}
