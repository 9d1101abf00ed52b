package waf

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/debuglog"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types/variables"

	"noren"
	"noren/gateway/waf/screen"
)

// sieve is the compiled screen in front of the engine: it lets requests pass
// that no rule can match, and leaves the rest to the engine.
//
// The values it looks at come from a second, small engine that has the
// directives on how a request is read and no rule that judges it. So the screen
// sees the very strings that the rules would see.
type sieve struct {
	screen *screen.Screen
	reader coraza.WAF
	late   []variables.RuleVariable
	early  []variables.RuleVariable
	every  int64 // one of so many clean requests is compared
	off    atomic.Bool
	next   atomic.Int64 // when the next comparison may be, in Unix nanoseconds
	counts struct{ clean, engine, failed, compared, disagreed atomic.Int64 }
}

// DefaultCompare: one request of so many that the screen passes is also run
// through the engine, and at most one in comparePause.
const (
	DefaultCompare = 1000
	comparePause   = 250 * time.Millisecond
)

// Screening counts what the screen did since the rules were loaded.
type Screening struct {
	On        bool
	Clean     int64 // requests it passed
	Engine    int64 // requests it left to the engine
	Failed    int64 // of those, requests that it could not read
	Compared  int64 // clean requests that the engine looked at too
	Disagreed int64 // of those, requests that the engine marked; the screen is off then
}

// Screening tells what the screen did.
func (w *WAF) Screening() Screening {
	v := w.sieve
	if v == nil {
		return Screening{}
	}
	c := &v.counts
	return Screening{!v.off.Load(), c.clean.Load(), c.engine.Load(), c.failed.Load(), c.compared.Load(), c.disagreed.Load()}
}

// screened asks the screen. If the verdict is not clean, the engine must decide;
// that is also what happens when the screen fails.
func (w *WAF) screened(r *Request) (res Result, said screen.Verdict) {
	v := w.sieve
	if v == nil || v.off.Load() {
		return Result{}, screen.Verdict{}
	}
	start := time.Now()
	said, err := v.try(r)
	if err != nil {
		v.counts.failed.Add(1)
		w.log.Error("the firewall's screen failed; the engine inspects the request", "err", err, "method", r.Method, "zone", r.Zone)
	}
	if !said.Clean {
		v.counts.engine.Add(1)
		return Result{}, said
	}
	v.counts.clean.Add(1)
	if v.sample() {
		if res, marked := w.compare(r); marked {
			return res, said
		}
	}
	return Result{Micros: time.Since(start).Microseconds()}, said
}

// try is judge, with a panic as an error.
func (v *sieve) try(r *Request) (said screen.Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			said, err = screen.Verdict{}, noren.Errorf(noren.Internal, "waf: the screen panicked: %v", p)
		}
	}()
	return v.judge(r)
}

// sample picks the clean requests that are compared.
func (v *sieve) sample() bool {
	if v.every < 1 || v.counts.clean.Load()%v.every != 0 {
		return false
	}
	now, next := time.Now().UnixNano(), v.next.Load()
	return now >= next && v.next.CompareAndSwap(next, now+int64(comparePause))
}

// compare runs a clean request through the engine if a place is free. When the
// engine marks it, the screen is wrong: its verdict is not used, and it is off
// until rules are loaded again.
func (w *WAF) compare(r *Request) (res Result, marked bool) {
	leave, free := w.light.try(r.Site)
	if !free {
		return Result{}, false
	}
	defer leave()
	res, err := w.run(r, nil, 0)
	if err != nil {
		return Result{}, false
	}
	w.sieve.counts.compared.Add(1)
	if res.Score == 0 && !res.Blocked && len(res.Hits) == 0 {
		return Result{}, false
	}
	w.sieve.counts.disagreed.Add(1)
	w.sieve.off.Store(true)
	rule := 0
	if len(res.Hits) > 0 {
		rule = res.Hits[0].Rule
	}
	w.log.Error("the firewall's screen passed a request that the engine marks; it is off until the rules are loaded again, and every request is inspected the slow way",
		"rule", rule, "zone", r.Zone, "method", r.Method)
	return res, true
}

func newSieve(root *ruleFS, directives string, loaded []int) (*sieve, error) {
	s, err := screen.New(root, root.patterns, directives, zoneVariable, shopVariable)
	if err != nil {
		return nil, err
	}
	if err := sameRules(s.Rules(), loaded); err != nil {
		return nil, err
	}
	return sieveOf(s)
}

func sieveOf(s *screen.Screen) (v *sieve, err error) {
	v = &sieve{screen: s}
	if v.late, err = parseAll(s.Vars()); err != nil {
		return nil, err
	}
	if v.early, err = parseAll(s.EarlyVars()); err != nil {
		return nil, err
	}
	v.reader, err = coraza.NewWAF(coraza.NewWAFConfig().WithDebugLogger(debuglog.Noop()).WithDirectives(s.Engine()))
	if err != nil {
		return nil, fmt.Errorf("compile the directives for reading: %w", err)
	}
	return v, nil
}

// sameRules holds that the screen read the rules that the engine read.
func sameRules(screen, engine []int) error {
	if len(screen) != len(engine) {
		return noren.Errorf(noren.Internal, "the screen read %d rules, the engine %d", len(screen), len(engine))
	}
	for i := range screen {
		if screen[i] != engine[i] {
			return noren.Errorf(noren.Internal, "the screen read rule %d where the engine read %d", screen[i], engine[i])
		}
	}
	return nil
}

func parseAll(names []string) ([]variables.RuleVariable, error) {
	out := make([]variables.RuleVariable, len(names))
	for i, name := range names {
		var err error
		if out[i], err = variables.Parse(name); err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return out, nil
}

// judge asks the screen what the rules can make of r. An empty verdict is one
// that it cannot give.
func (v *sieve) judge(r *Request) (said screen.Verdict, err error) {
	tx := v.reader.NewTransaction()
	defer func() {
		if cerr := tx.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("waf: close transaction: %w", cerr)
		}
	}()
	state, ok := tx.(plugintypes.TransactionState)
	if !ok {
		return said, noren.Errorf(noren.Internal, "waf: this Coraza hides its variables")
	}
	if err := feedHead(tx, r); err != nil {
		return said, err
	}
	req := screen.Request{Private: len(r.Body) > 0 || oddCookies(r)}
	req.Early = collect(state, v.early)
	if err := feedBody(tx, r); err != nil {
		return said, err
	}
	if tx.IsInterrupted() {
		return said, nil
	}
	req.Late = collect(state, v.late)
	return v.screen.Judge(&req), nil
}

// oddCookies reports whether readings of a cookie may be among the fields (views).
func oddCookies(r *Request) bool {
	return slices.ContainsFunc(r.Header["Cookie"], func(line string) bool { return !isPlain(line) || escapes(line) })
}

func collect(tx plugintypes.TransactionState, vars []variables.RuleVariable) [][]screen.Value {
	out := make([][]screen.Value, len(vars))
	for i, name := range vars {
		col := tx.Collection(name)
		if col == nil {
			continue
		}
		for _, m := range col.FindAll() {
			out[i] = append(out[i], screen.Value{Key: m.Key(), Value: m.Value()})
		}
	}
	return out
}
