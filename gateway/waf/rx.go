package waf

import (
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"
	"rsc.io/binaryregexp"

	"noren"
	"noren/gateway/waf/grammar"
	"noren/gateway/waf/screen"
)

// ruleFS is where an engine reads its rules from. It also carries what the
// operators of that engine share: Coraza's registry of operators is the
// process's, and the root is what it hands each of them.
type ruleFS struct {
	fs.FS
	patterns *screen.Patterns
	running  *running
}

// useOperators puts our @rx in the place of Coraza's, for engines made from now
// on.
var useOperators = sync.OnceFunc(func() { plugins.RegisterOperator("rx", newRx) })

// useGrammar adds @grammar, which our own rules ask.
var useGrammar = sync.OnceFunc(func() { plugins.RegisterOperator("grammar", newGrammar) })

func newGrammar(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	t, ok := grammar.Named(o.Arguments)
	if !ok {
		return nil, noren.Errorf(noren.Invalid, "no grammar %.40q", o.Arguments)
	}
	n := &running{}
	if root, ok := o.Root.(*ruleFS); ok {
		n = root.running
	}
	return &grammarOp{t, n}, nil
}

type grammarOp struct {
	test    grammar.Test
	running *running
}

func (o *grammarOp) Evaluate(tx plugintypes.TransactionState, v string) bool {
	return !o.running.over(tx, v) && o.test.Match(v)
}

// newRx makes an @rx that gives Coraza's verdicts with automata instead of
// package regexp, and looks at the time its request has.
func newRx(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	root, ok := o.Root.(*ruleFS)
	if !ok {
		root = &ruleFS{patterns: screen.NewPatterns(), running: &running{}}
	}
	p, err := root.patterns.Pattern(o.Arguments)
	if errors.Is(err, screen.Beyond) {
		re, err := binaryregexp.Compile(o.Arguments)
		return &byteRx{re, root.running}, err
	}
	if err != nil {
		return nil, err
	}
	return &rx{p, root.running}, nil
}

type rx struct {
	pattern screen.Pattern
	running *running
}

func (o *rx) Evaluate(tx plugintypes.TransactionState, v string) bool {
	if o.running.over(tx, v) || !o.pattern.Match(v) {
		return false
	}
	if tx.Capturing() {
		capture(tx, o.pattern.Groups(v))
	}
	return true
}

// byteRx is for patterns that mix bytes and characters.
type byteRx struct {
	re      *binaryregexp.Regexp
	running *running
}

func (o *byteRx) Evaluate(tx plugintypes.TransactionState, v string) bool {
	if o.running.over(tx, v) {
		return false
	}
	if !tx.Capturing() {
		return o.re.MatchString(v)
	}
	groups := o.re.FindStringSubmatch(v)
	capture(tx, groups)
	return groups != nil
}

// keptGroups is how many Coraza keeps.
const keptGroups = 9

func capture(tx plugintypes.TransactionState, groups []string) {
	for i, g := range groups[:min(len(groups), keptGroups)] {
		tx.CaptureField(i, g)
	}
}

// DefaultBudget is how long the rules may look at one request.
const DefaultBudget = 100 * time.Millisecond

// budgetRule is named when a request took longer than its budget.
const budgetRule = 100010

// slowest is what the rules take for a byte at most. A request that has not had
// its budget's worth of bytes looked at is late because the machine is busy, and
// that is not its fault.
const slowest = 100 * time.Nanosecond

// running are the requests that an engine is looking at, by the number of their
// transaction.
type running struct {
	last atomic.Uint64
	all  sync.Map // string to *spending
}

// spending is what a request may use and has used; one goroutine looks at it.
type spending struct {
	end   time.Time
	bytes int // that may be looked at whatever the time
}

// start makes a transaction with a budget, or without any for 0; done forgets it.
func (n *running) start(engine coraza.WAF, budget time.Duration) (tx types.Transaction, done func()) {
	id := strconv.FormatUint(n.last.Add(1), 36)
	if budget > 0 {
		n.all.Store(id, &spending{time.Now().Add(budget), int(budget / slowest)})
	}
	return engine.NewTransactionWithID(id), func() { n.all.Delete(id) }
}

// over reports whether a request has used up its budget, before v is looked at
// for it. It is refused then: the screen has seen something in it.
func (n *running) over(tx plugintypes.TransactionState, v string) bool {
	found, ok := n.all.Load(tx.ID())
	if !ok {
		return false
	}
	s := found.(*spending)
	if s.bytes > 0 || time.Now().Before(s.end) {
		s.bytes -= len(v)
		return false
	}
	tx.Interrupt(&types.Interruption{RuleID: budgetRule, Action: "deny", Status: 403})
	return true
}
