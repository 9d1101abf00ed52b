package screen

import (
	"regexp"
	"strings"
	"sync"
)

// Patterns keeps the automata of regular expressions by their text, so that the
// screen and the engine behind it share them, and what one has built of them is
// built for the other.
type Patterns struct {
	mu  sync.Mutex
	all map[string]compiledPattern
}

type compiledPattern struct {
	dfa     *dfa
	clauses []clause
	err     error
}

// NewPatterns is an empty collection.
func NewPatterns() *Patterns { return &Patterns{all: map[string]compiledPattern{}} }

func (p *Patterns) get(arg string) (*dfa, []clause, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.all[arg]
	if !ok {
		c.dfa, c.clauses, c.err = compileRx(arg)
		p.all[arg] = c
	}
	return c.dfa, c.clauses, c.err
}

// Pattern is the argument of an @rx, read as the engine reads it.
type Pattern struct{ dfa *dfa }

// Pattern compiles the argument of an @rx. It gives Beyond when the pattern is
// one that only the engine's own operator reads.
func (p *Patterns) Pattern(arg string) (Pattern, error) {
	d, _, err := p.get(arg)
	return Pattern{d}, err
}

// Beyond is the error of a pattern that the screen cannot read.
var Beyond = errBeyond

// Match reports whether the pattern matches anywhere in v.
func (p Pattern) Match(v string) bool { return p.dfa.match(v) }

// Windows within which the groups of a long value are looked for.
const (
	wholeBytes  = 32 << 10 // a value up to this is looked at whole
	windowBytes = 8 << 10  // before and after the place where a match ends
)

// Groups are what the groups of the leftmost match hold, the match itself
// first; nil if there is none. Of a long value the surroundings of the place
// are looked at where the automaton finds that a match ends.
func (p Pattern) Groups(v string) []string {
	if p.dfa.bytewise {
		return bytesOf(p.dfa.re().FindStringSubmatch(latin1(p.dfa.window(v))))
	}
	return p.dfa.re().FindStringSubmatch(p.dfa.window(v))
}

// bytesOf turns what latin1 made of bytes back into them.
func bytesOf(groups []string) []string {
	for i, g := range groups {
		var b strings.Builder
		for _, r := range g {
			b.WriteByte(byte(r))
		}
		groups[i] = b.String()
	}
	return groups
}

// window is the part of v in which a match is.
func (d *dfa) window(v string) string {
	if len(v) <= wholeBytes {
		return v
	}
	end, ok := d.end(v)
	if !ok {
		return v
	}
	w := v[max(0, end-windowBytes):min(len(v), end+windowBytes)]
	if !matchIn(d.re(), w, d.bytewise) { // it is longer than the window
		return v
	}
	return w
}

func matchIn(re *regexp.Regexp, v string, bytewise bool) bool {
	if bytewise {
		v = latin1(v)
	}
	return re.MatchString(v)
}
