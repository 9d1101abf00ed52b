package screen

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// dfa answers whether a pattern matches anywhere in a string, as package regexp
// would, with one step per character: an automaton over classes of characters
// whose states are built when they are first met. Its memory is bounded; when
// it is full it starts anew, and package regexp answers meanwhile.
type dfa struct {
	prog     *syntax.Prog
	re       func() *regexp.Regexp // made when it is first needed, which is seldom
	captures int                   // groups of the pattern
	bytewise bool                  // each byte is a character (Latin-1), as package binaryregexp reads
	low      [256]uint16
	bounds   []rune // class i is bounds[i] to bounds[i+1]-1
	cache    atomic.Pointer[dfaCache]
}

// dfaCache holds the states met since the automaton last started anew.
type dfaCache struct {
	mu     sync.Mutex
	states map[string]*dfaState
	start  *dfaState
	bytes  int
}

type dfaState struct {
	insts   []uint32 // where the program stands, before empty-width assertions
	before  rune     // stands for what precedes: -1 nothing, \n, a word character, another
	matched bool
	next    []atomic.Pointer[dfaState] // by class; the last is the end of the text
}

// maxDFABytes bounds one automaton; the rules have about 130.
const maxDFABytes = 384 << 10

// compileDFA takes the pattern with its flags, as the operator gives it to the
// regular expressions of Go.
func compileDFA(pattern string, bytewise bool) (*dfa, *syntax.Regexp, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, nil, err
	}
	groups := parsed.MaxCap()
	parsed = parsed.Simplify()
	prog, err := syntax.Compile(parsed)
	if err != nil {
		return nil, nil, err
	}
	re := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) }) // it parses
	d := &dfa{prog: prog, re: re, captures: groups, bytewise: bytewise, bounds: classBounds(prog)}
	for r := range rune(256) {
		d.low[r] = d.class(r)
	}
	d.restart()
	return d, parsed, nil
}

// classBounds splits the characters into classes that no instruction of the
// program tells apart.
func classBounds(prog *syntax.Prog) []rune {
	at := map[rune]struct{}{0: {}}
	add := func(lo, hi rune) {
		at[lo] = struct{}{}
		if hi < unicode.MaxRune {
			at[hi+1] = struct{}{}
		}
	}
	add('\n', '\n')
	for _, in := range prog.Inst {
		switch in.Op {
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0 {
				add('a', 'z')
				add('A', 'Z')
				add('0', '9')
				add('_', '_')
			}
		case syntax.InstRune, syntax.InstRune1:
			if len(in.Rune) > 1 {
				for i := 0; i+1 < len(in.Rune); i += 2 {
					add(in.Rune[i], in.Rune[i+1])
				}
				continue
			}
			first := in.Rune[0]
			add(first, first)
			if syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
				for r := unicode.SimpleFold(first); r != first; r = unicode.SimpleFold(r) {
					add(r, r)
				}
			}
		}
	}
	bounds := make([]rune, 0, len(at))
	for r := range at {
		bounds = append(bounds, r)
	}
	slices.Sort(bounds)
	return bounds
}

func (d *dfa) class(r rune) uint16 {
	i, found := slices.BinarySearch(d.bounds, r)
	if !found {
		i--
	}
	return uint16(i)
}

func (d *dfa) restart() *dfaCache {
	c := &dfaCache{states: map[string]*dfaState{}}
	c.start = d.state(c, []uint32{uint32(d.prog.Start)}, -1, false)
	d.cache.Store(c)
	return c
}

// state finds or makes a state of c, whose lock the caller holds.
func (d *dfa) state(c *dfaCache, insts []uint32, before rune, matched bool) *dfaState {
	slices.Sort(insts)
	key := make([]byte, 0, 4+4*len(insts))
	if matched {
		insts = nil
	} else {
		key = binary.LittleEndian.AppendUint32(key, uint32(before))
		for _, i := range insts {
			key = binary.LittleEndian.AppendUint32(key, i)
		}
	}
	if s, ok := c.states[string(key)]; ok {
		return s
	}
	s := &dfaState{insts: insts, before: before, matched: matched, next: make([]atomic.Pointer[dfaState], len(d.bounds)+1)}
	c.states[string(key)] = s
	c.bytes += 2*len(key) + 8*len(s.next) + 128
	return s
}

// match reports whether the pattern matches in v.
func (d *dfa) match(v string) bool {
	end, known := d.end(v)
	if !known {
		return d.slow(v)
	}
	return end >= 0
}

// end is where the first match to end does, or -1 if there is none; with what
// follows it where the pattern looks ahead. known is false when there was no room
// to tell.
func (d *dfa) end(v string) (end int, known bool) {
	c := d.cache.Load()
	s := c.start
	for i := 0; i < len(v); {
		var class uint16
		if b := v[i]; b < utf8.RuneSelf || d.bytewise {
			class = d.low[b]
			i++
		} else {
			r, size := utf8.DecodeRuneInString(v[i:])
			class = d.class(r)
			i += size
		}
		next := s.next[class].Load()
		if next == nil {
			if next = d.step(c, s, int(class)); next == nil {
				return 0, false
			}
		}
		if next.matched {
			return i, true
		}
		s = next
	}
	last := s.next[len(d.bounds)].Load()
	if last == nil {
		if last = d.step(c, s, len(d.bounds)); last == nil {
			return 0, false
		}
	}
	if last.matched {
		return len(v), true
	}
	return -1, true
}

func (d *dfa) slow(v string) bool {
	if d.bytewise {
		v = latin1(v)
	}
	return d.re().MatchString(v)
}

// latin1 reads each byte as a character.
func latin1(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// step builds where s goes on a class. It returns nil, and starts the automaton
// anew, when there is no room left.
func (d *dfa) step(c *dfaCache, s *dfaState, class int) *dfaState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if next := s.next[class].Load(); next != nil {
		return next
	}
	if c.bytes > maxDFABytes {
		if d.cache.Load() == c {
			d.restart()
		}
		return nil
	}
	char := rune(-1)
	if class < len(d.bounds) {
		char = d.bounds[class]
	}
	insts, matched := d.follow(s, char)
	if !matched && char >= 0 && !slices.Contains(insts, uint32(d.prog.Start)) {
		insts = append(insts, uint32(d.prog.Start)) // a match may begin anywhere
	}
	next := d.state(c, insts, standIn(char), matched)
	s.next[class].Store(next)
	return next
}

// follow runs the program over one character: the empty-width closure of s, and
// from there over char.
func (d *dfa) follow(s *dfaState, char rune) (out []uint32, matched bool) {
	flags := syntax.EmptyOpContext(s.before, char)
	seen, reached := map[uint32]bool{}, map[uint32]bool{}
	stack := slices.Clone(s.insts)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := &d.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				stack = append(stack, in.Out)
			}
		case syntax.InstMatch:
			return nil, true
		case syntax.InstFail:
		default:
			if char >= 0 && takes(in, char) && !reached[in.Out] {
				reached[in.Out] = true
				out = append(out, in.Out)
			}
		}
	}
	return out, false
}

func takes(in *syntax.Inst, char rune) bool {
	switch in.Op {
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return char != '\n'
	}
	return in.MatchRune(char)
}

// standIn is a character that the assertions (^ $ \b) cannot tell from char.
func standIn(char rune) rune {
	switch {
	case char < 0 || char == '\n':
		return char
	case syntax.IsWordChar(char):
		return 'a'
	}
	return ' '
}
