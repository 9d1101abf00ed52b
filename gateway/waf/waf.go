// Package waf inspects requests with the OWASP Core Rule Set on Coraza, made to
// pass ordinary Japanese. It is the only package that knows Coraza.
//
// One WAF serves all sites: it holds no state of a client, and its answer
// depends on the request alone. Client addresses reach it as netip.AddrPort,
// because Coraza's own middleware keeps the brackets of an IPv6 address and
// then misses it in every address rule.
package waf

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/debuglog"
	"github.com/corazawaf/coraza/v3/experimental"
	"github.com/corazawaf/coraza/v3/types"

	"noren"
	"noren/gateway/waf/exclusion"
	"noren/gateway/waf/screen"
)

//go:embed setup.conf
var setupConf string

//go:embed noren.conf
var norenConf string

//go:embed detect.conf
var detectConf string

// ruleFiles are the request rules of the Core Rule Set in their order. 905 is
// left out: it switches the rules off for requests from loopback, where a
// front-end's requests may come from. Responses are not inspected here.
var ruleFiles = []string{
	"901-INITIALIZATION", "911-METHOD-ENFORCEMENT", "913-SCANNER-DETECTION", "920-PROTOCOL-ENFORCEMENT",
	"921-PROTOCOL-ATTACK", "922-MULTIPART-ATTACK", "930-APPLICATION-ATTACK-LFI", "931-APPLICATION-ATTACK-RFI",
	"932-APPLICATION-ATTACK-RCE", "933-APPLICATION-ATTACK-PHP", "934-APPLICATION-ATTACK-GENERIC",
	"941-APPLICATION-ATTACK-XSS", "942-APPLICATION-ATTACK-SQLI", "943-APPLICATION-ATTACK-SESSION-FIXATION",
	"944-APPLICATION-ATTACK-JAVA",
}

// judgeFile compares the score with the threshold. It must see the scores of
// our own rules too, so it comes after noren.conf.
const judgeFile = "949-BLOCKING-EVALUATION"

// zoneVariable is the TX variable in which rules find the zone. The screen must
// know of every variable that is set besides the rules.
const zoneVariable = "noren_zone"

// shopVariable holds what the shop runs on, for the packages of rules/platforms.
const shopVariable = "noren_shop"

// ErrOverload says that no place to inspect came free in time. The request was
// not inspected.
var ErrOverload = errors.New("waf: no place to inspect came free in time")

// Defaults of Options, and what counts as a heavy body.
const (
	DefaultWait = 250 * time.Millisecond
	// heavyBytes: the engine takes about 10 ms per KiB of one field, so a few
	// heavy bodies could hold every place. They get places of their own, and
	// wait for one before the screen too, which takes 0.2 ms per KiB.
	heavyBytes = 8 << 10
)

// Options say how much may be inspected at once.
type Options struct {
	// Slots is how many requests are inspected at once; 0 means twice GOMAXPROCS.
	Slots int
	// Wait is how long a request waits for a place; 0 means DefaultWait.
	Wait time.Duration
	// Budget is how long the rules may look at one request that the screen did not
	// find clean; 0 means DefaultBudget. What takes longer, and has had so much
	// looked at that it is not the machine that is slow, is refused. It is looked at
	// before each regular expression, so it may be exceeded by one of them.
	Budget time.Duration
	// Rules are the shop's own, beside the shipped ones.
	Rules []RuleFile
	// NoScreen sends every request through the engine.
	NoScreen bool
	// Compare is how many requests the screen passes for one that is run through
	// the engine as well; 0 means DefaultCompare.
	Compare int
	Log     *slog.Logger
}

// WAF inspects requests. It is safe for concurrent use.
type WAF struct {
	engine  coraza.WAF
	sieve   *sieve // nil: every request goes through the engine
	light   *lane
	heavy   *lane // for the engine
	sifting *lane // for the screen, of heavy requests
	wait    time.Duration
	budget  time.Duration
	running *running
	fits    *fitness // nil: every rule keeps its fields
	log     *slog.Logger
	owns    sync.Map // *regexp.Regexp by Request.Own: the listeners' addresses

	ownCount atomic.Int64
}

// New compiles the rules, which takes about a third of a second.
func New(o Options) (*WAF, error) {
	if err := CheckRules(o.Rules); err != nil {
		return nil, err
	}
	return build(o, packages())
}

// Close gives back what the engine shares with others like it. Inspections
// under way end well.
func (w *WAF) Close() error {
	engines := []coraza.WAF{w.engine}
	if w.sieve != nil {
		engines = append(engines, w.sieve.reader)
	}
	var errs []error
	for _, e := range engines {
		if c, ok := e.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

func build(o Options, adjustments string) (*WAF, error) {
	if o.Slots <= 0 {
		o.Slots = 2 * runtime.GOMAXPROCS(0)
	}
	if o.Wait <= 0 {
		o.Wait = DefaultWait
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	useGrammar()
	if !o.NoScreen {
		useOperators()
	}
	useInert()
	root := &ruleFS{coreruleset.FS, screen.NewPatterns(), &running{}}
	adjustments, err := expand(root, adjustments)
	if err != nil {
		return nil, fmt.Errorf("the shipped rule packages: %w", err)
	}
	var loaded []int
	text := directives(adjustments, o.Rules)
	config := experimental.WAFConfigWithRuleObserver(coraza.NewWAFConfig().
		WithRootFS(root).
		WithDebugLogger(debuglog.Noop()).
		WithDirectives(text), func(r types.RuleMetadata) {
		if r.ID() != 0 { // markers have none
			loaded = append(loaded, r.ID())
		}
	})
	engine, err := coraza.NewWAF(config)
	if err != nil && len(o.Rules) > 0 {
		return nil, whichRules(o.Rules, err)
	}
	if err != nil {
		return nil, fmt.Errorf("compile the WAF rules: %w", err)
	}
	fits, err := fitnessOf(root, text)
	if err != nil {
		return nil, fmt.Errorf("read the WAF rules: %w", err)
	}
	return &WAF{
		engine:  engine,
		fits:    fits,
		sieve:   sieveFor(o, root, text, loaded),
		light:   newLane(o.Slots),
		heavy:   newLane(max(1, o.Slots/4)),
		sifting: newLane(max(1, o.Slots/4)),
		wait:    o.Wait,
		budget:  o.Budget,
		running: root.running,
		log:     o.Log,
	}, nil
}

// sieveFor builds the screen. Rules that it cannot read cost speed, and nothing
// else: every request goes through the engine then.
func sieveFor(o Options, root *ruleFS, directives string, loaded []int) *sieve {
	if o.NoScreen {
		return nil
	}
	v, err := newSieve(root, directives, loaded)
	if err != nil {
		o.Log.Warn("the firewall's screen cannot read these rules; every request is inspected the slow way", "err", err)
		return nil
	}
	v.every = int64(cmp.Or(o.Compare, DefaultCompare))
	return v
}

func directives(adjustments string, own []RuleFile) string {
	var b strings.Builder
	b.WriteString(setupConf)
	for _, f := range ruleFiles {
		fmt.Fprintf(&b, "\nInclude @owasp_crs/REQUEST-%s.conf\n", f)
	}
	b.WriteString(adjustments)
	b.WriteString(detectConf)
	// What was checked goes in, line by line, and not the file.
	for _, f := range own {
		for _, directive := range directiveLines(string(f.Data)) {
			fmt.Fprintf(&b, "\n%s\n", directive)
		}
	}
	fmt.Fprintf(&b, "\nInclude @owasp_crs/REQUEST-%s.conf\n", judgeFile)
	return b.String()
}

// Request is what is inspected: the request as the shop will receive it.
type Request struct {
	Site   string         // whose share of the places it takes
	Addr   netip.AddrPort // the client
	Method string
	URI    string // as on the request line
	Proto  string // HTTP/1.1, HTTP/2.0
	Host   string
	Header map[string][]string
	// Chunked says that the body is still to come in chunks; net/http takes the
	// Transfer-Encoding header away, which rule 920180 looks for.
	Chunked bool
	// Body is the whole body, or of an upload the part that is inspected; see
	// Reduce.
	Body []byte
	Zone noren.Zone
	Shop string // what the shop runs on, by the name of its preset
	// Own is the shop's host and port when visitors reach it by address, and
	// the caller knows that this is its own listener; "" for names.
	Own string
	// Charsets are the encodings the site reads form values in, as in a
	// Content-Type; nil means UTF-8 only.
	Charsets []string
	// Without are the fields that rules are not run over; see without.go.
	Without []exclusion.Target
}

// Result is what the rules say about a request.
type Result struct {
	Score   int         // anomaly score; 0 is clean
	Blocked bool        // the score reached the threshold, or a strict rule denied
	Status  int         // the HTTP status a denial asks for
	Hits    []noren.Hit // what matched, heaviest first, values redacted
	Micros  int64       // time spent inspecting, without waiting for a place
}

// Inspect runs the rules over r. It returns ErrOverload when no place came free
// in time, and another error when the engine failed; the caller decides then,
// by zone, which way to fail. A Result that came with an error says nothing.
//
// What the screen finds clean needs no place: an attack that holds all of them
// does not keep ordinary visitors waiting. Heavy requests wait for one even to be
// screened, in a lane of their own: what the engine takes seconds for holds up
// nobody whose request is clean.
func (w *WAF) Inspect(ctx context.Context, r *Request) (Result, error) {
	lane, leave := w.light, func() {}
	if r.size() > heavyBytes {
		lane = w.heavy
		var err error
		if leave, err = w.sifting.enter(ctx, r.Site, w.wait); err != nil {
			return Result{}, err
		}
	}
	r = w.own(r)
	res, said := w.screened(r)
	leave()
	if said.Clean {
		return res, nil
	}
	leave, err := lane.enter(ctx, r.Site, w.wait)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	budget := w.budget
	if said.Rule == 0 { // the screen said nothing, so most of this may be a clean request
		budget = 0
	}
	return w.run(r, said.Idle, budget)
}

// size is how much the rules look at: a cookie of 60 KB is as dear as a body.
func (r *Request) size() int {
	n := len(r.Body) + len(r.URI)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}
